package node

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"evenkeel/api"
	"evenkeel/web"
)

// doorway is the listeners of a node whose API answers "well", and what their log says.
func doorway(t *testing.T) (s *servers, said *bytes.Buffer) {
	t.Helper()
	said = &bytes.Buffer{}
	s = &servers{log: slog.New(slog.NewTextHandler(said, nil)), app: web.New(), fresh: map[net.Conn]struct{}{}}
	handler := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "well")
	}))
	s.handler.Store(&handler)
	var err error
	if s.plain, err = listen(t.Context(), "--listen", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.serve(s.plain, &http.Server{Handler: s}, nil) //nolint:gosec // a test's own
	return s, said
}

// TestGoodbye: while a node leaves, it answers, and each answer is the last on its connection.
func TestGoodbye(t *testing.T) {
	s, _ := doorway(t)
	client := &http.Client{Transport: &http.Transport{}}
	ask := func() bool {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.plainURL()+"/api/v1/account", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil || string(text) != "well" {
			t.Errorf("answered %q, %v", text, err)
		}
		return answer.Close
	}
	if ask() {
		t.Error("a goodbye of a node that stays")
	}
	s.leaving.Store(true)
	if !ask() {
		t.Error("no goodbye of a node that leaves")
	}
	s.leaving.Store(false)
	if ask() {
		t.Error("a goodbye of a node that was taken up again")
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

// TestSpareConnections: connections on which nothing was ever asked do not keep a node from ending.
func TestSpareConnections(t *testing.T) {
	s, said := doorway(t)
	var d net.Dialer
	spare, err := d.DialContext(context.Background(), "tcp", s.plain.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer spare.Close() //nolint:errcheck // the server has closed it
	eventually(t, "the connection is known", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.fresh) == 1
	})
	if err := s.close(); err != nil || strings.Contains(said.String(), "cut off") {
		t.Errorf("%v, and the log says %q", err, said)
	}
	if _, err := bufio.NewReader(spare).ReadByte(); err == nil {
		t.Error("the connection is open")
	}
}

// eventually looks until something holds, for longer than a busy machine takes.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !holds() {
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			t.Fatalf("still not: %s", what)
		}
	}
}

// TestBrokenNodeLeaves: a node whose log has failed says goodbye at once, where another one can go on, and not before
// its last word where none can.
func TestBrokenNodeLeaves(t *testing.T) {
	for _, alone := range []bool{false, true} {
		s, _ := doorway(t)
		n := &Node{shards: []*shard{{}}, servers: s, server: &api.Server{}, failed: make(chan error, 1)}
		n.shards[0].alone.Store(alone)
		n.open.Store(true)
		n.fail(errors.New("the disk is gone"))
		if left := s.leaving.Load(); left == alone || n.draining.Load() == alone {
			t.Errorf("alone: %v, and it leaves: %v", alone, left)
		}
		if err := <-n.Failed(); err == nil {
			t.Error("nobody hears why the node ends")
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}
