package house_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"evenkeel/test/rig"
)

// TestShards spreads the demo accounts over two logs: accounts of different shards trade with each other through the
// exchange, to the cent, and a house that is killed finds each account where it was. The number of shards never
// changes.
func TestShards(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0", "--shards", "2")
	shard := func(who account) string { // the first two of the twelve digits of an account's number
		return text(h.must(200, who, "GET", "/v2/account", nil), "account_number")[:2]
	}
	buyer := h.accounts[0]
	seller := buyer
	for _, other := range h.accounts {
		if shard(other) != shard(buyer) {
			seller = other
		}
	}
	if shard(seller) == shard(buyer) {
		t.Fatalf("all demo accounts are of shard %s", shard(buyer))
	}
	h.order(seller, h.place(seller, limit("sell", "600000.SH", 300, "10.00")), "new")
	bought := h.place(buyer, limit("buy", "600000.SH", 300, "10.00"))
	h.order(buyer, bought, "filled")
	cost := fen(300_000)
	cash := fen(100_000_000) - cost - feesOf("buy", cost).total()
	check := func() {
		t.Helper()
		standing := h.standing(buyer)
		if got := text(standing, "balance.available"); got != cash.String() {
			t.Errorf("the buyer has %s, want %v", got, cash)
		}
		if p := position(standing, "600000.SH"); p == nil || text(p, "total") != "2300" {
			t.Errorf("the buyer's position is %v", p)
		}
		h.order(buyer, bought, "filled")
		if said, err := h.desk("", "check"); err != nil {
			t.Errorf("%v %s", err, said)
		}
	}
	check()
	if said, err := h.desk("", "snapshot"); err != nil || strings.Count(said, "snapshot at index") != 2 {
		t.Errorf("%v %s", err, said)
	}
	h.Kill()
	said := rig.Run(t, "serve", "--data", h.dir, "--listen", "127.0.0.1:0", "--shards", "3").Fails()
	if !strings.Contains(said, "--shards 3") || !strings.Contains(said, "set up with 2") {
		t.Error(said)
	}
	h.args = []string{"--flow", "0"} // as the directory was made
	h.start()
	h.ready()
	check()
	if _, err := os.Stat(filepath.Join(h.dir, "broker", "g2")); err != nil {
		t.Error(err)
	}
}
