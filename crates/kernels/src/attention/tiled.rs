//! The fast version: blocks of [`QUERIES`] queries by [`KEYS`] keys, products by the GEMM's register blocks.
//!
//! A block of scores is kept transposed, Sᵀ = K·Qᵀ: one row per key, one lane per query (see [`super::lanes`]). Each
//! query then meets the blocks of keys in order with a running maximum and sum; the output is rescaled when the maximum
//! grows. The partition into blocks is fixed and every element is one chain over its terms, so the bits depend neither
//! on threads nor on the instruction set, nor on which other queries are computed along: a row decoded alone, K and V
//! in a cache, has the bits of the same row in the whole sequence.
//!
//! The backward is parallel over (sequence, key-value head), so that dk and dv have one writer.

use super::call::{Call, Grads, Saved, Shape};
use super::lanes::{self, Lanes, QUERIES, Running};
use super::prefetch::{prefetch_backward, prefetch_forward};
use super::row;
use super::view::{Dst, Src};
use crate::bf16::Element;
use crate::buffer::AlignedBuf;
use crate::gemm::micro::{Block, Kernel, Start};
use crate::parallel::{SharedMut, for_each_chunk};
use std::cell::RefCell;
use std::ops::Range;

/// Keys of a block: 32·128 scores are 16 KiB, so that two such blocks and their operands stay in the first-level cache.
pub(super) const KEYS: usize = 128;

/// Up to this many queries are computed row by row, see [`super::row`].
const FEW: usize = 2;

/// From this many queries on, K and V are first copied to dense rows.
const COPY_FROM: usize = 16;

thread_local! {
    /// Working memory, kept from call to call.
    static SCRATCH: RefCell<AlignedBuf> = RefCell::new(AlignedBuf::zeroed(0));
}

pub(super) fn with_scratch(len: usize, f: impl FnOnce(&mut [f32])) {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < len {
            *scratch = AlignedBuf::zeroed(len.next_power_of_two());
        }
        f(&mut scratch[..len]);
    });
}

/// Cuts `n` elements off the front.
pub(super) fn take<'a>(rest: &mut &'a mut [f32], n: usize) -> &'a mut [f32] {
    let (front, back) = std::mem::take(rest).split_at_mut(n);
    *rest = back;
    front
}

/// The same, as rows of lanes.
pub(super) fn take_lanes<'a>(rest: &mut &'a mut [f32], rows: usize) -> &'a mut [Lanes] {
    take(rest, rows * QUERIES).as_chunks_mut().0
}

/// Rows of a matrix: where they start, and from one to the next.
#[derive(Clone, Copy)]
struct Rows {
    ptr: *const f32,
    stride: usize,
}

impl Rows {
    fn from(&self, row: usize) -> *const f32 {
        self.ptr.wrapping_add(row * self.stride)
    }
}

/// A block of queries of one head: which keys each sees, and where it stands.
pub(super) struct Queries {
    pub first: usize,
    pub count: usize,
    /// Query l sees keys `from[l]..to[l]`; neither end moves back as l grows. 0 for lanes without a query.
    from: [u32; QUERIES],
    to: [u32; QUERIES],
    pub position: Lanes,
}

impl Queries {
    pub fn new<T: Element>(call: &Call<T>, b: usize, first: usize) -> Queries {
        let count = (call.shape.queries - first).min(QUERIES);
        let (mut from, mut to, mut position) = ([0; QUERIES], [0; QUERIES], [0.0; QUERIES]);
        for l in 0..count {
            let keys = call.keys(b, first + l);
            (from[l], to[l]) = (keys.start as u32, keys.end as u32);
            position[l] = call.position(first + l);
        }
        Queries { first, count, from, to, position }
    }

    /// Whether query l sees any key.
    pub fn sees(&self, l: usize) -> bool {
        self.from[l] < self.to[l]
    }

