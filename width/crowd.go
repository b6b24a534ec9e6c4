package width

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"
)

// plan is what a process with a crowd of clients does.
type plan struct {
	Address string        `json:"address"` // of the server, on this machine
	Path    string        `json:"path"`
	Says    [][]string    `json:"says"`  // what each client says once it is connected: client i what stands at i modulo
	Until   string        `json:"until"` // a text that the server's answer has when the client is in
	Clients int           `json:"clients"`
	From    int           `json:"from"` // number of the first loopback address
	Settle  time.Duration `json:"settle"`
	Lasts   time.Duration `json:"lasts"`
}

// told is what a crowd was told while it was counted.
type told struct {
	Open     int                    `json:"open"`   // at the end
	Failed   int                    `json:"failed"` // did not get in
	Why      string                 `json:"why"`    // the first of them did not
	Lost     int                    `json:"lost"`   // were cut off
	Messages uint64                 `json:"messages"`
	Frames   uint64                 `json:"frames"`
	Bytes    uint64                 `json:"bytes"`
	Fewest   uint64                 `json:"fewest"` // messages of one client
	Most     uint64                 `json:"most"`
	Took     time.Duration          `json:"took"`
	Lag      *hdrhistogram.Snapshot `json:"lag"` // microseconds, of the oldest message of a frame
	Memory   uint64                 `json:"memory"`
	Sockets  uint64                 `json:"sockets"` // descriptors of the process
}

// Limits of a crowd.
const (
	perAddress = 2000             // clients from one loopback address
	openers    = 16               // clients that connect at once
	buffer     = 256 << 10        // bytes of one read
	everyLag   = 16               // of so many clients, the lag of one is measured
	mostLag    = 600_000_000      // microseconds
	patience   = 20 * time.Second // for one step of getting in
)

// client is one connection.
type client struct {
	fd       int
	kept     []byte // the beginning of a frame
	messages uint64
}

// crowd is clients who read with one thread.
type crowd struct {
	plan    plan
	clients []client
	poll    int
	said    told
	lag     *hdrhistogram.Histogram
	counts  bool // from now on
}

// ready is said once everybody is in.
type ready struct {
	Open   int    `json:"open"`
	Why    string `json:"why"`
	Memory uint64 `json:"memory"`
}

// Crowd connects clients as told by the first line of in, says when they are in, and at the next line counts what they
// are told. One thread reads for all of them, so that a machine's time goes to the server.
func Crowd(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	text, err := lines.ReadBytes('\n')
	c := crowd{lag: hdrhistogram.New(1, mostLag, 3)}
	if err == nil {
		err = json.Unmarshal(text, &c.plan)
	}
	if err != nil {
		return fmt.Errorf("width: what a crowd does: %w", err)
	}
	raiseLimit()
	if c.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("width: %w", err)
	}
	c.connect(ctx)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	begin, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- c.read(reading, begin) }()
	if err := json.NewEncoder(out).Encode(ready{len(c.clients) - c.said.Failed, c.said.Why, memoryOf(0)}); err != nil {
		return err
	}
	if _, err := lines.ReadBytes('\n'); err != nil {
		return fmt.Errorf("width: waiting for the begin: %w", err)
	}
	close(begin)
	if err := <-ended; err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(c.said)
}

// connect lets the clients in, some at a time.
func (c *crowd) connect(ctx context.Context) {
	c.clients = make([]client, c.plan.Clients)
	var mu sync.Mutex
	var all sync.WaitGroup
	next := 0
	for range openers {
		all.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stopped := ctx.Err() != nil || c.said.Failed > 100
				mu.Unlock()
				if i >= len(c.clients) {
					return
				}
				err := errors.New("too many others did not get in")
				if !stopped {
					err = c.enter(i)
				}
				if err == nil {
					continue
				}
				mu.Lock()
				c.clients[i].fd = -1
				if c.said.Failed++; c.said.Failed == 1 {
					c.said.Why = err.Error()
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

// enter connects one client, and subscribes.
func (c *crowd) enter(i int) (err error) {
	to, err := netip.ParseAddrPort(c.plan.Address)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, unix.Close(fd))
		}
	}()
	at := c.plan.From + i/perAddress
	from := [4]byte{127, 0, byte(1 + at/250), byte(1 + at%250)}
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: from}))
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	}
	if err != nil {
		return err
	}
	hello := "GET " + c.plan.Path + " HTTP/1.1\r\nHost: " + c.plan.Address + "\r\nUpgrade: websocket\r\n" +
		"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	rest, err := c.await(fd, []byte(hello), nil, "\r\n\r\n", 1)
	if err != nil {
		return err
	}
	if len(c.plan.Says) > 0 {
		var b []byte
		for _, text := range c.plan.Says[i%len(c.plan.Says)] {
			b = append(b, masked(opText, []byte(text))...)
		}
		if rest, err = c.await(fd, b, rest, c.plan.Until, 0); err != nil {
			return err
		}
	}
	c.clients[i] = client{fd: fd, kept: rest}
	return errors.Join(unix.SetNonblock(fd, true),
		unix.EpollCtl(c.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}))
}

