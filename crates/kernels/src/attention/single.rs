//! The tiled version's operands and products in f32: the register blocks of the GEMM.

use super::block::{Queries, take};
use super::call::{Call, Grads, Saved, Shape};
use super::lanes::{self, Lanes, QUERIES, Running};
use super::tiled::{Head, Numbers, Tile};
use super::view::{Dst, Src};
use crate::gemm::micro::{Block, Kernel, Start};

/// From this many queries on, K and V are first copied to dense rows.
const COPY_FROM: usize = 16;

/// Rows of a matrix: where they start, and from one to the next.
#[derive(Clone, Copy)]
struct Rows<'m> {
    data: &'m [f32],
    stride: usize,
}

impl Rows<'_> {
    fn from(&self, row: usize) -> *const f32 {
        self.data.as_ptr().wrapping_add(row * self.stride)
    }
}

/// The operands of one head: K and V row by row; Q (times the scale) and dO row by row and, `packed`, transposed in panels
/// of `kernel.cols` queries; Y row by row. What only a backward needs is empty in a forward.
pub(super) struct F32Head<'m> {
    kernel: &'static Kernel,
    head_dim: usize,
    k: Rows<'m>,
    v: Rows<'m>,
    q_packed: &'m mut [f32],
    do_packed: &'m mut [f32],
    q: &'m mut [f32],
    d_out: &'m mut [f32],
    y: &'m mut [f32],
}

