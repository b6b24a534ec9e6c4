// Package width_test has some hundred clients listen to real servers for a moment, and brings a server to its limit of
// file descriptors. It times nothing: `make width` does.
package width_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"evenkeel/test/rig"
)

func TestMain(m *testing.M) { rig.Main(m) }

// Every client is let in, is told, and is kept, in each way of being told; and by a plain broadcast.
func TestWidth(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	dir := t.TempDir()
	command := exec.CommandContext(ctx, rig.Binary, "width", "--clients", "201", "--per-server", "101", "--flow", "40",
		"--seconds", "2", "--settle", "1", "--out", dir)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	var report struct {
		Servers int
		Cases   []struct {
			Name               string
			Open, Failed, Lost int
			Fewest, Most       uint64
			P50                float64 `json:"lag_p50_ms"`
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "width.json"))
	if err == nil {
		err = json.Unmarshal(text, &report)
	}
	if err != nil || report.Servers != 2 || len(report.Cases) != 4 {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, k := range report.Cases {
		if k.Open != 201 || k.Failed+k.Lost > 0 || k.Fewest == 0 || k.P50 <= 0 {
			t.Errorf("%+v", k)
		}
	}
}
