"""Decoding at batch 1 beside llama.cpp's, in alternating rounds on the same cores, after a check that both compute the same.

    cargo build --release
    python benches/peers/decode_llama_cpp.py --model models/checkpoints/mini [--rounds 3] [--threads 2] [--record FILE.json]

The checkpoint (GPT-2's layout) is written as GGUF in f32, bf16 and q8_0; llama.cpp reads these, we read the checkpoint with
weights in f32, bf16 and int8. First both continue a prompt greedily in f32, and llama.cpp's logits at every place are
compared with those of a plain GPT-2 in numpy on the checkpoint's own weights. Then each decodes 255 tokens. Of llama.cpp
only the calls that compute are timed, neither Python nor the choice of a token; of ours everything is, sampling included.
Matrices whose rows are no multiple of 32 stay f16 in q8_0, and norms and biases f32 everywhere, as llama.cpp wants it.
Needs: pip install numpy gguf safetensors llama-cpp-python (which builds llama.cpp for this machine).
"""
import argparse, ctypes, json, os, statistics, subprocess, sys, tempfile, time
import gguf, llama_cpp as ll, numpy as np
from safetensors.numpy import load_file

p = argparse.ArgumentParser()
p.add_argument("--model", required=True, help="a checkpoint folder with GPT-2's layout, vocabulary and all")
p.add_argument("--rounds", type=int, default=3); p.add_argument("--threads", type=int, default=2)
p.add_argument("--tokens", type=int, default=255); p.add_argument("--record")
p.add_argument("--motamot", default=os.path.join(os.path.dirname(__file__), "../../target/release/motamot"))
a = p.parse_args()
FORMATS = {"f32": gguf.GGMLQuantizationType.F32, "bf16": gguf.GGMLQuantizationType.BF16, "int8": gguf.GGMLQuantizationType.Q8_0}
NAMES = {"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}

config = json.load(open(os.path.join(a.model, "config.json")))
if config.get("model_type") != "gpt2":
    sys.exit(f"error: {a.model}: the layout is {config.get('model_type')}, and this script knows gpt2's\nhelp: train with --preset mini")
W = {k.removeprefix("transformer."): v.astype(np.float32) for k, v in load_file(os.path.join(a.model, "model.safetensors")).items()}
T, L, H, EPS = config["n_positions"], config["n_layer"], config["n_head"], config["layer_norm_epsilon"]


def write_gguf(path, kind):
    """GPT-2 as llama.cpp reads it: projections transposed (rows are outputs), the token table once more as the head."""
    out = gguf.GGUFWriter(path, "gpt2")
    out.add_block_count(L); out.add_context_length(T); out.add_embedding_length(config["n_embd"])
    out.add_feed_forward_length(config.get("n_inner") or 4 * config["n_embd"]); out.add_head_count(H); out.add_layer_norm_eps(EPS)
    out.add_vocab_size(config["vocab_size"])
    out.add_tokenizer_model("none")  # tokens go in and come out as ids
    def add(name, w):
        if w.ndim == 1 or kind == FORMATS["f32"] or "position" in name:
            return out.add_tensor(name, np.ascontiguousarray(w, dtype=np.float32))
        fits = kind != FORMATS["int8"] or w.shape[1] % 32 == 0
        k = kind if fits else gguf.GGMLQuantizationType.F16
        q = gguf.quants.quantize(np.ascontiguousarray(w, dtype=np.float32), k)
        out.add_tensor(name, q, raw_dtype=k)
    add("token_embd.weight", W["wte.weight"]); add("position_embd.weight", W["wpe.weight"]); add("output.weight", W.get("lm_head.weight", W["wte.weight"]))
    for ours, theirs in [("ln_f", "output_norm")] + [(f"h.{i}.{o}", f"blk.{i}.{t}") for i in range(L) for o, t in NAMES.items()]:
        w, bias = W[f"{ours}.weight"], W.get(f"{ours}.bias")
        add(f"{theirs}.weight", w.T if w.ndim == 2 else w)
        add(f"{theirs}.bias", bias if bias is not None else np.zeros(w.shape[-1], np.float32))
    out.write_header_to_file(); out.write_kv_data_to_file(); out.write_tensors_to_file(); out.close()


class Llama:
    """llama.cpp, a token at a time."""

    def __init__(self, path):
        params = ll.llama_model_default_params(); params.n_gpu_layers = 0
        self.model = ll.llama_model_load_from_file(path.encode(), params)
        if not self.model: sys.exit(f"error: llama.cpp cannot read {path}")
        params = ll.llama_context_default_params()
        params.n_ctx = T; params.n_batch = T; params.n_threads = params.n_threads_batch = a.threads
        self.context = ll.llama_init_from_model(self.model, params)
        self.vocab = config["vocab_size"]

    def clear(self): ll.llama_memory_clear(ll.llama_get_memory(self.context), True)

    def step(self, token):
        """Logits after one more token, and the seconds of computing them."""
        one = (ll.llama_token * 1)(token); batch = ll.llama_batch_get_one(one, 1)
        start = time.perf_counter()
        code = ll.llama_decode(self.context, batch)
        logits = ll.llama_get_logits_ith(self.context, -1)  # waits for the computation
        seconds = time.perf_counter() - start
        if code: sys.exit(f"error: llama_decode says {code}")
        return np.ctypeslib.as_array(logits, shape=(self.vocab,)), seconds

    def close(self): ll.llama_free(self.context); ll.llama_model_free(self.model)


def numpy_logits(ids):
    """A plain GPT-2 in f64, the judge: (len(ids), V)."""
    w = lambda n: W[n].astype(np.float64)
    norm = lambda x, n: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + EPS) * w(f"{n}.weight") + w(f"{n}.bias")
    linear = lambda x, n: x @ w(f"{n}.weight") + w(f"{n}.bias")
    gelu = lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    x = w("wte.weight")[ids] + w("wpe.weight")[: len(ids)]
    hidden = np.triu(np.full((len(ids), len(ids)), -np.inf), 1)
    for i in range(L):
        q, k, v = (t.reshape(len(ids), H, -1).transpose(1, 0, 2) for t in np.split(linear(norm(x, f"h.{i}.ln_1"), f"h.{i}.attn.c_attn"), 3, -1))
        s = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1]) + hidden
        s = np.exp(s - s.max(-1, keepdims=True)); s /= s.sum(-1, keepdims=True)
        x = x + linear((s @ v).transpose(1, 0, 2).reshape(len(ids), -1), f"h.{i}.attn.c_proj")
        x = x + linear(gelu(linear(norm(x, f"h.{i}.ln_2"), f"h.{i}.mlp.c_fc")), f"h.{i}.mlp.c_proj")
    return norm(x, "ln_f") @ W.get("lm_head.weight", W["wte.weight"]).T.astype(np.float64)


