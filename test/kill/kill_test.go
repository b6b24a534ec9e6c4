// Package kill holds the test that kills: broker and exchange are real processes, and kill -9 comes at any moment
// while investors trade over REST. At the end three histories are laid side by side and must agree order by order:
// what the investors were told, the broker's log, and the exchange's reports.
//
// EVENKEEL_KILLS says how often it kills (200; 10 with -short), EVENKEEL_BINARY which program (default: built from
// here), EVENKEEL_SEED repeats the random choices of another run, though not its moments.
package kill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Figures of a run.
const (
	defaultKills = 200
	shortKills   = 10
	everyKills   = 20                     // a line of progress
	lastKills    = 5                      // are of the exchange: a broker that starts again sends its outbox anyhow
	flow         = 40                     // orders and cancels a second of the exchange's own players
	leastCalm    = 20 * time.Millisecond  // between readiness and the next kill
	mostCalm     = 500 * time.Millisecond // the same
	mostStalled  = 40 * time.Millisecond  // half of the victims hear nothing for so long before they die
	mostDown     = 100 * time.Millisecond // before what was killed is started again
)

func TestKill(t *testing.T) {
	kills := defaultKills
	if testing.Short() {
		kills = shortKills
	}
	if text := os.Getenv("EVENKEEL_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("EVENKEEL_KILLS=%q: a number from 1 on", text)
		}
		kills = n
	}
	seed := uint64(time.Now().UnixNano())
	if n, err := strconv.ParseUint(os.Getenv("EVENKEEL_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Log("EVENKEEL_SEED", seed)
	h := openHouse(t, flow)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var work sync.WaitGroup
	var investors []*investor
	for n := range h.accounts {
		choices := rand.New(rand.NewPCG(seed, uint64(n)))
		i := &investor{house: h, account: &h.accounts[n], number: n, random: choices}
		investors = append(investors, i)
		work.Go(func() { i.run(ctx) })
	}
	h.storm(kills, rand.New(rand.NewPCG(seed, 1<<32)))
	stop()
	work.Wait()
	if t.Failed() {
		return
	}
	h.settle()
	h.audit()
	h.broker.stop()
	h.exchange.stop()
	compare(t, h, investors)
}

// storm kills so many times.
func (h *house) storm(kills int, random *rand.Rand) {
	began := time.Now()
	took, killed := map[string]time.Duration{}, map[string]int{}
	var longest time.Duration
	for n := 1; n <= kills && !h.t.Failed(); n++ {
		calm := leastCalm + time.Duration(random.Int64N(int64(mostCalm-leastCalm)))
		<-time.After(calm) // the moment of a kill is the one thing that is left to chance
		victims, who := []*process{h.broker}, "broker"
		switch dice := random.IntN(100); {
		case dice < 40, n > kills-lastKills:
			victims, who = []*process{h.exchange}, "exchange"
		case dice < 55:
			victims, who = append(victims, h.exchange), "both"
		}
		if random.IntN(2) == 0 { // what comes in meanwhile dies unheard
			for _, v := range victims {
				v.stall()
			}
			<-time.After(time.Duration(random.Int64N(int64(mostStalled))))
		}
		for _, v := range victims {
			v.kill()
		}
		killed[who]++
		<-time.After(time.Duration(random.Int64N(int64(mostDown))))
		again := time.Now()
		for _, v := range victims {
			v.start()
		}
		h.ready()
		took[who] += time.Since(again)
		longest = max(longest, time.Since(again))
		if n%everyKills == 0 || n == kills {
			fmt.Fprintf(os.Stderr, "killed %d of %d times in %v; on the average ready again after", n, kills,
				time.Since(began).Round(time.Second))
			for _, who := range []string{"broker", "exchange", "both"} {
				average := took[who] / time.Duration(max(1, killed[who]))
				fmt.Fprintf(os.Stderr, " %v (%s, %d times)", average.Round(time.Millisecond), who, killed[who])
			}
			fmt.Fprintf(os.Stderr, "; at most %v\n", longest.Round(time.Millisecond))
		}
	}
}
