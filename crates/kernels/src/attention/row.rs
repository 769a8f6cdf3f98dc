//! One query row against many keys: what decoding does at each step, K and V in a cache.
//!
//! Blocks of keys, chains and sums are those of [`super::tiled`], so a row has the same bits here as there. Only the
//! lanes differ: here they are keys, because there is but one query. K is transposed in registers, a panel at a time.

use super::lanes::{scaled, sum_by_fours};
use super::tiled::KEYS;
use super::*;
use crate::gemm::micro::{Block, Kernel, Start};
use crate::isa::vectorise;
use crate::math::{exp, ln};

/// Working memory that [`forward`] needs: scores, a packed panel of keys, the scaled query, the output.
pub(super) fn scratch(head_dim: usize) -> usize {
    KEYS + MAX_COLS * head_dim + 2 * head_dim
}

/// Columns of the widest register block.
const MAX_COLS: usize = 32;

vectorise! {
    /// max(max, x…), passing over NaN.
    pub(super) fn largest(x: &[f32], max: f32) -> f32 {
        let (blocks, tail) = x.as_chunks::<16>();
        let mut m = [max; 16];
        for block in blocks {
            for l in 0..16 {
                m[l] = if block[l] > m[l] { block[l] } else { m[l] };
            }
        }
        m.iter().chain(tail).fold(max, |max, x| if *x > max { *x } else { max })
    }

    /// x = exp(x − shift)
    pub(super) fn exponentials(x: &mut [f32], shift: f32) {
        for x in x {
            *x = exp(*x - shift);
        }
    }

    /// x_j −= slope·|position − j|, j = first, first + 1, …
    pub(super) fn add_alibi(x: &mut [f32], slope: f32, position: f32, first: f32) {
        for (j, x) in x.iter_mut().enumerate() {
            *x = (-slope).mul_add((position - (first + j as f32)).abs(), *x);
        }
    }

    /// max + ln(sum), and the running sum of a row: sum·rescale + more.
    fn log_sum(max: f32, sum: f32) -> f32 {
        max + ln(sum)
    }

    pub(super) fn rescaled(sum: f32, rescale: f32, more: f32) -> f32 {
        sum.mul_add(rescale, more)
    }

    pub(super) fn exp1(x: f32) -> f32 {
        exp(x)
    }
}

/// Writes output row i of (b, h), which sees at least one key; returns its log-sum-exp.
pub(super) fn forward(
    kernel: &Kernel,
    call: &Call,
    (b, h): (usize, usize),
    i: usize,
    scratch: &mut [f32],
    out: &mut [f32],
) -> f32 {
    let (head_dim, g, seen) = (call.shape.head_dim, call.kv_head(h), call.visible(b, i));
    let (s, rest) = scratch.split_at_mut(KEYS);
    let (panel, rest) = rest.split_at_mut(kernel.cols * head_dim);
    let (q, rest) = rest.split_at_mut(head_dim);
    let o = &mut rest[..head_dim];
    scaled(call.q.row(b, i, h), call.opts.scale, q);
    let (mut max, mut sum) = (f32::NEG_INFINITY, 0.0);
    for first in (0..seen).step_by(KEYS) {
        let s = &mut s[..KEYS.min(seen - first)];
        for j in (0..s.len()).step_by(kernel.cols) {
            let cols = kernel.cols.min(s.len() - j);
            let dst = panel.as_mut_ptr();
            let block = Block {
                a: q.as_ptr(),
                a_row: 0,
                a_k: 1,
                b: panel.as_ptr(),
                b_k: kernel.cols,
                k: head_dim,
                c: s[j..].as_mut_ptr(),
                c_row: 0,
                rows: 1,
                cols,
                start: Start::Zero,
            };
            // SAFETY: `cols` keys from first + j on, which `Src` checked; a panel of D rows; `cols` scores.
            unsafe {
                kernel.pack_transposed(call.k.ptr(b, first + j, g), call.k.stride(), head_dim, cols, dst);
                kernel.block(&block);
            }
        }
        if call.opts.alibi.is_some() {
            add_alibi(s, call.slope(h), call.position(i), first as f32);
        }
        let before = max;
        max = largest(s, max);
        let shift = if max == f32::NEG_INFINITY { 0.0 } else { max };
        let rescale = exp1(before - shift);
        exponentials(s, shift);
        sum = rescaled(sum, rescale, sum_by_fours(s));
        if call.keep.is_some() {
            for (j, p) in s.iter_mut().enumerate() {
                *p *= call.kept(b, h, i, first + j);
            }
        }
        if first > 0 && rescale != 1.0 {
            super::lanes::scale(o, rescale);
        }
        for d in (0..head_dim).step_by(kernel.cols) {
            let block = Block {
                a: s.as_ptr(),
                a_row: 0,
                a_k: 1,
                b: call.v.row(b, first, g)[d..].as_ptr(),
                b_k: call.v.stride(),
                k: s.len(),
                c: o[d..].as_mut_ptr(),
                c_row: 0,
                rows: 1,
                cols: kernel.cols.min(head_dim - d),
                start: if first == 0 { Start::Zero } else { Start::Load },
            };
            // SAFETY: rows first .. first + s.len() of v, which `Src` checked.
            unsafe { kernel.block(&block) }
        }
    }
    scaled(o, 1.0 / sum, out);
    log_sum(max, sum)
}
