#!/bin/sh
# Owns `make check`: runs every check even when one fails, so that one run shows all faults.
cd "$(dirname "$0")/../.." || exit 1
status=0

check() {
  name=$1
  shift
  printf '%s\n' "$name"
  "$@" || status=1
}

check 'types' node_modules/.bin/tsc --noEmit
check 'lint' node_modules/.bin/eslint .
check 'format' node_modules/.bin/prettier --check --log-level warn .
check 'repository' node --import tsx test/support/lint/repository.ts
[ "$status" -eq 0 ] && echo 'all checks passed' || echo 'a check failed' >&2
exit "$status"
