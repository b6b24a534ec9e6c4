// Package sdk_test runs the published, unmodified SDKs of Alpaca (Go v3.10.0, Node 3.1.3 and 4.0.2) against a running
// Evenkeel: the house is built, started on an empty data directory and free ports of the loopback, and each SDK's
// program trades on a demo account of its own. The programs are in go/, node3/ and node4/; each prints a line for each
// check, and this package only reads them.
//
// It holds that what investors already have works here with nothing but an address and a key. It never looks inside.
// Source: the SDKs at github.com/alpacahq.
package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"evenkeel/test/rig"
)

const (
	startLimit  = 60 * time.Second // from the start of the process to readiness
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

func TestMain(m *testing.M) { rig.Main(m) }

func TestPublishedSDKs(t *testing.T) {
	if testing.Short() {
		t.Skip("the published SDKs take a minute or two; run without -short")
	}
	rig.Needs(t, "node", exec.Command("node", "--version").Run())
	for _, dir := range []string{"node3", "node4"} {
		_, err := os.Stat(filepath.Join(dir, "node_modules", "@alpacahq", "alpaca-trade-api", "package.json"))
		rig.Needs(t, "the SDK of "+dir, err)
	}
	program := buildProgram(t)
	house := serve(t)
	if len(house.Accounts) < 3 {
		t.Fatalf("demo.json holds %d accounts; the three programs need one each", len(house.Accounts))
	}
	t.Run("programs", func(t *testing.T) { // ends when all three have, so that the house outlives them
		for number, program := range []struct {
			name    string
			command []string
		}{
			{"go", []string{program}},
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

// buildProgram builds the Go SDK's program, which is a module of its own.
func buildProgram(t *testing.T) string {
	t.Helper()
	output := filepath.Join(t.TempDir(), "sdk")
	command := exec.CommandContext(t.Context(), "go", "build", "-o", output, ".")
	command.Dir = "go"
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build in go: %v\n%s", err, said)
	}
	return output
}

// serve starts the house and waits until it is ready. At the end of the test it must stop when it is asked to.
func serve(t *testing.T) (house demo) {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	p := rig.Run(t, "serve", "--data", data, "--listen", "127.0.0.1:0")
	t.Cleanup(func() { p.Stop() })
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	p.Until(startLimit, func() (err error) {
		house, err = ready(ctx, filepath.Join(data, "demo.json"))
		return err
	})
	return house
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
	rig.Checks(t, program, fewestLines)
}
