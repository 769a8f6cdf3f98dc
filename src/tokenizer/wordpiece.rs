//! WordPiece, BERT's sub-words: learned by a score instead of a count, applied as the longest match from the left.
//!
//! Pieces inside a word carry the prefix `##`. Training merges the pair with the highest
//! f(ab) / (f(a) · f(b)): pairs whose halves are rarely seen apart (Schuster & Nakajima 2012, as told in chapter 6 of
//! the Hugging Face course). Ties go to the pair that occurs first in the text, words in order of first appearance.
//! (Hugging Face's own `WordPieceTrainer` is BPE training that writes `##`; its vocabularies load here all the same.)

use super::field::Field;
use super::kind::TokenizerKind;
use super::model::{Model, ModelJson};
use super::normalize::{Normalizer, WordCut};
use super::pairs::{Merge, Pairs, Words, pack, unpack};
use super::vocab::Vocab;
use crate::utils::{Error, Result};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// BERT's special tokens, ids 0 to 4 of a trained vocabulary.
pub const BERT_SPECIAL_TOKENS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// What `Tokenizer::train_wordpiece` learns.
#[derive(Clone, Debug)]
pub struct WordPieceOptions {
    /// Size of the whole vocabulary: special tokens, characters, merges.
    pub vocab_size: usize,
    /// A pair seen less often than this is never merged.
    pub min_frequency: u64,
    /// Lower-case and strip accents first ("uncased").
    pub lowercase: bool,
    /// Clean the text as BERT does; without it (and without `lowercase`) the text is taken as it is.
    pub clean: bool,
}

impl Default for WordPieceOptions {
    fn default() -> WordPieceOptions {
        WordPieceOptions { vocab_size: 5000, min_frequency: 2, lowercase: false, clean: true }
    }
}

impl WordPieceOptions {
    pub(super) fn normalizers(&self) -> Vec<Normalizer> {
        if !self.clean && !self.lowercase {
            return vec![];
        }
        vec![Normalizer::Bert {
            clean_text: true,
            handle_chinese_chars: true,
            strip_accents: None,
            lowercase: self.lowercase,
        }]
    }
}

/// The model: pieces by their spelling, and how a word too long or without a match is named.
#[derive(Clone)]
pub(super) struct WordPiece {
    /// Every piece that text may become: special tokens are not among them.
    pub ids: HashMap<Box<str>, u32>,
    pub unk: u32,
    pub unk_token: String,
    pub prefix: String,
    pub max_chars: u64,
    pub cut: WordCut,
    /// Decoding closes up " ." and the like.
    pub cleanup: bool,
    /// No piece is longer (bytes): bounds the search.
    longest: usize,
}

impl WordPiece {
    pub fn new(ids: HashMap<Box<str>, u32>, unk: u32, unk_token: String) -> WordPiece {
        let longest = ids.keys().map(|piece| piece.len()).max().unwrap_or(0);
        WordPiece {
            ids,
            unk,
            unk_token,
            prefix: "##".into(),
            max_chars: 100,
            cut: WordCut::Bert,
            cleanup: true,
            longest,
        }
    }

    /// Reads a `WordPiece` model, the cut before it and the decoder after it.
    pub fn read(model: &Field, pre: &Field, decoder: Option<Field>, vocab: &Vocab) -> Result<WordPiece> {
        let unk_token = model.need("unk_token")?;
        let unk = vocab.id(unk_token.string()?).ok_or_else(|| unk_token.wrong("a token of model.vocab"))?;
        let pieces = vocab.model_tokens().filter(|(_, id)| !vocab.is_special(*id));
        let ids = pieces.map(|(piece, id)| (piece.into(), id)).collect();
        let mut wordpiece = WordPiece::new(ids, unk, unk_token.string()?.into());
        if let Some(prefix) = model.get("continuing_subword_prefix") {
            wordpiece.prefix = prefix.string()?.into();
        }
        if let Some(most) = model.get("max_input_chars_per_word") {
            wordpiece.max_chars = most.value.as_u64().ok_or_else(|| most.wrong("a count"))?;
        }
        wordpiece.cut = WordCut::read(pre)?;
        if let Some(cleanup) = decoder.and_then(|d| d.get("cleanup")) {
            wordpiece.cleanup = cleanup.bool()?;
        }
        Ok(wordpiece)
    }

