package house_test

import (
	"fmt"
	"net/http"
	"testing"
)

// TestStaffActs: what staff do holds in all shards, after a kill too, and is on record with its reason and who did it.
func TestStaffActs(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0", "--shards", "2")
	if said, err := h.desk("correct horse\n", "open", "duty", "--permissions", "operate,read"); err != nil {
		t.Fatalf("%v %s", err, said)
	}
	var cookie string
	logIn := func() {
		answer, raw, err := h.ask(account{}, "POST", "/api/v1/login", object{"login": "duty", "password": "correct horse"})
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("%v %s", err, raw)
		}
		for _, one := range answer.Cookies() {
			cookie = one.Name + "=" + one.Value
		}
	}
	logIn()
	act := func(a object) {
		t.Helper()
		if done := h.must(200, account{}, "POST", "/api/v1/ops/acts", a, "Cookie", cookie); text(done, "outcome") != "done" {
			t.Errorf("%v: %v", a, done)
		}
	}
	refused := func(what, reason string) {
		t.Helper()
		for i, who := range h.accounts {
			eventually(t, fmt.Sprintf("account %d is told %s", i, reason), func() error {
				status, answer := h.call(who, "POST", "/v2/orders", limit("buy", "600000.SH", 100, "9.50"))
				if text(answer, "reason") != reason {
					return fmt.Errorf("%s: %d %v", what, status, answer)
				}
				return nil
			})
		}
	}
	act(object{"act": "halt", "symbol": "600000.SH", "reason": "news is due"})
	refused("a halt", "SECURITY_HALTED")
	act(object{"act": "read_only", "reason": "a rehearsal"})
	refused("a read-only house", "READ_ONLY")
	h.Kill()
	h.args = []string{"--flow", "0"}
	h.start()
	h.ready()
	refused("a read-only house that was killed", "READ_ONLY")
	act(object{"act": "read_write", "reason": "it is over"})
	refused("a halt that outlives a kill", "SECURITY_HALTED")
	act(object{"act": "resume", "symbol": "600000.SH", "reason": "the news is out"})
	for _, who := range h.accounts {
		eventually(t, "an order is taken again", func() error {
			if status, answer := h.call(who, "POST", "/v2/orders", limit("buy", "600000.SH", 100, "9.50")); status != 200 {
				return fmt.Errorf("%d %v", status, answer)
			}
			return nil
		})
	}
	look := h.must(200, account{}, "GET", "/api/v1/ops", nil, "Cookie", cookie)
	acts, _ := look["acts"].([]any)
	want := []string{"resume the news is out", "read_write it is over", "read_only a rehearsal", "halt news is due"}
	if len(acts) != len(want) {
		t.Fatalf("%v", acts)
	}
	for i, one := range acts {
		a, _ := one.(map[string]any)
		got := fmt.Sprintf("%v %v %v %v", a["act"], a["reason"], a["who"], a["outcome"])
		if got != want[i]+" duty done" {
			t.Errorf("act %d: %v, want %s", i, a, want[i])
		}
	}
	if said, err := h.desk("", "check"); err != nil {
		t.Errorf("%v %s", err, said)
	}
}
