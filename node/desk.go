package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"evenkeel/auth"
	"evenkeel/core/money"
	"evenkeel/core/trade"
)

// The desk is how the staff of this machine reaches a running server: HTTP over a Unix socket in the data directory,
// which only the directory's owner may open. Commands of `evenkeel account` come in here.

// DeskSocket is the socket's name in the data directory.
const DeskSocket = "desk.sock"

// Limits of the desk.
const (
	deskBody = 64 << 10
	deskRead = 5 * time.Second
)

// DeskRequest is what the desk is asked; Do says which members count.
type DeskRequest struct {
	// Do is open, password, key, revoke, deposit, shares, show, list, check or snapshot; of the cluster: nodes,
	// operate.
	Do          string `json:"do"`
	Login       string `json:"login,omitempty"`
	Password    string `json:"password,omitempty"`
	Permissions string `json:"permissions,omitempty"` // words of permissionWords, separated by commas
	Commission  string `json:"commission,omitempty"`  // percent
	Amount      string `json:"amount,omitempty"`
	Symbol      string `json:"symbol,omitempty"`
	Quantity    string `json:"quantity,omitempty"`
	Reference   string `json:"reference,omitempty"`
	KeyID       string `json:"key_id,omitempty"`

	Operation *Operation `json:"operation,omitempty"` // of operate
}

// DeskAnswer is what it answers.
type DeskAnswer struct {
	Error    string         `json:"error,omitempty"`
	Account  uint64         `json:"account,omitempty"`
	KeyID    string         `json:"key_id,omitempty"`
	Secret   string         `json:"secret,omitempty"`
	Accounts []DeskStanding `json:"accounts,omitempty"`
	Said     string         `json:"said,omitempty"`
	Nodes    []Standing     `json:"nodes,omitempty"`
}

// DeskStanding is one account as the desk shows it.
type DeskStanding struct {
	Account      uint64         `json:"account"`
	Login        string         `json:"login"`
	Available    string         `json:"available"`
	Frozen       string         `json:"frozen"`
	Withdrawable string         `json:"withdrawable"`
	Positions    []DeskPosition `json:"positions,omitempty"`
}

// DeskPosition is one position of it.
type DeskPosition struct {
	Symbol   string `json:"symbol"`
	Total    int64  `json:"total"`
	Sellable int64  `json:"sellable"`
	Frozen   int64  `json:"frozen"`
}

// maxSocketPath is the longest path that a Unix socket may have (sun_path of Linux and BSD, less its end).
const maxSocketPath = 103

// DeskAddress is where the desk of a data directory is reached. A path that is too long for a socket is shortened by
// a symbolic link of its own in the directory for temporary files; release removes that.
func DeskAddress(dir string) (address string, release func(), err error) {
	release = func() {}
	address = filepath.Join(dir, DeskSocket)
	if len(address) <= maxSocketPath {
		return address, release, nil
	}
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", release, err
	}
	short, err := os.MkdirTemp("", "ek-")
	if err != nil {
		return "", release, err
	}
	link := filepath.Join(short, "d")
	if err := os.Symlink(absolute, link); err != nil {
		return "", release, errors.Join(err, os.Remove(short))
	}
	release = func() { _ = os.RemoveAll(short) } // the link alone: what it leads to stays
	return filepath.Join(link, DeskSocket), release, nil
}

// openDesk listens on the socket. One of a process that died is replaced: the log's lock has shown that nobody runs.
func (n *Node) openDesk(_, _ context.Context) error {
	name := filepath.Join(n.config.Dir, DeskSocket)
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("open the desk: %w", err)
	}
	address, release, err := DeskAddress(n.config.Dir)
	if err != nil {
		return fmt.Errorf("open the desk: %w", err)
	}
	defer release()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
	if err != nil {
		return fmt.Errorf("open the desk: %w", err)
	}
	l.SetUnlinkOnClose(len(address) == len(name)) // a shortened name is gone by then, and the next start removes it
	if err := os.Chmod(name, 0o600); err != nil {
		return errors.Join(fmt.Errorf("open the desk: %w", err), l.Close())
	}
	n.servers.serve(l, &http.Server{Handler: http.HandlerFunc(n.serveDesk), ReadHeaderTimeout: deskRead,
		ReadTimeout: deskRead},
		nil) // without a time to write: an audit or a snapshot of very many accounts takes a while
	return nil
}

