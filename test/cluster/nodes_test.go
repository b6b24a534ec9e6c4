package cluster_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"evenkeel/test/rig"
)

// TestAnyNode: what is done on one node is there on all, at once: orders, logins, keys, events; and every answer about
// an account names the log entry that it reflects.
func TestAnyNode(t *testing.T) {
	c := open(t, 3, 2)
	for i, m := range c.nodes {
		for j, who := range c.accounts {
			id := text(c.must(m, 200, who, "POST", "/v2/orders", limit(fmt.Sprintf("any-%d", i))), "id")
			for _, other := range c.nodes {
				got := text(c.must(other, 200, who, "GET", "/v2/orders/"+id, nil), "client_order_id")
				if got != fmt.Sprintf("any-%d", i) {
					t.Errorf("account %d: placed on node %d, node %d has it as %q", j, m.id, other.id, got)
				}
			}
		}
	}
	who := c.accounts[0]
	for i, m := range c.nodes {
		next, last := c.nodes[(i+1)%3], c.nodes[(i+2)%3]
		token := text(c.must(m, 200, account{}, "POST", "/api/v1/login",
			object{"login": who.Login, "password": who.Password}), "token")
		c.must(next, 200, account{}, "GET", "/v2/account", nil, "Authorization", "Bearer "+token)
		made := c.must(next, 201, account{}, "POST", "/api/v1/keys", object{"label": "k"}, "Authorization", "Bearer "+token)
		key := account{KeyID: text(made, "id"), Secret: text(made, "secret")}
		c.must(last, 200, key, "GET", "/v2/account", nil)
		c.must(m, 204, account{}, "DELETE", "/api/v1/keys/"+key.KeyID, nil, "Authorization", "Bearer "+token)
		c.must(last, 401, key, "GET", "/v2/account", nil)
		c.must(last, 204, account{}, "POST", "/api/v1/logout", nil, "Authorization", "Bearer "+token)
		c.must(next, 401, account{}, "GET", "/v2/account", nil, "Authorization", "Bearer "+token)
	}
	c.must(c.nodes[1], 401, account{KeyID: "EKNOBODY", Secret: "x"}, "GET", "/v2/account", nil)
	answer, _, err := exchange(t.Context(), c.nodes[0].url, who, "POST", "/v2/orders", limit("index"))
	if err != nil || answer.StatusCode != 200 {
		t.Fatal(answer, err)
	}
	index := answer.Header.Get("X-Evenkeel-Index")
	for _, m := range c.nodes {
		answer, _, err := exchange(t.Context(), m.url, who, "GET", "/v2/positions", nil, "X-Evenkeel-Index", index)
		if err != nil || answer.Header.Get("X-Evenkeel-Stale") != "" {
			t.Fatalf("node %d: %v, stale %q", m.id, err, answer.Header.Get("X-Evenkeel-Stale"))
		}
		if got := answer.Header.Get("X-Evenkeel-Index"); !atLeast(got, index) {
			t.Errorf("node %d answers from %s, asked for %s", m.id, got, index)
		}
	}
	far := fmt.Sprintf("%s:%d", index[:strings.Index(index, ":")], 1<<40)
	answer, _, err = exchange(t.Context(), c.nodes[0].url, who, "GET", "/v2/positions", nil, "X-Evenkeel-Index", far)
	if err != nil || answer.StatusCode != 200 || answer.Header.Get("X-Evenkeel-Stale") == "" {
		t.Errorf("asked for an entry that is not: %v, stale %q", err, answer.Header.Get("X-Evenkeel-Stale"))
	}
}

func atLeast(got, want string) bool {
	var shard, other, have, need uint64
	_, err := fmt.Sscanf(got+" "+want, "%d:%d %d:%d", &shard, &have, &other, &need)
	return err == nil && shard == other && have >= need
}

func text(o object, name string) string {
	v, _ := o[name].(string)
	return v
}

// TestFailover kills the leader of each shard in turn, and brings it back, under a flow of orders.
func TestFailover(t *testing.T) {
	c := open(t, 3, 2)
	f := begin(c)
	f.more(c, 50)
	for round := range 4 {
		asked := c.nodes[round%3]
		victim := c.leader(asked, round%2)
		victim.Kill()
		f.more(c, 100)
		c.start(victim)
		c.ready(victim)
	}
	f.more(c, 50)
	f.end(c, c.nodes...)
	f.longest(t, "a leader was killed", 3*time.Second)
}

