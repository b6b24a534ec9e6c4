package load

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// door is a node's API as far as a client meets it.
type door struct {
	*httptest.Server
	mode    atomic.Value // answer, refuse, silent
	asked   atomic.Int64
	release chan struct{}
}

// books are what all doors write into: an order by its client order id, once.
type books struct {
	mu     sync.Mutex
	orders map[string]Wish
}

func (b *books) place(w Wish) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.orders[w.ClientID] = w
}

func open(t *testing.T, b *books) *door {
	t.Helper()
	d := &door{release: make(chan struct{})}
	d.mode.Store("answer")
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.asked.Add(1)
		switch d.mode.Load() {
		case "refuse":
			http.Error(w, "no leader", http.StatusServiceUnavailable)
			return
		case "silent":
			select {
			case <-d.release:
			case <-r.Context().Done():
			}
			return
		case "goodbye":
			w.Header().Set("Connection", "close")
		case "unprocessable":
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = w.Write([]byte(`{"reason":"INSUFFICIENT_CASH"}`))
			return
		}
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		var wish Wish
		if err := json.NewDecoder(r.Body).Decode(&wish); err != nil {
			t.Error(err)
		}
		b.place(wish)
		_ = json.NewEncoder(w).Encode(map[string]string{"id": "order-" + wish.ClientID, "symbol": wish.Symbol,
			"client_order_id": wish.ClientID, "qty": wish.Quantity, "side": wish.Side, "limit_price": wish.Price + "0"})
	}))
	t.Cleanup(func() {
		close(d.release)
		d.CloseClientConnections()
		d.Close()
	})
	return d
}

func cluster(t *testing.T, n int) (doors []*door, nodes []Node, b *books) {
	t.Helper()
	b = &books{orders: map[string]Wish{}}
	for id := range n {
		d := open(t, b)
		doors = append(doors, d)
		nodes = append(nodes, Node{ID: uint64(id + 1), URL: d.URL})
	}
	return doors, nodes, b
}

func TestFailover(t *testing.T) {
	for _, c := range []struct {
		what     string
		modes    [3]string
		node     uint64
		attempts int
		least    time.Duration
		most     time.Duration
	}{
		{"all is well", [3]string{"answer", "answer", "answer"}, 1, 1, 0, HedgeAfter},
		{"the home refuses", [3]string{"refuse", "answer", "answer"}, 2, 2, 0, HedgeAfter},
		{"two refuse", [3]string{"refuse", "refuse", "answer"}, 3, 3, 0, HedgeAfter},
		{"the home is silent", [3]string{"silent", "answer", "answer"}, 2, 2, HedgeAfter, 2 * HedgeAfter},
		{"two are silent", [3]string{"silent", "silent", "answer"}, 3, 3, 2 * HedgeAfter, 3 * HedgeAfter},
		{"one is silent, one refuses", [3]string{"silent", "refuse", "answer"}, 3, 3, HedgeAfter, 2 * HedgeAfter},
	} {
		t.Run(c.what, func(t *testing.T) {
			var said string
			for range 5 { // a machine with much to do may be slow once
				if said = failover(t, c.modes, c.node, c.attempts, c.least, c.most); said == "" {
					return
				}
			}
			t.Error(said)
		})
	}
}

// failover asks twice, and says what is not as it should be.
func failover(t *testing.T, modes [3]string, node uint64, attempts int, least, most time.Duration) string {
	t.Helper()
	doors, nodes, _ := cluster(t, 3)
	for i, d := range doors {
		d.mode.Store(modes[i])
	}
	client := NewClient(nodes, nil, 0)
	defer client.Close()
	began := time.Now()
	a := client.Call(context.Background(), Account{}, http.MethodDelete, "/v2/orders/1", nil)
	took := time.Since(began)
	if a.Status != http.StatusNoContent || a.Node != node || a.Attempts != attempts {
		return fmt.Sprintf("%+v", a)
	}
	if took < least || took > most+HedgeAfter/2 {
		return fmt.Sprintf("it took %v", took)
	}
	again := client.Call(context.Background(), Account{}, http.MethodDelete, "/v2/orders/1", nil)
	if again.Attempts != 1 || again.Node != node {
		return fmt.Sprintf("the next request begins elsewhere: %+v", again)
	}
	return ""
}

