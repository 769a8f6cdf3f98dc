"""Tiny GPT-2 and Llama models with LoRA adapters, as `transformers` and `peft` save them, and their logits.

    python dev/golden/lora.py                # writes dev/golden/lora/{gpt2,llama}/{base,adapter,logits.json}

    MOTAMOT_EXPORT=DIR cargo test --test lora export -- --ignored
    python dev/golden/lora.py --check DIR    # loads with peft what motamot wrote, and compares the logits

Needs torch, transformers, peft. tests/lora.rs compares with the files that are in the repository.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

if sys.argv[1:2] == ["--check"]:
    for folder in sorted(Path(sys.argv[2]).iterdir()):
        expected = json.loads((folder / "logits.json").read_text())
        base = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
        plain = base(torch.tensor([expected["ids"]])).logits.flatten()
        tuned = PeftModel.from_pretrained(base, folder / "adapter").eval()
        with torch.no_grad():
            logits = tuned(torch.tensor([expected["ids"]])).logits.flatten()
        want = torch.tensor(expected["logits"])
        print(f"{folder.name}: {(logits - want).abs().max():.1e} apart; the adapter moves {(plain - want).abs().max():.2f}")
        assert (logits - want).abs().max() < 2e-5
    sys.exit()

HERE = Path(__file__).parent / "lora"
IDS = [3, 1, 4, 1, 5, 9, 2, 6]

MODELS = {
    "gpt2": (
        lambda: GPT2LMHeadModel(GPT2Config(vocab_size=20, n_positions=16, n_embd=16, n_layer=2, n_head=2)),
        ["c_attn", "c_fc"],
    ),
    "llama": (
        lambda: LlamaForCausalLM(
            LlamaConfig(
                vocab_size=20,
                max_position_embeddings=16,
                hidden_size=16,
                intermediate_size=24,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
            )
        ),
        ["q_proj", "v_proj", "down_proj"],
    ),
}

for name, (make, targets) in MODELS.items():
    torch.manual_seed(1)
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    base = make().eval()
    base.save_pretrained(folder / "base")
    tuned = get_peft_model(base, LoraConfig(r=3, lora_alpha=6, target_modules=targets, task_type="CAUSAL_LM"))
    with torch.no_grad():
        for path, p in tuned.named_parameters():
            if "lora_B" in path:
                p.normal_(0, 0.3)
        tuned.eval()
        logits = tuned(torch.tensor([IDS])).logits[0]
    tuned.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink(missing_ok=True)
    config = folder / "adapter" / "adapter_config.json"
    fields = json.loads(config.read_text())
    fields["base_model_name_or_path"] = "../base"
    config.write_text(json.dumps(fields, indent=1) + "\n")
    numbers = [round(x, 7) for x in logits.flatten().tolist()]
    (folder / "logits.json").write_text(json.dumps({"ids": IDS, "logits": numbers}) + "\n")
