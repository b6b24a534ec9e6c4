package sim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.etcd.io/raft/v3/raftpb"
)

// For a while, machines lose their power in the middle of what they do with snapshots: while one is written, received,
// or installed in place of the log. What is left is what a disk without power leaves: some of a file that has not got
// its name yet, and some of an installation's steps.
//
// The real code does each of these in one step of the world. So the step is done, the process dies before anybody
// hears of it, and what had not happened when the power went is taken back.

// installSteps is how many steps an installation has, at most.
const installSteps = 6

// tears reports whether the power goes in what is done now.
func (f *faults) tears() bool {
	return f.tearing != nil && f.world.random.IntN(2) == 0
}

// keep has the keeper work.
func (n *node) keep() bool {
	if !n.world.faults.tears() {
		return n.group.StepKeeper()
	}
	before := n.files(".snapshot")
	did := n.group.StepKeeper()
	for _, path := range n.files(".snapshot") {
		if slices.Contains(before, path) {
			continue
		}
		n.loseInSnapshot("written")
		if err := os.Rename(path, path+".new"); err != nil {
			n.world.fail("%s: %v", n.name, err)
		}
		n.cutShort(path + ".new")
		return false
	}
	return did
}

// receive takes a snapshot that comes over a connection, which may break before all of it is there.
func (n *node) receive(m *raftpb.Message, content []byte) error {
	w := n.world
	var from io.Reader = bytes.NewReader(content)
	if w.troubled && w.chance(20*w.mix.breaks) {
		w.counts.Mishaps[brokenSnapshot]++
		from = io.MultiReader(bytes.NewReader(content[:w.random.IntN(len(content))]), breakage{})
	}
	torn := w.faults.tears()
	err := n.group.Group().ReceiveSnapshot(m, from)
	if !torn {
		return err
	}
	everybody := w.random.IntN(2) == 0
	n.loseInSnapshot("received")
	for _, path := range n.files(".received") {
		n.cutShort(path)
	}
	if everybody {
		w.say("*** and so do all others")
		for _, other := range w.nodes {
			if other.up {
				other.killInWrite()
				w.faults.reviveLater(other)
			}
		}
	}
	return errLost
}

// A breakage is where a connection breaks.
type breakage struct{}

func (breakage) Read([]byte) (int, error) { return 0, errLost }

// finishWrite carries out the write that is under way; false: the power went in the middle of an installation.
func (n *node) finishWrite() bool {
	if !n.world.faults.tears() {
		n.group.FinishJournal()
		return true
	}
	index, err := n.group.CrashInInstall(n.world.random.IntN(installSteps + 1))
	if err != nil {
		n.world.fail("%s: crash in an installation: %v", n.name, err)
	}
	if index == 0 {
		n.group.FinishJournal()
		return true
	}
	n.loseInSnapshot("installed")
	n.durable = min(n.durable, index) // what lay behind it, and was not agreed, is gone when it is installed
	return false
}

// loseInSnapshot has the power go.
func (n *node) loseInSnapshot(what string) {
	n.world.counts.Torn++
	n.world.bites(n.world.faults.tearing)
	n.say("loses its power while a snapshot is " + what)
	n.dark = true
	n.kill()
	n.world.faults.reviveLater(n)
}

// cutShort leaves some of a file that was not synced when the power went.
func (n *node) cutShort(path string) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > 0 {
		to := n.world.random.Int64N(info.Size())
		err = errors.Join(n.tear(path, 0, to), os.Truncate(path, to))
	}
	if err != nil {
		n.world.fail("%s: %v", n.name, err)
	}
}

// A tail is where a log ends on disk.
type tail struct {
	path string
	end  int64
}

// tailOf finds the end of the log.
func (p *process) tailOf() (t tail) {
	for _, path := range p.files(".wal") {
		t.path = path
	}
	if content, err := os.ReadFile(t.path); err == nil {
		t.end = int64(len(bytes.TrimRight(content, "\x00")))
	}
	return t
}

// files lists the files of its log and its snapshots, of one kind, in order.
func (p *process) files(suffix string) (paths []string) {
	root := filepath.Join(p.dir, fmt.Sprint("g", brokerGroup)) // and marketGroup
	for _, dir := range []string{"log", "snapshots"} {
		entries, _ := os.ReadDir(filepath.Join(root, dir)) // what is not there has no files
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), suffix) {
				paths = append(paths, filepath.Join(root, dir, e.Name()))
			}
		}
	}
	slices.Sort(paths)
	return paths
}

// endInWrite kills a process in the middle of a write when one is under way: all of it is there and nobody was told,
// or some sectors are, or none, which is what a full disk has of it. It reports whether one was, and whether it is
// torn.
func (p *process) endInWrite(writing, full bool, finish, kill func()) (wrote, torn bool) {
	w := p.world
	if !writing || full || w.random.IntN(3) == 0 {
		if writing {
			w.counts.Mishaps[lostWrite]++
		}
		kill()
		return writing, false
	}
	before := p.tailOf()
	finish()
	kill()
	after := p.tailOf()
	if after.path != before.path || after.end <= before.end || w.random.IntN(3) == 0 {
		w.counts.Mishaps[mutedWrite]++
		return true, false
	}
	w.counts.Mishaps[tornWrite]++
	w.say("the last write of %s is torn", p.name)
	if err := p.tear(after.path, before.end, after.end); err != nil {
		w.fail("%s: %v", p.name, err)
	}
	return true, true
}

const sector = 512

// tear takes back some sectors of a write: those behind one place, or here and there.
func (p *process) tear(path string, from, to int64) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // its content is the world's own
	behind := p.world.random.IntN(2) == 0
	first := from / sector
	last := (to - 1) / sector
	cut := first + p.world.random.Int64N(last-first+1)
	for at := first; at <= last; at++ {
		if behind && at < cut || !behind && at != cut && p.world.random.IntN(2) == 0 {
			continue
		}
		begin, end := max(from, at*sector), min(to, (at+1)*sector)
		if _, err := file.WriteAt(make([]byte, end-begin), begin); err != nil {
			return err
		}
	}
	return nil
}
