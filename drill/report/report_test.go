package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// made is a drill of three kinds: one that holds its bounds, one that does not, and one that was left out.
func made() *Drill {
	d := &Drill{Version: "test", Began: time.Date(2026, 11, 25, 18, 0, 0, 0, time.UTC), Took: time.Minute, Nodes: 3,
		Programs: 3, Accounts: 12, Rate: 450, Hedge: 100 * time.Millisecond, Machine: "2 processors"}
	good := Kind{Name: "kill", Title: "kill -9 of the leader", What: "The process that leads is killed.",
		Bounds: Bounds{P99: 300, Max: 600}, Audit: Audit{Orders: 1000, Cancels: 400, Exchange: 1000}}
	for i := range 20 {
		t := Trial{Number: i + 1, Victim: "node1", Gap: Gap{Program: 1, From: -4, Until: 120 + 8*float64(i)}, Calm: 18,
			Redundancy: 900, Requests: 900, Events: []Event{{0, "node1, which leads, is killed"},
				{1500, "node1 is started again"}, {1520.5, "a second thing, close by"}, {2400, "all nodes have everything"}}}
		for at := -1000.0; at < 3000; at += 7 {
			if at < t.Gap.From || at > t.Gap.Until {
				waited := 3.0
				if at > 0 && at < t.Gap.Until+30 {
					waited = at
				}
				t.Points = append(t.Points, Point{at, waited, int(at+1000) / 7 % 3, uint64(1 + int(at+1000)/7%3)})
			}
		}
		good.Trials = append(good.Trials, t)
	}
	bad := good
	bad.Name, bad.Title = "stop", "SIGSTOP of the leader"
	bad.Trials = append([]Trial(nil), good.Trials[:5]...)
	bad.Trials[2].Gap.Until, bad.Trials[2].Failed = 900, 2
	bad.Trials[2].Why = []string{"d1-2-9: nobody answered", "d1-2-10: nobody answered"}
	bad.Audit.Lost = 1
	bad.Audit.Say("%s was acknowledged, and no log has it", "d1-2-3")
	d.Kinds = []Kind{good, bad, {Name: "hang", Title: "a disk hangs", LeftOut: "a disk that fails needs root"}}
	return d
}

func TestComplaints(t *testing.T) {
	d := made()
	if got := strings.Join(d.Complaints(true), "\n"); got != "stop: 1 orders lost\nstop: 2 orders failed after retries\n"+
		"stop: the first that failed: d1-2-9: nobody answered\n"+
		"stop: p99 gap 904 ms, at most 300\nstop: longest gap 904 ms, at most 600" {
		t.Error(got)
	}
	if got := strings.Join(d.Complaints(false), "\n"); strings.Contains(got, "gap") || !strings.Contains(got, "lost") {
		t.Error(got)
	}
}

func TestQuantile(t *testing.T) {
	d := made()
	k := &d.Kinds[0]
	for q, want := range map[float64]float64{0: 124, 0.5: 196, 0.99: 276, 1: 276} {
		if got := k.Quantile(q); got != want {
			t.Errorf("quantile %v: %v, want %v", q, got, want)
		}
	}
	if got := k.Worst().Number; got != 20 {
		t.Error("the worst is trial", got)
	}
}

// TestRestarts holds quantiles to the restarts of a kind that has any, and the longest to the whole trials.
func TestRestarts(t *testing.T) {
	k := Kind{Name: "restart", Bounds: Bounds{P50: 20, Max: 100}, Trials: []Trial{
		{Gap: Gap{From: 0, Until: 120}, Calm: 12, Restarts: []Restart{{Machine: "node1", Gap: Gap{Until: 15}},
			{Machine: "node2", Gap: Gap{Until: 18}}, {Machine: "node3", Gap: Gap{Until: 60}}}},
		{Gap: Gap{From: 0, Until: 30}, Calm: 16}}}
	if p50 := k.Quantile(0.5); p50 != 18 || len(k.Gaps()) != 4 || k.Quantile(1) != 60 || k.Longest() != 120 {
		t.Errorf("p50 %v of %v, longest %v", p50, k.Gaps(), k.Longest())
	}
	if p50, longest := k.Calm(); p50 != 12 || longest != 16 {
		t.Errorf("calm %v, %v", p50, longest)
	}
	if got := strings.Join(k.Complaints(true), "\n"); got != "restart: longest gap 120 ms, at most 100" {
		t.Error(got)
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := made().Table(&out); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"kill", "20", "196", "276", "p99 300 max 600", "calm p50",
		"hang is left out: a disk that fails needs root"} {
		if !strings.Contains(out.String(), word) {
			t.Errorf("the table does not say %q:\n%s", word, out.String())
		}
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	if err := made().JSON(&out); err != nil {
		t.Fatal(err)
	}
	var back Drill
	if err := json.Unmarshal(out.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Kinds) != 3 || back.Kinds[1].Audit.Lost != 1 || len(back.Kinds[0].Trials) != 20 {
		t.Errorf("%+v", back)
	}
}

// TestPage holds the pictures to being well formed; EVENKEEL_PAGE names a file in which to keep the page.
func TestPage(t *testing.T) {
	var out bytes.Buffer
	if err := made().Page(&out); err != nil {
		t.Fatal(err)
	}
	if name := os.Getenv("EVENKEEL_PAGE"); name != "" {
		if err := os.WriteFile(name, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := out.String()
	for _, word := range []string{"276 ms of silence", "904 ms of silence", "left out: a disk that fails needs root",
		"d1-2-3 was acknowledged", `id="kill"`} {
		if !strings.Contains(text, word) {
			t.Errorf("the page does not say %q", word)
		}
	}
	pictures := 0
	for rest := text; ; pictures++ {
		_, from, found := strings.Cut(rest, "<svg")
		if !found {
			break
		}
		inside, after, _ := strings.Cut(from, "</svg>")
		rest = after
		decoder := xml.NewDecoder(strings.NewReader("<svg" + inside + "</svg>"))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if strings.Contains(inside, "NaN") || strings.Contains(inside, "Inf") {
			t.Error("a picture has a place that is none")
		}
	}
	if pictures != 4 {
		t.Errorf("%d pictures", pictures)
	}
}
