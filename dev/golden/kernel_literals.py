"""Prints the literals that the tests of crates/kernels compare with. Needs torch."""
import torch
import torch.nn.functional as F

torch.set_printoptions(precision=9, sci_mode=False)


def show(name, t):
    print(f"{name}: [" + ", ".join(f"{v:.9g}" for v in t.detach().flatten().tolist()) + "]")


x = torch.tensor([-3.0, -1.0, -0.1, 0.0, 0.5, 1.0, 2.5, 6.0])
for name, f in [("gelu", F.gelu), ("gelu_tanh", lambda t: F.gelu(t, approximate="tanh")), ("silu", F.silu)]:
    t = x.clone().requires_grad_()
    y = f(t)
    y.sum().backward()
    show(name, y)
    show(name + " backward of ones", t.grad)

rows = torch.tensor([[1.0, 2.0, -1.0, 0.5], [0.1, -0.2, 3.0, 4.0]])
w, b = torch.tensor([1.0, -0.5, 2.0, 0.25]), torch.tensor([0.1, 0.2, -0.3, 0.0])
dy = torch.tensor([[1.0, -1.0, 0.5, 2.0], [0.3, 0.7, -0.2, 1.0]])
for name, f in [("layer_norm", lambda x, w, b: F.layer_norm(x, (4,), w, b, 1e-5)), ("rms_norm", lambda x, w, b: F.rms_norm(x, (4,), w, 1e-6) + 0 * b)]:
    t = [v.clone().requires_grad_() for v in (rows, w, b)]
    y = f(*t)
    y.backward(dy)
    show(name, y)
    for part, v in zip("dx dw db".split(), t):
        show(f"{name} {part}", v.grad)

t = rows.clone().requires_grad_()
nll = F.cross_entropy(t, torch.tensor([2, 3]), reduction="none")
nll.backward(torch.tensor([1.0, 0.5]))
show("cross_entropy", nll)
show("cross_entropy backward", t.grad)

p = torch.nn.Parameter(torch.tensor([0.5, -1.0, 2.0, 0.0]))
o = torch.optim.AdamW([p], lr=0.01, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
for step in range(5):
    p.grad = torch.tensor([0.1, -0.2, 0.0, 3.0]) * (step - 1.5)
    o.step()
show("adamw after 5 steps", p)

