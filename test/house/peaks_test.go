package house_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// standing is how a class of requests stands, as operators are told.
type standing struct {
	Class string
	Today struct {
		Second float64
		Total  int
	}
	Headroom *float64
}

// orders asks how orders stand.
func (h *house) orders() (s standing, err error) {
	_, text, err := h.ask(account{}, "GET", "/api/v1/capacity", nil)
	var report struct{ Classes []standing }
	if err == nil {
		err = json.Unmarshal(text, &report)
	}
	if err != nil {
		return s, err
	}
	for _, s := range report.Classes {
		if s.Class == "order" {
			return s, nil
		}
	}
	return s, errors.New("no orders are on record")
}

// TestPeaksAreKept asks for orders, stops the house, starts it again, and finds what the most was. A knee that is
// measured meanwhile makes headroom, without a restart.
func TestPeaksAreKept(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0")
	for range 20 {
		h.place(h.accounts[0], limit("buy", "600000.SH", 100, "9.50"))
	}
	h.Stop()
	h.start()
	h.ready()
	if s, err := h.orders(); err != nil || s.Today.Second <= 0 || s.Today.Total < 20 || s.Headroom != nil {
		t.Errorf("%+v: %v", s, err)
	}
	_, text, err := h.ask(account{}, "GET", "/api/v1/capacity", nil)
	var line struct{ Traffic []standing }
	if err == nil {
		err = json.Unmarshal(text, &line)
	}
	if err != nil || len(line.Traffic) != 2 || line.Traffic[0].Class != "bytes_in" ||
		line.Traffic[1].Class != "bytes_out" ||
		line.Traffic[0].Today.Second <= 0 || line.Traffic[1].Today.Total < 20*300 { // twenty answers at the least
		t.Errorf("%+v: %v", line, err)
	}
	names, err := filepath.Glob(filepath.Join(h.dir, "peaks", "peaks-2*.json"))
	if err != nil || len(names) != 1 {
		t.Fatalf("%q %v", names, err)
	}
	if text, err := os.ReadFile(names[0]); err != nil || len(text) > 2000 {
		t.Errorf("a day is %d bytes: %v", len(text), err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "peaks", "knees.json"),
		[]byte(`{"measured":"2026-01-02T03:04:05Z","machine":"m","rates":{"order":1000000}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "headroom", func() error {
		s, err := h.orders()
		if err == nil && s.Headroom == nil {
			err = errors.New("there is none")
		}
		return err
	})
}
