// Package runbook follows the pages of docs/runbooks to the letter: every command of a page is run, in its order, on a
// cluster made for it, and what it prints is compared with what the page says.
package runbook

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Times of a page.
const (
	blockTime = 90 * time.Second
	openTime  = 90 * time.Second
)

// step is one block of commands, and what the page says that it prints.
type step struct {
	line     int
	commands string
	expected []string
}

// steps reads a page: blocks of sh, each with the block of text that follows at once, if one does.
func steps(page string) (all []step) {
	inside, last := "", ""
	var text []string
	for i, line := range strings.Split(page, "\n") {
		fence, kind := strings.CutPrefix(line, "```")
		switch {
		case kind && inside == "":
			inside, text = fence, nil
			if fence == "sh" {
				all = append(all, step{line: i + 2})
			}
		case kind:
			if inside == "sh" {
				all[len(all)-1].commands = strings.Join(text, "\n")
			} else if inside == "text" && last == "sh" {
				all[len(all)-1].expected = text
			}
			inside, last = "", inside
		case inside != "":
			text = append(text, line)
		case strings.TrimSpace(line) != "":
			last = ""
		}
	}
	return all
}

// missing is the first expected line that the output does not have behind those before it; "" when all are there.
func missing(expected []string, output string) string {
	lines := strings.Split(output, "\n")
	at := 0
next:
	for _, want := range expected {
		var pattern strings.Builder
		for i, part := range strings.Split(strings.TrimSpace(want), "…") {
			if i > 0 {
				pattern.WriteString(".*")
			}
			pattern.WriteString(strings.ReplaceAll(regexp.QuoteMeta(part), " ", `\s*`))
		}
		shape := regexp.MustCompile("^\\s*" + pattern.String())
		for at < len(lines) {
			at++
			if shape.MatchString(lines[at-1]) {
				continue next
			}
		}
		return want
	}
	return ""
}

func TestMissing(t *testing.T) {
	output := "node  state\n1     ready  0.1\n2     does not answer\n"
	for _, c := range []struct {
		expected []string
		want     string
	}{{[]string{"1 ready …", "2 does not answer…"}, ""}, {[]string{"2 does not answer", "1 ready …"}, "1 ready …"},
		{[]string{"3 ready"}, "3 ready"}, {nil, ""}} {
		if got := missing(c.expected, output); got != c.want {
			t.Errorf("%q: %q is missing, want %q", c.expected, got, c.want)
		}
	}
}

// build makes the programs of the pages.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, tag := range map[string]string{"evenkeel": "", "evenkeel-previous": "previous",
		"evenkeel-planted": "planted"} {
		out, err := exec.Command("go", "build", "-tags", tag, "-o", filepath.Join(dir, name), "evenkeel").CombinedOutput()
		if err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	return dir
}

func TestRunbooks(t *testing.T) {
	if testing.Short() {
		t.Skip("left out: it takes minutes")
	}
	programs := build(t)
	pages, err := filepath.Abs("../../docs/runbooks")
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(pages, "*.md"))
	if err != nil || len(names) < 6 {
		t.Fatalf("%d pages: %v", len(names), err)
	}
	path := "PATH=" + pages + ":" + programs + ":" + os.Getenv("PATH")
	for _, name := range names {
		if filepath.Base(name) == "README.md" {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".md"), func(t *testing.T) { follow(t, name, path) })
	}
}

// follow runs one page.
func follow(t *testing.T, name, path string) {
	page, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	all := steps(string(page))
	if len(all) < 3 {
		t.Fatalf("%d blocks of commands", len(all))
	}
	dir := t.TempDir()
	program := "evenkeel"
	if strings.Contains(string(page), "evenkeel-previous") { // a cluster that is born new has no way back
		program = "evenkeel-previous"
	}
	openCluster(t, dir, path, program)
	for _, s := range all {
		ctx, cancel := context.WithTimeout(t.Context(), blockTime)
		command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", s.commands)
		command.Dir, command.Env = dir, append(os.Environ(), path)
		command.WaitDelay = time.Second // what it has started goes on
		said, err := command.CombinedOutput()
		cancel()
		if err != nil {
			t.Fatalf("line %d: %v\n%s\n%s", s.line, err, s.commands, said)
		}
		if lacks := missing(s.expected, string(said)); lacks != "" {
			t.Fatalf("line %d: the page says %q, and it said:\n%s", s.line, lacks, said)
		}
	}
}

// openCluster starts the cluster of a program in a directory, waits for it, and ends all its processes with the test.
func openCluster(t *testing.T, dir, path, program string) {
	t.Helper()
	command := exec.Command("bash", "-c", "exec "+program+" cluster --dir cluster >cluster.out 2>&1")
	command.Dir, command.Env = dir, append(os.Environ(), path)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		pids, _ := filepath.Glob(filepath.Join(dir, "cluster", "*.pid"))
		for _, name := range pids {
			text, err := os.ReadFile(name)
			var pid int
			if _, wrong := fmt.Sscan(string(text), &pid); err == nil && wrong == nil && pid > 1 {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			for _, name := range []string{"exchange", "node-1", "node-2", "node-3", "node-4"} {
				text, _ := os.ReadFile(filepath.Join(dir, "cluster", name+".log"))
				t.Logf("%s said last:\n%s", name, text[max(0, len(text)-2000):])
			}
		}
	})
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(openTime); ; <-ticker.C {
		said, _ := os.ReadFile(filepath.Join(dir, "cluster.out"))
		if strings.Contains(string(said), "evenkeel node status") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the cluster does not come up:\n%s", said)
		}
	}
}
