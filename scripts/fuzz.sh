#!/usr/bin/env bash
# Runs every fuzz target, found by its name, for FUZZTIME each. PKG narrows the packages. A failing input is written
# under the package's testdata/fuzz and fails `go test` from then on.
set -euo pipefail
cd "$(dirname "$0")/.."
for package in $(go list "${PKG:-./...}"); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		printf -- '--- %s %s\n' "$package" "$target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-1m}" "$package"
	done
done
