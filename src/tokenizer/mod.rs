//! Text to token ids and back: byte-level BPE, characters, WordPiece.
//!
//! [`Tokenizer`] is the one type that the rest of the library sees. It is trained from text, or read from a Hugging
//! Face `tokenizer.json`, and written to one; ids are equal to those of Hugging Face's library either way.
//! Text typed by a person goes through [`Tokenizer::encode`], which never yields a special token; templates that mean
//! `<|end|>` as a token use [`Tokenizer::encode_with_specials`] or [`Tokenizer::special`].
//!
//! Reading order: `pretokenize` (text → words), `bpe_train` (words → merges), `bpe` (merges → ids), `wordpiece`,
//! `chars`, then the file format: `hf_read`, `hf_write`.

mod added;
mod bpe;
mod bpe_train;
mod byte_alphabet;
mod chars;
mod hf_read;
mod hf_write;
mod normalize;
mod pretokenize;
mod wordpiece;

pub use bpe::Merge;
pub use bpe_train::BpeOptions;
pub use pretokenize::{for_each_pre_token, pre_tokens};
pub use wordpiece::{BERT_SPECIAL_TOKENS, WordPieceOptions};

use crate::utils::{Error, Result};
use added::AddedToken;
use bpe::Bpe;
use chars::Chars;
use normalize::Normalizer;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;
use wordpiece::WordPiece;

/// The special tokens of this library, ids 0 to 4 of a trained BPE vocabulary.
pub const SPECIAL_TOKENS: [&str; 5] = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"];

/// As many threads as the machine offers, within reason.
pub(crate) fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(16))
}

/// What a tokenizer's tokens are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenizerKind {
    /// Byte-level byte pair encoding.
    Bpe,
    /// One token per character.
    Char,
    /// BERT's sub-words.
    WordPiece,
}

impl std::fmt::Display for TokenizerKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            TokenizerKind::Bpe => "bpe",
            TokenizerKind::Char => "char",
            TokenizerKind::WordPiece => "wordpiece",
        })
    }
}

// One model per tokenizer, never in a list: its size does not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Clone)]
enum Model {
    Bpe(Bpe),
    Chars(Chars),
    WordPiece(WordPiece),
}

/// Text to ids and back.
///
/// ```
/// use motamot::tokenizer::{BpeOptions, Tokenizer};
/// let text = "To be, or not to be, that is the question. ".repeat(20);
/// let tokenizer = Tokenizer::train_bpe([&text], &BpeOptions { vocab_size: 300, ..Default::default() }).unwrap();
/// let ids = tokenizer.encode("to be or not to be").unwrap();
/// assert_eq!(tokenizer.decode(&ids), "to be or not to be");
/// assert!(ids.len() < 18);
/// ```
#[derive(Clone)]
pub struct Tokenizer {
    model: Model,
    /// The spelling of each token in `tokenizer.json`.
    spellings: Vec<String>,
    /// The bytes of all tokens, one after the other, and where each one ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Special tokens and other tokens beside the model, by id.
    added: Vec<AddedToken>,
    normalizers: Vec<Normalizer>,
    add_prefix_space: bool,
    /// Kept as it was in the file: adding [CLS] and the like is the template's business.
    post_processor: serde_json::Value,
    fingerprint: OnceLock<String>,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({}, {} tokens)", self.kind(), self.vocab_size())
    }
}

impl Tokenizer {
    fn new(model: Model, spellings: Vec<String>, added: Vec<AddedToken>) -> Tokenizer {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        let mut of_added = added.iter().peekable();
        for (id, spelling) in spellings.iter().enumerate() {
            let is_added = of_added.next_if(|t| t.id as usize == id).is_some();
            match &model {
                Model::Bpe(_) if !is_added => {
                    let text = byte_alphabet::unspell(spelling);
                    bytes.extend(text.unwrap_or_else(|| spelling.clone().into_bytes()));
                }
                Model::WordPiece(model) if !is_added => {
                    bytes.extend(model.piece_text(spelling, false).into_bytes());
                }
                _ => bytes.extend(spelling.as_bytes()),
            }
            ends.push(bytes.len());
        }
        Tokenizer {
            model,
            spellings,
            bytes,
            ends,
            added,
            normalizers: vec![],
            add_prefix_space: false,
            post_processor: serde_json::Value::Null,
            fingerprint: OnceLock::new(),
        }
    }