    /// The blocks of keys that at least one query of the block sees. They begin at multiples of [`KEYS`], whatever is seen.
    pub fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let (start, end) = (self.from[0] as usize / KEYS * KEYS, self.to[self.count - 1] as usize);
        (start..end).step_by(KEYS).map(move |j| j..end.min(j + KEYS))
    }

    /// Makes −∞ of the scores, from key `first` on, of keys that a query does not see.
    pub fn hide(&self, s: &mut [Lanes], first: usize) {
        // What all lanes see stays as it is.
        let open = if self.count == QUERIES { self.from[QUERIES - 1]..self.to[0] } else { 0..0 };
        let [start, end] = [open.start, open.end].map(|j| (j as usize).saturating_sub(first).min(s.len()));
        let end = end.max(start);
        lanes::hide(&mut s[..start], &self.from, &self.to, first as u32);
        lanes::hide(&mut s[end..], &self.from, &self.to, (first + end) as u32);
    }

    /// Which of the `n` keys from `first` on at least one of the queries `l..l + count` sees.
    fn keys_of(&self, l: usize, count: usize, first: usize, n: usize) -> Range<usize> {
        let [start, end] = [self.from[l], self.to[l + count - 1]].map(|j| (j as usize).saturating_sub(first).min(n));
        start.min(end)..end
    }

    /// The queries that see at least one of some keys.
    fn that_see(&self, keys: Range<usize>) -> Range<usize> {
        let start = self.to[..self.count].partition_point(|to| *to as usize <= keys.start);
        let end = self.from[..self.count].partition_point(|from| (*from as usize) < keys.end);
        start.min(end)..end
    }
}

/// C (m×n) = start + A·B in register blocks; `a` = (pointer, row stride, k stride).
///
/// # Safety
/// As [`Kernel::block`], for the whole of A, B and C.
unsafe fn product(
    kernel: &Kernel,
    (m, n, k): (usize, usize, usize),
    (a, a_row, a_k): (*const f32, usize, usize),
    b: Rows,
    (c, c_row): (*mut f32, usize),
    start: Start,
) {
    for j in (0..n).step_by(kernel.cols) {
        for i in (0..m).step_by(kernel.rows) {
            let block = Block {
                a: a.wrapping_add(i * a_row),
                a_row,
                a_k,
                b: b.ptr.wrapping_add(j),
                b_k: b.stride,
                k,
                c: c.wrapping_add(i * c_row + j),
                c_row,
                rows: kernel.rows.min(m - i),
                cols: kernel.cols.min(n - j),
                start,
            };
            // SAFETY: part of what the caller promised.
            unsafe { kernel.block(&block) }
        }
    }
}

/// Packs the rows of a block of queries transposed: panels of `kernel.cols` queries, D rows each.
fn pack_queries(kernel: &Kernel, call: &Call, src: &Src, queries: &Queries, (b, h): (usize, usize), dst: &mut [f32]) {
    let head_dim = call.shape.head_dim;
    for l in (0..queries.count).step_by(kernel.cols) {
        let panel = &mut dst[l * head_dim..][..kernel.cols * head_dim];
        let from = src.tail(b, queries.first + l, h).as_ptr();
        let count = kernel.cols.min(queries.count - l);
        // SAFETY: `count` rows of D from query l on, which `Src` checked; the panel has D rows of `cols`.
        unsafe { kernel.pack_transposed(from, src.stride(), head_dim, count, panel.as_mut_ptr()) }
    }
}

/// Sᵀ (n keys × queries) = K·Qᵀ, from packed queries.
///
/// # Safety
/// `keys` has n rows of D.
unsafe fn scores(
    kernel: &Kernel,
    call: &Call,
    keys: Rows,
    n: usize,
    queries: &Queries,
    packed: &[f32],
    s: &mut [Lanes],
) {
    let head_dim = call.shape.head_dim;
    let s = &mut s[..n];
    for l in (0..queries.count).step_by(kernel.cols) {
        let panel = &packed[l * head_dim..][..kernel.cols * head_dim];
        let size = (n, kernel.cols.min(queries.count - l), head_dim);
        let b = Rows { ptr: panel.as_ptr(), stride: kernel.cols };
        let c = s.as_mut_ptr().cast::<f32>().wrapping_add(l);
        // SAFETY: n rows of keys, a whole panel, n rows of lanes.
        unsafe { product(kernel, size, (keys.ptr, keys.stride, 1), b, (c, QUERIES), Start::Zero) }
    }
}

