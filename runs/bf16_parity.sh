#!/usr/bin/env bash
# The loss curves of mini and char in bf16 beside those in f32: runs/bf16_parity.sh FILE [STEPS] [BATCH]
# FILE is the canonical Tiny Shakespeare; same seed, same batches, the recipe of each preset without dropout.
# Fails if a step's loss differs by more than 1 %.
set -euo pipefail
data=${1:?usage: runs/bf16_parity.sh FILE [STEPS] [BATCH]} steps=${2:-500} batch=${3:-8}
cargo build --release
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for preset in mini char; do
    for precision in f32 bf16; do
        target/release/motamot train --preset "$preset" --data "$data" --out "$out/$preset-$precision" --quiet \
            --steps "$steps" --batch "$batch" --precision "$precision" \
            --set dropout=0 --set "eval_every=$steps" --set sample_tokens=0
    done
    python3 - "$out/$preset-f32/metrics.jsonl" "$out/$preset-bf16/metrics.jsonl" "$preset" <<'PY'
import json, sys
f32, bf16 = ([json.loads(line) for line in open(path)] for path in sys.argv[1:3])
loss = lambda rows: [row["train_loss"] for row in rows]
apart = [abs(b / a - 1) for a, b in zip(loss(f32), loss(bf16), strict=True)]
worst = max(range(len(apart)), key=apart.__getitem__)
mean = sum(apart) / len(apart)
print(f"{sys.argv[3]}: {len(apart)} steps, losses differ by {mean:.4%} on average, by {apart[worst]:.4%} at most (step {worst + 1})")
print(f"  last loss {loss(f32)[-1]:.4f} in f32, {loss(bf16)[-1]:.4f} in bf16")
sys.exit(apart[worst] > 0.01)
PY
done