    /// Greedy: the longest piece that starts the rest of the word; if any rest has none, the whole word is unknown.
    fn encode_word(&self, word: &str, spelling: &mut String, out: &mut Vec<u32>) {
        let from = out.len();
        let mut start = if word.chars().count() as u64 > self.max_chars { NO_MATCH } else { 0 };
        while start < word.len() {
            let prefix = if start == 0 { "" } else { self.prefix.as_str() };
            spelling.clear();
            spelling.push_str(prefix);
            let room = self.longest.saturating_sub(prefix.len()).min(word.len() - start);
            spelling.push_str(&word[start..word.floor_char_boundary(start + room)]);
            let mut next = NO_MATCH;
            while spelling.len() > prefix.len() {
                if let Some(&id) = self.ids.get(spelling.as_str()) {
                    out.push(id);
                    next = start + spelling.len() - prefix.len();
                    break;
                }
                spelling.pop();
            }
            start = next;
        }
        if start == NO_MATCH {
            out.truncate(from);
            out.push(self.unk);
        }
    }
}

impl Model for WordPiece {
    fn kind(&self) -> TokenizerKind {
        TokenizerKind::WordPiece
    }

    fn encode(&self, text: &str, _threads: usize, out: &mut Vec<u32>) -> Result<()> {
        let mut cache: FxHashMap<&str, (usize, usize)> = FxHashMap::default();
        let mut spelling = String::new();
        self.cut.for_each_word(text, |word| match cache.get(word) {
            Some(&(from, to)) => out.extend_from_within(from..to),
            None => {
                let from = out.len();
                self.encode_word(word, &mut spelling, out);
                cache.insert(word, (from, out.len()));
            }
        });
        Ok(())
    }

    /// A space stands before a piece unless it goes on inside a word, or is the first.
    fn token_bytes(&self, piece: &str, first: bool) -> Vec<u8> {
        let text = match piece.strip_prefix(self.prefix.as_str()) {
            _ if first => piece.to_string(),
            Some(rest) => rest.to_string(),
            None => format!(" {piece}"),
        };
        if self.cleanup { cleanup(&text).into_bytes() } else { text.into_bytes() }
    }

    fn is_spaced(&self) -> bool {
        true
    }

    fn to_json(&self, vocab: Map<String, Value>, _spellings: &[String]) -> ModelJson {
        ModelJson {
            pre_tokenizer: json!({"type": self.cut.name()}),
            decoder: json!({"type": "WordPiece", "prefix": self.prefix, "cleanup": self.cleanup}),
            model: json!({
                "type": "WordPiece",
                "unk_token": self.unk_token,
                "continuing_subword_prefix": self.prefix,
                "max_input_chars_per_word": self.max_chars,
                "vocab": vocab,
            }),
        }
    }

    fn copy(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }
}

const NO_MATCH: usize = usize::MAX;

/// The clean-up of Hugging Face's WordPiece decoder, on one piece.
fn cleanup(text: &str) -> String {
    const CLOSE: [(&str, &str); 11] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" do not", " don't"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    CLOSE.iter().fold(text.to_string(), |text, (from, to)| text.replace(from, to))
}

/// Counts words of normalised text, in the order of their first appearance.
#[derive(Default)]
pub(super) struct WordList {
    places: HashMap<String, usize>,
    pub words: Vec<(String, u64)>,
}

impl WordList {
    pub fn add(&mut self, text: &str, cut: WordCut) {
        cut.for_each_word(text, |word| match self.places.get(word) {
            Some(&at) => self.words[at].1 += 1,
            None => {
                self.places.insert(word.to_string(), self.words.len());
                self.words.push((word.to_string(), 1));
            }
        });
    }
}

/// Learns a vocabulary: special tokens, the pieces of one character (sorted), then one piece per merge.
pub(super) fn train(words: &[(String, u64)], options: &WordPieceOptions) -> Result<Vec<String>> {
    let single = |i: usize, c: char| if i == 0 { c.to_string() } else { format!("##{c}") };
    let mut alphabet: Vec<String> =
        words.iter().flat_map(|(w, _)| w.chars().enumerate().map(|(i, c)| single(i, c))).collect();
    alphabet.sort_unstable();
    alphabet.dedup();
    let least = BERT_SPECIAL_TOKENS.len() + alphabet.len();
    if options.vocab_size < least {
        return Err(Error::usage(format!(
            "vocabulary size {}: too small for {} special tokens and {} pieces of one character",
            options.vocab_size,
            BERT_SPECIAL_TOKENS.len(),
            alphabet.len()
        ))
        .help(format!("choose at least {least}, or use byte-level BPE for text of many scripts")));
    }
    let mut pieces: Vec<String> = BERT_SPECIAL_TOKENS.iter().map(|s| s.to_string()).chain(alphabet).collect();
    let mut ids: HashMap<String, u32> = pieces.iter().cloned().zip(0..).collect();
    let spelled = words.iter().map(|(w, n)| (w.chars().enumerate().map(|(i, c)| ids[&single(i, c)]), *n));
    let (mut corpus, mut pairs) = Words::new(spelled)?;
    let mut counts = vec![0; pieces.len()];
    for place in 0..words.len() as u32 {
        let (symbols, count) = corpus.word(place);
        symbols.iter().for_each(|&s| counts[s as usize] += count);
    }
    while pieces.len() < options.vocab_size {
        let Some(pair) = best_pair(&pairs, &counts, &corpus, options.min_frequency) else { break };
        let (left, right) = unpack(pair);
        let piece = format!("{}{}", pieces[left as usize], &pieces[right as usize][2..]);
        let id = *ids.entry(piece.clone()).or_insert(pieces.len() as u32);
        if id as usize == pieces.len() {
            pieces.push(piece);
            counts.push(0);
        }
        for place in pairs.places.remove(&pair).unwrap_or_default() {
            let merged = corpus.merge(place, Merge { left, right, id }, &mut pairs) as i64 * corpus.word(place).1;
            counts[left as usize] -= merged;
            counts[right as usize] -= merged;
            counts[id as usize] += merged;
        }
        pairs.counts.remove(&pair);
        pairs.counts.retain(|_, count| *count > 0);
    }
    Ok(pieces)
}

