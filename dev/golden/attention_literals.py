"""The literals of crates/kernels/src/attention/tests.rs (`agrees_with_pytorch`), from PyTorch in f64.

Run: python dev/golden/attention_literals.py     (torch 2.x)
The inputs are small rationals that a test can write as a formula: x[n] = ((n·a + c) mod m)/m − ½.
"""
import torch

B, H, G, T, S, D = 1, 2, 1, 3, 4, 2  # batch, heads, key-value heads, queries, keys, head width


def numbers(n, a, c, m):
    return torch.tensor([((i * a + c) % m) / m - 0.5 for i in range(n)], dtype=torch.float64)


q = (numbers(B * T * H * D, 7, 3, 16) * 4).view(B, T, H, D).requires_grad_()
k = (numbers(B * S * G * D, 5, 1, 16) * 4).view(B, S, G, D).requires_grad_()
v = (numbers(B * S * G * D, 3, 2, 16) * 4).view(B, S, G, D).requires_grad_()
d_out = (numbers(B * T * H * D, 11, 5, 16) * 4).view(B, T, H, D)

# PyTorch's is_causal aligns the first query with the first key; here the last query is aligned with the last key.
mask = torch.ones(T, S, dtype=torch.bool).tril(diagonal=S - T)
out = torch.nn.functional.scaled_dot_product_attention(
    q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask, enable_gqa=True
).transpose(1, 2)
scores = (q.transpose(1, 2) @ k.transpose(1, 2).repeat_interleave(H // G, 1).transpose(2, 3)) / D**0.5
lse = torch.logsumexp(scores.masked_fill(~mask, float("-inf")), -1)
out.backward(d_out)

for name, x in [("OUT", out), ("LSE", lse), ("DQ", q.grad), ("DK", k.grad), ("DV", v.grad)]:
    print(f"const {name}: [f64; {x.numel()}] =\n    [" + ", ".join(f"{y:.8f}" for y in x.flatten().tolist()) + "];")
