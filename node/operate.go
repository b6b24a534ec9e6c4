package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"evenkeel/api"
	"evenkeel/peer"
	"evenkeel/replica"
)

// An Operation is a piece of an operator's work on the cluster. Any node takes it, and hands it to whom it concerns.
type Operation struct {
	Do      string `json:"do"`                // drain, undrain, transfer, add, promote, remove, activate
	Node    uint64 `json:"node,omitempty"`    // whom it is about; 0: the node that is asked
	Shard   int    `json:"shard"`             // of transfer; below 0: all
	Address string `json:"address,omitempty"` // of add: where the other nodes reach it
	Feature uint32 `json:"feature,omitempty"` // of activate

	Act *api.OpsAct `json:"act,omitempty"` // of act: what a member of staff does, on the leader of shard 0
}

// operated is what came of one.
type operated struct {
	Said  string `json:"said,omitempty"`
	Error string `json:"error,omitempty"`
	Moved bool   `json:"moved,omitempty"` // the node that was asked does not lead any more
}

// Limits of an operator's work.
const (
	operateTime = 10 * time.Second       // for one piece of it, on one node
	leaderPause = 50 * time.Millisecond  // before a leader is looked for again
	leaderTime  = 5 * time.Second        // for there to be one
	drainLead   = 2 * time.Second        // to give all leaderships away
	offerPause  = 5 * time.Millisecond   // before leadership is offered again, to another node where there is one
	drainGrace  = 200 * time.Millisecond // between readiness that ends and requests that are refused
)

// operate carries out a piece of an operator's work, wherever that is done.
func (n *Node) operate(ctx context.Context, o *Operation) (string, error) {
	if o.Node == 0 {
		o.Node = n.config.Node
	}
	switch o.Do {
	case "drain", "undrain":
		return n.atNode(ctx, o.Node, o)
	case "transfer", "add", "promote", "remove", "activate":
	default:
		return "", fmt.Errorf("no node can %q", o.Do)
	}
	if o.Shard >= len(n.shards) {
		return "", fmt.Errorf("shard %d: there are shards 0 to %d", o.Shard, len(n.shards)-1)
	}
	var said []string
	for _, s := range n.shards {
		if o.Shard >= 0 && o.Shard != int(s.number) {
			continue
		}
		one := *o
		one.Shard = int(s.number)
		text, err := n.atLeader(ctx, s, &one)
		if err != nil {
			return strings.Join(said, "\n"), fmt.Errorf("shard %d: %w", s.number, err)
		}
		said = append(said, fmt.Sprintf("shard %d: %s", s.number, text))
	}
	return strings.Join(said, "\n"), nil
}

// atNode has a node do something, itself.
func (n *Node) atNode(ctx context.Context, id uint64, o *Operation) (string, error) {
	var done operated
	if id == n.config.Node {
		done = n.perform(ctx, o)
	} else {
		peers := n.cluster.peers.Load()
		if peers == nil {
			return "", fmt.Errorf("node %d: this node is alone", id)
		}
		body, err := json.Marshal(o)
		if err != nil {
			return "", err
		}
		ctx, cancel := context.WithTimeout(ctx, operateTime)
		defer cancel()
		answer, err := peers.Call(ctx, id, callOperate, body)
		if errors.Is(err, peer.ErrNotSent) {
			return "", errMoved
		}
		if err == nil {
			err = json.Unmarshal(answer, &done)
		}
		if err != nil {
			return "", fmt.Errorf("node %d: %w", id, err)
		}
	}
	switch {
	case done.Moved:
		return "", errMoved
	case done.Error != "":
		return "", errors.New(done.Error)
	}
	return done.Said, nil
}

// errMoved says that the node that was asked is not the one, or not there: another may be.
var errMoved = errors.New("leadership moved, or its node cannot be reached")

// atLeader has the leader of a shard do something. While there is none, or it moves, it waits a while.
func (n *Node) atLeader(ctx context.Context, s *shard, o *Operation) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, leaderTime+operateTime)
	defer cancel()
	for deadline := time.Now().Add(leaderTime); ; {
		leader := s.group.Leadership().Leader
		if leader != 0 {
			said, err := n.atNode(ctx, leader, o)
			if !errors.Is(err, errMoved) {
				return said, err
			}
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("no leader that can be reached within %v", leaderTime)
		}
		if !pause(ctx, leaderPause) {
			return "", ctx.Err()
		}
	}
}

// perform does here what concerns this node: it was asked for here, or by another node.
func (n *Node) perform(ctx context.Context, o *Operation) (done operated) {
	ctx, cancel := context.WithTimeout(ctx, operateTime)
	defer cancel()
	var err error
	switch o.Do {
	case "drain":
		done.Said, err = n.Drain(ctx)
	case "undrain":
		done.Said = n.undrain()
	default:
		if o.Shard < 0 || o.Shard >= len(n.shards) {
			return operated{Error: fmt.Sprintf("there is no shard %d", o.Shard)}
		}
		done.Said, err = n.shards[o.Shard].perform(ctx, o)
	}
	if err != nil {
		done.Error = err.Error()
	}
	done.Moved = errors.Is(err, replica.ErrNotLeader)
	return done
}

// perform does what the leader of a shard does for an operator. What is so already is not done again: a piece of work
// that was cut off is repeated whole.
func (s *shard) perform(ctx context.Context, o *Operation) (string, error) {
	if !s.leads() {
		return "", replica.ErrNotLeader
	}
	if o.Do == "act" && o.Act != nil && s.number == 0 {
		return s.node.carryOut(ctx, o.Act)
	}
	member, learner := false, false
	for _, m := range s.group.Members() {
		if m.ID == o.Node {
			member, learner = true, m.Learner
		}
	}
	var change replica.Change
	said := ""
	switch o.Do {
	case "activate":
		if err := s.group.Activate(ctx, o.Feature); err != nil {
			return "", err
		}
		return fmt.Sprintf("feature %d is active", o.Feature), nil
	case "transfer":
		if err := s.group.Transfer(ctx, o.Node); err != nil {
			return "", err
		}
		return fmt.Sprintf("node %d leads", s.group.Leadership().Leader), nil
	case "add":
		if member {
			return fmt.Sprintf("node %d is a member already", o.Node), nil
		}
		change.Add, said = []replica.Member{{ID: o.Node, Address: o.Address}}, "node %d learns"
	case "promote":
		if member && !learner {
			return fmt.Sprintf("node %d votes already", o.Node), nil
		}
		change.Promote, said = []uint64{o.Node}, "node %d votes"
	case "remove":
		if !member {
			return fmt.Sprintf("node %d is no member", o.Node), nil
		}
		if o.Node == s.node.config.Node { // leadership first: nobody waits for an election
			if err := s.group.Transfer(ctx, 0); err != nil {
				return "", err
			}
			return "", replica.ErrNotLeader // the next leader removes this node
		}
		change.Remove, said = []uint64{o.Node}, "node %d is removed"
	}
	if err := s.change(ctx, change); err != nil {
		return "", err
	}
	return fmt.Sprintf(said, o.Node), nil
}

// change changes the members. A learner that is a little behind, or another change under way, is waited for.
func (s *shard) change(ctx context.Context, c replica.Change) error {
	for {
		err := s.group.Change(ctx, c)
		if !errors.Is(err, replica.ErrBehind) && !errors.Is(err, replica.ErrChanging) {
			return err
		}
		if !pause(ctx, leaderPause) {
			return err
		}
	}
}
