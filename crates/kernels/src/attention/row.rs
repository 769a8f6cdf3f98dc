//! One query row against many keys: the steps of a softmax whose lanes are keys, and attention of a row by them.
//!
//! Blocks of keys, chains and sums are those of [`super::tiled`], so a row has the same bits here as there. Only the
//! lanes differ: here they are keys, because there is but one query. K is transposed in registers, a panel at a time.

use super::block::{KEYS, for_each, with_scratch};
use super::call::{Call, Shape};
use super::lanes::{put, scale};
use super::view::Dst;
use crate::gemm::micro::{Block, Kernel, Start};
use crate::isa::vectorise;
use crate::map::whole;
use crate::math::{exp, ln};
use crate::parallel::SharedMut;

/// Up to this many queries are computed row by row.
pub(super) const FEW: usize = 2;

/// Working memory that [`one`] needs: scores, a packed panel of keys, the scaled query, the output.
fn scratch(head_dim: usize) -> usize {
    KEYS + MAX_COLS * head_dim + 2 * head_dim
}

/// Columns of the widest register block.
const MAX_COLS: usize = 32;

/// The running softmax of a query over the keys seen so far: the largest score and Σ exp(score − max).
#[derive(Clone, Copy)]
pub(super) struct Running {
    pub max: f32,
    pub sum: f32,
}

/// Before the first key.
pub(super) const NOTHING: Running = Running { max: f32::NEG_INFINITY, sum: 0.0 };

vectorise! {
    /// Scores become exp(score − max), and the running maximum and sum take them in: [`super::lanes::soften`] for one
    /// query, with its four chains. Returns what older sums of the query are to be multiplied by.
    pub(super) fn soften(scores: &mut [f32], run: &mut Running) -> f32 {
        let (blocks, tail) = scores.as_chunks::<16>();
        let mut lanes = [run.max; 16];
        for block in blocks {
            for l in 0..16 {
                lanes[l] = if block[l] > lanes[l] { block[l] } else { lanes[l] };
            }
        }
        let lanes = whole(lanes);
        let max = lanes.iter().chain(tail).fold(run.max, |max, x| if *x > max { *x } else { max });
        let shift = if max == f32::NEG_INFINITY { 0.0 } else { max };
        let rescale = exp(run.max - shift);
        for s in &mut *scores {
            *s = exp(*s - shift);
        }
        let mut sums = [0.0f32; 4];
        let (fours, last) = scores.as_chunks::<4>();
        for four in fours {
            for n in 0..4 {
                sums[n] += four[n];
            }
        }
        for (sum, x) in sums.iter_mut().zip(last) {
            *sum += x;
        }
        *run = Running { max, sum: run.sum.mul_add(rescale, (sums[0] + sums[2]) + (sums[1] + sums[3])) };
        rescale
    }

    /// x_j −= slope·|position − j|, j = first, first + 1, …
    pub(super) fn add_alibi(x: &mut [f32], slope: f32, position: f32, first: f32) {
        for (j, x) in x.iter_mut().enumerate() {
            *x = (-slope).mul_add((position - (first + j as f32)).abs(), *x);
        }
    }

    fn log_sum(run: &Running) -> f32 {
        run.max + ln(run.sum)
    }
}

/// [`super::tiled::forward`] row by row.
pub(super) fn forward(call: &Call, out: &Dst, lse: &mut [f32]) {
    let Shape { batch, heads, head_dim, queries, keys, .. } = call.shape;
    let (kernel, lse) = (Kernel::current(), SharedMut::new(lse));
    for_each(batch * heads, batch * heads * queries * keys * head_dim, |chunk| {
        let (b, h) = (chunk / heads, chunk % heads);
        // SAFETY: this chunk alone holds (b, h).
        let lse = unsafe { lse.slice(chunk * queries, queries) };
        with_scratch(scratch(head_dim), |scratch| {
            for (i, lse) in lse.iter_mut().enumerate() {
                // SAFETY: this chunk alone writes (b, ·, h).
                let out = unsafe { out.row(b, i, h) };
                if call.keys(b, i).is_empty() {
                    out.fill(0.0);
                    *lse = f32::NEG_INFINITY;
                } else {
                    *lse = one(kernel, call, (b, h), i, scratch, out);
                }
            }
        });
    });
}

/// Writes output row i of (b, h), which sees at least one key; returns its log-sum-exp.
fn one(kernel: &Kernel, call: &Call, (b, h): (usize, usize), i: usize, scratch: &mut [f32], out: &mut [f32]) -> f32 {
    let (head_dim, g, keys) = (call.shape.head_dim, call.kv_head(h), call.keys(b, i));
    let (s, rest) = scratch.split_at_mut(KEYS);
    let (panel, rest) = rest.split_at_mut(kernel.cols * head_dim);
    let (q, rest) = rest.split_at_mut(head_dim);
    let o = &mut rest[..head_dim];
    put(call.q.row(b, i, h), call.opts.scale, false, q);
    let (mut run, mut start) = (NOTHING, Start::Zero);
    for first in (keys.start / KEYS * KEYS..keys.end).step_by(KEYS) {
        let s = &mut s[..KEYS.min(keys.end - first)];
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
                let keys = call.k.tail(b, first + j, g).as_ptr();
                kernel.pack_transposed(keys, call.k.stride(), head_dim, cols, dst);
                kernel.block(&block);
            }
        }
        if call.opts.alibi.is_some() {
            add_alibi(s, call.slope(h), call.position(i), first as f32);
        }
        s[..keys.start.saturating_sub(first)].fill(f32::NEG_INFINITY);
        let rescale = soften(s, &mut run);
        if let Some(keep) = &call.keep {
            for (j, p) in s.iter_mut().enumerate() {
                *p *= keep.at(b * call.shape.heads + h, i, first + j);
            }
        }
        if matches!(start, Start::Load) && rescale != 1.0 {
            scale(o, rescale);
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
                start,
            };
            // SAFETY: rows first .. first + s.len() of v, which `Src` checked.
            unsafe { kernel.block(&block) }
        }
        start = Start::Load;
    }
    put(o, 1.0 / run.sum, false, out);
    log_sum(&run)
}
