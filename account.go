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
	"os/exec"
	"strings"
	"text/tabwriter"

	"evenkeel/node"
)

const accountUsage = `Work on the accounts of a server that runs on this machine, over the socket in its data
directory, which only its owner may open.

  evenkeel account open alice --permissions all --commission 0.025    asks for the password, or reads it from a pipe
  evenkeel account list
  evenkeel account show alice
  evenkeel account deposit alice --amount 100000.00                   a negative amount withdraws
  evenkeel account shares alice --symbol 600519.SH --quantity 100     brings shares in from custody
  evenkeel account key alice --permissions read,trade                 makes an API key; its secret is shown once
  evenkeel account revoke alice --key-id AK...
  evenkeel account password alice                                     asks for it, or reads it from a pipe
  evenkeel account check                                              audits the books: every sum of the whole house
  evenkeel account snapshot                                           writes a snapshot of the books now`

// deskWork is a word of `evenkeel account`: whether it is about one account, and the flags without which it is
// nothing.
type deskWork struct {
	about bool
	needs []string
}

var deskWorks = map[string]deskWork{
	"open": {about: true}, "list": {}, "show": {about: true}, "deposit": {about: true, needs: []string{"amount"}},
	"shares": {about: true, needs: []string{"symbol", "quantity"}}, "key": {about: true},
	"revoke": {about: true, needs: []string{"key-id"}}, "password": {about: true}, "check": {}, "snapshot": {},
}

func account(ctx context.Context, args []string, out io.Writer) error {
	f := flags("account", accountUsage, out)
	var q node.DeskRequest
	data := f.String("data", "data", "data directory of the server")
	f.StringVar(&q.Permissions, "permissions", "",
		"words separated by commas: all, read, trade, star, chinext, bse, cash, operate (default all)")
	f.StringVar(&q.Commission, "commission", "",
		"percent of the amount, handling and supervision inside (default 0.025)")
	f.StringVar(&q.Amount, "amount", "", "CNY; for shares what they cost (default: at the previous close)")
	f.StringVar(&q.Symbol, "symbol", "", "a security, such as 600519.SH")
	f.StringVar(&q.Quantity, "quantity", "", "shares; a negative number takes them out")
	f.StringVar(&q.Reference, "reference", "",
		"of a movement: the same one twice in a day moves once; of a key: its label")
	f.StringVar(&q.KeyID, "key-id", "", "the key to revoke")
	var names []string // what to do, and to whom, stand before, between or behind the flags
	for rest := args; ; {
		if err := parseFlags(f, rest); err != nil {
			return err
		}
		if f.NArg() == 0 {
			break
		}
		names, rest = append(names, f.Arg(0)), f.Args()[1:]
	}
	if err := readWork(f, names, &q); err != nil {
		return err
	}
	if q.Do == "open" || q.Do == "password" {
		var err error
		if q.Password, err = askPassword(q.Login); err != nil {
			return err
		}
	}
	answer, err := askDesk(ctx, *data, &q)
	if err != nil {
		return err
	}
	return show(out, &q, answer)
}

// readWork checks the words of the command line before a server is asked.
func readWork(f *flagSet, names []string, q *node.DeskRequest) error {
	if len(names) == 0 {
		return wrong(f, "what to do is missing: open, list, show, deposit, shares, key, revoke, password, check or snapshot")
	}
	work, known := deskWorks[names[0]]
	switch {
	case !known:
		return wrong(f, fmt.Sprintf("%q is none of open, list, show, deposit, shares, key, revoke, password, check, snapshot", names[0]))
	case work.about && len(names) < 2:
		return wrong(f, fmt.Sprintf("%s needs the login of an account: evenkeel account %s alice", names[0],
			names[0]))
	case work.about && len(names) > 2, !work.about && len(names) > 1:
		return wrong(f, fmt.Sprintf("unexpected %q", names[len(names)-1]))
	}
	q.Do = names[0]
	if work.about {
		q.Login = names[1]
	}
	for _, name := range work.needs {
		if f.Lookup(name).Value.String() == "" {
			return wrong(f, fmt.Sprintf("%s needs --%s", names[0], name))
		}
	}
	return nil
}

// askPassword reads a line from standard input. At a terminal it asks, and stty, where there is one, keeps the answer
// off the screen.
func askPassword(login string) (string, error) {
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprintf(os.Stderr, "password of %s: ", login)
		if echo("-echo") == nil {
			defer func() {
				_ = echo("echo")
				fmt.Fprintln(os.Stderr)
			}()
		}
	}
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func echo(how string) error {
	c := exec.Command("stty", how) //nolint:noctx // it ends at once
	c.Stdin = os.Stdin
	return c.Run()
}

// askDesk sends one question to the server's desk.
func askDesk(ctx context.Context, data string, q *node.DeskRequest) (a node.DeskAnswer, err error) {
	socket, release, err := node.DeskAddress(data)
	if err != nil {
		return a, fmt.Errorf("reach the desk: %w", err)
	}
	defer release()
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn,
		error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	body, err := json.Marshal(q) //nolint:gosec // the password goes over a socket that only its owner may open
	if err != nil {
		return a, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://desk/", bytes.NewReader(body))
	if err != nil {
		return a, err
	}
	response, err := client.Do(request)
	if err != nil {
		return a, fmt.Errorf("no server answers at the desk of %s: is `evenkeel serve` running there? --data names another directory (%w)",
			data, errors.Unwrap(err))
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
			_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%d\n", s.Account, s.Login, s.Available, s.Frozen,
				s.Withdrawable, len(s.Positions))
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
		if q.Password == "" {
			_, _ = fmt.Fprintf(table, "no password: it trades by keys alone, until `evenkeel account password %s`\n",
				q.Login)
		}
	}
	return table.Flush()
}
