package main

import (
	"bufio"
	"bytes"
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
	"text/tabwriter"

	"evenkeel/node"
)

const accountUsage = `Work on the accounts of a server that runs on this machine, over the socket in its data directory, which only its
owner may open.

  evenkeel account open alice --permissions all --commission 0.025    the password is read from standard input
  evenkeel account list
  evenkeel account show alice
  evenkeel account deposit alice --amount 100000.00                   a negative amount withdraws
  evenkeel account shares alice --symbol 600519.SH --quantity 100     brings shares in from custody
  evenkeel account key alice --permissions read,trade                 makes an API key; its secret is shown once
  evenkeel account revoke alice --key-id AK...
  evenkeel account password alice                                     read from standard input
  evenkeel account check                                              audits the books: every sum of the whole house
  evenkeel account snapshot                                           writes a snapshot of the books now`

func account(ctx context.Context, args []string, out io.Writer) error {
	f := flags("account", accountUsage, out)
	var q node.DeskRequest
	data := f.String("data", "data", "data directory of the server")
	f.StringVar(&q.Permissions, "permissions", "", "words separated by commas: all, read, trade, star, chinext, bse, cash, operate (default all)")
	f.StringVar(&q.Commission, "commission", "", "percent of the amount, handling and supervision inside (default 0.025)")
	f.StringVar(&q.Amount, "amount", "", "CNY; for shares what they cost (default: at the previous close)")
	f.StringVar(&q.Symbol, "symbol", "", "a security, such as 600519.SH")
	f.StringVar(&q.Quantity, "quantity", "", "shares")
	f.StringVar(&q.Reference, "reference", "", "of a movement: the same one twice moves once; of a key: its label")
	f.StringVar(&q.KeyID, "key-id", "", "the key to revoke")
	var names []string // what to do, and to whom, stand before, between or behind the flags
	for rest := args; ; {
		if err := f.Parse(rest); err != nil {
			return err
		}
		if f.NArg() == 0 {
			break
		}
		names, rest = append(names, f.Arg(0)), f.Args()[1:]
	}
	if len(names) == 0 || len(names) > 2 {
		return errors.New("account: what to do, and for whom; `evenkeel account --help` shows examples")
	}
	q.Do = names[0]
	if len(names) == 2 {
		q.Login = names[1]
	}
	if q.Do == "open" || q.Do == "password" {
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil && err != io.EOF {
			return fmt.Errorf("read the password: %w", err)
		}
		q.Password = strings.TrimRight(line, "\r\n")
	}
	answer, err := askDesk(ctx, *data, &q)
	if err != nil {
		return err
	}
	return show(out, &q, answer)
}

// askDesk sends one question to the server's desk.
func askDesk(ctx context.Context, data string, q *node.DeskRequest) (a node.DeskAnswer, err error) {
	socket := filepath.Join(data, node.DeskSocket)
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	body, err := json.Marshal(q)
	if err != nil {
		return a, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://desk/", bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	response, err := client.Do(request)
	if err != nil {
		return a, fmt.Errorf("no server answers at %s: %w; is `evenkeel serve` running with this --data?", socket, err)
	}
	err = json.NewDecoder(response.Body).Decode(&a)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return a, fmt.Errorf("read the desk's answer: %w", err)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

func show(out io.Writer, q *node.DeskRequest, a node.DeskAnswer) error {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	if len(a.Accounts) > 0 {
		_, _ = fmt.Fprintln(table, "account\tlogin\tavailable\tfrozen\twithdrawable\tpositions")
		for _, s := range a.Accounts {
			_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%d\n", s.Account, s.Login, s.Available, s.Frozen, s.Withdrawable, len(s.Positions))
		}
	}
	if q.Do == "show" && len(a.Accounts) == 1 && len(a.Accounts[0].Positions) > 0 {
		_, _ = fmt.Fprintln(table, "\nsymbol\ttotal\tsellable\tfrozen")
		for _, p := range a.Accounts[0].Positions {
			_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", p.Symbol, p.Total, p.Sellable, p.Frozen)
		}
	}
	if a.KeyID != "" {
		_, _ = fmt.Fprintf(table, "APCA_API_KEY_ID\t%s\nAPCA_API_SECRET_KEY\t%s\n", a.KeyID, a.Secret)
	}
	if a.Said != "" {
		_, _ = fmt.Fprintln(table, a.Said)
	}
	if q.Do == "open" {
		_, _ = fmt.Fprintf(table, "account %d\n", a.Account)
	}
	return table.Flush()
}
