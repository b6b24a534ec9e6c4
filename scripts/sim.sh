#!/usr/bin/env bash
# The simulation (package sim). SEEDS seeds from FROM, or with SEEDS=1 TRACE=1 one of them, told. `planted` plants one
# bug after the other and says which seed finds it.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = planted ]; then
	EVENKEEL_PLANTED=${BUGS:-all} exec go test -count=1 -timeout 2h -v -tags planted -run '^TestPlanted$' ./sim
fi
export SEEDS=${SEEDS:-1000} FROM=${FROM:-1}
if [ "$SEEDS" = 1 ]; then
	exec go test -count=1 -timeout 10m -v -run '^TestLife$' ./sim
fi
exec go test -count=1 -timeout 2h -v -run '^TestSeeds$' ./sim
