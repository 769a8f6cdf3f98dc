"""Writes op_literals.json: what PyTorch gives for each op of crates/tensor, forward and backward. Needs torch.

    python dev/golden/op_literals.py

Each case has its inputs, dy, the result and the gradient of every input for the loss sum(dy * y), computed in f64.
"""
import json
import pathlib

import torch
import torch.nn.functional as F

generator = torch.Generator().manual_seed(1)
cases = {}


def randn(*shape):
    """Normal numbers with two digits, so that the file shows them in full."""
    return (torch.randn(shape, generator=generator) * 100).round() / 100


def numbers(t):
    """The nearest f32 in the fewest digits that give it back."""
    return [float(str(v)) for v in t.detach().flatten().float().numpy()]


def tensor(t):
    return {"shape": list(t.shape), "values": numbers(t)}


def case(name, inputs, f, gradient=True):
    leaves = [t.double().requires_grad_(gradient) for t in inputs]
    y = f(*leaves)
    dy = randn(*y.shape)
    if gradient:
        y.backward(dy)
    entry = {"inputs": [tensor(t) for t in inputs], "y": tensor(y), "dy": numbers(dy)}
    entry["gradients"] = [numbers(t.grad) for t in leaves] if gradient else []
    assert name not in cases
    cases[name] = entry


def philox4x32(key, counter):
    """Salmon et al. 2011, ten rounds."""
    (k0, k1), c = key, list(counter)
    for _ in range(10):
        p0, p1 = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k1, p0 & 0xFFFFFFFF]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


