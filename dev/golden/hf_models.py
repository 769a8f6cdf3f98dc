"""Makes dev/golden/hf/*: tiny GPT-2 and Llama models saved by transformers, with input ids and logits.

    python dev/golden/hf_models.py            (transformers 5.23, torch 2.15; the seed is fixed)

    python dev/golden/hf_models.py N DIR      N models of random configurations instead, in DIR, for
    MOTAMOT_MODELS=DIR cargo test --lib random_models -- --ignored

Each folder is as `save_pretrained` leaves it (or as an older version did: see `older`), plus expected.json:
{"ids": [[..], ..], "logits": [[..], ..]}, one row of logits per row of ids, (T, V) row by row, computed in f32.
"""
import json
import random
import shutil
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

OUT = Path(__file__).parent / "hf"
KEEP = {"config.json", "model.safetensors", "model.safetensors.index.json", "expected.json"}


def make(name, model, dtype=torch.float32, shard=None, older=None):
    torch.manual_seed(len(name) + sum(map(ord, name)))
    with torch.no_grad():
        for path, p in model.named_parameters():
            p.normal_(1.0 if "ln_" in path and "weight" in path or "norm" in path else 0.0, 0.3)
    model = model.to(dtype).eval()
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, **({"max_shard_size": shard} if shard else {}))
    if older:
        older(folder)
    config = model.config
    ids = torch.randint(0, config.vocab_size, (2, 7))
    # Loaded again in f32: `.to(bfloat16).float()` would leave RoPE's frequencies rounded.
    logits = type(model).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()(ids).logits
    flat = [[round(x, 7) for x in row.flatten().tolist()] for row in logits]
    (folder / "expected.json").write_text(json.dumps({"ids": ids.tolist(), "logits": flat}))
    for file in folder.iterdir():
        if file.name not in KEEP and not file.name.startswith("model-"):
            file.unlink()
    print(name, sorted(f.name for f in folder.iterdir()), sum(f.stat().st_size for f in folder.iterdir()), "bytes")


def gpt2(**kw):
    base = dict(vocab_size=31, n_positions=10, n_embd=12, n_layer=2, n_head=3, bos_token_id=0, eos_token_id=1)
    return GPT2LMHeadModel(GPT2Config(**{**base, **kw}, attn_implementation="eager"))


def llama(**kw):
    base = dict(vocab_size=31, max_position_embeddings=16, hidden_size=12, num_hidden_layers=2, num_attention_heads=3,
                num_key_value_heads=3, intermediate_size=20, bos_token_id=0, eos_token_id=1)
    return LlamaForCausalLM(LlamaConfig(**{**base, **kw}, attn_implementation="eager"))


def bare_gpt2_with_buffers(folder):
    """As the first GPT-2 files: GPT2Model's keys without prefix, with the causal mask among the weights."""
    path = folder / "model.safetensors"
    tensors = {k.removeprefix("transformer."): v for k, v in load_file(path).items()}
    for layer in range(2):
        tensors[f"h.{layer}.attn.bias"] = torch.tril(torch.ones(1, 1, 10, 10, dtype=torch.bool))
        tensors[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(tensors, path)
    edit(folder, lambda c: c.update(architectures=["GPT2Model"], n_ctx=10))


def old_llama(folder):
    """As before transformers 5: rope_theta at the top, no head_dim; the head of a tied model repeated; frequencies saved."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(2)
    save_file(tensors, path)

    def change(c):
        c["rope_theta"] = c.pop("rope_parameters")["rope_theta"]
        c.pop("head_dim")
        c["rope_scaling"] = None
        c["torch_dtype"] = c.pop("dtype")

    edit(folder, change)


def edit(folder, change):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config, indent=2))


def main():
    make("gpt2-default", gpt2())
    make("gpt2-gelu-untied", gpt2(n_inner=20, activation_function="gelu", layer_norm_epsilon=1e-3, tie_word_embeddings=False,
                                  scale_attn_weights=False, reorder_and_upcast_attn=True))
    make("gpt2-relu-inverse-f16", gpt2(activation_function="relu", scale_attn_by_inverse_layer_idx=True), torch.float16)
    make("gpt2-bare-bf16", gpt2(n_inner=36, activation_function="gelu_pytorch_tanh"), torch.bfloat16,
         older=bare_gpt2_with_buffers)
    make("gpt2-sharded", gpt2(n_layer=3), shard="6KB")
    make("llama-default", llama())
    make("llama-grouped", llama(num_attention_heads=4, num_key_value_heads=2, head_dim=6, rms_norm_eps=1e-3,
                                rope_parameters={"rope_type": "default", "rope_theta": 100.0}))
    make("llama-tied-biased-bf16", llama(tie_word_embeddings=True, attention_bias=True, mlp_bias=True), torch.bfloat16,
         older=old_llama)
    make("llama-half-biased-sharded", llama(attention_bias=True, num_key_value_heads=1), shard="6KB")
    make("llama-mlp-biased-f16", llama(mlp_bias=True, hidden_act="silu"), torch.float16)


def some(n):
    pick, dtypes = random.Random(5).choice, (torch.float32, torch.float16, torch.bfloat16)
    flag = lambda: pick((False, True))
    for i in range(n):
        heads, d = pick((1, 2, 3, 4)), pick((2, 4, 6))
        both = dict(vocab_size=pick((2, 17, 64)), tie_word_embeddings=flag())
        if flag():
            model = gpt2(**both, n_positions=pick((7, 9, 32)), n_head=heads, n_embd=heads * d, n_layer=pick((1, 2, 4)),
                         n_inner=pick((None, 5, 40)), activation_function=pick(("gelu", "gelu_new", "relu", "gelu_pytorch_tanh")),
                         layer_norm_epsilon=pick((1e-5, 1e-2)), scale_attn_weights=flag(),
                         scale_attn_by_inverse_layer_idx=flag(), reorder_and_upcast_attn=flag())
        else:
            model = llama(**both, max_position_embeddings=pick((7, 16)), num_attention_heads=heads, hidden_size=heads * d,
                          num_key_value_heads=pick([k for k in (1, 2, 3, 4) if heads % k == 0]), head_dim=pick((2, 6, 8)),
                          num_hidden_layers=pick((1, 2, 4)), intermediate_size=pick((5, 24)), rms_norm_eps=pick((1e-6, 1e-2)),
                          attention_bias=flag(), mlp_bias=flag(),
                          rope_parameters={"rope_type": "default", "rope_theta": pick((100.0, 1e4, 5e5))})
        make(f"{i:03}-{model.config.model_type}", model, pick(dtypes), pick((None, "4KB")))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        OUT = Path(sys.argv[2])
        some(int(sys.argv[1]))
    else:
        main()
