package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// etcdNodes is how many processes etcd runs as.
const etcdNodes = 3

// etcdClients is over how many connections the requests are spread: with one, its client is the bottleneck.
const etcdClients = 8

func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// etcd measures puts, sent to the leader, as etcd comes: each is on the disks of two nodes before it is answered.
func (j *job) etcd(ctx context.Context) (err error) {
	var cluster, clients []string
	peers := make([]string, etcdNodes)
	for i := range etcdNodes {
		var addresses [2]string
		for k := range addresses {
			if addresses[k], err = free(); err != nil {
				return err
			}
		}
		clients, peers[i] = append(clients, "http://"+addresses[0]), "http://"+addresses[1]
		cluster = append(cluster, fmt.Sprintf("n%d=%s", i, peers[i]))
	}
	for i := range etcdNodes {
		log, err := os.Create(filepath.Join(j.dir, fmt.Sprintf("etcd-%d.log", i)))
		if err != nil {
			return err
		}
		defer log.Close()
		server := exec.Command("/proc/self/exe", "etcd-server", "--name", fmt.Sprintf("n%d", i), "--data-dir",
			filepath.Join(j.dir, fmt.Sprintf("etcd-%d", i)), "--listen-client-urls", clients[i], "--advertise-client-urls",
			clients[i], "--listen-peer-urls", peers[i], "--initial-advertise-peer-urls", peers[i], "--initial-cluster",
			strings.Join(cluster, ","), "--initial-cluster-state", "new", "--quota-backend-bytes", "8589934592")
		server.Stdout, server.Stderr = log, log
		server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := server.Start(); err != nil {
			return err
		}
		defer func() {
			_ = server.Process.Kill()
			_ = server.Wait()
		}()
	}
	leader, err := etcdLeader(ctx, clients)
	if err != nil {
		return err
	}
	var kv []*clientv3.Client
	for range etcdClients {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{leader}, DialTimeout: 5 * time.Second,
			Logger: zap.NewNop()})
		if err != nil {
			return err
		}
		defer c.Close()
		kv = append(kv, c)
	}
	for _, flight := range j.flights {
		err := j.closedLoop(ctx, "etcd", flight, func(ctx context.Context, worker, i int) error {
			key := fmt.Sprintf("%06d-%06d-%08d", flight, worker, i)
			_, err := kv[worker%len(kv)].Put(ctx, key, strings.Repeat("x", max(1, j.size-len(key))))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// etcdLeader waits for a leader and finds its address.
func etcdLeader(ctx context.Context, clients []string) (string, error) {
	c, err := clientv3.New(clientv3.Config{Endpoints: clients, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	if err != nil {
		return "", err
	}
	defer c.Close()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		for _, address := range clients {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			status, err := c.Status(ctx, address)
			cancel()
			if err == nil && status.Leader != 0 && status.Leader == status.Header.MemberId {
				return address, nil
			}
		}
	}
	return "", errors.New("etcd has no leader")
}
