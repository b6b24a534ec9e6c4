// Package drill makes every kind of trouble that the house is built for, on real processes, and measures what clients
// saw of it: killed and stopped processes, cut cables, bad disks, lost power, restarts and upgrades.
//
// Units: time.Duration; gaps in milliseconds in reports.
//
// Invariants: the load is an open loop with a record of its own (drill/load). A gap is what a program of an investor's
// saw, from one answer to the next. After the trials of a kind, everything that programs were told is compared with
// what every node answers, with the log of every node, and with the exchange's journal.
//
// It never touches what it did not start itself: networks and disks are made for the run, and go with it.
//
// Source: the house's own promise (README); Netflix, "Principles of Chaos Engineering"; Jepsen's way of keeping a
// client's history and comparing it with what the system holds.
package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"evenkeel/drill/cable"
	"evenkeel/drill/disk"
	"evenkeel/drill/load"
	"evenkeel/drill/report"
)

// Limits of a drill.
const (
	MaxTrials   = 1000
	MaxNodes    = 7
	MaxAccounts = 100
	// AccountRate is how many requests of the load an account may make in a second: the door has a budget for each.
	AccountRate = 40
)

// Config of a drill.
type Config struct {
	Program   string   // the binary of the nodes
	DiskWords []string // that make it serve a disk, before a backing directory and a mount point
	Previous  string   // of the version before; "": upgrades are left out
	Planted   string   // built with the tag planted; "": a replica that goes wrong is left out
	Faults    string   // names, separated by commas; "": all
	Trials    int      // of each kind
	Nodes     int
	Shards    int
	Programs  int // of investors, each at home on another node
	Accounts  int
	Rate      int // requests a second
	Flow      int // orders a second of the exchange's own players
	Seed      uint64
	Dir       string // for data and logs; "": a temporary one, removed when all went well
	Version   string
	Say       func(format string, args ...any)
}

// Check says what is wrong with a configuration.
func (c *Config) Check() error {
	if _, err := choose(c.Faults); err != nil {
		return err
	}
	for _, limit := range []struct {
		what            string
		is, least, most int
	}{{"trials", c.Trials, 1, MaxTrials}, {"nodes", c.Nodes, 3, MaxNodes}, {"programs", c.Programs, 1, c.Accounts},
		{"accounts", c.Accounts, 1, MaxAccounts}, {"rate", c.Rate, 1, min(load.MaxRate, AccountRate*c.Accounts)}} {
		if limit.is < limit.least || limit.is > limit.most {
			return fmt.Errorf("%s %d: %d to %d", limit.what, limit.is, limit.least, limit.most)
		}
	}
	return nil
}

// drill is a run.
type drill struct {
	config  Config
	dir     string
	network *cable.Network
	noNet   error
	noDisk  error
}

func (d *drill) say(format string, args ...any) { d.config.Say(format, args...) }

// missing says why a fault must be left out; "" when it need not be.
func (d *drill) missing(n needs) string {
	switch {
	case n.network && d.noNet != nil:
		return d.noNet.Error()
	case n.disk && d.noDisk != nil:
		return d.noDisk.Error()
	case n.planted && d.config.Planted == "":
		return "there is no binary with planted bugs (--planted)"
	case n.previous && d.config.Previous == "":
		return "there is no binary of the version before (--previous)"
	}
	return ""
}

// Run carries the drill out. The process must be inside namespaces of its own (cable.Enter) for there to be a network.
func Run(ctx context.Context, c Config) (_ *report.Drill, err error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	chosen, err := choose(c.Faults)
	if err != nil {
		return nil, err
	}
	d := &drill{config: c, dir: c.Dir, noDisk: disk.Usable()}
	if d.dir == "" {
		if d.dir, err = os.MkdirTemp("", "evenkeel-drill-"); err != nil {
			return nil, err
		}
	}
	if d.noNet = cable.Usable(); d.noNet == nil && !cable.Inside() {
		d.noNet = errors.New("the process has no namespaces of its own")
	}
	if d.noNet == nil {
		machines := []string{exchangeMachine}
		for id := 1; id <= c.Nodes; id++ {
			machines = append(machines, machineOf(id))
		}
		if d.network, err = cable.New(machines...); err != nil {
			return nil, err
		}
	}
	r := &report.Drill{Version: c.Version, Began: time.Now(), Machine: machine(), Nodes: c.Nodes, Programs: c.Programs,
		Accounts: c.Accounts, Rate: c.Rate, Hedge: load.HedgeAfter}
	for i := range chosen {
		if ctx.Err() != nil {
			break
		}
		k := d.kind(ctx, &chosen[i])
		if k.LeftOut != "" {
			d.say("%-8s left out: %s", k.Name, k.LeftOut)
		}
		for _, complaint := range k.Complaints(false) {
			d.say("%-8s %s", k.Name, complaint)
		}
		for _, complaint := range k.Audit.Complaints {
			d.say("%-8s %s", k.Name, complaint)
		}
		r.Kinds = append(r.Kinds, k)
	}
	r.Took = time.Since(r.Began)
	if c.Dir == "" && len(r.Complaints(false)) == 0 {
		err = os.RemoveAll(d.dir)
	} else {
		d.say("data and logs are kept in %s", d.dir)
	}
	return r, errors.Join(err, context.Cause(ctx))
}

// machine says on what the figures were measured.
func machine() string {
	model := ""
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, found := strings.Cut(string(text), "model name"); found {
			model, _, _ = strings.Cut(strings.TrimLeft(rest, "\t: "), "\n")
		}
	}
	return strings.TrimSpace(fmt.Sprintf("%d processors %s", runtime.NumCPU(), model))
}

// Write writes all forms of a report into a directory: drill.json and drill.html.
func Write(r *report.Drill, dir string) (err error) {
	for name, write := range map[string]func(io.Writer) error{"drill.json": r.JSON, "drill.html": r.Page} {
		file, failed := os.Create(dir + string(os.PathSeparator) + name) //nolint:gosec // where the caller said
		if failed != nil {
			return failed
		}
		err = errors.Join(err, write(file), file.Close())
	}
	return err
}
