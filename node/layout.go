package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// layoutName is the file of a data directory that says how its books are laid out.
const layoutName = "layout.json"

// MaxShards bounds the shards of a house.
const MaxShards = 64

// layout is what a data directory is, from its birth on. A directory from before this file has one shard, of node 1.
type layout struct {
	Node   uint64 `json:"node"`   // whose it is; a number is never used twice
	Shards int    `json:"shards"` // over how many logs the accounts are spread (auth.ShardOf)
}

// openLayout reads how the books are laid out, or writes it down at their birth. What was asked for and is not so is
// an error: accounts are found by the number of shards.
func (n *Node) openLayout(_, _ context.Context) error {
	c := &n.config
	name := filepath.Join(c.Dir, layoutName)
	var kept layout
	text, err := os.ReadFile(name)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &kept); err != nil {
			return fmt.Errorf("data directory: %s: %w", name, err)
		}
		if kept.Shards < 1 || kept.Shards > MaxShards || kept.Node < 1 {
			return fmt.Errorf("data directory: %s: %d shards of node %d are not possible; restore the file from a copy", name,
				kept.Shards, kept.Node)
		}
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("data directory: %w", err)
	default:
		kept = layout{Node: c.Node, Shards: max(1, c.Shards)}
		if _, err := os.Stat(filepath.Join(c.Dir, brokerData)); err == nil {
			kept = layout{Node: firstNode, Shards: 1}
		} else if c.Join && c.Shards == 0 {
			return nil // the others tell (learnLayout)
		}
	}
	switch {
	case c.Shards != 0 && c.Shards != kept.Shards:
		return fmt.Errorf("--shards %d: the books in %s were set up with %d, which never changes; leave --shards out, or "+
			"give a new directory with --data", c.Shards, c.Dir, kept.Shards)
	case c.Node != kept.Node:
		return fmt.Errorf("--node %d: the books in %s are those of node %d; a node's directory is never another's", c.Node,
			c.Dir, kept.Node)
	}
	c.Shards = kept.Shards
	if text != nil {
		return nil
	}
	return c.writeLayout()
}

func (c *Config) writeLayout() error {
	if err := writeJSON(filepath.Join(c.Dir, layoutName), &layout{Node: c.Node, Shards: c.Shards}); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// learnLayout asks the nodes that this one joins how many shards there are.
func (n *Node) learnLayout(ctx, _ context.Context) error {
	c := &n.config
	for c.Shards == 0 {
		for _, id := range n.cluster.others() {
			answer, err := n.cluster.ask(ctx, id, callLayout, nil)
			var said hello
			if err == nil && json.Unmarshal(answer, &said) == nil && said.Shards >= 1 && said.Shards <= MaxShards {
				c.Shards = said.Shards
				return c.writeLayout()
			}
		}
		if !pause(ctx, leaderPause) {
			return errors.New("--join: no node of --peers was reached, to learn how many shards there are; are they running, " +
				"and is --peer-tls of their cluster?")
		}
	}
	return nil
}
