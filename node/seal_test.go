package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A key is made once, is read again, and is refused when it is damaged or others may read it.
func TestSealKeyFile(t *testing.T) {
	n := &Node{config: Config{Dir: t.TempDir()}}
	if n.sealer() != nil {
		t.Error("a key out of nothing")
	}
	if err := n.openSeal(nil, nil); err != nil {
		t.Fatal(err)
	}
	first := *n.seal.Load()
	again := &Node{config: n.config}
	if err := again.openSeal(nil, nil); err != nil || *again.seal.Load() != first {
		t.Errorf("another key at the second start: %v", err)
	}
	if text, err := again.sealer().Open("x", n.sealer().Seal("x", []byte("y"))); err != nil || string(text) != "y" {
		t.Errorf("%q %v", text, err)
	}
	name := filepath.Join(n.config.Dir, sealName)
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if _, err := readSeal(name + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readSeal(name); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a key that others may read: %v", err)
	}
	if err := errors.Join(os.WriteFile(name, []byte("12\n"), 0o600), os.Chmod(name, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := (&Node{config: n.config}).openSeal(nil, nil); err == nil {
		t.Error("a damaged key is taken for none")
	}
}
