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
	"syscall"
	"testing"
	"time"

	"evenkeel/test/rig"
)

// A clusterFile is what `evenkeel cluster` writes to cluster.json, for programs.
type clusterFile struct {
	Nodes    []clusterNode `json:"nodes"`
	Accounts []struct {
		KeyID  string `json:"key_id"`
		Secret string `json:"secret"`
	} `json:"accounts"`
}

type clusterNode struct {
	Name    string   `json:"name"`
	PID     int      `json:"pid"`
	HTTP    string   `json:"http"`
	Command []string `json:"command"`
}

// killEvery is how long the nodes are left in peace between two deaths.
const killEvery = 700 * time.Millisecond

// TestPublishedSDKOnACluster runs the Go SDK's program against one node of three, while the two others are killed in
// turn with kill -9 and started again: leaders of both shards among them. The program sees nothing of it.
func TestPublishedSDKOnACluster(t *testing.T) {
	if testing.Short() {
		t.Skip("a cluster and a published SDK take a minute or two; run without -short")
	}
	program := buildProgram(t)
	c := openCluster(t)
	ctx, cancel := context.WithCancel(t.Context())
	deaths := make(chan int, 1)
	go func() { deaths <- killInTurn(ctx, t, c.Nodes[1:]) }()
	var house demo
	house.HTTP = c.Nodes[0].HTTP
	for _, a := range c.Accounts {
		house.Accounts = append(house.Accounts, struct {
			Login    string `json:"login"`
			Password string `json:"password"`
			KeyID    string `json:"key_id"`
			Secret   string `json:"secret"`
		}{KeyID: a.KeyID, Secret: a.Secret})
	}
	play(t, house, 0, []string{program})
	cancel()
	if n := <-deaths; n < 2 {
		t.Errorf("%d nodes died while the program ran; it proves nothing", n)
	} else {
		t.Logf("%d nodes died while the program ran", n)
	}
}

// openCluster starts a cluster of three nodes and two shards, and waits until it says where everything is.
func openCluster(t *testing.T) (c clusterFile) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cluster")
	p := rig.Run(t, "cluster", "--dir", dir, "--shards", "2")
	t.Cleanup(func() {
		p.Stop()
		for _, name := range []string{"exchange", "node-1", "node-2", "node-3"} {
			if text, _ := os.ReadFile(filepath.Join(dir, name+".log")); t.Failed() {
				t.Logf("%s said last:\n%s", name, text[max(0, len(text)-2000):])
			}
		}
	})
	p.Until(2*startLimit, func() error {
		text, err := os.ReadFile(filepath.Join(dir, "cluster.json"))
		if err == nil {
			err = json.Unmarshal(text, &c)
		}
		if err == nil && len(c.Accounts) == 0 {
			err = errors.New("no accounts yet")
		}
		return err
	})
	return c
}

// killInTurn kills one node after the other, and starts it again, until the context ends; it returns how many died.
func killInTurn(ctx context.Context, t *testing.T, nodes []clusterNode) (deaths int) {
	again := make([]*exec.Cmd, len(nodes))
	defer func() {
		for _, c := range again {
			if c != nil {
				_ = c.Process.Signal(syscall.SIGTERM)
				_ = c.Wait() // asked to end, it ends well
			}
		}
	}()
	for i := 0; ; i = (i + 1) % len(nodes) {
		select {
		case <-ctx.Done():
			return deaths
		case <-time.After(killEvery):
		}
		pid := nodes[i].PID
		if again[i] != nil {
			pid = again[i].Process.Pid
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Errorf("kill %s: %v", nodes[i].Name, err)
			return deaths
		}
		deaths++
		if again[i] != nil {
			_ = again[i].Wait() // killed
		}
		again[i] = exec.Command(nodes[i].Command[0], nodes[i].Command[1:]...)
		if err := errors.Join(again[i].Start(), awaitNode(ctx, nodes[i].HTTP)); err != nil && ctx.Err() == nil {
			t.Errorf("start %s again: %v", nodes[i].Name, err)
			return deaths
		}
	}
}

// awaitNode waits until a node is ready.
func awaitNode(ctx context.Context, url string) error {
	deadline := time.After(startLimit)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("%s says %s", url, answer.Status)
		}
		select {
		case <-ticker.C:
		case <-deadline:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
