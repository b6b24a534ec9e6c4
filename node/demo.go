package node

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"evenkeel/api"
	"evenkeel/auth"
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// What a demo account begins with.
const (
	demoCash       = money.Cash(1_000_000 * money.Scale)
	demoShares     = money.Quantity(2000)
	demoCommission = money.Rate(25_000) // 0.025 %, as usual on the web
	demoStaff      = "staff"            // the login of its staff
	demoWait       = 20 * time.Millisecond
	demoSettled    = time.Second      // nothing more was listed for so long: the list is whole
	demoPatience   = 10 * time.Second // for the exchange's list of securities, before the house comes up without
	// MaxDemo bounds the demo accounts of one start.
	MaxDemo = 100
)

// demoHoldings are the securities that a demo account owns from the start, so that there is something to sell on the
// first day.
var demoHoldings = []string{"600000.SH", "000001.SZ", "600519.SH", "510300.SH"}

// DemoFile is what demo.json holds, for programs that try the server.
type DemoFile struct {
	HTTP     string        `json:"http"`
	HTTPS    string        `json:"https"`
	CA       string        `json:"ca"`
	Accounts []DemoAccount `json:"accounts"`
	// Staff may see the operators' page, and trades nothing; its login has no key.
	Staff *DemoStaff `json:"staff,omitempty"`
}

// DemoStaff is the login of a demo server's staff.
type DemoStaff struct {
	Login    string `json:"login"`
	Password string `json:"password"`
}

// DemoAccount is one account of a demo server.
type DemoAccount struct {
	Login    string `json:"login"`
	Password string `json:"password"`
	KeyID    string `json:"key_id"`
	Secret   string `json:"secret"`
}

// Files of the demo in the data directory. The credentials are written down before an account is made with them,
// under the second name, so that a first start that is cut off goes on at the next one.
const (
	demoName  = "demo.json"
	newSuffix = ".new"
	demoOld   = "demo.json.old" // what stood there and was of other books
)

// openDemo makes the demo accounts of the first start, and tells programs where the server is. Without an exchange
// there is no list of securities yet: then the accounts are made when it appears, and the house comes up before.
func (n *Node) openDemo(ctx, running context.Context) error {
	switch {
	case !n.config.Demo:
		return nil
	case n.config.inCluster():
		if n.makesDemo() {
			n.work.Go(func() { n.demoOfCluster(running) })
		}
		return nil
	}
	file, complete, err := n.demoFile(ctx)
	if err != nil || len(file.Accounts) == 0 && !complete {
		return err
	}
	file.HTTP, file.HTTPS, file.CA = n.servers.plainURL(), n.servers.secureURL(), n.servers.ca
	if complete {
		return n.demoReady(&file)
	}
	n.demoWaitsFor("the demo accounts are made when the exchange has sent its list of securities")
	done := make(chan error, 1)
	n.work.Go(func() { done <- n.bringDemo(running, &file) })
	patience := time.NewTimer(demoPatience)
	defer patience.Stop()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-patience.C:
	}
	n.config.Say("no list of securities from the exchange yet: the demo accounts are made when it comes (link: %v)",
		n.shards[0].link.Status().Ready())
	n.work.Go(func() {
		select {
		case err := <-done:
			if err != nil && running.Err() == nil {
				n.log.Error("demo accounts", "error", err)
			} else if err == nil {
				n.config.Say("%s", n.demoTable())
			}
		case <-running.Done():
		}
	})
	return nil
}

// makesDemo reports whether this node makes the demo accounts of its cluster: the first of those that it was born
// with.
func (n *Node) makesDemo() bool {
	for _, m := range n.config.Peers {
		if m.ID < n.config.Node {
			return false
		}
	}
	return !n.config.Join
}

// demoPause is how long the demo of a cluster waits before it tries again.
const demoPause = 200 * time.Millisecond

// demoOfCluster makes the demo accounts when the nodes have leaders and the exchange's list. Whatever goes wrong on
// the way is tried again: each step is done once, however often it is asked for.
func (n *Node) demoOfCluster(running context.Context) {
	n.demoWaitsFor("the demo accounts are made when the nodes have found each other, and the exchange has sent its list")
	for n.freshAll(running) != nil {
		if !pause(running, demoPause) {
			return
		}
	}
	file, complete, err := n.demoFile(running)
	if err != nil || len(file.Accounts) == 0 {
		n.demoWaitsFor("")
		if err != nil {
			n.log.Error("demo accounts", "error", err)
		}
		return
	}
	file.HTTP, file.HTTPS, file.CA = n.servers.plainURL(), n.servers.secureURL(), n.servers.ca
	for said := false; ; said = true {
		if complete {
			err = n.demoReady(&file)
		} else {
			err = n.bringDemo(running, &file)
		}
		if err == nil {
			n.config.Say("%s", n.demoTable())
			return
		}
		if !said {
			n.log.Warn("demo accounts: tried again", "error", err)
		}
		if !pause(running, demoPause) {
			return
		}
	}
}