/// Y (queries × D) = start + Pᵀ·X, where P has one row per key and X are rows of D; keys that no query of a register
/// block sees are left out.
///
/// # Safety
/// `x` has a row of D for every key from `first` on that a query sees, `p` at most [`KEYS`] of them.
unsafe fn gather(
    kernel: &Kernel,
    queries: &Queries,
    head_dim: usize,
    (p, first): (&[Lanes], usize),
    x: Rows,
    y: &mut [f32],
    start: Start,
) {
    for l in (0..queries.count).step_by(kernel.rows) {
        let rows = kernel.rows.min(queries.count - l);
        let keys = queries.keys_of(l, rows, first, p.len());
        let a = p[keys.start..].as_ptr().cast::<f32>().wrapping_add(l);
        let x = Rows { ptr: x.from(keys.start), ..x };
        let c = y[l * head_dim..][..rows * head_dim].as_mut_ptr();
        // SAFETY: rows l.. of y, those keys of p and x, lanes l..l + rows.
        unsafe { product(kernel, (rows, head_dim, keys.len()), (a, 1, QUERIES), x, (c, head_dim), start) }
    }
}

/// Y (n keys × D) += P·X, where P has one row per key and X are the rows of the block of queries; queries that see no
/// key of a register block are left out.
fn scatter(
    kernel: &Kernel,
    queries: &Queries,
    head_dim: usize,
    (p, first): (&[Lanes], usize),
    x: &[f32],
    y: &mut [f32],
) {
    for j in (0..p.len()).step_by(kernel.rows) {
        let rows = kernel.rows.min(p.len() - j);
        let l = queries.that_see(first + j..first + j + rows);
        let (a, k) = (p[j..].as_ptr().cast::<f32>().wrapping_add(l.start), l.len());
        let x = Rows { ptr: x[l.start * head_dim..][..k * head_dim].as_ptr(), stride: head_dim };
        let c = y[j * head_dim..][..rows * head_dim].as_mut_ptr();
        // SAFETY: rows j.. of p and y, rows l.. of x.
        unsafe { product(kernel, (rows, head_dim, k), (a, QUERIES, 1), x, (c, head_dim), Start::Load) }
    }
}

/// Copies the rows of one head that are seen at all to dense rows.
fn copy_head(src: &Src, (b, h): (usize, usize), rows: usize, head_dim: usize, dst: &mut [f32]) {
    if rows > 0 {
        lanes::copy_rows(src.tail(b, 0, h), src.stride(), head_dim, &mut dst[..rows * head_dim]);
    }
}

/// Adds ALiBi's bias to a block of scores.
fn bias(call: &Call, queries: &Queries, h: usize, first: usize, s: &mut [Lanes]) {
    if call.opts.alibi.is_some() {
        lanes::add_alibi(s, call.slope(h), &queries.position, first as f32);
    }
}

/// Runs the chunks on the pool if they are worth it.
pub(super) fn for_each(chunks: usize, multiply_adds: usize, f: impl Fn(usize) + Sync) {
    if multiply_adds < 200_000 {
        (0..chunks).for_each(f);
    } else {
        for_each_chunk(chunks, f);
    }
}

