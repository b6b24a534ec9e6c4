package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"evenkeel/replica"
)

// Drain gets this node ready to be stopped: its leaderships go to other nodes, its readiness ends, its streams are
// aborted, and, after a moment in which whoever spreads the load may notice, new requests are sent elsewhere. It stays
// so until it is stopped, or undrained. A node that is alone has nobody to go on: it only says that it is not ready.
func (n *Node) Drain(ctx context.Context) (string, error) {
	n.leave(true)
	given, err := n.giveAway(ctx)
	if n.server != nil {
		if err := n.server.Drain(ctx); err != nil {
			n.log.Warn("streams did not end in time", "error", err)
		}
		time.AfterFunc(drainGrace, func() {
			if n.draining.Load() {
				n.server.Refuse(true)
			}
		})
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("node %d is drained: %d leaderships were given away", n.config.Node, given), nil
}

// leave says goodbye to clients, where there is somebody to go on, or takes that back.
func (n *Node) leave(leaving bool) {
	n.draining.Store(leaving)
	n.servers.leaving.Store(leaving && !n.Alone())
}

// partTime is how long a node that stops goes on to answer: each answer is a goodbye, so that clients are with other
// nodes when the addresses close. Nobody waits for this but the node.
const partTime = 150 * time.Millisecond

// part gets a node that is being stopped out of the way of its clients, and of the other nodes.
func (n *Node) part() {
	alone, already := n.Alone(), n.draining.Load()
	n.leave(true)
	until := time.Now().Add(partTime)
	if _, err := n.giveAway(context.Background()); err != nil {
		n.log.Warn("the node is stopped with leaderships that nobody took", "error", err)
	}
	if !alone && !already && !n.broken.Load() { // who was drained before has said it
		time.Sleep(time.Until(until))
	}
}

// undrain takes work again.
func (n *Node) undrain() string {
	n.leave(false)
	if n.server != nil {
		n.server.Refuse(false)
	}
	return fmt.Sprintf("node %d takes work again", n.config.Node)
}

// giveAway gives the leaderships of this node to other nodes, for as long as there is one that can take them.
func (n *Node) giveAway(ctx context.Context) (given int, err error) {
	ctx, cancel := context.WithTimeout(ctx, drainLead)
	defer cancel()
	var all []error
	for _, s := range n.shards {
		for s.group.Leadership().Leading && !s.alone.Load() {
			err := s.group.Transfer(ctx, 0)
			if err == nil {
				given++
				break
			}
			if errors.Is(err, replica.ErrNotLeader) {
				break
			}
			n.log.Warn("leadership was offered and stays for now", "shard", s.number, "error", err)
			if ctx.Err() != nil || errors.Is(err, replica.ErrNoSuccessor) || !pause(ctx, offerPause) {
				all = append(all, fmt.Errorf("shard %d: leadership stays here: %w", s.number, err))
				break
			}
		}
	}
	return given, errors.Join(all...)
}
