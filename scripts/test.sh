#!/usr/bin/env bash
# Every test once, in the order in which a failure says most: form, rooms, canary, SDKs.
#
# Rooms in which goroutines meet run under the race detector; core/, where a test forbids goroutines, runs without it and
# so keeps its allocation counts. RACE= turns the detector off, RACE=-race is the default. TESTFLAGS adds flags.
set -euo pipefail
cd "$(dirname "$0")/.."
race=${RACE--race}
flags=(-shuffle=on -timeout "${TIMEOUT:-15m}")
read -r -a more <<<"${TESTFLAGS:-}"
flags+=(${more[@]+"${more[@]}"})
started=$SECONDS

step() { printf -- '--- %s (%ds)\n' "$1" $((SECONDS - started)); }

step 'form'
scripts/check.sh

step 'core and root'
mapfile -t pure < <(go list ./core/...)
go test "${flags[@]}" . "${pure[@]}"

step "rooms with goroutines ${race:-without the race detector}"
mapfile -t shell < <(go list ./... | grep -v -e '^evenkeel$' -e '^evenkeel/core/' -e '^evenkeel/test/sdk$' -e '^evenkeel/test/screen$' -e '^evenkeel/sim$')
if [ ${#shell[@]} -gt 0 ]; then
	CGO_ENABLED=1 go test ${race:+"$race"} "${flags[@]}" "${shell[@]}"
fi

step 'simulation: 1,000 seeds'
SEEDS=${SEEDS:-1000} scripts/sim.sh

step 'simulation: planted bugs'
BUGS=quick scripts/sim.sh planted

step 'canary'
scripts/canary.sh

step 'published SDKs'
EVENKEEL_SETUP=done go test -count=1 -timeout 10m ./test/sdk

step 'web app'
(cd web && npm run --silent types >/dev/null && npm test --silent)

step 'screen in a browser'
EVENKEEL_SETUP=done go test -count=1 -timeout 28m ./test/screen

step 'all passed'
