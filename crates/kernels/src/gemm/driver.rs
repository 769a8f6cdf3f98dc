//! Large products: packing and multiplying as one stream of chunks over all threads.
//!
//! k is cut into *slabs*. The chunks of a region are, slab by slab, first the packing of B's slab into panels, then its
//! product with each tile of C. While a tile is computed its rows of A stay in the second-level cache of its thread, a
//! panel of B in the first; A is read where it is, unless it is stored transposed (packing it was measured to cost more
//! than it saves). There is no barrier between the phases: a chunk waits for exactly the chunks it needs. All of these
//! have smaller indices, chunks are handed out in order, and whoever has one finishes it, so the waiting ends. Two
//! slabs of B are held at a time.

use super::micro::{Block, Kernel, prefetch};
use super::{Layout, Product, Scratch};
use crate::parallel::{self, SharedMut};
use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Release};

/// Rows of A in a tile: with [`DEPTH`] they fill a small part of the second-level cache.
const TILE_ROWS: usize = 72;
/// Columns of a tile.
const TILE_COLS: usize = 1536;
/// Steps of k that a block of C takes in one go: with them a panel of B fits the first-level cache.
const DEPTH: usize = 384;
/// Elements of B in a slab, about; and at most (but for more than 128 Ki columns), so that packing a large vocabulary's
/// matrix does not take a second one's memory.
const SLAB: usize = 1 << 19;
const MAX_SLAB: usize = 1 << 22;
/// Elements of B that one chunk packs, about.
const PACK: usize = 1 << 15;
/// How many rows ahead packing asks for.
const AHEAD: usize = 4;

/// How a product is cut up. Nothing here changes a result.
struct Plan {
    tile_rows: usize,
    tile_cols: usize,
    /// Tiles side by side, and in all.
    across: usize,
    tiles: usize,
    slab: usize,
    slabs: usize,
    depth: usize,
    panels: usize,
    /// The chunks of packing that a slab is cut into, and the panels or, unless B is stored transposed, rows of each.
    packs: usize,
    group: usize,
}

impl Plan {
    fn new(kernel: &Kernel, g: &Product) -> Plan {
        let (m, n, k) = (g.m, g.n, g.k);
        let threads = if g.is_large() { parallel::threads() } else { 1 };
        // Small enough for some tiles per thread, as long as that leaves each a few blocks; all of about one size.
        let enough = 4 * threads;
        let mut down = m.div_ceil(TILE_ROWS);
        let mut across = n.div_ceil(TILE_COLS);
        if threads > 1 && down * across < enough {
            down = enough.div_ceil(across).min(m.div_ceil(4 * kernel.rows)).max(down);
            across = enough.div_ceil(down).min(n.div_ceil(8 * kernel.cols)).max(across);
        }
        let tile_rows = m.div_ceil(down).next_multiple_of(kernel.rows);
        let tile_cols = n.div_ceil(across).next_multiple_of(kernel.cols);
        let (down, across) = (m.div_ceil(tile_rows), n.div_ceil(tile_cols));

        let even = |parts: usize| k.div_ceil(parts).next_multiple_of(8);
        let depth = even(k.div_ceil(DEPTH.min((MAX_SLAB / n).max(32))));
        let slab = (SLAB / n / depth).max(1) * depth;
        let panels = n.div_ceil(kernel.cols);
        // Reading whole rows, where B has them, is several times as fast as reading the rows of one panel.
        let (size, count) = if g.layout == Layout::NT { (slab.min(k) * kernel.cols, panels) } else { (n, slab.min(k)) };
        let group = (PACK / size).clamp(1, count);
        Plan {
            tile_rows,
            tile_cols,
            across,
            tiles: down * across,
            slab,
            slabs: k.div_ceil(slab),
            depth,
            panels,
            packs: count.div_ceil(group),
            group,
        }
    }
}

/// The order in which packing and multiplying happen, and what a calling thread keeps for it.
#[derive(Default)]
pub(super) struct Stream {
    /// Per tile: how many slabs it has had.
    turns: Vec<AtomicUsize>,
}

thread_local! {
    static SHARED: Cell<Option<Box<(Scratch, Stream)>>> = const { Cell::new(None) };
    static PACKED_A: RefCell<Scratch> = RefCell::default();
}

