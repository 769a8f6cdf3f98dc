#!/usr/bin/env bash
# How many packages a user of the library compiles, itself included: at most 39, and neither pictures nor a command line.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=$(cargo tree --locked --edges normal --package motamot --prefix none --format '{p}' | sed 's/ (.*//' | sort -u)
count=$(wc -l <<<"$packages")
if [ "$count" -ge 40 ] || grep -E '^(clap|plotters|image|ureq|indicatif|rustyline|pulldown-cmark) ' <<<"$packages"; then
    echo "error: the library alone stands on $count packages" >&2
    echo "help: at most 39, and none that only the course or the command needs; see Cargo.toml" >&2
    exit 1
fi
echo "$count packages"
