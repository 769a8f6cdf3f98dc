//! Attention with its products in bf16, summed in f32: the tiling of [`super::tiled`], other operands.
//!
//! Q (times scale·log₂e, so that softmax is 2^x), K, V and dO of a head are rounded once and packed as pairs, in the
//! layouts their products need; P and dS are rounded where they are computed. Scores, softmax, the sums of every product
//! and what is in memory between calls are f32. With panels of 32 columns, and D filled up to a multiple of 32:
//!
//! | product | A, whose pairs are broadcast | B, a panel |
//! |---|---|---|
//! | Sᵀ = K·Qᵀ, dPᵀ = V·dOᵀ | rows of K or V, pairs along D | Qᵀ or dOᵀ, 32 queries |
//! | O = P·V, dQ = dS·K | P or dS by pairs of keys | V or K by pairs of keys, 32 of D |
//! | dV = Pᵀ·dO, dK = dSᵀ·Q | P or dS by pairs of queries | dO or Q by pairs of queries, 32 of D |

mod lanes;
mod product;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::lanes::{self as lanes32, Lanes, QUERIES, Running};
use super::memory::Shared;
use super::prefetch::{prefetch_backward, prefetch_forward};
use super::tiled::{KEYS, Queries, for_each, take, take_lanes, with_scratch, zero_rows};
use super::*;
use crate::gemm;
use crate::gemm::bf16::Unit;
use lanes::{KeyPairs, QueryPairs};
use product::{COLS, Product};
use std::f32::consts::{LN_2, LOG2_E};

/// Rows of a block of a product that skips what the mask hides.
const ROWS: usize = 8;

/// D filled up to whole panels.
fn width(head_dim: usize) -> usize {
    head_dim.next_multiple_of(COLS)
}

/// Cuts `n` pairs off the front.
fn take_pairs<'a>(rest: &mut &'a mut [f32], n: usize) -> &'a mut [u32] {
    gemm::pairs_mut(take(rest, n))
}

/// Rows of `head_dim` numbers, at `stride` from each other, that are packed.
#[derive(Clone, Copy)]
struct Rows<'a> {
    data: &'a [f32],
    stride: usize,
    count: usize,
    head_dim: usize,
}

impl<'a> Rows<'a> {
    /// Rows `first .. first + count` of a head.
    fn of(src: &'a Src, (b, h): (usize, usize), first: usize, count: usize, head_dim: usize) -> Rows<'a> {
        let data = if count == 0 { &[] } else { src.tail(b, first, h) };
        Rows { data, stride: src.stride(), count, head_dim }
    }

    fn row(&self, t: usize) -> &'a [f32] {
        &self.data[t * self.stride..][..self.head_dim]
    }

    /// Row by row, pairs along D.
    fn along(&self, unit: &Unit, dst: &mut [u32]) {
        for (t, dst) in dst.chunks_exact_mut(width(self.head_dim) / 2).take(self.count).enumerate() {
            // SAFETY: a row of D; ⌈D/2⌉ pairs in whole groups of 16.
            unsafe { (unit.along)(self.row(t).as_ptr(), self.head_dim, dst.as_mut_ptr()) }
        }
    }

    /// Panels of 32 columns, pairs of rows t and t + `apart` for each `t` of `firsts`; zeros where there is no row.
    fn across(&self, unit: &Unit, apart: usize, firsts: impl Iterator<Item = usize> + Clone, dst: &mut [u32]) {
        let mut panels = dst.chunks_exact_mut(COLS);
        for d in (0..self.head_dim).step_by(COLS) {
            let row = |t: usize| if t < self.count { self.row(t)[d..].as_ptr() } else { std::ptr::null() };
            for (t, dst) in firsts.clone().zip(&mut panels) {
                let n = if t < self.count { COLS.min(self.head_dim - d) } else { 0 };
                // SAFETY: n columns of one or two rows; 32 pairs.
                unsafe { (unit.across)(row(t), row(t + apart), n, dst.as_mut_ptr()) }
            }
        }
    }

    /// Pairs of neighbouring rows.
    fn across_keys(&self, unit: &Unit, dst: &mut [u32]) {
        self.across(unit, 1, (0..self.count).step_by(2), dst);
    }

    /// Pairs of rows t and t + 16 of 32, as [`QueryPairs`].
    fn across_queries(&self, unit: &Unit, dst: &mut [u32]) {
        self.across(unit, QUERIES / 2, 0..QUERIES / 2, dst);
    }

