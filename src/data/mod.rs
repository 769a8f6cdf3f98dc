//! Text files, splits, token caches and batches.
//!
//! ```text
//! corpus (bytes) ──split──▶ train │ validation ──tokenizer, cache──▶ ids ──batches──▶ inputs and targets
//! ```

pub mod batches;
pub mod cache;
pub mod corpus;
#[cfg(feature = "cli")]
pub mod download;
mod prepare;
pub mod split;
mod texts;

pub use batches::{Batch, TokenDataset, Window};
pub use cache::{Cached, Outcome, TokenCache};
pub use corpus::Corpus;
pub use prepare::{Prepared, TokenizerSource, bars, prepare};
pub use split::{Split, split};
pub use texts::{
    BOVARY, DECLARATIONS, Declaration, Gpt2Merge, Guesses, declaration, gpt2_merges, gpt2_sentences, guesses,
};
