#!/usr/bin/env bash
# AdamW beside Muon on the preset mini at equal time, some learning rates each: runs/muon.sh DATA [STEPS] [OUT]
# Muon's steps take longer; by how much is measured first, in turns, and it gets so many fewer of them.
set -euo pipefail
data=$1 steps=${2:-600} out=${3:-target/muon}
motamot=${MOTAMOT:-target/release/motamot}
[ -n "${MOTAMOT:-}" ] || cargo build --release --locked
mkdir -p "$out"

train() { # optimizer, steps, name, settings …
    local optimizer=$1 n=$2 name=$3
    shift 3
    rm -rf "${out:?}/$name"
    "$motamot" train --preset mini --data "$data" --out "$out/$name" --steps "$n" --quiet \
        --set "optimizer=$optimizer" "eval_every=$n" eval_tokens=1000000 sample_tokens=0 "$@"
}
# The fastest step of some, so that what else runs on the machine matters little.
speed() { sed -n 's/.*"tokens_per_s":\([0-9.]*\).*/\1/p' "$out/$1/metrics.jsonl" | sort -n | tail -n 1; }

for round in 1 2; do
    train adamw 15 "speed-adamw-$round"
    train muon 15 "speed-muon-$round"
done
best() { for round in 1 2; do speed "speed-$1-$round"; done | sort -n | tail -n 1; }
fewer=$(awk -v a="$(best adamw)" -v m="$(best muon)" -v n="$steps" 'BEGIN { print int(n * m / a) }')
echo "AdamW $(best adamw) tokens/s, Muon $(best muon): $steps steps against $fewer"
for lr in 1e-3 2e-3 4e-3; do
    train adamw "$steps" "adamw-$lr" "lr=$lr"
    train muon "$fewer" "muon-$lr" "lr=$lr"
    for name in "adamw-$lr" "muon-$lr"; do
        echo "$name: $(sed -n 's/.*"val_bpb":\([0-9.]*\).*/\1 bits per byte/p' "$out/$name/metrics.jsonl" | tail -n 1)"
    done
done
