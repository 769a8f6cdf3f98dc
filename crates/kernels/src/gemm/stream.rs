//! The order of a large product: packing and multiplying as one stream of chunks over all threads.
//!
//! k is cut into *slabs*. The chunks are, slab by slab, first the packing of B's slab in parts, then its product with
//! each tile of C. There is no barrier between the phases: a chunk waits for exactly the chunks it needs. All of these
//! have smaller indices, chunks are handed out in order, and whoever has one finishes it, so the waiting ends. Two slabs
//! of B are held at a time.

use crate::parallel;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Release};

/// What a calling thread keeps from product to product.
#[derive(Default)]
pub(super) struct Stream {
    /// Per tile: how many slabs it has had.
    turns: Vec<AtomicUsize>,
}

impl Stream {
    /// Runs `pack(slab, part)` for each part of each slab and `multiply(slab, tile)` for each tile of each slab: a tile's
    /// slabs in order, each after all parts of that slab, which are packed after the last use of the slab two before.
    pub fn run(
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
