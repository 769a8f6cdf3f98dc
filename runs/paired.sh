#!/usr/bin/env bash
# Two programs beside each other, in turns: training and decoding of mini in f32, tokens/s of each round and the ratio of
# the medians: runs/paired.sh OLD NEW [ROUNDS] [OUT.json]
set -euo pipefail
old=$1 new=$2 rounds=${3:-4} out=${4:-}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for round in $(seq "$rounds"); do
    for name in old new; do
        "${!name}" bench train decode --preset mini --batch 8 --steps 7 --json >"$tmp/$name.$round"
    done
done
python3 - "$tmp" "$rounds" "$out" <<'PYTHON'
import json, statistics, sys
folder, rounds, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
runs = {name: [json.load(open(f"{folder}/{name}.{i + 1}")) for i in range(rounds)] for name in ("old", "new")}
keys = ["train_tokens_per_s", "decode_tokens_per_s", "decode_bf16_tokens_per_s", "decode_int8_tokens_per_s", "train_peak_mb"]
record = {"isa": runs["new"][0]["isa"], "threads": runs["new"][0]["threads"]}
for key in keys:
    rows = {name: [round(run[key]) for run in runs[name]] for name in runs}
    ratio = statistics.median(rows["new"]) / statistics.median(rows["old"])
    record[key] = {**rows, "ratio": round(ratio, 4)}
    print(f"{key:<26} old {rows['old']}  new {rows['new']}  ratio {ratio:.3f}")
if out:
    open(out, "w").write(json.dumps(record, indent=1) + "\n")
PYTHON