    /// One panel with a column for each of at most 32 rows, pairs along D.
    fn transposed(&self, unit: &Unit, dst: &mut [u32]) {
        for d in (0..self.head_dim).step_by(32) {
            for half in [0, QUERIES / 2] {
                let rows = self.count.saturating_sub(half).min(QUERIES / 2);
                let src = if rows > 0 { self.row(half)[d..].as_ptr() } else { std::ptr::null() };
                let dst = dst[d / 2 * QUERIES..][..16 * QUERIES][half..].as_mut_ptr();
                // SAFETY: `rows` rows, of which ≤ 32 numbers are read; 16 rows of 16 pairs in rows of 32.
                unsafe { (unit.turn_along)(src, self.stride, rows, 32.min(self.head_dim - d), dst, QUERIES) }
            }
        }
    }
}

/// Scores or dP of a block: row j has the products of row j of `a`, pairs along D, with the 32 columns of `b`. Lanes of
/// queries below 16 are not computed where none of them sees the key.
fn scores(queries: &Queries, first: usize, head_dim: usize, a: &[u32], b: &[u32], s: &mut [Lanes]) {
    let pairs = width(head_dim) / 2;
    let seen = queries.limit[queries.count.min(QUERIES / 2) - 1] as usize;
    let both = seen.saturating_sub(first).min(s.len());
    let (n, c) = (s.len(), s.as_flattened_mut());
    let product = Product { a, a_row: pairs, a_pair: 1, b, pairs, c_row: QUERIES, accumulate: false };
    product.run(both, false, c);
    let half = QUERIES / 2;
    if both < n {
        let (a, b) = (&a[both * pairs..], &b[half..]);
        Product { a, b, ..product }.run(n - both, true, &mut c[both * QUERIES + half..]);
    }
}

/// Y (queries × D) = or += P·X from pairs of keys; `x` is the panels of the whole head, `first` the block's first key.
fn gather(queries: &Queries, first: usize, p: &[KeyPairs], n: usize, x: &[u32], accumulate: bool, y: &mut [f32]) {
    let (width, panel) = (y.len() / QUERIES, x.len() / (y.len() / QUERIES) * COLS);
    for l in (0..queries.count).step_by(ROWS) {
        let rows = ROWS.min(queries.count - l);
        let seen = (queries.limit[l + rows - 1] as usize).saturating_sub(first).min(n);
        for (d, x) in (0..width).step_by(COLS).zip(x.chunks_exact(panel)) {
            let (a, b) = (&p.as_flattened()[l..], &x[first / 2 * COLS..]);
            let pairs = seen.div_ceil(2);
            let product = Product { a, a_row: 1, a_pair: QUERIES, b, pairs, c_row: width, accumulate };
            product.run(rows, false, &mut y[l * width + d..]);
        }
    }
}

/// Y (keys × D) += Pᵀ·X from pairs of queries; `x` is the panels of the block's queries.
fn scatter(queries: &Queries, first: usize, p: &[QueryPairs], x: &[u32], y: &mut [f32]) {
    let width = y.len() / p.len();
    const PAIRS: usize = QUERIES / 2;
    // A pair is of queries i and i + 16: those of which the second sees nothing are left out. For most keys none is.
    let all = if queries.count > PAIRS { queries.limit[PAIRS] as usize } else { usize::MAX };
    let all = all.saturating_sub(first).min(p.len());
    let mut j = 0;
    while j < p.len() {
        let rows = if j < all { all } else { ROWS.min(p.len() - j) };
        let hidden = queries.first_to_see(first + j).saturating_sub(PAIRS).min(PAIRS);
        for (d, x) in (0..width).step_by(COLS).zip(x.chunks_exact(PAIRS * COLS)) {
            let (a, b, pairs) = (&p[j..].as_flattened()[hidden..], &x[hidden * COLS..], PAIRS - hidden);
            let product = Product { a, a_row: PAIRS, a_pair: 1, b, pairs, c_row: width, accumulate: true };
            product.run(rows, false, &mut y[j * width + d..]);
        }
        j += rows;
    }
}

/// The block's queries times `factor`, as dense rows.
fn scaled_queries(call: &Call, queries: &Queries, (b, h): (usize, usize), factor: f32, dst: &mut [f32]) {
    let rows = &mut dst[..queries.count * call.shape.head_dim];
    let q = &call.q;
    lanes32::scale_rows(q.tail(b, queries.first, h), q.stride(), call.shape.head_dim, factor, rows);
}

/// Adds ALiBi's bias, to base 2, to a block of scores.
fn bias(call: &Call, queries: &Queries, h: usize, first: usize, s: &mut [Lanes]) {
    if call.opts.alibi.is_some() {
        lanes32::add_alibi(s, call.slope(h) * LOG2_E, &queries.position, first as f32);
    }
}

