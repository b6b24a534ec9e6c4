package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"evenkeel/drill/cable"
	"evenkeel/drill/disk"
	"evenkeel/drill/report"
)

// needs are what a fault cannot be made without.
type needs struct {
	network  bool // namespaces, which need root
	disk     bool // a FUSE file system, which needs root
	previous bool // a binary of the version before
	planted  bool // a binary with planted bugs
}

// fault is one kind of trouble.
type fault struct {
	name, title, what string
	bounds            report.Bounds
	needs             needs
	strike            func(ctx context.Context, t *trial) error
	hold              time.Duration // from strike to heal
	heal              func(ctx context.Context, t *trial) error
}

// What a client may see at most: of a fault that nobody expected, and of planned work.
var (
	failover = report.Bounds{P99: 300, Max: 600}
	planned  = report.Bounds{P50: 20, Max: 100}
)

// Loss of packets, in percent, of the fault of that name.
const lossPercent = 30

// How long a fault lasts before it is healed.
const (
	shortHold = 1500 * time.Millisecond
	longHold  = 4 * time.Second
	lieBefore = 500 * time.Millisecond // a disk lies so long before the power goes
)

var faults = []fault{
	{name: "kill", title: "kill -9 of the leader", what: "The process that leads is killed; it is started again 1.5 s later.",
		bounds: failover, strike: killLeader, hold: shortHold, heal: startAgain},
	{name: "stop", title: "SIGSTOP of the leader", what: "The process that leads is stopped in its tracks for 1.5 s: " +
		"its connections stay open and say nothing.",
		bounds: failover, strike: signalLeader(syscall.SIGSTOP), hold: shortHold, heal: signalVictim(syscall.SIGCONT)},
	{name: "isolate", title: "the leader's cable is pulled", what: "No packet comes from the leader or reaches it, from " +
		"anybody, for 1.5 s.",
		bounds: failover, needs: needs{network: true}, hold: shortHold, heal: mendCables,
		strike: cableFault(func(t *trial) []cable.Fault { return cable.Cut(t.victim.machine) })},
	{name: "cut", title: "the leader is cut off from the other nodes", what: "Clients and the exchange reach the leader, the " +
		"other nodes do not, for 1.5 s.",
		bounds: failover, needs: needs{network: true}, hold: shortHold, heal: mendCables,
		strike: cableFault(func(t *trial) []cable.Fault { return cable.Cut(t.victim.machine, t.others()...) })},
	{name: "mute", title: "one-way: the leader is not heard", what: "The leader hears the other nodes, and they do not hear " +
		"it, for 1.5 s.",
		bounds: failover, needs: needs{network: true}, hold: shortHold, heal: mendCables,
		strike: cableFault(func(t *trial) []cable.Fault { return cable.Mute(t.victim.machine, t.others()...) })},
	{name: "deaf", title: "one-way: the leader does not hear", what: "The other nodes hear the leader, and it does not hear " +
		"them, for 1.5 s.",
		bounds: failover, needs: needs{network: true}, hold: shortHold, heal: mendCables,
		strike: cableFault(func(t *trial) []cable.Fault { return cable.Deafen(t.victim.machine, t.others()...) })},
	{name: "loss", title: "the leader's cable loses 30 % of packets", what: "Three packets of ten from and to the leader are " +
		"lost, whoever sent them, for 4 s.",
		bounds: failover, needs: needs{network: true}, hold: longHold, heal: mendCables,
		strike: cableFault(func(t *trial) []cable.Fault {
			return []cable.Fault{{From: t.victim.machine, To: cable.Everywhere, Loss: lossPercent},
				{From: cable.Everywhere, To: t.victim.machine, Loss: lossPercent}}
		})},
	{name: "full", title: "the leader's disk is full", what: "Every write of the leader ends with ENOSPC for 1.5 s.",
		bounds: failover, needs: needs{disk: true}, hold: shortHold, heal: mendDisk,
		strike: diskFault(disk.Condition{Full: true})},
	{name: "failing", title: "the leader's disk fails", what: "Every write and every sync of the leader ends with EIO for " +
		"1.5 s.",
		bounds: failover, needs: needs{disk: true}, hold: shortHold, heal: mendDisk,
		strike: diskFault(disk.Condition{FailWrites: true, FailSyncs: true})},
	{name: "hang", title: "the leader's disk hangs", what: "No sync of the leader returns for 1.5 s.",
		bounds: failover, needs: needs{disk: true}, hold: shortHold, heal: mendDisk,
		strike: diskFault(disk.Condition{HangSyncs: true})},
	{name: "lie", title: "the leader's disk has lied, and its power goes", what: "For half a second the leader's syncs return " +
		"without having kept anything; then its power goes, and all that is lost.",
		bounds: failover, needs: needs{disk: true}, hold: shortHold, strike: lieAndLosePower, heal: startAgain},
	{name: "power", title: "power loss of all nodes", what: "All nodes die at once, and their disks lose, torn, what was " +
		"not synced; they are started again at once.",
		needs: needs{disk: true}, hold: 0, strike: allLosePower, heal: startAll},
	{name: "both", title: "leader and exchange killed together", what: "The process that leads and the exchange are killed " +
		"at the same moment; both are started again 1.5 s later.",
		bounds: failover, hold: shortHold, strike: killBoth, heal: startBoth},
	{name: "restart", title: "rolling restart", what: "The leader first, every node is asked to end (SIGTERM), and started " +
		"again; the next one follows when all have everything.",
		bounds: planned, strike: rollingRestart},
	{name: "upgrade", title: "rolling upgrade", what: "The nodes run the version before; the leader first, each is ended and " +
		"started again with this one.",
		bounds: planned, needs: needs{previous: true}, strike: rollingUpgrade, heal: settleUpgrade},
	{name: "diverge", title: "a follower computes something else", what: "A follower runs a binary that charges every fee " +
		"twice. It is to stop itself at the first comparison, and nobody is to notice.",
		bounds: planned, needs: needs{planted: true}, strike: divergeFollower, heal: rightAgain},
	{name: "rollback", title: "rolling upgrade, taken back", what: "Two nodes are upgraded, then brought back to the version " +
		"before, which no feature of the new one was activated to forbid.",
		bounds: planned, needs: needs{previous: true}, strike: rollBack},
}

