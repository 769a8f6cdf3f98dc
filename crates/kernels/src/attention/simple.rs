//! The judge: attention as its formula reads, one query row at a time. Slow, and right by inspection.
//!
//! Parallel over (sequence, head); the backward over (sequence, key-value head), so that no two threads add to the same
//! dk or dv. One row of Tk scores is all that it keeps. It is compiled for the portable instruction set only, and
//! multiplies and adds without fusing: it has the same bits everywhere, but not those of the fast version.

use super::memory::Shared;
use super::*;
use crate::math::{exp, ln};
use crate::parallel::for_each_chunk;

/// [`super::attention`], the readable way: same arguments, same result up to rounding.
#[track_caller]
pub fn attention(shape: Shape, opts: Options, q: View, k: View, v: View, out: ViewMut, lse: &mut [f32]) {
    let call = Call::new("attention", shape, opts, q, k, v);
    let out = call.dst("out", out, shape.queries, shape.heads, false);
    call.check_lse(lse);
    forward(&call, &out, lse);
}

/// [`super::attention_backward`], the readable way: same arguments, same result up to rounding.
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
    backward(&call, &saved, &call.grads(grads));
}

pub(super) fn forward(call: &Call, out: &Dst, lse: &mut [f32]) {
    let Shape { batch, heads, queries, keys, .. } = call.shape;
    let lse = Shared::new(lse);
    for_each_chunk(batch * heads, |chunk| {
        let (b, h) = (chunk / heads, chunk % heads);
        let g = call.kv_head(h);
        // SAFETY: this chunk alone holds (b, h).
        let lse = unsafe { lse.part(chunk * queries, queries) };
        let mut p = vec![0.0; keys];
        for i in 0..queries {
            // SAFETY: this chunk alone writes (b, ·, h).
            let o = unsafe { out.row(b, i, h) };
            o.fill(0.0);
            let p = &mut p[..call.visible(b, i)];
            scores(call, b, h, i, p);
            let max = p.iter().copied().fold(f32::NEG_INFINITY, |m, s| if s > m { s } else { m });
            if p.is_empty() {
                lse[i] = f32::NEG_INFINITY;
                continue;
            }
            let mut sum = 0.0;
            for p in p.iter_mut() {
                *p = exp(*p - max);
                sum += *p;
            }
            lse[i] = max + ln(sum);
            for (j, p) in p.iter().enumerate() {
                let p = p / sum * call.kept(b, h, i, j);
                for (o, v) in o.iter_mut().zip(call.v.row(b, j, g)) {
                    *o += p * v;
                }
            }
        }
    });
}

pub(super) fn backward(call: &Call, saved: &Saved, grads: &Grads) {
    let Shape { batch, heads, kv_heads, head_dim, queries, keys } = call.shape;
    let (group, scale) = (heads / kv_heads, call.opts.scale);
    for_each_chunk(batch * kv_heads, |chunk| {
        let (b, g) = (chunk / kv_heads, chunk % kv_heads);
        let mut p = vec![0.0; keys];
        let mut dq = vec![0.0; head_dim];
        let mut dk = vec![0.0; keys * head_dim];
        let mut dv = vec![0.0; keys * head_dim];
        for h in g * group..(g + 1) * group {
            for i in 0..queries {
                let p = &mut p[..call.visible(b, i)];
                scores(call, b, h, i, p);
                let lse = saved.lse[(b * heads + h) * queries + i];
                let (q, d_out) = (call.q.row(b, i, h), saved.d_out.row(b, i, h));
                let delta = dot(d_out, saved.out.row(b, i, h));
                dq.fill(0.0);
                for (j, s) in p.iter().enumerate() {
                    let (p, kept) = (exp(s - lse), call.kept(b, h, i, j));
                    let (k, v) = (call.k.row(b, j, g), call.v.row(b, j, g));
                    let ds = p * (kept * dot(d_out, v) - delta) * scale;
                    let (dk, dv) = (&mut dk[j * head_dim..][..head_dim], &mut dv[j * head_dim..][..head_dim]);
                    for d in 0..head_dim {
                        dv[d] += p * kept * d_out[d];
                        dk[d] += ds * q[d];
                        dq[d] += ds * k[d];
                    }
                }
                if let Some(dst) = &grads.dq {
                    // SAFETY: this chunk alone writes dq of the heads of its group.
                    unsafe { dst.put(b, i, h, &dq) };
                }
            }
        }
        for (dst, rows) in [(&grads.dk, &dk), (&grads.dv, &dv)] {
            for (j, row) in rows.chunks_exact(head_dim.max(1)).enumerate() {
                if let Some(dst) = dst {
                    // SAFETY: this chunk alone writes dk and dv of key-value head g.
                    unsafe { dst.put(b, j, g, row) };
                }
            }
        }
    });
}

/// s_j = scale·q_i·k_j − slope·|i_abs − j| for the keys that query i sees.
fn scores(call: &Call, b: usize, h: usize, i: usize, s: &mut [f32]) {
    let (q, g) = (call.q.row(b, i, h), call.kv_head(h));
    let (slope, position) = (call.slope(h), call.position(i));
    for (j, s) in s.iter_mut().enumerate() {
        *s = call.opts.scale * dot(q, call.k.row(b, j, g)) - slope * (position - j as f32).abs();
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
