package replica

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// A wavering machine is a diary that remembers "x" wrongly while its node is told to.
type wavering struct {
	diary
	wrong *atomic.Bool
}

func (w *wavering) Apply(e Entry, answers []uint64) {
	w.diary.Apply(e, answers)
	for _, command := range e.Commands {
		if string(command) == "x" && w.wrong.Load() {
			w.chain++
		}
	}
}

// TestLeaderDivergesUnderFlow plants a wrong state on the leader of a group with goroutines, while commands flow: no
// command is lost or answered with an error but those that a change of leadership explains, and the node comes back.
func TestLeaderDivergesUnderFlow(t *testing.T) {
	c := &cluster{groups: map[uint64]*Group[uint64]{}}
	wrong := map[uint64]*atomic.Bool{}
	options := map[uint64]Options[uint64]{}
	c.mutex.Lock()
	for node := uint64(1); node <= 3; node++ {
		o := c.options(t.TempDir(), node)
		o.Limits.CompareEvery = 100 * time.Millisecond
		own := &atomic.Bool{}
		o.New = func() Machine[uint64] { return &wavering{wrong: own} }
		wrong[node], options[node] = own, o
		c.groups[node] = open(t, o)
	}
	c.mutex.Unlock()
	first := c.leader(t, 0)
	eventually(t, "the first features", func() bool { return len(first.Features().Active) == len(Known()) })
	bad := first.home.node
	propose(t, first, "a")
	wrong[bad].Store(true)
	propose(t, first, "x")
	began := time.Now()
	acknowledged := 2
	for n := 0; first.Status().Diverged == ""; n++ {
		if _, err := first.Propose(t.Context(), fmt.Append(nil, n)); err == nil {
			acknowledged++
		} else if !errors.Is(err, ErrNotLeader) && !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrFailed) {
			t.Fatal(err)
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal("it goes on")
		}
	}
	stopped := time.Now()
	second := c.leader(t, bad)
	t.Logf("stopped after %v, another leads %v later", stopped.Sub(began).Round(time.Millisecond),
		time.Since(stopped).Round(time.Millisecond))
	propose(t, second, "b")
	acknowledged++
	var err error
	select {
	case err = <-first.Failed():
	case <-time.After(20 * time.Second):
	}
	var diverged *DivergedError
	if !errors.As(err, &diverged) || diverged.Node != bad {
		t.Fatalf("it failed with %v", err)
	}
	closeGroup(t, first)
	wrong[bad].Store(false)
	again := open(t, options[bad])
	c.mutex.Lock()
	c.groups[bad] = again
	c.mutex.Unlock()
	propose(t, second, "c")
	eventually(t, "it is compared again", func() bool {
		return again.Status().LastCompared > diverged.Index
	})
	if got := len(linesOf(t, again)); got < acknowledged+1 {
		t.Errorf("it has %d commands, %d were acknowledged", got, acknowledged+1)
	}
}

func linesOf(t *testing.T, g *Group[uint64]) [][]byte {
	t.Helper()
	var all [][]byte
	err := g.Inspect(t.Context(), func(m Machine[uint64], _ uint64) {
		all = m.(interface{ itself() *diary }).itself().lines
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
