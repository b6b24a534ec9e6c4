package node

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"evenkeel/auth"
)

// sealName is the file of the data directory with the key under which second proofs are sealed. The books hold what it
// sealed; it is in none of them.
const sealName = "seal.key"

// sealPause is how long a node waits before it looks for the key again.
const sealPause = 500 * time.Millisecond

// openSeal reads the house's key, before other nodes can ask for it. A node that is alone makes it at its first start.
func (n *Node) openSeal(_, _ context.Context) error {
	key, err := readSeal(filepath.Join(n.config.Dir, sealName))
	switch {
	case err == nil:
		n.seal.Store(&key)
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("data directory: %w", err)
	case !n.config.inCluster():
		_, err := n.keepSeal(auth.NewSealKey())
		return err
	}
	return nil
}

// learnSeal gets the key from the other nodes. The one that leads makes it when all of them have said that they have
// none, since two keys would be two houses. It takes it up when most nodes hold it: what it seals outlives it then.
func (n *Node) learnSeal(_, running context.Context) error {
	if n.seal.Load() == nil {
		n.work.Go(func() { n.findSeal(running) })
	}
	return nil
}

// findSeal looks for the key until there is one. A key that this node has made is handed out until most nodes hold it:
// one that died meanwhile may have it, and nobody could be sure that it has no other.
func (n *Node) findSeal(ctx context.Context) {
	var made *[auth.SealKeySize]byte
	for {
		key, known, all := n.askSeal(ctx)
		if made == nil && all && len(n.shards) > 0 && n.shards[0].leads() {
			fresh := auth.NewSealKey()
			made = &fresh
		}
		if !known && made != nil {
			key, known = *made, n.handSeal(ctx, *made)
		}
		var err error
		if known {
			_, err = n.keepSeal(key)
		}
		if err != nil {
			n.log.Error("the key of second proofs cannot be kept", "error", err)
		}
		if n.seal.Load() != nil || !pause(ctx, sealPause) {
			return
		}
	}
}

// askSeal asks the other nodes for the key; all says that each of them has answered that it has none.
func (n *Node) askSeal(ctx context.Context) (key [auth.SealKeySize]byte, known, all bool) {
	all = true
	for _, id := range n.cluster.others() {
		answer, err := n.cluster.ask(ctx, id, callSeal, nil)
		switch {
		case err != nil:
			all = false
		case len(answer) == len(key):
			copy(key[:], answer)
			return key, true, false
		}
	}
	return key, false, all
}

// handSeal hands a new key to the other nodes, and reports whether most of all nodes hold it, with this one.
func (n *Node) handSeal(ctx context.Context, key [auth.SealKeySize]byte) bool {
	others, holders := n.cluster.others(), 1
	for _, id := range others {
		held, err := n.cluster.ask(ctx, id, callKeepSeal, key[:])
		if err == nil && bytes.Equal(held, key[:]) {
			holders++
		}
	}
	return 2*holders > 1+len(others)
}

// keepSeal writes the key down and takes it up, if there is none yet, and returns the one that this node has.
func (n *Node) keepSeal(key [auth.SealKeySize]byte) (held [auth.SealKeySize]byte, err error) {
	n.sealing.Lock()
	defer n.sealing.Unlock()
	if have := n.seal.Load(); have != nil {
		return *have, nil
	}
	if err := writeSeal(filepath.Join(n.config.Dir, sealName), key); err != nil {
		return held, fmt.Errorf("data directory: %w", err)
	}
	n.seal.Store(&key)
	return key, nil
}

// sealer is what seals under the house's key; nil while this node has none.
func (n *Node) sealer() *auth.Sealer {
	if key := n.seal.Load(); key != nil {
		return auth.NewSealer(*key)
	}
	return nil
}

func readSeal(name string) (key [auth.SealKeySize]byte, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return key, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return key, fmt.Errorf("%s: others may read it (mode %v): make it 0600", name, info.Mode().Perm())
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return key, err
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != len(key) {
		return key, fmt.Errorf("%s: not %d bytes in hexadecimal; restore the file from a copy, or from another node", name,
			len(key))
	}
	copy(key[:], raw)
	return key, nil
}

// writeSeal writes the key so that it is there whole or not at all.
func writeSeal(name string, key [auth.SealKeySize]byte) error {
	f, err := os.OpenFile(name+newSuffix, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(hex.EncodeToString(key[:]) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(name+newSuffix, name)
}
