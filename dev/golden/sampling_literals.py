"""Writes sampling_literals.json: final distributions of transformers' logits processors, and its beam search on a bigram model.

Needs torch, numpy and transformers. Run from anywhere: python dev/golden/sampling_literals.py
"""

import json
import pathlib

import torch
import transformers
from transformers import GenerationConfig, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.modeling_outputs import CausalLMOutput

HERE = pathlib.Path(__file__).parent
OPTIONS = [
    {},
    {"temperature": 0.7},
    {"temperature": 1.9},
    {"temperature": 0.05},
    {"top_k": 1},
    {"top_k": 4},
    {"top_k": 40},
    {"top_p": 0.0},
    {"top_p": 0.3},
    {"top_p": 0.9},
    {"top_p": 0.999},
    {"min_p": 0.1},
    {"min_p": 1.0},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.6},
    {"temperature": 0.8, "top_k": 6, "top_p": 0.85, "min_p": 0.08, "repetition_penalty": 1.2},
    {"temperature": 1.4, "top_k": 9, "top_p": 0.7},
    {"temperature": 1.3, "top_p": 0.95, "min_p": 0.2},
]


def distribution(logits, history, options):
    """The order in which GenerationMixin applies them."""
    processors = LogitsProcessorList()
    if "repetition_penalty" in options:
        processors.append(RepetitionPenaltyLogitsProcessor(options["repetition_penalty"]))
    if "temperature" in options:
        processors.append(TemperatureLogitsWarper(options["temperature"]))
    if "top_k" in options:
        processors.append(TopKLogitsWarper(options["top_k"]))
    if "top_p" in options:
        processors.append(TopPLogitsWarper(options["top_p"]))
    if "min_p" in options:
        processors.append(MinPLogitsWarper(options["min_p"]))
    scores = processors(torch.tensor([history]), torch.tensor([logits]))
    return torch.softmax(scores, -1)[0].tolist()


class Bigram(PreTrainedModel, GenerationMixin):
    """logits(next) = table[last token]."""

    config_class = PretrainedConfig

    def __init__(self, config, table):
        super().__init__(config)
        self.table = torch.nn.Parameter(table)
        self.post_init()

    def _init_weights(self, module):
        pass

    def forward(self, input_ids, **kwargs):
        return CausalLMOutput(logits=self.table[input_ids])

    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        return {"input_ids": input_ids}


def beams(table, prompt, width, penalty, max_tokens, eos):
    config = PretrainedConfig(vocab_size=len(table), num_hidden_layers=1, hidden_size=1, num_attention_heads=1)
    model = Bigram(config, torch.tensor(table)).eval()
    generation = GenerationConfig(
        num_beams=width, num_return_sequences=width, length_penalty=penalty, max_new_tokens=max_tokens,
        early_stopping="never", eos_token_id=eos, pad_token_id=eos, do_sample=False, use_cache=False,
        output_scores=True, return_dict_in_generate=True,
    )
    out = model.generate(torch.tensor([prompt]), generation_config=generation)
    result = []
    for row, score in zip(out.sequences.tolist(), out.sequences_scores.tolist()):
        tokens = row[len(prompt):]
        if eos in tokens:
            tokens = tokens[: tokens.index(eos) + 1]
        result.append({"tokens": tokens, "score": score})
    return result


def main():
    torch.manual_seed(7)
    round4 = lambda t: [round(x, 4) for x in t.tolist()]
    cases = []
    for vocab in (12, 30):
        logits = round4(2.5 * torch.randn(vocab))
        history = torch.randint(0, vocab, (7,)).tolist()
        for options in OPTIONS:
            cases.append({"options": options, "logits": logits, "history": history,
                          "probs": [float(f"{p:.7g}") for p in distribution(logits, history, options)]})
    # Token 0 ends a sequence: likely enough to compete with going on.
    table = [round4(1.5 * torch.randn(6) + torch.tensor([1.5, 0, 0, 0, 0, 0])) for _ in range(6)]
    beam_cases = []
    for width, penalty, max_tokens in [(2, 1.0, 5), (3, 0.0, 5), (3, 1.0, 6), (4, 2.0, 5), (4, -1.0, 6), (5, 0.6, 7)]:
        beam_cases.append({"prompt": [1, 2], "width": width, "length_penalty": penalty, "max_tokens": max_tokens,
                           "eos": 0, "hypotheses": beams(table, [1, 2], width, penalty, max_tokens, 0)})
    out = {"made_by": f"sampling_literals.py, transformers {transformers.__version__}, torch {torch.__version__}",
           "sampling": cases, "table": table, "beam": beam_cases}
    (HERE / "sampling_literals.json").write_text(json.dumps(out).replace('{"options"', '\n{"options"').replace('{"prompt"', '\n{"prompt"') + "\n")


main()
