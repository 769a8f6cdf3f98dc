//! WordPiece, BERT's sub-words: learned by a score instead of a count, applied as the longest match from the left.
//!
//! Pieces inside a word carry the prefix `##`. Training merges the pair with the highest
//! f(ab) / (f(a) · f(b)): pairs whose halves are rarely seen apart (Schuster & Nakajima 2012, as told in chapter 6 of
//! the Hugging Face course). Ties go to the pair that occurs first in the text, words in order of first appearance.
//! (Hugging Face's own `WordPieceTrainer` is BPE training that writes `##`; its vocabularies load here all the same.)

use super::bpe_train::FastMap;
use super::normalize::{Normalizer, WordCut};
use crate::utils::{Error, Result};
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
    pub max_chars: usize,
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

    /// Appends the ids of `text`, which has been normalised.
    pub fn encode(&self, text: &str, out: &mut Vec<u32>) {
        let mut cache: FastMap<&str, (usize, usize)> = FastMap::default();
        let mut spelling = String::new();
        let base = out.len();
        self.cut.for_each_word(text, |word| match cache.get(word) {
            Some(&(from, to)) => out.extend_from_within(from..to),
            None => {
                let from = out.len();
                self.encode_word(word, &mut spelling, out);
                cache.insert(word, (from, out.len()));
            }
        });
        debug_assert!(out.len() >= base);
    }

    /// Greedy: the longest piece that starts the rest of the word; if any rest has none, the whole word is unknown.
    fn encode_word(&self, word: &str, spelling: &mut String, out: &mut Vec<u32>) {
        let from = out.len();
        let mut start = if word.chars().count() > self.max_chars { NO_MATCH } else { 0 };
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

    /// The text of a piece as it stands in a sentence: a space before it unless it goes on or is the first.
    pub fn piece_text(&self, piece: &str, first: bool) -> String {
        let text = match piece.strip_prefix(self.prefix.as_str()) {
            _ if first => piece.to_string(),
            Some(rest) => rest.to_string(),
            None => format!(" {piece}"),
        };
        if self.cleanup { cleanup(&text) } else { text }
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

/// A pair of pieces while training.
#[derive(Default)]
struct Pair {
    count: u64,
    /// Words that may contain it.
    words: Vec<usize>,
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
    let mut ids: HashMap<String, usize> = pieces.iter().cloned().zip(0..).collect();
    let mut counts = vec![0u64; pieces.len()];
    let mut pairs: FastMap<(usize, usize), Pair> = FastMap::default();
    let mut corpus: Vec<Vec<usize>> =
        words.iter().map(|(w, _)| w.chars().enumerate().map(|(i, c)| ids[&single(i, c)]).collect()).collect();
    for (w, symbols) in corpus.iter().enumerate() {
        symbols.iter().for_each(|&s| counts[s] += words[w].1);
        for pair in symbols.windows(2) {
            let pair = pairs.entry((pair[0], pair[1])).or_default();
            pair.count += words[w].1;
            pair.words.push(w);
        }
    }
    while pieces.len() < options.vocab_size {
        let Some((left, right)) = best_pair(&pairs, &counts, &corpus, options.min_frequency) else { break };
        let piece = format!("{}{}", pieces[left], &pieces[right][2..]);
        let id = *ids.entry(piece.clone()).or_insert(pieces.len());
        if id == pieces.len() {
            pieces.push(piece);
            counts.push(0);
        }
        let mut touched = pairs.remove(&(left, right)).unwrap_or_default().words;
        touched.dedup();
        for w in touched {
            let weight = words[w].1;
            let symbols = &mut corpus[w];
            if !symbols.windows(2).any(|p| (p[0], p[1]) == (left, right)) {
                continue;
            }
            for pair in symbols.windows(2) {
                if let Some(pair) = pairs.get_mut(&(pair[0], pair[1])) {
                    pair.count -= weight;
                }
            }
            let mut i = 0;
            while i + 1 < symbols.len() {
                if (symbols[i], symbols[i + 1]) == (left, right) {
                    symbols[i] = id;
                    symbols.remove(i + 1);
                    counts[left] -= weight;
                    counts[right] -= weight;
                    counts[id] += weight;
                }
                i += 1;
            }
            for pair in symbols.windows(2) {
                let pair = pairs.entry((pair[0], pair[1])).or_default();
                pair.count += weight;
                if pair.words.last() != Some(&w) {
                    pair.words.push(w);
                }
            }
        }
        pairs.retain(|_, pair| pair.count > 0);
    }
    Ok(pieces)
}

/// The pair with the highest score, compared exactly as fractions; among equals the first in the text.
fn best_pair(
    pairs: &FastMap<(usize, usize), Pair>,
    counts: &[u64],
    corpus: &[Vec<usize>],
    min_frequency: u64,
) -> Option<(usize, usize)> {
    let mut best: Vec<(usize, usize)> = Vec::new();
    let mut top = (0u128, 1u128);
    for (&(a, b), pair) in pairs.iter().filter(|(_, pair)| pair.count >= min_frequency) {
        let score = (pair.count as u128, counts[a] as u128 * counts[b] as u128);
        // Products of three counts: they fit as long as a corpus has fewer than 2^42 words.
        match (score.0 * top.1).cmp(&(top.0 * score.1)) {
            std::cmp::Ordering::Greater => {
                top = score;
                best.clear();
                best.push((a, b));
            }
            std::cmp::Ordering::Equal => best.push((a, b)),
            std::cmp::Ordering::Less => {}
        }
    }
    let first_place = |pair: &(usize, usize)| {
        let mut words = pairs[pair].words.clone();
        words.sort_unstable();
        words.into_iter().find_map(|w| {
            let at = corpus[w].windows(2).position(|p| (p[0], p[1]) == *pair)?;
            Some((w, at))
        })
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
        model.encode("Hugging HOgging [MASK]", &mut out);
        let spelled: Vec<&str> = out.iter().map(|id| pieces[*id as usize].as_str()).collect();
        assert_eq!(spelled, ["Hugg", "##i", "##n", "##g", "[UNK]", "[UNK]", "[UNK]", "[UNK]"]);
    }
}
