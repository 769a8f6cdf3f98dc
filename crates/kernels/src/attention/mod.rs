//! Attention: softmax(scale · Q·Kᵀ + mask)·V for many heads, grouped-query, self or cross, forward and backward.
//!
//! One kernel serves GPT, BERT, T5 and cross attention. Nothing of size Tq × Tk is kept: the forward saves one
//! log-sum-exp per query row, and the backward computes the probabilities again from it. Memory is linear in T.
//!
//! * [`simple`]: the formula as one reads it, a row at a time. It is the judge of the fast version in the tests.
//! * `tiled`: the fast version, blocks of 32 queries by 128 keys with a running softmax, on the GEMM's block product;
//!   `row`: the same bits for a row or two; `cached`: the same bits for one query per sequence and a cache laid out for
//!   it, as decoding needs; `lanes`: the steps between the products.
//! * `bf16`: the tiled version on numbers in bf16, at twice the rate or more where there are instructions for them.
//!
//! Source: Vaswani et al. 2017, arXiv:1706.03762; grouped-query: Ainslie et al. 2023, arXiv:2305.13245; ALiBi: Press
//! et al. 2021, arXiv:2108.12409; the backward from log-sum-exp: Dao 2023 (FlashAttention-2), arXiv:2307.08691.

mod bf16;
pub(crate) mod cached;
mod call;
mod dropout;
mod lanes;
mod prefetch;
mod row;
pub mod simple;
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
    tiled::forward(&call, &out, lse);
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
    bf16::forward(&call, &out, lse);
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
    bf16::backward(&call, &saved, &call.grads(grads));
}
