#!/usr/bin/env bash
# Builds the web app into web/dist, from where it goes into the binary. Does nothing when nothing is newer than what was
# built.
set -euo pipefail
cd "$(dirname "$0")/.."
sources=(web/src web/public web/index.html web/package-lock.json web/vite.config.ts web/tsconfig.json api/openapi.yaml)
built=web/dist/index.html
if [ -f "$built" ] && [ -z "$(find "${sources[@]}" -type f -newer "$built" -not -name schema.d.ts -print -quit)" ]; then
	exit 0
fi
printf 'web: building\n'
log=$(mktemp)
trap 'rm -f "$log"' EXIT
(cd web && npm run --silent build) >"$log" 2>&1 || {
	cat "$log" >&2
	exit 1
}
