package sim

import (
	"path/filepath"
	"time"
)

// A process is a program on a machine of the world: it has a clock of its own, which may run fast or slow and jump,
// it can be stopped for a while without noticing (SIGSTOP), and it can die. What it planned dies with it.
type process struct {
	world   *World
	name    string
	place   place
	dir     string // its disk
	up      bool
	life    int // counts the starts
	paused  bool
	stopped *blow    // what paused it
	skewed  *blow    // what set its clock
	dark    bool     // its machine has no power: nobody there refuses a connection, either
	waiting []func() // what came while it was paused
	rate    int64    // of its clock, millionths of the world's
	since   int64    // world time at which rate began to hold
	base    int64    // its own time then
}

// right is the rate of a clock that is right.
const right = 1_000_000

func newProcess(w *World, name, dir string, at place) process {
	return process{world: w, name: name, dir: filepath.Join(w.dir, dir), place: at, rate: right, since: w.now,
		base: w.now}
}

// clock is the process's own time, ns since 1970.
func (p *process) clock() int64 {
	passed := p.world.now - p.since
	if p.up && !p.paused {
		p.world.bites(p.skewed)
	}
	if p.rate == right {
		return p.base + passed
	}
	return p.base + passed/1000*p.rate/1000
}

func (p *process) time() time.Time { return time.Unix(0, p.clock()) }

// setClock changes the rate, and lets the clock jump.
func (p *process) setClock(rate int64, jump time.Duration) {
	p.base, p.since = p.clock()+int64(jump), p.world.now
	p.rate, p.skewed = rate, nil
}

// after plans something, after a time by the process's own clock. It is lost when the process dies.
func (p *process) after(d time.Duration, what tag, do func()) {
	life := p.life
	wait := max(1, int64(d)/1000*right/p.rate*1000+int64(d)%1000)
	p.world.after(time.Duration(wait), what, func() {
		if p.life == life {
			p.stimulate(do)
		}
	})
}

// stimulate has the process do something now, when it wakes up, or never.
func (p *process) stimulate(do func()) {
	switch {
	case !p.up:
	case p.paused:
		p.waiting = append(p.waiting, do)
		p.world.bites(p.stopped)
	default:
		do()
	}
}

func (p *process) pause(by *blow) { p.paused, p.stopped = true, by }

// wake lets a paused process go on with what came meanwhile.
func (p *process) wake() {
	if !p.paused {
		return
	}
	p.paused = false
	waiting, life := p.waiting, p.life
	p.waiting = nil
	for _, do := range waiting {
		if p.life == life {
			p.stimulate(do)
		}
	}
}

// begin and end are the process's birth and death.
func (p *process) begin() {
	p.up, p.dark = true, false
	p.life++
}

func (p *process) end() {
	p.up, p.paused, p.waiting = false, false, nil
	p.life++
}
