#!/usr/bin/env bash
# How speed and memory follow context, batch, width, layers and threads: runs/scaling.sh [RECORD.json] [--quick] [--precision bf16]
# Some six minutes on two cores; needs python3 (nothing installed). --quick takes tiny sizes, to see that it works.
set -euo pipefail
cargo build --release
python3 benches/scaling.py "$@"
