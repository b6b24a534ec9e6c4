package drill

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"evenkeel/drill/report"
	"evenkeel/replica"
)

// operate does an operator's work at the desk of a node, in words of `evenkeel node`.
func (h *house) operate(ctx context.Context, n *node, words ...string) (string, error) {
	args := append(append([]string{"node"}, words...), "--data", n.data)
	out, err := exec.CommandContext(ctx, h.config.Program, args...).CombinedOutput() //nolint:gosec // our own program
	text := strings.TrimSpace(string(out))
	if err != nil {
		return text, fmt.Errorf("evenkeel %s: %w: %s", strings.Join(args, " "), err, text)
	}
	return text, nil
}

// newest is the newest feature that this program knows.
func newest() replica.Feature {
	all := replica.Known()
	return all[len(all)-1]
}

// activate activates the newest feature.
func (h *house) activate(ctx context.Context, n *node) error {
	_, err := h.operate(ctx, n, "activate", "--feature", fmt.Sprint(newest().Number))
	return err
}

// refusesToActivate holds the cluster to refusing a feature while a node runs the version before.
func (t *trial) refusesToActivate(ctx context.Context, n *node) error {
	if err := t.house.activate(ctx, n); err == nil {
		return fmt.Errorf("%v was activated while not all nodes know it", newest())
	}
	t.note("%v is refused: not all nodes know it", newest())
	return nil
}

func rollingUpgrade(ctx context.Context, t *trial) error {
	for i, n := range t.inOrder() {
		if err := t.replace(ctx, n, t.house.config.Program); err != nil {
			return err
		}
		if i == 0 {
			if err := t.refusesToActivate(ctx, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// settleUpgrade makes the next trial possible: every node is brought back to the version before, which nothing forbids
// yet. After the last trial the new version's feature is activated, and the version before is refused from then on.
func settleUpgrade(ctx context.Context, t *trial) error {
	order := t.inOrder()
	if !t.last {
		for _, n := range order {
			if err := t.replace(ctx, n, t.house.config.Previous); err != nil {
				return err
			}
		}
		return nil
	}
	if err := t.house.activate(ctx, order[0]); err != nil {
		return err
	}
	t.note("%v is active", newest())
	last := order[len(order)-1]
	if err := last.stop(); err != nil {
		return err
	}
	last.process.program = t.house.config.Previous
	if err := last.start(); err != nil {
		return err
	}
	if err := last.end(farewell); err == nil {
		return errors.New("the version before has started, and ended well, though a feature that it lacks is active")
	} else if last.runs() {
		return errors.New("the version before runs, though a feature that it lacks is active")
	}
	t.note("%s with the version before refuses to run", last.machine)
	last.process.program = t.house.config.Program
	return last.start()
}

func rollBack(ctx context.Context, t *trial) error {
	order := t.inOrder()
	two := order[:min(2, len(order))]
	for _, program := range []string{t.house.config.Program, t.house.config.Previous} {
		for _, n := range two {
			if err := t.replace(ctx, n, program); err != nil {
				return err
			}
		}
	}
	return nil
}

// replace ends a node and starts it again, with a program that may be another one.
func (t *trial) replace(ctx context.Context, n *node, program string) error {
	t.note("%s is asked to end", n.machine)
	asked := milliseconds(time.Since(t.struck))
	if err := n.stop(); err != nil {
		return err
	}
	n.process.program = program
	t.note("%s has ended, and is started again", n.machine)
	began := time.Now()
	if err := n.start(); err != nil {
		return err
	}
	if err := t.house.whole(ctx); err != nil {
		return err
	}
	t.redundancy = max(t.redundancy, time.Since(began))
	t.restarts = append(t.restarts, report.Restart{Machine: n.machine, From: asked,
		Until: milliseconds(time.Since(t.struck))})
	return nil
}

func rollingRestart(ctx context.Context, t *trial) error {
	for _, n := range t.inOrder() {
		if err := t.replace(ctx, n, n.program); err != nil {
			return err
		}
	}
	return nil
}
