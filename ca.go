package main

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"evenkeel/peer"
)

const caUsage = `Make the certificates by which the machines of a cluster know each other. The authority is private:
its key signs, and is needed on no node. Keep its directory off the nodes, back it up, and copy to each node that
node's directory alone.

  evenkeel ca init --dir pki                           a new cluster's authority: ca.pem and ca.key
  evenkeel ca node --dir pki --node 2                  node 2's ca.pem, node.pem and node.key, in pki/node-2
  evenkeel ca node --node 2 --host 10.0.0.2,n2.example    the same, also good for clients of its API at these hosts
  evenkeel ca node --node 2 --out renewed              node 2 again, before its certificate ends
  evenkeel ca exchange --host 10.0.0.9                 the simulated exchange's, in pki/exchange
  evenkeel ca show                                     what is there, and when it ends

Nodes know each other by node id and cluster, wherever they are. Nothing is ever overwritten. A node id is never used
twice: a machine that replaces another gets a new one.`

// caWorks are the words of `evenkeel ca`, with the flags that each takes.
var caWorks = map[string][]string{
	"init": {"dir"}, "node": {"dir", "node", "host", "out"}, "exchange": {"dir", "host", "out"}, "show": {"dir"},
}

func ca(_ context.Context, args []string, out io.Writer) error {
	f := flags("ca", caUsage, out)
	dir := f.String("dir", "pki", "directory of the authority")
	node := f.Uint64("node", 0, "the node's id: 1 or more, never used before")
	host := f.String("host", "", "names and addresses, separated by commas, that the certificate is also good for")
	into := f.String("out", "", "directory to write to (default: node-<id> or exchange below --dir)")
	var words []string
	for rest := args; ; {
		if err := parseFlags(f, rest); err != nil {
			return err
		}
		if f.NArg() == 0 {
			break
		}
		words, rest = append(words, f.Arg(0)), f.Args()[1:]
	}
	if err := checkCA(f, words); err != nil {
		return err
	}
	var hosts []string
	for one := range strings.SplitSeq(*host, ",") {
		if one = strings.TrimSpace(one); one != "" {
			hosts = append(hosts, one)
		}
	}
	switch words[0] {
	case "init":
		return caInit(*dir, out)
	case "show":
		return caShow(*dir, out)
	case "node":
		if *node == 0 {
			return wrong(f, "node needs --node, an id of 1 or more")
		}
	case "exchange":
		if len(hosts) == 0 {
			return wrong(f, "exchange needs --host, the names or addresses that brokers dial")
		}
	}
	return caIssue(*dir, *node, hosts, *into, out)
}

// checkCA refuses a word that is none, and flags that the word does not take.
func checkCA(f *flagSet, words []string) error {
	if len(words) == 0 {
		return wrong(f, "what to do is missing: init, node, exchange or show")
	}
	takes, known := caWorks[words[0]]
	switch {
	case !known:
		return wrong(f, fmt.Sprintf("%q is none of init, node, exchange, show", words[0]))
	case len(words) > 1:
		return wrong(f, fmt.Sprintf("unexpected %q", words[1]))
	}
	if stray := strayFlag(f, takes); stray != "" {
		return wrong(f, fmt.Sprintf("%s does not take --%s", words[0], stray))
	}
	return nil
}

func caInit(dir string, out io.Writer) error {
	a, err := peer.CreateAuthority(dir)
	if err != nil {
		return fmt.Errorf("make an authority: %w", err)
	}
	_, err = fmt.Fprintf(out, "cluster %s: its authority is in %s until %s; keep %s off the nodes\n", a.Cluster, dir,
		a.Certificate.NotAfter.Format(time.DateOnly), filepath.Join(dir, peer.AuthorityKeyFile))
	return err
}

// caIssue makes the certificate of a node, or of an exchange where node is 0.
func caIssue(dir string, node uint64, hosts []string, into string, out io.Writer) error {
	a, err := peer.OpenAuthority(dir)
	if err != nil {
		return err
	}
	what := "the exchange"
	if node != 0 {
		what = fmt.Sprintf("node %d", node)
		into, err = a.IssueNode(node, hosts, into)
	} else {
		into, err = a.IssueExchange(hosts, into)
	}
	if err != nil {
		return fmt.Errorf("make the certificate of %s: %w", what, err)
	}
	_, err = fmt.Fprintf(out, "%s of cluster %s: copy %s to its machine\n", what, a.Cluster, into)
	return err
}

// caShow lists the certificates of a directory and of those right below it.
func caShow(dir string, out io.Writer) error {
	var files []string
	for _, pattern := range []string{"*.pem", filepath.Join("*", "*.pem")} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return fmt.Errorf("look into %s: %w", dir, err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return fmt.Errorf("no certificates in %s: `evenkeel ca init --dir %s` makes an authority", dir, dir)
	}
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "file\tof\tcluster\tends\thosts\tsha-256")
	for _, file := range files {
		c, err := peer.ReadCertificate(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		name, err := peer.CertificateName(c)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		ends := c.NotAfter.Format(time.DateOnly)
		switch left := time.Until(c.NotAfter); {
		case left < 0:
			ends += " (ended)"
		case left < peer.RenewBefore:
			ends += " (soon)"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%x\n", file, ownerOf(c, name), name.Cluster, ends, hostsOf(c),
			sha256.Sum256(c.Raw))
	}
	return table.Flush()
}

func ownerOf(c *x509.Certificate, name peer.Name) string {
	switch {
	case c.IsCA:
		return "authority"
	case name.Node != 0:
		return fmt.Sprintf("node %d", name.Node)
	}
	return "exchange"
}

func hostsOf(c *x509.Certificate) string {
	hosts := make([]string, 0, len(c.DNSNames)+len(c.IPAddresses))
	for _, name := range c.DNSNames {
		if !strings.HasSuffix(name, ".evenkeel.internal") { // how nodes dial each other is nobody else's business
			hosts = append(hosts, name)
		}
	}
	for _, ip := range c.IPAddresses {
		hosts = append(hosts, net.IP.String(ip))
	}
	if len(hosts) == 0 {
		return "-"
	}
	return strings.Join(hosts, ",")
}
