#!/usr/bin/env bash
# Speed beside PyTorch in alternating rounds: runs/speed.sh [PYTHON]
set -euo pipefail
python=${1:-python3}
cargo build --release
"$python" benches/peers/train_speed.py --rounds 3
"$python" benches/peers/train_speed.py --rounds 3 --preset char
"$python" benches/peers/train_speed.py --rounds 3 --isa avx2
