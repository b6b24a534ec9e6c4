package contest

import (
	"fmt"
	"io"
	"runtime"
	"text/tabwriter"
)

// Targets: ours beside others', at the most in flight, and at one in flight.
const (
	overEtcd     = 10.0
	overPostgres = 30.0
	p50OfEtcd    = 0.7
	ofOneNode    = 0.4
	overOneShard = 1.6
)

// find is the row of a name; the first or the last of its flights.
func find(rows []Row, name string, last bool) *Row {
	var found *Row
	for i := range rows {
		if rows[i].Name == name && (found == nil || last) {
			found = &rows[i]
		}
	}
	return found
}

// Table writes the measurements, the ratios beside their targets, and the arithmetic of two shards.
func Table(rows []Row, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	line := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\t\n", args...) }
	line("\tin flight\ta second\tp50 us\tp99 us\tcpu us an order")
	for _, r := range rows {
		cpu := ""
		if r.Leader > 0 {
			cpu = fmt.Sprintf("leader %.1f, follower %.1f, client %.1f", r.Leader, r.Follower, r.Client)
		}
		line("%s\t%d\t%.0f\t%d\t%d\t%s", r.Name, r.Flight, r.Rate, r.P50, r.P99, cpu)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, _ = fmt.Fprintln(out)
	us, first := find(rows, Three, true), find(rows, Three, false)
	if us == nil {
		return nil
	}
	ratio := func(what string, is, bound float64, atLeast bool) {
		verdict, word := "holds", "at least"
		if !atLeast {
			word = "at most"
		}
		if atLeast && is < bound || !atLeast && is > bound {
			verdict = "DOES NOT HOLD"
		}
		_, _ = fmt.Fprintf(out, "%-58s %6.2f  %s %.1f  %s\n", what, is, word, bound, verdict)
	}
	if r := find(rows, Etcd, true); r != nil {
		ratio(fmt.Sprintf("orders over etcd's puts, %d in flight", r.Flight), us.Rate/r.Rate, overEtcd, true)
		r = find(rows, Etcd, false)
		ratio(fmt.Sprintf("p50 over etcd's, %d in flight", r.Flight), float64(first.P50)/float64(r.P50), p50OfEtcd, false)
	}
	if r := find(rows, Postgres, true); r != nil {
		ratio(fmt.Sprintf("orders over PostgreSQL's, %d in flight", r.Flight), us.Rate/r.Rate, overPostgres, true)
	}
	if r := find(rows, One, true); r != nil {
		ratio(fmt.Sprintf("three nodes over one, %d in flight", r.Flight), us.Rate/r.Rate, ofOneNode, true)
	}
	if r := find(rows, TwoShards, true); r != nil {
		twoShards(us, r, out)
	}
	return nil
}

// twoShards says what two shards carry, and why it is not more where the processors are the bound.
func twoShards(one, two *Row, out io.Writer) {
	all := one.Leader + 2*one.Follower + one.Client
	busy := all * one.Rate / 1e6
	cores := float64(runtime.NumCPU())
	_, _ = fmt.Fprintf(out, "two shards over one, %d in flight %42.2f  at least %.1f where processors allow it\n",
		two.Flight, two.Rate/one.Rate, overOneShard)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(out, "  "+format+"\n", args...) }
	say("An order costs %.1f us of processor time: %.1f at the leader, %.1f at each of two followers, %.1f at the client.",
		all, one.Leader, one.Follower, one.Client)
	say("One shard kept %.1f of %.0f processors busy, so all shards of this machine together cannot carry more than", busy,
		cores)
	say("%.0f orders a second, %.2f times what one did. With a machine for each node, two shards lead on two of them:",
		cores*1e6/all, cores/busy)
	say("each then leads one and follows one, which costs it %.1f us for an order of each, where one shard costs %.1f us.",
		one.Leader+one.Follower, one.Leader)
}