pub(super) fn forward(call: &Call, out: &Dst, lse: &mut [f32]) {
    let Shape { batch, heads, head_dim, queries, keys, .. } = call.shape;
    let kernel = Kernel::current();
    let lse = SharedMut::new(lse);
    for_each(batch * heads, batch * heads * queries * keys * head_dim, |chunk| {
        if queries == 0 {
            return;
        }
        let (b, h) = (chunk / heads, chunk % heads);
        let g = call.kv_head(h);
        // SAFETY: this chunk alone holds (b, h).
        let lse = unsafe { lse.slice(chunk * queries, queries) };
        let seen = call.seen(b);
        if queries <= FEW {
            with_scratch(row::scratch(head_dim), |scratch| {
                for (i, lse) in lse.iter_mut().enumerate() {
                    // SAFETY: this chunk alone writes (b, ·, h).
                    let out = unsafe { out.row(b, i, h) };
                    if call.keys(b, i).is_empty() {
                        out.fill(0.0);
                        *lse = f32::NEG_INFINITY;
                    } else {
                        *lse = row::forward(kernel, call, (b, h), i, scratch, out);
                    }
                }
            });
            return;
        }
        let copied = if queries >= COPY_FROM { seen * head_dim } else { 0 };
        with_scratch(2 * KEYS * QUERIES + 2 * QUERIES * head_dim + 2 * copied, |mut rest| {
            let (s, factors) = (take_lanes(&mut rest, KEYS), take_lanes(&mut rest, KEYS));
            let (packed, o) = (take(&mut rest, QUERIES * head_dim), take(&mut rest, QUERIES * head_dim));
            let (k, v) = if copied > 0 {
                let (k, v) = (take(&mut rest, copied), take(&mut rest, copied));
                copy_head(&call.k, (b, g), seen, head_dim, k);
                copy_head(&call.v, (b, g), seen, head_dim, v);
                (Rows { ptr: k.as_ptr(), stride: head_dim }, Rows { ptr: v.as_ptr(), stride: head_dim })
            } else if seen > 0 {
                let rows = |src: &Src| Rows { ptr: src.tail(b, 0, g).as_ptr(), stride: src.stride() };
                (rows(&call.k), rows(&call.v))
            } else {
                (Rows { ptr: std::ptr::null(), stride: 0 }, Rows { ptr: std::ptr::null(), stride: 0 })
            };
            for first in (0..queries).step_by(QUERIES) {
                prefetch_forward(call, out, chunk, first);
                let queries = Queries::new(call, b, first);
                let mut run =
                    Running { max: [f32::NEG_INFINITY; QUERIES], sum: [0.0; QUERIES], rescale: [0.0; QUERIES] };
                pack_queries(kernel, call, &call.q, &queries, (b, h), packed);
                lanes::scale(packed, call.opts.scale);
                for (nth, keys) in queries.blocks().enumerate() {
                    let (j, n) = (keys.start, keys.len());
                    // SAFETY: keys j .. j + n are seen, so they are rows of k and v.
                    unsafe { scores(kernel, call, Rows { ptr: k.from(j), ..k }, n, &queries, packed, s) };
                    let s = &mut s[..n];
                    bias(call, &queries, h, j, s);
                    queries.hide(s, j);
                    lanes::soften(s, &mut run);
                    if let Some(keep) = &call.keep {
                        let factors = &mut factors[..n.next_multiple_of(8)];
                        lanes::keep_factors(keep, chunk as u32, first as u32, j as u32, factors);
                        lanes::multiply(s, factors);
                    }
                    let start = if nth == 0 {
                        Start::Zero
                    } else {
                        for (o, r) in o.chunks_exact_mut(head_dim).zip(&run.rescale[..queries.count]) {
                            if *r != 1.0 {
                                lanes::scale(o, *r);
                            }
                        }
                        Start::Load
                    };
                    let v = Rows { ptr: v.from(j), ..v };
                    // SAFETY: as above.
                    unsafe { gather(kernel, &queries, head_dim, (s, j), v, o, start) };
                }
                let (mut log_sums, mut inverse) = ([0.0; QUERIES], [0.0; QUERIES]);
                lanes::finish(&run, &mut log_sums, &mut inverse);
                for (l, o) in o.chunks_exact(head_dim).take(queries.count).enumerate() {
                    // SAFETY: this chunk alone writes (b, ·, h).
                    let row = unsafe { out.row(b, first + l, h) };
                    if queries.sees(l) {
                        lanes::scaled(o, inverse[l], row);
                    } else {
                        row.fill(0.0);
                    }
                }
                lse[first..][..queries.count].copy_from_slice(&log_sums[..queries.count]);
            }
        });
    });
}

