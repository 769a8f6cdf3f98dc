//! Attention of numbers in bf16, products summed in f32: the tiling of [`super::tiled`], other operands.
//!
//! Q, K, V and dO of a head come in bf16 and are brought into the layouts that their products need; P and dS are rounded
//! where they are computed. Scores, softmax and the sums of every product are f32. All products are blocks of
//! [`crate::gemm::bf16`], so that they run on whatever unit those run on, tiles included. That fixes the sides: A has
//! pairs along k in its rows, B is a panel of 32 columns, one row per pair. D is filled up to a multiple of 32.
//!
//! | product | A: rows, pairs along | B: columns |
//! |---|---|---|
//! | Sᵀ = K·Qᵀ, dPᵀ = V·dOᵀ | K or V: keys, D | Qᵀ or dOᵀ: 32 queries |
//! | Oᵀ = Vᵀ·Pᵀ, dQᵀ = Kᵀ·dSᵀ | Vᵀ or Kᵀ: D, keys | Pᵀ or dSᵀ: 32 queries |
//! | dV = Pᵀ·dO, dK = dSᵀ·Q | Pᵀ or dSᵀ: keys, queries | dO or Q: 32 of D |
//!
//! So whatever belongs to a query (maximum, sum, a row of O) is a lane from beginning to end, and only what is written
//! is turned.

mod lanes;
#[cfg(test)]
mod tests;

use super::call::{Call, Grads, Saved, Shape};
use super::lanes::{self as lanes32, Lanes, QUERIES, Running};
use super::prefetch::{prefetch_backward, prefetch_forward};
use super::tiled::{KEYS, Queries, for_each, take, take_lanes, with_scratch};
use super::view::{Dst, Src};
use crate::bf16::Bf16;
use crate::gemm::bf16::{Block, COLS, Held, Operand, PAIRS, Unit};
use crate::gemm::micro::Start;
use crate::gemm::pairs_mut;
use crate::parallel::SharedMut;
use lanes::{KeyPairs, QueryPairs};
use std::f32::consts::LOG2_E;

/// Rows that are readable behind every A: no unit's block has more.
const SPARE: usize = 32;

/// D filled up to whole panels.
fn width(head_dim: usize) -> usize {
    head_dim.next_multiple_of(COLS)
}

/// Cuts `n` pairs off the front.
fn take_pairs<'a>(rest: &mut &'a mut [f32], n: usize) -> &'a mut [u32] {
    pairs_mut(take(rest, n))
}

/// C (rows×32) = A·B or, `add`, C += A·B.
#[derive(Clone, Copy)]
struct Factors<'a> {
    /// Pair p of row i is at `i·a_row + p`; there are [`SPARE`] rows more. Beyond `pairs` up to a whole group they are
    /// finite, or B is.
    a: &'a [u32],
    a_row: usize,
    /// Pair p of column j is at `32·p + j`; beyond `pairs` up to a whole group they are zero, or A is.
    b: &'a [u32],
    pairs: usize,
}

impl Factors<'_> {
    /// Rows of C are `c_row` apart.
    fn multiply(&self, unit: &Unit, rows: usize, c: &mut [f32], c_row: usize, add: bool) {
        if rows == 0 {
            return;
        }
        let whole = self.pairs.next_multiple_of(PAIRS);
        assert!((rows - 1) * c_row + COLS <= c.len() && self.b.len() >= whole * COLS);
        assert!((rows.next_multiple_of(unit.rows) - 1) * self.a_row + whole <= self.a.len());
        assert!(self.b.as_ptr().addr().is_multiple_of(64));
        for i in (0..rows).step_by(unit.rows) {
            let block = Block {
                a: self.a[i * self.a_row..].as_ptr(),
                a_row: self.a_row,
                b: self.b.as_ptr(),
                pairs: self.pairs,
                c: c[i * c_row..].as_mut_ptr(),
                c_row,
                rows: unit.rows.min(rows - i),
                cols: COLS,
                start: if add { Start::Load } else { Start::Zero },
            };
            // SAFETY: the assertions; this thread holds what the unit needs.
            unsafe { (unit.block)(&block) };
        }
    }
}

/// Rows of `head_dim` numbers, at `stride` from each other, that are packed.
#[derive(Clone, Copy)]
struct Rows<'a> {
    data: &'a [Bf16],
    stride: usize,
    count: usize,
    head_dim: usize,
}

