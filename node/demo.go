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

	"evenkeel/auth"
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// What a demo account begins with.
const (
	demoCash       = money.Cash(1_000_000 * money.Scale)
	demoShares     = money.Quantity(2000)
	demoCommission = money.Rate(25_000) // 0.025 %, as usual on the web
	demoWait       = 20 * time.Millisecond
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
}

// DemoAccount is one account of a demo server.
type DemoAccount struct {
	Login    string `json:"login"`
	Password string `json:"password"`
	KeyID    string `json:"key_id"`
	Secret   string `json:"secret"`
}

// openDemo makes the demo accounts of the first start, and tells programs where the server is.
func (n *Node) openDemo(ctx, _ context.Context) error {
	if !n.config.Demo {
		return nil
	}
	name := filepath.Join(n.config.Dir, "demo.json")
	var file DemoFile
	text, err := os.ReadFile(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if n.views.directory.Accounts() > 0 {
			return nil // somebody's own accounts: this is no demo any more
		}
		if err := n.awaitMarket(ctx); err != nil {
			return err
		}
		for i := range min(n.config.DemoN, MaxDemo) {
			account, err := n.demoAccount(ctx, fmt.Sprintf("demo%d", i+1))
			if err != nil {
				return err
			}
			file.Accounts = append(file.Accounts, account)
		}
	case err != nil:
		return fmt.Errorf("demo accounts: %w", err)
	default:
		if err := json.Unmarshal(text, &file); err != nil {
			return fmt.Errorf("demo accounts: %s: %w; remove it, and its accounts stay without keys", name, err)
		}
	}
	file.HTTP, file.HTTPS, file.CA = n.servers.plainURL(), n.servers.secureURL(), n.servers.ca
	if text, err = json.MarshalIndent(&file, "", "  "); err == nil {
		err = writeFile(name, text)
	}
	if err != nil {
		return fmt.Errorf("demo accounts: %w", err)
	}
	n.demo = file
	return nil
}

// writeFile replaces a file of secrets whole.
func writeFile(name string, text []byte) error {
	next := name + ".new"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, name)
}

// awaitMarket waits for a trading day and the securities that demo accounts are given.
func (n *Node) awaitMarket(ctx context.Context) error {
	n.config.Say("waiting for the exchange")
	for {
		day, _ := n.views.listing.Today()
		_, listed := n.views.listing.Symbol(demoHoldings[0])
		if day != 0 && listed {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the exchange's list of securities: %w (link: %v)", ctx.Err(), n.link.Status().Ready())
		case <-time.After(demoWait):
		}
	}
}

func (n *Node) demoAccount(ctx context.Context, login string) (DemoAccount, error) {
	a := DemoAccount{Login: login, Password: NewPassword()}
	hash, err := n.passwords.Encode(ctx, a.Password)
	if err != nil {
		return a, err
	}
	answer, err := n.ask(ctx, "open "+login, &trade.Command{Kind: trade.OpenAccountKind, OpenAccount: trade.OpenAccount{
		Login: []byte(login), PasswordHash: []byte(hash), Permissions: trade.MayEverything, Commission: demoCommission}})
	if err != nil {
		return a, err
	}
	id := answer.Account
	var secret [32]byte
	a.KeyID, a.Secret, secret = auth.NewKey()
	if err := n.house(ctx, "make a key", &trade.Command{Kind: trade.AddKeyKind, AddKey: trade.AddKey{Account: id,
		KeyID: []byte(a.KeyID), SecretHash: secret, Permissions: trade.MayEverything, Label: []byte("demo")}}); err != nil {
		return a, err
	}
	if err := n.house(ctx, "deposit", &trade.Command{Kind: trade.MoveCashKind, MoveCash: trade.MoveCash{Account: id,
		Amount: demoCash, Reference: []byte("demo")}}); err != nil {
		return a, err
	}
	for _, symbol := range demoHoldings {
		s, ok := n.views.listing.Symbol(symbol)
		if !ok {
			continue // another list of securities
		}
		cost, _ := money.Amount(s.PreviousClose, demoShares)
		if err := n.house(ctx, "bring in shares", &trade.Command{Kind: trade.MoveSharesKind, MoveShares: trade.MoveShares{Account: id,
			Security: s.ID, Quantity: demoShares, Cost: cost, Reference: []byte("demo " + symbol)}}); err != nil {
			return a, err
		}
	}
	return a, nil
}

// NewPassword makes a password of 16 random letters and digits.
func NewPassword() string { return rand.Text()[:16] }

// Welcome says where the node is and who may come in.
func (n *Node) Welcome() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nEvenkeel %s is up.\n\n", n.config.Version)
	fmt.Fprintf(&b, "  API            %s\n", n.servers.plainURL())
	if n.servers.secureURL() != "" {
		fmt.Fprintf(&b, "  API with TLS   %s   (trust %s)\n", n.servers.secureURL(), n.servers.ca)
	}
	fmt.Fprintf(&b, "  description    %s/api/v1/openapi.yaml\n", n.servers.plainURL())
	fmt.Fprintf(&b, "  health         %s/readyz, metrics %s/metrics\n", n.servers.plainURL(), n.servers.plainURL())
	fmt.Fprintf(&b, "  desk           evenkeel account --data %s list\n", n.config.Dir)
	if len(n.demo.Accounts) == 0 {
		return b.String() + "\n"
	}
	fmt.Fprintf(&b, "\nDemo accounts (also in %s):\n\n", filepath.Join(n.config.Dir, "demo.json"))
	fmt.Fprintf(&b, "  %-8s %-18s %-28s %s\n", "login", "password", "APCA_API_KEY_ID", "APCA_API_SECRET_KEY")
	for _, a := range n.demo.Accounts {
		fmt.Fprintf(&b, "  %-8s %-18s %-28s %s\n", a.Login, a.Password, a.KeyID, a.Secret)
	}
	first := n.demo.Accounts[0]
	fmt.Fprintf(&b, "\nTry:\n\n  curl -s -H 'APCA-API-KEY-ID: %s' -H 'APCA-API-SECRET-KEY: %s' %s/v2/account\n\n",
		first.KeyID, first.Secret, n.servers.plainURL())
	return b.String()
}
