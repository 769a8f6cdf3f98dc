//! The judge: attention as its formula reads, one query row at a time. Slow, and right by inspection.
//!
//! Plain loops over dense slices, q (B, Tq, H, D), k and v (B, Tk, G, D), in safe Rust on one thread. With the fast
//! version it shares the words of a call ([`Shape`], [`Options`]) and the generator of random numbers, and no code: which
//! keys are seen and what dropout keeps is decided here again, from the documentation.

use super::call::{Mask, Options, Shape};
use crate::rng::philox4x32;

/// What [`super::attention`] computes, up to rounding → out (B, Tq, H, D) and lse (B, H, Tq).
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn attention(shape: Shape, opts: Options, q: &[f32], k: &[f32], v: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let Shape { batch, heads, head_dim, queries, .. } = shape;
    let mut out = vec![0.0; batch * queries * heads * head_dim];
    let mut lse = vec![f32::NEG_INFINITY; batch * heads * queries];
    for_each_query(shape, |b, h, i| {
        // The scores of the keys that are seen: s_j = scale·q_i·k_j − slope·|i_abs − j|.
        let keys: Vec<usize> = (0..shape.keys).filter(|j| sees(shape, opts.mask, b, i, *j)).collect();
        let s: Vec<f32> = keys.iter().map(|j| score(shape, opts, q, k, (b, h, i, *j))).collect();
        if s.is_empty() {
            return; // out 0, lse −∞
        }
        // p = softmax(s). With the maximum taken off no exponential overflows, and the quotient is the same.
        let max = s.iter().copied().fold(f32::NEG_INFINITY, |max, s| if s > max { s } else { max });
        let sum: f32 = s.iter().map(|s| (s - max).exp()).sum();
        lse[(b * heads + h) * queries + i] = max + sum.ln();
        // out_i = Σ_j p_ij·keep_ij·v_j
        let out = &mut out[query(shape, b, i, h)..][..head_dim];
        for (j, s) in keys.into_iter().zip(s) {
            let p = (s - max).exp() / sum * kept(shape, opts, (b, h, i, j));
            let v = &v[key(shape, b, j, h)..][..head_dim];
            for d in 0..head_dim {
                out[d] += p * v[d];
            }
        }
    });
    (out, lse)
}

/// What [`super::attention_backward`] computes, up to rounding → dq, dk and dv, each of the shape of what it belongs to.
///
/// # Panics
/// If a slice is shorter than its shape.
pub fn attention_backward(
    shape: Shape,
    opts: Options,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    out: &[f32],
    lse: &[f32],
    d_out: &[f32],
) -> [Vec<f32>; 3] {
    let Shape { batch, heads, kv_heads, head_dim, queries, keys } = shape;
    let mut dq = vec![0.0; batch * queries * heads * head_dim];
    let mut dk = vec![0.0; batch * keys * kv_heads * head_dim];
    let mut dv = dk.clone();
    for_each_query(shape, |b, h, i| {
        let row = query(shape, b, i, h)..query(shape, b, i, h) + head_dim;
        let (q_i, out_i, d_out_i, dq) = (&q[row.clone()], &out[row.clone()], &d_out[row.clone()], &mut dq[row]);
        // In the forward pass p = softmax(s), so with dp for the gradient of p: ds_j = p_j·(dp_j − Σ_l p_l·dp_l). In the
        // sum each dp_l is keep_l·(d_out_i·v_l), and Σ_l p_l·keep_l·v_l is out_i: it is d_out_i·out_i.
        let mean = dot(d_out_i, out_i);
        for j in (0..keys).filter(|j| sees(shape, opts.mask, b, i, *j)) {
            let at = key(shape, b, j, h);
            let (k_j, v_j) = (&k[at..][..head_dim], &v[at..][..head_dim]);
            let (dk, dv) = (&mut dk[at..][..head_dim], &mut dv[at..][..head_dim]);
            // In the forward pass p_j = exp(s_j) / Σ_l exp(s_l), and lse_i is the logarithm of that sum.
            let p = (score(shape, opts, q, k, (b, h, i, j)) - lse[(b * heads + h) * queries + i]).exp();
            let keep = kept(shape, opts, (b, h, i, j));
            // In the forward pass out_i = Σ_j p_j·keep_j·v_j, so d_out_i reaches v_j times p_j·keep_j, and p_j as
            // keep_j·(d_out_i·v_j).
            let dp = keep * dot(d_out_i, v_j);
            let ds = p * (dp - mean);
            for d in 0..head_dim {
                dv[d] += p * keep * d_out_i[d];
                // In the forward pass s_j = scale·q_i·k_j + what depends on neither, so each gets the other.
                dq[d] += opts.scale * ds * k_j[d];
                dk[d] += opts.scale * ds * q_i[d];
            }
        }
    });
    [dq, dk, dv]
}

