//! Causal self-attention, softmax(Q·Kᵀ/√D)·V, for every head: from the formula to the library's kernel.
//!
//! Rows of q, k, v and out are B·T, each H heads of D numbers.

use super::{Run, Rung, noise};
use motamot_kernels::attention::{self, Forward, Mask, Options, Shape, View, ViewMut, simple};
use motamot_kernels::bf16::{self, Bf16, Element};
use motamot_kernels::isa::{self, Isa};
use std::sync::Arc;

/// `mini`'s heads at a context of 512.
const B: usize = 2;
const T: usize = 512;
const H: usize = 8;
const D: usize = 32;
const C: usize = H * D;

/// Queries, keys and values.
type Qkv = Arc<[Vec<f32>; 3]>;

/// Title, elements of the output, FLOP (two products over the keys that are seen), rungs.
pub fn ladder() -> (String, usize, f64, Vec<Rung>) {
    let qkv: Qkv = Arc::new([1, 2, 3].map(|seed| noise(B * T * C, seed)));
    let rung = |name: &str, idea, f: fn(&Qkv, &mut [f32])| {
        let qkv = qkv.clone();
        Rung { name: name.into(), idea, threads: 1, tolerance: 2e-5, run: Box::new(move |out| f(&qkv, out)) }
    };
    let mut rungs = vec![
        rung("naive", "the formula: all T×T scores of a head are kept, masked, and normalised", naive),
        rung("row by row", "one row of scores at a time, and only the keys that are seen", row_by_row),
    ];
    // The library's: blocks of 32 queries by 128 keys go through the block product of the GEMM; the softmax keeps a running
    // maximum and sum, so that nothing of size T×T exists (FlashAttention), and `exp` is computed 16 at a time.
    let ideas = [
        (Isa::Neon, "tiles and a running softmax, 128-bit vectors"),
        (Isa::Avx2, "tiles and a running softmax, 256-bit vectors"),
        (Isa::Avx512, "512-bit vectors and twice the registers"),
        (Isa::Avx512Bf16, "numbers and products in bf16, a shorter exp"),
        (Isa::Amx, "the same, tiles of 16×16"),
    ];
    let available = isa::available();
    for (isa, idea) in ideas.into_iter().filter(|(isa, _)| available.contains(isa)) {
        let run: Run = if isa.has_bf16() {
            let qkv = qkv.each_ref().map(|x| x.iter().map(|x| Bf16::of(*x)).collect::<Vec<_>>());
            let mut rounded = vec![Bf16::default(); B * T * C];
            Box::new(move |out| {
                isa::with(isa, || library(attention::attention_bf16, qkv.each_ref().map(|x| &x[..]), &mut rounded));
                bf16::copy(&rounded, out);
            })
        } else {
            let qkv = qkv.clone();
            Box::new(move |out| isa::with(isa, || tiled(&qkv, out)))
        };
        // Eight bits of each factor are kept.
        let tolerance = if isa.has_bf16() { 1.0 / 128.0 } else { 2e-5 };
        rungs.push(Rung { name: isa.to_string(), idea, threads: 1, tolerance, run });
    }
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    rungs.push(Rung {
        threads,
        name: format!("{threads} threads"),
        ..rung("", "f32 again: heads and blocks of queries are handed out to all cores", tiled)
    });
    let pairs = (B * H * T * (T + 1) / 2) as f64;
    (format!("attention, {B} sequences of {T} tokens, {H} heads of {D}"), B * T * C, 4.0 * D as f64 * pairs, rungs)
}

/// As the formula reads, with all scores of a head in memory: 1 MB here, 64 MB at T = 4,096. Half of the products are of
/// scores that the mask then throws away.
fn naive(qkv: &Qkv, out: &mut [f32]) {
    let [q, k, v] = &**qkv;
    let mut scores = vec![0.0f32; T * T];
    for b in 0..B {
        for h in 0..H {
            // Element d of head h at position t.
            let at = |t: usize, d: usize| (b * T + t) * C + h * D + d;
            for i in 0..T {
                for j in 0..T {
                    let dot: f32 = (0..D).map(|d| q[at(i, d)] * k[at(j, d)]).sum();
                    scores[i * T + j] = if j <= i { dot / (D as f32).sqrt() } else { f32::NEG_INFINITY };
                }
            }
            for row in scores.chunks_exact_mut(T) {
                let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                row.iter_mut().for_each(|s| *s = (*s - max).exp());
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|s| *s /= sum);
            }
            for i in 0..T {
                for d in 0..D {
                    out[at(i, d)] = (0..T).map(|j| scores[i * T + j] * v[at(j, d)]).sum();
                }
            }
        }
    }
}

/// The call that all rungs of the library answer.
fn call() -> (Shape, Options<'static>) {
    let shape = Shape { batch: B, heads: H, kv_heads: H, head_dim: D, queries: T, keys: T };
    (shape, Options { scale: 1.0 / (D as f32).sqrt(), mask: Mask::Causal, alibi: None, dropout: None })
}

fn library<T: Element>(f: Forward<T>, qkv: [&[T]; 3], out: &mut [T]) {
    let (shape, options) = call();
    let [q, k, v] = qkv.map(|x| View::dense(x, T, C));
    let mut log_sum_exp = vec![0.0; B * H * T];
    f(shape, options, q, k, v, ViewMut::dense(out, T, C), &mut log_sum_exp);
}

/// The library's readable version, the judge of its tests.
fn row_by_row(qkv: &Qkv, out: &mut [f32]) {
    let ((shape, options), [q, k, v]) = (call(), &**qkv);
    out.copy_from_slice(&simple::attention(shape, options, q, k, v).0);
}

fn tiled(qkv: &Qkv, out: &mut [f32]) {
    library(attention::attention, qkv.each_ref().map(|x| &x[..]), out);
}
