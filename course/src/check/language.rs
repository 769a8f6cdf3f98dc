//! Exercises of notebook 00: perplexity, smoothed counts, training pairs.

mod causal_pair;
mod masked_pair;
mod perplexity;
mod smoothing;
mod span_pair;

pub use causal_pair::causal_pair;
pub use masked_pair::masked_pair;
pub use perplexity::perplexity;
pub use smoothing::add_k;
pub use span_pair::span_pair;

use motamot_kernels::rng::Rng;

/// What is read, and what must be answered: the training pairs of 00.3.
type Pair = (Vec<u32>, Vec<u32>);

const EXACT_PAIR: (&str, &str) = (
    "la paire est exacte, symbole par symbole, sur toutes les phrases",
    "the pair is exact, token by token, on all sentences",
);

/// Tokens with a few repetitions among them, n ≥ 5.
fn tokens(n: usize, rng: &mut Rng) -> Vec<u32> {
    (0..n).map(|i| if i == 3 { 14 } else { 10 + (rng.below(8) + i % 2) as u32 }).collect()
}
