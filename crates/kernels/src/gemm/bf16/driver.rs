//! Packing and multiplying as one stream of chunks, as in f32; see [`super::super::driver`].

use super::finish::Finish;
use super::{Block, COLS, Held, Matrix, Operand, PAIRS, Packed, Unit};
use crate::gemm::driver::Stream;
use crate::gemm::micro::{Start, prefetch, prefetch_far};
use crate::gemm::{Init, Layout, Scratch, pairs, pairs_mut};
use crate::parallel::{self, SharedMut};
use std::cell::{Cell, RefCell};
use std::ops::Range;

/// Rows of A in a tile: a multiple of the rows of every unit's block. With [`DEPTH`] they fill a tenth of the
/// second-level cache.
const TILE_ROWS: usize = 96;
/// Columns of a tile.
const TILE_COLS: usize = 2048;
/// Steps of k that a block of C takes in one go: with them a panel of B fits the first-level cache.
const DEPTH: usize = 384;
/// Elements of B in a slab, about; and at most.
const SLAB: usize = 1 << 20;
const MAX_SLAB: usize = 1 << 23;
/// Elements of B that one chunk packs, about.
const PACK: usize = 1 << 16;

/// How many elements ahead packing asks for.
const AHEAD: usize = 2048;
/// Pairs between panels: rows of many panels are written in turn, and at a power of 2 from each other they would share
/// a set of the first-level cache.
const GAP: usize = COLS;

type Product<'a> = crate::gemm::Product<'a, Matrix<'a>>;

/// How a product is cut up. Nothing here changes a result.
struct Plan {
    tile_rows: usize,
    tile_cols: usize,
    across: usize,
    tiles: usize,
    /// Steps of k in a slab and in a go, multiples of 32.
    slab: usize,
    slabs: usize,
    depth: usize,
}

impl Plan {
    /// `whole`: B is packed already, all of k in one slab.
    fn new(unit: &Unit, g: &Product, whole: bool) -> Plan {
        let (m, n, k) = (g.m, g.n, g.k);
        let threads = if g.is_large() { parallel::threads() } else { 1 };
        let enough = 4 * threads;
        let mut down = m.div_ceil(TILE_ROWS);
        let mut across = n.div_ceil(TILE_COLS);
        if threads > 1 && down * across < enough {
            down = enough.div_ceil(across).min(m.div_ceil(2 * unit.rows)).max(down);
            across = enough.div_ceil(down).min(n.div_ceil(4 * COLS)).max(across);
        }
        let tile_rows = m.div_ceil(down).next_multiple_of(unit.rows);
        let tile_cols = n.div_ceil(across).next_multiple_of(COLS);
        let (down, across) = (m.div_ceil(tile_rows), n.div_ceil(tile_cols));

        let even = |parts: usize| k.div_ceil(parts).next_multiple_of(2 * PAIRS);
        let depth = even(k.div_ceil(DEPTH.min((MAX_SLAB / n).max(2 * PAIRS))));
        let slab = if whole { k.next_multiple_of(2 * PAIRS) } else { (SLAB / n / depth).max(1) * depth };
        Plan { tile_rows, tile_cols, across, tiles: down * across, slab, slabs: k.div_ceil(slab), depth }
    }
}

thread_local! {
    static SHARED: Cell<Option<Box<(Scratch, Stream)>>> = const { Cell::new(None) };
    static PACKED_A: RefCell<Scratch> = RefCell::default();
}

