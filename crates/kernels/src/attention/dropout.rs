//! Which probabilities dropout keeps: a function of (seed, stream, b·H + h, i, j) alone, so that the backward finds the
//! forward's choice again without anything being stored.

use crate::rng::philox4x32;

/// One Philox4x32-10 block decides about 8 consecutive keys of a query row, 16 bits each, lower halves of the words first;
/// kept is what has at least p·2¹⁶.
pub(super) const KEYS_PER_BLOCK: usize = 8;

/// The choice, and what a kept probability is multiplied by.
#[derive(Clone, Copy)]
pub(super) struct Keep {
    key: [u32; 2],
    salt: u32,
    /// Kept if the 16 bits are at least this.
    threshold: u32,
    /// 1/(1 − p).
    pub factor: f32,
}

impl Keep {
    pub fn new(p: f32, seed: u64, stream: u64) -> Keep {
        // One block turns (seed, stream) into a key of its own, so that 64-bit streams fit beside three indices.
        let words = philox4x32([seed as u32, (seed >> 32) as u32], [stream as u32, (stream >> 32) as u32, 0, 0xa77e]);
        let threshold = (p as f64 * 65536.0).round().min(65535.0) as u32;
        Keep { key: [words[0], words[1]], salt: words[2], threshold, factor: (1.0 / (1.0 - p as f64)) as f32 }
    }

    /// The random words of 8 keys from `8·block` on, for query i of row `bh` = b·H + h; lower half first.
    #[inline(always)]
    pub fn words(&self, bh: u32, i: u32, block: u32) -> [u32; 4] {
        philox4x32(self.key, [block, i, bh, self.salt])
    }

    /// 1/(1 − p) or 0.
    #[inline(always)]
    pub fn factor_of(&self, bits: u32) -> f32 {
        if bits >= self.threshold { self.factor } else { 0.0 }
    }

    /// 1/(1 − p) or 0 for key j of query i of row `bh`.
    pub fn at(&self, bh: usize, i: usize, j: usize) -> f32 {
        let word = self.words(bh as u32, i as u32, (j / KEYS_PER_BLOCK) as u32)[j % KEYS_PER_BLOCK / 2];
        self.factor_of(if j.is_multiple_of(2) { word & 0xffff } else { word >> 16 })
    }
}
