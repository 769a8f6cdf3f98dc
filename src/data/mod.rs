//! Text files, splits, token caches and batches.
//!
//! ```text
//! corpus (bytes) ──split──▶ train │ validation ──tokenizer, cache──▶ ids ──batches──▶ inputs and targets
//! ```

pub mod batches;
pub mod cache;
pub mod corpus;
mod prepare;
pub mod split;

pub use batches::{Batch, TokenDataset, Window};
pub use cache::{Cached, Outcome, TokenCache};
pub use corpus::Corpus;
pub use prepare::{Prepared, TokenizerSource, prepare};
pub use split::{Split, split};
