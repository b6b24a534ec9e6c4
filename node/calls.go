package node

import (
	"context"
	"encoding/json"
	"fmt"

	"evenkeel/auth"
	"evenkeel/relay"
)

// Kinds of calls between nodes. They never change, and none is used twice.
const (
	callStanding uint16 = 0x4e01 // how the node is: Standing
	callOperate  uint16 = 0x4e02 // a piece of an operator's work: Operation, operated
	callLayout   uint16 = 0x4e03 // how the books are laid out: hello
	callSeal     uint16 = 0x4e04 // the key of second proofs: its bytes, none when there is none here
	callKeepSeal uint16 = 0x4e05 // a new key of second proofs, to be kept: the one that is kept here
)

// maxOperations bounds the pieces of operators' work that are done here at once for other nodes.
const maxOperations = 8

// called takes a call of another node. It does not block.
func (n *Node) called(from uint64, kind uint16, body []byte, answer func([]byte, error)) {
	switch kind {
	case relay.CallKind:
		n.relay.Serve(from, body, answer)
	case callStanding:
		if !n.open.Load() {
			answer(nil, errNotOpen)
			return
		}
		answer(json.Marshal(n.standing()))
	case callLayout:
		if !n.open.Load() {
			answer(nil, errNotOpen)
			return
		}
		answer(json.Marshal(hello{Shards: n.config.Shards, Version: n.config.Version}))
	case callSeal: // to nodes of the house alone, as their certificates show
		key := n.seal.Load()
		if key == nil {
			answer(nil, nil)
			return
		}
		answer(key[:], nil)
	case callKeepSeal:
		var key [auth.SealKeySize]byte
		if copy(key[:], body) != len(body) || len(body) != len(key) || !n.config.inCluster() {
			answer(nil, fmt.Errorf("a key of %d bytes, want %d", len(body), len(key)))
			return
		}
		go func() { // to the disk
			held, err := n.keepSeal(key)
			answer(held[:], err)
		}()
	case callOperate:
		var o Operation
		if err := json.Unmarshal(body, &o); err != nil || !n.open.Load() {
			answer(nil, fmt.Errorf("an operation cannot be done here now: %w", errNotOpen))
			return
		}
		select {
		case n.operations <- struct{}{}:
		default:
			answer(nil, fmt.Errorf("%d operations are under way on node %d", maxOperations, n.config.Node))
			return
		}
		go func() {
			defer func() { <-n.operations }()
			n.log.Info("an operation", "from", from, "do", o.Do, "node", o.Node, "shard", o.Shard)
			answer(json.Marshal(n.perform(context.Background(), &o)))
		}()
	default:
		answer(nil, fmt.Errorf("a call of kind %#x is not known to this binary", kind))
	}
}