/// Waits until `ready`; panics if another chunk did.
fn wait(failed: &AtomicBool, ready: impl Fn() -> bool) {
    let mut spins = 0u32;
    while !ready() {
        assert!(!failed.load(Acquire), "gemm: another thread's part failed");
        spins += 1;
        if spins < 2000 {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}

/// Tells the chunks that wait for one that it will never be done.
struct Fail<'a>(&'a AtomicBool);

impl Drop for Fail<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Release);
        }
    }
}

impl Stream {
    /// Runs `pack(slab, part)` for each part of each slab and `multiply(slab, tile)` for each tile of each slab: a tile's
    /// slabs in order, each after all parts of that slab, which are packed after the last use of the slab two before.
    pub(super) fn run(
        &mut self,
        [slabs, packs, tiles]: [usize; 3],
        parallel: bool,
        pack: impl Fn(usize, usize) + Sync,
        multiply: impl Fn(usize, usize) + Sync,
    ) {
        self.turns.iter_mut().for_each(|turn| *turn.get_mut() = 0);
        if self.turns.len() < tiles {
            self.turns.resize_with(tiles, AtomicUsize::default);
        }
        let turns = &self.turns[..];
        // Counts of finished chunks, even and odd slabs apart.
        let packs_done = [const { AtomicUsize::new(0) }; 2];
        let tiles_done = [const { AtomicUsize::new(0) }; 2];
        let failed = AtomicBool::new(false);

        let run = |i: usize| {
            let _fail = Fail(&failed);
            let (slab, i) = (i / (packs + tiles), i % (packs + tiles));
            let (parity, before) = (slab % 2, slab / 2);
            if i < packs {
                wait(&failed, || tiles_done[parity].load(Acquire) >= before * tiles);
                pack(slab, i);
                packs_done[parity].fetch_add(1, Release);
            } else {
                let tile = i - packs;
                wait(&failed, || packs_done[parity].load(Acquire) >= (before + 1) * packs);
                wait(&failed, || turns[tile].load(Acquire) == slab);
                multiply(slab, tile);
                turns[tile].store(slab + 1, Release);
                tiles_done[parity].fetch_add(1, Release);
            }
        };
        let chunks = slabs * (packs + tiles);
        if parallel { parallel::for_each_chunk(chunks, run) } else { (0..chunks).for_each(run) }
    }
}

pub(super) fn packed(kernel: &Kernel, g: &Product) {
    let plan = Plan::new(kernel, g);
    let mut shared = SHARED.take().unwrap_or_default();
    let (b, stream) = &mut *shared;
    let slab_len = plan.panels * kernel.cols * plan.slab.min(g.k);
    let packed_b = SharedMut::new(b.get(slab_len * plan.slabs.min(2)));
    stream.run(
        [plan.slabs, plan.packs, plan.tiles],
        g.is_large(),
        |slab, part| pack_b(kernel, g, &plan, slab, part, &packed_b, slab % 2 * slab_len),
        |slab, tile| multiply(kernel, g, &plan, slab, tile, packed_b.as_ptr().wrapping_add(slab % 2 * slab_len)),
    );
    SHARED.set(Some(shared));
}

/// Packs part `part` of a slab of B. Row p of panel q starts at `offset + q·slab·cols + p·cols`.
fn pack_b(kernel: &Kernel, g: &Product, plan: &Plan, slab: usize, part: usize, packed: &SharedMut<f32>, offset: usize) {
    let width = kernel.cols;
    let p0 = slab * plan.slab;
    let depth = plan.slab.min(g.k - p0);
    let panel_len = plan.slab.min(g.k) * width;
    let first = part * plan.group;
    if g.layout == Layout::NT {
        for panel in first..plan.panels.min(first + plan.group) {
            let j = panel * width;
            let cols = width.min(g.n - j);
            let src = &g.b[j * g.k + p0..];
            assert!(src.len() >= (cols - 1) * g.k + depth);
            // SAFETY: nobody else has to do with this panel before the part is counted as done.
            let dst = unsafe { packed.slice(offset + panel * panel_len, depth * width) };
            // SAFETY: the assertion, and the length of the panel.
            unsafe { kernel.pack_transposed(src.as_ptr(), g.k, depth, cols, dst.as_mut_ptr()) };
        }
    } else {
        for p in first..depth.min(first + plan.group) {
            let row = &g.b[(p0 + p) * g.n..][..g.n];
            for (panel, src) in row.chunks(width).enumerate() {
                prefetch(src.as_ptr().wrapping_add(AHEAD * g.n), width);
                // SAFETY: nobody else has to do with this row before the part is counted as done.
                copy_padded(src, unsafe { packed.slice(offset + panel * panel_len + p * width, width) });
            }
        }
    }
}

