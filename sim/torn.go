package sim

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"

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
