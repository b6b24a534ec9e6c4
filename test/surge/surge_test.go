// Package surge_test storms and attacks real servers for a moment, with crowds that are small enough for any machine,
// and holds what those who traded were told against what the door promises. It times nothing: `make surge` and `make
// attack` do.
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

	"evenkeel/test/rig"
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

func TestMain(m *testing.M) { rig.Main(m) }

// prove runs a command that writes a report, and reads it. The command fails where something was not held, and on a
// busy machine what is about time may not be: then it says so.
func prove(t *testing.T, report any, unless string, words ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	dir := t.TempDir()
	var out bytes.Buffer
	command := exec.CommandContext(ctx, rig.Binary, append(words, "--out", dir)...)
	command.Stdout, command.Stderr = &out, &out
	if err := command.Run(); err != nil && !strings.Contains(out.String(), unless) {
		t.Fatalf("%v\n%s", err, &out)
	}
	text, err := os.ReadFile(filepath.Join(dir, words[0]+".json"))
	if err == nil {
		err = json.Unmarshal(text, report)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	return out.String()
}

// Every kind of attack is made, and an honest client who has time is
// answered through it, or told when to come back.
func TestAttack(t *testing.T) {
	t.Parallel()
	var report struct {
		Attacks []struct {
			Kind                   string
			Made                   int64
			Due, Answered, Refused int
		}
	}
	out := prove(t, &report, "the honest client was not served well", "attack", "--attackers", "50", "--seconds", "1",
		"--patience", "30s")
	want := 8
	for program, kinds := range map[string]int{"slowhttptest": 4, "h2load": 1} {
		if _, err := exec.LookPath(program); err == nil {
			want += kinds
		}
	}
	if len(report.Attacks) != want {
		t.Fatalf("%d kinds, not %d\n%s", len(report.Attacks), want, out)
	}
	for i, a := range report.Attacks {
		if i > 0 && a.Made == 0 || a.Due == 0 || a.Answered == 0 || a.Answered+a.Refused != a.Due {
			t.Errorf("%+v", a)
		}
	}
}

// The whole proof at a small rate, of the door alone: every case is driven, no answer is wrong, and whoever the door
// refuses is told when to come back.
func TestSurge(t *testing.T) {
	t.Parallel()
	var report said
	out := prove(t, &report, "a promise was not held", "surge", "--knee", "100", "--seconds", "1", "--accounts", "40",
		"--only", "door")
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
		t.Errorf("%v cases\n%s", seen, out)
	}
}