// TestGoodbye: a client that is answered for the last time by a node asks another one next, without having waited.
func TestGoodbye(t *testing.T) {
	doors, nodes, _ := cluster(t, 3)
	client := NewClient(nodes, nil, 0)
	defer client.Close()
	client.hedgeAfter = time.Minute // a machine that stood still is not a node that is silent
	for i, said := range []string{"answer", "goodbye", "answer", "answer"} {
		doors[0].mode.Store(said)
		a := client.Call(context.Background(), Account{}, http.MethodDelete, "/v2/orders/1", nil)
		if want := []uint64{1, 1, 2, 2}[i]; a.Node != want || a.Status != http.StatusNoContent {
			t.Errorf("request %d: %+v, and not of node %d", i, a, want)
		}
	}
}

// TestAllRefuse: a client goes on asking until somebody answers.
func TestAllRefuse(t *testing.T) {
	doors, nodes, _ := cluster(t, 3)
	for _, d := range doors {
		d.mode.Store("refuse")
	}
	time.AfterFunc(5*pause, func() { doors[2].mode.Store("answer") })
	client := NewClient(nodes, nil, 0)
	defer client.Close()
	if a := client.Call(context.Background(), Account{}, http.MethodDelete, "/", nil); a.Node != 3 || a.Attempts < 6 {
		t.Errorf("%+v", a)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*pause)
	defer cancel()
	doors[2].mode.Store("refuse")
	if a := client.Call(ctx, Account{}, http.MethodDelete, "/", nil); a.Status != 0 || a.Err == nil {
		t.Errorf("%+v", a)
	}
}

// TestRecord runs a load through a silence, and compares its record with the books.
func TestRecord(t *testing.T) {
	doors, nodes, b := cluster(t, 3)
	accounts := make([]Account, 6)
	l, err := Start(Config{Nodes: nodes, Accounts: accounts, Programs: 3, Rate: 300, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	reach := func(n int64) {
		for doors[0].asked.Load() < n {
			<-time.After(time.Millisecond)
		}
	}
	reach(20)
	silent := time.Now()
	doors[0].mode.Store("silent")
	<-time.After(3 * HedgeAfter)
	doors[0].mode.Store("answer")
	l.GoHome()
	reach(doors[0].asked.Load() + 20)
	doors[1].mode.Store("unprocessable")
	<-time.After(HedgeAfter)
	l.Stop()
	if wrong := l.Wrong(); len(wrong) > 0 {
		t.Error(wrong)
	}
	counts := map[string]int{}
	var longest time.Duration
	for _, r := range l.Requests(time.Time{}, time.Time{}) {
		counts[fmt.Sprint(r.Kind, r.Outcome)]++
		if r.Due.After(silent) {
			longest = max(longest, r.Done.Sub(r.Due))
		}
		if _, has := b.orders[r.Wish.ClientID]; r.Kind == Place && has != (r.Outcome == Acknowledged) {
			t.Errorf("the books have %s: %v, the record says %v", r.Wish.ClientID, has, r.Outcome)
		}
	}
	if counts["0 acknowledged"] < 50 || counts["1 acknowledged"] < 10 || counts["0 refused"] == 0 {
		t.Error(counts)
	}
	if longest < HedgeAfter || longest > 5*HedgeAfter {
		t.Errorf("the longest wait was %v, one silent node of three", longest)
	}
}

func TestDiffers(t *testing.T) {
	w := Wish{Symbol: "600000.SH", Quantity: "100", Side: "buy", Price: "9.90", ClientID: "d1"}
	good := told{ID: "x", ClientID: "d1", Symbol: "600000.SH", Quantity: "100", Side: "buy", Price: "9.9"}
	if err := good.differs(w); err != nil {
		t.Error(err)
	}
	for _, bad := range []func(*told){func(t *told) { t.ClientID = "d2" }, func(t *told) { t.Quantity = "200" },
		func(t *told) { t.Price = "9.91" }, func(t *told) { t.Side = "sell" }, func(t *told) { t.ID = "" },
		func(t *told) { t.Symbol = "600001.SH" }} {
		one := good
		if bad(&one); one.differs(w) == nil {
			t.Errorf("%+v passes for %+v", one, w)
		}
	}
}
