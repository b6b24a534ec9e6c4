package drill

import (
	"math"
	"strings"
	"testing"

	"evenkeel/drill/load"
	"evenkeel/drill/report"
)

func TestLongest(t *testing.T) {
	for _, c := range []struct {
		what    string
		answers map[int][]float64
		end     float64
		gap     report.Gap
		calm    float64
	}{
		{"a silence over the fault", map[int][]float64{0: {-30, -20, -5, 180, 190, 200}}, 205, report.Gap{From: -5,
			Until: 180}, 15},
		{"two programs", map[int][]float64{0: {-10, 5, 20}, 1: {-10, 60, 70}}, 75, report.Gap{Program: 1, From: -10,
			Until: 60}, 0},
		{"answers out of order", map[int][]float64{0: {40, -10, 10}}, 45, report.Gap{From: 10, Until: 40}, 0},
		{"nobody is heard any more", map[int][]float64{0: {-10, 5}}, 900, report.Gap{From: 5, Until: 900}, 0},
		{"one hears nothing", map[int][]float64{0: {-10, 5, 695}, 1: nil}, 700, report.Gap{Program: 1, Until: 700}, 0},
	} {
		all := gaps(c.answers, c.end)
		if gap := longest(all, 0, math.Inf(1)); gap != c.gap {
			t.Errorf("%s: %+v", c.what, gap)
		}
		if calm := calmOf(all); calm != c.calm {
			t.Errorf("%s: calm %v", c.what, calm)
		}
	}
}

// TestRestartsHaveGapsOfTheirOwn holds the gap of a restart to what has a part of its time, edges included.
func TestRestartsHaveGapsOfTheirOwn(t *testing.T) {
	all := gaps(map[int][]float64{0: {-10, 5, 45, 55, 90, 100}}, 100)
	for _, c := range []struct{ from, until, want float64 }{{0, 4, 15}, {5, 50, 40}, {46, 54, 10}, {44, 60, 40},
		{54, 60, 35}, {95, 200, 10}} {
		if got := longest(all, c.from, c.until).Length(); got != c.want {
			t.Errorf("from %v until %v: %v, want %v", c.from, c.until, got, c.want)
		}
	}
}

func TestCompareShown(t *testing.T) {
	wish := load.Wish{Symbol: "600000.SH", Quantity: "100", Side: "buy", Price: "9.90", ClientID: "d1"}
	good := row{ID: "x", ClientID: "d1", Symbol: "600000.SH", Quantity: "100", Side: "buy", Price: "9.9",
		Status: "canceled", Filled: "0"}
	for _, c := range []struct {
		what                    string
		outcome                 load.Outcome
		change                  func(o *row)
		hidden                  bool
		lost, duplicated, wrong int
	}{
		{what: "as it should be", outcome: load.Acknowledged},
		{what: "lost", outcome: load.Acknowledged, hidden: true, lost: 1},
		{what: "another order", outcome: load.Acknowledged, change: func(o *row) { o.ID = "y" }, duplicated: 1},
		{what: "another quantity", outcome: load.Acknowledged, change: func(o *row) { o.Quantity = "200" }, wrong: 1},
		{what: "never ended", outcome: load.Acknowledged, change: func(o *row) { o.Status = "new" }, wrong: 1},
		{what: "refused and there", outcome: load.Refused, wrong: 1},
		{what: "refused and not there", outcome: load.Refused, hidden: true},
		{what: "failed and there", outcome: load.Failed},
		{what: "nobody asked", outcome: load.Acknowledged, change: func(o *row) { o.ClientID = "d2" }, lost: 1, wrong: 1},
	} {
		o := good
		if c.change != nil {
			c.change(&o)
		}
		shown := map[string]row{}
		if !c.hidden {
			shown[o.ClientID] = o
		}
		var a report.Audit
		told := map[string]*load.Request{"d1": {Wish: wish, Order: "x", Outcome: c.outcome}}
		compareShown("node1", told, shown, &a)
		if a.Lost != c.lost || a.Duplicated != c.duplicated || a.Wrong != c.wrong {
			t.Errorf("%s: %+v", c.what, a)
		}
	}
}

func TestEverything(t *testing.T) {
	at := func(node, leader, applied uint64) standing {
		s := standing{Node: node}
		s.Shards = append(s.Shards, struct {
			Shard     int    `json:"shard"`
			Leader    uint64 `json:"leader"`
			Leads     bool   `json:"leads"`
			Applied   uint64 `json:"applied"`
			Committed uint64 `json:"committed"`
		}{0, leader, leader == node, applied, 100})
		return s
	}
	waits, silent := at(3, 1, 100), standing{Node: 3, Trouble: "does not answer"}
	waits.Waits = []string{"the exchange"}
	for _, c := range []struct {
		what  string
		third standing
		want  bool
	}{{"all is well", at(3, 1, 100), true}, {"one is behind", at(3, 1, 99), false}, {"one waits", waits, false},
		{"one is silent", silent, false}, {"one follows another", at(3, 2, 100), false},
		{"one thinks that it leads", at(3, 3, 100), false}} {
		all := []standing{at(1, 1, 100), at(2, 1, 100), c.third}
		if got := everything(all, 3, map[int]uint64{0: 100}); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
	if everything([]standing{at(1, 1, 100)}, 1, nil) {
		t.Error("without a leader that says how far the log goes, nothing is known")
	}
}

func TestCheck(t *testing.T) {
	good := Config{Trials: 1, Nodes: 3, Programs: 3, Accounts: 12, Rate: 300}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(c *Config){
		"no fault \"kil\"": func(c *Config) { c.Faults = "kil" }, "trials 0": func(c *Config) { c.Trials = 0 },
		"nodes 2": func(c *Config) { c.Nodes = 2 }, "rate 500: 1 to 480": func(c *Config) { c.Rate = 500 },
		"programs 13": func(c *Config) { c.Programs = 13 },
	} {
		c := good
		change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
