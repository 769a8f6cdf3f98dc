//! Large products, in any precision: packing and multiplying tile by tile.
//!
//! A *tile* is what one chunk of a [`Stream`] computes of C. Its rows of A stay in the second-level cache of its thread,
//! a panel of B in the first. The driver knows how to cut a product up; how operands are packed and blocks are
//! multiplied is a [`MicroKernel`]'s part, and what becomes of the result a [`Finish`]'s.

use super::finish::{Finish, InPlace, Takes};
use super::micro::{Block, prefetch_far};
use super::micro_kernel::{MicroKernel, Source};
use super::product::{Layout, Product};
use super::scratch::Scratch;
use super::stream::Stream;
use crate::parallel::{self, SharedMut};
use std::cell::{Cell, RefCell};

/// Steps of k that a block of C takes in one go: with them a panel of B fits the first-level cache.
const DEPTH: usize = 384;
/// Words of B in a slab, about; and at most (but for more than 128 Ki columns), so that packing a large vocabulary's
/// matrix does not take a second one's memory.
const SLAB: usize = 1 << 19;
const MAX_SLAB: usize = 1 << 22;
/// Words of B that one chunk packs, about.
const PACK: usize = 1 << 15;
/// Words of A, and elements of C, that a tile whose result is handed over may have, unless the rows of one block are
/// more: parts of a second-level cache of 1 MB.
const WHOLE_A: usize = 1 << 16;
const WHOLE_C: usize = 3 << 16;

/// How a product is cut up. Nothing here changes a result.
struct Plan {
    tile_rows: usize,
    tile_cols: usize,
    /// Tiles side by side, and in all.
    across: usize,
    tiles: usize,
    slab: usize,
    slabs: usize,
    /// Steps of which a tile's rows of A are made ready at once, and those of a block.
    reach: usize,
    depth: usize,
}

impl Plan {
    /// Tiles of a C in memory. `whole`: B is packed already, all of k in one slab.
    fn in_place<K: MicroKernel>(kernel: &K, g: &Product<K::Matrix<'_>>, whole: bool) -> Plan {
        let (m, n, k, [rows, cols]) = (g.m, g.n, g.k, kernel.size());
        let threads = if g.is_large() { parallel::threads() } else { 1 };
        // Small enough for some tiles per thread, as long as that leaves each a few blocks; all of about one size.
        let enough = 4 * threads;
        let mut down = m.div_ceil(K::TILE[0]);
        let mut across = n.div_ceil(K::TILE[1]);
        if threads > 1 && down * across < enough {
            down = enough.div_ceil(across).min(m.div_ceil(K::FEW[0] * rows)).max(down);
            across = enough.div_ceil(down).min(n.div_ceil(K::FEW[1] * cols)).max(across);
        }
        let tile_rows = m.div_ceil(down).next_multiple_of(rows);
        let tile_cols = n.div_ceil(across).next_multiple_of(cols);
        let (down, across) = (m.div_ceil(tile_rows), n.div_ceil(tile_cols));

        let parts = k.div_ceil(DEPTH.min((MAX_SLAB * K::STEPS / n).max(32)));
        let depth = k.div_ceil(parts).next_multiple_of(K::GRAIN);
        let slab = if whole { k.next_multiple_of(K::GRAIN) } else { (SLAB * K::STEPS / n / depth).max(1) * depth };
        Plan { tile_rows, tile_cols, across, tiles: down * across, slab, slabs: k.div_ceil(slab), reach: depth, depth }
    }

    /// Tiles of whole rows, whose parts are handed over: all of k in one go, so that a part is finished while it is in
    /// the cache. Rows of C are `c_row` apart.
    fn handed_over<K: MicroKernel>(kernel: &K, g: &Product<K::Matrix<'_>>, c_row: usize) -> Plan {
        let (m, k, [rows, _]) = (g.m, g.k, kernel.size());
        let depth = k.div_ceil(k.div_ceil(DEPTH).max(1)).next_multiple_of(K::GRAIN).max(K::GRAIN);
        let slab = k.next_multiple_of(K::GRAIN).max(1);
        let most = (WHOLE_A / K::words(slab).max(1)).min(WHOLE_C / c_row) / rows * rows;
        let threads = if g.is_large() { parallel::threads() } else { 1 };
        let enough = if threads > 1 { (4 * threads).min(m.div_ceil(rows)) } else { 1 };
        let tiles = m.div_ceil(most.clamp(rows, K::TILE[0])).max(enough);
        let tile_rows = m.div_ceil(tiles).next_multiple_of(rows);
        Plan { tile_rows, tile_cols: g.n, across: 1, tiles: m.div_ceil(tile_rows), slab, slabs: 1, reach: slab, depth }
    }
}