    /// Learns byte pair merges from texts.
    pub fn train_bpe<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>, options: &BpeOptions) -> Result<Tokenizer> {
        let mut counts = bpe_train::WordCounts::default();
        for text in texts {
            bpe_train::count_words(text.as_ref(), options.threads.max(1), &mut counts);
        }
        let trained = bpe_train::train(&counts, options)?;
        let specials = options.special_tokens.len();
        let mut byte_ids = [0; 256];
        for (id, token) in trained.tokens.iter().enumerate().skip(specials).take(256) {
            byte_ids[token[0] as usize] = id as u32;
        }
        let mut spellings = options.special_tokens.clone();
        spellings.extend(trained.tokens[specials..].iter().map(|bytes| byte_alphabet::spell(bytes)));
        let added = options.special_tokens.iter().zip(0..).map(|(s, id)| AddedToken::special(id, s)).collect();
        Ok(Tokenizer::new(Model::Bpe(Bpe::new(byte_ids, trained.merges)), spellings, added))
    }

    /// One token per character: the sorted characters of `text`, then (if asked for) the special tokens.
    ///
    /// On the canonical Tiny Shakespeare and without special tokens this is nanoGPT's vocabulary of 65.
    pub fn chars(text: &str, special_tokens: &[&str]) -> Result<Tokenizer> {
        let alphabet: std::collections::BTreeSet<char> = text.chars().collect();
        if alphabet.is_empty() {
            return Err(Error::new("a character tokenizer needs some text to learn its characters from"));
        }
        let mut spellings: Vec<String> = alphabet.iter().map(|c| c.to_string()).collect();
        let added: Vec<AddedToken> =
            special_tokens.iter().zip(spellings.len() as u32..).map(|(s, id)| AddedToken::special(id, s)).collect();
        spellings.extend(special_tokens.iter().map(|s| s.to_string()));
        if let Some(bad) = special_tokens.iter().find(|s| s.chars().count() < 2) {
            return Err(Error::usage(format!("special token {bad:?}: must have at least two characters")));
        }
        let ids: HashMap<char, u32> = alphabet.into_iter().zip(0..).collect();
        Ok(Tokenizer::new(Model::Chars(Chars::new(ids, None)), spellings, added))
    }

    /// Learns WordPiece from texts; BERT's special tokens are ids 0 to 4.
    pub fn train_wordpiece<T: AsRef<str>>(
        texts: impl IntoIterator<Item = T>,
        options: &WordPieceOptions,
    ) -> Result<Tokenizer> {
        let normalizers = options.normalizers();
        let cut = normalize::WordCut::Bert;
        let mut list = wordpiece::WordList::default();
        for text in texts {
            list.add(&normalize(&normalizers, text.as_ref()), cut);
        }
        let pieces = wordpiece::train(&list.words, options)?;
        let specials = BERT_SPECIAL_TOKENS.len();
        let ids = pieces.iter().map(|p| p.as_str().into()).zip(0..).skip(specials).collect();
        let added = BERT_SPECIAL_TOKENS.iter().zip(0..).map(|(s, id)| AddedToken::special(id, s)).collect();
        let model = Model::WordPiece(WordPiece::new(ids, 1, "[UNK]".into()));
        Ok(Tokenizer { normalizers, ..Tokenizer::new(model, pieces, added) })
    }

    /// The ids of ordinary text: whatever it contains, no special token comes out (`<|end|>` typed by a person stays
    /// text). Fails on a character or byte that the vocabulary lacks; a trained BPE vocabulary lacks none.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_threaded(text, default_threads())
    }

    /// [`encode`](Self::encode) on at most `threads` threads; the ids are the same for any number.
    pub fn encode_threaded(&self, text: &str, threads: usize) -> Result<Vec<u32>> {
        self.encode_parts(text, false, threads)
    }

    /// The ids of a template: where it contains the name of a special token, that token comes out.
    /// Never for text that a person typed.
    pub fn encode_with_specials(&self, text: &str) -> Result<Vec<u32>> {
        self.encode_parts(text, true, default_threads())
    }

    /// The ids of any bytes. Characters and WordPiece need valid UTF-8; BPE takes everything.
    pub fn encode_bytes(&self, bytes: &[u8]) -> Result<Vec<u32>> {
        match (std::str::from_utf8(bytes), &self.model) {
            (Ok(text), _) => self.encode(text),
            (Err(_), Model::Bpe(model)) if self.normalizers.is_empty() && !self.add_prefix_space => {
                let mut out = Vec::new();
                model.encode(bytes, default_threads(), &mut out).map_err(unknown_byte)?;
                Ok(out)
            }
            (Err(e), _) => Err(Error::new(format!(
                "byte offset {}: not UTF-8, which this {} tokenizer needs",
                e.valid_up_to(),
                self.kind()
            ))
            .help("convert the text to UTF-8, or use a byte-level BPE tokenizer")),
        }
    }

    fn encode_parts(&self, text: &str, specials: bool, threads: usize) -> Result<Vec<u32>> {
        let mut out = Vec::new();
        // As in Hugging Face's library: first tokens that are matched in the text as typed, then the others.
        added::split(&self.added, |t| !t.normalized && (specials || !t.special), text, &mut |part, id| match id {
            Some(id) => {
                out.push(id);
                Ok(())
            }
            None => {
                let part = normalize(&self.normalizers, part);
                added::split(&self.added, |t| t.normalized && (specials || !t.special), &part, &mut |part, id| match id
                {
                    Some(id) => {
                        out.push(id);
                        Ok(())
                    }
                    None => self.encode_plain(part, threads, &mut out),
                })
            }
        })?;
        Ok(out)
    }

    fn encode_plain(&self, text: &str, threads: usize, out: &mut Vec<u32>) -> Result<()> {
        match &self.model {
            Model::Bpe(model) => {
                let text = match self.add_prefix_space && !text.starts_with(' ') && !text.is_empty() {
                    true => Cow::Owned(format!(" {text}")),
                    false => Cow::Borrowed(text),
                };
                model.encode(text.as_bytes(), threads, out).map_err(unknown_byte)
            }
            Model::Chars(model) => model.encode(text, out).map_err(|unknown| {
                Error::new(format!(
                    "character {:?} at byte {}: not among the {} characters of this tokenizer",
                    unknown.char,
                    unknown.offset,
                    model.ids.len()
                ))
                .help("leave it out, or use a BPE tokenizer, which knows every byte")
            }),
            Model::WordPiece(model) => {
                model.encode(text, out);
                Ok(())
            }
        }
    }

    /// The text of `ids`; bytes that are not UTF-8 become U+FFFD. Special tokens appear by name.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes = self.decode_bytes(ids);
        String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
    }

    /// [`decode`](Self::decode) with special tokens left out.
    pub fn decode_without_specials(&self, ids: &[u32]) -> String {
        let ids: Vec<u32> = ids.iter().copied().filter(|id| !self.is_special(*id)).collect();
        self.decode(&ids)
    }

    /// The bytes of `ids`: for BPE and characters exactly what was encoded.
    pub fn decode_bytes(&self, ids: &[u32]) -> Vec<u8> {
        let mut out = Vec::with_capacity(ids.len() * 4);
        for (i, &id) in ids.iter().enumerate() {
            match &self.model {
                Model::WordPiece(model) if i == 0 => match self.spellings.get(id as usize) {
                    Some(piece) => out.extend(model.piece_text(piece, true).into_bytes()),
                    None => out.extend_from_slice(self.token_bytes(id)),
                },
                Model::WordPiece(_) if self.added_token(id).is_some() => {
                    out.push(b' ');
                    out.extend_from_slice(self.token_bytes(id));
                }
                _ => out.extend_from_slice(self.token_bytes(id)),
            }
        }
        out
    }

    /// The bytes of one token, to be written as they come: they may be part of a character. For WordPiece a token
    /// that starts a word begins with a space. An id beyond the vocabulary is U+FFFD.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        let id = id as usize;
        match self.ends.get(id) {
            Some(&end) => &self.bytes[if id == 0 { 0 } else { self.ends[id - 1] }..end],
            None => "\u{fffd}".as_bytes(),
        }
    }

    /// How `tokenizer.json` spells a token: GPT-2's characters for bytes, `##` before a piece inside a word.
    pub fn spelling(&self, id: u32) -> Option<&str> {
        self.spellings.get(id as usize).map(String::as_str)
    }

    /// The id of a special token.
    pub fn special(&self, name: &str) -> Option<u32> {
        self.added.iter().find(|t| t.special && t.content == name).map(|t| t.id)
    }

    /// The special tokens and their ids, by id.
    pub fn specials(&self) -> impl Iterator<Item = (&str, u32)> {
        self.added.iter().filter(|t| t.special).map(|t| (t.content.as_str(), t.id))
    }

    /// Whether `id` is a special token.
    pub fn is_special(&self, id: u32) -> bool {
        self.added_token(id).is_some_and(|t| t.special)
    }

    fn added_token(&self, id: u32) -> Option<&AddedToken> {
        self.added.binary_search_by_key(&id, |t| t.id).ok().map(|at| &self.added[at])
    }

    /// The number of tokens: ids are 0 to this, exclusive.
    pub fn vocab_size(&self) -> usize {
        self.ends.len()
    }

    /// What the tokens are.
    pub fn kind(&self) -> TokenizerKind {
        match self.model {
            Model::Bpe(_) => TokenizerKind::Bpe,
            Model::Chars(_) => TokenizerKind::Char,
            Model::WordPiece(_) => TokenizerKind::WordPiece,
        }
    }

    /// The merges of a BPE tokenizer in order of rank; empty for the other kinds.
    pub fn merges(&self) -> &[Merge] {
        match &self.model {
            Model::Bpe(model) => &model.merges,
            _ => &[],
        }
    }

    /// SHA-256 of the tokenizer's file, in hexadecimal: equal exactly if two tokenizers are. A key for caches.
    pub fn fingerprint(&self) -> &str {
        self.fingerprint.get_or_init(|| {
            use sha2::Digest;
            let hash = sha2::Sha256::digest(self.to_json().to_string().as_bytes());
            hash.iter().map(|byte| format!("{byte:02x}")).collect()
        })
    }
}

