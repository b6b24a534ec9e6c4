// Package screen_test drives the web app as investors do: the house is built and started on an empty data directory,
// and a real headless Chromium opens its pages, at the sizes of a desktop and of a phone, in Chinese and in English.
// The programs are in specs/, run.mjs plays them, and this package reads what it prints: a line for each of them.
//
// It holds that every page works, is clean to axe, and says nothing in the console. What fails leaves its picture in
// bin/screen. SPECS=login,security plays only those.
// Source: playwright.dev, github.com/dequelabs/axe-core.
package screen_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startLimit = 2 * time.Minute // from the start of the process to readiness
	stopLimit  = time.Minute     // from the signal to the end of the process
	playLimit  = 12 * time.Minute
)

func TestScreen(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes a minute or two; run without -short")
	}
	needs(t, "node", exec.Command("node", "--version").Run())
	_, err := exec.LookPath("chromium")
	needs(t, "Chromium", err)
	_, err = os.Stat("node_modules/playwright-core/package.json")
	needs(t, "Playwright", err)
	_, err = os.Stat("../../web/dist/index.html")
	needs(t, "the built web app", err)

	binary := filepath.Join(t.TempDir(), "evenkeel")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = "../.."
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, said)
	}
	play(t, binary, serve(t, binary))
}

// needs skips the test when something that make setup installs is missing; make test has run it and allows none.
func needs(t *testing.T, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("EVENKEEL_SETUP") == "done":
		t.Fatalf("%s is missing after the setup: %v", what, err)
	default:
		t.Skipf("%s is missing (%v): run `make setup web` first", what, err)
	}
}

// serve starts the house and waits until it is ready; it returns the file that tells programs where and who.
func serve(t *testing.T, binary string) (file string) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	file = filepath.Join(data, "demo.json")
	var said bytes.Buffer
	house := exec.Command(binary, "serve", "--data", data, "--listen", "127.0.0.1:0", "--demo", "8")
	house.Stdout, house.Stderr = &said, &said
	if err := house.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- house.Wait() }()
	t.Cleanup(func() {
		_ = house.Process.Signal(syscall.SIGTERM) // an error says that it has ended, which the channel tells as well
		select {
		case <-ended:
		case <-time.After(stopLimit):
			t.Errorf("serve did not end within %v of SIGTERM", stopLimit)
			_ = house.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("serve said:\n%s", said.String())
		}
	})
	limit := time.Now().Add(startLimit)
	for !ready(t.Context(), file) {
		select {
		case end := <-ended:
			ended <- end
			t.Fatalf("serve ended before it was ready: %v\n%s", end, said.String())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(limit) {
			t.Fatalf("not ready within %v:\n%s", startLimit, said.String())
		}
	}
	return file
}

func ready(ctx context.Context, file string) bool {
	text, err := os.ReadFile(file)
	var house struct{ HTTP string }
	if err != nil || json.Unmarshal(text, &house) != nil {
		return false
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, house.HTTP+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// play runs the specs and turns each line into a test of its own.
func play(t *testing.T, binary, house string) {
	ctx, cancel := context.WithTimeout(t.Context(), playLimit)
	defer cancel()
	program := exec.CommandContext(ctx, "node", "run.mjs")
	program.Env = append(os.Environ(), "EVENKEEL_HOUSE="+house, "EVENKEEL_BINARY="+binary)
	program.WaitDelay = 5 * time.Second
	said, err := program.CombinedOutput()
	passed := 0
	for scanner := bufio.NewScanner(bytes.NewReader(said)); scanner.Scan(); {
		if name, ok := strings.CutPrefix(scanner.Text(), "ok "); ok {
			passed++
			t.Run(name, func(*testing.T) {})
		} else if name, failed := strings.CutPrefix(scanner.Text(), "not ok "); failed {
			name, why, _ := strings.Cut(name, ": ")
			t.Run(name, func(t *testing.T) { t.Error(why) })
		}
	}
	if err != nil || passed == 0 {
		t.Errorf("run.mjs: %v, %d passed\n%s", err, passed, said)
	}
}
