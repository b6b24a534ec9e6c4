package capacity

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"
)

// Limits of the record.
const (
	KeepEvery   = 30 * time.Second // at most so much of a record is lost with the process
	LookEvery   = time.Second      // at which counts are taken
	minute      = 60               // looks
	nowLooks    = 10               // over which the rate of now is taken
	shortest    = LookEvery / 2    // a look that took less is put to the next one: its rate would be noise
	maxClasses  = 64
	peaksPrefix = "peaks-"
	peaksSuffix = ".json"
	badSuffix   = ".bad"
)

// Peak is the most that a class had on a day, counted at the door, refused requests too.
type Peak struct {
	Second float64   `json:"second"` // the highest rate over a second
	At     time.Time `json:"at"`     // when that was
	Minute float64   `json:"minute"` // the highest rate over a minute
	Total  uint64    `json:"total"`
}

// Day is the peaks of a day by class.
type Day struct {
	Day     string          `json:"day"`
	Classes map[string]Peak `json:"classes"`
}

// looks are the last counts of a class, newest last.
type looks struct {
	counts []uint64
	took   []time.Duration
}

func (l *looks) add(n uint64, took time.Duration) {
	if len(l.counts) == minute {
		l.counts, l.took = append(l.counts[:0], l.counts[1:]...), append(l.took[:0], l.took[1:]...)
	}
	l.counts, l.took = append(l.counts, n), append(l.took, took)
}

// rate over the last so many looks; 0 while there are fewer.
func (l *looks) rate(last int) float64 {
	if len(l.counts) < last {
		return 0
	}
	n, took := uint64(0), time.Duration(0)
	for i := len(l.counts) - last; i < len(l.counts); i++ {
		n, took = n+l.counts[i], took+l.took[i]
	}
	return float64(n) / took.Seconds()
}

// Peaks is the record of a node, one file for each year. It may be asked while it is written.
type Peaks struct {
	dir string

	mu     sync.Mutex
	year   string
	days   []Day           // of the year; the last is today
	record map[string]Peak // the most of all days
	since  map[string]string
	looks  map[string]*looks
	before map[string]uint64
	looked time.Time
	kept   time.Time
	fresh  bool // something is not on disk
	knees  *Knees
}

// OpenPeaks goes on with the record in a directory, which is made. A file that cannot be read is set aside under
// another name, and said so in the warning: a node starts without it.
func OpenPeaks(dir string, now time.Time) (p *Peaks, warning, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, fmt.Errorf("record of peaks: %w", err)
	}
	p = &Peaks{dir: dir, record: map[string]Peak{}, since: map[string]string{}, looks: map[string]*looks{}, kept: now}
	names, err := filepath.Glob(filepath.Join(dir, peaksPrefix+"*"+peaksSuffix))
	if err != nil {
		return nil, nil, fmt.Errorf("record of peaks: %w", err)
	}
	sort.Strings(names)
	p.year = DayOf(now)[:4]
	for _, name := range names {
		days, err := readDays(name)
		if err != nil {
			warning = errors.Join(warning, err, os.Rename(name, name+badSuffix+now.Format("20060102150405")))
			continue
		}
		for _, day := range days {
			p.raise(&day)
		}
		if name == p.file() {
			p.days = days
		}
	}
	return p, warning, nil
}

// ReadPeaks reads the whole record of a directory, oldest day first; nothing when there is none.
func ReadPeaks(dir string) (all []Day, err error) {
	names, err := filepath.Glob(filepath.Join(dir, peaksPrefix+"*"+peaksSuffix))
	sort.Strings(names)
	for _, name := range names {
		days, wrong := readDays(name)
		all, err = append(all, days...), errors.Join(err, wrong)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Day < all[j].Day })
	return all, err
}

func readDays(name string) (days []Day, err error) {
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &days)
	}
	year := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), peaksPrefix), peaksSuffix)
	before := ""
	for i := range days {
		if d := days[i].Day; err == nil && (len(d) != len(time.DateOnly) || d[:4] != year || d <= before) {
			err = fmt.Errorf("the day %q stands behind %q in the year %s", d, before, year)
		}
		before = days[i].Day
	}
	if err != nil {
		return nil, fmt.Errorf("record of peaks: %s: %w", name, err)
	}
	return days, nil
}

func (p *Peaks) file() string { return filepath.Join(p.dir, peaksPrefix+p.year+peaksSuffix) }

// raise puts a day's peaks to the most of all days.
func (p *Peaks) raise(d *Day) {
	for class, peak := range d.Classes {
		if most, known := p.record[class]; !known || peak.Second > most.Second {
			p.record[class] = peak
		}
		if since, known := p.since[class]; !known || d.Day < since {
			p.since[class] = d.Day
		}
	}
}

// Look takes the counts of all requests so far, by class, which only grow. It keeps the record on disk now and then;
// an error means that what is new in it is not there yet.
func (p *Peaks) Look(now time.Time, counts map[string]uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	took := now.Sub(p.looked)
	if p.before != nil && took < shortest {
		return nil
	}
	p.look(now, took, counts)
	if p.fresh && now.Sub(p.kept) >= KeepEvery {
		return p.keep(now)
	}
	return nil
}

// End takes the counts for the last time, and puts the record on disk. What came since the last look is taken as over
// a whole second.
func (p *Peaks) End(now time.Time, counts map[string]uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look(now, max(LookEvery, now.Sub(p.looked)), counts)
	if !p.fresh {
		return nil
	}
	return p.keep(now)
}