pub(super) fn multiply_packing(unit: &Unit, g: &Product) {
    let plan = Plan::new(unit, g, false);
    let source = Source { b: g.b, transposed: g.layout == Layout::NT, n: g.n, k: g.k };
    let mut shared = SHARED.take().unwrap_or_default();
    let (memory, stream) = &mut *shared;
    let packing = Packing::new(&source, plan.slab);
    let memory = SharedMut::new(memory.get_pairs(packing.slab_len() * plan.slabs.min(2)));
    stream.run(
        [plan.slabs, packing.parts, plan.tiles],
        g.is_large(),
        |slab, part| packing.pack(unit, &source, slab * plan.slab, part, &memory, slab % 2 * packing.slab_len()),
        |slab, tile| {
            let b = memory.as_ptr().wrapping_add(slab % 2 * packing.slab_len());
            multiply(unit, g, &plan, slab, tile, b, packing.panel_len);
        },
    );
    SHARED.set(Some(shared));
}

/// The same with all of B in panels already.
pub(super) fn multiply_packed(unit: &Unit, g: &Product, b: &[u32]) {
    let plan = Plan::new(unit, g, true);
    let panel_len = plan.slab / 2 * COLS + GAP;
    assert_eq!(b.len(), g.n.div_ceil(COLS) * panel_len);
    let tile = |tile| multiply(unit, g, &plan, 0, tile, b.as_ptr(), panel_len);
    if g.is_large() { parallel::for_each_chunk(plan.tiles, tile) } else { (0..plan.tiles).for_each(tile) }
}

/// Pairs of A, and elements of C, that a tile of [`multiply_finishing`] may have, unless the rows of one block are more:
/// parts of a second-level cache of 1 MB.
const WHOLE_A: usize = 1 << 16;
const WHOLE_C: usize = 3 << 16;

/// How far apart rows are in what [`multiply_finishing`] hands over.
pub(super) const fn c_row<F: Finish>(n: usize) -> usize {
    if F::WHOLE_ROWS { n.next_multiple_of(COLS) } else { COLS }
}

/// The product with B packed, whose parts go to `finish` instead of to memory. All of k is done in one go, so that a panel
/// of a tile, 32 columns wide, is finished while it is in the first-level cache, or its rows in the second.
pub(super) fn multiply_finishing<F: Finish>(unit: &Unit, m: usize, a: Matrix, b: &Packed, init: Init, finish: &F) {
    let (n, k) = (b.n, b.k);
    let panels = pairs(&b.memory);
    let g = Product { layout: Layout::NN, m, n, k, a, b: Matrix::F32(&[]), c: SharedMut::new(&mut []), init };
    let steps = k.next_multiple_of(2 * PAIRS);
    let (a_row, panel_len, c_row) = (steps / 2, steps / 2 * COLS + GAP, c_row::<F>(n));
    let depth = k.div_ceil(k.div_ceil(DEPTH).max(1)).next_multiple_of(2 * PAIRS).max(2 * PAIRS);
    let threads = if g.is_large() { parallel::threads() } else { 1 };
    let most = (WHOLE_A / a_row.max(1)).min(WHOLE_C / c_row) / unit.rows * unit.rows;
    let tiles = m.div_ceil(most.clamp(unit.rows, TILE_ROWS));
    let tiles = tiles.max(if threads > 1 { (4 * threads).min(m.div_ceil(unit.rows)) } else { 1 });
    let tile_rows = m.div_ceil(tiles).next_multiple_of(unit.rows);
    let slab = steps.max(1);
    let plan = Plan { tile_rows, tile_cols: n, across: 1, tiles, slab, slabs: 1, depth: slab };
    let tile = |tile: usize| {
        let rows = tile * tile_rows..m.min((tile + 1) * tile_rows);
        // SAFETY: the unit is one that runs here.
        let _held: Held = unsafe { (unit.hold)() };
        PACKED_A.with_borrow_mut(|scratch| {
            let a_len = tile_rows.next_multiple_of(32) * a_row;
            let (packed_a, c) = scratch.get(a_len + tile_rows * c_row).split_at_mut(a_len);
            let packed_a = pairs_mut(packed_a);
            let (a, a_row) = rows_of_a(unit, &g, rows.clone(), 0..k, packed_a, a_row);
            let blocks = rows.len().div_ceil(unit.rows) * n.div_ceil(COLS);
            let mut ahead = Ahead::new(&g, &plan, tile, 0, k, blocks);
            for j in (0..n).step_by(COLS) {
                let cols = COLS.min(n - j);
                finish.ahead(rows.clone(), j, cols);
                let c = &mut c[if F::WHOLE_ROWS { j } else { 0 }..];
                // Once also if k is 0: then C is what it starts from.
                for p in (0..k.max(1)).step_by(depth) {
                    let start = if p > 0 { Start::Load } else { g.start(j, 0) };
                    for i in (0..rows.len()).step_by(unit.rows) {
                        if p == 0 {
                            ahead.step();
                        }
                        let block = Block {
                            a: a.wrapping_add(i * a_row + p / 2),
                            a_row,
                            b: panels[j / COLS * panel_len + p / 2 * COLS..].as_ptr(),
                            pairs: depth.min(k - p).div_ceil(2),
                            c: c[i * c_row..].as_mut_ptr(),
                            c_row,
                            rows: unit.rows.min(rows.len() - i),
                            cols,
                            start,
                        };
                        // SAFETY: what was packed has these rows, columns and pairs, and `c` has the rows.
                        unsafe { (unit.block)(&block) };
                    }
                }
                if !F::WHOLE_ROWS {
                    // SAFETY: this tile's own.
                    unsafe { finish.take(rows.clone(), j, cols, &c[..rows.len() * c_row]) };
                }
            }
            if F::WHOLE_ROWS {
                // SAFETY: this tile's own.
                unsafe { finish.take(rows.clone(), 0, n, &c[..rows.len() * c_row]) };
            }
        });
    };
    let tiles = m.div_ceil(tile_rows);
    if g.is_large() { parallel::for_each_chunk(tiles, tile) } else { (0..tiles).for_each(tile) }
}