// Kinds are the names of all kinds of faults.
func Kinds() (names []string) {
	for _, f := range faults {
		names = append(names, f.name)
	}
	return names
}

// choose finds faults by their names, separated by commas; "" or "all": all of them.
func choose(names string) (chosen []fault, err error) {
	if names == "" || names == "all" {
		return faults, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(faults, func(f fault) bool { return f.name == strings.TrimSpace(name) })
		if at < 0 {
			return nil, fmt.Errorf("there is no fault %q: %s", name, strings.Join(Kinds(), ", "))
		}
		chosen = append(chosen, faults[at])
	}
	return chosen, nil
}

func killLeader(_ context.Context, t *trial) error {
	t.note("%s, which leads, is killed", t.victim.machine)
	return t.victim.kill()
}

func startAgain(_ context.Context, t *trial) error {
	t.note("%s is started again", t.victim.machine)
	return t.victim.start()
}

func signalLeader(s syscall.Signal) func(context.Context, *trial) error {
	return func(_ context.Context, t *trial) error {
		t.note("%s, which leads, gets %v", t.victim.machine, s)
		return t.victim.signal(s)
	}
}

func signalVictim(s syscall.Signal) func(context.Context, *trial) error {
	return func(_ context.Context, t *trial) error {
		t.note("%s gets %v", t.victim.machine, s)
		return t.victim.signal(s)
	}
}

func cableFault(which func(t *trial) []cable.Fault) func(context.Context, *trial) error {
	return func(_ context.Context, t *trial) error {
		t.note("the cable of %s, which leads, is at fault", t.victim.machine)
		return t.house.network.Set(which(t)...)
	}
}

