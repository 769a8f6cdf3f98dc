//! Attention: softmax(scale · Q·Kᵀ + mask)·V for many heads, grouped-query, self or cross, forward and backward.
//!
//! One kernel serves GPT, BERT, T5 and cross attention. For one head the formula reads
//!
//! ```text
//! for i in queries:
//!     for j in the keys that i sees:  s[j] = scale · dot(q[i], k[j])
//!     max    = maximum of s
//!     p[j]   = exp(s[j] − max)
//!     sum    = Σ p[j]
//!     out[i] = Σ p[j] · v[j] / sum
//!     lse[i] = max + log(sum)          (for the backward)
//! ```
//!
//! and [`simple`] computes it so, in plain loops: it is the judge of the fast version in the tests. With all T×T scores in
//! memory the loops reach 1.7 GFLOP/s on one thread, with a row at a time 4.0. The fast version does the same by these
//! ideas (figures: `dev/LOG.md`, "the ladder" and "attention in f32"; T = 512, causal, one thread):
//!
//! 1. **Blocks and a running softmax** (`tiled`). 32 queries meet 128 keys at a time, so that both products run in the
//!    register blocks of the GEMM. The maximum and the sum are brought up to date with each block of keys, and what was
//!    summed before is rescaled when the maximum grows. With 2: 81 GFLOP/s on AVX2, 153 on AVX-512.
//! 2. **Queries are lanes** (`lanes`). Scores are kept transposed, Sᵀ = K·Qᵀ, so that maximum, sum and mask of 16 queries
//!    are vectors, `exp` is computed 16 at a time, and no step joins lanes.
//! 3. **Nothing of size Tq × Tk.** The forward saves one log-sum-exp per query, and the backward computes the
//!    probabilities again from it: p_ij = exp(s_ij − lse_i). Memory is linear in T.
//! 4. **The derivative of the softmax from the output.** It needs Σ_j p_ij·dp_ij, which is do_i·out_i: no pass over
//!    the keys.
//! 5. **Blocks that nobody sees are skipped**, by the range of keys of each query (`Call::keys`, the one place that knows
//!    the masks); only blocks at an edge of it are masked. Under a causal mask that is nearly half of the work.
//! 6. **One row has its own way**, where keys are lanes: `row` (18 µs instead of 68 for the layer of a token), and for
//!    decoding `cached`, whose cache lies as the products want it. Both have the bits of the blocks.
//! 7. **bf16** (`bf16`): the same blocks of numbers in bf16, with a shorter `exp`; 270 GFLOP/s where the processor has the
//!    instructions at full rate.
//! 8. **Heads are handed out to threads**, and rows, which lie far apart, are asked for ahead (`prefetch`): 302 GFLOP/s on
//!    two threads in f32.
//!
//! `tiled` is written once for every kind of number; `single` and `bf16` hold the layouts and products of theirs. `call`
//! and `view` are what a call consists of, checked; `block` is which keys a block of queries sees.
//!
//! Source: Vaswani et al. 2017, arXiv:1706.03762; grouped-query: Ainslie et al. 2023, arXiv:2305.13245; ALiBi: Press
//! et al. 2021, arXiv:2108.12409; blocks, and the backward from log-sum-exp: Dao 2023 (FlashAttention-2),
//! arXiv:2307.08691.

mod bf16;
mod block;
pub(crate) mod cached;
mod call;
mod dropout;
mod lanes;
mod prefetch;
mod row;
pub mod simple;
mod single;
mod tiled;
mod view;

#[cfg(test)]
mod tests;

use crate::bf16::Bf16;
pub use cached::CacheLayout;
use call::Call;
pub use call::{AttentionGrads, Backward, Forward, GradView, Mask, Options, Shape};
pub use view::{View, ViewMut};

/// out_i = Σ_j p_ij·v_j,  p_i = softmax_j(scale·q_i·k_j + bias),  lse_i = log Σ_j exp(scale·q_i·k_j + bias)
///
/// Shapes: q, out (B, Tq, H·D), k, v (B, Tk, G·D), lse (B, H, Tq).  A query that sees no key: out 0, lse −∞.
/// Keys beyond the padding are never read; those that the mask hides otherwise must be finite.
/// Panics if a view does not fit its buffer.  Same as torch.nn.functional.scaled_dot_product_attention.
#[track_caller]
pub fn attention(shape: Shape, opts: Options, q: View, k: View, v: View, out: ViewMut, lse: &mut [f32]) {
    let call = Call::new("attention", shape, opts, q, k, v);
    let out = call.out(out, lse);
    if shape.queries <= row::FEW { row::forward(&call, &out, lse) } else { tiled::forward(&call, &out, lse) }
}

/// dv_j = Σ_i p_ij·do_i,  ds_ij = p_ij·(do_i·v_j − do_i·out_i),  dq_i = scale·Σ_j ds_ij·k_j,  dk_j = scale·Σ_i ds_ij·q_i
///
/// `opts`, `out` and `lse` are the forward's; p_ij = exp(scale·q_i·k_j + bias − lse_i) is computed again.  With dropout
/// p_ij·keep_ij/(1 − p) takes the place of p_ij in dv, and do_i·v_j is multiplied by keep_ij/(1 − p).
/// Gradients of a query that sees no key are 0.  Panics if a view does not fit its buffer or destinations overlap.
#[track_caller]
pub fn attention_backward(
    shape: Shape,
    opts: Options,
    q: View,
    k: View,
    v: View,
    out: View,
    lse: &[f32],
    d_out: View,
    grads: AttentionGrads,
) {
    let call = Call::new("attention_backward", shape, opts, q, k, v);
    let saved = call.saved(out, lse, d_out);
    tiled::backward(&call, &saved, &call.grads(grads));
}

/// [`attention`] of numbers in bf16: products of those, softmax and sums in f32, the result rounded.
///
/// Without instructions for it ([`crate::isa::Isa::has_bf16`]) this is the slow judge of those that have them.
/// Panics as [`attention`] does, or if the scale is not above 0.
#[track_caller]
pub fn attention_bf16(
    shape: Shape,
    opts: Options,
    q: View<Bf16>,
    k: View<Bf16>,
    v: View<Bf16>,
    out: ViewMut<Bf16>,
    lse: &mut [f32],
) {
    let call = Call::new("attention_bf16", shape, opts, q, k, v);
    let out = call.out(out, lse);
    call.check_scale();
    tiled::forward(&call, &out, lse);
}

/// [`attention_backward`] of [`attention_bf16`].
#[track_caller]
pub fn attention_backward_bf16(
    shape: Shape,
    opts: Options,
    q: View<Bf16>,
    k: View<Bf16>,
    v: View<Bf16>,
    out: View<Bf16>,
    lse: &[f32],
    d_out: View<Bf16>,
    grads: AttentionGrads<Bf16>,
) {
    let call = Call::new("attention_backward_bf16", shape, opts, q, k, v);
    let saved = call.saved(out, lse, d_out);
    call.check_scale();
    tiled::backward(&call, &saved, &call.grads(grads));
}
