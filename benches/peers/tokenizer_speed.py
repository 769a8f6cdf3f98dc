"""Our tokenizer beside Hugging Face's `tokenizers` and `tiktoken`, on the same text, in turns.

    cargo build --release --example tokenizer_speed
    python benches/peers/tokenizer_speed.py data/tiny_shakespeare.txt [VOCABULARY [BINARY]]

Training, and encoding on one thread, of the file; then encoding of its copies one after the other, 50 MB, on 1, 2, … threads.
All have the same merges: ours are learned here and must give the number of ids that Hugging Face's give. `tokenizers` and
`tiktoken` have no threads within a text, so each gets the large one as a batch of pieces of 10 kB (where `tokenizers` is
faster than on a whole text), with its own threads. A round's figures are medians, the ratios medians over the rounds.
Needs: pip install tokenizers tiktoken
"""
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

CORES = len(os.sched_getaffinity(0))
# One process has one pool of threads: this script runs itself once more for each other number (`--large`).
THREADS = sys.argv[5] if sys.argv[1:2] == ["--large"] else "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false" if THREADS == "1" else "true"
os.environ["RAYON_NUM_THREADS"] = THREADS
import tiktoken  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402

PATTERN = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
ROUNDS = 3
LARGE = 50_000_000
# The speed of a batch of pieces does not depend on how many there are: the peers, which are slower, get fewer copies.
PEERS_COPIES = 8


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


def pieces(text, size=10_000):
    """Pieces that end with the one line feed between two words, where no token of GPT-2's expression crosses."""
    start, out = 0, []
    for cut in re.finditer(r"\w\n(?=\w)", text):
        if cut.end() - start >= size:
            out.append(text[start : cut.end()])
            start = cut.end()
    return [*out, text[start:]]


def large(path, vocab, threads, copies):
    """The speed of both peers on the large text, with this number of threads."""
    text = open(path, encoding="utf-8", newline="").read()
    tokenizer, big = train(text, vocab), text * copies
    twin, size = tiktoken_twin(tokenizer), len((text * copies).encode()) / 1e6
    parts = pieces(big)
    result = []
    hf = size / seconds(lambda: result.extend(tokenizer.encode_batch(parts)), 1)
    fast = size / seconds(lambda: twin.encode_ordinary_batch(parts, num_threads=threads), 1)
    print(json.dumps({"hf_large_mb_s": hf, "tiktoken_large_mb_s": fast, "tokens": sum(len(e.ids) for e in result)}))


def main():
    path, vocab = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5000
    binary = sys.argv[3] if len(sys.argv) > 3 else "target/release/examples/tokenizer_speed"
    text = open(path, encoding="utf-8", newline="").read()
    size = len(text.encode()) / 1e6
    copies = max(1, round(LARGE / len(text.encode())))
    tokenizer = train(text, vocab)
    twin = tiktoken_twin(tokenizer)
    lines = text.splitlines(keepends=True)
    rounds = []
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.write((text * copies).encode())
        file.flush()
        for _ in range(ROUNDS):
            command = [binary, path, str(vocab), file.name]
            ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            theirs = {
                "hf_train_s": seconds(lambda: train(text, vocab), 1),
                "hf_encode_mb_s": size / seconds(lambda: tokenizer.encode(text)),
                "hf_encode_lines_mb_s": size / seconds(lambda: [tokenizer.encode(line) for line in lines]),
                "tiktoken_encode_mb_s": size / seconds(lambda: twin.encode_ordinary(text)),
            }
            assert ours["tokens"] == len(tokenizer.encode(text).ids), "the ids differ"
            row = {
                "training": theirs["hf_train_s"] / ours["train_s"],
                "training, 1 thread": theirs["hf_train_s"] / ours["train_1_thread_s"],
                "encoding vs tokenizers, cold": ours["encode_cold_mb_s"]
                / max(theirs["hf_encode_mb_s"], theirs["hf_encode_lines_mb_s"]),
                "encoding vs tiktoken, cold": ours["encode_cold_mb_s"] / theirs["tiktoken_encode_mb_s"],
                "encoding vs tiktoken, warm": ours["encode_warm_mb_s"] / theirs["tiktoken_encode_mb_s"],
            }
            for threads in sorted({1, CORES}):
                command = [sys.executable, __file__, "--large", path, str(vocab), str(PEERS_COPIES), str(threads)]
                peers = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                # Where two copies meet, a word may begin otherwise than at the start of the text.
                for tokens, n in [(peers["tokens"], PEERS_COPIES), (ours["large_tokens"], copies)]:
                    assert abs(tokens - n * ours["tokens"]) <= 2 * n, "the ids of the large text differ"
                theirs |= {f"{k}_{threads}": v for k, v in peers.items() if k != "tokens"}
                mine = ours[f"encode_large_{threads}_mb_s"]
                row[f"large text vs tokenizers, {threads} threads"] = mine / peers["hf_large_mb_s"]
                row[f"large text vs tiktoken, {threads} threads"] = mine / peers["tiktoken_large_mb_s"]
            row[f"ours, {CORES} threads over 1"] = ours[f"encode_large_{CORES}_mb_s"] / ours["encode_large_1_mb_s"]
            print(json.dumps(ours | {k: round(v, 3) for k, v in theirs.items()}), flush=True)
            rounds.append(row)
    for name in rounds[0]:
        print(f"{name}: {statistics.median(r[name] for r in rounds):.2f} x as fast")


if sys.argv[1] == "--large":
    large(sys.argv[2], int(sys.argv[3]), int(sys.argv[5]), int(sys.argv[4]))
else:
    main()