thread_local! {
    static SHARED: Cell<Option<Box<(Scratch, Stream)>>> = const { Cell::new(None) };
    static TILE: RefCell<Scratch> = RefCell::default();
}

/// The product, with B packed on the way.
pub(super) fn multiply<K: MicroKernel>(kernel: &K, g: &Product<K::Matrix<'_>>) {
    let plan = Plan::in_place(kernel, g, false);
    let source = Source { b: g.b, transposed: g.layout == Layout::NT, n: g.n, k: g.k };
    let packing = Packing::new(kernel, &source, plan.slab);
    let mut shared = SHARED.take().unwrap_or_default();
    let (memory, stream) = &mut *shared;
    let memory = SharedMut::new(memory.get(packing.slab_len() * plan.slabs.min(2)));
    let offset = |slab: usize| slab % 2 * packing.slab_len();
    stream.run(
        [plan.slabs, packing.parts, plan.tiles],
        g.is_large(),
        |slab, part| packing.pack(kernel, &source, slab * plan.slab, part, &memory, offset(slab)),
        |slab, i| {
            tile(kernel, g, &plan, &InPlace, slab, i, memory.as_ptr().wrapping_add(offset(slab)), packing.panel_len)
        },
    );
    SHARED.set(Some(shared));
}

/// The product with all of B packed already; its parts go to `finish`.
pub(super) fn multiply_packed<K: MicroKernel, F: Finish>(
    kernel: &K,
    g: &Product<K::Matrix<'_>>,
    b: &[f32],
    finish: &F,
) {
    let plan = match F::TAKES {
        Takes::Nothing => Plan::in_place(kernel, g, true),
        _ => Plan::handed_over(kernel, g, c_row::<F>(g.n, kernel.size()[1])),
    };
    assert_eq!(b.len(), packed_len(kernel, g.n, g.k));
    let tile = |i| tile(kernel, g, &plan, finish, 0, i, b.as_ptr(), panel_len(kernel, g.k));
    if g.is_large() { parallel::for_each_chunk(plan.tiles, tile) } else { (0..plan.tiles).for_each(tile) }
}

/// How far apart rows are in what is handed over.
fn c_row<F: Finish>(n: usize, panel: usize) -> usize {
    match F::TAKES {
        Takes::Nothing => 0,
        Takes::Panels => panel,
        Takes::Rows => n.next_multiple_of(panel),
    }
}

/// Words of a packed panel.
fn panel_len<K: MicroKernel>(kernel: &K, steps: usize) -> usize {
    K::words(steps) * kernel.size()[1] + K::GAP
}

/// How many words [`pack`] makes of a B of these sizes.
pub(super) fn packed_len<K: MicroKernel>(kernel: &K, n: usize, k: usize) -> usize {
    n.div_ceil(kernel.size()[1]) * panel_len(kernel, k)
}

/// Packs all of B.
pub(super) fn pack<K: MicroKernel>(kernel: &K, source: &Source<K::Matrix<'_>>, dst: &mut [f32]) {
    let packing = Packing::new(kernel, source, source.k);
    assert_eq!(dst.len(), packing.slab_len());
    let dst = SharedMut::new(dst);
    parallel::for_each_chunk(packing.parts, |part| packing.pack(kernel, source, 0, part, &dst, 0));
}

/// How a slab of B is cut into parts that are packed one by one.
struct Packing {
    slab: usize,
    panels: usize,
    panel_len: usize,
    parts: usize,
    /// Panels or, unless B is stored transposed, rows of words of a part.
    group: usize,
}