/// How many pairs [`pack`] makes of a B of these sizes.
pub(super) fn packed_len(n: usize, k: usize) -> usize {
    n.div_ceil(COLS) * (k.next_multiple_of(2 * PAIRS) / 2 * COLS + GAP)
}

/// Packs all of B.
pub(super) fn pack(unit: &Unit, source: &Source, dst: &mut [u32]) {
    let packing = Packing::new(source, source.k);
    assert_eq!(dst.len(), packing.slab_len());
    let dst = SharedMut::new(dst);
    parallel::for_each_chunk(packing.parts, |part| packing.pack(unit, source, 0, part, &dst, 0));
}

/// B as it is stored: k×n, or `transposed` n×k.
pub(super) struct Source<'a> {
    pub b: Matrix<'a>,
    pub transposed: bool,
    pub n: usize,
    pub k: usize,
}

/// How a slab of B is cut into parts that are packed one by one.
struct Packing {
    slab: usize,
    panels: usize,
    /// Pairs in a panel, times 32.
    panel_len: usize,
    parts: usize,
    /// Panels or, unless B is stored transposed, pairs of rows of a part.
    group: usize,
}

impl Packing {
    fn new(source: &Source, slab: usize) -> Packing {
        let slab = slab.min(source.k.next_multiple_of(2 * PAIRS));
        let panels = source.n.div_ceil(COLS);
        let pairs = slab.next_multiple_of(2 * PAIRS) / 2;
        let (size, count) = if source.transposed { (slab * COLS, panels) } else { (2 * source.n, pairs) };
        let group = (PACK / size).clamp(1, count);
        Packing { slab, panels, panel_len: pairs * COLS + GAP, parts: count.div_ceil(group), group }
    }

    fn slab_len(&self) -> usize {
        self.panels * self.panel_len
    }

