//! The fast version: blocks of [`QUERIES`] queries by [`KEYS`] keys, written once for every kind of number.
//!
//! A block of scores is kept transposed, Sᵀ = K·Qᵀ: one row per key, one lane per query (see [`super::lanes`]). Each
//! query then meets the blocks of keys in order with a running maximum and sum; the output is rescaled when the maximum
//! grows. The partition into blocks is fixed and every element is one chain over its terms, so the bits depend neither
//! on threads nor on which other queries are computed along: a row decoded alone, K and V in a cache, has the bits of the
//! same row in the whole sequence. How the operands lie, and the products, are those of the numbers ([`Numbers`]).
//!
//! The backward is parallel over (sequence, key-value head), so that dk and dv have one writer.

use super::block::{KEYS, Queries, for_each, take, take_lanes, with_scratch};
use super::call::{Call, Grads, Saved, Shape};
use super::lanes::{self, Lanes, QUERIES, Running};
use super::prefetch::{prefetch_backward, prefetch_forward};
use super::view::Dst;
use crate::bf16::Element;
use crate::map::join_sum;
use crate::parallel::SharedMut;
use std::ops::Range;

/// Numbers that the tiled version computes with.
pub(super) trait Numbers: Element {
    /// Operands of one head.
    type Head<'m>: Head<'m, Self>;
    /// Whether [`Head::load`] multiplies the queries by the scale. If not, scores lack it, and so do the sums for dk.
    const SCALED: bool;
    /// Length of a row of D in the sums for dk and dv.
    fn width(head_dim: usize) -> usize;
}

/// A block of queries and one of the blocks of keys that it sees.
pub(super) struct Tile<'t> {
    pub queries: &'t Queries,
    pub keys: Range<usize>,
    /// Whether it is the first of the queries' blocks of keys.
    pub first: bool,
    /// What dropout multiplies probabilities by.
    pub factors: Option<&'t [Lanes]>,
}

/// K, V and a block of Q and dO of one head, in the layouts that their products need; and Y, the block's rows of O or dQ.
pub(super) trait Head<'m, T>: Sized {
    /// Working memory of [`Head::new`].
    fn len(call: &Call<T>, seen: usize, backward: bool) -> usize;

    /// Takes its memory off `rest` and reads the first `seen` rows of K and V of key-value head g of sequence b.
    fn new(call: &'m Call<T>, at: (usize, usize), seen: usize, backward: bool, rest: &mut &'m mut [f32]) -> Self;

    /// Reads a block of queries of head h, and of dO if there is one; Y becomes 0 then.
    fn load(&mut self, call: &Call<T>, at: (usize, usize), queries: &Queries, saved: Option<&Saved<T>>);

    /// Sᵀ = K·Qᵀ and, unless it is empty, dPᵀ = V·dOᵀ.
    fn scores(&self, tile: &Tile, s: &mut [Lanes], dp: &mut [Lanes]);

    /// Scores become P = exp(s − max), and Y is rescaled and gets Pᵀ·V added.
    fn weigh(&mut self, tile: &Tile, s: &mut [Lanes], run: &mut Running);

    /// With P = exp(s − lse) and dS = P ⊙ (dP − delta) adds Pᵀ·dO to dv, dSᵀ·Q to dk and dS·K to Y, those that are wanted.
    fn differentiate(
        &mut self,
        tile: &Tile,
        s_dp: (&mut [Lanes], &mut [Lanes]),
        lse_delta: (&Lanes, &Lanes),
        wanted: &Grads<T>,
        dk_dv: (&mut [f32], &mut [f32]),
    );

    /// Row l of the block of head h: `factors[l]` times that of Y.
    fn write(&mut self, queries: &Queries, at: (usize, usize), factors: &Lanes, dst: &Dst<T>);
}

/// Dropout's factors for a block, in `memory`.
fn dropped<'f, T: Element>(
    call: &Call<T>,
    (b, h): (usize, usize),
    queries: &Queries,
    keys: &Range<usize>,
    memory: &'f mut [Lanes],
) -> Option<&'f [Lanes]> {
    let keep = call.keep.as_ref()?;
    let factors = &mut memory[..keys.len().next_multiple_of(8)];
    lanes::keep_factors(keep, (b * call.shape.heads + h) as u32, queries.first as u32, keys.start as u32, factors);
    Some(factors)
}

/// What scores are still to be multiplied by.
fn scale_left<T: Numbers>(call: &Call<T>) -> f32 {
    if T::SCALED { 1.0 } else { call.opts.scale }
}

