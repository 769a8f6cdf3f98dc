//! How good a model is: its loss on a text, and the n-gram models that it has to beat.

mod loss;
mod ngram;

pub use loss::{Evaluation, evaluate};
pub use ngram::{Baseline, NGram, Symbols, bars, baselines, characters};
