#!/bin/sh
# Owns the installation of the npm packages: does nothing when what is there is what package-lock.json says and its native part loads.
set -eu
cd "$(dirname "$0")/../.."

if node conf/build/installed.mjs 2>/dev/null; then exit 0; fi
sh conf/build/prerequisites.sh

# Headers that came with node spare node-gyp a download, which a machine without network could not make.
if [ -z "${npm_config_nodedir:-}" ]; then
  for node in "$(command -v node)" "$(readlink -f "$(command -v node)" 2>/dev/null || true)"; do
    prefix=$(dirname "$(dirname "$node")")
    if [ -f "$prefix/include/node/node.h" ]; then
      export npm_config_nodedir="$prefix"
      break
    fi
  done
fi

echo 'Installing npm packages; SQLite is compiled for this machine (two minutes on a PC, a quarter of an hour on a board).'
npm ci --prefer-offline --no-audit --no-fund
node conf/build/installed.mjs
