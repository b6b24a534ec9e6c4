#!/usr/bin/env bash
# Every kind of fault on real processes, TRIALS of each (1), FAULTS a,b only those; the report goes to OUT (bin/drill).
# Rolling upgrades come from a build of the version before.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p bin
go build -o bin/evenkeel .
go build -tags previous -o bin/evenkeel-previous .
go build -tags planted -o bin/evenkeel-planted .
exec bin/evenkeel drill --trials "${TRIALS:-1}" --faults "${FAULTS:-all}" --previous bin/evenkeel-previous \
	--planted bin/evenkeel-planted \
	--out "${OUT:-bin/drill}" "$@"
