// Package sdk_test runs the published, unmodified SDKs of Alpaca (Go v3.10.0, Node 3.1.3 and 4.0.2) against a running
// Evenkeel: the house is built, started on an empty data directory and free ports of the loopback, and each SDK's
// program trades on a demo account of its own. The programs are in go/, node3/ and node4/; each prints a line for each
// check, and this package only reads them.
//
// It holds that what investors already have works here with nothing but an address and a key. It never looks inside.
// Source: the SDKs at github.com/alpacahq.
package sdk_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	startLimit  = 60 * time.Second // from the start of the process to readiness
	stopLimit   = 20 * time.Second // from the signal to the end of the process
	fewestLines = 25               // checks that each program makes at the least
)

// A demo is what serve writes to demo.json in its data directory on the first start, for programs.
type demo struct {
	HTTP     string `json:"http"`  // http://127.0.0.1:PORT
	HTTPS    string `json:"https"` // https://127.0.0.1:PORT
	CA       string `json:"ca"`    // path of the certificate to trust, PEM
	Accounts []struct {
		Login    string `json:"login"`
		Password string `json:"password"`
		KeyID    string `json:"key_id"`
		Secret   string `json:"secret"`
	} `json:"accounts"`
}

func TestPublishedSDKs(t *testing.T) {
	if testing.Short() {
		t.Skip("the published SDKs take a minute or two; run without -short")
	}
	needs(t, "node", exec.Command("node", "--version").Run())
	for _, dir := range []string{"node3", "node4"} {
		_, err := os.Stat(filepath.Join(dir, "node_modules", "@alpacahq", "alpaca-trade-api", "package.json"))
		needs(t, "the SDK of "+dir, err)
	}
	bin := t.TempDir()
	build(t, "../..", filepath.Join(bin, "evenkeel"))
	build(t, "go", filepath.Join(bin, "sdk"))
	house := serve(t, filepath.Join(bin, "evenkeel"))
	if len(house.Accounts) < 3 {
		t.Fatalf("demo.json holds %d accounts; the three programs need one each", len(house.Accounts))
	}
	t.Run("programs", func(t *testing.T) { // ends when all three have, so that the house outlives them
		for number, program := range []struct {
			name    string
			command []string
		}{
			{"go", []string{filepath.Join(bin, "sdk")}},
			{"node3", []string{"node", "node3/run.cjs"}},
			{"node4", []string{"node", "node4/run.mjs"}},
		} {
			t.Run(program.name, func(t *testing.T) {
				t.Parallel()
				play(t, house, number, program.command)
			})
		}
	})
}

// needs skips the test when something that make setup installs is missing; make test has run it and allows none.
func needs(t *testing.T, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("EVENKEEL_SETUP") == "done":
		t.Fatalf("%s is missing after the setup: %v", what, err)
	default:
		t.Skipf("%s is missing (%v): run `make setup` first", what, err)
	}
}

func build(t *testing.T, dir, output string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "build", "-o", output, ".")
	command.Dir = dir
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build in %s: %v\n%s", dir, err, said)
	}
}

// serve starts the house and waits until it is ready. At the end of the test it must stop when it is asked to.
func serve(t *testing.T, binary string) demo {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	var said bytes.Buffer
	command := exec.Command(binary, "serve", "--data", data, "--listen", "127.0.0.1:0")
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // an error says that it has ended, which the channel tells as well
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("serve ended with %v", err)
			}
		case <-time.After(stopLimit):
			t.Errorf("serve did not end within %v of SIGTERM", stopLimit)
			_ = command.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("serve said:\n%s", said.String())
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		house, err := ready(ctx, filepath.Join(data, "demo.json"))
		if err == nil {
			return house
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("not ready within %v: %v", startLimit, err)
		case end := <-ended:
			ended <- end
			t.Fatalf("serve ended before it was ready: %v\n%s", end, said.String())
		}
	}
}

// ready reads demo.json and asks the server whether it is ready.
func ready(ctx context.Context, file string) (house demo, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return house, err
	}
	if err := json.Unmarshal(text, &house); err != nil {
		return house, err
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		return house, fmt.Errorf("%s holds secrets and is not 0600: %v, %w", file, info.Mode(), err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, house.HTTP+"/readyz", nil)
	if err != nil {
		return house, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return house, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return house, errors.New(response.Status)
	}
	return house, nil
}

// play runs one program and turns each of its lines into a test of its own.
func play(t *testing.T, house demo, number int, command []string) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	program := exec.CommandContext(ctx, command[0], command[1:]...)
	program.Env = append(os.Environ(),
		"EVENKEEL_HTTP="+house.HTTP, "EVENKEEL_HTTPS="+house.HTTPS, "NODE_EXTRA_CA_CERTS="+house.CA,
		"APCA_API_KEY_ID="+house.Accounts[number].KeyID, "APCA_API_SECRET_KEY="+house.Accounts[number].Secret)
	said, err := program.CombinedOutput()
	passed := 0
	for scanner := bufio.NewScanner(bytes.NewReader(said)); scanner.Scan(); {
		if name, ok := strings.CutPrefix(scanner.Text(), "ok "); ok {
			passed++
			t.Run(name, func(*testing.T) {})
		} else if text, failed := strings.CutPrefix(scanner.Text(), "not ok "); failed {
			name, why, _ := strings.Cut(text, ": ")
			t.Run(name, func(t *testing.T) { t.Error(why) })
		}
	}
	if err != nil || passed < fewestLines {
		t.Errorf("ended with %v after %d checks that were ok, want at least %d; it said:\n%s",
			err, passed, fewestLines, said)
	}
}
