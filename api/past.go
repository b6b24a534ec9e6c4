package api

import (
	"context"

	"evenkeel/core/trade"
	"evenkeel/intake"
	"evenkeel/records"
)

// past asks history for a request, through the few workers that heavy questions have: what is older than the memory is
// read from a disk, and a crowd that reads old statements must not take the processors from those who trade. The
// request gives its turn among the quick questions back for it. Errors are those of History, and BusyError.
type past struct {
	server *Server
	call   *call
}

var _ History = past{}

func (s *Server) past(c *call) past { return past{s, c} }

// turn waits for a worker, once for a request.
func (p past) turn(ctx context.Context) error {
	c := p.call
	if c.heavy {
		return nil
	}
	c.turn.End()
	turn, err := p.server.Door.Queue.Enter(ctx, intake.Report, p.server.asker(c), nil)
	c.turn, c.heavy = turn, err == nil
	return err
}

func (p past) Orders(ctx context.Context, id trade.AccountID, f records.OrderFilter) ([]trade.Order, error) {
	if err := p.turn(ctx); err != nil {
		return nil, err
	}
	return p.server.History.Orders(ctx, id, f)
}

func (p past) Order(ctx context.Context, id trade.AccountID, order trade.OrderID) (o trade.Order, ok bool, err error) {
	if err := p.turn(ctx); err != nil {
		return o, false, err
	}
	return p.server.History.Order(ctx, id, order)
}

func (p past) OrderByClientID(
	ctx context.Context, id trade.AccountID, client string,
) (o trade.Order, ok bool, err error) {
	if err := p.turn(ctx); err != nil {
		return o, false, err
	}
	return p.server.History.OrderByClientID(ctx, id, client)
}

func (p past) Events(ctx context.Context, id trade.AccountID, f records.EventFilter) ([]trade.Event, error) {
	if err := p.turn(ctx); err != nil {
		return nil, err
	}
	return p.server.History.Events(ctx, id, f)
}
