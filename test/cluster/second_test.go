package cluster_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// TestSecondProof: nodes of a new cluster come to one key; what was enrolled on one is asked for on all, the steps of
// a login are done on different nodes, and a code that one has taken is taken by no other.
func TestSecondProof(t *testing.T) {
	c := open(t, 3, 2)
	who := c.accounts[0]
	password := object{"login": who.Login, "password": who.Password}
	opened := c.must(c.nodes[0], 200, account{}, "POST", "/api/v1/login", password)
	bearer := []string{"Authorization", "Bearer " + text(opened, "token")}
	deadline := time.Now().Add(60 * time.Second)
	for _, m := range c.nodes {
		for c.must(m, 200, account{}, "GET", "/api/v1/second", nil, bearer...)["available"] != true {
			if time.Now().After(deadline) {
				t.Fatalf("node %d has no key", m.id)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	begun := c.must(c.nodes[0], 200, account{}, "POST", "/api/v1/second/totp", object{"password": who.Password},
		bearer...)
	code := func() string {
		code, err := totp.GenerateCode(text(begun, "secret"), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	c.must(c.nodes[1], 200, account{}, "POST", "/api/v1/second/totp/confirm",
		object{"enrolment": text(begun, "enrolment"), "code": code()}, bearer...)
	step := text(c.must(c.nodes[2], 202, account{}, "POST", "/api/v1/login", password), "step")
	second := object{"step": step, "code": code()}
	c.must(c.nodes[1], http.StatusOK, account{}, "POST", "/api/v1/login/second", second)
	for _, m := range c.nodes {
		if r := c.must(m, 422, account{}, "POST", "/api/v1/login/second", second); text(r, "reason") != "CODE_USED" {
			t.Errorf("node %d: %v", m.id, r)
		}
	}
}

// TestKeyOutlivesANode: a new cluster loses the first node that is seen to have the key, and the others have it or get
// it all the same: what was sealed under a key that only the dead had would be lost.
func TestKeyOutlivesANode(t *testing.T) {
	c := launch(t, 3, 1)
	holds := func(m *machine) bool {
		_, err := os.Stat(filepath.Join(m.dir, "seal.key"))
		return err == nil
	}
	deadline := time.Now().Add(60 * time.Second)
	first := -1
	for first < 0 {
		if first = slices.IndexFunc(c.nodes, holds); first < 0 && time.Now().After(deadline) {
			t.Fatal("no node has a key")
		}
		time.Sleep(time.Millisecond)
	}
	c.nodes[first].Kill()
	for i, m := range c.nodes {
		c.eventually(fmt.Sprintf("node %d has the key", m.id), func() error {
			if i != first && !holds(m) {
				return fmt.Errorf("not when node %d is dead", c.nodes[first].id)
			}
			return nil
		})
	}
}
