"""The PyTorch twin of a run: the same initial weights, the same batches, the same recipe; compares the losses.

    cargo run --release --example parity -- OUT 200 16 TEXT
    python dev/golden/parity.py OUT [--write dev/golden/char_parity.json]

The model is transformers' GPT2LMHeadModel, loaded from the folder that motamot wrote. `--write` keeps the losses of
PyTorch as the golden of tests/parity.rs (made with `parity -- OUT 10 4`: preset char, the embedded corpus).
"""
import argparse, json, math
import torch
from transformers import GPT2LMHeadModel

p = argparse.ArgumentParser()
p.add_argument("dir"); p.add_argument("--write"); p.add_argument("--threads", type=int, default=2)
a = p.parse_args()
torch.set_num_threads(a.threads)
run = json.load(open(f"{a.dir}/parity.json"))
t, T = run["config"]["train"], run["config"]["model"]["context"]
model = GPT2LMHeadModel.from_pretrained(a.dir, dtype=torch.float32, attn_implementation="eager",
                                        attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0)
model.train()
decay = [w for w in model.parameters() if w.dim() > 1]; rest = [w for w in model.parameters() if w.dim() <= 1]
opt = torch.optim.AdamW([{"params": decay, "weight_decay": t["weight_decay"]}, {"params": rest, "weight_decay": 0.0}],
                        lr=t["lr"], betas=(t["beta1"], t["beta2"]), eps=t["eps"])
losses = []
for step, batch in enumerate(run["batches"]):
    x = torch.tensor(batch["inputs"]).view(-1, T); y = torch.tensor(batch["targets"]).view(-1, T)
    warm = min(t["warmup"], t["steps"] // 5)
    part = (step - warm) / max(1, t["steps"] - warm)
    lr = t["lr"] * (step + 1) / warm if step < warm else t["min_lr"] + 0.5 * (t["lr"] - t["min_lr"]) * (1 + math.cos(math.pi * part))
    for g in opt.param_groups: g["lr"] = lr
    logits = model(x).logits
    loss = torch.nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), y.view(-1))
    opt.zero_grad(set_to_none=True); loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), t["clip"]); opt.step()
    losses.append(loss.item())
    if step < 10 or (step + 1) % 20 == 0:
        print(f"step {step + 1}: PyTorch {losses[-1]:.6f}  motamot {run['losses'][step]:.6f}  difference {abs(losses[-1] - run['losses'][step]):.1e}", flush=True)
worst = max(abs(x - y) for x, y in zip(losses, run["losses"]))
print(f"largest difference over {len(losses)} steps: {worst:.1e}")
if a.write:
    json.dump({"what": "training losses by PyTorch " + torch.__version__.split("+")[0], "preset": "char", "batch": t["batch"], "losses": losses},
              open(a.write, "w"), indent=1)
