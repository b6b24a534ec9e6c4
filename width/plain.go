package width

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Of the plain broadcast.
const (
	plainQueue = 1024 // messages that wait for one reader, as in the library's example (16 there)
	plainWrite = 5 * time.Second
)

// source is where a plain broadcast has its messages from.
type source struct {
	URL  string   `json:"url"`
	Says []string `json:"says"`
}

// broadcast is what the WebSocket library's own example of a chat does: each message, as it comes, into a queue of
// each reader, from which a goroutine of its own writes it.
type broadcast struct {
	mu      sync.Mutex
	readers map[chan []byte]func()
}

// Plain serves a plain broadcast of what one stream of a server tells, as told by the first line of in, until in ends.
// It says its address.
func Plain(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	text, err := lines.ReadBytes('\n')
	var from source
	if err == nil {
		err = json.Unmarshal(text, &from)
	}
	if err != nil {
		return fmt.Errorf("width: what to broadcast: %w", err)
	}
	raiseLimit()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ws, _, err := websocket.Dial(ctx, from.URL, nil) //nolint:bodyclose // it is the library's
	if err != nil {
		return fmt.Errorf("width: the source of a broadcast: %w", err)
	}
	defer func() { _ = ws.CloseNow() }()
	ws.SetReadLimit(maxFrame)
	for _, say := range from.Says {
		if err := ws.Write(ctx, websocket.MessageText, []byte(say)); err != nil {
			return fmt.Errorf("width: the source of a broadcast: %w", err)
		}
	}
	b := &broadcast{readers: map[chan []byte]func(){}}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("width: %w", err)
	}
	server := &http.Server{Handler: b, ReadHeaderTimeout: patience}
	go func() { _ = server.Serve(l) }()
	defer func() { _ = server.Close() }()
	if _, err := fmt.Fprintln(out, l.Addr()); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, lines) // it ends with who started us
		stop()
	}()
	for {
		_, message, err := ws.Read(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("width: the source of a broadcast: %w", err)
		}
		b.tell(message)
	}
}

func (b *broadcast) tell(message []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for queue, closeSlow := range b.readers {
		select {
		case queue <- message:
		default:
			go closeSlow()
		}
	}
}

// ServeHTTP takes a reader in.
func (b *broadcast) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // the library has answered
	}
	defer func() { _ = ws.CloseNow() }()
	queue := make(chan []byte, plainQueue)
	ctx := ws.CloseRead(r.Context())
	b.mu.Lock()
	b.readers[queue] = func() { _ = ws.Close(websocket.StatusPolicyViolation, "too slow") }
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.readers, queue)
		b.mu.Unlock()
	}()
	for {
		select {
		case message := <-queue:
			if err := writeWithin(ctx, ws, message); err != nil {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func writeWithin(ctx context.Context, ws *websocket.Conn, message []byte) error {
	bounded, cancel := context.WithTimeout(ctx, plainWrite)
	defer cancel()
	if err := ws.Write(bounded, websocket.MessageText, message); err != nil {
		return errors.Join(err, ctx.Err())
	}
	return nil
}
