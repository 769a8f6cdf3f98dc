//! Text files, splits and batches.
//!
//! ```text
//! corpus (bytes) ──split──▶ train │ validation ──tokenizer──▶ ids ──batches──▶ inputs and targets
//! ```

pub mod batches;
pub mod corpus;
mod prepare;
pub mod split;

pub use batches::{Batch, TokenDataset, Window};
pub use corpus::Corpus;
pub use prepare::{Prepared, TokenizerSource, prepare, prepare_with};
pub use split::{Split, split};
