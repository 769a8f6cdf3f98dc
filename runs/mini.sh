#!/usr/bin/env bash
# Trains the preset mini on the canonical file and scores it beside the n-grams: runs/mini.sh FILE [OUT]
set -euo pipefail
data=$(realpath "$1")
out=${2:-models/checkpoints/mini-canonical}
cargo build --release
target/release/motamot train --preset mini --data "$data" --out "$out"
target/release/motamot eval --model "$out"
target/release/motamot eval --model "$out" --stride 64
target/release/motamot baseline --data "$data"
target/release/motamot baseline --data "$data" --tokenizer "$out/tokenizer.json" --order 3
target/release/motamot generate --model "$out" --prompt "ROMEO:" --seed 1
