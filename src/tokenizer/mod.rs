//! Text to token ids and back: byte-level BPE, characters, WordPiece.
//!
//! [`Tokenizer`] is the one type that the rest of the library sees. It is trained from text, or read from a Hugging
//! Face `tokenizer.json`, and written to one; ids are equal to those of Hugging Face's library either way.
//! Text typed by a person goes through [`Tokenizer::encode`], which never yields a special token; templates that mean
//! `<|end|>` as a token use [`Tokenizer::encode_with_specials`] or [`Tokenizer::special`].
//!
//! Reading order: `pretokenize` (text → words), `bpe_train` (words → merges), `bpe` (merges → ids), `wordpiece`,
//! `chars`, then the file format: `hf`. A new kind of tokenizer is a file that implements `model::Model`, a name in
//! `kind`, a line in `hf`, and a function here that trains it.

mod added;
mod bpe;
mod bpe_train;
mod byte_alphabet;
mod chars;
mod field;
mod hf;
mod kind;
mod model;
mod normalize;
mod pairs;
mod pretokenize;
mod vocab;
mod wordpiece;

pub use added::SPECIAL_TOKENS;
pub use bpe_train::BpeOptions;
pub use kind::TokenizerKind;
pub use pairs::Merge;
pub use pretokenize::{for_each_pre_token, pre_tokens};
pub use wordpiece::{BERT_SPECIAL_TOKENS, WordPieceOptions};

use crate::utils::fs::{open_regular, read_open, write_atomic};
use crate::utils::hash::{hex, sha256};
use crate::utils::{Error, Result};
use added::{AddedToken, Part};
use bpe::Bpe;
use chars::Chars;
use hf::Definition;
use model::Model;
use normalize::{WordCut, normalize};
use pretokenize::default_threads;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;
use wordpiece::WordPiece;

/// The largest `tokenizer.json` in use have 35 MB; beyond this it is not one.
const MOST_BYTES: u64 = 256 << 20;

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
    definition: Definition,
    /// The bytes of all tokens, one after the other, and where each one ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    roles: TokenRoles,
    fingerprint: OnceLock<String>,
}

/// The tokens that begin and end a text, as the files of a model's folder say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRoles {
    /// Begins a text.
    pub bos: Option<u32>,
    /// End a text.
    pub eos: Vec<u32>,
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({}, {} tokens)", self.kind(), self.vocab_size())
    }
}

impl Tokenizer {
    fn new(definition: Definition) -> Tokenizer {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        let mut added = definition.added.iter().peekable();
        for (id, spelling) in definition.spellings.iter().enumerate() {
            match added.next_if(|t| t.id as usize == id) {
                Some(_) => bytes.extend_from_slice(spelling.as_bytes()),
                None => bytes.extend(definition.model.token_bytes(spelling, false)),
            }
            ends.push(bytes.len());
        }
        Tokenizer { definition, bytes, ends, roles: TokenRoles::default(), fingerprint: OnceLock::new() }
    }

    fn trained(model: impl Model + 'static, spellings: Vec<String>, added: Vec<AddedToken>) -> Tokenizer {
        let (model, normalizers, post_processor) = (Box::new(model), vec![], Value::Null);
        let around = [vec![], vec![]];
        Tokenizer::new(Definition { model, spellings, added, normalizers, post_processor, around })
    }

