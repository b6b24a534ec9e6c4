package drill

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"evenkeel/core/planted"
)

// stopsWithin is how soon a replica that goes wrong must have stopped itself, from its start on: it opens its books,
// and compares them with the others every second.
const stopsWithin = 5 * time.Second

// broken is what a process says whose books break a rule of their own (core/must), and that ends by it.
const broken = "panic: broken: "

// divergeFollower replaces a follower by one that goes wrong, and waits until it has stopped itself.
func divergeFollower(ctx context.Context, t *trial) error {
	order := t.inOrder()
	n := order[len(order)-1]
	if err := n.stop(); err != nil {
		return err
	}
	before, err := os.Stat(n.log)
	if err != nil {
		return err
	}
	n.process.program, n.process.env = t.house.config.Planted, []string{"EVENKEEL_PLANTED=" + string(planted.FeeTwice)}
	t.note("%s is started with a binary that charges every fee twice", n.machine)
	began := time.Now()
	if err := n.start(); err != nil {
		return err
	}
	for time.Since(began) < stopsWithin {
		said, err := os.ReadFile(n.log)
		if err != nil {
			return err
		}
		said = said[before.Size():]
		if bytes.Contains(said, []byte("DIVERGED")) {
			t.note("%s has stopped itself, %d ms after it was started", n.machine, time.Since(began).Milliseconds())
			return nil
		}
		if !n.runs() && bytes.Contains(said, []byte(broken)) { // wrong fees can break a rule of the books before that
			t.note("%s has stopped itself by a rule of its books, %d ms after it was started", n.machine,
				time.Since(began).Milliseconds())
			return nil
		}
		if !sleep(ctx, look) {
			return context.Cause(ctx)
		}
	}
	return fmt.Errorf("%s has not noticed within %v that its state differs", n.machine, stopsWithin)
}

// rightAgain gives the follower the right binary back.
func rightAgain(_ context.Context, t *trial) error {
	order := t.inOrder()
	n := order[len(order)-1]
	if err := n.kill(); err != nil {
		return err
	}
	n.process.program, n.process.env = t.house.config.Program, nil
	t.note("%s is started with the right binary", n.machine)
	return n.start()
}
