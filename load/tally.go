package load

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Outcome of a request.
type Outcome uint8

// Outcomes.
const (
	Answered   Outcome = iota
	Refused            // not now, and told when to come back
	Waits              // a login that has a place in the waiting room's line
	Rejected           // for a reason of the business, or of the asker
	Rebuffed           // not now, and not told when: a fault
	Faulty             // the server said that it failed
	Broken             // no connection, or it broke
	Unanswered         // given up
	outcomes
)

// final reports whether nobody comes back after it.
func (o Outcome) final() bool { return o == Answered || o == Rejected }

// failed reports whether the asker was left without an answer that he can use.
func (o Outcome) failed() bool { return o >= Rebuffed }

// mostMicros is the longest wait that is told apart from longer ones: who waits in line waits long.
const mostMicros = int64(time.Hour / time.Microsecond)

// counts of a class.
type counts struct {
	due      int // requests of the schedule, each once, however often it came back
	tries    int
	ended    [outcomes]int // of the last try
	refusals int           // tries that were refused
	met      int           // answered within the objective, from when it was due for the first time
	waits    *hdrhistogram.Histogram
	refusing *hdrhistogram.Histogram // how long a refusal took
}

// Moment is one second of a class.
type Moment struct {
	Due      int     `json:"due"`
	Met      int     `json:"met"`
	Answered int     `json:"answered"`
	Refused  int     `json:"refused"`
	Waiting  int     `json:"waiting,omitempty"` // at the end still in line
	Rejected int     `json:"rejected"`
	Failed   int     `json:"failed"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	bins     *[bins]uint32
}

// A moment's waits are counted in bins of a quarter of a doubling.
const bins = 4 * 32

func binOf(micros int64) int {
	return min(bins-1, int(4*math.Log2(float64(max(1, micros)))))
}

// tally counts what became of the requests; those of the warm-up are left out, but for the moments.
type tally struct {
	warm       time.Duration
	objectives [Classes]time.Duration

	mu      sync.Mutex
	classes [Classes]counts
	late    *hdrhistogram.Histogram
	moments [][Classes]Moment
	first   map[string]int // what went wrong, and how often
	tickets tickets
}

// tickets are what became of logins that were given a place in line, each once however often it looked.
type tickets struct {
	given  int
	looks  int                     // told again that it is not their turn yet
	called int                     // let in
	told   *hdrhistogram.Histogram // how long those who were called had held a ticket
	now    int                     // with a ticket at this moment
}

// place counts the answer to a login of the waiting room: a place in line, or what came with the ticket instead.
func (t *tickets) place(a *ask, o Outcome, now time.Duration, again bool) {
	switch {
	case o == Waits && a.given == now:
		t.given++
		t.now++
	case o == Waits:
		t.looks++
	case o.final():
		t.called++
		_ = t.told.RecordValue(micros(now - a.given)) // within range
	}
	if !again {
		t.now--
	}
}

func newTally(c *Config) *tally {
	t := &tally{warm: c.Warm, objectives: c.Objectives, late: hdrhistogram.New(1, mostMicros, 3), first: map[string]int{},
		tickets: tickets{told: hdrhistogram.New(1, mostMicros, 2)}}
	for i := range t.classes {
		t.classes[i].waits = hdrhistogram.New(1, mostMicros, 3)
		t.classes[i].refusing = hdrhistogram.New(1, mostMicros, 2)
	}
	return t
}

func micros(d time.Duration) int64 { return min(max(1, d.Microseconds()), mostMicros) }

func (t *tally) moment(at time.Duration, class Class) *Moment {
	second := max(0, int(at/time.Second))
	for len(t.moments) <= second {
		t.moments = append(t.moments, [Classes]Moment{})
	}
	return &t.moments[second][class]
}

// sent counts a request that goes out, and how late it does.
func (t *tally) sent(a *ask, now time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a.tries == 0 {
		t.moment(a.due, a.class).Due++
	}
	if a.first < t.warm {
		return
	}
	if a.tries == 0 {
		t.classes[a.class].due++
		_ = t.late.RecordValue(micros(now - a.due)) // within range
	}
	t.classes[a.class].tries++
}

// mostReasons bounds the different texts that are kept.
const mostReasons = 40

// ended counts what became of a try; again says that it is tried once more.
func (t *tally) ended(a *ask, o Outcome, now time.Duration, again bool, r *reply, err error) {
	waited := now - a.first
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &t.classes[a.class]
	m := t.moment(a.first, a.class)
	counted := a.first >= t.warm
	if counted && (o == Refused || o == Waits) {
		c.refusals++
		_ = c.refusing.RecordValue(micros(now - a.due))
	}
	if counted && a.ticket != "" {
		t.tickets.place(a, o, now, again)
	}
	if o != Answered && o != Waits && counted {
		t.because(a.class, o, r, err)
	}
	if again {
		return
	}
	switch {
	case a.ticket != "" && !o.final():
		o = Waits // whatever the last answer was, or its lack: the place is not lost
		m.Waiting++
	case o == Answered:
		m.Answered++
		if m.bins == nil {
			m.bins = new([bins]uint32)
		}
		m.bins[binOf(waited.Microseconds())]++
		if waited <= t.objectives[a.class] {
			m.Met++
		}
	case o.failed():
		m.Failed++
	case o == Refused:
		m.Refused++
	case o == Rejected:
		m.Rejected++
	}
	if !counted {
		return
	}
	c.ended[o]++
	if o == Answered {
		_ = c.waits.RecordValue(micros(waited))
		if waited <= t.objectives[a.class] {
			c.met++
		}
	}
}

// left counts a login that still has a ticket, and whose time to come back has not come.
func (t *tally) left(a *ask) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.moment(a.first, a.class).Waiting++
	if a.first >= t.warm {
		t.classes[a.class].ended[Waits]++
		t.tickets.now--
	}
}

func (t *tally) because(class Class, o Outcome, r *reply, err error) {
	text := ""
	switch {
	case err != nil:
		text = err.Error()
	default:
		text = fmt.Sprintf("%d %s", r.status, member(r.body, "reason"))
	}
	text = fmt.Sprintf("%v: %s", class, strings.TrimSpace(text))
	if _, known := t.first[text]; known || len(t.first) < mostReasons {
		t.first[text]++
	}
}

// add takes another tally in; nobody counts in either any more.
func (t *tally) add(o *tally) {
	for class := range Classes {
		c, other := &t.classes[class], &o.classes[class]
		c.due, c.tries, c.refusals, c.met = c.due+other.due, c.tries+other.tries, c.refusals+other.refusals, c.met+other.met
		for i, n := range other.ended {
			c.ended[i] += n
		}
		c.waits.Merge(other.waits)
		c.refusing.Merge(other.refusing)
		for second := range o.moments {
			t.moment(time.Duration(second)*time.Second, class).add(&o.moments[second][class])
		}
	}
	t.late.Merge(o.late)
	k, other := &t.tickets, &o.tickets
	k.given, k.looks, k.called, k.now = k.given+other.given, k.looks+other.looks, k.called+other.called, k.now+other.now
	k.told.Merge(other.told)
	for what, n := range o.first {
		t.first[what] += n
	}
}

// add takes another moment in.
func (m *Moment) add(o *Moment) {
	m.Due, m.Met, m.Answered = m.Due+o.Due, m.Met+o.Met, m.Answered+o.Answered
	m.Refused, m.Rejected, m.Failed = m.Refused+o.Refused, m.Rejected+o.Rejected, m.Failed+o.Failed
	m.Waiting += o.Waiting
	if o.bins == nil {
		return
	}
	if m.bins == nil {
		m.bins = new([bins]uint32)
	}
	for i, n := range o.bins {
		m.bins[i] += n
	}
}

// line tells the state, as of the second before. The driver is as late as its latest part.
func (r *run) line(now time.Duration) string {
	second := int(now/time.Second) - 1
	var of [Classes]Moment
	late, known, inLine := int64(0), false, 0
	for _, w := range r.workers {
		t := w.tally
		t.mu.Lock()
		late = max(late, t.late.ValueAtQuantile(99))
		inLine += t.tickets.now
		if second >= 0 && second < len(t.moments) {
			known = true
			for class := range Classes {
				of[class].add(&t.moments[second][class])
			}
		}
		t.mu.Unlock()
	}
	if !known {
		return fmt.Sprintf("%4.0f s  nothing is due", now.Seconds())
	}
	var all Moment
	waits := ""
	for class := range Classes {
		m := &of[class]
		all.add(&Moment{Due: m.Due, Met: m.Met, Refused: m.Refused, Failed: m.Failed})
		if m.Answered > 0 {
			waits += fmt.Sprintf("  %v p99 %.1f ms", class, m.quantile(0.99))
		}
	}
	if inLine > 0 {
		waits += fmt.Sprintf("  %d in line", inLine)
	}
	return fmt.Sprintf("%4d s  due %d  met %d  refused %d  failed %d%s  driver late p99 %.1f ms", second, all.Due, all.Met,
		all.Refused, all.Failed, waits, float64(late)/1000)
}

// quantile of a moment's waits in milliseconds, as the upper end of its bin.
func (m *Moment) quantile(q float64) float64 {
	if m.bins == nil {
		return 0
	}
	left := int(math.Ceil(q * float64(m.Answered)))
	for i, n := range m.bins {
		if left -= int(n); left <= 0 {
			return math.Exp2(float64(i+1)/4) / 1000
		}
	}
	return 0
}
