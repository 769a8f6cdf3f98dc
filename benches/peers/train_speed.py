"""Training and decoding speed beside PyTorch's, in alternating rounds on the same cores.

    cargo build --release
    python benches/peers/train_speed.py [--rounds 3] [--steps 5] [--threads 2] [--isa avx2] [--record FILE.json]

Both sides train the preset `mini` (6 layers, width 256, 8 heads, vocabulary 5,000, context 256, tied head, AdamW,
clipping, no dropout) in f32 on random tokens, batch 32 × 256, and decode 255 tokens one at a time with a cache.
With --isa both are held to the same instructions. PyTorch gets the malloc settings with which it is fastest.
Needs torch; the figures are medians over the rounds, and the ratio is what counts.
"""
import argparse, json, os, statistics, subprocess, sys, time

p = argparse.ArgumentParser()
p.add_argument("--rounds", type=int, default=3); p.add_argument("--steps", type=int, default=5)
p.add_argument("--threads", type=int, default=2); p.add_argument("--isa", choices=["avx2", "avx512"])
p.add_argument("--batch", type=int, default=32); p.add_argument("--record"); p.add_argument("--torch-side", action="store_true")
p.add_argument("--motamot", default=os.path.join(os.path.dirname(__file__), "../../target/release/motamot"))
a = p.parse_args()
V, C, L, H, T = 5000, 256, 6, 8, 256


def torch_side():
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
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1, fused=True)
    times = []
    for _ in range(a.steps + 2):
        x = torch.randint(V, (a.batch, T)); y = torch.randint(V, (a.batch, T))
        t = time.perf_counter()
        loss = F.cross_entropy(model(x).view(-1, V), y.view(-1))
        opt.zero_grad(set_to_none=True); loss.backward(); nn.utils.clip_grad_norm_(model.parameters(), 1.0); opt.step()
        times.append(time.perf_counter() - t)
    model.eval(); speeds = []
    with torch.no_grad():
        for _ in range(3):
            cache = [[None, None] for _ in range(L)]; token = torch.zeros(1, 1, dtype=torch.long); t = time.perf_counter()
            for at in range(T - 1):
                token = torch.multinomial(torch.softmax(model(token, at, cache)[:, -1], -1), 1)
            speeds.append((T - 1) / (time.perf_counter() - t))
    print(json.dumps({"train": a.batch * T / statistics.median(times[2:]), "decode": statistics.median(speeds), "torch": torch.__version__}))


if a.torch_side:
    torch_side(); sys.exit()
env = {**os.environ, "MALLOC_MMAP_MAX_": "0", "MALLOC_TOP_PAD_": "536870912"}
ours = {**os.environ}
if a.isa:
    ours["MOTAMOT_ISA"] = a.isa
if a.isa == "avx2":
    env.update(ATEN_CPU_CAPABILITY="avx2", ONEDNN_MAX_CPU_ISA="AVX2", MKL_ENABLE_INSTRUCTIONS="AVX2")
rows = []
for r in range(a.rounds):
    m = json.loads(subprocess.run([a.motamot, "bench", "--json", "--batch", str(a.batch), "--steps", str(a.steps), "--threads", str(a.threads)],
                                  env=ours, check=True, capture_output=True, text=True).stdout)
    t = json.loads(subprocess.run([sys.executable, __file__, "--torch-side", "--steps", str(a.steps), "--threads", str(a.threads), "--batch", str(a.batch)],
                                  env=env, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    rows.append({"motamot": m, "pytorch": t})
    print(f"round {r + 1}: train {m['train_tokens_per_s']:.0f} against {t['train']:.0f} tokens/s, decode {m['decode_tokens_per_s']:.0f} against {t['decode']:.0f}, gemm {m['gemm_gflops']:.0f} GFLOP/s", flush=True)
ratio = lambda x, y: statistics.median(r["motamot"][x] / r["pytorch"][y] for r in rows)
train, decode = ratio("train_tokens_per_s", "train"), ratio("decode_tokens_per_s", "decode")
print(f"motamot / PyTorch (median of {a.rounds} rounds): training {train:.2f}, decoding {decode:.2f}")
if a.record:
    with open(a.record, "w") as f: json.dump({"threads": a.threads, "isa": a.isa, "rounds": rows, "ratio_train": train, "ratio_decode": decode}, f, indent=1)