// demoFile reads what an earlier start wrote, or makes up the credentials of new accounts. complete says that the
// accounts are there.
func (n *Node) demoFile(ctx context.Context) (file DemoFile, complete bool, err error) {
	name := filepath.Join(n.config.Dir, demoName)
	empty := n.directory.Accounts() == 0
	text, err := os.ReadFile(name)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &file); err != nil {
			return file, false, fmt.Errorf("demo accounts: %s: %w; move it away, and start again", name, err)
		}
		if empty && len(file.Accounts) > 0 {
			return file, false, nil // new books under an old file: its accounts are made again
		}
		return file, true, n.dropForeign(ctx, &file, name)
	case !errors.Is(err, os.ErrNotExist):
		return file, false, fmt.Errorf("demo accounts: %w", err)
	}
	text, err = os.ReadFile(name + newSuffix)
	if err == nil && json.Unmarshal(text, &file) == nil && len(file.Accounts) > 0 {
		return file, false, nil // the first start was cut off
	}
	if !empty {
		return DemoFile{}, false, nil // somebody's own accounts: this is no demo any more
	}
	for i := range n.config.DemoN {
		a := DemoAccount{Login: fmt.Sprintf("demo%d", i+1), Password: NewPassword()}
		a.KeyID, a.Secret, _ = auth.NewKey()
		file.Accounts = append(file.Accounts, a)
	}
	file.Staff = &DemoStaff{Login: demoStaff, Password: NewPassword()}
	if err := writeJSON(name+newSuffix, &file); err != nil {
		return file, false, fmt.Errorf("demo accounts: %w", err)
	}
	return file, false, nil
}

// dropForeign leaves out accounts whose key the books do not know: the file came from elsewhere, or the key was
// revoked.
func (n *Node) dropForeign(_ context.Context, file *DemoFile, name string) error {
	var known []DemoAccount
	for _, a := range file.Accounts {
		if _, err := n.directory.ByKey(a.KeyID, a.Secret); err == nil {
			known = append(known, a)
		}
	}
	if len(known) == len(file.Accounts) {
		return nil
	}
	n.config.Say("%d of the %d demo accounts in %s have keys that these books do not know: they are left out, the file is kept as %s",
		len(file.Accounts)-len(known), len(file.Accounts), name, demoOld)
	file.Accounts = known
	if err := os.Rename(name, filepath.Join(n.config.Dir, demoOld)); err != nil {
		return fmt.Errorf("demo accounts: %w", err)
	}
	return nil
}

// bringDemo makes what is missing of the demo accounts.
func (n *Node) bringDemo(ctx context.Context, file *DemoFile) error {
	if err := n.awaitMarket(ctx); err != nil {
		return err
	}
	for i := range file.Accounts {
		if err := n.demoAccount(ctx, &file.Accounts[i]); err != nil {
			return fmt.Errorf("demo accounts: %w", err)
		}
	}
	if file.Staff != nil {
		if err := n.openStaff(ctx, file.Staff); err != nil {
			return fmt.Errorf("demo accounts: %w", err)
		}
	}
	return n.demoReady(file)
}

// openStaff opens the account of a demo's staff, unless it is there.
func (n *Node) openStaff(ctx context.Context, a *DemoStaff) error {
	if _, _, open := n.directory.ByLogin(a.Login); open {
		return nil
	}
	_, err := n.openDemoLogin(ctx, a.Login, a.Password, trade.MayOperate|trade.MayRead)
	return err
}

// openDemoLogin opens an account with a password.
func (n *Node) openDemoLogin(
	ctx context.Context, login, password string, may trade.Permissions,
) (trade.AccountID, error) {
	hash, err := n.passwords.Encode(ctx, password)
	if err != nil {
		return 0, err
	}
	answer, err := n.shardOfLogin(login).ask(ctx, "open "+login, &trade.Command{Kind: trade.OpenAccountKind,
		OpenAccount: trade.OpenAccount{Login: []byte(login), PasswordHash: []byte(hash), Permissions: may,
			Commission: demoCommission}})
	return answer.Account, err
}

// demoReady tells programs of the accounts.
func (n *Node) demoReady(file *DemoFile) error {
	name := filepath.Join(n.config.Dir, demoName)
	if err := writeJSON(name, file); err != nil {
		return fmt.Errorf("demo accounts: %w", err)
	}
	if err := os.Remove(name + newSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("demo accounts: %w", err)
	}
	n.demoMu.Lock()
	defer n.demoMu.Unlock()
	n.demo, n.demoMissing = *file, ""
	return nil
}

// demoLogins are the accounts as the login page offers them.
func (n *Node) demoLogins() (logins []api.DemoLogin) {
	n.demoMu.Lock()
	defer n.demoMu.Unlock()
	for _, a := range n.demo.Accounts {
		logins = append(logins, api.DemoLogin{Login: a.Login, Password: a.Password})
	}
	if a := n.demo.Staff; a != nil {
		logins = append(logins, api.DemoLogin{Login: a.Login, Password: a.Password, Staff: true})
	}
	return logins
}