// TestShardsApart: the leader of one shard stands still; investors of the other notice nothing, they need not even ask
// again, and those of the first go on with another leader.
func TestShardsApart(t *testing.T) {
	c := open(t, 3, 2)
	victim, other := c.nodes[0], c.nodes[1]
	for shard, to := range []*machine{victim, other} {
		if c.leader(c.nodes[2], shard) != to {
			c.command("node", "transfer", "--data", to.dir, "--shard", fmt.Sprint(shard), "--to", fmt.Sprint(to.id))
		}
	}
	var of [2][]account
	for _, who := range c.accounts {
		answer, text, err := exchange(t.Context(), other.url, who, "GET", "/v2/account", nil)
		var shard, index int
		if err == nil {
			_, err = fmt.Sscanf(answer.Header.Get("X-Evenkeel-Index"), "%d:%d", &shard, &index)
		}
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		of[shard] = append(of[shard], who)
	}
	if len(of[0]) == 0 || len(of[1]) == 0 {
		t.Fatalf("all accounts are in one shard: %v", of)
	}
	well := slices.DeleteFunc(slices.Clone(c.nodes), func(m *machine) bool { return m == victim })
	troubled, untouched := beginAt(c, well, of[0]), beginAt(c, well, of[1])
	troubled.more(c, 20)
	untouched.more(c, 20)
	victim.Pause(func() {
		untouched.more(c, 100)
		troubled.more(c, 20)
	})
	c.ready(victim)
	troubled.more(c, 20)
	untouched.more(c, 20)
	troubled.end(c, c.nodes...)
	untouched.end(c, c.nodes...)
	if untouched.tries > 0 {
		t.Errorf("the other shard's investors had to ask again %d times", untouched.tries)
	}
}

// TestRollingRestart stops each node in turn as an operator does, and starts it again, under a flow of orders.
func TestRollingRestart(t *testing.T) {
	c := open(t, 3, 2)
	f := begin(c)
	f.more(c, 50)
	for _, m := range c.nodes {
		m.Stop()
		f.more(c, 40)
		c.start(m)
		c.ready(m)
	}
	for _, m := range c.nodes { // drained, and taken up again, without an end
		if said := c.command("node", "drain", "--data", m.dir); !strings.Contains(said, "is drained") {
			t.Error(said)
		}
		for _, v := range c.standings(m) {
			for _, s := range v.Shards {
				if s.Leads && v.Node == m.id {
					t.Errorf("node %d is drained and leads shard %d", m.id, s.Shard)
				}
			}
		}
		if status, _, err := ask(t.Context(), m.url, account{}, "GET", "/readyz", nil); err != nil || status != 503 {
			t.Errorf("a drained node says %d to who asks whether it is ready: %v", status, err)
		}
		f.more(c, 20)
		c.command("node", "undrain", "--data", m.dir)
		c.ready(m)
	}
	f.end(c, c.nodes...)
	f.longest(t, "a node was stopped as planned", 2*time.Second)
	c.eventually("all nodes said what they know", func() error {
		said := c.command("node", "features", "--data", c.nodes[2].dir)
		if !regexp.MustCompile(`(?m)^1 .*  0 1 +1 2 3$`).MatchString(said) {
			return errors.New(said)
		}
		return nil
	})
	said, err := exec.Command(rig.Binary, "node", "activate", "--data", c.nodes[0].dir, "--feature",
		"1000000").CombinedOutput()
	if err == nil {
		t.Errorf("a feature that is none was activated: %s", said)
	}
}

// TestMoved: a node comes back at another address, which nobody told the others; then one of those ends, and the two
// that are left go on, which they can only when each finds the other.
func TestMoved(t *testing.T) {
	c := open(t, 3, 1)
	f := begin(c)
	f.more(c, 30)
	m := c.nodes[2]
	m.Stop()
	at := slices.Index(m.args, "--peer-listen") + 1
	m.peer = freeAddresses(t, 1)[0]
	m.args[at] = m.peer
	c.start(m)
	c.ready(m)
	f.more(c, 30)
	c.nodes[1].Kill()
	f.more(c, 50)
	f.end(c, c.nodes[0], m)
}

