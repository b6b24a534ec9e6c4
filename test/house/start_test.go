package house_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"evenkeel/test/rig"
)

// TestWrongCommandLines holds every refusal of a command line to one line on standard error that names what is wrong,
// and to exit code 2.
func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for _, try := range []struct{ line, says string }{
		{"frobnicate", "unknown command"}, {"serve extra", `unexpected "extra"`}, {"serve --nonsense",
			"not defined: -nonsense"},
		{"serve --demo many", "invalid value"}, {"serve --exchange 127.0.0.1:1", "--market"},
		{"serve --exchange nowhere --market 127.0.0.1:1", "host:port"},
		{"exchange --speed fast", "invalid value"}, {"account", "what to do is missing"}, {"account frobnicate",
			"none of open"},
		{"account show", "login of an account"}, {"account deposit alice", "--amount"}, {"account list alice",
			`unexpected "alice"`},
		{"ca", "what to do is missing"}, {"ca node", "needs --node"}, {"ca show --node 3", "does not take --node"},
		{"bench --rate 0", "--rate 1 to"}, {"bench --url http://127.0.0.1:1", "--demo"}, {"version now",
			"unexpected"},
	} {
		t.Run(try.line, func(t *testing.T) {
			said, err := exec.Command(rig.Binary, strings.Fields(try.line)...).CombinedOutput()
			text := strings.TrimSpace(string(said))
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(text, try.says) ||
				strings.Contains(text, "\n") {
				t.Errorf("%v: %q, want one line with %q and exit code 2", err, text, try.says)
			}
		})
	}
	for _, command := range []string{"", "serve", "exchange", "account", "ca", "replay", "bench", "version"} {
		t.Run(command+" --help", func(t *testing.T) {
			said, err := exec.Command(rig.Binary, strings.Fields(command+" --help")...).CombinedOutput()
			if err != nil || len(said) < 20 {
				t.Errorf("%v %q", err, said)
			}
		})
	}
}

