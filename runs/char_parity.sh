#!/usr/bin/env bash
# 200 steps of the preset char beside PyTorch, from the same weights and batches: runs/char_parity.sh FILE [PYTHON] [BATCH]
set -euo pipefail
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cargo run --release --example parity -- "$out" 200 "${3:-16}" "$1" char
"${2:-python3}" dev/golden/parity.py "$out"