pub(super) fn forward(call: &Call, out: &Dst, lse: &mut [f32]) {
    let Shape { batch, heads, head_dim, queries, keys, .. } = call.shape;
    let (unit, width) = (Unit::current(), width(head_dim));
    let lse = Shared::new(lse);
    for_each(batch * heads, batch * heads * queries * keys * head_dim, |chunk| {
        let (b, h) = (chunk / heads, chunk % heads);
        let g = call.kv_head(h);
        // SAFETY: this chunk alone holds (b, h).
        let lse = unsafe { lse.part(chunk * queries, queries) };
        let seen = call.visible(b, queries - 1);
        let (block, rows) = (QUERIES * width, seen.next_multiple_of(2) * width / 2);
        with_scratch(2 * KEYS * QUERIES + KEYS / 2 * QUERIES + 3 * block + 2 * rows, |mut rest| {
            let (s, factors) = (take_lanes(&mut rest, KEYS), take_lanes(&mut rest, KEYS));
            let (q, o) = (take(&mut rest, block), take(&mut rest, block));
            let p = take_pairs(&mut rest, KEYS / 2 * QUERIES).as_chunks_mut().0;
            let q_panel = take_pairs(&mut rest, block);
            let (k, v) = (take_pairs(&mut rest, rows), take_pairs(&mut rest, rows));
            Rows::of(&call.k, (b, g), 0, seen, head_dim).along(unit, k);
            Rows::of(&call.v, (b, g), 0, seen, head_dim).across_keys(unit, v);
            for first in (0..queries).step_by(QUERIES) {
                prefetch_forward(call, out, chunk, first);
                let queries = Queries::new(call, b, first);
                let mut run =
                    Running { max: [f32::NEG_INFINITY; QUERIES], sum: [0.0; QUERIES], rescale: [0.0; QUERIES] };
                scaled_queries(call, &queries, (b, h), call.opts.scale * LOG2_E, q);
                Rows { data: q, stride: head_dim, count: queries.count, head_dim }.transposed(unit, q_panel);
                for j in (0..queries.seen()).step_by(KEYS) {
                    let s = &mut s[..KEYS.min(queries.seen() - j)];
                    let n = s.len();
                    scores(&queries, j, head_dim, &k[j * width / 2..], q_panel, s);
                    bias(call, &queries, h, j, s);
                    let open = if queries.count < QUERIES { 0 } else { queries.limit[0] as usize };
                    let open = open.saturating_sub(j).min(n);
                    lanes32::hide(&mut s[open..], &queries.limit, (j + open) as u32);
                    if let Some(keep) = &call.keep {
                        let factors = &mut factors[..n.next_multiple_of(8)];
                        lanes32::keep_factors(keep, chunk as u32, first as u32, j as u32, factors);
                        lanes::soften::<true>(s, factors, &mut run, p);
                    } else {
                        lanes::soften::<false>(s, &[], &mut run, p);
                    }
                    if j > 0 {
                        for (o, r) in o.chunks_exact_mut(width).zip(&run.rescale[..queries.count]) {
                            if *r != 1.0 {
                                lanes32::scale(o, *r);
                            }
                        }
                    }
                    gather(&queries, j, p, n, v, j > 0, o);
                }
                // From here on to base e.
                run.max.iter_mut().for_each(|max| *max *= LN_2);
                let (mut log_sums, mut inverse) = ([0.0; QUERIES], [0.0; QUERIES]);
                lanes32::finish(&run, &mut log_sums, &mut inverse);
                for (l, o) in o.chunks_exact(width).take(queries.count).enumerate() {
                    // SAFETY: this chunk alone writes (b, ·, h).
                    let row = unsafe { out.row(b, first + l, h) };
                    if queries.limit[l] == 0 {
                        row.fill(0.0);
                    } else {
                        lanes32::scaled(o, inverse[l], row);
                    }
                }
                lse[first..][..queries.count].copy_from_slice(&log_sums[..queries.count]);
            }
        });
    });
}