    /// Packs part `part` of the slab that begins at step `p0`: pair p of panel q goes to `offset + q·panel_len + 32·p`.
    fn pack(&self, unit: &Unit, source: &Source, p0: usize, part: usize, packed: &SharedMut<u32>, offset: usize) {
        match source.b {
            Matrix::F32(b) => self.pack_of(unit, source, b, p0, part, packed, offset),
            Matrix::Bf16(b) | Matrix::Padded(b, _) => self.pack_of(unit, source, b, p0, part, packed, offset),
        }
    }

    fn pack_of<T: Operand>(
        &self,
        unit: &Unit,
        source: &Source,
        b: &[T],
        p0: usize,
        part: usize,
        packed: &SharedMut<u32>,
        offset: usize,
    ) {
        let &Source { transposed, n, k, .. } = source;
        let packs = T::packs(unit);
        let depth = self.slab.min(k - p0);
        let first = part * self.group;
        if transposed {
            for panel in first..self.panels.min(first + self.group) {
                // SAFETY: nobody else has to do with this panel before the part is counted as done.
                let dst = unsafe { packed.slice(offset + panel * self.panel_len, self.panel_len) };
                for half in (panel * COLS..(panel + 1) * COLS).step_by(16) {
                    let rows = n.saturating_sub(half).min(16);
                    for p in (0..depth).step_by(2 * PAIRS) {
                        let steps = (2 * PAIRS).min(depth - p);
                        // Without rows the source is not read.
                        let src = if rows > 0 { &b[half * k + p0 + p..] } else { &[] };
                        assert!(rows == 0 || src.len() >= (rows - 1) * k + steps);
                        let dst = &mut dst[p / 2 * COLS + half % COLS..][..(PAIRS - 1) * COLS + 16];
                        // SAFETY: the assertion, and the length of the destination.
                        unsafe { (packs.turn_along)(src.as_ptr(), k, rows, steps, dst.as_mut_ptr(), COLS) };
                    }
                }
            }
            return;
        }
        // Whole rows are read, two at a time; the pairs that fill up the last group are zeros.
        let pairs = depth.div_ceil(2).next_multiple_of(PAIRS);
        let far = (AHEAD / n).max(2) * 2;
        for p in first..pairs.min(first + self.group) {
            let row = |i: usize| if i < depth { &b[(p0 + i) * n..][..n] } else { &[] };
            let (x, y) = (row(2 * p), row(2 * p + 1));
            for panel in 0..self.panels {
                let j = panel * COLS;
                // SAFETY: nobody else has to do with this pair of rows before the part is counted as done.
                let dst = unsafe { packed.slice(offset + panel * self.panel_len + p * COLS, COLS) };
                let cols = COLS.min(x.len().saturating_sub(j));
                let at = |row: &[T]| row.get(j..).map_or(std::ptr::null(), <[T]>::as_ptr);
                for ahead in [far, far + 1] {
                    prefetch(at(x).wrapping_add(ahead * n), COLS);
                }
                let second = if y.is_empty() { std::ptr::null() } else { at(y) };
                // SAFETY: rows that are not empty have `cols` elements from j on; the destination has 32 pairs.
                unsafe { (packs.across)(at(x), second, cols, dst.as_mut_ptr()) };
            }
        }
    }
}

