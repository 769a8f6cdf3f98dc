"""Loads a checkpoint of motamot with transformers and compares the logits with those that motamot computed.

    MOTAMOT_EXPORT=DIR cargo test --lib checkpoint::tests::export -- --ignored     # writes DIR/*/ with logits.json
    python dev/golden/check_export.py DIR/*

logits.json: {"ids": [[..], ..], "logits": [[..], ..]}, a row of logits (T, V) for each row of ids. Exit code 1 above 1e-4.
"""
import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GPT2LMHeadModel, LlamaForCausalLM

worst = 0.0
for folder in map(Path, sys.argv[1:]):
    kind = {"gpt2": GPT2LMHeadModel, "llama": LlamaForCausalLM}[json.loads((folder / "config.json").read_text())["model_type"]]
    expected = json.loads((folder / "logits.json").read_text())
    for cls in (kind, AutoModelForCausalLM):
        model, info = cls.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        assert type(model) is kind, type(model)
        problems = {k: v for k, v in info.items() if v}
        assert not problems, problems
        with torch.no_grad():
            logits = model.eval()(torch.tensor(expected["ids"])).logits
        difference = (logits.flatten(1) - torch.tensor(expected["logits"])).abs().max().item()
        worst = max(worst, difference)
    print(f"{folder.name}: {kind.__name__}, largest difference {difference:.2e}, largest logit {logits.abs().max():.2f}")
sys.exit(worst > 1e-4)
