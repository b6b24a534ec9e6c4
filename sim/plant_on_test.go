//go:build planted

package sim

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"evenkeel/core/planted"
)

// plant plants the bug that the environment names.
func plant(*testing.T) { planted.Choose(planted.Bug(os.Getenv(plantVariable))) }

// mostSeeds is within how many seeds each bug is to be found.
const mostSeeds = 1000

// quick are bugs of every room that few seeds find: enough to prove, in every run of the tests, that the simulation
// is awake.
var quick = []planted.Bug{
	planted.AcknowledgeBeforeSync, planted.AnswerBeforeQuorum, planted.TermForgotten, planted.AppliedTwice,
	planted.AnswerOnStepDown, planted.StaleRead, planted.SnapshotNotTaken, planted.ClientIDsNotKept,
	planted.SettledEarly, planted.ReferenceIgnored, planted.MapOrder, planted.FeeTwice, planted.DayNotRestored,
	planted.OutboxNotResent, planted.ClOrdIDRenewed, planted.ReportSkipped, planted.SyncFromWrongIndex,
}

// TestPlanted plants one bug after the other and has seeds look for it, from the first on. EVENKEEL_PLANTED says
// which: all, quick, or names; nothing: none.
func TestPlanted(t *testing.T) {
	var bugs []planted.Bug
	switch names := os.Getenv("EVENKEEL_PLANTED"); names {
	case "":
		t.Skip("EVENKEEL_PLANTED does not say which bugs")
	case "all":
		bugs = planted.All()
	case "quick":
		bugs = quick
	default:
		for _, name := range strings.Fields(names) {
			if !slices.Contains(planted.All(), planted.Bug(name)) {
				t.Fatalf("there is no bug %q; there are %v", name, planted.All())
			}
			bugs = append(bugs, planted.Bug(name))
		}
	}
	found := make([]result, len(bugs))
	took := make([]time.Duration, len(bugs))
	var work sync.WaitGroup
	places := make(chan struct{}, runtime.NumCPU())
	for i, bug := range bugs {
		work.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			began := time.Now()
			found[i] = seek(t, bug)
			took[i] = time.Since(began)
			fmt.Printf("%-26s %s\n", bug, told(&found[i], took[i]))
		})
	}
	work.Wait()
	table := &strings.Builder{}
	for i, bug := range bugs {
		fmt.Fprintf(table, "| %s | %s |\n", bug, told(&found[i], took[i]))
		if found[i].Wrong == "" {
			t.Errorf("%s: %d seeds did not find it", bug, mostSeeds)
		}
	}
	t.Logf("bug, seed, what the check saw\n%s", table)
}

func told(r *result, took time.Duration) string {
	if r.Wrong == "" {
		return fmt.Sprintf("not found in %v", took.Round(time.Second))
	}
	what, _, _ := strings.Cut(r.Wrong, "\n")
	const most = 160
	if len(what) > most {
		what = what[:most] + "..."
	}
	return fmt.Sprintf("%d | %s", r.Seed, what)
}

// seek runs seeds with a bug planted until one finds it.
func seek(t *testing.T, bug planted.Bug) (found result) {
	program, err := os.Executable()
	if err != nil {
		t.Error(err)
		return found
	}
	command := exec.CommandContext(t.Context(), program, "-test.run=^TestLife$", "-test.timeout=0")
	command.Env = append(os.Environ(), "GOMAXPROCS=1", "FROM=1", fmt.Sprint("SEEDS=", mostSeeds), childVariable+"=1",
		fmt.Sprint(plantVariable, "=", bug))
	out, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Error(err)
		return found
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<24)
	heard := 0
	for lines.Scan() {
		text, is := strings.CutPrefix(lines.Text(), resultPrefix)
		var r result
		if is && json.Unmarshal([]byte(text), &r) == nil {
			heard++
			if r.Wrong != "" && found.Wrong == "" {
				found = r
			}
		}
	}
	_ = command.Wait() // it fails when it has found something
	if heard == 0 {
		t.Errorf("%s: the process with it said nothing", bug)
	}
	return found
}