/// Adds a slab's part to one tile of C.
fn multiply(unit: &Unit, g: &Product, plan: &Plan, slab: usize, tile: usize, packed_b: *const u32, panel_len: usize) {
    let (i0, j0) = (tile / plan.across * plan.tile_rows, tile % plan.across * plan.tile_cols);
    let (i1, j1) = (g.m.min(i0 + plan.tile_rows), g.n.min(j0 + plan.tile_cols));
    let p0 = slab * plan.slab;
    let p1 = g.k.min(p0 + plan.slab);
    // SAFETY: the unit is one that runs here.
    let _held: Held = unsafe { (unit.hold)() };
    PACKED_A.with_borrow_mut(|scratch| {
        let a_row = plan.depth / 2;
        let packed_a = scratch.get_pairs(plan.tile_rows.next_multiple_of(32) * a_row);
        for p in (p0..p1).step_by(plan.depth) {
            let depth = plan.depth.min(p1 - p);
            let (a, a_row) = rows_of_a(unit, g, i0..i1, p..p + depth, packed_a, a_row);
            let mut ahead = Ahead::new(g, plan, tile, p, p1, (i1 - i0).div_ceil(unit.rows) * (j1 - j0).div_ceil(COLS));
            for j in (j0..j1).step_by(COLS) {
                let b = packed_b.wrapping_add(j / COLS * panel_len + (p - p0) / 2 * COLS);
                let start = g.start(j, p);
                for i in (i0..i1).step_by(unit.rows) {
                    ahead.step();
                    let block = Block {
                        a: a.wrapping_add((i - i0) * a_row),
                        a_row,
                        b,
                        pairs: depth.div_ceil(2),
                        c: g.c.as_ptr().wrapping_add(i * g.n + j),
                        c_row: g.n,
                        rows: unit.rows.min(i1 - i),
                        cols: COLS.min(j1 - j),
                        start,
                    };
                    // SAFETY: what was packed has these rows, columns and pairs, C has them by the assertions of
                    // `gemm_bf16`; the tile is nobody else's until its turn is counted.
                    unsafe { (unit.block)(&block) };
                }
            }
        }
    });
}

/// Asks, block by block, for what this thread packs next of A: else the units would stand still until it arrives.
struct Ahead {
    next: *const u8,
    /// Bytes of a row, rows left, and bytes from one row to the next.
    width: usize,
    rows: usize,
    stride: usize,
    /// Rows per block, in 64ths.
    rate: usize,
    debt: usize,
}

impl Ahead {
    fn new(g: &Product, plan: &Plan, tile: usize, p: usize, p1: usize, blocks: usize) -> Ahead {
        let (i, p) = if p + plan.depth < p1 {
            (tile / plan.across * plan.tile_rows, p + plan.depth)
        } else {
            ((tile + parallel::threads()) / plan.across * plan.tile_rows, p / plan.slab * plan.slab)
        };
        let (rows, steps) = (plan.tile_rows.min(g.m.saturating_sub(i)), plan.depth.min(g.k - p));
        let (a_row, a_k) = if g.layout == Layout::TN { (1, row_of_a(g)) } else { (row_of_a(g), 1) };
        let (width, rows, stride) = if a_k == 1 { (steps, rows, a_row) } else { (rows, steps, a_k) };
        let (first, size) = match g.a {
            Matrix::F32(a) => (a.as_ptr().cast::<u8>(), 4),
            Matrix::Bf16(a) | Matrix::Padded(a, _) => (a.as_ptr().cast(), 2),
        };
        let next = first.wrapping_add((i * a_row + p * a_k) * size);
        let (width, stride) = (width * size, stride * size);
        Ahead { next, width, rows, stride, rate: (64 * rows).div_ceil(blocks), debt: 0 }
    }

    #[inline]
    fn step(&mut self) {
        self.debt += self.rate;
        while self.debt >= 64 && self.rows > 0 {
            prefetch_far(self.next, self.width);
            self.next = self.next.wrapping_add(self.stride);
            self.debt -= 64;
            self.rows -= 1;
        }
    }
}

/// From one row of A, as it is stored, to the next.
fn row_of_a(g: &Product) -> usize {
    match g.a {
        Matrix::Padded(_, row) => row,
        _ if g.layout == Layout::TN => g.m,
        _ => g.k,
    }
}

