"""Our tokenizer beside Hugging Face's `tokenizers` and `tiktoken`, on the same text, in turns.

    cargo build --release --example tokenizer_speed
    python benches/peers/tokenizer_speed.py data/tiny_shakespeare.txt

All encode with the same vocabulary (trained by Hugging Face's library) on one thread. Each prints its median; the
ratios at the end are medians over the rounds. Needs: pip install tokenizers tiktoken
"""
import json
import os
import statistics
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
import tiktoken  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
ROUNDS = 3


def seconds(f, runs=3):
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        f()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def train(text, vocab):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab, min_frequency=2, show_progress=False,
        special_tokens=["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def tiktoken_twin(tokenizer):
    """tiktoken with the same merges: ranks are ids, bytes first."""
    model = json.loads(tokenizer.to_str())
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    of_char = {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(rest)}
    special = {t["content"]: t["id"] for t in model["added_tokens"]}
    ranks = {bytes(of_char[c] for c in t): i for t, i in model["model"]["vocab"].items() if t not in special}
    return tiktoken.Encoding("twin", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=special)


def main():
    path, vocab = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5000
    binary = sys.argv[3] if len(sys.argv) > 3 else "target/release/examples/tokenizer_speed"
    text = open(path, encoding="utf-8", newline="").read()
    size = len(text.encode()) / 1e6
    tokenizer = train(text, vocab)
    twin = tiktoken_twin(tokenizer)
    lines = text.splitlines(keepends=True)
    rounds = []
    for _ in range(ROUNDS):
        ours = json.loads(subprocess.run([binary, path, str(vocab)], check=True, capture_output=True, text=True).stdout)
        theirs = {
            "hf_train_s": seconds(lambda: train(text, vocab), 1),
            "hf_encode_mb_s": size / seconds(lambda: tokenizer.encode(text)),
            "hf_encode_lines_mb_s": size / seconds(lambda: [tokenizer.encode(line) for line in lines]),
            "tiktoken_encode_mb_s": size / seconds(lambda: twin.encode_ordinary(text)),
        }
        assert ours["tokens"] == len(tokenizer.encode(text).ids), "the ids differ"
        print(json.dumps(ours | {k: round(v, 3) for k, v in theirs.items()}))
        rounds.append({
            "training": theirs["hf_train_s"] / ours["train_s"],
            "training, 1 thread": theirs["hf_train_s"] / ours["train_1_thread_s"],
            "encoding vs tokenizers, cold": ours["encode_cold_mb_s"]
            / max(theirs["hf_encode_mb_s"], theirs["hf_encode_lines_mb_s"]),
            "encoding vs tiktoken, cold": ours["encode_cold_mb_s"] / theirs["tiktoken_encode_mb_s"],
            "encoding vs tiktoken, warm": ours["encode_warm_mb_s"] / theirs["tiktoken_encode_mb_s"],
        })
    for name in rounds[0]:
        print(f"{name}: {statistics.median(r[name] for r in rounds):.1f} x as fast")


main()
