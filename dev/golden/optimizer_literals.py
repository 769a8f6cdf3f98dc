"""Prints the numbers of tests/training.rs: torch.optim.AdamW with two decay groups and clipping by the global norm.

Needs torch. Run from anywhere: python dev/golden/optimizer_literals.py
"""

import torch

STEPS, LR, BETAS, EPS, DECAY, CLIP = 5, 0.1, (0.9, 0.99), 1e-8, 0.5, 1.0


def values(n, step):
    """Numbers that any language makes the same: multiples of 1/8 between -1 and 1."""
    return torch.tensor([((7 * i + 5 * step + 3) % 17 - 8) / 8 for i in range(n)])


matrix = torch.nn.Parameter(values(6, 0).reshape(2, 3))
bias = torch.nn.Parameter(values(3, 1))
optimizer = torch.optim.AdamW(
    [{"params": [matrix], "weight_decay": DECAY}, {"params": [bias], "weight_decay": 0.0}], lr=LR, betas=BETAS, eps=EPS
)
norms = []
for step in range(1, STEPS + 1):
    # The third step's gradients are small: there is nothing to clip.
    scale = 0.125 if step == 3 else 1.0
    matrix.grad = scale * values(6, 2 * step).reshape(2, 3)
    bias.grad = scale * values(3, 2 * step + 1)
    norms.append(torch.nn.utils.clip_grad_norm_([matrix, bias], CLIP).item())
    optimizer.step()
for name, tensor in [
    ("MATRIX", matrix),
    ("BIAS", bias),
    ("MATRIX_M", optimizer.state[matrix]["exp_avg"]),
    ("BIAS_V", optimizer.state[bias]["exp_avg_sq"]),
    ("NORMS", torch.tensor(norms)),
]:
    print(f"const {name}: [f32; {tensor.numel()}] = [{', '.join(f'{x:.9g}' for x in tensor.flatten().tolist())}];")
