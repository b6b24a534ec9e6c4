package main

import (
	"fmt"
	"io"
	"math"

	"evenkeel/capacity/study"
	"evenkeel/load"
)

const modelUsage = `Replay a trading day over machines that need not be there, with the cost of each order, cancel,
query, quote, login and stream, and say how full they get; a machine may be lost on the way. Without --machines the
smallest number is looked for that carries the day, with that loss. It is arithmetic, not a measurement:
the costs are given, and "evenkeel capacity" measures them on a machine.
The day's curve is made (see load --help), with its highest point at --peak and its total at --orders.

  evenkeel capacity model                               the law's broker: 45 million orders, 100,000 a second
  evenkeel capacity model --machines 40 --lost-at 9.5   one of 40 dies at the open
`

// givenCosts are those of docs/capacity.md, which says how each was measured, or that it was not. What the machines in
// question tell replaces them.
var givenCosts = study.Costs{
	Order:  study.Cost{Processor: 800e-6, Disk: 16_000, Network: 1600},
	Cancel: study.Cost{Processor: 800e-6, Disk: 16_000, Network: 1600},
	Query:  study.Cost{Processor: 260e-6, Network: 1450}, Quote: study.Cost{Processor: 210e-6, Network: 800},
	Login: study.Cost{Processor: 35e-3, Network: 1500}, Stream: study.Cost{Processor: 21e-6, Network: 250},
	Replica: 0.3, OrderMemory: 1000, AccountMemory: 2000, StreamMemory: 46_000,
}

func runModel(args []string, out io.Writer) error {
	f := flags("capacity model", modelUsage, out)
	c := givenCosts
	fleet := study.Fleet{}
	f.IntVar(&fleet.Machines, "machines", 0, "how many (default: the least that carries the day)")
	f.Float64Var(&fleet.Processors, "processors", 32, "of each machine")
	f.IntVar(&fleet.Replicas, "replicas", 3, "machines that hold each shard")
	f.Float64Var(&fleet.Fill, "fill", 0.6, "share of the processors above which promises are not kept")
	f.Float64Var(&fleet.LostAt, "lost-at", 9.5, "hour of the day at which a machine is lost (9.5: the open); 0: none")
	f.Float64Var(&fleet.Elected, "elected", 0.5, "seconds until others lead its shards")
	f.Float64Var(&fleet.OrdersADay, "orders", 45e6, "orders a day")
	f.Float64Var(&fleet.PeakOrders, "peak", 100_000, "orders a second at the highest point; 0: as the curve has it")
	f.Float64Var(&fleet.Sessions, "sessions", 1.5e6, "open streams")
	f.Float64Var(&fleet.Push, "push", 1, "messages a second to each of them")
	f.Float64Var(&fleet.Logins, "logins", 12_000, "a second, around 9:15 and 9:30")
	accounts := f.Float64("accounts", 10e6, "accounts")
	for _, one := range []struct {
		name string
		cost *study.Cost
	}{{"order", &c.Order}, {"cancel", &c.Cancel}, {"query", &c.Query}, {"quote", &c.Quote}, {"login", &c.Login},
		{"stream", &c.Stream}} {
		f.Float64Var(&one.cost.Processor, "cost-"+one.name, one.cost.Processor, "seconds of a processor that one takes")
	}
	if err := parse(f, args); err != nil {
		return err
	}
	for _, v := range []float64{fleet.Processors, fleet.Fill, fleet.OrdersADay, float64(fleet.Replicas)} {
		if !(v > 0) || math.IsInf(v, 0) {
			return wrong(f, "--processors, --fill, --orders and --replicas: more than 0")
		}
	}
	if fleet.Machines < 0 || fleet.Machines > 10_000 {
		return wrong(f, "--machines: 0 to 10,000")
	}
	if fleet.Machines == 0 {
		if fleet.Machines = c.Least(fleet, load.DayRate); fleet.Machines == 0 {
			return fmt.Errorf("10,000 machines of %g processors do not carry this day", fleet.Processors)
		}
		_, _ = fmt.Fprintf(out, "%d machines carry the day\n\n", fleet.Machines)
	}
	o := c.Day(fleet, load.DayRate)
	if err := o.Table(out, fleet); err != nil {
		return err
	}
	n := float64(fleet.Machines)
	_, _ = fmt.Fprintf(out, "memory of each: %.1f GB of accounts, %.1f GB of the day's orders, %.1f GB of streams\n",
		*accounts*c.AccountMemory*float64(fleet.Replicas)/n/1e9,
		fleet.OrdersADay*c.OrderMemory*float64(fleet.Replicas)/n/1e9,
		fleet.Sessions*c.StreamMemory/n/1e9)
	if o.WorstUse > fleet.Fill {
		return fmt.Errorf("the day is not carried: %.0f %% of the processors are asked for, %.0f %% are allowed", 100*o.WorstUse, 100*fleet.Fill)
	}
	return nil
}