impl<'a> Rows<'a> {
    /// Rows `first .. first + count` of a head.
    fn of(src: &'a Src<Bf16>, (b, h): (usize, usize), first: usize, count: usize, head_dim: usize) -> Rows<'a> {
        let data = if count == 0 { &[] } else { src.tail(b, first, h) };
        Rows { data, stride: src.stride(), count, head_dim }
    }

    fn row(&self, t: usize) -> &'a [Bf16] {
        &self.data[t * self.stride..][..self.head_dim]
    }

    /// Row by row, pairs along D.
    fn along(&self, unit: &Unit, dst: &mut [u32]) {
        let along = Bf16::packs(unit).along;
        for (t, dst) in dst.chunks_exact_mut(width(self.head_dim) / 2).take(self.count).enumerate() {
            // SAFETY: a row of D; ⌈D/2⌉ pairs in whole groups of 16.
            unsafe { along(self.row(t).as_ptr(), self.head_dim, dst.as_mut_ptr()) }
        }
    }

    /// A row for each of D, pairs of neighbouring rows along it; those are `to` pairs long.
    fn turned(&self, unit: &Unit, dst: &mut [u32], to: usize) {
        let turn_across = Bf16::packs(unit).turn_across;
        for t in (0..self.count).step_by(2 * PAIRS) {
            let rows = (2 * PAIRS).min(self.count - t);
            for d in (0..self.head_dim).step_by(16) {
                let cols = 16.min(self.head_dim - d);
                let (src, dst) = (&self.row(t)[d..], &mut dst[d * to + t / 2..][..(cols - 1) * to + PAIRS]);
                let _ = self.row(t + rows - 1);
                // SAFETY: `rows` rows, of which `cols` numbers are read; as many rows of 16 pairs.
                unsafe { turn_across(src.as_ptr(), self.stride, cols, rows, dst.as_mut_ptr(), to) }
            }
        }
    }

    /// Panels of 32 of D: pairs of rows t and t + 16 of 32, as in [`QueryPairs`]; zeros where there is no row.
    fn across(&self, unit: &Unit, dst: &mut [u32]) {
        let across = Bf16::packs(unit).across;
        let mut panels = dst.chunks_exact_mut(COLS);
        for d in (0..self.head_dim).step_by(COLS) {
            let row = |t: usize| if t < self.count { self.row(t)[d..].as_ptr() } else { std::ptr::null() };
            for (t, dst) in (0..QUERIES / 2).zip(&mut panels) {
                let n = if t < self.count { COLS.min(self.head_dim - d) } else { 0 };
                // SAFETY: n columns of one or two rows; 32 pairs.
                unsafe { across(row(t), row(t + QUERIES / 2), n, dst.as_mut_ptr()) }
            }
        }
    }

    /// One panel with a column for each of at most 32 rows, pairs along D.
    fn transposed(&self, unit: &Unit, dst: &mut [u32]) {
        let turn_along = Bf16::packs(unit).turn_along;
        for d in (0..self.head_dim).step_by(32) {
            for half in [0, QUERIES / 2] {
                let rows = self.count.saturating_sub(half).min(QUERIES / 2);
                let src = if rows > 0 { self.row(half)[d..].as_ptr() } else { std::ptr::null() };
                let dst = dst[d / 2 * QUERIES..][..16 * QUERIES][half..].as_mut_ptr();
                // SAFETY: `rows` rows, of which ≤ 32 numbers are read; 16 rows of 16 pairs in rows of 32.
                unsafe { turn_along(src, self.stride, rows, 32.min(self.head_dim - d), dst, QUERIES) }
            }
        }
    }
}

/// K or V of a head in both layouts that are an A, of which a call may leave one empty.
struct Head<'a> {
    /// A row per key, pairs along D.
    along: &'a mut [u32],
    /// A row for each of D, pairs along keys.
    turned: &'a mut [u32],
    /// Pairs of a row of each.
    along_row: usize,
    turned_row: usize,
}

impl<'a> Head<'a> {
    /// How much memory it takes.
    fn len(head_dim: usize, seen: usize) -> usize {
        (seen + SPARE) * width(head_dim) / 2 + (width(head_dim) + SPARE) * (seen.next_multiple_of(2 * PAIRS) / 2)
    }

