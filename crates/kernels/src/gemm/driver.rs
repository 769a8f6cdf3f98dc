//! Large products: packing and multiplying as one stream of chunks over all threads.
//!
//! k is cut into *slabs*. The chunks of a region are, slab by slab, first the packing of B's slab into panels (in
//! groups of panels), then its product with each tile of C. A tile's thread packs the rows of A that it needs; those
//! stay in its second-level cache, a panel of B in its first. There is no barrier between the phases: a chunk waits
//! for exactly the chunks it needs. All of these have smaller indices, chunks are handed out in order, and whoever has
//! one finishes it, so the waiting ends. Two slabs of B are held at a time.

use super::micro::{Block, Kernel};
use super::{Layout, Product, Scratch};
use crate::parallel::{self, SharedMut};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Release};

/// Rows of A in a tile: with [`DEPTH`] they fill a small part of the second-level cache.
const TILE_ROWS: usize = 144;
/// Columns of a tile.
const TILE_COLS: usize = 1536;
/// Steps of k that a block of C takes in one go: with them a panel of B fits the first-level cache.
const DEPTH: usize = 384;
/// Elements of B in a slab, about.
const SLAB: usize = 1 << 19;
/// Elements of B that one chunk packs, about.
const PACK: usize = 1 << 15;

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
    /// Panels of B in one packing chunk, and how many such chunks a slab has.
    group: usize,
    packs: usize,
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
        let depth = even(k.div_ceil(DEPTH));
        let slab = (SLAB / n / depth).max(1) * depth;
        let panels = n.div_ceil(kernel.cols);
        let group = (PACK / (slab.min(k) * kernel.cols)).clamp(1, panels);
        Plan {
            tile_rows,
            tile_cols,
            across,
            tiles: down * across,
            slab,
            slabs: k.div_ceil(slab),
            depth,
            panels,
            group,
            packs: panels.div_ceil(group),
        }
    }
}

/// What a calling thread keeps from one product to the next.
#[derive(Default)]
struct Shared {
    b: Scratch,
    /// Per tile: how many slabs it has had.
    turns: Vec<AtomicUsize>,
}

