//! From a text to what training needs: a tokenizer and the token ids of both splits.

use super::batches::TokenDataset;
use super::cache::{Outcome, TokenCache};
use super::corpus::Corpus;
use super::split::split;
use crate::tokenizer::{BpeOptions, Tokenizer};
use crate::utils::Result;
use crate::utils::hash::sha256;

/// A text, split and tokenized.
pub struct Prepared {
    /// Where it came from.
    pub name: String,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// Ids of the first 90 %.
    pub train: TokenDataset,
    /// Ids of the last 10 %.
    pub val: TokenDataset,
    /// Bytes of each split.
    pub train_bytes: usize,
    /// Bytes of the validation split.
    pub val_bytes: usize,
    /// What went wrong with the token cache, which does not matter to the result.
    pub cache_warning: Option<String>,
}

/// Which tokenizer a text gets.
pub enum TokenizerSource {
    /// Byte-level BPE of this size, trained on the training split.
    Bpe(usize),
    /// One token per character. The alphabet is that of the whole text, as in nanoGPT; nothing else is learned from it.
    Characters,
    /// One that exists already.
    Given(Box<Tokenizer>),
}

/// Splits a text, trains or takes the tokenizer, and encodes both splits (from the cache if they are there).
pub fn prepare(corpus: &Corpus, tokenizer: TokenizerSource, cache: &TokenCache) -> Result<Prepared> {
    let parts = split(&corpus.bytes).map_err(|e| e.at(&corpus.name))?;
    let tokenizer = match tokenizer {
        TokenizerSource::Given(tokenizer) => *tokenizer,
        TokenizerSource::Characters => Tokenizer::chars(corpus.text()?, &[])?,
        TokenizerSource::Bpe(vocab_size) => {
            // On a text of a megabyte a merge seen once is still a merge: the vocabulary fills up, as it was asked to.
            Tokenizer::train_bpe([parts.train], &BpeOptions { vocab_size, min_frequency: 1, ..BpeOptions::default() })?
        }
    };
    let key = sha256(tokenizer.fingerprint().as_bytes());
    let mut cache_warning = None;
    let mut encode = |text: &[u8]| -> Result<TokenDataset> {
        let cached = cache.ids(text, &key, tokenizer.vocab_size(), |text| tokenizer.encode_bytes(text))?;
        if let Outcome::NotStored(e) = cached.outcome {
            cache_warning = Some(format!("the tokens could not be kept for the next run: {e}"));
        }
        Ok(TokenDataset::new(cached.ids))
    };
    let (train, val) = (encode(parts.train)?, encode(parts.val)?);
    let (train_bytes, val_bytes) = (parts.train.len(), parts.val.len());
    Ok(Prepared { name: corpus.name.clone(), tokenizer, train, val, train_bytes, val_bytes, cache_warning })
}
