package node

import (
	"context"
	"sync"
	"time"
)

const (
	// dutyPause is that of a leader whose duties went wrong: the log was full, or its books not to be had.
	dutyPause = 50 * time.Millisecond
	// rulesPause is how often rules are looked at that wait for an upgrade to be over.
	rulesPause = 5 * time.Second
)

// office is the leadership of a shard as this node holds it: while it leads, the link to the exchange is up, the rules
// are in force, and securities are listed; when it does not, the link is down.
type office struct {
	mu   sync.Mutex
	held tenure
	news chan struct{}
}

// tenure is one leadership: of a term, or none.
type tenure struct {
	leads bool // and has applied everything of earlier terms
	term  uint64
}

func (o *office) init() { o.news = make(chan struct{}, 1) }

// set says who leads now. It never blocks.
func (o *office) set(t tenure) {
	o.mu.Lock()
	o.held = t
	o.mu.Unlock()
	select {
	case o.news <- struct{}{}:
	default: // it has been told already, and will see the newest
	}
}

func (o *office) get() tenure {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.held
}

// leads reports whether this node leads the shard, with everything of earlier terms applied.
func (s *shard) leads() bool { return s.office.get().leads }

// govern does what a leader does, whenever this node is one, until the context ends. The link is stopped before
// anything else when leadership is lost: the exchange would fence it anyway, as soon as the next leader logs on.
func (s *shard) govern(running context.Context) {
	var served tenure
	var duties sync.WaitGroup
	leave := func() {}
	for {
		if now := s.office.get(); now != served {
			leave()
			s.link.Stop()
			duties.Wait()
			s.link.Stop() // duties may have started it meanwhile
			leave, served = func() {}, now
			if now.leads {
				ctx, cancel := context.WithCancel(running)
				leave = cancel
				duties.Go(func() { s.duties(ctx) })
			}
		}
		select {
		case <-s.office.news:
		case <-running.Done():
			leave()
			duties.Wait() // the link says goodbye when the node closes it
			return
		}
	}
}

// duties are those of a leader. Rules that are in force need no word of the log, so that the link of a new leader is
// up at once.
func (s *shard) duties(ctx context.Context) {
	settled := s.settleRules(ctx)
	if ctx.Err() != nil {
		return
	}
	s.link.Start()
	var later sync.WaitGroup
	defer later.Wait()
	if !settled {
		later.Go(func() {
			for pause(ctx, rulesPause) && !s.settleRules(ctx) { // until all nodes run one version
			}
		})
	}
	s.keepListed(ctx)
}

// settleRules brings the rules into force, and tries again while the log cannot be had. It reports false when they
// have to wait.
func (s *shard) settleRules(ctx context.Context) bool {
	for {
		settled, err := s.adoptRules(ctx)
		if err == nil {
			return settled
		}
		if ctx.Err() == nil {
			s.node.log.Warn("a leader's duties", "shard", s.number, "error", err)
		}
		if isRefusal(err) { // the books keep the rules that they have
			return true
		}
		if !pause(ctx, dutyPause) {
			return false
		}
	}
}

// pause waits, and reports false when the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
