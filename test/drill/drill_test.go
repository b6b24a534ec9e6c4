// Package drill runs a short drill of three nodes: a few kinds of trouble, once each. It holds the house to what must
// be true on any machine: nothing acknowledged is lost, nothing is placed twice, nothing is wrong, every request is
// answered in the end. How long clients wait is measured by `make drill`, on a machine that has nothing else to do.
package drill

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"evenkeel/drill/report"
)

// Figures of the run.
const (
	kinds    = "kill,stop,isolate,hang,both,restart"
	patience = 5 * time.Minute
	longest  = 10_000.0 // milliseconds of silence that no machine is so busy as to explain
)

func TestDrill(t *testing.T) {
	if testing.Short() {
		t.Skip("left out: it takes a minute")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "evenkeel")
	if out, err := exec.Command("go", "build", "-o", program, "evenkeel").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	out := filepath.Join(dir, "report")
	command := exec.CommandContext(t.Context(), program, "drill", "--faults", kinds, "--trials", "1", "--rate", "150",
		"--out", out)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = patience
	said, err := command.CombinedOutput()
	t.Logf("%s", said)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, "drill.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report.Drill
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	carried := 0
	for i := range r.Kinds {
		k := &r.Kinds[i]
		for _, complaint := range append(k.Complaints(false), k.Audit.Complaints...) {
			t.Error(complaint)
		}
		if k.LeftOut != "" {
			t.Logf("%s is left out: %s", k.Name, k.LeftOut)
			continue
		}
		carried++
		if k.Audit.Orders == 0 || k.Audit.Exchange == 0 || len(k.Trials) != 1 {
			t.Errorf("%s: %d orders, %d at the exchange, %d trials: nothing was shown", k.Name, k.Audit.Orders,
				k.Audit.Exchange, len(k.Trials))
		}
		if gap := k.Quantile(1); gap > longest {
			t.Errorf("%s: %.0f ms of silence", k.Name, gap)
		}
	}
	if carried < 4 {
		t.Errorf("only %d kinds of trouble were made", carried)
	}
	if info, err := os.Stat(filepath.Join(out, "drill.html")); err != nil || info.Size() == 0 {
		t.Error("no page:", err)
	}
}
