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

use super::block::{KEYS, Queries, take, take_lanes};
use super::call::{Call, Grads, Saved};
use super::lanes::{self as lanes32, Lanes, QUERIES, Running};
use super::tiled::{Head, Numbers, Tile};
use super::view::{Dst, Src};
use crate::bf16::Bf16;
use crate::gemm::bf16::{Block, COLS, Held, Operand, PAIRS, Unit};
use crate::gemm::micro::Start;
use crate::gemm::pairs_mut;
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
struct Layouts<'a> {
    /// A row per key, pairs along D.
    along: &'a mut [u32],
    /// A row for each of D, pairs along keys.
    turned: &'a mut [u32],
    /// Pairs of a row of each.
    along_row: usize,
    turned_row: usize,
}

impl<'a> Layouts<'a> {
    /// How much memory it takes.
    fn len(head_dim: usize, seen: usize) -> usize {
        (seen + SPARE) * width(head_dim) / 2 + (width(head_dim) + SPARE) * (seen.next_multiple_of(2 * PAIRS) / 2)
    }

    fn new(rest: &mut &'a mut [f32], head_dim: usize, seen: usize) -> Layouts<'a> {
        let (along_row, turned_row) = (width(head_dim) / 2, seen.next_multiple_of(2 * PAIRS) / 2);
        let along = take_pairs(rest, (seen + SPARE) * along_row);
        let turned = take_pairs(rest, (width(head_dim) + SPARE) * turned_row);
        Layouts { along, turned, along_row, turned_row }
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

/// The operands of one head. What only a backward needs is empty in a forward.
pub(super) struct Bf16Head<'m> {
    unit: &'static Unit,
    _held: Held,
    head_dim: usize,
    /// Multiplies scores, to base 2.
    scale: f32,
    k: Layouts<'m>,
    v: Layouts<'m>,
    /// Q and dO: a column for each query.
    panels: [&'m mut [u32]; 2],
    /// Q and dO: panels of 32 of D.
    across: [&'m mut [u32]; 2],
    /// P and dS: pairs of queries.
    by_query: [&'m mut [QueryPairs]; 2],
    /// P or dS: pairs of keys.
    by_key: &'m mut [KeyPairs],
    /// (D, queries).
    y: &'m mut [Lanes],
    room: &'m mut [f32],
}

impl Numbers for Bf16 {
    type Head<'m> = Bf16Head<'m>;
    const SCALED: bool = false;
    fn width(head_dim: usize) -> usize {
        width(head_dim)
    }
}

/// Elements that a block of P or dS takes as pairs.
const SCORE_PAIRS: usize = (KEYS + SPARE) * QUERIES / 2;

impl<'m> Head<'m, Bf16> for Bf16Head<'m> {
    fn len(call: &Call<Bf16>, seen: usize, backward: bool) -> usize {
        let block = QUERIES * width(call.shape.head_dim);
        let (blocks, scores) = if backward { (4 * block, 3) } else { (5 * block / 2, 1) };
        blocks + scores * SCORE_PAIRS + 2 * Layouts::len(call.shape.head_dim, seen)
    }

    fn new(
        call: &'m Call<Bf16>,
        (b, g): (usize, usize),
        seen: usize,
        backward: bool,
        rest: &mut &'m mut [f32],
    ) -> Self {
        let (unit, head_dim) = (Unit::current(), call.shape.head_dim);
        // SAFETY: the unit is one that runs here.
        let _held = unsafe { (unit.hold)() };
        let (width, block, back) = (width(head_dim), QUERIES * width(head_dim) / 2, usize::from(backward));
        let by_query = [0, 1].map(|_| take_pairs(rest, back * SCORE_PAIRS).as_chunks_mut().0);
        let by_key = take_pairs(rest, SCORE_PAIRS).as_chunks_mut().0;
        let (y, room) = (take_lanes(rest, width), take(rest, 2 * block));
        let panels = [block, back * block].map(|n| take_pairs(rest, n));
        let across = [0, 1].map(|_| take_pairs(rest, back * block));
        let (k, v) = (Layouts::new(rest, head_dim, seen), Layouts::new(rest, head_dim, seen));
        let [k_rows, v_rows] = [&call.k, &call.v].map(|src| Rows::of(src, (b, g), 0, seen, head_dim));
        k_rows.along(unit, k.along);
        if backward {
            k_rows.turned(unit, k.turned, k.turned_row);
            v_rows.along(unit, v.along);
        } else {
            v_rows.turned(unit, v.turned, v.turned_row);
        }
        let scale = call.opts.scale * LOG2_E;
        Bf16Head { unit, _held, head_dim, scale, k, v, panels, across, by_query, by_key, y, room }
    }

    fn load(&mut self, call: &Call<Bf16>, at: (usize, usize), queries: &Queries, saved: Option<&Saved<Bf16>>) {
        let rows = |src| Rows::of(src, at, queries.first, queries.count, self.head_dim);
        rows(&call.q).transposed(self.unit, self.panels[0]);
        let Some(Saved { d_out, .. }) = saved else { return };
        rows(&call.q).across(self.unit, self.across[0]);
        rows(d_out).transposed(self.unit, self.panels[1]);
        rows(d_out).across(self.unit, self.across[1]);
        self.y.as_flattened_mut().fill(0.0);
    }

    fn scores(&self, tile: &Tile, s: &mut [Lanes], dp: &mut [Lanes]) {
        self.k.scores(self.unit, tile.keys.start, self.panels[0], s);
        self.v.scores(self.unit, tile.keys.start, self.panels[1], dp);
    }

    fn weigh(&mut self, tile: &Tile, s: &mut [Lanes], run: &mut Running) {
        match tile.factors {
            Some(factors) => lanes::soften::<true>(s, self.scale, factors, run, self.by_key),
            None => lanes::soften::<false>(s, self.scale, &[], run, self.by_key),
        }
        let y = &mut self.y[..self.head_dim];
        if !tile.first && run.rescale != [1.0; QUERIES] {
            lanes32::multiply_each(y, &run.rescale);
        }
        self.v.gather(self.unit, tile.keys.start, self.by_key, s.len(), !tile.first, y);
    }

    fn differentiate(
        &mut self,
        tile: &Tile,
        (s, dp): (&mut [Lanes], &mut [Lanes]),
        (lse, delta): (&Lanes, &Lanes),
        wanted: &Grads<Bf16>,
        (dk, dv): (&mut [f32], &mut [f32]),
    ) {
        let (unit, n, width, [p, ds]) = (self.unit, s.len(), width(self.head_dim), &mut self.by_query);
        let query = lanes::Differentiated { scale: self.scale, lse: lse.map(|lse| lse * LOG2_E), delta: *delta };
        match tile.factors {
            Some(factors) => lanes::differentiate::<true>(s, dp, factors, &query, p, ds, self.by_key),
            None => lanes::differentiate::<false>(s, dp, &[], &query, p, ds, self.by_key),
        }
        if wanted.dv.is_some() {
            scatter(unit, p, n, self.across[1], width, dv);
        }
        if wanted.dk.is_some() {
            scatter(unit, ds, n, self.across[0], width, dk);
        }
        if wanted.dq.is_some() {
            self.k.gather(unit, tile.keys.start, self.by_key, n, true, &mut self.y[..self.head_dim]);
        }
    }

    fn write(&mut self, queries: &Queries, (b, h): (usize, usize), factors: &Lanes, dst: &Dst<Bf16>) {
        write_turned(self.unit, self.y, factors, queries.count, self.room, |l, row| {
            // SAFETY: only this thread writes rows of head h of sequence b.
            lanes::put(row, dst.accumulate, unsafe { dst.row(b, queries.first + l, h) });
        });
    }
}
