package house_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"evenkeel/test/rig"
)

// measure is a figure of the house.
func (h *house) measure(name string) float64 {
	h.t.Helper()
	_, text, err := h.ask(account{}, "GET", "/metrics", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				h.t.Fatal(err)
			}
			return v
		}
	}
	h.t.Fatalf("no %s", name)
	return 0
}

// TestLoadWithTickets lets `evenkeel load` storm the logins of a house. What the driver says of the waiting room is
// what the room says: it gave so many tickets, and called some of those who came back with them. Who was called when
// the work had no room after all is called again.
func TestLoadWithTickets(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0", "--demo", "8")
	before := h.measure(`evenkeel_waiting_room_tickets_total{lane="general"}`)
	out := filepath.Join(t.TempDir(), "out")
	p := rig.Run(t, "load", "--data", h.dir, "--mix", "login=3,quote=1", "--rate", "120", "--shape",
		"retry-storm", "--seconds", "4", "--warm", "0", "--stay", "20s", "--patience", "60s", "--quiet", "--out", out)
	<-p.Ended
	text, err := os.ReadFile(filepath.Join(out, "load.json"))
	var r struct {
		Rows []struct {
			Class                                             string
			Due, Answered, Refused, Waiting, Rejected, Failed int
		}
		Tickets struct{ Given, Called, Waiting, Looks int }
		Checks  struct{ Wrong int }
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil || len(r.Rows) == 0 {
		t.Fatalf("%v: %s", err, p.Said)
	}
	k, row := r.Tickets, r.Rows[len(r.Rows)-1]
	if row.Class != "login" || k.Given == 0 || k.Called == 0 || k.Given != k.Called+k.Waiting || r.Checks.Wrong > 0 ||
		row.Waiting != k.Waiting || row.Rejected > 0 ||
		row.Due != row.Answered+row.Refused+row.Waiting+row.Failed {
		t.Errorf("%+v %+v: %s", row, k, p.Said)
	}
	if !strings.Contains(p.Said.String(), fmt.Sprintf("%d logins were given a ticket, %d were called", k.Given, k.Called)) {
		t.Errorf("%s", p.Said)
	}
	eventually(t, "the room's figures", func() error {
		given := h.measure(`evenkeel_waiting_room_tickets_total{lane="general"}`) - before
		admitted := h.measure(`evenkeel_waiting_room_admitted_total{by="general"}`) -
			h.measure(`evenkeel_waiting_room_refused_total{reason="back"}`)
		if int(given) < k.Given || int(admitted) != k.Called {
			return errors.New(fmt.Sprint(given, " given, ", admitted, " let in"))
		}
		return nil
	})
}