    fn new(rest: &mut &'a mut [f32], head_dim: usize, seen: usize) -> Head<'a> {
        let (along_row, turned_row) = (width(head_dim) / 2, seen.next_multiple_of(2 * PAIRS) / 2);
        let along = take_pairs(rest, (seen + SPARE) * along_row);
        let turned = take_pairs(rest, (width(head_dim) + SPARE) * turned_row);
        Head { along, turned, along_row, turned_row }
    }

    /// Scores or dP of a block: the products of keys `first` … with the 32 columns of `panel`.
    fn scores(&self, unit: &Unit, first: usize, panel: &[u32], s: &mut [Lanes]) {
        let (a, a_row) = (&self.along[first * self.along_row..], self.along_row);
        Factors { a, a_row, b: panel, pairs: a_row }.multiply(unit, s.len(), s.as_flattened_mut(), QUERIES, false);
    }

    /// Y (D × queries) = or += X·P, from the n keys `first` …
    fn gather(&self, unit: &Unit, first: usize, p: &[KeyPairs], n: usize, add: bool, y: &mut [Lanes]) {
        let (a, a_row, pairs) = (&self.turned[first / 2..], self.turned_row, n.div_ceil(2));
        let b = p.as_flattened();
        Factors { a, a_row, b, pairs }.multiply(unit, y.len(), y.as_flattened_mut(), QUERIES, add);
    }
}

/// Y (n keys × D) += P·X from pairs of queries; `x` is the panels of the block's queries, P has rows to spare.
fn scatter(unit: &Unit, p: &[QueryPairs], n: usize, x: &[u32], width: usize, y: &mut [f32]) {
    for (d, b) in (0..width).step_by(COLS).zip(x.chunks_exact(PAIRS * COLS)) {
        let factors = Factors { a: p.as_flattened(), a_row: PAIRS, b, pairs: PAIRS };
        factors.multiply(unit, n, &mut y[d..], width, true);
    }
}

/// Adds ALiBi's bias to a block of scores that are still to be multiplied by the scale.
fn bias(call: &Call<Bf16>, queries: &Queries, h: usize, first: usize, s: &mut [Lanes]) {
    if call.opts.alibi.is_some() {
        lanes32::add_alibi(s, call.slope(h) / call.opts.scale, &queries.position, first as f32);
    }
}

/// The rows of a block of queries: row l is column l of `y` times `factors[l]`. `room` is for as much as `y` is.
fn write_turned(
    unit: &Unit,
    y: &[Lanes],
    factors: &Lanes,
    count: usize,
    room: &mut [f32],
    mut row: impl FnMut(usize, &[Bf16]),
) {
    let to = y.len() / 2;
    let (pairs, rows) = room.split_at_mut(to * QUERIES);
    let (pairs, turned) = (pairs_mut(pairs), pairs_mut(rows));
    lanes::pair_up(y, factors, pairs.as_chunks_mut().0);
    for d in (0..to).step_by(16) {
        for half in [0, 16] {
            let (src, dst) = (&pairs[d * QUERIES + half..], &mut turned[half * to + d..]);
            assert!(src.len() >= 15 * QUERIES + 16 && dst.len() >= 15 * to + 16);
            // SAFETY: 16 rows of 16 on both sides.
            unsafe { (unit.transpose)(src.as_ptr(), QUERIES, dst.as_mut_ptr(), to) };
        }
    }
    for (l, pairs) in rows.chunks_exact(to).take(count).enumerate() {
        row(l, crate::bf16::halves(pairs));
    }
}

pub(super) fn forward(call: &Call<Bf16>, out: &Dst<Bf16>, lse: &mut [f32]) {
    let Shape { batch, heads, head_dim, queries, keys, .. } = call.shape;
    let (unit, width, scale) = (Unit::current(), width(head_dim), call.opts.scale * LOG2_E);
    if queries == 0 {
        return;
    }
    let lse = SharedMut::new(lse);
    for_each(batch * heads, batch * heads * queries * keys * head_dim, |chunk| {
        let (b, h) = (chunk / heads, chunk % heads);
        let g = call.kv_head(h);
        // SAFETY: the unit is one that runs here.
        let _held: Held = unsafe { (unit.hold)() };
        // SAFETY: this chunk alone holds (b, h).
        let lse = unsafe { lse.slice(chunk * queries, queries) };
        let seen = call.seen(b);
        let block = QUERIES * width;
        let len = 2 * KEYS * QUERIES + KEYS / 2 * QUERIES + 5 * block / 2 + 2 * Head::len(head_dim, seen);
        with_scratch(len, |mut rest| {
            let (s, factors) = (take_lanes(&mut rest, KEYS), take_lanes(&mut rest, KEYS));
            let (o, room) = (take_lanes(&mut rest, width), take(&mut rest, block));
            let p = take_pairs(&mut rest, KEYS / 2 * QUERIES).as_chunks_mut().0;
            let q_panel = take_pairs(&mut rest, block / 2);
            let (k, v) = (Head::new(&mut rest, head_dim, seen), Head::new(&mut rest, head_dim, seen));
            Rows::of(&call.k, (b, g), 0, seen, head_dim).along(unit, k.along);
            Rows::of(&call.v, (b, g), 0, seen, head_dim).turned(unit, v.turned, v.turned_row);
            for first in (0..queries).step_by(QUERIES) {
                prefetch_forward(call, out, chunk, first);
                let queries = Queries::new(call, b, first);
                let mut run =
                    Running { max: [f32::NEG_INFINITY; QUERIES], sum: [0.0; QUERIES], rescale: [0.0; QUERIES] };
                Rows::of(&call.q, (b, h), first, queries.count, head_dim).transposed(unit, q_panel);
                for (nth, keys) in queries.blocks().enumerate() {
                    let (j, n) = (keys.start, keys.len());
                    let s = &mut s[..n];
                    k.scores(unit, j, q_panel, s);
                    bias(call, &queries, h, j, s);
                    queries.hide(s, j);
                    if let Some(keep) = &call.keep {
                        let factors = &mut factors[..n.next_multiple_of(8)];
                        lanes32::keep_factors(keep, chunk as u32, first as u32, j as u32, factors);
                        lanes::soften::<true>(s, scale, factors, &mut run, p);
                    } else {
                        lanes::soften::<false>(s, scale, &[], &mut run, p);
                    }
                    if nth > 0 && run.rescale != [1.0; QUERIES] {
                        lanes32::multiply_each(&mut o[..head_dim], &run.rescale);
                    }
                    v.gather(unit, j, p, n, nth > 0, &mut o[..head_dim]);
                }
                // From here on to base e.
                run.max.iter_mut().for_each(|max| *max *= call.opts.scale);
                let (mut log_sums, mut inverse) = ([0.0; QUERIES], [0.0; QUERIES]);
                lanes32::finish(&run, &mut log_sums, &mut inverse);
                write_turned(unit, o, &inverse, queries.count, room, |l, o| {
                    // SAFETY: this chunk alone writes (b, ·, h).
                    let row = unsafe { out.row(b, first + l, h) };
                    if queries.sees(l) {
                        lanes::put(o, false, row);
                    } else {
                        row.fill(Bf16::default());
                    }
                });
                lse[first..][..queries.count].copy_from_slice(&log_sums[..queries.count]);
            }
        });
    });
}

pub(super) fn backward(call: &Call<Bf16>, saved: &Saved<Bf16>, grads: &Grads<Bf16>) {
    let Shape { batch, heads, kv_heads, head_dim, queries, keys } = call.shape;
    let (unit, width, group) = (Unit::current(), width(head_dim), heads / kv_heads);
    for_each(batch * kv_heads, batch * heads * queries * keys * head_dim, |chunk| {
        let (b, g) = (chunk / kv_heads, chunk % kv_heads);
        // SAFETY: the unit is one that runs here.
        let _held: Held = unsafe { (unit.hold)() };
        let seen = call.seen(b);
        let block = QUERIES * width;
        let score_pairs = (KEYS + SPARE) * QUERIES / 2;
        let len = 3 * KEYS * QUERIES + 3 * score_pairs + 4 * block + 2 * Head::len(head_dim, seen) + 2 * seen * width;
        with_scratch(len, |mut rest| {
            let [s, dp, factors] = std::array::from_fn(|_| take_lanes(&mut rest, KEYS));
            let [p, ds] = std::array::from_fn(|_| take_pairs(&mut rest, score_pairs).as_chunks_mut().0);
            let ds_keys = take_pairs(&mut rest, score_pairs).as_chunks_mut().0;
            let (dq, room) = (take_lanes(&mut rest, width), take(&mut rest, block));
            let [q_panel, do_panel] = std::array::from_fn(|_| take_pairs(&mut rest, block / 2));
            let [q_across, do_across] = std::array::from_fn(|_| take_pairs(&mut rest, block / 2));
            let (k, v) = (Head::new(&mut rest, head_dim, seen), Head::new(&mut rest, head_dim, seen));
            let [dk, dv] = std::array::from_fn(|_| take(&mut rest, seen * width));
            Rows::of(&call.k, (b, g), 0, seen, head_dim).along(unit, k.along);
            Rows::of(&call.k, (b, g), 0, seen, head_dim).turned(unit, k.turned, k.turned_row);
            Rows::of(&call.v, (b, g), 0, seen, head_dim).along(unit, v.along);
            dk.fill(0.0);
            dv.fill(0.0);
            for h in g * group..(g + 1) * group {
                for first in (0..queries).step_by(QUERIES) {
                    prefetch_backward(call, saved, grads, (b, g, h), first);
                    let queries = Queries::new(call, b, first);
                    let q_rows = Rows::of(&call.q, (b, h), first, queries.count, head_dim);
                    let do_rows = Rows::of(&saved.d_out, (b, h), first, queries.count, head_dim);
                    q_rows.transposed(unit, q_panel);
                    q_rows.across(unit, q_across);
                    do_rows.transposed(unit, do_panel);
                    do_rows.across(unit, do_across);
                    let (mut delta, mut lse) = ([0.0; QUERIES], [f32::INFINITY; QUERIES]);
                    for l in 0..queries.count {
                        if queries.sees(l) {
                            let i = first + l;
                            delta[l] = lanes32::join(lanes::dot_lanes(do_rows.row(l), saved.out.row(b, i, h)));
                            lse[l] = saved.lse[(b * heads + h) * call.shape.queries + i] * LOG2_E;
                        }
                    }
                    let query = lanes::Differentiated { scale: call.opts.scale * LOG2_E, lse, delta };
                    dq.as_flattened_mut().fill(0.0);
                    for keys in queries.blocks() {
                        let (j, n) = (keys.start, keys.len());
                        let (s, dp) = (&mut s[..n], &mut dp[..n]);
                        k.scores(unit, j, q_panel, s);
                        v.scores(unit, j, do_panel, dp);
                        bias(call, &queries, h, j, s);
                        queries.hide(s, j);
                        if let Some(keep) = &call.keep {
                            let factors = &mut factors[..n.next_multiple_of(8)];
                            lanes32::keep_factors(keep, (b * heads + h) as u32, first as u32, j as u32, factors);
                            lanes::differentiate::<true>(s, dp, factors, &query, p, ds, ds_keys);
                        } else {
                            lanes::differentiate::<false>(s, dp, &[], &query, p, ds, ds_keys);
                        }
                        let part = j * width..(j + n) * width;
                        if grads.dv.is_some() {
                            scatter(unit, p, n, do_across, width, &mut dv[part.clone()]);
                        }
                        if grads.dk.is_some() {
                            scatter(unit, ds, n, q_across, width, &mut dk[part]);
                        }
                        if grads.dq.is_some() {
                            k.gather(unit, j, ds_keys, n, true, &mut dq[..head_dim]);
                        }
                    }
                    if let Some(dst) = &grads.dq {
                        write_turned(unit, dq, &[call.opts.scale; QUERIES], queries.count, room, |l, row| {
                            // SAFETY: this chunk alone writes dq of the heads of its group.
                            lanes::put(row, dst.accumulate, unsafe { dst.row(b, first + l, h) });
                        });
                    }
                }
            }
            for (dst, rows, factor) in [(&grads.dk, dk, call.opts.scale), (&grads.dv, dv, 1.0)] {
                let Some(dst) = dst else { continue };
                for j in 0..keys {
                    // SAFETY: this chunk alone writes dk and dv of key-value head g.
                    let row = unsafe { dst.row(b, j, g) };
                    match rows.chunks_exact(width).nth(j) {
                        Some(x) => lanes::put_rounded(x, factor, dst.accumulate, row),
                        // A key that nobody sees.
                        None if dst.accumulate => (),
                        None => row.fill(Bf16::default()),
                    }
                }
            }
        });
    });
}
