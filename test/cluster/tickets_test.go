package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// stormers log in one behind the other, each under made-up names, and give up what they are told.
const stormers = 48

// inLine is what who waits is told.
type inLine struct {
	Ticket  string `json:"ticket"`
	Since   string `json:"since"`
	Renewed bool   `json:"renewed"`
}

// login tries to log in at a node; waits is nil when it was carried out, and then the node's answer is returned.
func (m *machine) login(t *testing.T, body object) (answer []byte, waits *inLine, err error) {
	status, said, err := ask(t.Context(), m.url, account{}, "POST", "/api/v1/login", body)
	if err != nil || status == 200 {
		return said, nil, err
	}
	if status != 503 {
		t.Fatalf("node %d: a login that waits: %d %s", m.id, status, said)
	}
	var told struct {
		Waiting inLine `json:"waiting"`
	}
	return said, &told.Waiting, json.Unmarshal(said, &told)
}

// TestTickets: a place in the line for logins is not lost with the node that gave it. When the node dies, its crowd
// falls upon another, where the ticket is taken as one of its own: it keeps its time, is called, and opens one login.
// Who was logged in at the node that died is logged in at the others, and stands in no line.
func TestTickets(t *testing.T) {
	c := open(t, 3, 1)
	victim, next, third := c.nodes[0], c.nodes[1], c.nodes[2]
	in, out := c.accounts[0], c.accounts[1]
	opened := c.must(victim, 200, account{}, "POST", "/api/v1/login", object{"login": in.Login, "password": in.Password})
	bearer := []string{"Authorization", "Bearer " + text(opened, "token")}

	ctx, calm := context.WithCancel(t.Context())
	var storm sync.WaitGroup
	defer storm.Wait()
	defer calm()
	for n := range stormers {
		storm.Go(func() {
			url := victim.url
			for i := 0; ctx.Err() == nil; i++ {
				_, _, err := ask(ctx, url, account{}, "POST", "/api/v1/login",
					object{"login": fmt.Sprintf("nobody-%d-%d", n, i), "password": "a long password"})
				if err != nil {
					url = next.url
				}
			}
		})
	}
	login := object{"login": out.Login, "password": out.Password}
	var since string
	c.eventually("a login is given a ticket", func() error {
		said, waits, err := victim.login(t, login)
		if err == nil && (waits == nil || waits.Ticket == "") {
			err = fmt.Errorf("none: %s", said)
		}
		if err == nil {
			login["ticket"], since = waits.Ticket, waits.Since
		}
		return err
	})
	victim.Kill()

	for _, m := range []*machine{next, third} {
		c.must(m, 200, account{}, "GET", "/v2/account", nil, bearer...)
		place := c.must(m, 200, account{}, "POST", "/api/v1/login/place", object{"ticket": login["ticket"]})
		if text(place, "since") != since {
			t.Errorf("node %d: the ticket of %s stands there since %v", m.id, since, place)
		}
	}
	c.eventually("a line stands at the other node", func() error {
		_, waits, err := next.login(t, object{"login": in.Login, "password": in.Password})
		if err == nil && (waits == nil || waits.Ticket == "") {
			err = fmt.Errorf("nobody waits there")
		}
		return err
	})
	var looks []string // for who has to find out why it was not
	c.eventually("the ticket is called at another node", func() error {
		said, waits, err := next.login(t, login)
		looks = append(looks, fmt.Sprintf("%v %.200s", err, said))
		switch {
		case err != nil || waits == nil:
			return err
		case waits.Renewed || waits.Since != since:
			_, room, err := ask(t.Context(), next.url, account{}, "GET", "/metrics", nil)
			t.Fatalf("the ticket of %s is none to the other node: %s\nlooks before: %s\n%v%s", since, said,
				strings.Join(looks, "\n"), err, regexp.MustCompile(`evenkeel_waiting_room_.*\d`).FindAll(room, -1))
		case waits.Ticket != "":
			login["ticket"] = waits.Ticket
		}
		return fmt.Errorf("%s", said)
	})
	for name, ticket := range map[string]any{"that was used": login["ticket"], "that is none": "made up"} {
		r := c.must(next, 422, account{}, "POST", "/api/v1/login/place", object{"ticket": ticket})
		if text(r, "reason") != "TICKET_OVER" {
			t.Errorf("a ticket %s: %v", name, r)
		}
	}
}
