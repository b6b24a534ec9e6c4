// Package surge_test storms a real server for a moment, with crowds that are small enough for any machine, and holds
// what those who traded were told against what the door promises. It times nothing: `make surge` does.
package surge_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// said is what of a report is looked at.
type said struct {
	Cases []struct {
		Name, Server   string
		Wrong          int
		Complaints     []string
		Classes, Storm []struct {
			Class                            string
			Due, Answered, Refused, Rebuffed int
		}
	}
}

// The whole proof at a small rate, of the door alone: every case is driven, no answer is wrong, and whoever the door
// refuses is told when to come back.
func TestSurge(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "evenkeel")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = "../.."
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var out bytes.Buffer
	command := exec.CommandContext(ctx, binary, "surge", "--knee", "100", "--seconds", "1", "--accounts", "40", "--only",
		"door", "--out", dir)
	command.Stdout, command.Stderr = &out, &out
	// It fails where a promise is not held, and on a busy machine those about time may not be.
	if err := command.Run(); err != nil && !strings.Contains(out.String(), "a promise was not held") {
		t.Fatalf("%v\n%s", err, &out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "surge.json"))
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	var report said
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, c := range report.Cases {
		seen[c.Server]++
		if c.Wrong > 0 {
			t.Errorf("%s, %s: %v", c.Server, c.Name, c.Complaints)
		}
		for _, class := range append(c.Classes, c.Storm...) {
			if c.Server == "door" && class.Rebuffed > 0 {
				t.Errorf("%s: %d of class %s were refused without a time to come back", c.Name, class.Rebuffed, class.Class)
			}
			if class.Due > 0 && class.Answered == 0 && class.Class != "login" {
				t.Errorf("%s, %s: none of %d of class %s was answered", c.Server, c.Name, class.Due, class.Class)
			}
		}
	}
	if seen["door"] != 9 {
		t.Errorf("%v cases\n%s", seen, &out)
	}
}