pub(super) fn backward(call: &Call, saved: &Saved, grads: &Grads) {
    let Shape { batch, heads, kv_heads, head_dim, queries, keys } = call.shape;
    let (unit, width, group) = (Unit::current(), width(head_dim), heads / kv_heads);
    for_each(batch * kv_heads, batch * heads * queries * keys * head_dim, |chunk| {
        let (b, g) = (chunk / kv_heads, chunk % kv_heads);
        let seen = call.visible(b, queries - 1);
        let (block, rows) = (QUERIES * width, seen.next_multiple_of(2) * width / 2);
        let score_pairs = KEYS * QUERIES / 2;
        with_scratch(3 * KEYS * QUERIES + 3 * score_pairs + 5 * block + 3 * rows + 2 * seen * width, |mut rest| {
            let [s, dp, factors] = std::array::from_fn(|_| take_lanes(&mut rest, KEYS));
            let [p, ds] = std::array::from_fn(|_| take_pairs(&mut rest, score_pairs).as_chunks_mut().0);
            let ds_keys = take_pairs(&mut rest, score_pairs).as_chunks_mut().0;
            let (q, dq) = (take(&mut rest, block), take(&mut rest, block));
            let [q_panel, do_panel] = std::array::from_fn(|_| take_pairs(&mut rest, block / 2));
            let [q_across, do_across] = std::array::from_fn(|_| take_pairs(&mut rest, block / 2));
            let [k, v, k_across] = std::array::from_fn(|_| take_pairs(&mut rest, rows));
            let [dk, dv] = std::array::from_fn(|_| take(&mut rest, seen * width));
            Rows::of(&call.k, (b, g), 0, seen, head_dim).along(unit, k);
            Rows::of(&call.k, (b, g), 0, seen, head_dim).across_keys(unit, k_across);
            Rows::of(&call.v, (b, g), 0, seen, head_dim).along(unit, v);
            dk.fill(0.0);
            dv.fill(0.0);
            for h in g * group..(g + 1) * group {
                for first in (0..queries).step_by(QUERIES) {
                    prefetch_backward(call, saved, grads, (b, g, h), first);
                    let queries = Queries::new(call, b, first);
                    scaled_queries(call, &queries, (b, h), call.opts.scale * LOG2_E, q);
                    let q_rows = Rows { data: q, stride: head_dim, count: queries.count, head_dim };
                    q_rows.transposed(unit, q_panel);
                    q_rows.across_queries(unit, q_across);
                    let do_rows = Rows::of(&saved.d_out, (b, h), first, queries.count, head_dim);
                    do_rows.transposed(unit, do_panel);
                    do_rows.across_queries(unit, do_across);
                    let (mut delta, mut lse) = ([0.0; QUERIES], [f32::INFINITY; QUERIES]);
                    for l in 0..queries.count {
                        if queries.limit[l] > 0 {
                            let i = first + l;
                            delta[l] = lanes32::join(lanes32::dot_lanes(do_rows.row(l), saved.out.row(b, i, h)));
                            lse[l] = saved.lse[(b * heads + h) * call.shape.queries + i] * LOG2_E;
                        }
                    }
                    dq.fill(0.0);
                    for j in (0..queries.seen()).step_by(KEYS) {
                        let n = KEYS.min(queries.seen() - j);
                        let (s, dp, p, ds) = (&mut s[..n], &mut dp[..n], &mut p[..n], &mut ds[..n]);
                        scores(&queries, j, head_dim, &k[j * width / 2..], q_panel, s);
                        scores(&queries, j, head_dim, &v[j * width / 2..], do_panel, dp);
                        bias(call, &queries, h, j, s);
                        let (limit, at) = (&queries.limit, j as u32);
                        if let Some(keep) = &call.keep {
                            let factors = &mut factors[..n.next_multiple_of(8)];
                            lanes32::keep_factors(keep, (b * heads + h) as u32, first as u32, at, factors);
                            lanes::differentiate::<true>(s, dp, factors, limit, at, &lse, &delta, p, ds, ds_keys);
                        } else {
                            lanes::differentiate::<false>(s, dp, &[], limit, at, &lse, &delta, p, ds, ds_keys);
                        }
                        let part = j * width..(j + n) * width;
                        if grads.dv.is_some() {
                            scatter(&queries, j, p, do_across, &mut dv[part.clone()]);
                        }
                        if grads.dk.is_some() {
                            scatter(&queries, j, ds, q_across, &mut dk[part]);
                        }
                        if grads.dq.is_some() {
                            gather(&queries, j, ds_keys, n, k_across, true, dq);
                        }
                    }
                    if let Some(dst) = &grads.dq {
                        lanes32::scale(dq, call.opts.scale);
                        for (l, row) in dq.chunks_exact(width).take(queries.count).enumerate() {
                            // SAFETY: this chunk alone writes dq of the heads of its group.
                            unsafe { dst.put(b, first + l, h, &row[..head_dim]) };
                        }
                    }
                }
            }
            // Q was multiplied by scale·log₂e.
            lanes32::scale(dk, LN_2);
            for (dst, rows) in [(&grads.dk, dk), (&grads.dv, dv)] {
                let Some(dst) = dst else { continue };
                for (j, row) in rows.chunks_exact(width).enumerate() {
                    // SAFETY: this chunk alone writes dk and dv of key-value head g.
                    unsafe { dst.put(b, j, g, &row[..head_dim]) };
                }
                // Keys that nobody sees.
                zero_rows(dst, (b, g), seen..keys, q, head_dim);
            }
        });
    });
}
