"""Speed and memory of training and decoding against context, batch, width, layers and threads.

    cargo build --release
    python3 benches/scaling.py [RECORD.json] [--quick] [--threads 1 2] [--precision bf16]      (runs/scaling.sh does both)

Each row is one process, `motamot bench train decode`, on the preset `mini` with one size changed. The roofline is what the
machine allows: `motamot bench kernels` measures its fastest matrix product and the bandwidth of reading memory, and the
least time of a step or a token is the longer one of FLOP / product speed and bytes / bandwidth. Bytes count as if no cache
held anything between two uses (what `motamot bench --json` calls train_bytes_per_step and decode_bytes_per_token): where
weights fit in a cache, decoding can be above 100 %. Peak memory is the process's. Prints a Markdown table.
"""
import argparse, json, os, platform, subprocess, sys

p = argparse.ArgumentParser()
p.add_argument("record", nargs="?"); p.add_argument("--quick", action="store_true")
p.add_argument("--precision", choices=["f32", "bf16"], default="f32", help="of training; decoding reads weights in f32")
p.add_argument("--threads", type=int, nargs="+", default=[1, 2]); p.add_argument("--steps", type=int, default=3)
p.add_argument("--motamot", default=os.path.join(os.path.dirname(__file__), "../target/release/motamot"))
a = p.parse_args()
# The number of tokens in a step stays at 2,048 along the context and near it elsewhere: what changes is what is named.
SWEEPS = {
    "context": [{"context": t, "batch": max(1, 2048 // t)} for t in (128, 256, 512, 1024, 2048, 4096)],
    "batch": [{"batch": b} for b in (1, 2, 4, 8, 16, 32, 64)],
    "width": [{"width": c, "heads": c // 32, "batch": 8} for c in (128, 256, 512, 768)],
    "layers": [{"layers": l, "batch": 8} for l in (2, 6, 12, 24)],
}
QUICK = {"context": [{"context": t, "batch": 2} for t in (32, 64)], "batch": [{"batch": b, "context": 64} for b in (1, 4)],
         "width": [{"width": 64, "heads": 2, "batch": 2, "context": 64}], "layers": [{"layers": 2, "batch": 2, "context": 64}]}
# From this many tokens a step takes seconds, and one is enough.
LONG = 8192


def bench(parts, threads, sizes, steps):
    sets = [x for key, value in sizes.items() if key != "batch" for x in ("--set", f"{key}={value}")]
    command = [a.motamot, "bench", *parts, "--json", "--preset", "mini", "--precision", a.precision, "--threads", str(threads), "--batch", str(sizes.get("batch", 8)), "--steps", str(steps), *sets]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode: sys.exit(f"error: {' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def cpu():
    try:
        return next(line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


machine = {"cpu": cpu(), "cores": os.cpu_count(), "roofs": {}}
for threads in a.threads:
    m = bench(["kernels"], threads, {"batch": 1 if a.quick else 8}, 1)
    machine["isa"] = m["isa"]
    machine["roofs"][threads] = {"gemm_gflops": m["gemm_gflops"], "read_gb_per_s": m["kernels"]["read_gb_per_s"], "fma_peak_gflops": m["kernels"]["fma_peak_gflops"]}
    print(f"{threads} thread(s), {m['isa']}: fastest product {m['gemm_gflops']:.0f} GFLOP/s of {m['kernels']['fma_peak_gflops']:.0f} between registers, reading {m['kernels']['read_gb_per_s']:.1f} GB/s", flush=True)
rows = []
print("\n| swept | size | threads | training, tokens/s | of the roofline | peak memory, MB | decoding, tokens/s | of the roofline |\n|---|---|---|---|---|---|---|---|")
for name, settings in (QUICK if a.quick else SWEEPS).items():
    for sizes in settings:
        for threads in a.threads:
            batch, context = sizes.get("batch", 8), sizes.get("context", 256)
            # Decoding does not depend on the batch: once is enough.
            parts = ["train"] if name == "batch" and batch > 1 else ["train", "decode"]
            m = bench(parts, threads, sizes, 1 if batch * context >= LONG else a.steps)
            roof = machine["roofs"][threads]
            least = lambda flop, size: max(flop / (roof["gemm_gflops"] * 1e9), size / (roof["read_gb_per_s"] * 1e9))
            tokens = batch * context
            row = {"swept": name, **sizes, "threads": threads, "train_tokens_per_s": m["train_tokens_per_s"], "train_peak_mb": m["train_peak_mb"],
                   "train_gflops": m["train_gflops"], "train_share": m["train_tokens_per_s"] / tokens * least(m["train_flop_per_token"] * tokens, m["train_bytes_per_step"])}
            decode = "– | –"
            if "decode_tokens_per_s" in m:
                row["decode_tokens_per_s"] = m["decode_tokens_per_s"]
                row["decode_share"] = m["decode_tokens_per_s"] * least(m["decode_flop_per_token"], m["decode_bytes_per_token"])
                decode = f"{row['decode_tokens_per_s']:,.0f} | {100 * row['decode_share']:.0f} %"
            rows.append(row)
            size = f"{sizes[name]:,}" + (f" (batch {batch})" if name == "context" else "")
            peak = f"{row['train_peak_mb']:,.0f}" if row["train_peak_mb"] else "–"
            print(f"| {name} | {size} | {threads} | {row['train_tokens_per_s']:,.0f} | {100 * row['train_share']:.0f} % | {peak} | {decode} |", flush=True)
if a.record:
    with open(a.record, "w") as f:
        json.dump({"precision": a.precision, "machine": machine, "rows": rows}, f, indent=1)
