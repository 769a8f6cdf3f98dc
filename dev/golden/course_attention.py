"""Frozen values of exercise 03.2 and of notebook 03: causal attention in f64 by PyTorch.

    python dev/golden/course_attention.py
"""

import torch

torch.set_printoptions(precision=12)
q = torch.tensor([[1.0, 0.5], [-0.5, 2.0], [0.25, -1.0]], dtype=torch.float64)
k = torch.tensor([[0.5, 1.0], [1.5, -0.5], [-1.0, 0.75]], dtype=torch.float64)
v = torch.tensor([[1.0, 2.0], [3.0, -1.0], [-2.0, 0.5]], dtype=torch.float64)
for x in (q, k, v):
    x.requires_grad_()
scores = (q @ k.T / 2**0.5).masked_fill(torch.ones(3, 3).triu(1).bool(), float("-inf"))
p = scores.softmax(-1)
y = p @ v
r = torch.tensor([[1.0, -1.0], [0.5, 2.0], [-1.5, 1.0]], dtype=torch.float64)
(y * r).sum().backward()
for name, x in [("p", p), ("y", y), ("dq", q.grad), ("dk", k.grad), ("dv", v.grad)]:
    print(name, [round(float(a), 10) for a in x.detach().flatten()])
