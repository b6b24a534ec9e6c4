#!/usr/bin/env bash
# Orders through three processes with real syncs, beside etcd's puts and an order as a transaction of PostgreSQL, all in
# one run: rates, waits, ratios beside their targets. Arguments go to `evenkeel bench-cluster`.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
go build -o bin/evenkeel .
go build -C tools/rivals -o ../../bin/rivals .
exec bin/evenkeel bench-cluster --rivals bin/rivals "$@"