fn normalize<'a>(normalizers: &[Normalizer], text: &'a str) -> Cow<'a, str> {
    normalizers.iter().fold(Cow::Borrowed(text), |text, step| Cow::Owned(step.apply(&text)))
}

fn unknown_byte(unknown: bpe::UnknownByte) -> Error {
    Error::new(format!("byte 0x{:02X} at offset {}: this vocabulary has no token for it", unknown.byte, unknown.offset))
        .help("the tokenizer was trained without the full byte alphabet; train one here, or leave this text out")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn small() -> Tokenizer {
        let text = "the cat sat on the mat; the bat's hat — là-bas, l'été ! 한국어 한국 aaaaaaaaaaaaaaaa 12 1234\n\n"
            .repeat(5);
        Tokenizer::train_bpe([text], &BpeOptions { vocab_size: 340, ..Default::default() }).unwrap()
    }

    #[test]
    fn a_minbpe_example() {
        // Wikipedia's aaabdaaabac with three merges, byte ids 0..255 as in minbpe: [258, 100, 258, 97, 99].
        let options = BpeOptions { vocab_size: 259, min_frequency: 1, special_tokens: vec![], threads: 1 };
        let tokenizer = Tokenizer::train_bpe(["aaabdaaabac"], &options).unwrap();
        let id = |b: u8| byte_alphabet::BYTES_BY_CHAR.iter().position(|x| *x == b).unwrap() as u32;
        assert_eq!(tokenizer.encode("aaabdaaabac").unwrap(), [258, id(b'd'), 258, id(b'a'), id(b'c')]);
    }

    #[test]
    fn typed_special_tokens_stay_text() {
        let tokenizer = small();
        let text = "<|user|>the cat<|end|>";
        let typed = tokenizer.encode(text).unwrap();
        assert!(typed.iter().all(|id| !tokenizer.is_special(*id)));
        assert_eq!(tokenizer.decode(&typed), text);
        let meant = tokenizer.encode_with_specials(text).unwrap();
        assert_eq!((meant[0], meant[meant.len() - 1]), (2, 4));
        assert_eq!(tokenizer.decode(&meant), text);
        assert_eq!(tokenizer.decode_without_specials(&meant), "the cat");
        assert_eq!(tokenizer.special("<|assistant|>"), Some(3));
        assert_eq!(tokenizer.special("the"), None);
    }

    #[test]
    fn characters_are_sorted_and_unknown_ones_are_named() {
        let tokenizer = Tokenizer::chars("hello\nworld é", &[]).unwrap();
        assert_eq!(tokenizer.vocab_size(), 10);
        assert_eq!(tokenizer.encode("\n dé").unwrap(), [0, 1, 2, 9]);
        let error = tokenizer.encode("hélo z").unwrap_err().to_string();
        assert!(error.contains("'z'") && error.contains("byte 6"), "{error}");
        let tokenizer = Tokenizer::chars("ab<|end|>", &SPECIAL_TOKENS).unwrap();
        let ids = tokenizer.encode("<|end|>").unwrap();
        assert!(ids.iter().all(|id| !tokenizer.is_special(*id)));
        assert_eq!(tokenizer.encode_with_specials("a<|end|>").unwrap(), [2, tokenizer.special("<|end|>").unwrap()]);
    }

    #[test]
    fn wordpiece_round_trip() {
        let text = "The quick brown fox, the lazy dog. Quick foxes!";
        let options = WordPieceOptions { vocab_size: 80, min_frequency: 1, lowercase: true, clean: true };
        let tokenizer = Tokenizer::train_wordpiece([text], &options).unwrap();
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(tokenizer.decode(&ids), "the quick brown fox, the lazy dog. quick foxes!");
        assert_eq!(tokenizer.decode(&tokenizer.encode("fox 한 dog").unwrap()), "fox [UNK] dog");
        assert!(tokenizer.encode_bytes(b"fox \xff").unwrap_err().to_string().contains("offset 4"));
    }

    #[test]
    fn ids_beyond_the_vocabulary_do_not_panic() {
        let tokenizer = small();
        assert_eq!(tokenizer.decode(&[u32::MAX, tokenizer.vocab_size() as u32]), "\u{fffd}\u{fffd}");
        assert!(tokenizer.encode("").unwrap().is_empty());
        assert_eq!(tokenizer.decode(&[]), "");
    }

    #[test]
    fn threads_change_nothing() {
        let tokenizer = small();
        let text = "the cat's hat — l'été ! 한국어\u{3000} on the mat\n\n  12 1234 aaaaaaa".repeat(9000);
        let one = tokenizer.encode_threaded(&text, 1).unwrap();
        for threads in [2, 3, 7] {
            assert_eq!(tokenizer.encode_threaded(&text, threads).unwrap(), one);
        }
        let options = |threads| BpeOptions { vocab_size: 300, threads, ..Default::default() };
        let train = |threads| Tokenizer::train_bpe([&text], &options(threads)).unwrap();
        assert_eq!(train(1).fingerprint(), train(4).fingerprint());
    }

    proptest! {
        #[test]
        fn any_bytes_round_trip(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let tokenizer = small();
            let ids = tokenizer.encode_bytes(&bytes).unwrap();
            prop_assert_eq!(tokenizer.decode_bytes(&ids), &bytes[..]);
            let streamed: Vec<u8> = ids.iter().flat_map(|id| tokenizer.token_bytes(*id).to_vec()).collect();
            prop_assert_eq!(streamed, bytes);
        }

        #[test]
        fn any_text_round_trips_and_fast_is_naive(text in "([a-e' ]{0,12}|a{0,90}|\\PC{0,9}|[0-9\\s]{0,5}){0,6}") {
            let tokenizer = small();
            let ids = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(tokenizer.decode(&ids), &text[..]);
            let Model::Bpe(model) = &tokenizer.model else { panic!() };
            prop_assert_eq!(&ids, &model.encode_naive(text.as_bytes()));
            // From a warm cache too.
            prop_assert_eq!(&ids, &tokenizer.encode(&text).unwrap());
        }
    }
}
