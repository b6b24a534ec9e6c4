package node

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"evenkeel/exchange"
	"evenkeel/venue"
)

// Pauses before an exchange in this process whose journal failed is opened again; each is twice the one before.
const (
	exchangePause     = time.Second
	exchangePauseMost = 30 * time.Second
)

// openExchange starts the simulated exchange in this process when none is given.
func (n *Node) openExchange(_, running context.Context) error {
	if n.config.ExchangeOrders != "" {
		return nil
	}
	n.config.Say("starting the simulated exchange")
	n.config.ExchangePassword = venue.Password(NewPassword())
	c := exchange.Config{
		Dir: filepath.Join(n.config.Dir, exchangeData), Rules: n.config.Rules, Clock: n.config.Clock,
		Flow: n.config.Flow,
		Log:  n.log,
	}
	var err error
	if c.Units, err = exchange.Units(unitCompID, unitPBU, string(n.config.ExchangePassword), len(n.shards)); err != nil {
		return err
	}
	s, err := exchange.Open(c)
	if err != nil {
		return fmt.Errorf("start the exchange: %w", err)
	}
	n.exchange = s
	c.Orders, c.Market = s.OrdersAddress(), s.MarketAddress() // it comes back where the links look for it
	n.config.ExchangeOrders, n.config.ExchangeMarket = c.Orders, c.Market
	n.work.Go(func() { n.keepExchange(running, c) })
	return nil
}

// keepExchange opens the exchange again whenever its journal failed. The broker goes on meanwhile, as it would when
// an exchange elsewhere died: orders wait in its outbox, questions are answered.
func (n *Node) keepExchange(running context.Context, c exchange.Config) {
	pause := exchangePause
	for {
		s := n.exchangeHere()
		opened := time.Now()
		select {
		case <-running.Done():
			return
		case err := <-s.Failed():
			n.setExchange(nil, fmt.Errorf("the exchange's journal failed: %w", errors.Join(err, s.Close())))
		}
		if time.Since(opened) > exchangePauseMost {
			pause = exchangePause
		}
		for n.exchangeHere() == nil {
			n.log.Error("the exchange in this process is down", "error", n.exchangeTrouble(), "again in", pause)
			select {
			case <-running.Done():
				return
			case <-time.After(pause):
			}
			pause = min(2*pause, exchangePauseMost)
			again, err := exchange.Open(c)
			if err != nil {
				again, err = nil, fmt.Errorf("start the exchange again: %w", err)
			}
			n.setExchange(again, err)
		}
		n.log.Warn("the exchange in this process is back")
	}
}

func (n *Node) exchangeHere() *exchange.Server {
	n.exchangeMu.Lock()
	defer n.exchangeMu.Unlock()
	return n.exchange
}

// exchangeTrouble is why the exchange in this process is down; nil when it is not.
func (n *Node) exchangeTrouble() error {
	n.exchangeMu.Lock()
	defer n.exchangeMu.Unlock()
	return n.exchangeError
}

func (n *Node) setExchange(s *exchange.Server, err error) {
	n.exchangeMu.Lock()
	defer n.exchangeMu.Unlock()
	n.exchange, n.exchangeError = s, err
}
