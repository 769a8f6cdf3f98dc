#!/usr/bin/env bash
# Two programs beside each other, in turns: training (f32 and bf16) and decoding of a preset, tokens/s of each round and
# the median of the rounds' ratios: runs/paired.sh OLD NEW [ROUNDS] [OUT.json] [PRESET]
set -euo pipefail
old=$1 new=$2 rounds=${3:-4} out=${4:-} preset=${5:-mini}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for round in $(seq "$rounds"); do
    for name in old new; do
        "${!name}" bench train decode --preset "$preset" --batch 8 --steps 7 --json >"$tmp/$name.$round"
        "${!name}" bench train --preset "$preset" --precision bf16 --batch 8 --steps 7 --json >"$tmp/$name.$round.bf16"
    done
done
python3 - "$tmp" "$rounds" "$out" <<'PYTHON'
import json, statistics, sys
folder, rounds, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def read(name, i):
    run = json.load(open(f"{folder}/{name}.{i + 1}"))
    return run | {"train_bf16_tokens_per_s": json.load(open(f"{folder}/{name}.{i + 1}.bf16"))["train_tokens_per_s"]}
runs = {name: [read(name, i) for i in range(rounds)] for name in ("old", "new")}
keys = ["train_tokens_per_s", "train_bf16_tokens_per_s", "decode_tokens_per_s", "decode_bf16_tokens_per_s", "decode_int8_tokens_per_s", "train_peak_mb"]
record = {"isa": runs["new"][0]["isa"], "threads": runs["new"][0]["threads"]}
for key in keys:
    rows = {name: [round(run[key]) for run in runs[name]] for name in runs}
    # Of each round: a machine whose clock changes between rounds would spoil a ratio of medians.
    ratio = statistics.median(new / old for old, new in zip(rows["old"], rows["new"]))
    record[key] = {**rows, "ratio": round(ratio, 4)}
    print(f"{key:<26} old {rows['old']}  new {rows['new']}  ratio {ratio:.3f}")
if out:
    open(out, "w").write(json.dumps(record, indent=1) + "\n")
PYTHON