impl Packing {
    fn new<K: MicroKernel>(kernel: &K, source: &Source<K::Matrix<'_>>, slab: usize) -> Packing {
        let (slab, cols) = (slab.min(source.k), kernel.size()[1]);
        let (panels, words) = (source.n.div_ceil(cols), K::words(slab));
        // Reading whole rows, where B has them, is several times as fast as reading the rows of one panel.
        let (size, count) = if source.transposed { (words * cols, panels) } else { (source.n, words) };
        let group = (PACK / size).clamp(1, count);
        Packing { slab, panels, panel_len: panel_len(kernel, slab), parts: count.div_ceil(group), group }
    }

    fn slab_len(&self) -> usize {
        self.panels * self.panel_len
    }

    /// Packs part `part` of the slab that begins at step `p0`: row p of panel q goes to `offset + q·panel_len + p·cols`.
    fn pack<K: MicroKernel>(
        &self,
        kernel: &K,
        source: &Source<K::Matrix<'_>>,
        p0: usize,
        part: usize,
        packed: &SharedMut<f32>,
        offset: usize,
    ) {
        let cols = kernel.size()[1];
        let steps = p0..source.k.min(p0 + self.slab);
        let (first, words) = (part * self.group, K::words(steps.len()));
        if source.transposed {
            for panel in first..self.panels.min(first + self.group) {
                // SAFETY: nobody else has to do with this panel before the part is counted as done.
                let dst = unsafe { packed.slice(offset + panel * self.panel_len, words * cols) };
                kernel.pack_panel(source, panel * cols, steps.clone(), dst);
            }
            return;
        }
        for p in first..words.min(first + self.group) {
            kernel.pack_row(source, steps.clone(), p, |panel| {
                // SAFETY: nobody else has to do with this row before the part is counted as done.
                unsafe { packed.slice(offset + panel * self.panel_len + p * cols, cols) }
            });
        }
    }
}

/// Adds a slab's part to tile `i` of C, or hands the tile over.
fn tile<K: MicroKernel, F: Finish>(
    kernel: &K,
    g: &Product<K::Matrix<'_>>,
    plan: &Plan,
    finish: &F,
    slab: usize,
    i: usize,
    packed_b: *const f32,
    panel_len: usize,
) {
    let [most, width] = kernel.size();
    let part = |i: usize, size: usize, all: usize| i * size..all.min((i + 1) * size);
    let (rows, cols) = (part(i / plan.across, plan.tile_rows, g.m), part(i % plan.across, plan.tile_cols, g.n));
    let steps = part(slab, plan.slab, g.k);
    let blocks = rows.len().div_ceil(most) * cols.len().div_ceil(width);
    let kept_row = c_row::<F>(g.n, width);
    let _held = kernel.hold();
    TILE.with_borrow_mut(|scratch| {
        // A block may read more rows than it has.
        let a_len = plan.tile_rows.next_multiple_of(32) * K::words(plan.reach);
        let (a_room, kept) = scratch.get(a_len + plan.tile_rows * kept_row).split_at_mut(a_len);
        // Once also if k is 0: then C is what it starts from.
        for p in (steps.start..steps.end.max(1)).step_by(plan.reach) {
            let end = steps.end.min(p + plan.reach);
            let a = kernel.rows_of_a(g, rows.clone(), p..end, a_room);
            let mut ahead = Ahead::new::<K>(g, plan, i, p, steps.end, blocks);
            for j in cols.clone().step_by(width) {
                let cols = width.min(cols.end - j);
                finish.ahead(rows.clone(), j, cols);
                let (c, c_row) = match F::TAKES {
                    Takes::Nothing => (g.c.as_ptr().wrapping_add(rows.start * g.n + j), g.n),
                    Takes::Panels => (kept.as_mut_ptr(), kept_row),
                    Takes::Rows => (kept[j..].as_mut_ptr(), kept_row),
                };
                let panel = packed_b.wrapping_add(j / width * panel_len);
                for q in (p..end.max(p + 1)).step_by(plan.depth) {
                    let start = g.start(j, q);
                    for i in (0..rows.len()).step_by(most) {
                        if q == p {
                            ahead.step();
                        }
                        let block = Block {
                            a: a.first.wrapping_add(i / most * a.block + (q - p) / K::STEPS * a.step),
                            a_row: a.row,
                            a_k: a.step,
                            b: panel.wrapping_add((q - steps.start) / K::STEPS * width),
                            b_k: width,
                            k: plan.depth.min(end - q).div_ceil(K::STEPS),
                            c: c.wrapping_add(i * c_row),
                            c_row,
                            rows: most.min(rows.len() - i),
                            cols,
                            start,
                        };
                        // SAFETY: what was packed has these rows, columns and steps, A has them if it was not, and C by the
                        // assertions of `checked`, or what is kept by its length; the tile is nobody else's until its
                        // turn is counted.
                        unsafe { kernel.multiply(&block) };
                    }
                }
                if F::TAKES == Takes::Panels {
                    // SAFETY: this tile's own.
                    unsafe { finish.take(rows.clone(), j, cols, &kept[..rows.len() * kept_row]) };
                }
            }
            if F::TAKES == Takes::Rows {
                // SAFETY: as above.
                unsafe { finish.take(rows.clone(), 0, g.n, &kept[..rows.len() * kept_row]) };
            }
        }
    });
}

