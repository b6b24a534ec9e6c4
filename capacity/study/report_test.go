package study

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// whole is a study with everything in it.
func whole() *Study {
	s := &Study{Version: "test", Began: time.Date(2026, 7, 8, 10, 0, 0, 0, time.UTC), Machine: "m (2)", Server: "a server of its own",
		Knees: []Knee{{Kind: "trade", Mix: "order=1,cancel=1", Rate: 900,
			Rates: map[string]float64{"order": 450, "cancel": 450},
			Steps: []Step{{Rate: 450, Share: 1, P99: 4}, {Rate: 900, Share: 0.995, P99: 40},
				{Rate: 1800, Share: 0.2, P99: 2000}}},
			{Kind: "login", Bound: "less than 1 was not tried", Steps: []Step{{Rate: 1, Share: 0.5, P99: 3000}}},
			{Kind: "quote"}},
		Runs: []Run{{Kind: "trade", Times: 1, Rate: 900, Useful: 899, Rows: []Row{{Class: "order", Due: 900, Met: 899}}},
			{Kind: "trade", Times: 10, Rate: 9000, Useful: 850, Rows: []Row{{Class: "order", Due: 9000, Met: 850, Refused: 8150}}}},
		Scaling: &Scaling{Kind: "trade", Points: []Point{{1, 900}, {2, 1500}, {4, 2100}}, USL: &USL{One: 900, Sigma: 0.2}},
		Resources: Ends(Usage{Seconds: 1, CPU: 1, Memory: 1e9, Disk: 1e6, Orders: 1e3},
			Machine{Processors: 2, Memory: 8e9, DiskFree: 1e12}, 0),
		Notes: []string{"a note of <b> and (brackets) \\"}}
	s.Compare(series(100, 100, 0.5, 0.1, rand.New(rand.NewPCG(5, 6))))
	return s
}

// Every part of a report stands on the page, in the table and in the PDF; a report is made again from its JSON.
func TestReport(t *testing.T) {
	s := whole()
	var kept, page, again, text bytes.Buffer
	for _, err := range []error{s.JSON(&kept), s.Page(&page), s.Table(&text)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var back Study
	if err := json.Unmarshal(kept.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if err := back.Page(&again); err != nil || again.Len() != page.Len() {
		t.Errorf("the page of the JSON has %d bytes, the first %d: %v", again.Len(), page.Len(), err)
	}
	for _, want := range []string{"Knees", "Beyond the knee", "Scaling over shards", "Recorded peaks",
		"Forecast", "What ends first"} {
		if !strings.Contains(page.String(), want) || !strings.Contains(text.String(), want) {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(page.String(), "0.00 (less") || !strings.Contains(page.String(), `<td data-head="knee a second">none (less`) {
		t.Error("a knee that was not found is a number")
	}
	if !strings.Contains(page.String(), `<td data-head="peak a second" class="n">`) ||
		!strings.Contains(page.String(), `<td data-head="how it was measured" class="long">`) {
		t.Error("figures do not stand below each other, or texts are not broken")
	}
	if n := strings.Count(page.String(), "<svg"); n != 5 || strings.Contains(page.String(), "NaN") || !strings.Contains(page.String(), "&lt;b&gt;") {
		t.Errorf("%d pictures, or a text that is not escaped", n)
	}
}

// The PDF's table of objects is true, and each stream is as long as it says.
func TestPDF(t *testing.T) {
	var b bytes.Buffer
	if err := whole().PDF(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	start := regexp.MustCompile(`startxref\n(\d+)\n%%EOF\n$`).FindStringSubmatch(text)
	if start == nil || !strings.HasPrefix(text, "%PDF-1.4\n") {
		t.Fatalf("no end: %q", text[max(0, len(text)-80):])
	}
	at, _ := strconv.Atoi(start[1])
	rows := regexp.MustCompile(`(\d{10}) 00000 n \n`).FindAllStringSubmatch(text[at:], -1)
	for i, row := range rows {
		begin, _ := strconv.Atoi(row[1])
		if !strings.HasPrefix(text[begin:], fmt.Sprintf("%d 0 obj\n", i+1)) {
			t.Errorf("object %d is not at %d", i+1, begin)
		}
	}
	streams := regexp.MustCompile(`(?s)/Length (\d+) >>\nstream\n(.*?)endstream`).FindAllStringSubmatch(text, -1)
	for _, s := range streams {
		if n, _ := strconv.Atoi(s[1]); n != len(s[2]) {
			t.Errorf("a stream of %d bytes says %d", len(s[2]), n)
		}
	}
	if len(streams) < 2 || len(rows) != 5+2*len(streams) || !strings.Contains(text, `\(brackets\)`) {
		t.Errorf("%d objects, %d sheets", len(rows), len(streams))
	}
}