def motamot(*args):
    out = subprocess.run([a.motamot, *args], check=True, capture_output=True, text=True, env={**os.environ, "MOTAMOT_THREADS": str(a.threads)})
    return json.loads(out.stdout)


def ours(weights, tokens):
    """Ids of a greedy continuation, and tokens per second."""
    done = motamot("generate", "--model", a.model, "--prompt", PROMPT, "--greedy", "--max-tokens", str(tokens), "--json", "--weights", weights)
    return done["samples"][0]["tokens"], done["tokens_per_s"]


def theirs(llama, ids, tokens):
    """The same of llama.cpp, after the prompt `ids`; the rate of its compute calls, and the rate with Python and argmax."""
    llama.clear(); made, computing = [], 0.0
    for token in ids[:-1]: llama.step(token)
    token, start = ids[-1], time.perf_counter()
    for _ in range(tokens):
        logits, seconds = llama.step(token); computing += seconds
        token = int(logits.argmax()); made.append(token)
    return made, tokens / computing, tokens / (time.perf_counter() - start)


PROMPT = "ROMEO:"
prompt_ids = [int(i) for i in subprocess.run([a.motamot, "tokenizer", "encode", "--model", a.model, PROMPT], check=True, capture_output=True, text=True).stdout.split()]
tokens = min(a.tokens, T - len(prompt_ids))
quiet = ll.llama_log_callback(lambda level, text, data: None); ll.llama_log_set(quiet, ctypes.c_void_p(0))
with tempfile.TemporaryDirectory() as folder:
    peers = {}
    for name, kind in FORMATS.items():
        path = os.path.join(folder, f"{name}.gguf"); write_gguf(path, kind); peers[name] = Llama(path)
    ours_ids, _ = ours("f32", tokens)
    tokens = len(ours_ids)  # fewer, if the end-of-text token came
    judge = numpy_logits(prompt_ids + ours_ids[:-1])
    agreement = {"greedy_tokens": tokens}
    for name, llama in peers.items():
        llama.clear()
        logits = np.array([llama.step(t)[0].copy() for t in prompt_ids + ours_ids[:-1]])
        agreement[f"{name}_largest_logit_difference"] = float(np.abs(logits - judge).max())
    made = theirs(peers["f32"], prompt_ids, tokens)[0]
    top = np.sort(judge[len(prompt_ids) - 1 :], -1)
    agreement |= {"largest_logit": float(np.abs(judge).max()), "ours_is_the_judges_choice": int((judge[len(prompt_ids) - 1 :].argmax(-1) == ours_ids).sum()),
                  "same_greedy_tokens": int(np.argmin(np.array(made + [-1]) == np.array(ours_ids + [-2]))), "smallest_lead": float((top[:, -1] - top[:, -2]).min())}
    print(json.dumps(agreement), flush=True)
    if agreement["f32_largest_logit_difference"] > 1e-3 * max(1, agreement["largest_logit"]):
        sys.exit("error: llama.cpp computes something else with this file: its speed would mean nothing")
    if agreement["ours_is_the_judges_choice"] < tokens and agreement["smallest_lead"] > 1e-3:
        sys.exit("error: motamot's greedy continuation is not the judge's: its speed would mean nothing")
    rows = []
    for r in range(a.rounds):
        row = {}
        for name, llama in peers.items():
            m = statistics.median(ours(name, tokens)[1] for _ in range(3))
            t = [theirs(llama, prompt_ids, tokens)[1:] for _ in range(3)]
            row[name] = {"motamot": m, "llama_cpp": statistics.median(x[0] for x in t), "llama_cpp_with_python": statistics.median(x[1] for x in t)}
        rows.append(row)
        print(f"round {r + 1}: " + ", ".join(f"{n} {x['motamot']:.0f} against {x['llama_cpp']:.0f} tokens/s" for n, x in row.items()), flush=True)
ratios = {n: statistics.median(r[n]["motamot"] / r[n]["llama_cpp"] for r in rows) for n in FORMATS}
print("motamot / llama.cpp (medians): " + ", ".join(f"{n} {x:.2f}" for n, x in ratios.items()))
if a.record:
    with open(a.record, "w") as f:
        json.dump({"llama_cpp_python": ll.__version__, "system": ll.llama_print_system_info().decode(), "threads": a.threads, "tokens": tokens,
                   "agreement": agreement, "rounds": rows, "ratio": ratios}, f, indent=1)
