//! From a text to what training needs: a tokenizer and the token ids of both splits.

use super::batches::TokenDataset;
use super::corpus::{Corpus, END_OF_TEXT};
use super::split::split;
use crate::tokenizer::{BpeOptions, Tokenizer, TokenizerKind};
use crate::utils::{Error, Result};
use std::ops::Range;

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
    /// Whether documents are separated by a token, so that a model learns where texts begin and end.
    pub separated: bool,
}

/// Which tokenizer a text gets.
pub enum TokenizerSource {
    /// One that is trained on the training split.
    Train {
        /// What its tokens are.
        kind: TokenizerKind,
        /// How many there are; a character tokenizer has as many as there are characters.
        vocab_size: usize,
    },
    /// One that exists already.
    Given(Box<Tokenizer>),
}

/// Splits a text, trains or takes the tokenizer, and encodes both splits.
pub fn prepare(corpus: &Corpus, tokenizer: TokenizerSource) -> Result<Prepared> {
    prepare_with(corpus, None, tokenizer)
}

/// The same with a validation text of its own, if there is one: then all of the first text is learned from.
pub fn prepare_with(corpus: &Corpus, val: Option<&Corpus>, tokenizer: TokenizerSource) -> Result<Prepared> {
    let all = corpus.bytes.len();
    let cut = match val {
        Some(_) => all,
        None => split(&corpus.bytes).map_err(|e| e.at(&corpus.name))?.train.len(),
    };
    let (held_out, part) = val.map_or((corpus, cut..all), |val| (val, 0..val.bytes.len()));
    let tokenizer = match tokenizer {
        TokenizerSource::Given(tokenizer) => *tokenizer,
        TokenizerSource::Train { kind, vocab_size } => train(kind, vocab_size, 0..cut, corpus)?,
    };
    let train = TokenDataset::new(corpus.encode(&tokenizer, 0..cut)?);
    let (train_bytes, val_bytes) = (cut, part.len());
    let val = TokenDataset::new(held_out.encode(&tokenizer, part)?);
    let separated = corpus.separator(&tokenizer).is_some();
    Ok(Prepared { name: corpus.name.clone(), tokenizer, train, val, train_bytes, val_bytes, separated })
}

fn train(kind: TokenizerKind, vocab_size: usize, part: Range<usize>, corpus: &Corpus) -> Result<Tokenizer> {
    match kind {
        // On a text of a megabyte a merge seen once is still a merge: the vocabulary fills up, as it was asked to.
        TokenizerKind::Bpe => {
            let options = BpeOptions { vocab_size, min_frequency: 1, ..BpeOptions::default() };
            Tokenizer::train_bpe(corpus.documents_in(part).map(|document| &corpus.bytes[document]), &options)
        }
        // The alphabet is that of the whole text, as in nanoGPT; nothing else is learned from it.
        TokenizerKind::Char => {
            let separators = if corpus.documents.len() > 1 { &[END_OF_TEXT][..] } else { &[] };
            Tokenizer::chars(corpus.text()?, separators)
        }
        TokenizerKind::WordPiece => Err(Error::usage(
            "a WordPiece tokenizer drops line ends and spaces, so bits per byte of the text would mean nothing",
        )
        .help("train with a bpe or a char tokenizer")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_splits_come_back_from_their_tokens() {
        let corpus = Corpus::from_bytes("a text", "to be or not to be, é\n".repeat(40).into_bytes());
        let source = |kind| TokenizerSource::Train { kind, vocab_size: 280 };
        for kind in [TokenizerKind::Bpe, TokenizerKind::Char] {
            let data = prepare(&corpus, source(kind)).unwrap();
            assert_eq!(data.tokenizer.kind(), kind);
            let text = [&data.train, &data.val].map(|part| data.tokenizer.decode_bytes(part.tokens()));
            assert_eq!((text[0].len(), text[1].len()), (data.train_bytes, data.val_bytes));
            assert_eq!(text.concat(), *corpus.bytes);
            let again = prepare(&corpus, TokenizerSource::Given(Box::new(data.tokenizer.clone()))).unwrap();
            assert_eq!(again.train.tokens(), data.train.tokens());
        }
        // With a validation text of its own, all of the first one is learned from.
        let other = Corpus::from_bytes("another", "to be, é".into());
        let data = prepare_with(&corpus, Some(&other), source(TokenizerKind::Bpe)).unwrap();
        assert_eq!((data.train_bytes, data.val_bytes), (corpus.bytes.len(), other.bytes.len()));
        assert_eq!(data.tokenizer.decode(data.val.tokens()), "to be, é");
        let error = prepare(&corpus, source(TokenizerKind::WordPiece)).err().unwrap();
        assert!(error.exit_code() == 2 && error.help_line().unwrap().contains("bpe"), "{error}");
    }
}