// TestStartsThatAreRefused holds that what cannot work is said before anything is touched, by name.
func TestStartsThatAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	home := filepath.Join(dir, "home")
	file := filepath.Join(dir, "file")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, filepath.Join(home, "letters.txt")} {
		if err := os.WriteFile(name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, try := range []struct {
		name, data string
		args       []string
		says       []string
	}{
		{"plain HTTP for everybody", "a", []string{"--listen", "0.0.0.0:80"}, []string{"without TLS only loopback",
			"--listen-tls"}},
		{"a port that is taken", "b", []string{"--listen", taken.Addr().String()}, []string{"listens there already",
			"--listen"}},
		{"no address", "c", []string{"--listen", "8080"}, []string{`"8080"`, "host:port"}},
		{"a file for a directory", "file/x", nil, []string{"data directory", "file"}},
		{"a directory of other things", "home", nil, []string{"letters.txt", "--data"}},
		{"half a certificate", "d", []string{"--tls-cert", file}, []string{"--tls-key"}},
		{"no certificate", "e", []string{"--tls-cert", file, "--tls-key", file}, []string{"certificate"}},
		{"no rules", "f", []string{"--rules", file}, []string{"rule file"}},
		{"too many demo accounts", "g", []string{"--demo", "1000"}, []string{"--demo 1000", "100"}},
		{"another database", "h", []string{"--records", "mysql://x"}, []string{"postgres://"}},
		{"no password file", "i", []string{"--exchange", "127.0.0.1:1", "--market", "127.0.0.1:1",
			"--exchange-password-file", "none"},
			[]string{"none"}},
	} {
		t.Run(try.name, func(t *testing.T) {
			args := append([]string{"serve", "--data", filepath.Join(dir, try.data), "--listen", "127.0.0.1:0"},
				try.args...)
			said := rig.Run(t, args...).Fails()
			for _, want := range try.says {
				if !strings.Contains(said, want) {
					t.Errorf("%q does not say %q", said, want)
				}
			}
		})
	}
}

// TestDirectoryInUse holds that a second server does not touch the first one's directory.
func TestDirectoryInUse(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0")
	said := rig.Run(t, "serve", "--data", h.dir, "--listen", "127.0.0.1:0").Fails()
	if !strings.Contains(said, "in use by another process") || !strings.Contains(said, h.dir) {
		t.Error(said)
	}
	h.must(200, h.accounts[0], "GET", "/v2/account", nil)
	if said, err := h.desk("", "list"); err != nil || !strings.Contains(said, "demo4") {
		t.Errorf("the desk after the second start: %v %s", err, said)
	}
}

// TestDemoFileOfOtherBooks starts with a demo.json that was written elsewhere, in new books and in known ones.
func TestDemoFileOfOtherBooks(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0", "--demo", "2")
	name := filepath.Join(h.dir, "demo.json")
	own, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	h.Kill()
	if err := os.WriteFile(name, []byte(strings.Replace(string(own), h.accounts[1].KeyID, "EKSOMEBODYELSE", 1)),
		0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	h.ready()
	if len(h.accounts) != 1 || !strings.Contains(h.Said.String(), "demo.json.old") {
		t.Errorf("%d accounts are told, want the one whose key is known:\n%s", len(h.accounts), h.Said)
	}
	h.must(200, h.accounts[0], "GET", "/v2/account", nil)
	h.Kill()
	for _, part := range []string{"broker", "exchange", "history.db"} { // new books under the old file
		if err := os.RemoveAll(filepath.Join(h.dir, part)); err != nil {
			t.Fatal(err)
		}
	}
	h.start()
	h.ready()
	h.must(200, h.accounts[0], "GET", "/v2/account", nil)
}

// TestDesk opens an account as staff does, and uses it.
func TestDesk(t *testing.T) {
	t.Parallel()
	h := open(t, "--flow", "0", "--demo", "1")
	must := func(input string, args ...string) string {
		t.Helper()
		said, err := h.desk(input, args...)
		if err != nil {
			t.Fatalf("%v: %v %s", args, err, said)
		}
		return said
	}
	must("a long password\n", "open", "alice", "--permissions", "read,trade", "--commission", "0.03")
	must("", "deposit", "alice", "--amount", "1000.00", "--reference", "r")
	must("", "deposit", "alice", "--amount", "1000.00", "--reference", "r")
	must("", "shares", "alice", "--symbol", "600519.SH", "--quantity", "100")
	if said := must("", "show", "alice"); !strings.Contains(said, "1000.00") || !strings.Contains(said,
		"600519.SH  100") {
		t.Error(said)
	}
	key := regexp.MustCompile(`APCA_API_KEY_ID\s+(\S+)\nAPCA_API_SECRET_KEY\s+(\S+)`).FindStringSubmatch(must("",
		"key", "alice"))
	if key == nil {
		t.Fatal("no key was shown")
	}
	alice := account{KeyID: key[1], Secret: key[2]}
	h.must(200, alice, "GET", "/v2/account", nil)
	must("another password\n", "password", "alice")
	h.must(200, account{}, "POST", "/api/v1/login", object{"login": "alice", "password": "another password"})
	h.must(401, account{}, "POST", "/api/v1/login", object{"login": "alice", "password": "a long password"})
	must("", "check")
	must("", "snapshot")
	must("", "revoke", "alice", "--key-id", key[1])
	h.must(401, alice, "GET", "/v2/account", nil)
	for _, try := range []struct{ line, says string }{
		{"open alice", "taken"}, {"show bob", "bob"}, {"deposit alice --amount ten", "ten"},
		{"deposit alice --amount -5000", "withdraw"},
		{"shares alice --symbol NONE --quantity 1", "NONE"}, {"shares alice --symbol 600519.SH --quantity -200",
			"sellable"},
		{"key alice --permissions fly", "fly"}, {"revoke alice --key-id AK", "no such key"},
		{"open carl --commission 9", "commission"},
	} {
		t.Run(try.line, func(t *testing.T) {
			if said, err := h.desk("a long password\n", strings.Fields(try.line)...); err == nil ||
				!strings.Contains(said, try.says) {
				t.Errorf("%v %q, want an error with %q", err, said, try.says)
			}
		})
	}
	h.Stop()
	if said, err := h.desk("", "list"); err == nil || !strings.Contains(said, "serve` running") {
		t.Errorf("without a server: %v %q", err, said)
	}
}

// TestExchangeElsewhere starts a house before its exchange, which then comes, dies and comes back.
func TestExchangeElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		return l.Addr().String()
	}
	const secret = "known to the two\n"
	orders, market, password := free(), free(), filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	exchangeDir := filepath.Join(dir, "exchange")
	exchange := func() *rig.Process {
		if err := os.MkdirAll(exchangeDir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(exchangeDir, "password"), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		return rig.Run(t, "exchange", "--data", exchangeDir, "--orders", orders, "--market", market, "--flow", "0")
	}
	h := &house{t: t, dir: filepath.Join(dir, "data"),
		args: []string{"--exchange", orders, "--market", market, "--exchange-password-file", password}}
	h.start() // it comes up without an exchange, and says so
	status, body := h.call(account{}, "GET", "/readyz", nil)
	if status != 503 || !strings.Contains(fmt.Sprint(body), "not connected to the exchange") {
		t.Errorf("without an exchange: %d %v", status, body)
	}
	e := exchange()
	h.ready()
	if len(h.accounts) != 4 {
		t.Fatalf("%d demo accounts", len(h.accounts))
	}
	who := h.accounts[0]
	first := h.place(who, limit("buy", "600000.SH", 100, "9.90"))
	h.order(who, first, "new")
	e.Kill()
	eventually(t, "the house sees that the exchange is gone", func() error {
		if status, body := h.call(account{}, "GET", "/readyz", nil); status != 503 {
			return fmt.Errorf("%v", body)
		}
		return nil
	})
	second := h.place(who, limit("buy", "600000.SH", 200, "9.80")) // sent when the exchange is back
	h.cancelled(who, first)
	exchange()
	h.ready()
	h.order(who, second, "new")
	h.order(who, first, "canceled")
}

// TestStopWhileStarting ends first starts at every stage: they end without an error, and the next start goes on from
// whatever was done, with the accounts that were told first.
func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	h := &house{t: t, dir: filepath.Join(t.TempDir(), "data"), args: []string{"--flow", "0"}}
	for _, milliseconds := range []int{20, 50, 100, 200, 300, 500, 800} {
		wait := time.Duration(milliseconds) * time.Millisecond
		h.Process = rig.Run(t, "serve", "--data", h.dir, "--listen", "127.0.0.1:0", "--flow", "0")
		select {
		case <-time.After(wait): // not a pause for something to happen: where it is stopped is the point
		case <-h.Ended:
			t.Fatalf("ended: %v %s", h.Err, h.Said)
		}
		if h.Said.String() != "" { // before, the signal may come before the program hears any
			h.Stop()
		} else {
			h.Kill()
		}
	}
	h.start()
	h.ready()
	if len(h.accounts) != 4 {
		t.Fatalf("%d demo accounts", len(h.accounts))
	}
	for _, a := range h.accounts {
		if s := h.standing(a); text(s, "balance.available") != "1000000.00" ||
			text(position(s, "600000.SH"), "total") != "2000" {
			t.Errorf("%s begins with %v", a.Login, s)
		}
	}
}

// TestRestartIsQuick bounds how long a house with a living market is away after kill -9.
func TestRestartIsQuick(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.Kill()
	began := time.Now()
	h.start()
	h.ready()
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a restart took %v", took)
	}
}