impl Numbers for f32 {
    type Head<'m> = F32Head<'m>;
    const SCALED: bool = true;
    fn width(head_dim: usize) -> usize {
        head_dim
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
    (b, b_k): (*const f32, usize),
    (c, c_row): (*mut f32, usize),
    start: Start,
) {
    for j in (0..n).step_by(kernel.cols) {
        for i in (0..m).step_by(kernel.rows) {
            let block = Block {
                a: a.wrapping_add(i * a_row),
                a_row,
                a_k,
                b: b.wrapping_add(j),
                b_k,
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

/// Packs a block of rows of D of head h transposed: panels of `kernel.cols` rows.
fn pack(kernel: &Kernel, src: &Src, (b, h): (usize, usize), queries: &Queries, head_dim: usize, packed: &mut [f32]) {
    for l in (0..queries.count).step_by(kernel.cols) {
        let panel = &mut packed[l * head_dim..][..kernel.cols * head_dim];
        let from = src.tail(b, queries.first + l, h).as_ptr();
        let count = kernel.cols.min(queries.count - l);
        // SAFETY: `count` rows of D from query l on, which `Src` checked; the panel has D rows of `cols`.
        unsafe { kernel.pack_transposed(from, src.stride(), head_dim, count, panel.as_mut_ptr()) }
    }
}

impl F32Head<'_> {
    /// Sᵀ (keys × queries) = X·Qᵀ, X being K or V, from packed queries.
    fn across(&self, tile: &Tile, x: Rows, packed: &[f32], s: &mut [Lanes]) {
        let (kernel, head_dim, count) = (self.kernel, self.head_dim, tile.queries.count);
        for l in (0..count).step_by(kernel.cols) {
            let panel = &packed[l * head_dim..][..kernel.cols * head_dim];
            let size = (s.len(), kernel.cols.min(count - l), head_dim);
            let c = s.as_mut_ptr().cast::<f32>().wrapping_add(l);
            let (a, b) = ((x.from(tile.keys.start), x.stride, 1), (panel.as_ptr(), kernel.cols));
            // SAFETY: keys that are seen are rows of X; a whole panel; as many rows of lanes.
            unsafe { product(kernel, size, a, b, (c, QUERIES), Start::Zero) }
        }
    }

    /// Y (queries × D) = start + Pᵀ·X, where P has one row per key, X being K or V; keys that no query of a register block
    /// sees are left out.
    fn gather(&mut self, tile: &Tile, x: Rows, p: &[Lanes], start: Start) {
        let (kernel, head_dim, Tile { queries, keys, .. }) = (self.kernel, self.head_dim, tile);
        for l in (0..queries.count).step_by(kernel.rows) {
            let rows = kernel.rows.min(queries.count - l);
            let seen = queries.keys_of(l, rows, keys.start, p.len());
            let a = p[seen.start..].as_ptr().cast::<f32>().wrapping_add(l);
            let b = (x.from(keys.start + seen.start), x.stride);
            let c = self.y[l * head_dim..][..rows * head_dim].as_mut_ptr();
            // SAFETY: rows l.. of y, those keys of P and X, lanes l..l + rows.
            unsafe { product(kernel, (rows, head_dim, seen.len()), (a, 1, QUERIES), b, (c, head_dim), start) }
        }
    }

    /// Z (keys × D) += P·X, where P has one row per key and X are the rows of the block of queries; queries that see no key
    /// of a register block are left out.
    fn scatter(&self, tile: &Tile, p: &[Lanes], x: &[f32], z: &mut [f32]) {
        let (kernel, head_dim) = (self.kernel, self.head_dim);
        for j in (0..p.len()).step_by(kernel.rows) {
            let rows = kernel.rows.min(p.len() - j);
            let l = tile.queries.that_see(tile.keys.start + j..tile.keys.start + j + rows);
            let a = p[j..].as_ptr().cast::<f32>().wrapping_add(l.start);
            let x = x[l.start * head_dim..][..l.len() * head_dim].as_ptr();
            let c = z[j * head_dim..][..rows * head_dim].as_mut_ptr();
            let size = (rows, head_dim, l.len());
            // SAFETY: rows j.. of P and Z, rows l of X.
            unsafe { product(kernel, size, (a, QUERIES, 1), (x, head_dim), (c, head_dim), Start::Load) }
        }
    }
}

impl<'m> Head<'m, f32> for F32Head<'m> {
    fn len(call: &Call, seen: usize, backward: bool) -> usize {
        let Shape { head_dim, queries, .. } = call.shape;
        let copied = if backward || queries >= COPY_FROM { seen } else { 0 };
        (if backward { 5 } else { 2 } * QUERIES + 2 * copied) * head_dim
    }

    fn new(call: &'m Call, (b, g): (usize, usize), seen: usize, backward: bool, rest: &mut &'m mut [f32]) -> Self {
        let Shape { head_dim, queries, .. } = call.shape;
        let (forth, back) = (QUERIES * head_dim, if backward { QUERIES * head_dim } else { 0 });
        let [q_packed, do_packed, q, d_out, y] = [forth, back, back, back, forth].map(|n| take(rest, n));
        let [k, v] = [&call.k, &call.v].map(|src| {
            if seen == 0 {
                return Rows { data: &[], stride: 0 };
            }
            let rows = Rows { data: src.tail(b, 0, g), stride: src.stride() };
            if !backward && queries < COPY_FROM {
                return rows;
            }
            let data = take(rest, seen * head_dim);
            lanes::copy_rows(rows.data, rows.stride, head_dim, data);
            Rows { data, stride: head_dim }
        });
        F32Head { kernel: Kernel::current(), head_dim, k, v, q_packed, do_packed, q, d_out, y }
    }

    fn load(&mut self, call: &Call, (b, h): (usize, usize), queries: &Queries, saved: Option<&Saved>) {
        let (kernel, head_dim, scale) = (self.kernel, self.head_dim, call.opts.scale);
        pack(kernel, &call.q, (b, h), queries, head_dim, self.q_packed);
        lanes::scale(self.q_packed, scale);
        let Some(Saved { d_out, .. }) = saved else { return };
        pack(kernel, d_out, (b, h), queries, head_dim, self.do_packed);
        let rows = self.q.chunks_exact_mut(head_dim).zip(self.d_out.chunks_exact_mut(head_dim));
        for (i, (q, row)) in (queries.first..).zip(rows.take(queries.count)) {
            lanes::put(call.q.row(b, i, h), scale, false, q);
            lanes::put(d_out.row(b, i, h), 1.0, false, row);
        }
        self.y.fill(0.0);
    }

    fn scores(&self, tile: &Tile, s: &mut [Lanes], dp: &mut [Lanes]) {
        self.across(tile, self.k, self.q_packed, s);
        if !dp.is_empty() {
            self.across(tile, self.v, self.do_packed, dp);
        }
    }

    fn weigh(&mut self, tile: &Tile, s: &mut [Lanes], run: &mut Running) {
        lanes::soften(s, run);
        if let Some(factors) = tile.factors {
            lanes::multiply(s, factors);
        }
        if tile.first {
            return self.gather(tile, self.v, s, Start::Zero);
        }
        for (y, r) in self.y.chunks_exact_mut(self.head_dim).zip(&run.rescale[..tile.queries.count]) {
            if *r != 1.0 {
                lanes::scale(y, *r);
            }
        }
        self.gather(tile, self.v, s, Start::Load);
    }

    fn differentiate(
        &mut self,
        tile: &Tile,
        (s, dp): (&mut [Lanes], &mut [Lanes]),
        (lse, delta): (&Lanes, &Lanes),
        wanted: &Grads,
        (dk, dv): (&mut [f32], &mut [f32]),
    ) {
        if let Some(factors) = tile.factors {
            lanes::multiply(dp, factors);
        }
        lanes::differentiate(s, dp, lse, delta);
        if let Some(factors) = tile.factors {
            lanes::multiply(s, factors);
        }
        if wanted.dv.is_some() {
            self.scatter(tile, s, self.d_out, dv);
        }
        if wanted.dk.is_some() {
            self.scatter(tile, dp, self.q, dk);
        }
        if wanted.dq.is_some() {
            self.gather(tile, self.k, dp, Start::Load);
        }
    }

    fn write(&mut self, queries: &Queries, (b, h): (usize, usize), factors: &Lanes, dst: &Dst) {
        for (l, y) in self.y.chunks_exact(self.head_dim).take(queries.count).enumerate() {
            // SAFETY: only this thread writes rows of head h of sequence b.
            lanes::put(y, factors[l], dst.accumulate, unsafe { dst.row(b, queries.first + l, h) });
        }
    }
}