func (n *Node) demoWaitsFor(what string) {
	n.demoMu.Lock()
	defer n.demoMu.Unlock()
	n.demoMissing = what
}

func (n *Node) demoWaits() string {
	n.demoMu.Lock()
	defer n.demoMu.Unlock()
	return n.demoMissing
}

// writeJSON replaces a file of secrets whole.
func writeJSON(name string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(name, append(text, '\n'))
}

// partSuffix is that of a file that is being written, and is left behind by who died at it.
const partSuffix = ".part"

// writeFile replaces a file of secrets whole, on the disk before its name is.
func writeFile(name string, text []byte) error {
	next := name + partSuffix
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return os.Rename(next, name)
}

// awaitMarket waits for a trading day and the securities that demo accounts are given; with another list of
// securities, until nothing more is listed for a while.
func (n *Node) awaitMarket(ctx context.Context) error {
	ticker := time.NewTicker(demoWait)
	defer ticker.Stop()
	for listed, since := 0, time.Now(); ; {
		day, _ := n.listing().Today()
		missing := 0
		for _, symbol := range demoHoldings {
			if _, ok := n.listing().Symbol(symbol); !ok {
				missing++
			}
		}
		if now := len(n.listing().Securities()); now != listed {
			listed, since = now, time.Now()
		}
		if day != 0 && (missing == 0 || listed > 1 && time.Since(since) > demoSettled) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// demoAccount makes an account with the credentials given, or what is missing of it.
func (n *Node) demoAccount(ctx context.Context, a *DemoAccount) error {
	id, _, open := n.directory.ByLogin(a.Login)
	if !open {
		var err error
		if id, err = n.openDemoLogin(ctx, a.Login, a.Password, trade.MayEverything); err != nil {
			return err
		}
	}
	s := n.shardOf(id)
	if _, err := n.directory.ByKey(a.KeyID, a.Secret); err != nil {
		if err := s.house(ctx, "make a key", &trade.Command{Kind: trade.AddKeyKind, AddKey: trade.AddKey{Account: id,
			KeyID: []byte(a.KeyID), SecretHash: auth.HashToken(a.Secret), Permissions: trade.MayEverything,
			Label: []byte("demo")}}); err != nil {
			return err
		}
	}
	if err := s.house(ctx, "deposit", &trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: id,
		Amount: demoCash, Reference: []byte("demo")}}); err != nil {
		return err
	}
	for _, symbol := range demoHoldings {
		line, ok := n.listing().Symbol(symbol)
		if !ok {
			continue // another list of securities
		}
		cost, _ := money.Amount(line.PreviousClose, demoShares)
		if err := s.house(ctx, "bring in shares", &trade.Command{Kind: trade.MoveSharesKind,
			MoveShares: trade.MoveShares{Account: id,
				Security: line.ID, Quantity: demoShares, Cost: cost, Reference: []byte("demo " + symbol)}}); err != nil {
			return err
		}
	}
	return nil
}

// NewPassword makes a password of 16 random letters and digits.
func NewPassword() string { return rand.Text()[:16] }

// Welcome says where the node is and who may come in.
func (n *Node) Welcome() string {
	var b strings.Builder
	plain := n.servers.plainURL()
	fmt.Fprintf(&b, "\nEvenkeel %s is up.\n\n", n.config.Version)
	fmt.Fprintf(&b, "  API            %s\n", plain)
	if secure := n.servers.secureURL(); secure != "" {
		fmt.Fprintf(&b, "  API with TLS   %s", secure)
		if n.servers.ca != "" {
			fmt.Fprintf(&b, "   (trust %s)", n.servers.ca)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "  description    %s/api/v1/openapi.yaml\n", plain)
	fmt.Fprintf(&b, "  health         %s/readyz, metrics %s/metrics\n", plain, plain)
	fmt.Fprintf(&b, "  desk           evenkeel account --data %s list\n\n", n.config.Dir)
	b.WriteString(n.demoTable())
	return b.String()
}

// demoTable is the demo accounts for people; "" when there are none.
func (n *Node) demoTable() string {
	n.demoMu.Lock()
	accounts, staff := n.demo.Accounts, n.demo.Staff
	n.demoMu.Unlock()
	if len(accounts) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Demo accounts (also in %s):\n\n", filepath.Join(n.config.Dir, demoName))
	fmt.Fprintf(&b, "  %-8s %-18s %-28s %s\n", "login", "password", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY")
	for _, a := range accounts {
		fmt.Fprintf(&b, "  %-8s %-18s %-28s %s\n", a.Login, a.Password, a.KeyID, a.Secret)
	}
	if a := staff; a != nil {
		fmt.Fprintf(&b, "  %-8s %-18s for the operators' page, %s/ops\n", a.Login, a.Password, n.servers.plainURL())
	}
	fmt.Fprintf(&b, "\nTry:\n\n  curl -s -H 'APCA-API-KEY-ID: %s' -H 'APCA-API-SECRET-KEY: %s' %s/v2/account\n\n",
		accounts[0].KeyID, accounts[0].Secret, n.servers.plainURL())
	return b.String()
}
