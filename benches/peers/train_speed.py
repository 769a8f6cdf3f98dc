"""Training and decoding speed beside PyTorch's, in alternating rounds on the same cores.

    cargo build --release
    python benches/peers/train_speed.py [--preset mini|char] [--rounds 3] [--steps 5] [--threads 2] [--isa avx2] [--record FILE.json]

Both sides train the preset (`mini`: 6 layers, width 256, 8 heads, vocabulary 5,000, batch 32; `char`: width 384, 6 heads,
vocabulary 65, batch 64; context 256, tied head, AdamW, clipping, no dropout) on random tokens, in f32 and in bf16, PyTorch
eager and compiled (--torch names some of these). With mini, eager also decodes 255 tokens one at a time with a cache, with
weights in f32 and in bf16.
A ratio is our speed over that of PyTorch's fastest variant of the same precision, and over its fastest of all; figures are
medians over the rounds. Peak memory is that of the process (VmHWM, PyTorch's own code and compiler included).
With --isa both are held to the same instructions. PyTorch gets the malloc settings with which it is fastest.
Where the report says that bf16 was computed in f32, there are no bf16 kernels for this machine. Needs torch (and a C++
compiler for the compiled variants).
"""
import argparse, json, os, statistics, subprocess, sys, time

SIZES = {"mini": dict(V=5000, C=256, H=8, batch=32), "char": dict(V=65, C=384, H=6, batch=64)}
VARIANTS = ["f32", "f32-compiled", "bf16", "bf16-compiled"]
p = argparse.ArgumentParser()
p.add_argument("--preset", choices=SIZES, default="mini"); p.add_argument("--batch", type=int, help="default: the preset's")
p.add_argument("--rounds", type=int, default=3); p.add_argument("--steps", type=int, default=5)
p.add_argument("--threads", type=int, default=2); p.add_argument("--isa", choices=["avx2", "avx512"])
p.add_argument("--torch", nargs="+", choices=VARIANTS, default=VARIANTS, metavar="VARIANT", help=", ".join(VARIANTS))
p.add_argument("--record"); p.add_argument("--torch-side", choices=VARIANTS, help=argparse.SUPPRESS)
p.add_argument("--motamot", default=os.path.join(os.path.dirname(__file__), "../../target/release/motamot"))
a = p.parse_args()
V, C, H, batch = SIZES[a.preset].values()
L, T, batch = 6, 256, a.batch or batch