func (n *Node) serveDesk(w http.ResponseWriter, r *http.Request) {
	var q DeskRequest
	var a DeskAnswer
	decoder := json.NewDecoder(io.LimitReader(r.Body, deskBody))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&q)
	if err == nil {
		a, err = n.atDesk(r.Context(), &q)
	}
	if err != nil {
		a = DeskAnswer{Error: err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(a) //nolint:gosec // a new key's secret is shown here, once; who asked may have gone
}

func (n *Node) atDesk(ctx context.Context, q *DeskRequest) (a DeskAnswer, err error) {
	switch q.Do {
	case "open":
		return n.deskOpen(ctx, q)
	case "list":
		return n.deskList(), nil
	case "check":
		if err := n.check(ctx); err != nil {
			return a, err
		}
		return DeskAnswer{Said: "the books add up"}, nil
	case "snapshot":
		return n.deskSnapshot(ctx)
	case "nodes":
		return DeskAnswer{Nodes: n.standings(ctx)}, nil
	case "operate":
		if q.Operation == nil {
			return a, errors.New("the desk was not told what to do")
		}
		a.Said, err = n.operate(ctx, q.Operation)
		return a, err
	}
	id, _, ok := n.directory.ByLogin(q.Login)
	if !ok {
		return a, fmt.Errorf("no account has the login %q", q.Login)
	}
	a.Account = uint64(id)
	switch q.Do {
	case "show":
		a.Accounts = []DeskStanding{n.deskStanding(id, q.Login)}
		return a, nil
	case "password":
		hash, err := n.passwords.Encode(ctx, q.Password)
		if err != nil {
			return a, err
		}
		return a, n.shardOf(id).house(ctx, "set the password", &trade.Command{Kind: trade.SetPasswordKind,
			SetPassword: trade.SetPassword{Account: id, PasswordHash: []byte(hash)}})
	case "key":
		permissions, err := ParsePermissions(q.Permissions)
		if err != nil {
			return a, err
		}
		var secret [32]byte
		a.KeyID, a.Secret, secret = auth.NewKey()
		return a, n.shardOf(id).house(ctx, "make a key", &trade.Command{Kind: trade.AddKeyKind,
			AddKey: trade.AddKey{Account: id, KeyID: []byte(a.KeyID), SecretHash: secret, Permissions: permissions,
				Label: []byte(q.Reference)}})
	case "revoke":
		return a, n.shardOf(id).house(ctx, "revoke the key", &trade.Command{Kind: trade.RevokeKeyKind,
			RevokeKey: trade.RevokeKey{Account: id, KeyID: []byte(q.KeyID)}})
	case "deposit":
		amount, err := money.ParseCash(q.Amount)
		if err != nil {
			return a, fmt.Errorf("amount %w", err)
		}
		return a, n.shardOf(id).house(ctx, "move cash", &trade.Command{Kind: trade.MoveCashKind,
			MoveCash: trade.MoveCash{Account: id, Amount: amount, Reference: []byte(reference(q.Reference))}})
	case "shares":
		return a, n.deskShares(ctx, id, q)
	}
	return a, fmt.Errorf("the desk does not know %q", q.Do)
}

// reference makes one where none was given: the same movement twice is then two movements.
func reference(given string) string {
	if given != "" {
		return given
	}
	return "desk " + time.Now().UTC().Format(time.RFC3339Nano)
}

func (n *Node) deskOpen(ctx context.Context, q *DeskRequest) (a DeskAnswer, err error) {
	permissions, err := ParsePermissions(q.Permissions)
	if err != nil {
		return a, err
	}
	commission, err := parsePercent(q.Commission)
	if err != nil {
		return a, err
	}
	hash := ""
	if q.Password != "" {
		if hash, err = n.passwords.Encode(ctx, q.Password); err != nil {
			return a, err
		}
	}
	answer, err := n.shardOfLogin(q.Login).ask(ctx, "open the account", &trade.Command{Kind: trade.OpenAccountKind,
		OpenAccount: trade.OpenAccount{
			Login: []byte(q.Login), PasswordHash: []byte(hash), Permissions: permissions, Commission: commission}})
	return DeskAnswer{Account: uint64(answer.Account)}, err
}

func (n *Node) deskShares(ctx context.Context, id trade.AccountID, q *DeskRequest) error {
	s, ok := n.listing().Symbol(q.Symbol)
	if !ok {
		return fmt.Errorf("no security %q; symbols are written like 600519.SH, 000001.SZ, 920023.BJ", q.Symbol)
	}
	quantity, err := money.ParseQuantity(q.Quantity)
	if err != nil {
		return fmt.Errorf("quantity %w", err)
	}
	cost := money.Cash(0)
	if q.Amount != "" {
		if cost, err = money.ParseCash(q.Amount); err != nil {
			return fmt.Errorf("cost %w", err)
		}
	} else if quantity > 0 {
		if cost, ok = money.Amount(s.PreviousClose, quantity); !ok {
			return fmt.Errorf("quantity %d is too large", quantity)
		}
	}
	return n.shardOf(id).house(ctx, "move shares", &trade.Command{Kind: trade.MoveSharesKind,
		MoveShares: trade.MoveShares{Account: id,
			Security: s.ID, Quantity: quantity, Cost: cost, Reference: []byte(reference(q.Reference))}})
}

// MaxDeskList bounds a list of accounts.
const MaxDeskList = 1000

func (n *Node) deskList() (a DeskAnswer) {
	n.directory.Visit(func(account auth.Account) bool {
		a.Accounts = append(a.Accounts, n.deskStanding(account.ID, account.Login))
		return len(a.Accounts) < MaxDeskList
	})
	if total := n.directory.Accounts(); total > len(a.Accounts) {
		a.Said = fmt.Sprintf("%d of %d accounts", len(a.Accounts), total)
	}
	return a
}

// deskSnapshot makes a snapshot of every shard.
func (n *Node) deskSnapshot(ctx context.Context) (a DeskAnswer, err error) {
	var said []string
	for _, s := range n.shards {
		if err := s.group.Snapshot(ctx); err != nil {
			return a, fmt.Errorf("shard %d: %w", s.number, err)
		}
		text := fmt.Sprintf("snapshot at index %d", s.group.Status().SnapshotIndex)
		if len(n.shards) > 1 {
			text = fmt.Sprintf("shard %d: %s", s.number, text)
		}
		said = append(said, text)
	}
	return DeskAnswer{Said: strings.Join(said, "\n")}, nil
}

func (n *Node) deskStanding(id trade.AccountID, login string) DeskStanding {
	s, _ := n.dayOf(id).Standing(id)
	d := DeskStanding{Account: uint64(id), Login: login, Available: s.Balance.Available.String(),
		Frozen: s.Balance.Frozen.String(), Withdrawable: s.Balance.Withdrawable().String()}
	for _, p := range s.Positions {
		security, _ := n.listing().Security(p.Security)
		d.Positions = append(d.Positions, DeskPosition{Symbol: string(security.Symbol), Total: int64(p.Total),
			Sellable: int64(p.Sellable), Frozen: int64(p.Frozen)})
	}
	return d
}
