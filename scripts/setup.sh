#!/usr/bin/env bash
# Installs what is missing: `setup.sh run` for running (a Go toolchain, Node.js and what builds the web app),
# `setup.sh test` for the tests as well (a C compiler for the race detector, a PostgreSQL server, Chromium and a Chinese
# font, slowhttptest and h2load for attacks, nftables for drills, the published Node SDKs, the linter of the API's
# description). Says nothing when all is there.
# Runs as root or with sudo on Debian and its kin; elsewhere it says what to install.
set -euo pipefail
cd "$(dirname "$0")/.."
for_what=${1:-test}

fail() {
	printf 'setup: %s\n' "$*" >&2
	exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

have_postgres() {
	have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

# The toolchain that go.mod names is fetched by any Go since 1.21.
have go || fail "Go is missing: install 1.21 or later from https://go.dev/dl/ and put it on PATH"

missing=()
have node || missing+=(nodejs)
have npm || missing+=(npm)
if [ "$for_what" != run ]; then
	have gcc || missing+=(gcc libc6-dev)
	have_postgres || missing+=(postgresql)
	have chromium || missing+=(chromium)
	have slowhttptest || missing+=(slowhttptest)
	have h2load || missing+=(nghttp2-client)
	[ -n "$(fc-list :lang=zh 2>/dev/null | head -1)" ] || missing+=(fontconfig fonts-wqy-microhei)
	# Drills cut networks and fail disks; without root they leave those out, and need neither.
	[ "$(id -u)" -ne 0 ] || have nft || [ -x /usr/sbin/nft ] || missing+=(nftables)
	[ "$(id -u)" -ne 0 ] || have ip || [ -x /usr/sbin/ip ] || missing+=(iproute2)
fi
if [ ${#missing[@]} -gt 0 ]; then
	have apt-get || fail "please install ${missing[*]} (there is no apt-get here to do it with)"
	as_root=()
	if [ "$(id -u)" -ne 0 ]; then
		have sudo || fail "please run as root: apt-get install ${missing[*]}"
		as_root=(sudo)
	fi
	printf 'setup: installing %s\n' "${missing[*]}"
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	export DEBIAN_FRONTEND=noninteractive
	for step in "update" "install -y --no-install-recommends ${missing[*]}"; do
		# shellcheck disable=SC2086 # the words of a step are meant to split
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq $step >"$log" 2>&1 || {
			cat "$log" >&2
			fail "apt-get $step failed; its output is above"
		}
	done
fi

# The oldest Node.js that the web app's build and the published SDK 4.0.2 name.
node_least=20
node_major=$(node -p 'process.versions.node.split(".")[0]')
[ "$node_major" -ge $node_least ] ||
	fail "Node.js $node_major is too old for the web app and the published SDK 4.0.2: install $node_least or later from https://nodejs.org/"

folders=(web)
[ "$for_what" = run ] || folders+=(test/sdk/node3 test/sdk/node4 test/openapi test/screen)
for folder in "${folders[@]}"; do
	# npm writes .package-lock.json last: newer than the lock means that the install is whole and current.
	if [ ! "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then
		printf 'setup: npm ci in %s\n' "$folder"
		(cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) ||
			fail "npm ci in $folder failed; its output is above"
	fi
done
