package kill

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything that must happen may take.
const patience = 60 * time.Second

// house is a broker and an exchange, each a process of its own that can be killed.
type house struct {
	t                *testing.T
	exchange, broker *process
	url              string
	accounts         []demoAccount
	client           http.Client
}

type demoAccount struct {
	Login  string `json:"login"`
	KeyID  string `json:"key_id"`
	Secret string `json:"secret"`
}

// process is one program that is started again whenever it was killed.
type process struct {
	t       *testing.T
	name    string
	program string
	args    []string
	dir     string

	mu      sync.Mutex
	command *exec.Cmd
	said    bytes.Buffer // over all its lives
}

// build makes the program, unless EVENKEEL_BINARY names one.
func build(t *testing.T) string {
	t.Helper()
	if name := os.Getenv("EVENKEEL_BINARY"); name != "" {
		return name
	}
	name := filepath.Join(t.TempDir(), "evenkeel")
	out, err := exec.Command("go", "build", "-o", name, "evenkeel").CombinedOutput()
	if err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return name
}

// openHouse starts both, and waits until orders are taken.
func openHouse(t *testing.T, flow int) *house {
	t.Helper()
	program, dir := build(t), t.TempDir()
	orders, market, listen := address(t), address(t), address(t)
	h := &house{t: t, url: "http://" + listen, client: http.Client{Timeout: 5 * time.Second}}
	h.exchange = &process{t: t, name: "exchange", program: program, dir: filepath.Join(dir, "exchange")}
	h.exchange.args = []string{"exchange", "--data", h.exchange.dir, "--orders", orders, "--market", market,
		"--flow", fmt.Sprint(flow)}
	h.broker = &process{t: t, name: "broker", program: program, dir: filepath.Join(dir, "broker")}
	h.broker.args = []string{"serve", "--data", h.broker.dir, "--listen", listen, "--listen-tls", "",
		"--exchange", orders, "--market", market,
		"--exchange-password-file", filepath.Join(h.exchange.dir, "password")}
	t.Cleanup(func() {
		h.broker.kill()
		h.exchange.kill()
		if t.Failed() {
			t.Logf("the broker said:\n%s\nthe exchange said:\n%s", h.broker.said.String(), h.exchange.said.String())
		}
	})
	h.exchange.start()
	await(t, "the exchange's password", func() bool {
		_, err := os.Stat(filepath.Join(h.exchange.dir, "password"))
		return err == nil
	})
	h.broker.start()
	h.ready()
	var demo struct {
		Accounts []demoAccount `json:"accounts"`
	}
	await(t, "demo accounts", func() bool {
		text, err := os.ReadFile(filepath.Join(h.broker.dir, "demo.json"))
		return err == nil && json.Unmarshal(text, &demo) == nil && len(demo.Accounts) > 0
	})
	h.accounts = demo.Accounts
	return h
}

// address is a free one. It is below the ports that the system gives to outgoing connections: while nobody listens
// there, a connection from there to itself would be possible.
func address(t *testing.T) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000)))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no free port")
	return ""
}

// await asks again and again, without pause but for a moment, until yes.
func await(t *testing.T, what string, yes func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !yes() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
		<-ticker.C
	}
}

func (p *process) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.command = exec.Command(p.program, p.args...)
	p.command.Stdout, p.command.Stderr = &p.said, &p.said
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.command.Start(); err != nil {
		p.t.Errorf("start the %s: %v", p.name, err)
	}
}

// stall stops it in its tracks.
func (p *process) stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.command.Process.Signal(syscall.SIGSTOP)
}

// kill is kill -9.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command == nil || p.command.Process == nil {
		return
	}
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
	if state := p.command.ProcessState; state != nil && state.Exited() {
		p.t.Errorf("the %s had ended by itself before it was killed: %v\n%s", p.name, state, p.said.String())
	}
	p.command = nil
}

// stop ends it as an operator would.
func (p *process) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.command.Process.Signal(syscall.SIGTERM)
	if err := p.command.Wait(); err != nil {
		p.t.Errorf("the %s ended with %v\n%s", p.name, err, p.said.String())
	}
	p.command = nil
}

// ready waits until the broker takes orders and is connected to the exchange.
func (h *house) ready() {
	h.t.Helper()
	var last string
	defer func() {
		if h.t.Failed() {
			h.t.Log("the last answer was", last)
		}
	}()
	await(h.t, "readiness", func() bool {
		response, err := h.client.Get(h.url + "/readyz")
		if err != nil {
			last = err.Error()
			return false
		}
		defer response.Body.Close()
		last, _ = bufio.NewReader(response.Body).ReadString('\n')
		return response.StatusCode == http.StatusOK
	})
}

// answer is what the API said.
type answer struct {
	Status  int
	ID      string `json:"id"`
	Client  string `json:"client_order_id"`
	State   string `json:"status"`
	Reason  string `json:"reason"`
	Filled  string `json:"filled_qty"`
	Message string `json:"message_en"`
	Details struct {
		Amount string `json:"filled_amount"`
	} `json:"cn"`
}

// call asks the API once. An error means that nothing was heard: what was asked may have happened or not.
func (h *house) call(ctx context.Context, who *demoAccount, method, path string, body any) (a answer, err error) {
	encoded := []byte(nil)
	if body != nil {
		if encoded, err = json.Marshal(body); err != nil {
			return a, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, h.url+path, bytes.NewReader(encoded))
	if err != nil {
		return a, err
	}
	request.Header.Set("APCA-API-KEY-ID", who.KeyID)
	request.Header.Set("APCA-API-SECRET-KEY", who.Secret)
	response, err := h.client.Do(request)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err = text.ReadFrom(response.Body); err != nil {
		return a, err
	}
	a.Status = response.StatusCode
	if response.StatusCode >= http.StatusInternalServerError {
		return a, fmt.Errorf("%s %s: %s", method, path, text.String())
	}
	if text.Len() > 0 && text.Bytes()[0] == '{' {
		err = json.Unmarshal(text.Bytes(), &a)
	}
	return a, err
}

// openOrders is how many orders of an account live.
func (h *house) openOrders(who *demoAccount) (int, error) {
	request, err := http.NewRequest(http.MethodGet, h.url+"/v2/orders?status=open&limit=500", nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("APCA-API-KEY-ID", who.KeyID)
	request.Header.Set("APCA-API-SECRET-KEY", who.Secret)
	response, err := h.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var list []answer
	if response.StatusCode != http.StatusOK {
		return 0, errors.New(response.Status)
	}
	err = json.NewDecoder(response.Body).Decode(&list)
	return len(list), err
}

// settle cancels what lives until nothing does.
func (h *house) settle() {
	h.t.Helper()
	for i := range h.accounts {
		who := &h.accounts[i]
		await(h.t, "the end of all orders of "+who.Login, func() bool {
			n, err := h.openOrders(who)
			if n > 0 {
				_, _ = h.call(context.Background(), who, http.MethodDelete, "/v2/orders", nil)
			}
			return err == nil && n == 0
		})
	}
}

// audit has the broker check its books.
func (h *house) audit() {
	h.t.Helper()
	check := exec.Command(h.broker.program, "account", "check", "--data", h.broker.dir)
	out, err := check.CombinedOutput()
	if err != nil {
		h.t.Errorf("the books do not add up: %v\n%s", err, out)
	}
	h.t.Logf("%s", strings.TrimSpace(string(out)))
}
