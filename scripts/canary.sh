#!/usr/bin/env bash
# A bug is planted behind the build tag `canary`; the tests beside it must see it. A suite that passes here is asleep.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t rooms < <(grep -rlE --include='*.go' '^//go:build canary$' core | xargs -r -n1 dirname | sort -u)
if [ ${#rooms[@]} -eq 0 ]; then
	echo 'canary: no bug is planted behind //go:build canary under core/' >&2
	exit 1
fi
for room in "${rooms[@]}"; do
	# Compiled first, so that a red run below is a test that failed and not a build that did.
	go vet -tags canary "./$room"
	if said=$(go test -count=1 -tags canary "./$room" 2>&1); then
		printf 'canary: the tests of %s do not see the bug that is planted there\n' "$room" >&2
		exit 1
	fi
	if ! grep -q -e '^--- FAIL' -e '^panic:' <<<"$said"; then
		printf 'canary: %s failed without a failing test:\n%s\n' "$room" "$said" >&2
		exit 1
	fi
	printf 'ok  \t%s sees its planted bug\n' "$room"
done