/// The pair with the highest score, compared exactly as fractions; among equals the first in the text.
fn best_pair(pairs: &Pairs, counts: &[i64], corpus: &Words, min_frequency: u64) -> Option<u64> {
    let mut best: Vec<u64> = Vec::new();
    let mut top = (0u128, 1u128);
    for (&pair, &count) in pairs.counts.iter().filter(|(_, count)| **count as u64 >= min_frequency) {
        let (left, right) = unpack(pair);
        let score = (count as u128, counts[left as usize] as u128 * counts[right as usize] as u128);
        // Products of three counts: they fit as long as a corpus has fewer than 2^42 words.
        let order = (score.0 * top.1).cmp(&(top.0 * score.1));
        if order.is_gt() {
            top = score;
            best.clear();
        }
        if order.is_ge() {
            best.push(pair);
        }
    }
    let first_place = |pair: &u64| {
        let places = pairs.places[pair].iter().filter_map(|&place| {
            let at = corpus.word(place).0.windows(2).position(|p| pack(p[0], p[1]) == *pair)?;
            Some((place, at))
        });
        places.min()
    };
    if best.len() < 2 { best.pop() } else { best.into_iter().min_by_key(first_place) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(words: &[(&str, u64)], merges: usize) -> Vec<String> {
        let words: Vec<(String, u64)> = words.iter().map(|(w, n)| (w.to_string(), *n)).collect();
        let options = WordPieceOptions { min_frequency: 1, vocab_size: 1 << 20, ..Default::default() };
        let all = train(&words, &options).unwrap();
        let alphabet = all[5..].iter().take_while(|p| p.trim_start_matches("##").chars().count() == 1).count();
        all[5 + alphabet..].iter().take(merges).cloned().collect()
    }

    #[test]
    fn hug_pug_pun() {
        // Hugging Face course, chapter 6. Its first two merges; for the third it says that ("hu", "##g") shares the
        // score 1/15 with ("hu", "##gs"), but f("##g") is 15 by then: 10 / (15 · 15) against 5 / (15 · 5).
        let words = [("hug", 10), ("pug", 5), ("pun", 12), ("bun", 4), ("hugs", 5)];
        assert_eq!(learn(&words, 3), ["##gs", "hu", "hugs"]);
    }

    #[test]
    fn course_corpus() {
        // The four sentences of the same chapter, to 70 pieces.
        let text = "This is the Hugging Face Course. This chapter is about tokenization. \
                    This section shows several tokenizer algorithms. \
                    Hopefully, you will be able to understand how they are trained and generate tokens.";
        let mut list = WordList::default();
        list.add(text, WordCut::Bert);
        let options = WordPieceOptions { vocab_size: 70, min_frequency: 1, ..Default::default() };
        let pieces = train(&list.words, &options).unwrap();
        let learned = pieces[45..].join(" ");
        assert_eq!(
            learned,
            "ab ##fu Fa Fac ##ct ##ful ##full ##fully Th ch ##hm cha chap chapt ##thm Hu Hug Hugg sh th is ##thms ##za \
             ##zat ##ut"
        );
        let ids: HashMap<Box<str>, u32> = pieces.iter().map(|p| p.as_str().into()).zip(0..).skip(5).collect();
        let model = WordPiece::new(ids, 1, "[UNK]".into());
        let mut out = Vec::new();
        model.encode("Hugging HOgging [MASK]", 1, &mut out).unwrap();
        let spelled: Vec<&str> = out.iter().map(|id| pieces[*id as usize].as_str()).collect();
        assert_eq!(spelled, ["Hugg", "##i", "##n", "##g", "[UNK]", "[UNK]", "[UNK]", "[UNK]"]);
    }
}