/// Calls `f(b, h, i)` for every query of every head.
fn for_each_query(shape: Shape, mut f: impl FnMut(usize, usize, usize)) {
    for b in 0..shape.batch {
        for h in 0..shape.heads {
            (0..shape.queries).for_each(|i| f(b, h, i));
        }
    }
}

/// Where row i of query head h starts in q, out and their gradients.
fn query(shape: Shape, b: usize, i: usize, h: usize) -> usize {
    ((b * shape.queries + i) * shape.heads + h) * shape.head_dim
}

/// Where the row j that query head h reads starts in k, v and their gradients: H/G query heads share one.
fn key(shape: Shape, b: usize, j: usize, h: usize) -> usize {
    ((b * shape.keys + j) * shape.kv_heads + h * shape.kv_heads / shape.heads) * shape.head_dim
}

/// Whether query i of sequence b sees key j.
fn sees(shape: Shape, mask: Mask, b: usize, i: usize, j: usize) -> bool {
    // The last query stands at the last key: i_abs = i + Tk − Tq, so j ≤ i_abs without a subtraction is this.
    let causal = j + shape.queries <= i + shape.keys;
    match mask {
        Mask::Full => true,
        Mask::Causal => causal,
        Mask::Padding(n) => j < n[b] as usize,
        Mask::CausalPadding(n) => causal && j < n[b] as usize,
        Mask::Window(n) => causal && i + shape.keys < j + n + shape.queries,
    }
}

/// scale·q_i·k_j − slope·|i_abs − j|
fn score(shape: Shape, opts: Options, q: &[f32], k: &[f32], (b, h, i, j): (usize, usize, usize, usize)) -> f32 {
    let (q, k) = (&q[query(shape, b, i, h)..], &k[key(shape, b, j, h)..]);
    let distance = (i + shape.keys).abs_diff(j + shape.queries) as f32;
    opts.scale * dot(&q[..shape.head_dim], &k[..shape.head_dim]) - opts.alibi.map_or(0.0, |slopes| slopes[h]) * distance
}

/// What dropout multiplies probability (b, h, i, j) by: 0, or 1/(1 − p).
///
/// A block of Philox under (seed, stream) is the key of the blocks that decide, each about 8 keys of a row: kept is what
/// has 16 bits that are at least p·2¹⁶.
fn kept(shape: Shape, opts: Options, (b, h, i, j): (usize, usize, usize, usize)) -> f32 {
    let Some((p, (seed, stream))) = opts.dropout else { return 1.0 };
    let halves = |x: u64| [x as u32, (x >> 32) as u32];
    let [low, high] = halves(stream);
    let [key_0, key_1, salt, _] = philox4x32(halves(seed), [low, high, 0, 0xa77e]);
    let row = (b * shape.heads + h) as u32;
    let words = philox4x32([key_0, key_1], [(j / 8) as u32, i as u32, row, salt]);
    let bits = words[j % 8 / 2] >> (16 * (j % 2)) & 0xffff;
    if f64::from(bits) >= (f64::from(p) * 65536.0).round().min(65535.0) {
        (1.0 / (1.0 - f64::from(p))) as f32
    } else {
        0.0
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