def torch_side(variant):
    import torch, torch.nn as nn, torch.nn.functional as F
    torch.manual_seed(1); torch.set_num_threads(a.threads)

    class Block(nn.Module):
        def __init__(s):
            super().__init__()
            s.ln_1, s.ln_2 = nn.LayerNorm(C), nn.LayerNorm(C)
            s.c_attn, s.c_proj, s.c_fc, s.mlp = nn.Linear(C, 3 * C), nn.Linear(C, C), nn.Linear(C, 4 * C), nn.Linear(4 * C, C)

        def forward(s, x, past=None):
            B, n, _ = x.shape
            q, k, v = (t.view(B, n, H, C // H).transpose(1, 2) for t in s.c_attn(s.ln_1(x)).split(C, 2))
            if past is not None:
                k, v = (torch.cat([old, new], 2) if old is not None else new for old, new in zip(past, (k, v)))
                past[:] = [k, v]
            y = F.scaled_dot_product_attention(q, k, v, is_causal=past is None)
            x = x + s.c_proj(y.transpose(1, 2).reshape(B, n, C))
            return x + s.mlp(F.gelu(s.c_fc(s.ln_2(x)), approximate="tanh"))

    class Gpt(nn.Module):
        def __init__(s):
            super().__init__()
            s.wte, s.wpe, s.ln_f = nn.Embedding(V, C), nn.Embedding(T, C), nn.LayerNorm(C)
            s.h = nn.ModuleList(Block() for _ in range(L))

        def forward(s, x, at=0, cache=None):
            x = s.wte(x) + s.wpe.weight[at : at + x.shape[1]]
            for i, b in enumerate(s.h): x = b(x, cache[i] if cache else None)
            return s.ln_f(x) @ s.wte.weight.T

    model = Gpt()
    run = torch.compile(model) if variant.endswith("compiled") else model
    cast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=variant.startswith("bf16"))
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    times = []
    for _ in range(a.steps + 2):
        x = torch.randint(V, (batch, T)); y = torch.randint(V, (batch, T))
        t = time.perf_counter()
        with cast(): loss = F.cross_entropy(run(x).view(-1, V), y.view(-1))
        opt.zero_grad(set_to_none=True); loss.backward(); nn.utils.clip_grad_norm_(model.parameters(), 1.0); opt.step()
        times.append(time.perf_counter() - t)
    # The process's own peak: getrusage would also count what its parent had before it became this program.
    peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024 / 1e6
    report = {"train": batch * T / statistics.median(times[2:]), "peak_mb": peak, "torch": torch.__version__}
    if variant in ("f32", "bf16") and a.preset == "mini":
        if variant == "bf16": model = model.bfloat16()
        model.eval(); speeds = []
        with torch.no_grad():
            for _ in range(3):
                cache = [[None, None] for _ in range(L)]; token = torch.zeros(1, 1, dtype=torch.long); t = time.perf_counter()
                for at in range(T - 1):
                    token = torch.multinomial(torch.softmax(model(token, at, cache)[:, -1].float(), -1), 1)
                speeds.append((T - 1) / (time.perf_counter() - t))
        report["decode"] = statistics.median(speeds)
    print(json.dumps(report))


if a.torch_side:
    torch_side(a.torch_side); sys.exit()
env = {**os.environ, "MALLOC_MMAP_MAX_": "0", "MALLOC_TOP_PAD_": "536870912"}
ours_env = {**os.environ}
if a.isa:
    ours_env["MOTAMOT_ISA"] = a.isa
if a.isa == "avx2":
    env.update(ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2", MKL_ENABLE_INSTRUCTIONS="AVX2")
if a.isa == "avx512":
    env.update(ATEN_CPU_CAPABILITY="avx512", ONEDNN_MAX_CPU_ISA="AVX512_CORE")
sizes = ["--batch", str(batch), "--steps", str(a.steps), "--threads", str(a.threads), "--preset", a.preset]


def run(command, env):
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode: sys.exit(f"error: {' '.join(command)}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def ours(precision):
    parts = ["train", "decode"] if a.preset == "mini" else ["train"]
    m = run([a.motamot, "bench", *parts, "--json", "--precision", precision, *sizes], ours_env)
    return {"train": m["train_tokens_per_s"], "peak_mb": m["train_peak_mb"], "computed_in": m["precision"], "isa": m["isa"], "decode": m.get({"f32": "decode_tokens_per_s", "bf16": "decode_bf16_tokens_per_s"}[precision])}


theirs = lambda variant: run([sys.executable, __file__, "--torch-side", variant, *sizes], env)
precisions = [x for x in ("f32", "bf16") if any(v.startswith(x) for v in a.torch)]
rows = []
for r in range(a.rounds):
    # A precision of ours, then PyTorch's variants of it: what is compared runs side by side in time.
    row = {"motamot": {}, "pytorch": {}}
    for precision in precisions:
        row["motamot"][precision] = ours(precision)
        for variant in a.torch:
            if variant.startswith(precision): row["pytorch"][variant] = theirs(variant)
    rows.append(row)
    for side, results in row.items():
        for name, x in results.items():
            decode = f", decoding {x['decode']:.0f}" if x.get("decode") else ""
            note = f" (computed in {x['computed_in']}, {x['isa']})" if side == "motamot" else ""
            print(f"round {r + 1}: {side} {name}{note}: training {x['train']:.0f} tokens/s, peak {x['peak_mb'] or 0:.0f} MB{decode}", flush=True)
ratios, memory = {}, {}
for x in precisions:
    rate = lambda kind: statistics.median(r["motamot"][x]["train"] / max(t["train"] for v, t in r["pytorch"].items() if kind(v)) for r in rows)
    ratios[f"training, {x}, over PyTorch's fastest {x}"] = rate(lambda v: v.startswith(x))
    ratios[f"training, {x}, over PyTorch's fastest of all"] = rate(lambda v: True)
    if rows[0]["motamot"][x]["peak_mb"]:
        least = lambda r: min(t["peak_mb"] for v, t in r["pytorch"].items() if v.startswith(x))
        memory[f"peak memory, {x}, over PyTorch's least {x}"] = statistics.median(r["motamot"][x]["peak_mb"] / least(r) for r in rows)
for x in precisions:
    if all("decode" in r["pytorch"].get(x, {}) for r in rows):
        ratios[f"decoding, {x}, over PyTorch eager"] = statistics.median(r["motamot"][x]["decode"] / r["pytorch"][x]["decode"] for r in rows)
for name, x in (ratios | memory).items():
    print(f"{a.preset}, {name}: {x:.2f}")
if a.record:
    with open(a.record, "w") as f:
        json.dump({"preset": a.preset, "batch": batch, "threads": a.threads, "isa": a.isa, "steps": a.steps, "rounds": rows, "ratios": ratios | memory}, f, indent=1)
