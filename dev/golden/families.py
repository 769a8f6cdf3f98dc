#!/usr/bin/env python3
"""What `transformers` computes with many configurations of GPT-2 and Llama: dev/golden/families.json.

    pip install torch transformers safetensors   (in an environment of its own)
    python3 dev/golden/families.py

The weights are not stored: each is a function of its tensor's name and of its place there, which tests/families.rs repeats.
"""
import json
import pathlib

import numpy as np
import torch
import transformers

OUT = pathlib.Path(__file__).resolve().parent / "families.json"
MASK = (1 << 64) - 1


def weights(name, shape):
    """Uniform numbers by splitmix64 from the FNV-1a hash of the name; a norm's are near 1."""
    start = 0xCBF29CE484222325
    for byte in name.encode():
        start = (start ^ byte) * 0x100000001B3 & MASK
    count = int(np.prod(shape))
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = (z >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24) - np.float32(0.5)
    norm = len(shape) == 1 and name.endswith("weight")
    return torch.from_numpy((np.float32(1) + u * np.float32(0.5) if norm else u * np.float32(0.5)).reshape(shape))


def gpt2():
    base = dict(vocab_size=37, n_positions=16, n_embd=12, n_layer=2, n_head=3, bos_token_id=0, eos_token_id=0)
    for changes in [
        {}, {"n_layer": 1}, {"n_layer": 4}, {"n_head": 1}, {"n_head": 12}, {"n_embd": 30, "n_head": 5}, {"n_embd": 64, "n_head": 4},
        {"n_embd": 17, "n_head": 17}, {"n_positions": 8}, {"n_positions": 33}, {"vocab_size": 1025}, {"vocab_size": 31},
        {"n_inner": 7}, {"n_inner": 96}, {"layer_norm_epsilon": 1e-3}, {"layer_norm_epsilon": 1e-12},
        *({"activation_function": a} for a in ("gelu_new", "gelu", "relu", "gelu_pytorch_tanh", "gelu_fast", "gelu_python")),
        {"scale_attn_weights": False}, {"scale_attn_by_inverse_layer_idx": True},
        {"scale_attn_weights": False, "scale_attn_by_inverse_layer_idx": True, "n_layer": 3},
        {"tie_word_embeddings": False},
    ]:
        yield transformers.GPT2Config(**{**base, **changes})


def llama():
    base = dict(vocab_size=37, max_position_embeddings=16, hidden_size=16, intermediate_size=40, num_hidden_layers=2,
                num_attention_heads=4, num_key_value_heads=4, bos_token_id=0, eos_token_id=0)
    for changes in [
        {}, {"num_key_value_heads": 1}, {"num_key_value_heads": 2}, {"num_attention_heads": 8, "num_key_value_heads": 2},
        {"head_dim": 2}, {"head_dim": 6}, {"head_dim": 32}, {"head_dim": 64, "num_key_value_heads": 2},
        {"num_hidden_layers": 1}, {"num_hidden_layers": 5}, {"hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 3},
        {"intermediate_size": 9}, {"intermediate_size": 128}, {"attention_bias": True}, {"mlp_bias": True},
        {"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 2}, {"tie_word_embeddings": True},
        {"rms_norm_eps": 1e-3}, {"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 100.0}, "head_dim": 10}, {"vocab_size": 1025},
        {"max_position_embeddings": 40}, {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1},
    ]:
        yield transformers.LlamaConfig(**{**base, **changes})


def golden(config, kind):
    model = kind(config).eval()
    tensors = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights(name, tuple(parameter.shape)))
            tensors[name] = list(parameter.shape)
        context = getattr(config, "n_positions", None) or config.max_position_embeddings
        ids = torch.tensor([[(7 * i * i + 3 * i + 1) % config.vocab_size for i in range(min(context, 24))]])
        logits = model(ids).logits[0].double()
        nats = torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:]).item()
        text = ids[:, :2]
        while text.shape[1] < min(context, 10):
            text = torch.cat([text, model(text).logits[:, -1:].argmax(-1)], 1)
    return {"config": json.loads(config.to_json_string(use_diff=False)), "tensors": tensors, "ids": ids[0].tolist(),
            "nats_per_token": nats, "greedy": text[0, 2:].tolist()}


cases = [golden(c, transformers.GPT2LMHeadModel) for c in gpt2()] + [golden(c, transformers.LlamaForCausalLM) for c in llama()]
used = {"model_type", "architectures"} | {key for case in cases for key in (
    "vocab_size n_positions n_embd n_layer n_head n_inner layer_norm_epsilon activation_function scale_attn_weights "
    "scale_attn_by_inverse_layer_idx tie_word_embeddings max_position_embeddings hidden_size intermediate_size num_hidden_layers "
    "num_attention_heads num_key_value_heads head_dim attention_bias mlp_bias rms_norm_eps rope_parameters hidden_act "
    "bos_token_id eos_token_id").split() if key in case["config"]}
for case in cases:
    case["config"] = {key: value for key, value in case["config"].items() if key in used}
OUT.write_text('{"transformers": "%s", "cases": [\n%s\n]}\n' % (transformers.__version__, ",\n".join(map(json.dumps, cases))))
print(len(cases), "configurations,", OUT.stat().st_size, "bytes")
