#!/usr/bin/env bash
# Every Go benchmark, each beside its reference in one run, then order to acknowledgement over REST on an open loop.
# BENCH narrows the benchmarks, PKG the packages, COUNT repeats them (for benchstat, `make tools` builds it).
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t packages < <(go list "${PKG:-./...}" | while read -r package; do
	if grep -qsE '^func Benchmark' "$(go list -f '{{.Dir}}' "$package")"/*_test.go; then echo "$package"; fi
done)
if [ ${#packages[@]} -gt 0 ]; then
	# One package at a time: benchmarks that share the processors measure each other.
	go test -p 1 -run '^$' -bench "${BENCH:-.}" -benchmem -count "${COUNT:-1}" -timeout 60m "${packages[@]}"
fi
exec go run . bench "$@"