func mendCables(_ context.Context, t *trial) error {
	t.note("the cables are mended")
	return t.house.network.Set()
}

func diskFault(c disk.Condition) func(context.Context, *trial) error {
	return func(_ context.Context, t *trial) error {
		t.note("the disk of %s, which leads, is at fault", t.victim.machine)
		return t.victim.disk.Set(c)
	}
}

// farewell is how long a node whose log failed may take to end: it answers questions until then.
const farewell = 8 * time.Second

// mendDisk mends the disk; a process that has ended, or will, because of it is started again.
func mendDisk(ctx context.Context, t *trial) error {
	t.note("the disk of %s is mended", t.victim.machine)
	if err := t.victim.disk.Set(disk.Condition{}); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	for t.victim.runs() {
		if all, err := t.victim.standings(wait); err == nil && everything(all, len(t.house.nodes), committed(all)) {
			return nil // it has gone on by itself
		}
		select {
		case <-wait.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			t.note("%s does not end by itself, and is killed", t.victim.machine)
			return errors.Join(t.victim.kill(), t.victim.start())
		case <-time.After(look):
		}
	}
	return startAgain(ctx, t)
}

func lieAndLosePower(_ context.Context, t *trial) error {
	t.note("the power of %s, which leads, goes, after its disk has lied for %v", t.victim.machine, lieBefore)
	return t.house.losePower(t, t.victim)
}

func allLosePower(_ context.Context, t *trial) error {
	t.note("the power of all nodes goes")
	return t.house.losePower(t, t.house.nodes...)
}

// losePower takes the power of nodes at one moment: nothing more reaches their disks, their processes are gone, and
// what was not synced is lost. The nodes go side by side, as they would in one room: what one's process takes to be
// gone is not to be counted to the gap of the others.
func (h *house) losePower(t *trial, nodes ...*node) error {
	all := func(step func(i int, n *node) error) error {
		errs := make([]error, len(nodes))
		var done sync.WaitGroup
		for i, n := range nodes {
			done.Go(func() { errs[i] = step(i, n) })
		}
		done.Wait()
		return errors.Join(errs...)
	}
	seeds, lost := make([]uint64, len(nodes)), make([]disk.Counts, len(nodes))
	for i := range seeds {
		seeds[i] = t.random.Uint64()
	}
	if err := all(func(_ int, n *node) error { return n.disk.Set(disk.Condition{Off: true}) }); err != nil {
		return err
	}
	if err := all(func(_ int, n *node) error { return n.kill() }); err != nil {
		return err
	}
	t.note("their processes are gone")
	err := all(func(i int, n *node) (err error) {
		lost[i], err = n.disk.LosePower(disk.Loss{Torn: true, Seed: seeds[i]})
		return errors.Join(err, n.disk.Set(disk.Condition{}))
	})
	for i, n := range nodes {
		t.note("%s has lost what was not synced: %d files, %d names", n.machine, lost[i].Files, lost[i].Names)
	}
	return err
}

func startAll(_ context.Context, t *trial) (err error) {
	t.note("all nodes are started again")
	for _, n := range t.house.nodes {
		err = errors.Join(err, n.start())
	}
	return err
}

func killBoth(_ context.Context, t *trial) error {
	t.note("%s, which leads, and the exchange are killed", t.victim.machine)
	return errors.Join(t.victim.signal(syscall.SIGKILL), t.house.exchange.signal(syscall.SIGKILL), t.victim.kill(),
		t.house.exchange.kill())
}

func startBoth(ctx context.Context, t *trial) error {
	return errors.Join(t.house.exchange.start(), startAgain(ctx, t))
}

// inOrder are all nodes, the leader first.
func (t *trial) inOrder() []*node {
	order := []*node{t.victim}
	for _, n := range t.house.nodes {
		if n != t.victim {
			order = append(order, n)
		}
	}
	return order
}