/// Where the pairs of rows and steps of A are, and how far apart the rows: in A itself if it consists of whole groups of
/// pairs already, else packed into `room`.
fn rows_of_a(
    unit: &Unit,
    g: &Product,
    rows: Range<usize>,
    steps: Range<usize>,
    room: &mut [u32],
    a_row: usize,
) -> (*const u32, usize) {
    let row = row_of_a(g);
    if let Matrix::Bf16(a) | Matrix::Padded(a, _) = g.a
        && g.layout != Layout::TN
        && row.is_multiple_of(2 * PAIRS)
        && a.as_ptr().addr().is_multiple_of(4)
        // A block may read more rows than it has.
        && rows.start + rows.len().next_multiple_of(unit.rows) <= g.m
    {
        return (a[rows.start * row + steps.start..].as_ptr().cast(), row / 2);
    }
    pack_a(unit, g, rows, steps, room, a_row);
    (room.as_ptr(), a_row)
}

/// Packs rows and steps of A, row by row, `a_row` pairs apart.
fn pack_a(unit: &Unit, g: &Product, rows: Range<usize>, steps: Range<usize>, dst: &mut [u32], a_row: usize) {
    match g.a {
        Matrix::F32(a) => pack_a_of(unit, g, a, rows, steps, dst, a_row),
        Matrix::Bf16(a) | Matrix::Padded(a, _) => pack_a_of(unit, g, a, rows, steps, dst, a_row),
    }
}

fn pack_a_of<T: Operand>(
    unit: &Unit,
    g: &Product,
    a: &[T],
    rows: Range<usize>,
    steps: Range<usize>,
    dst: &mut [u32],
    a_row: usize,
) {
    let (packs, depth, stride) = (T::packs(unit), steps.len(), row_of_a(g));
    if g.layout != Layout::TN {
        for (i, row) in rows.enumerate() {
            let src = &a[row * stride..][steps.clone()];
            let dst = &mut dst[i * a_row..][..depth.div_ceil(2).next_multiple_of(PAIRS)];
            // SAFETY: the lengths of both.
            unsafe { (packs.along)(src.as_ptr(), depth, dst.as_mut_ptr()) };
        }
        return;
    }
    for p in (0..depth).step_by(2 * PAIRS) {
        let n = (2 * PAIRS).min(depth - p);
        for i in (0..rows.len()).step_by(16) {
            let cols = 16.min(rows.len() - i);
            let src = &a[(steps.start + p) * stride + rows.start + i..];
            assert!(src.len() >= (n - 1) * stride + cols);
            let dst = &mut dst[i * a_row + p / 2..][..(cols - 1) * a_row + PAIRS];
            // SAFETY: the assertion, and the length of the destination.
            unsafe { (packs.turn_across)(src.as_ptr(), stride, cols, n, dst.as_mut_ptr(), a_row) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::bf16::portable;
    use crate::map::testing::normals;

    /// Else two threads would write the same memory.
    #[test]
    fn every_pair_is_packed_by_one_part() {
        // From `p0` on a whole slab; one that ends within a group of pairs, with many parts and with one.
        for (n, k, p0) in [(4100, 64, 0), (4100, 33, 0), (4100, 100, 64), (70, 33, 0)] {
            for transposed in [false, true] {
                let b = normals(1, n * k);
                let source = Source { b: Matrix::F32(&b), transposed, n, k };
                let packing = Packing::new(&source, 64);
                let mut writers = vec![0; packing.slab_len()];
                for part in 0..packing.parts {
                    // No pair of numbers looks like this.
                    let mut memory = vec![u32::MAX; packing.slab_len()];
                    packing.pack(&portable::UNIT, &source, p0, part, &SharedMut::new(&mut memory), 0);
                    writers.iter_mut().zip(&memory).for_each(|(w, m)| *w += u32::from(*m != u32::MAX));
                }
                assert!(packing.parts > 1 || n == 70);
                for panel in writers.chunks_exact(packing.panel_len) {
                    let (pairs, gap) = panel.split_at(packing.panel_len - GAP);
                    assert!(pairs.iter().all(|&w| w == 1), "{n}×{k} from {p0}, transposed: {transposed}");
                    // Nothing is read there.
                    assert!(transposed || gap.iter().all(|&w| w == 0));
                }
            }
        }
    }
}