thread_local! {
    static SHARED: Cell<Option<Box<Shared>>> = const { Cell::new(None) };
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

pub(super) fn packed(kernel: &Kernel, g: &Product) {
    let plan = Plan::new(kernel, g);
    let mut shared = SHARED.take().unwrap_or_default();
    let Shared { b, turns } = &mut *shared;
    let slab_len = plan.panels * kernel.cols * plan.slab.min(g.k);
    let packed_b = SharedMut::new(b.get(slab_len * plan.slabs.min(2)));
    turns.iter_mut().for_each(|turn| *turn.get_mut() = 0);
    if turns.len() < plan.tiles {
        turns.resize_with(plan.tiles, AtomicUsize::default);
    }
    let turns = &turns[..];

    // Counts of finished chunks, even and odd slabs apart.
    let packs_done = [const { AtomicUsize::new(0) }; 2];
    let tiles_done = [const { AtomicUsize::new(0) }; 2];
    let failed = AtomicBool::new(false);

    let run = |i: usize| {
        let _fail = Fail(&failed);
        let (slab, i) = (i / (plan.packs + plan.tiles), i % (plan.packs + plan.tiles));
        let (parity, before) = (slab % 2, slab / 2);
        if i < plan.packs {
            // The slab two before this one, whose place it takes, must have been used up.
            wait(&failed, || tiles_done[parity].load(Acquire) >= before * plan.tiles);
            pack_b(kernel, g, &plan, slab, i, &packed_b, parity * slab_len);
            packs_done[parity].fetch_add(1, Release);
        } else {
            let tile = i - plan.packs;
            wait(&failed, || packs_done[parity].load(Acquire) >= (before + 1) * plan.packs);
            wait(&failed, || turns[tile].load(Acquire) == slab);
            multiply(kernel, g, &plan, slab, tile, packed_b.as_ptr().wrapping_add(parity * slab_len));
            turns[tile].store(slab + 1, Release);
            tiles_done[parity].fetch_add(1, Release);
        }
    };
    let chunks = plan.slabs * (plan.packs + plan.tiles);
    if g.is_large() {
        parallel::for_each_chunk(chunks, run)
    } else {
        (0..chunks).for_each(run)
    }
    SHARED.set(Some(shared));
}

/// Packs group `group` of the panels of a slab of B. Panel q, row p starts at `offset + q·slab·cols + p·cols`.
fn pack_b(
    kernel: &Kernel,
    g: &Product,
    plan: &Plan,
    slab: usize,
    group: usize,
    packed: &SharedMut<f32>,
    offset: usize,
) {
    let width = kernel.cols;
    let p0 = slab * plan.slab;
    let depth = plan.slab.min(g.k - p0);
    let first = group * plan.group;
    let last = plan.panels.min(first + plan.group);
    let panel_len = plan.slab.min(g.k) * width;
    // SAFETY: the panels of this group are nobody else's until the group is counted as done.
    let dst = unsafe { packed.slice(offset + first * panel_len, (last - first) * panel_len) };
    if g.layout == Layout::NT {
        for (panel, dst) in (first..last).zip(dst.chunks_exact_mut(panel_len)) {
            let j = panel * width;
            let cols = width.min(g.n - j);
            let src = &g.b[j * g.k + p0..];
            assert!(src.len() >= (cols - 1) * g.k + depth && dst.len() >= depth * width);
            // SAFETY: the assertion.
            unsafe { kernel.pack_transposed(src.as_ptr(), g.k, depth, cols, dst.as_mut_ptr()) };
        }
    } else {
        let (j, end) = (first * width, g.n.min(last * width));
        for p in 0..depth {
            let row = &g.b[(p0 + p) * g.n..][j..end];
            for (panel, src) in row.chunks(width).enumerate() {
                let dst = &mut dst[panel * panel_len + p * width..][..width];
                copy_padded(src, dst);
            }
        }
    }
}

/// Copies what there is and fills the rest with zeros. Whole rows have a width known to the compiler: no `memcpy` call.
#[inline]
fn copy_padded(src: &[f32], dst: &mut [f32]) {
    if let (Some(src), Some(dst)) = (src.as_array::<32>(), dst.as_mut_array::<32>()) {
        *dst = *src;
    } else if let (Some(src), Some(dst)) = (src.as_array::<16>(), dst.as_mut_array::<16>()) {
        *dst = *src;
    } else {
        let (head, tail) = dst.split_at_mut(src.len());
        head.copy_from_slice(src);
        tail.fill(0.0);
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
            let packed_a = scratch.get(plan.tile_rows * depth);
            let (a_row, a_k, a_block) = pack_a(kernel.rows, g, i0, i1, p, depth, packed_a);
            for j in (j0..j1).step_by(kernel.cols) {
                let b = packed_b.wrapping_add(j / kernel.cols * panel_len + (p - slab * plan.slab) * kernel.cols);
                let start = g.start(j, p);
                for i in (i0..i1).step_by(kernel.rows) {
                    let block = Block {
                        a: packed_a[(i - i0) / kernel.rows * a_block..].as_ptr(),
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
                    // SAFETY: A and B were packed for these rows, columns and steps, C has them by `gemm`'s assertions,
                    // and the tile is nobody else's until its turn is counted.
                    unsafe { kernel.block(&block) };
                }
            }
        }
    });
}

/// Copies rows `i0..i1`, steps `p..p + depth` of A; returns the strides of a row, of a step, and of `block` rows.
fn pack_a(
    block: usize,
    g: &Product,
    i0: usize,
    i1: usize,
    p: usize,
    depth: usize,
    dst: &mut [f32],
) -> (usize, usize, usize) {
    if g.layout == Layout::TN {
        for q in 0..depth {
            let row = &g.a[(p + q) * g.m..][i0..i1];
            for (b, src) in row.chunks(block).enumerate() {
                let dst = &mut dst[(b * depth + q) * block..][..block];
                if let (Some(src), Some(dst)) = (src.as_array::<12>(), dst.as_mut_array::<12>()) {
                    *dst = *src;
                } else if let (Some(src), Some(dst)) = (src.as_array::<6>(), dst.as_mut_array::<6>()) {
                    *dst = *src;
                } else {
                    dst[..src.len()].copy_from_slice(src);
                }
            }
        }
        (1, block, block * depth)
    } else {
        for (i, dst) in (i0..i1).zip(dst.chunks_exact_mut(depth)) {
            dst.copy_from_slice(&g.a[i * g.k + p..][..depth]);
        }
        (depth, 1, block * depth)
    }
}
