package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// check refuses a configuration before anything is touched.
func (c *Config) check() error {
	if c.Dir == "" {
		return errors.New("--data: a directory is needed")
	}
	host, err := checkAddress("--listen", c.Listen)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("--listen %s: without TLS only loopback addresses are served, such as 127.0.0.1:8080; "+
			"use --listen-tls for others", c.Listen)
	}
	if c.ListenTLS != "" {
		if _, err := checkAddress("--listen-tls", c.ListenTLS); err != nil {
			return err
		}
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return errors.New("--tls-cert and --tls-key go together")
	}
	if c.Shards < 0 || c.Shards > MaxShards {
		return fmt.Errorf("--shards %d: 1 to %d", c.Shards, MaxShards)
	}
	if c.DemoN < 0 || c.DemoN > MaxDemo {
		return fmt.Errorf("--demo %d: 0 to %d", c.DemoN, MaxDemo)
	}
	return nil
}

func checkAddress(flag, address string) (host string, err error) {
	host, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", fmt.Errorf("%s %q: host:port, such as 127.0.0.1:8080", flag, address)
	}
	return host, nil
}

// ours are the names that a data directory may hold, also with partSuffix; history.db has companions.
var ours = []string{brokerData, layoutName, sealName, sealName + newSuffix,
	exchangeData, "tls", demoName, demoName + newSuffix, demoOld, DeskSocket,
	"history.db", peaksName, "lost+found"}

// openDir makes the data directory, readable by its owner alone. A directory with other people's files is refused: a
// slip of --data must not scatter books over somebody's home.
func (n *Node) openDir(_, _ context.Context) error {
	dir := n.config.Dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	content, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	var foreign []string
	for _, entry := range content {
		name := strings.TrimSuffix(entry.Name(), partSuffix)
		if name == brokerData {
			foreign = nil
			break
		}
		if !slices.Contains(ours, name) && !strings.HasPrefix(name, "history.db") && !strings.HasPrefix(name, ".") {
			foreign = append(foreign, name)
		}
	}
	if len(foreign) > 0 {
		return fmt.Errorf("data directory %s holds no books and other files (%s): give an empty or a new one with --data",
			dir, strings.Join(foreign[:min(3, len(foreign))], ", "))
	}
	probe, err := os.CreateTemp(dir, ".probe-")
	if err != nil {
		return fmt.Errorf("data directory %s cannot be written: %w", dir, err)
	}
	return errors.Join(probe.Close(), os.Remove(filepath.Clean(probe.Name())))
}