pub(super) fn backward(call: &Call, saved: &Saved, grads: &Grads) {
    let Shape { batch, heads, kv_heads, head_dim, queries, keys } = call.shape;
    let (kernel, group) = (Kernel::current(), heads / kv_heads);
    for_each(batch * kv_heads, batch * heads * queries * keys * head_dim, |chunk| {
        let (b, g) = (chunk / kv_heads, chunk % kv_heads);
        let seen = call.seen(b);
        let (rows, block) = (seen * head_dim, QUERIES * head_dim);
        with_scratch(3 * KEYS * QUERIES + 5 * block + 4 * rows, |mut rest| {
            let [s, dp, factors] = std::array::from_fn(|_| take_lanes(&mut rest, KEYS));
            let [q_packed, do_packed, q, d_out, dq] = std::array::from_fn(|_| take(&mut rest, block));
            let [k, v, dk, dv] = std::array::from_fn(|_| take(&mut rest, rows));
            copy_head(&call.k, (b, g), seen, head_dim, k);
            copy_head(&call.v, (b, g), seen, head_dim, v);
            dk.fill(0.0);
            dv.fill(0.0);
            for h in g * group..(g + 1) * group {
                for first in (0..queries).step_by(QUERIES) {
                    prefetch_backward(call, saved, grads, (b, g, h), first);
                    let queries = Queries::new(call, b, first);
                    pack_queries(kernel, call, &call.q, &queries, (b, h), q_packed);
                    lanes::scale(q_packed, call.opts.scale);
                    pack_queries(kernel, call, &saved.d_out, &queries, (b, h), do_packed);
                    let (mut delta, mut lse) = ([0.0; QUERIES], [f32::INFINITY; QUERIES]);
                    for l in 0..queries.count {
                        let (i, at) = (first + l, l * head_dim);
                        let row = saved.d_out.row(b, i, h);
                        lanes::put(row, false, &mut d_out[at..at + head_dim]);
                        lanes::scaled(call.q.row(b, i, h), call.opts.scale, &mut q[at..at + head_dim]);
                        if queries.sees(l) {
                            delta[l] = lanes::join(lanes::dot_lanes(row, saved.out.row(b, i, h)));
                            lse[l] = saved.lse[(b * heads + h) * call.shape.queries + i];
                        }
                    }
                    dq.fill(0.0);
                    for keys in queries.blocks() {
                        let (j, n) = (keys.start, keys.len());
                        let (from, to) = (j * head_dim, (j + n) * head_dim);
                        let rows = |x: &[f32]| Rows { ptr: x[from..to].as_ptr(), stride: head_dim };
                        // SAFETY: n rows of D each.
                        unsafe {
                            scores(kernel, call, rows(k), n, &queries, q_packed, s);
                            scores(kernel, call, rows(v), n, &queries, do_packed, dp);
                        }
                        let (s, dp) = (&mut s[..n], &mut dp[..n]);
                        bias(call, &queries, h, j, s);
                        queries.hide(s, j);
                        if let Some(keep) = &call.keep {
                            let factors = &mut factors[..n.next_multiple_of(8)];
                            let bh = (b * heads + h) as u32;
                            lanes::keep_factors(keep, bh, first as u32, j as u32, factors);
                            lanes::multiply(dp, factors);
                        }
                        lanes::differentiate(s, dp, &lse, &delta);
                        if call.keep.is_some() {
                            lanes::multiply(s, factors);
                        }
                        if grads.dv.is_some() {
                            scatter(kernel, &queries, head_dim, (s, j), d_out, &mut dv[from..to]);
                        }
                        if grads.dk.is_some() {
                            scatter(kernel, &queries, head_dim, (dp, j), q, &mut dk[from..to]);
                        }
                        if grads.dq.is_some() {
                            // SAFETY: n rows of k.
                            unsafe { gather(kernel, &queries, head_dim, (dp, j), rows(k), dq, Start::Load) };
                        }
                    }
                    if let Some(dst) = &grads.dq {
                        lanes::scale(dq, call.opts.scale);
                        for (l, row) in dq.chunks_exact(head_dim).take(queries.count).enumerate() {
                            // SAFETY: this chunk alone writes dq of the heads of its group.
                            lanes::put(row, dst.accumulate, unsafe { dst.row(b, first + l, h) });
                        }
                    }
                }
            }
            for (dst, rows) in [(&grads.dk, dk), (&grads.dv, dv)] {
                let Some(dst) = dst else { continue };
                for (j, row) in rows.chunks_exact(head_dim).enumerate() {
                    // SAFETY: this chunk alone writes dk and dv of key-value head g.
                    lanes::put(row, dst.accumulate, unsafe { dst.row(b, j, g) });
                }
                // Keys that nobody sees.
                zero_rows(dst, (b, g), seen..keys, q, head_dim);
            }
        });
    });
}

/// Gives rows that take no part a gradient of 0.
fn zero_rows(dst: &Dst, (b, g): (usize, usize), rows: std::ops::Range<usize>, zeros: &mut [f32], head_dim: usize) {
    zeros[..head_dim].fill(0.0);
    for j in rows {
        // SAFETY: as for the rows that were seen.
        lanes::put(&zeros[..head_dim], dst.accumulate, unsafe { dst.row(b, j, g) });
    }
}