// await says something and reads until a text has come; it returns what came behind the last whole frame. upgrade says
// that it is no frame yet.
func (c *crowd) await(fd int, say, had []byte, until string, upgrade int) (rest []byte, err error) {
	if _, err := unix.Write(fd, say); err != nil {
		return nil, err
	}
	b := make([]byte, 4096)
	all := had
	for {
		if at := bytes.Index(all, []byte(until)); at >= 0 {
			if upgrade == 0 {
				break
			}
			if !bytes.HasPrefix(all, []byte("HTTP/1.1 101")) {
				return nil, fmt.Errorf("%.60q", all)
			}
			return bytes.Clone(all[at+len(until):]), nil
		}
		if bytes.Contains(all, []byte(`"T":"error"`)) {
			return nil, fmt.Errorf("%.200q", all)
		}
		n, err := unix.Read(fd, b)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return nil, fmt.Errorf("closed behind %.60q: %w", all, err)
		}
		all = append(all, b[:n]...)
	}
	done, err := frames(all, func(byte, []byte) error { return nil })
	return bytes.Clone(all[done:]), err
}

// read reads for everybody; what comes is counted from some time behind the begin, for as long as the plan says.
func (c *crowd) read(ctx context.Context, begin <-chan struct{}) error {
	events, b := make([]unix.EpollEvent, 1024), make([]byte, buffer)
	var from, until time.Time
	for {
		n, err := unix.EpollWait(c.poll, events, 10)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("width: %w", err)
		}
		for _, event := range events[:max(0, n)] {
			c.hear(int(event.Fd), b)
		}
		now := time.Now()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case begin != nil:
			select {
			case <-begin:
				begin, from = nil, now.Add(c.plan.Settle)
			default:
			}
		case until.IsZero() && now.After(from):
			c.counts, from, until = true, now, now.Add(c.plan.Lasts)
		case !until.IsZero() && now.After(until):
			c.end(now.Sub(from))
			return nil
		}
	}
}

func (c *crowd) end(took time.Duration) {
	s := &c.said
	s.Took, s.Lag, s.Memory, s.Sockets = took, c.lag.Export(), memoryOf(0), descriptorsOf(0)
	for i := range c.clients {
		cl := &c.clients[i]
		if cl.fd < 0 {
			continue
		}
		if s.Open == 0 || cl.messages < s.Fewest {
			s.Fewest = cl.messages
		}
		s.Open++
		s.Most = max(s.Most, cl.messages)
	}
}

// hear reads what there is for a client.
func (c *crowd) hear(i int, b []byte) {
	cl := &c.clients[i]
	n, err := unix.Read(cl.fd, b)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if err == nil && n > 0 {
		all := b[:n]
		if len(cl.kept) > 0 {
			all = append(cl.kept, all...)
		}
		var done int
		take := func(opcode byte, payload []byte) error { return c.take(i, opcode, payload) }
		if done, err = frames(all, take); err == nil {
			if cl.kept = nil; done < len(all) {
				cl.kept = bytes.Clone(all[done:])
			}
			return
		}
	}
	_ = unix.Close(cl.fd)
	cl.fd = -1
	if c.said.Lost++; c.said.Why == "" {
		c.said.Why = fmt.Sprintf("client %d was cut off: %v", i, err)
	}
}

var (
	isQuote = []byte(`"T":"q"`)
	hasTime = []byte(`"t":"`)
)

// take counts the messages of a frame, and how old the first is.
func (c *crowd) take(i int, opcode byte, payload []byte) error {
	switch opcode {
	case opClose:
		return fmt.Errorf("the server said %.80q", payload)
	case opPing:
		_, err := unix.Write(c.clients[i].fd, masked(opPong, payload))
		return err
	}
	if !c.counts {
		return nil
	}
	n := uint64(bytes.Count(payload, isQuote))
	if n == 0 {
		return nil
	}
	c.clients[i].messages += n
	c.said.Messages += n
	c.said.Frames++
	c.said.Bytes += uint64(len(payload))
	if i%everyLag == 0 {
		if at := bytes.Index(payload, hasTime); at >= 0 {
			text := payload[at+len(hasTime):]
			if end := bytes.IndexByte(text, '"'); end > 0 {
				if t, err := time.Parse(time.RFC3339Nano, string(text[:end])); err == nil {
					_ = c.lag.RecordValue(min(mostLag, max(1, time.Since(t).Microseconds()))) // within range
				}
			}
		}
	}
	return nil
}
