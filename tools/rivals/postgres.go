package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgresPool is how many connections work at most. More make PostgreSQL slower on few processors; requests beyond
// wait for one, as in any service.
const postgresPool = 64

// postgresAccounts is over how many rows the orders are spread.
const postgresAccounts = 10_000

const schema = `
create table account (id bigint primary key, available bigint not null check (available >= 0), frozen bigint not null);
create table placed (id bigint generated always as identity primary key, account bigint not null references account,
	client text not null, security int not null, side smallint not null, price bigint not null, quantity bigint not null,
	status smallint not null, at timestamptz not null default now(), unique (account, client));
insert into account select n, 1000000000000, 0 from generate_series(0, %d - 1) n;`

// postgres measures an order as one transaction: cash is frozen and the order is inserted, in one round trip.
func (j *job) postgres(ctx context.Context) error {
	pool, stop, err := j.openPostgres(ctx)
	if err != nil {
		return err
	}
	defer stop()
	defer pool.Close()
	for _, flight := range j.flights {
		err := j.closedLoop(ctx, "postgres", flight, func(ctx context.Context, worker, i int) error {
			account := int64(worker*7919+i) % postgresAccounts
			var batch pgx.Batch // without begin and commit it is one transaction all the same
			batch.Queue("update account set available = available - $2, frozen = frozen + $2 where id = $1 and available >= $2",
				account, int64(100_000))
			batch.Queue("insert into placed (account, client, security, side, price, quantity, status) "+
				"values ($1, $2, 7, 1, 1000, 100, 1)", account, fmt.Sprintf("%d-%d-%d", flight, worker, i))
			return pool.SendBatch(ctx, &batch).Close()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// openPostgres makes a server of its own, as it comes but for what a server of this size is given: synchronous commit
// and fsync are on, and connections are enough.
func (j *job) openPostgres(ctx context.Context) (_ *pgxpool.Pool, stop func(), err error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, nil, err
	}
	data := filepath.Join(j.dir, "postgres")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, nil, err
	}
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 { // it refuses to run as root
		owner, err := user.Lookup("postgres")
		if err != nil {
			return nil, nil, err
		}
		uid, _ := strconv.Atoi(owner.Uid)
		gid, _ := strconv.Atoi(owner.Gid)
		attributes.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := errors.Join(os.Chown(data, uid, gid), os.Chmod(j.dir, 0o755)); err != nil {
			return nil, nil, err
		}
	}
	init := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", "bench", "-A", "trust")
	init.SysProcAttr, init.Dir = attributes, data
	if out, err := init.CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	server := exec.Command(filepath.Join(bin, "postgres"), "-D", data, "-h", "", "-k", data, "-c", "max_connections=200",
		"-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB", "-c", "synchronous_commit=on", "-c", "fsync=on")
	server.SysProcAttr, server.Dir = attributes, data
	log, err := os.Create(filepath.Join(j.dir, "postgres.log"))
	if err != nil {
		return nil, nil, err
	}
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		_ = server.Process.Signal(syscall.SIGINT)
		_ = server.Wait()
		_ = log.Close()
	}
	config, err := pgxpool.ParseConfig(fmt.Sprintf("host=%s user=bench dbname=postgres pool_max_conns=%d", data,
		postgresPool))
	if err != nil {
		return nil, nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		stop()
		return nil, nil, err
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if _, err = pool.Exec(ctx, fmt.Sprintf(schema, postgresAccounts)); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		pool.Close()
		stop()
		return nil, nil, err
	}
	return pool, stop, nil
}

func postgresBin() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		return "", errors.New("PostgreSQL is not installed (scripts/setup.sh test)")
	}
	return found[len(found)-1], nil
}
