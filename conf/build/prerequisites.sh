#!/bin/sh
# Owns the look at the machine before anything is installed: names each tool that is missing, in one sentence, with its Debian package.
set -u
missing=0

say() {
  printf '%s\n' "$1" >&2
  missing=1
}

if version=$(node --version 2>/dev/null); then
  major=${version#v}
  major=${major%%.*}
  [ "$major" -ge 20 ] 2>/dev/null || say "node $version is too old: install Node.js 20 or newer (nodejs in Debian 13, or from nodejs.org)."
else
  say 'node is missing: install Node.js 20 or newer (apt-get install nodejs in Debian 13, or from nodejs.org).'
fi
command -v npm >/dev/null 2>&1 || say 'npm is missing: it fetches the packages (apt-get install npm).'
command -v python3 >/dev/null 2>&1 || say 'python3 is missing: node-gyp needs it to compile SQLite (apt-get install python3).'
command -v "${CXX:-g++}" >/dev/null 2>&1 || command -v c++ >/dev/null 2>&1 || command -v clang++ >/dev/null 2>&1 ||
  say 'a C++ compiler is missing: SQLite is compiled for this machine (apt-get install g++).'
command -v make >/dev/null 2>&1 || say 'make is missing: node-gyp needs it to compile SQLite (apt-get install make).'
exit "$missing"
