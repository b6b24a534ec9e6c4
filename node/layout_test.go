package node

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"evenkeel/replica"
)

// TestLayout: how the books are laid out is written down at birth, and what differs later is refused in words.
func TestLayout(t *testing.T) {
	fresh, old, damaged := t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(old, brokerData), 0o700); err != nil { // of before there was a layout
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(damaged, layoutName), []byte(`{"node":1,"shards":0}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what, dir string
		node      uint64
		shards    int
		want      int // shards in the end; 0: refused
		says      string
	}{
		{"a new directory", fresh, 1, 3, 3, ""},
		{"the same again, unsaid", fresh, 1, 0, 3, ""},
		{"another number", fresh, 1, 2, 0, "set up with 3"},
		{"another node", fresh, 2, 0, 0, "those of node 1"},
		{"a directory from before", old, 1, 0, 1, ""},
		{"and asked for more", old, 1, 2, 0, "set up with 1"},
		{"damaged", damaged, 1, 0, 0, "0 shards"},
	} {
		n := &Node{config: Config{Dir: c.dir, Node: c.node, Shards: c.shards}}
		err := n.openLayout(context.Background(), context.Background())
		if (err == nil) != (c.want > 0) || err == nil && n.config.Shards != c.want ||
			err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %d shards, %v", c.what, n.config.Shards, err)
		}
	}
}

func TestParsePeers(t *testing.T) {
	got, err := ParsePeers("1=10.0.0.1:7100,22=n2.example:7100")
	if err != nil || len(got) != 2 || got[1] != (replica.Member{ID: 22, Address: "n2.example:7100"}) {
		t.Errorf("%v %v", got, err)
	}
	for _, wrong := range []string{"1", "1=", "1=host", "0=host:1", "x=host:1", "1=a:1,1=b:2", "1=a:1,,"} {
		if got, err := ParsePeers(wrong); err == nil {
			t.Errorf("%q is read as %v", wrong, got)
		}
	}
}

// TestPreferred: leaderships are spread evenly, learners get none, and all nodes agree whose each is.
func TestPreferred(t *testing.T) {
	members := []replica.Member{{ID: 9}, {ID: 2}, {ID: 4, Learner: true}, {ID: 5}}
	leads := map[uint64]int{}
	for shard := range uint16(9) {
		leads[preferred(shard, members)]++
	}
	if len(leads) != 3 || leads[2] != 3 || leads[5] != 3 || leads[9] != 3 {
		t.Errorf("%v", leads)
	}
	if preferred(3, nil) != 0 {
		t.Error("nobody is preferred where there is nobody")
	}
}

// TestUnits: every shard that there may be has a unit of its own at the exchange, under a name that never changes.
func TestUnits(t *testing.T) {
	seen := map[string]bool{}
	for shard := range uint16(MaxShards) {
		u := unitOf(shard)
		if seen[u.CompID] || seen[u.PBU] {
			t.Errorf("shard %d has the unit of another: %+v", shard, u)
		}
		seen[u.CompID], seen[u.PBU] = true, true
	}
	if first, second := unitOf(0), unitOf(1); first.CompID != "EVENKEEL-BROKER" || first.PBU != "EK0001" ||
		second.CompID != "EVENKEEL-BROKER-2" || second.PBU != "EK0002" {
		t.Errorf("%+v %+v", first, second)
	}
}

// TestOpenDir: a directory that a first start left at any moment is ours, and anybody else's is refused.
func TestOpenDir(t *testing.T) {
	for _, c := range []struct {
		name string
		ours bool
	}{
		{layoutName, true}, {layoutName + partSuffix, true}, {demoName + newSuffix + partSuffix, true},
		{brokerData, true}, {".probe-1", true}, {"letters.txt", false}, {"letters" + partSuffix, false},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, c.name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		n := &Node{config: Config{Dir: dir}}
		if err := n.openDir(t.Context(), t.Context()); (err == nil) != c.ours {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
