#!/usr/bin/env bash
# Makes the recorded game of notebook 00 again: trains the preset mini for 1,200 steps on the embedded text, scores it, and
# lets it guess: runs/shannon.sh [OUT]
set -euo pipefail
out=${1:-models/checkpoints/mini-1200}
cargo build --release -p motamot-cli
cargo build --release -p motamot-course --example shannon_guesses
target/release/motamot train --preset mini --steps 1200 --out "$out"
target/release/motamot eval --model "$out"
target/release/examples/shannon_guesses "$out" data/guesses/mini-1200.txt
sha256sum data/guesses/mini-1200.txt
