#!/usr/bin/env bash
# What a program can check in seconds: form, vet, the import table, the purity of core/, tidiness. go vet also compiles
# every test.
set -euo pipefail
cd "$(dirname "$0")/.."
unformatted=$(find . -name '*.go' -not -path '*/node_modules/*' -not -path './.git/*' -print0 | xargs -0 gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'not gofmt-ed:\n%s\n' "$unformatted" >&2
	exit 1
fi
go vet ./...
go test -count=1 -run 'Floors|Purity|Tidy' .
