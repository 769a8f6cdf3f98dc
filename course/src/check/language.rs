//! Exercises of notebook 00: perplexity, smoothed counts, training pairs.

mod causal_pair;
mod masked_pair;
mod perplexity;
mod smoothing;
mod span_pair;
mod tokens;

pub use causal_pair::causal_pair;
pub use masked_pair::masked_pair;
pub use perplexity::perplexity;
pub use smoothing::add_k;
pub use span_pair::span_pair;