// TestGrow begins with one node, which becomes three under a flow of orders; then the first dies for good, and is
// replaced.
func TestGrow(t *testing.T) {
	c := open(t, 1, 2)
	first := c.nodes[0]
	f := begin(c)
	f.more(c, 50)
	for id := 2; id <= 4; id++ {
		m := c.machine(id)
		at := slices.Index(m.args, "--shards") // the others tell it
		m.args = append(slices.Delete(m.args, at, at+2), "--join", "--peers", c.peers(id))
		c.start(m)
		asked := first
		if id == 4 { // in place of the first
			first.Kill()
			asked = c.nodes[1]
			f.more(c, 30)
			c.command("node", "remove", "--data", asked.dir, "--id", "1")
		}
		said := c.command("node", "add", "--data", asked.dir, "--id", fmt.Sprint(id), "--address", m.peer)
		if !strings.Contains(said, fmt.Sprintf("node %d votes", id)) {
			t.Errorf("add says %s", said)
		}
		c.ready(m)
		f.learn(m)
		f.more(c, 30)
	}
	for _, v := range c.standings(c.nodes[3]) {
		for _, s := range v.Shards {
			voters := 0
			for _, m := range s.Members {
				if !m.Learner && m.ID != 1 {
					voters++
				}
			}
			if len(s.Members) != 3 || voters != 3 {
				t.Errorf("node %d: shard %d has the members %v", v.Node, s.Shard, s.Members)
			}
		}
	}
	f.end(c, c.nodes[1:]...)
}

// TestStreamsGoOn reads an account's events by number on one node, loses it, and goes on on the next: no number is
// missing, none comes twice.
func TestStreamsGoOn(t *testing.T) {
	c := open(t, 3, 1)
	f := begin(c)
	who := c.accounts[0]
	f.more(c, 20)
	next := uint64(1)
	for round, m := range c.nodes {
		ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
		request, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("%s/api/v1/events?from=%d", m.url, next), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("APCA-API-KEY-ID", who.KeyID)
		request.Header.Set("APCA-API-SECRET-KEY", who.Secret)
		answer, err := http.DefaultClient.Do(request)
		if err != nil || answer.StatusCode != 200 {
			t.Fatalf("node %d: %v %v", m.id, answer, err)
		}
		lines := bufio.NewScanner(answer.Body)
		for end := next + 40; lines.Scan(); {
			data, event := strings.CutPrefix(lines.Text(), "data: ")
			if !event {
				continue
			}
			var e struct {
				Number uint64 `json:"number"`
			}
			if err := json.Unmarshal([]byte(data), &e); err != nil || e.Number != next {
				t.Fatalf("node %d: event %d comes where %d should: %v", m.id, e.Number, next, err)
			}
			if next++; next == end {
				switch round { // the stream is lost while it is read
				case 0:
					m.Kill()
				case 1:
					go m.Stop()
				default:
					cancel()
				}
			}
		}
		if lines.Err() == nil {
			t.Errorf("node %d: the stream ended cleanly: the published Go client would not come back", m.id)
		}
		cancel()
		_ = answer.Body.Close()
		if round < 2 {
			<-m.Ended
			c.start(m)
			c.ready(m)
		}
	}
	f.end(c, c.nodes...)
}

// TestRefusals: what cannot be a node of a cluster does not start, and says why.
func TestRefusals(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, try := range []struct {
		name string
		args []string
		says []string
	}{
		{"no certificate", []string{"--peer-listen", "127.0.0.1:0", "--exchange", "127.0.0.1:1", "--market",
			"127.0.0.1:2"}, []string{"--peer-tls", "evenkeel ca"}},
		{"peers alone", []string{"--peers", "1=127.0.0.1:1"}, []string{"--peer-listen"}},
		{"peers unreadable", []string{"--peers", "one"}, []string{"--peers", "1=10.0.0.1:7100"}},
		{"no exchange", []string{"--peer-listen", "127.0.0.1:0", "--peer-tls", dir}, []string{"--exchange"}},
	} {
		t.Run(try.name, func(t *testing.T) {
			t.Parallel()
			node := exec.Command(rig.Binary, append([]string{"serve", "--data", filepath.Join(t.TempDir(), "d"),
				"--listen", "127.0.0.1:0"}, try.args...)...)
			node.Env = append(os.Environ(), "EVENKEEL_EXCHANGE_PASSWORD=unused")
			p := rig.Start(t, node)
			select {
			case <-p.Ended:
			case <-time.After(waitLimit):
				t.Fatal("it runs")
			}
			for _, want := range try.says {
				if !strings.Contains(p.Said.String(), want) {
					t.Errorf("%q does not say %q", p.Said, want)
				}
			}
		})
	}
}