    /// Learns byte pair merges from texts.
    pub fn train_bpe<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>, options: &BpeOptions) -> Result<Tokenizer> {
        let mut counts = bpe_train::WordCounts::default();
        for text in texts {
            bpe_train::count_words(text.as_ref(), options.threads.max(1), &mut counts);
        }
        let trained = bpe_train::train(&counts, options)?;
        let mut spellings = options.special_tokens.clone();
        spellings.extend(trained.tokens[spellings.len()..].iter().map(|bytes| byte_alphabet::spell(bytes)));
        let added = AddedToken::specials(&options.special_tokens, 0);
        Ok(Tokenizer::trained(Bpe::new(trained.byte_ids, trained.merges), spellings, added))
    }

    /// One token per character: the sorted characters of `text`, then (if asked for) the special tokens.
    ///
    /// On the canonical Tiny Shakespeare and without special tokens this is nanoGPT's vocabulary of 65.
    pub fn chars(text: &str, special_tokens: &[&str]) -> Result<Tokenizer> {
        let alphabet: std::collections::BTreeSet<char> = text.chars().collect();
        if alphabet.is_empty() {
            return Err(Error::new("a character tokenizer needs some text to learn its characters from"));
        }
        if let Some(bad) = special_tokens.iter().find(|s| s.chars().count() < 2) {
            return Err(Error::usage(format!("special token {bad:?}: must have at least two characters")));
        }
        let added = AddedToken::specials(special_tokens, alphabet.len());
        let mut spellings: Vec<String> = alphabet.iter().map(|c| c.to_string()).collect();
        spellings.extend(special_tokens.iter().map(|s| s.to_string()));
        let ids: HashMap<char, u32> = alphabet.into_iter().zip(0..).collect();
        Ok(Tokenizer::trained(Chars::new(ids, None), spellings, added))
    }

    /// Learns WordPiece from texts; BERT's special tokens are ids 0 to 4.
    pub fn train_wordpiece<T: AsRef<str>>(
        texts: impl IntoIterator<Item = T>,
        options: &WordPieceOptions,
    ) -> Result<Tokenizer> {
        let normalizers = options.normalizers();
        let mut list = wordpiece::WordList::default();
        for text in texts {
            list.add(&normalize(&normalizers, text.as_ref()), WordCut::Bert);
        }
        let pieces = wordpiece::train(&list.words, options)?;
        let added = AddedToken::specials(&BERT_SPECIAL_TOKENS, 0);
        let ids = pieces.iter().map(|p| p.as_str().into()).zip(0..).skip(added.len()).collect();
        let mut tokenizer = Tokenizer::trained(WordPiece::new(ids, 1, "[UNK]".into()), pieces, added);
        tokenizer.definition.normalizers = normalizers;
        Ok(tokenizer)
    }

    /// Reads a `tokenizer.json`.
    pub fn load(path: impl AsRef<Path>) -> Result<Tokenizer> {
        let path = path.as_ref();
        Tokenizer::from_json_bytes(&read_open(&open_regular(path)?, path, MOST_BYTES)?)
            .map_err(|e| e.at(path.display()))
    }

    /// Reads the bytes of a `tokenizer.json`.
    pub fn from_json_bytes(bytes: &[u8]) -> Result<Tokenizer> {
        Definition::read(bytes).map(Tokenizer::new)
    }

    /// The tokenizer as the JSON of Hugging Face's `tokenizers` library.
    pub fn to_json(&self) -> Value {
        self.definition.to_json()
    }

    /// Writes `tokenizer.json`, whole or not at all; makes its folder if need be.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_atomic(path.as_ref(), format!("{:#}\n", self.to_json()).as_bytes())
    }

    /// `tokenizer.json` and `tokenizer_config.json`, as (name, content): in the folder of a model,
    /// `AutoTokenizer.from_pretrained` finds them. `context` is the longest sequence of the model, in tokens.
    pub fn pretrained_files(&self, context: usize) -> [(&'static str, Value); 2] {
        let mut config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": context,
            "clean_up_tokenization_spaces": false,
        });
        let roles = [
            ("bos_token", "<|endoftext|>"),
            ("eos_token", "<|endoftext|>"),
            ("unk_token", "[UNK]"),
            ("pad_token", "[PAD]"),
            ("cls_token", "[CLS]"),
            ("sep_token", "[SEP]"),
            ("mask_token", "[MASK]"),
        ];
        for (role, token) in roles.into_iter().filter(|(_, token)| self.special(token).is_some()) {
            config[role] = json!(token);
        }
        [("tokenizer.json", self.to_json()), ("tokenizer_config.json", config)]
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

    /// The ids of a prompt: those of its text, and what `tokenizer.json` puts around one, `<s>` before it for example.
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<u32>> {
        let [before, after] = &self.definition.around;
        Ok([&before[..], &self.encode(text)?, after].concat())
    }

    /// What [`Tokenizer::encode_prompt`] puts before a text.
    pub fn prefix(&self) -> &[u32] {
        &self.definition.around[0]
    }

    /// The tokens that begin and end a text; none, unless they were set.
    pub fn roles(&self) -> &TokenRoles {
        &self.roles
    }

    /// Sets the tokens that begin and end a text.
    pub fn set_roles(&mut self, roles: TokenRoles) {
        self.roles = roles;
    }

    /// The ids of any bytes. Characters and WordPiece need valid UTF-8; BPE takes everything.
    pub fn encode_bytes(&self, bytes: &[u8]) -> Result<Vec<u32>> {
        let error = match std::str::from_utf8(bytes) {
            Ok(text) => return self.encode(text),
            Err(error) => error,
        };
        let Definition { model, normalizers, .. } = &self.definition;
        let ids = normalizers.is_empty().then(|| model.encode_bytes(bytes, default_threads())).flatten();
        ids.unwrap_or_else(|| {
            let (offset, kind) = (error.valid_up_to(), self.kind());
            Err(Error::new(format!("byte offset {offset}: not UTF-8, which this {kind} tokenizer needs"))
                .help("convert the text to UTF-8, or use a byte-level BPE tokenizer"))
        })
    }

    fn encode_parts(&self, text: &str, specials: bool, threads: usize) -> Result<Vec<u32>> {
        let Definition { model, added, normalizers, .. } = &self.definition;
        let mut out = Vec::new();
        // As in Hugging Face's library: first tokens that are matched in the text as typed, then the others.
        for part in added::split(added, |t| !t.normalized && (specials || !t.special), text) {
            let text = match part {
                Part::Text(text) => normalize(normalizers, text),
                Part::Token(id) => {
                    out.push(id);
                    continue;
                }
            };
            for part in added::split(added, |t| t.normalized && (specials || !t.special), &text) {
                match part {
                    Part::Text(text) => model.encode(text, threads, &mut out)?,
                    Part::Token(id) => out.push(id),
                }
            }
        }
        Ok(out)
    }

    /// The text of `ids`; bytes that are not UTF-8 become U+FFFD. Special tokens appear by name.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes = self.decode_bytes(ids);
        String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
    }

    /// The bytes of `ids`: for BPE and characters exactly what was encoded.
    pub fn decode_bytes(&self, ids: &[u32]) -> Vec<u8> {
        let mut out = Vec::with_capacity(ids.len() * 4);
        let mut rest = ids;
        if self.definition.model.is_spaced()
            && let Some((&first, others)) = ids.split_first()
            && let Some(spelling) = self.spelling(first)
        {
            out = self.definition.model.token_bytes(spelling, true);
            rest = others;
        }
        for &id in rest {
            if self.definition.model.is_spaced() && self.added_token(id).is_some() {
                out.push(b' ');
            }
            out.extend_from_slice(self.token_bytes(id));
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
        self.definition.spellings.get(id as usize).map(String::as_str)
    }

    /// The id of a special token.
    pub fn special(&self, name: &str) -> Option<u32> {
        self.specials().find(|(special, _)| *special == name).map(|(_, id)| id)
    }

    /// The special tokens and their ids, by id.
    pub fn specials(&self) -> impl Iterator<Item = (&str, u32)> {
        self.definition.added.iter().filter(|t| t.special).map(|t| (t.content.as_str(), t.id))
    }

    /// Whether `id` is a special token.
    pub fn is_special(&self, id: u32) -> bool {
        self.added_token(id).is_some_and(|t| t.special)
    }

    fn added_token(&self, id: u32) -> Option<&AddedToken> {
        let added = &self.definition.added;
        added.binary_search_by_key(&id, |t| t.id).ok().map(|at| &added[at])
    }

    /// The number of tokens: ids are 0 to this, exclusive.
    pub fn vocab_size(&self) -> usize {
        self.ends.len()
    }

    /// What the tokens are.
    pub fn kind(&self) -> TokenizerKind {
        self.definition.model.kind()
    }

    /// The merges of a BPE tokenizer in order of rank; empty for the other kinds.
    pub fn merges(&self) -> &[Merge] {
        self.definition.model.merges()
    }

    /// SHA-256 of the tokenizer's file, in hexadecimal: equal exactly if two tokenizers are.
    pub fn fingerprint(&self) -> &str {
        self.fingerprint.get_or_init(|| hex(&sha256(self.to_json().to_string().as_bytes())))
    }
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

    /// The definition of byte pair encoding, word for word and slow: the judge of the fast ways.
    fn encode_naive(tokenizer: &Tokenizer, text: &[u8]) -> Vec<u32> {
        let mut out = Vec::new();
        let byte_ids: Vec<u32> = (0..=255).map(|b| tokenizer.encode_bytes(&[b]).unwrap()[0]).collect();
        let merges = tokenizer.merges();
        for word in pre_tokens(text) {
            let mut ids: Vec<u32> = word.iter().map(|b| byte_ids[*b as usize]).collect();
            loop {
                let best = (1..ids.len())
                    .filter_map(|i| {
                        let rank = merges.iter().rposition(|m| (m.left, m.right) == (ids[i - 1], ids[i]))?;
                        Some((rank, i - 1))
                    })
                    .min();
                let Some((rank, i)) = best else { break };
                ids[i] = merges[rank].id;
                ids.remove(i + 1);
            }
            out.extend(ids);
        }
        out
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
        let text: Vec<u32> = meant.into_iter().filter(|id| !tokenizer.is_special(*id)).collect();
        assert_eq!(tokenizer.decode(&text), "the cat");
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
            prop_assert_eq!(&ids, &encode_naive(&tokenizer, text.as_bytes()));
            // From a warm cache too.
            prop_assert_eq!(&ids, &tokenizer.encode(&text).unwrap());
        }
    }
}
