// Package house_test runs the whole house as its users do: the real binary, its commands, HTTP, its files. The tests
// start servers on free loopback ports and empty directories, end them with signals as rude as kill -9, and hold what
// is told afterwards against what was acknowledged before, to the cent.
//
// Fees and limits are computed here from the market's rules, independently of the code under test. Most houses are
// quiet
// (--flow 0): two demo accounts trade with each other, so that every fill is known beforehand. It never looks inside.
package house_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"evenkeel/test/rig"
)

const (
	startLimit = 60 * time.Second
	waitLimit  = 30 * time.Second      // for anything that the house does by itself
	lookEvery  = 40 * time.Millisecond // an account may ask 50 times a second
)

func TestMain(m *testing.M) { rig.Main(m) }

// eventually asks again and again until there is no error.
func eventually(t *testing.T, what string, ask func() error) {
	t.Helper()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	deadline := time.After(waitLimit)
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%s: still not after %v: %v", what, waitLimit, err)
		}
	}
}

// account is a demo account.
type account struct {
	Login    string `json:"login"`
	Password string `json:"password"`
	KeyID    string `json:"key_id"`
	Secret   string `json:"secret"`
}

// house is a server on a data directory; it may be ended and started again.
type house struct {
	*rig.Process
	t        *testing.T
	dir      string
	args     []string
	files    int // that it may have open; 0: as many as the test
	url      string
	accounts []account
}

// open starts a house on a new directory and waits until it is ready.
func open(t *testing.T, args ...string) *house {
	t.Helper()
	h := &house{t: t, dir: filepath.Join(t.TempDir(), "data"), args: args}
	h.start()
	h.ready()
	return h
}

// start starts the server, and waits until it says where it is.
func (h *house) start() {
	h.t.Helper()
	words := append([]string{rig.Binary, "serve", "--data", h.dir, "--listen", "127.0.0.1:0"}, h.args...)
	if h.files > 0 {
		words = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, h.files)}, words...)
	}
	h.Process = rig.Start(h.t, exec.Command(words[0], words[1:]...))
	h.Until(startLimit, func() error {
		if !strings.Contains(h.Said.String(), "is up.") {
			return errors.New("it does not say that it is up")
		}
		return nil
	})
	_, rest, _ := strings.Cut(h.Said.String(), "API            ")
	h.url, _, _ = strings.Cut(rest, "\n")
}

// ready waits for readiness and reads demo.json.
func (h *house) ready() {
	h.t.Helper()
	eventually(h.t, "readiness", func() error {
		status, body := h.call(account{}, "GET", "/readyz", nil)
		if status != http.StatusOK {
			return fmt.Errorf("%d %v", status, body)
		}
		return nil
	})
	var file struct{ Accounts []account }
	text, err := os.ReadFile(filepath.Join(h.dir, "demo.json"))
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.accounts = file.Accounts
}

// object is a JSON object.
type object = map[string]any

// ask makes a request and returns the answer; a body that is a string goes out as it is.
func (h *house) ask(who account, method, path string, body any, headers ...string) (*http.Response, []byte, error) {
	var in io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(v)
	default:
		text, err := json.Marshal(v)
		if err != nil {
			h.t.Fatal(err)
		}
		in = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, h.url+path, in)
	if err != nil {
		h.t.Fatal(err)
	}
	if who.KeyID != "" {
		request.Header.Set("APCA-API-KEY-ID", who.KeyID)
		request.Header.Set("APCA-API-SECRET-KEY", who.Secret)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(response.Body)
	return response, text, errors.Join(err, response.Body.Close())
}

// call is ask for an object; a status of 0 says that nobody answered.
func (h *house) call(who account, method, path string, body any, headers ...string) (status int, answer object) {
	response, text, err := h.ask(who, method, path, body, headers...)
	if err != nil {
		return 0, object{"error": err.Error()}
	}
	if len(text) > 0 && text[0] == '{' {
		if err := json.Unmarshal(text, &answer); err != nil {
			h.t.Fatalf("%s %s: %v: %s", method, path, err, text)
		}
	}
	return response.StatusCode, answer
}

// must is call with a status that has to be.
func (h *house) must(status int, who account, method, path string, body any, headers ...string) object {
	h.t.Helper()
	got, answer := h.call(who, method, path, body, headers...)
	if got != status {
		h.t.Fatalf("%s %s %v: status %d, want %d: %v", method, path, body, got, status, answer)
	}
	return answer
}

// list asks for a list of objects.
func (h *house) list(who account, path string) (rows []object) {
	h.t.Helper()
	response, text, err := h.ask(who, "GET", path, nil)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	if err == nil {
		err = json.Unmarshal(text, &rows)
	}
	if err != nil {
		h.t.Fatalf("GET %s: %v: %s", path, err, text)
	}
	return rows
}

// limit is a limit order for the day.
func limit(side, symbol string, quantity int, price string) object {
	return object{"symbol": symbol, "side": side, "qty": fmt.Sprint(quantity), "type": "limit",
		"time_in_force": "day",
		"limit_price":   price}
}

// place sends an order that has to be taken, and returns its id.
func (h *house) place(who account, order object) string {
	h.t.Helper()
	return text(h.must(http.StatusOK, who, "POST", "/v2/orders", order), "id")
}

// order waits until an order has one of the statuses, and returns it.
func (h *house) order(who account, id string, statuses ...string) (o object) {
	h.t.Helper()
	eventually(h.t, fmt.Sprintf("order %s is %v", id, statuses), func() error {
		var status int
		if status, o = h.call(who, "GET", "/v2/orders/"+id, nil); status != http.StatusOK {
			return fmt.Errorf("status %d: %v", status, o)
		}
		if !slices.Contains(statuses, text(o, "status")) {
			return fmt.Errorf("it is %v", o["status"])
		}
		return nil
	})
	return o
}

// text reads a member by a path of names separated by dots.
func text(o object, path string) string {
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		o, _ = o[name].(object)
	}
	if v, ok := o[names[len(names)-1]]; ok && v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

// balance is an account's cash and the numbers of its positions, as the native API tells them.
func (h *house) standing(who account) object {
	h.t.Helper()
	return h.must(http.StatusOK, who, "GET", "/api/v1/account", nil)
}

// position is one position of a standing; nil when there is none.
func position(standing object, symbol string) object {
	rows, _ := standing["positions"].([]any)
	for _, row := range rows {
		if p, _ := row.(object); p["symbol"] == symbol {
			return p
		}
	}
	return nil
}

// events are all events of an account.
func (h *house) events(who account) (rows []object) {
	h.t.Helper()
	for {
		page := h.must(http.StatusOK, who, "GET", fmt.Sprintf("/api/v1/events/list?limit=500&from=%d", len(rows)+1),
			nil)
		list, _ := page["events"].([]any)
		for _, one := range list {
			e, _ := one.(object)
			if number := text(e, "number"); number != fmt.Sprint(len(rows)+1) {
				h.t.Fatalf("event %d has the number %s", len(rows)+1, number)
			}
			rows = append(rows, e)
		}
		if text(page, "last") == fmt.Sprint(len(rows)) || len(list) == 0 {
			return rows
		}
	}
}

// desk runs `evenkeel account` on the house, with input for it to read.
func (h *house) desk(input string, args ...string) (string, error) {
	c := exec.Command(rig.Binary, append([]string{"account", "--data", h.dir}, args...)...)
	c.Stdin = strings.NewReader(input)
	said, err := c.CombinedOutput()
	return string(said), err
}