/// Asks, block by block, for what this thread packs next of A: else it would stand still until that arrives.
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
    fn new<K: MicroKernel>(
        g: &Product<K::Matrix<'_>>,
        plan: &Plan,
        tile: usize,
        p: usize,
        end: usize,
        blocks: usize,
    ) -> Ahead {
        let Some((first, size)) = K::ahead(&g.a) else {
            return Ahead { next: std::ptr::null(), width: 0, rows: 0, stride: 0, rate: 0, debt: 0 };
        };
        let (i, p) = if p + plan.reach < end {
            (tile / plan.across * plan.tile_rows, p + plan.reach)
        } else {
            ((tile + parallel::threads()) / plan.across * plan.tile_rows, p / plan.slab * plan.slab)
        };
        let (rows, steps) = (plan.tile_rows.min(g.m.saturating_sub(i)), plan.reach.min(g.k - p));
        let (a_row, a_k) = g.a_strides();
        let (width, rows, stride) = if a_k == 1 { (steps, rows, a_row) } else { (rows, steps, a_k) };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::bf16::{self, Matrix};
    use crate::gemm::micro::Kernel;
    use crate::gemm::portable;
    use crate::testing::normals;

    /// Else two threads would write the same memory.
    #[test]
    fn every_word_is_packed_by_one_part() {
        // From `p0` on a whole slab; one that ends within a group of pairs, with many parts and with one.
        for (n, k, p0) in [(4100, 64, 0), (4100, 33, 0), (4100, 100, 64), (70, 33, 0)] {
            for transposed in [false, true] {
                let b = normals(1, n * k);
                let unit = &bf16::portable::UNIT;
                check(unit, &Source { b: Matrix::F32(&b), transposed, n, k }, p0);
                check::<Kernel>(&portable::KERNEL, &Source { b: &b[..], transposed, n, k }, p0);
            }
        }
    }

    fn check<K: MicroKernel>(kernel: &K, source: &Source<K::Matrix<'_>>, p0: usize) {
        let &Source { n, k, transposed, .. } = source;
        let packing = Packing::new(kernel, source, 64);
        let mut writers = vec![0; packing.slab_len()];
        for part in 0..packing.parts {
            // No pair of numbers looks like this.
            let mut memory = vec![f32::from_bits(u32::MAX); packing.slab_len()];
            packing.pack(kernel, source, p0, part, &SharedMut::new(&mut memory), 0);
            writers.iter_mut().zip(&memory).for_each(|(w, m)| *w += u32::from(m.to_bits() != u32::MAX));
        }
        assert!(packing.parts > 1 || n == 70);
        for panel in writers.chunks_exact(packing.panel_len) {
            let (words, rest) = panel.split_at(K::words(64.min(k - p0)) * kernel.size()[1]);
            assert!(words.iter().all(|&w| w == 1), "{n}×{k} from {p0}, transposed: {transposed}");
            // Nothing is read there.
            assert!(rest.iter().all(|&w| w == 0));
        }
    }
}