/// Copies what there is and fills the rest with zeros. Whole rows have a width known to the compiler: no `memcpy` call.
#[inline]
fn copy_padded(src: &[f32], dst: &mut [f32]) {
    if copy_whole::<32>(src, dst) || copy_whole::<16>(src, dst) || copy_whole::<8>(src, dst) {
        return;
    }
    let (head, tail) = dst.split_at_mut(src.len());
    head.copy_from_slice(src);
    tail.fill(0.0);
}

/// Copies if both have `N` elements.
#[inline(always)]
fn copy_whole<const N: usize>(src: &[f32], dst: &mut [f32]) -> bool {
    match (src.as_array::<N>(), dst.as_mut_array::<N>()) {
        (Some(src), Some(dst)) => {
            *dst = *src;
            true
        }
        _ => false,
    }
}

/// Adds a slab's part to one tile of C.
fn multiply(kernel: &Kernel, g: &Product, plan: &Plan, slab: usize, tile: usize, packed_b: *const f32) {
    let (i0, j0) = (tile / plan.across * plan.tile_rows, tile % plan.across * plan.tile_cols);
    let (i1, j1) = (g.m.min(i0 + plan.tile_rows), g.n.min(j0 + plan.tile_cols));
    let p1 = g.k.min((slab + 1) * plan.slab);
    let panel_len = plan.slab.min(g.k) * kernel.cols;
    PACKED_A.with_borrow_mut(|scratch| {
        for p in (slab * plan.slab..p1).step_by(plan.depth) {
            let depth = plan.depth.min(p1 - p);
            let (a_row, a_k) = g.a_strides();
            let (a, a_row, a_k, a_block) = if g.layout == Layout::TN {
                let packed = scratch.get(plan.tile_rows * depth);
                pack_a(kernel.rows, g, i0..i1, p..p + depth, packed);
                (&*packed, 1, kernel.rows, kernel.rows * depth)
            } else {
                (&g.a[i0 * a_row + p..], a_row, a_k, kernel.rows * a_row)
            };
            for j in (j0..j1).step_by(kernel.cols) {
                let b = packed_b.wrapping_add(j / kernel.cols * panel_len + (p - slab * plan.slab) * kernel.cols);
                let start = g.start(j, p);
                for i in (i0..i1).step_by(kernel.rows) {
                    let block = Block {
                        a: a[(i - i0) / kernel.rows * a_block..].as_ptr(),
                        a_row,
                        a_k,
                        b,
                        b_k: kernel.cols,
                        k: depth,
                        c: g.c.as_ptr().wrapping_add(i * g.n + j),
                        c_row: g.n,
                        rows: kernel.rows.min(i1 - i),
                        cols: kernel.cols.min(j1 - j),
                        start,
                    };
                    // SAFETY: what was packed has these rows, columns and steps, A and C have them by `gemm`'s assertions;
                    // the tile is nobody else's until its turn is counted.
                    unsafe { kernel.block(&block) };
                }
            }
        }
    });
}

/// Packs rows and steps of A, stored transposed, into panels of `width` rows with the steps one after the other.
fn pack_a(width: usize, g: &Product, rows: Range<usize>, steps: Range<usize>, dst: &mut [f32]) {
    let depth = steps.len();
    for (q, p) in steps.enumerate() {
        let row = &g.a[p * g.m..][rows.clone()];
        prefetch(row.as_ptr().wrapping_add(AHEAD * g.m), row.len());
        for (panel, src) in row.chunks(width).enumerate() {
            let dst = &mut dst[(panel * depth + q) * width..][..width];
            if !(copy_whole::<12>(src, dst) || copy_whole::<6>(src, dst) || copy_whole::<8>(src, dst)) {
                dst[..src.len()].copy_from_slice(src);
            }
        }
    }
}