pub(super) fn forward<T: Numbers>(call: &Call<T>, out: &Dst<T>, lse: &mut [f32]) {
    let Shape { batch, heads, head_dim, queries, keys, .. } = call.shape;
    let (left, lse) = (scale_left(call), SharedMut::new(lse));
    for_each(batch * heads, batch * heads * queries * keys * head_dim, |chunk| {
        let (b, h) = (chunk / heads, chunk % heads);
        let seen = call.seen(b);
        // SAFETY: this chunk alone holds (b, h).
        let lse = unsafe { lse.slice(chunk * queries, queries) };
        with_scratch(2 * KEYS * QUERIES + T::Head::len(call, seen, false), |memory| {
            // As long as this chunk lasts, no longer.
            let mut rest = &mut *memory;
            let [s, factors] = std::array::from_fn(|_| take_lanes(&mut rest, KEYS));
            let mut head = T::Head::new(call, (b, call.kv_head(h)), seen, false, &mut rest);
            for first in (0..queries).step_by(QUERIES) {
                prefetch_forward(call, out, chunk, first);
                let queries = Queries::new(call, b, first);
                let mut run =
                    Running { max: [f32::NEG_INFINITY; QUERIES], sum: [0.0; QUERIES], rescale: [0.0; QUERIES] };
                head.load(call, (b, h), &queries, None);
                for (nth, keys) in queries.blocks().enumerate() {
                    let s = &mut s[..keys.len()];
                    let factors = dropped(call, (b, h), &queries, &keys, factors);
                    let tile = Tile { queries: &queries, keys, first: nth == 0, factors };
                    head.scores(&tile, s, &mut []);
                    queries.mask(call, h, left, tile.keys.start, s);
                    head.weigh(&tile, s, &mut run);
                }
                run.max.iter_mut().for_each(|max| *max *= left);
                let (mut log_sums, mut inverse) = ([0.0; QUERIES], [0.0; QUERIES]);
                lanes::finish(&run, &mut log_sums, &mut inverse);
                head.write(&queries, (b, h), &inverse, out);
                for l in (0..queries.count).filter(|l| !queries.sees(*l)) {
                    // SAFETY: this chunk alone writes (b, ·, h).
                    unsafe { out.row(b, first + l, h) }.fill(T::default());
                }
                lse[first..][..queries.count].copy_from_slice(&log_sums[..queries.count]);
            }
        });
    });
}

pub(super) fn backward<T: Numbers>(call: &Call<T>, saved: &Saved<T>, grads: &Grads<T>) {
    let Shape { batch, heads, kv_heads, head_dim, queries, keys } = call.shape;
    let (group, width, left) = (heads / kv_heads, T::width(head_dim), scale_left(call));
    for_each(batch * kv_heads, batch * heads * queries * keys * head_dim, |chunk| {
        let (b, g) = (chunk / kv_heads, chunk % kv_heads);
        let seen = call.seen(b);
        with_scratch(3 * KEYS * QUERIES + T::Head::len(call, seen, true) + 2 * seen * width, |memory| {
            // As long as this chunk lasts, no longer.
            let mut rest = &mut *memory;
            let [s, dp, factors] = std::array::from_fn(|_| take_lanes(&mut rest, KEYS));
            let mut head = T::Head::new(call, (b, g), seen, true, &mut rest);
            let [dk, dv] = std::array::from_fn(|_| take(&mut rest, seen * width));
            dk.fill(0.0);
            dv.fill(0.0);
            for h in g * group..(g + 1) * group {
                for first in (0..queries).step_by(QUERIES) {
                    prefetch_backward(call, saved, grads, (b, g, h), first);
                    let queries = Queries::new(call, b, first);
                    head.load(call, (b, h), &queries, Some(saved));
                    let (mut delta, mut lse) = ([0.0; QUERIES], [f32::INFINITY; QUERIES]);
                    for l in (0..queries.count).filter(|l| queries.sees(*l)) {
                        let i = first + l;
                        delta[l] = join_sum(lanes::dot_lanes(saved.d_out.row(b, i, h), saved.out.row(b, i, h)));
                        lse[l] = saved.lse[(b * heads + h) * call.shape.queries + i];
                    }
                    for (nth, keys) in queries.blocks().enumerate() {
                        let (s, dp) = (&mut s[..keys.len()], &mut dp[..keys.len()]);
                        let rows = keys.start * width..keys.end * width;
                        let factors = dropped(call, (b, h), &queries, &keys, factors);
                        let tile = Tile { queries: &queries, keys, first: nth == 0, factors };
                        head.scores(&tile, s, dp);
                        queries.mask(call, h, left, tile.keys.start, s);
                        let sums = (&mut dk[rows.clone()], &mut dv[rows]);
                        head.differentiate(&tile, (s, dp), (&lse, &delta), grads, sums);
                    }
                    if let Some(dst) = &grads.dq {
                        head.write(&queries, (b, h), &[call.opts.scale; QUERIES], dst);
                    }
                }
            }
            for (dst, rows, factor) in [(&grads.dk, dk, left), (&grads.dv, dv, 1.0)] {
                let Some(dst) = dst else { continue };
                for j in 0..keys {
                    // SAFETY: this chunk alone writes dk and dv of key-value head g.
                    let row = unsafe { dst.row(b, j, g) };
                    match rows.chunks_exact(width).nth(j) {
                        Some(x) => lanes::put(x, factor, dst.accumulate, row),
                        // A key that nobody sees.
                        None if dst.accumulate => (),
                        None => row.fill(T::default()),
                    }
                }
            }
        });
    });
}
