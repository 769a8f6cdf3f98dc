#!/usr/bin/env bash
# Changes one number of the library at a time and runs the notebooks that stand on it: does a cell notice?
#   runs/mutations.sh [words of a row]        e.g. runs/mutations.sh tanh
# Everything happens in a copy of the working tree in a temporary folder, at low priority; ten minutes for all on two cores.
# A row: name | notebooks | file | what stands there | what is put there. Exit 1 if a mutation survives.
set -euo pipefail
cd "$(dirname "$0")/.."

rows() {
    cat <<'ROWS'
Witten–Bell: T(h) becomes 1 | 00 | src/evaluation/ngram.rs | (f64::from(count) + t * lower) / (c + t) | (f64::from(count) + lower) / (c + 1.0)
perplexity: e becomes 2 | 00 | src/evaluation/ngram.rs | perplexity: (nats / val.len() as f64).exp(), | perplexity: (nats / val.len() as f64).exp2(),
bits per byte without ln 2 | 00 01 | src/evaluation/ngram.rs | bits_per_byte: nats / LN_2 / val_bytes | bits_per_byte: nats / val_bytes
split: a tenth becomes a fifth | 00 01 | src/data/split.rs | (text.len() as f64 * 0.9) as usize | (text.len() as f64 * 0.8) as usize
masking: 15 % becomes 20 % | 00 | course/src/models/bert.rs | rate: 0.15, masked | rate: 0.20, masked
spans: the closing sentinel is the last one | 00 | course/src/models/t5.rs | first_sentinel + spans.len() as u32, end | first_sentinel + spans.len() as u32 - 1, end
BPE: of equal pairs the largest | 01 | src/tokenizer/bpe_train.rs | pair: Reverse<u64>,\n    born: usize, | born: usize,\n    pair: Reverse<u64>,
BPE training: twice is not enough | 01 | src/tokenizer/bpe_train.rs | count as u64 >= least | count as u64 > least
BPE encoding: the highest rank first | 01 | src/tokenizer/bpe.rs | rank << 32 | (!rank & 0xffff) << 32
WordPiece: f(a) + f(b) | 01 | src/tokenizer/wordpiece.rs | counts[left as usize] as u128 * counts[right as usize] as u128 | counts[left as usize] as u128 + counts[right as usize] as u128
word2vec: negatives by f^(1/2) | 02 | course/src/models/word2vec/mod.rs | root * root.sqrt() | root
word2vec: start in ±1/C | 02 | course/src/models/word2vec/mod.rs | -0.5 / c as f32, 0.5 / c as f32 | -1.0 / c as f32, 1.0 / c as f32
word2vec: subsampling without the root | 02 | course/src/models/word2vec/vocabulary.rs | (f64::from(t) / share(n)).sqrt().min(1.0) | (f64::from(t) / share(n)).min(1.0)
word2vec: CBOW without 1/n | 02 | course/src/models/word2vec/mod.rs | elementwise::axpy(&mut v[row(id)], -rate * share, dh) | elementwise::axpy(&mut v[row(id)], -rate, dh)
ln σ: half the exponent | 02 | crates/kernels/src/activation.rs | below - math::ln_1p_unit(math::exp(-x.abs())) | below - math::ln_1p_unit(math::exp(-0.5 * x.abs()))
lookup: a repeated id overwrites | 02 | crates/kernels/src/embedding.rs | *sum += x; | *sum = *x;
RNN: tanh becomes GELU | 03 | course/src/models/rnn.rs | ops::tanh(&(&x | ops::gelu_tanh(&(&x
RNN: start from N(0, 1/C) | 03 | course/src/models/rnn.rs | 1.0 / (3.0 * c as f32).sqrt() | 1.0 / (c as f32).sqrt()
attention: 1/D for 1/√D | 03 | crates/tensor/src/ops/attention.rs | 1.0 / (self.head_dim as f32).sqrt() | 1.0 / self.head_dim as f32
attention: the mask one key late | 03 | crates/kernels/src/attention/call.rs | let causal = (i + 1 + keys).saturating_sub(queries); | let causal = (i + 2 + keys).saturating_sub(queries);
softmax backward: the mean is added | 03 | crates/kernels/src/softmax.rs | let g = y * (dy - mean); | let g = y * (dy + mean);
Adam: no bias correction | 03 | crates/kernels/src/adamw.rs | let rate = step.lr / step.bias1; | let rate = step.lr;
Adam: β₂ = 0.9 | 03 | src/training/optimizer/adamw.rs | beta2: 0.99, eps | beta2: 0.9, eps
ROWS
}

notebooks=(00_introduction_llms 01_tokenization 02_embeddings 03_attention_mechanism)
tmp=$(mktemp -d)
trap 'git worktree remove --force "$tmp/tree"; rm -rf "$tmp"' EXIT
git worktree add --quiet --detach "$tmp/tree"
git diff HEAD --binary | git -C "$tmp/tree" apply --allow-empty
git ls-files -z --others --exclude-standard | xargs -0 -r cp --parents -t "$tmp/tree"
# The dependencies are compiled already; a copy by reference costs nothing where the file system knows how. With their old
# times, so that cargo takes the dependencies as they are and compiles the project, whose files are younger.
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$tmp/tree/target/debug"
for part in deps build .fingerprint; do
    cp -a --reflink=auto "$target/debug/$part" "$tmp/tree/target/debug/"
done
unset CARGO_TARGET_DIR
cd "$tmp/tree"

# Runs a notebook as a program; the place of the assertion that failed, or nothing.
failure() {
    local program=${notebooks[10#$1]} log=$tmp/log
    if ! nice -n 19 cargo build --quiet --offline -p motamot-notebooks --bin "$program" 2>"$log"; then
        # Nothing that a cell noticed: the row, or the tree, is at fault.
        cat "$log" >&2
        return 1
    elif ! (mkdir -p "$tmp/run" && cd "$tmp/run" && nice -n 19 "$tmp/tree/target/debug/$program" >"$tmp/out" 2>"$log"); then
        sed -n "s|.*panicked at \([^ ]*[0-9]\):[0-9]*:\$|\1|p" "$log" | head -n 1 | grep . || echo "stopped: $(head -c 200 "$log")"
    fi
}

survivors=0
printf '| mutation | notebook | noticed by |\n|---|---|---|\n'
for nb in 00 01 02 03; do
    found=$(failure "$nb") || found="does not compile"
    [ -z "$found" ] || { echo "error: notebook $nb fails as it is: $found" >&2; exit 2; }
done
while IFS='|' read -r -u 3 name numbers file rest; do
    trim() { local s=${1#"${1%%[![:space:]]*}"}; printf '%s' "${s%"${s##*[![:space:]]}"}"; }
    name=$(trim "$name") file=$(trim "$file")
    [[ "$name" == *"${*}"* ]] || continue
    # The code itself may hold a bar: the last " | " parts what stands there from what is put there.
    from=$(printf '%b' "$(trim "${rest% | *}")") to=$(printf '%b' "$(trim "${rest##* | }")")
    text=$(<"$file")
    [[ "$text" == *"$from"* ]] || { echo "error: $name: $file does not hold: $from" >&2; exit 2; }
    printf '%s\n' "${text/"$from"/"$to"}" >"$file"
    noticed=
    for nb in $numbers; do
        noticed=$(failure "$nb") || { echo "error: $name: does not compile" >&2; exit 2; }
        [ -z "$noticed" ] || break
    done
    [ -n "$noticed" ] || survivors=$((survivors + 1))
    printf '| %s | %s | %s |\n' "$name" "$nb" "${noticed:-nothing: it survives}"
    printf '%s\n' "$text" >"$file"
done 3< <(rows)
echo "$survivors survive"
[ "$survivors" = 0 ]