func (p *Peaks) look(now time.Time, took time.Duration, counts map[string]uint64) {
	first := p.before == nil
	before := p.before
	p.before, p.looked = counts, now
	if first || len(counts) > maxClasses {
		return
	}
	p.turn(now)
	today := &p.days[len(p.days)-1]
	for class, n := range counts {
		l := p.looks[class]
		if l == nil {
			l = &looks{}
			p.looks[class] = l
		}
		l.add(n-min(n, before[class]), took)
		second, within, came := l.rate(1), l.rate(minute), l.counts[len(l.counts)-1]
		if came == 0 && within == 0 {
			continue
		}
		peak := today.Classes[class]
		if second > peak.Second {
			peak.Second, peak.At = second, now.Round(time.Second).UTC()
		}
		peak.Minute = max(peak.Minute, within)
		peak.Total += came
		today.Classes[class], p.fresh = peak, true
	}
	p.raise(today)
}

// turn begins a day, and a year with its file. A clock that goes back stays in the day that it was in.
func (p *Peaks) turn(now time.Time) {
	day := DayOf(now)
	if len(p.days) > 0 && day <= p.days[len(p.days)-1].Day {
		return
	}
	if day[:4] > p.year {
		if p.fresh {
			_ = p.keep(now) // tried every KeepEvery before; what failed last is less than that
		}
		p.year, p.days = day[:4], nil
	}
	p.days = append(p.days, Day{Day: day, Classes: map[string]Peak{}})
}

func (p *Peaks) keep(now time.Time) error {
	p.kept = now
	text, err := json.Marshal(p.days)
	if err == nil {
		err = replace(p.file(), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("record of peaks: %w", err)
	}
	p.fresh = false
	return nil
}

// replace puts a file in the place of another: whole, and on disk before its name is.
func replace(name string, text []byte) error {
	next := name + ".part"
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	if err := os.Rename(next, name); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// kneesName is the file of the knees, beside the peaks.
const kneesName = "knees.json"

// WriteKnees leaves the knees where the node with these peaks finds them. Those of classes that were not measured now
// stay, if they are of the same machine.
func WriteKnees(dir string, k *Knees) error {
	all := *k
	all.Rates = map[string]float64{}
	if had, err := ReadKnees(dir); err == nil && had != nil && had.Machine == k.Machine {
		maps.Copy(all.Rates, had.Rates)
	}
	maps.Copy(all.Rates, k.Rates)
	text, err := json.MarshalIndent(&all, "", " ")
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = replace(filepath.Join(dir, kneesName), append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("knees: %w", err)
	}
	return nil
}

// ReadKnees reads the knees beside the peaks; nil when none were measured.
func ReadKnees(dir string) (*Knees, error) {
	text, err := os.ReadFile(filepath.Join(dir, kneesName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	k := &Knees{}
	if err == nil {
		err = json.Unmarshal(text, k)
	}
	if err != nil {
		return nil, fmt.Errorf("knees: %w", err)
	}
	return k, nil
}

// Learn takes the knees that stand beside the peaks now. A file that cannot be read changes nothing.
func (p *Peaks) Learn() error {
	k, err := ReadKnees(p.dir)
	if err == nil {
		p.mu.Lock()
		p.knees = k
		p.mu.Unlock()
	}
	return err
}

// Standing is how a class stands: members that are nil were not measured.
type Standing struct {
	Class    string   `json:"class"`
	Now      float64  `json:"now"` // over the last ten seconds
	Today    Peak     `json:"today"`
	Record   Peak     `json:"record"`
	Since    string   `json:"since"` // the first day of the record
	Knee     *float64 `json:"knee,omitempty"`
	Headroom *float64 `json:"headroom,omitempty"` // the knee over the record's second
	Use      *float64 `json:"use,omitempty"`      // now over the knee
	Alert    bool     `json:"alert"`              // use is AlertShare or more, or the headroom is below the law's
}

// Report is how all classes stand.
type Report struct {
	Classes  []Standing `json:"classes"`
	Traffic  []Standing `json:"traffic"`            // bytes a second, in and out
	Measured *time.Time `json:"measured,omitempty"` // the knees
	Machine  string     `json:"machine,omitempty"`
	Lawful   float64    `json:"lawful_headroom"`
}

// Report tells how the classes stand, those that were ever asked for, by name.
func (p *Peaks) Report(now time.Time) Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := Report{Classes: []Standing{}, Traffic: []Standing{}, Lawful: LawfulHeadroom}
	if p.knees != nil {
		r.Measured, r.Machine = &p.knees.Measured, p.knees.Machine
	}
	for class, record := range p.record {
		s := Standing{Class: class, Record: record, Since: p.since[class]}
		if l := p.looks[class]; l != nil {
			s.Now = l.rate(min(nowLooks, len(l.counts)))
		}
		if n := len(p.days); n > 0 && p.days[n-1].Day == DayOf(now) {
			s.Today = p.days[n-1].Classes[class]
		}
		if p.knees != nil && p.knees.Rates[class] > 0 {
			knee := p.knees.Rates[class]
			use := s.Now / knee
			s.Knee, s.Use, s.Alert = &knee, &use, use >= AlertShare
			if record.Second > 0 {
				headroom := knee / record.Second
				s.Headroom, s.Alert = &headroom, s.Alert || headroom < LawfulHeadroom
			}
		}
		if IsTraffic(class) {
			r.Traffic = append(r.Traffic, s)
		} else {
			r.Classes = append(r.Classes, s)
		}
	}
	sort.Slice(r.Traffic, func(i, j int) bool { return r.Traffic[i].Class < r.Traffic[j].Class })
	sort.Slice(r.Classes, func(i, j int) bool { return r.Classes[i].Class < r.Classes[j].Class })
	return r
}
