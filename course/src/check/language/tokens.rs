//! What the training pairs of 00.3 are made of.

use motamot_kernels::rng::Rng;

/// What is read, and what must be answered: the training pairs of 00.3.
pub(super) type Pair = (Vec<u32>, Vec<u32>);

/// Tokens with a few repetitions among them, n ≥ 5.
pub(super) fn tokens(n: usize, rng: &mut Rng) -> Vec<u32> {
    (0..n).map(|i| if i == 3 { 14 } else { 10 + (rng.below(8) + i % 2) as u32 }).collect()
}
