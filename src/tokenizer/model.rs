//! What one kind of tokenizer does its own way: everything that `Tokenizer` asks of it.

use super::kind::TokenizerKind;
use super::pairs::Merge;
use crate::utils::Result;
use serde_json::{Map, Value};

/// A vocabulary at work on text that is normalised and free of added tokens.
pub(super) trait Model: Send + Sync {
    fn kind(&self) -> TokenizerKind;

    /// Appends the ids of `text`. Fails on what the vocabulary has no token for.
    fn encode(&self, text: &str, threads: usize, out: &mut Vec<u32>) -> Result<()>;

    /// The ids of bytes that are not UTF-8; `None` if the model needs characters.
    fn encode_bytes(&self, _bytes: &[u8], _threads: usize) -> Option<Result<Vec<u32>>> {
        None
    }

    /// The bytes that a token stands for: at the beginning of a text, or inside it.
    fn token_bytes(&self, spelling: &str, first: bool) -> Vec<u8>;

    /// Whether tokens are words with spaces between them, so that the first one differs from the others.
    fn is_spaced(&self) -> bool {
        false
    }

    /// The merges in order of rank.
    fn merges(&self) -> &[Merge] {
        &[]
    }

    /// The model's parts of `tokenizer.json`, where the tokens are spelled `spellings` and `vocab` gives their ids.
    fn to_json(&self, vocab: Map<String, Value>, spellings: &[String]) -> ModelJson;

    /// A copy that has not encoded anything yet.
    fn copy(&self) -> Box<dyn Model>;
}

/// The parts of `tokenizer.json` that depend on the kind of tokenizer.
pub(super) struct ModelJson {
    pub pre_tokenizer: Value,
    pub decoder: Value,
    pub model: Value,
}

impl Clone for Box<dyn Model> {
    fn clone(&self) -> Box<dyn Model> {
        (**self).copy()
    }
}
