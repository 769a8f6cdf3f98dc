//! What generation needs of a model and of a tokenizer; nothing more, so that tests can use toys.

use std::borrow::Cow;

use crate::utils::{Error, Result};

/// What generation needs of a causal language model.
pub trait CausalModel {
    /// Keys and values of the tokens already seen, for a number of sequences decoded side by side.
    type Cache: Cache;

    /// Number of logits per position, V.
    fn vocab_size(&self) -> usize;

    /// Most tokens that one pass can see.
    fn context(&self) -> usize;

    /// An empty cache for `rows` sequences.
    fn new_cache(&self, rows: usize) -> Self::Cache;

    /// Appends `tokens` ((rows, n) row-major, the same n for each row); `logits` receives those after the last one,
    /// (rows, V). Panics if the cache would exceed the context (callers use [`super::window_start`]).
    fn step(&self, tokens: &[u32], cache: &mut Self::Cache, logits: &mut Vec<f32>);

    /// The logits (V) after a text alone, without a cache of earlier tokens.
    fn logits_after(&self, tokens: &[u32]) -> Vec<f32> {
        let mut logits = Vec::new();
        self.step(tokens, &mut self.new_cache(1), &mut logits);
        logits
    }
}

/// The state of a [`CausalModel`] between two steps.
pub trait Cache {
    /// Number of sequences.
    fn rows(&self) -> usize;

    /// Number of tokens that each row has seen.
    fn len(&self) -> usize;

    /// Forgets all tokens after the first `len`; the number of rows stays.
    fn truncate(&mut self, len: usize);

    /// Forgets the tokens; the number of rows stays.
    fn clear(&mut self) {
        self.truncate(0);
    }

    /// Row i becomes a copy of row `from[i]`; the number of rows becomes `from.len()`.
    fn select(&mut self, from: &[usize]);

    /// Whether no token has been seen.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
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
}

/// All special tokens, in order of id: each of them ends a generated text.
pub fn special_tokens(codec: &impl TextCodec) -> Vec<u32> {
    (0..codec.vocab_size() as u32).filter(|&id| codec.is_special(id)).collect()
}

/// The tokens of a prompt; an empty prompt becomes `<|endoftext|>` (or else a line feed), because a model needs one.
pub fn start_tokens(codec: &impl TextCodec, prompt: &str) -> Result<Vec<u32>> {
    let mut tokens = codec.encode(prompt)?;
    if tokens.is_empty() {
        match codec.special("<|endoftext|>") {
            Some(id) => tokens.push(id),
            None => tokens = codec.encode("\n").unwrap_or_default(),
        }
    }
    if tokens.is_empty() {
        return Err(Error::new("the prompt has no token")
            .help("give a longer --prompt: this tokenizer has neither <|endoftext|> nor a line feed to start from"));
    }
    Ok(tokens)
}
