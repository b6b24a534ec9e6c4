package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"evenkeel/core/trade"
	"evenkeel/intake"
	"evenkeel/records"
)

// archive is a history that counts how often it was asked.
type archive struct{ asked atomic.Int64 }

func (a *archive) Orders(context.Context, trade.AccountID, records.OrderFilter) ([]trade.Order, error) {
	a.asked.Add(1)
	return nil, nil
}

func (a *archive) Order(context.Context, trade.AccountID, trade.OrderID) (o trade.Order, ok bool, err error) {
	a.asked.Add(1)
	return o, false, nil
}

func (a *archive) OrderByClientID(context.Context, trade.AccountID, string) (o trade.Order, ok bool, err error) {
	a.asked.Add(1)
	return o, false, nil
}

func (a *archive) Events(context.Context, trade.AccountID, records.EventFilter) ([]trade.Event, error) {
	a.asked.Add(1)
	return nil, nil
}

// What is older than the memory is read by few workers. While they are busy, quick questions and the newest rows are
// answered all the same; who needs old ones is told to come back.
func TestOldRowsAreHeavyWork(t *testing.T) {
	old := &archive{}
	h := openHouse(t, func(p *Parts) { p.History = old })
	ask := func(path string) reply { return h.ask("GET", path, "") }
	if r := ask("/v2/account/activities?direction=desc"); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.raw)
	}
	p := past{h.server, &call{r: httptest.NewRequest("GET", "/", http.NoBody)}}
	if _, err := p.Events(t.Context(), h.account, records.EventFilter{}); err != nil || old.asked.Load() == 0 {
		t.Fatalf("history was asked %d times: %v", old.asked.Load(), err)
	}
	for range 2 { // a request that asks twice holds one worker
		if _, err := p.Orders(t.Context(), h.account, records.OrderFilter{}); err != nil {
			t.Fatal(err)
		}
	}
	status := h.server.Door.Queue.Status(intake.Report)
	if status.Under != 1 {
		t.Errorf("%+v", status)
	}
	p.call.leave()
	if status := h.server.Door.Queue.Status(intake.Report); status.Under != 0 {
		t.Errorf("%+v", status)
	}
	busy := historyFault(&intake.BusyError{Class: intake.Report, Short: intake.NoRoom, After: 3e9})
	if busy.Reason != noRoom || busy.After != 3e9 {
		t.Errorf("%+v", busy)
	}
}
