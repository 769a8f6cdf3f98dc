//! What generation needs of a model and of a tokenizer; nothing more, so that tests can use toys.

use std::borrow::Cow;

use crate::utils::{Error, Result};

/// What generation needs of a causal language model.
pub trait CausalModel {
    /// What it keeps of the tokens already seen.
    type Cache: Cache;

    /// Number of logits per position, V.
    fn vocab_size(&self) -> usize;

    /// Most tokens that one pass can see.
    fn context(&self) -> usize;

    /// A cache of `rows` empty rows, numbered from 0.
    fn new_cache(&self, rows: usize) -> Self::Cache;

    /// Appends `tokens` (M, n) to M rows of the cache, no two the same; `logits` receives those after the last token of
    /// each, (M, V), which do not depend on the other rows. Panics if a row would exceed the context (callers use
    /// [`super::window_start`]).
    fn next_logits(&self, rows: &[usize], tokens: &[u32], cache: &mut Self::Cache, logits: &mut Vec<f32>);

    /// The logits (V) after a text alone, without a cache of earlier tokens.
    fn logits_after(&self, tokens: &[u32]) -> Vec<f32> {
        let mut logits = Vec::new();
        self.next_logits(&[0], tokens, &mut self.new_cache(1), &mut logits);
        logits
    }
}

/// The state of a [`CausalModel`] between two tokens: in each of its rows a text, of any length up to the context.
pub trait Cache {
    /// Adds an empty row and returns its number; the others stay as they are.
    fn push_row(&mut self) -> usize;

    /// Forgets the tokens of a row after its first `len`.
    fn truncate(&mut self, row: usize, len: usize);

    /// Row `to` becomes a copy of row `from`.
    fn copy_row(&mut self, from: usize, to: usize);
}

/// What generation needs of a tokenizer.
pub trait TextCodec {
    /// Number of ids; a model may have more logits than that (padding), which are then never sampled.
    fn vocab_size(&self) -> usize;

    /// The ids of a text. Special tokens written in the text are plain characters here.
    fn encode(&self, text: &str) -> Result<Vec<u32>>;

    /// The bytes of one token; they need not be whole characters. Empty for an unknown id.
    fn token_bytes(&self, id: u32) -> Cow<'_, [u8]>;

    /// The id of a special token such as `<|end|>`.
    fn special(&self, name: &str) -> Option<u32>;

    /// Whether this id is a special token.
    fn is_special(&self, id: u32) -> bool;
    /// The ids of a prompt: those of its text, with what the tokenizer puts around one.
    fn encode_prompt(&self, text: &str) -> Result<Vec<u32>> {
        self.encode(text)
    }
    /// The token that a text begins with, if the model has learned one.
    fn start(&self) -> Option<u32> {
        None
    }
    /// The tokens that end a generated text.
    fn ends(&self) -> Vec<u32> {
        (0..self.vocab_size() as u32).filter(|&id| self.is_special(id)).collect()
    }
}

/// The tokens of a prompt; an empty one becomes the token that a text begins with (or else a line feed), because a model
/// needs one.
pub fn start_tokens(codec: &impl TextCodec, prompt: &str) -> Result<Vec<u32>> {
    let mut tokens = codec.encode_prompt(prompt)?;
    if tokens.is_empty() {
        tokens = codec.start().map_or_else(|| codec.encode_prompt("\n").unwrap_or_default(), |start| vec![start]);
    }
    if tokens.is_empty() {
        return Err(Error::new("the prompt has no token")
            .help("give a longer --prompt: this tokenizer has neither a token that begins a text nor a line feed"));
    }
    Ok(tokens)
}