def kept(n, p, seed, stream):
    """Which of the first n <= 64 elements dropout keeps: element 16w + l by the low half of word w of block l."""
    words = [philox4x32((seed, 0), (block, 0, stream, 0)) for block in range(16)]
    return torch.tensor([float((words[e % 16][e // 16] & 0xFFFF) >= round(p * 65536)) for e in range(n)])


def rope(x, heads, dim, positions, theta):
    """Pairs (i, i + dim/2) of each head turned by position * theta^(-2i/dim), as Llama does."""
    half = dim // 2
    angle = torch.tensor(positions)[:, None] * theta ** (-2 * torch.arange(half) / dim)
    cos, sin = torch.cos(angle)[:, None], torch.sin(angle)[:, None]
    turned, rest = x[:, : heads * dim].reshape(-1, heads, dim), x[:, heads * dim :]
    a, b = turned[..., :half], turned[..., half:]
    turned = torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
    return torch.cat([turned.reshape(len(positions), heads * dim), rest], -1)


def attention(q, k, v, heads, kv_heads, mask=None):
    """(B, T, H*D); a causal mask for the last queries, or the one given."""
    split = lambda t, n: t.unflatten(-1, (n, -1)).transpose(1, 2)
    tq, tk = q.shape[1], k.shape[1]
    if mask is None:
        mask = torch.ones(tq, tk).tril(tk - tq).bool()
    y = F.scaled_dot_product_attention(split(q, heads), split(k, kv_heads), split(v, kv_heads), mask, enable_gqa=True)
    return y.transpose(1, 2).flatten(2)


def packed(qkv, heads, kv_heads, dim):
    return attention(*qkv.split([heads * dim, kv_heads * dim, kv_heads * dim], -1), heads, kv_heads)


odd = torch.tensor([-6.0, -3.0, -1.0, -0.1, 0.01, 0.5, 1.0, 2.5, 6.0])
case("exp", [odd], torch.exp)
case("gelu", [odd], F.gelu)
case("gelu_tanh", [odd], lambda x: F.gelu(x, approximate="tanh"))
case("ln", [torch.tensor([1e-3, 0.1, 0.5, 0.99, 1.0, 1.01, 2.0, 30.0, 1e4])], torch.log)
case("log_sigmoid", [torch.cat([odd, torch.tensor([-100.0, 100.0])])], F.logsigmoid)
case("relu", [odd], torch.relu)
case("sigmoid", [odd], torch.sigmoid)
case("silu", [odd], F.silu)
case("tanh", [odd], torch.tanh)
case("swiglu", [randn(2, 3), randn(2, 3)], lambda g, u: F.silu(g) * u)

case("add", [randn(2, 2, 3), randn(2, 3)], torch.add)
case("sub", [randn(2, 3), randn(2, 3)], torch.sub)
case("mul", [randn(2, 3), randn(2, 3)], torch.mul)
case("scale", [randn(2, 3)], lambda x: -2.5 * x)
case("sum", [randn(3, 5)], torch.sum)
case("mean", [randn(3, 5)], torch.mean)
case("sum_rows", [randn(2, 2, 3)], lambda x: x.sum(-1))

case("linear", [randn(2, 2, 3), randn(3, 4), randn(4)], lambda x, w, b: F.linear(x, w.T, b))
case("matmul", [randn(2, 2, 3), randn(2, 3, 4)], torch.matmul)
case("matmul_nt", [randn(2, 3), randn(4, 3)], lambda a, b: a @ b.T)

case("layer_norm", [randn(2, 5), randn(5), randn(5)], lambda x, w, b: F.layer_norm(x, (5,), w, b, 1e-5))
case("rms_norm", [randn(2, 5), randn(5)], lambda x, w: F.rms_norm(x, (5,), w, 1e-6))
case("softmax", [3 * randn(2, 5)], lambda x: torch.softmax(x, -1))
case("log_softmax", [3 * randn(2, 5)], lambda x: torch.log_softmax(x, -1))
targets = torch.tensor([4, -100, 0])  # -100 is ignored
case("cross_entropy", [randn(3, 5)], lambda x: F.cross_entropy(x, targets, reduction="none"))
case("embedding", [randn(4, 3)], lambda table: F.embedding(torch.tensor([[3, 0], [3, 1]]), table))
case("rope", [randn(3, 10)], lambda x: rope(x, 2, 4, [0, 1, 7], 100.0))
case("dropout", [randn(6, 10)], lambda x: x * kept(60, 0.4, 11, 5).reshape(6, 10) / (1 - 0.4))

case("reshape", [randn(2, 6)], lambda x: x.reshape(3, 4))
case("transpose", [randn(2, 2, 3)], lambda x: x.transpose(-1, -2))
case("swap_axes_12", [randn(1, 2, 3, 2)], lambda x: x.transpose(1, 2))
case("slice", [randn(2, 4, 2)], lambda x: x[:, 1:3])
case("concat", [randn(2, 1, 2), randn(2, 2, 2)], lambda a, b: torch.cat([a, b], 1))

case("attention", [randn(1, 2, 8), randn(1, 3, 4), randn(1, 3, 4)], lambda q, k, v: attention(q, k, v, 4, 2))
padding = torch.tensor([[True, True, False], [True, True, True]])[:, None, None]
inputs = [randn(2, 2, 4), randn(2, 3, 4), randn(2, 3, 4)]
case("attention padding", inputs, lambda q, k, v: attention(q, k, v, 2, 2, padding))
case("attention_packed", [randn(1, 3, 8)], lambda qkv: packed(qkv, 2, 1, 2))
case("attention_cached", [randn(1, 4, 8)], lambda qkv: packed(qkv, 2, 1, 2)[:, 2:], gradient=False)

weights = torch.tensor([0.5, 2.0, -1.0])
case("linear_cross_entropy", [randn(3, 4), randn(5, 4)],
     lambda x, t: (F.cross_entropy(x @ t.T, targets, reduction="none") * weights).sum())
case("dropout_add", [randn(6, 10), randn(6, 10)], lambda x, r: r + x * kept(60, 0.4, 11, 5).reshape(6, 10) / (1 - 0.4))


def sublayer(inner):
    """x + W2(inner(W1(norm(x)))), inputs down and outputs across."""
    return lambda x, w, b, w1, b1, w2, b2: x + inner(F.layer_norm(x, x.shape[-1:], w, b, 1e-5) @ w1 + b1) @ w2 + b2


inputs = [randn(2, 3, 6), randn(6), randn(6), randn(6, 10), randn(10), randn(10, 6), randn(6)]
case("mlp_bf16", inputs, sublayer(lambda h: F.gelu(h, approximate="tanh")))
inputs = [randn(2, 5, 6), randn(6), randn(6), randn(6, 8) / 4, randn(8), randn(4, 6), randn(6)]
case("self_attention_bf16", inputs, sublayer(lambda h: packed(h, 2, 1, 2)))
inputs = [randn(2, 5, 6), randn(6), randn(6), randn(6, 8) / 4, randn(8), randn(4, 6), randn(6)]
turned = lambda h: packed(torch.stack([rope(x, 3, 2, range(5), 100.0) for x in h]), 2, 1, 2)
case("self_attention_bf16 rope", inputs, sublayer(turned))


def gated(x, w, b, w3, b3, w1, b1, w2, b2):
    h = F.layer_norm(x, x.shape[-1:], w, b, 1e-5)
    return x + (F.silu(h @ w3 + b3) * (h @ w1 + b1)) @ w2 + b2


inputs = [randn(2, 3, 6), randn(6), randn(6), randn(6, 10), randn(10), randn(6, 10), randn(10), randn(10, 6), randn(6)]
case("swiglu_bf16", inputs, gated)

lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in cases.items()]
out = pathlib.Path(__file__).with_suffix(".json")
out.write_text("{\n" + ",\n".join(lines) + "\n}\n")
