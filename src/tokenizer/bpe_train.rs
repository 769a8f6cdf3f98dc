//! Learning byte pair merges: count all neighbouring pairs of tokens inside words, merge the most frequent, repeat.
//!
//! Counting anew after every merge would cost the whole corpus each time. Here a merge touches only the words that
//! contain the pair: a count per pair, a list of words per pair, and a queue of pairs with the highest count on top
//! (counts in the queue may be out of date: they are checked when they come up). Ties go to the pair with the smaller
//! ids, as in Hugging Face's `BpeTrainer`, whose merges these are, one by one.

use super::bpe::Merge;
use super::byte_alphabet::BYTES_BY_CHAR;
use super::pretokenize;
use crate::utils::{Error, Result};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

/// What `Tokenizer::train_bpe` learns.
#[derive(Clone, Debug)]
pub struct BpeOptions {
    /// Size of the whole vocabulary: special tokens, 256 bytes, merges.
    pub vocab_size: usize,
    /// A pair seen less often than this is never merged.
    pub min_frequency: u64,
    /// Reserved tokens, from id 0; text never becomes one of them.
    pub special_tokens: Vec<String>,
    /// Threads that count words.
    pub threads: usize,
}

impl Default for BpeOptions {
    /// 5,000 tokens, the five special tokens of this library among them.
    fn default() -> BpeOptions {
        BpeOptions {
            vocab_size: 5000,
            min_frequency: 2,
            special_tokens: super::SPECIAL_TOKENS.map(String::from).to_vec(),
            threads: super::default_threads(),
        }
    }
}

/// A multiplicative hash for words and pairs of ids: these maps are asked millions of times.
#[derive(Default, Clone)]
pub(super) struct FastHasher(u64);

impl FastHasher {
    #[inline]
    fn add(&mut self, x: u64) {
        let product = (self.0 ^ x ^ 0x9E37_79B9_7F4A_7C15) as u128 * 0xD6E8_FEB8_6659_FD93_u128;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

impl Hasher for FastHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks::<8>();
        chunks.iter().for_each(|chunk| self.add(u64::from_le_bytes(*chunk)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(last) ^ (bytes.len() as u64) << 56);
    }
    fn write_u64(&mut self, x: u64) {
        self.add(x);
    }
    fn write_usize(&mut self, x: usize) {
        self.add(x as u64);
    }
    fn write_u8(&mut self, x: u8) {
        self.add(x as u64);
    }
}

pub(super) type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;

/// How often each pre-token occurs.
pub(super) type WordCounts = FastMap<Box<[u8]>, u64>;

/// Adds the pre-tokens of `text` to `counts`.
pub(super) fn count_words(text: &[u8], threads: usize, counts: &mut WordCounts) {
    let parts = pretokenize::in_parallel(text, threads, |piece| {
        let mut part: FastMap<&[u8], u64> = FastMap::default();
        pretokenize::for_each_pre_token(piece, |word| *part.entry(word).or_default() += 1);
        part
    });
    for (word, count) in parts.into_iter().flatten() {
        match counts.get_mut(word) {
            Some(sum) => *sum += count,
            None => {
                counts.insert(word.into(), count);
            }
        }
    }
}

/// What training gives: the bytes of every token by id (special tokens first, then 256 bytes), and the merges.
pub(super) struct Trained {
    pub tokens: Vec<Vec<u8>>,
    pub merges: Vec<Merge>,
}

/// A word of the corpus as a run of tokens in the one big array.
struct Word {
    start: usize,
    len: usize,
    count: i64,
}

/// A pair in the queue: highest count first, then smallest ids, then the youngest entry.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    count: i64,
    pair: Reverse<u64>,
    born: usize,
    /// Words that may contain the pair.
    words: Vec<u32>,
}

fn pack(left: u32, right: u32) -> u64 {
    (left as u64) << 32 | right as u64
}

/// Learns merges from words and their counts.
pub(super) fn train(words: &WordCounts, options: &BpeOptions) -> Result<Trained> {
    let least = options.special_tokens.len() + 256;
    if options.vocab_size < least {
        let specials = options.special_tokens.len();
        return Err(Error::usage(format!(
            "vocabulary size {}: too small for {specials} special tokens and 256 bytes",
            options.vocab_size
        ))
        .help(format!("choose at least {least}")));
    }
    if options.vocab_size > 1 << 24 {
        return Err(Error::usage(format!("vocabulary size {}: at most {} is supported", options.vocab_size, 1 << 24)));
    }
    let mut tokens: Vec<Vec<u8>> = options.special_tokens.iter().map(|s| s.clone().into_bytes()).collect();
    let mut byte_ids = [0u32; 256];
    for byte in BYTES_BY_CHAR {
        byte_ids[byte as usize] = tokens.len() as u32;
        tokens.push(vec![byte]);
    }
    let mut ids: HashMap<Vec<u8>, u32> = tokens.iter().cloned().zip(0..).collect();
    if ids.len() < tokens.len() || ids.contains_key(&[][..]) {
        return Err(Error::usage("special tokens must differ from each other and have at least two bytes"));
    }

    let mut symbols: Vec<u32> = Vec::with_capacity(words.keys().map(|w| w.len()).sum());
    let mut corpus: Vec<Word> = Vec::with_capacity(words.len());
    for (word, count) in words {
        corpus.push(Word { start: symbols.len(), len: word.len(), count: *count as i64 });
        symbols.extend(word.iter().map(|b| byte_ids[*b as usize]));
    }
    if corpus.len() > u32::MAX as usize {
        return Err(Error::new("the corpus has more than 2^32 different words"));
    }

    let mut counts: FastMap<u64, i64> = FastMap::default();
    let mut places: FastMap<u64, Vec<u32>> = FastMap::default();
    for (w, word) in corpus.iter().enumerate() {
        for pair in symbols[word.start..word.start + word.len].windows(2) {
            let pair = pack(pair[0], pair[1]);
            *counts.entry(pair).or_default() += word.count;
            note(places.entry(pair).or_default(), w as u32);
        }
    }
    let mut queue = BinaryHeap::with_capacity(places.len());
    let mut merges: Vec<Merge> = Vec::new();
    loop {
        for (pair, words) in places.drain() {
            let count = counts[&pair];
            if count > 0 {
                queue.push(Candidate { count, pair: Reverse(pair), born: merges.len(), words });
            }
        }
        if tokens.len() >= options.vocab_size {
            break;
        }
        let Some(mut top) = queue.pop() else { break };
        let pair = top.pair.0;
        if top.count != counts[&pair] {
            top.count = counts[&pair];
            queue.push(top);
            continue;
        }
        if top.count < 1 || (top.count as u64) < options.min_frequency {
            break;
        }
        let (left, right) = ((pair >> 32) as u32, pair as u32);
        let token = [&tokens[left as usize][..], &tokens[right as usize]].concat();
        let id = match ids.get(&token) {
            // Text must never become a special token: this pair stays apart.
            Some(&id) if (id as usize) < options.special_tokens.len() => continue,
            // Two ways to the same string are one token.
            Some(&id) => id,
            None => {
                let id = tokens.len() as u32;
                ids.insert(token.clone(), id);
                tokens.push(token);
                id
            }
        };
        let merge = Merge { left, right, id };
        merges.push(merge);
        for &w in &top.words {
            let word = &mut corpus[w as usize];
            let part = &mut symbols[word.start..word.start + word.len];
            let weight = word.count;
            word.len = apply(merge, part, |pair, change| {
                *counts.entry(pair).or_default() += change * weight;
                if change > 0 {
                    note(places.entry(pair).or_default(), w);
                }
            });
        }
    }
    keep_last(&mut merges);
    Ok(Trained { tokens, merges })
}

/// Adds a word to a list in rising order, once.
fn note(list: &mut Vec<u32>, word: u32) {
    if list.last() != Some(&word) {
        list.push(word);
    }
}

/// Merges a pair from left to right inside `symbols`, tells which neighbouring pairs come and go; the new length.
fn apply(merge: Merge, symbols: &mut [u32], mut changed: impl FnMut(u64, i64)) -> usize {
    let (mut read, mut write) = (0, 0);
    while read < symbols.len() {
        if symbols[read] == merge.left && symbols.get(read + 1) == Some(&merge.right) {
            if write > 0 {
                changed(pack(symbols[write - 1], merge.left), -1);
                changed(pack(symbols[write - 1], merge.id), 1);
            }
            if let Some(&after) = symbols.get(read + 2) {
                changed(pack(merge.right, after), -1);
                changed(pack(merge.id, after), 1);
            }
            symbols[write] = merge.id;
            read += 2;
        } else {
            symbols[write] = symbols[read];
            read += 1;
        }
        write += 1;
    }
    write
}

/// A pair merged a second time (its words came up later) keeps its last rank, as in Hugging Face's files.
fn keep_last(merges: &mut Vec<Merge>) {
    let mut seen = std::collections::HashSet::new();
    merges.reverse();
    merges.retain(|m| seen.insert((m.left, m.right)));
    merges.reverse();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(words: &[(&str, u64)], merges: usize) -> Vec<String> {
        let counts = words.iter().map(|(w, n)| (w.as_bytes().into(), *n)).collect();
        let options =
            BpeOptions { vocab_size: 256 + merges, min_frequency: 1, special_tokens: vec![], ..Default::default() };
        let trained = train(&counts, &options).unwrap();
        trained.tokens[256..].iter().map(|t| String::from_utf8(t.clone()).unwrap()).collect()
    }

    #[test]
    fn hug_pug_pun() {
        // Hugging Face course, chapter 6: the first three merges of this corpus.
        let words = [("hug", 10), ("pug", 5), ("pun", 12), ("bun", 4), ("hugs", 5)];
        assert_eq!(learn(&words, 3), ["ug", "un", "hug"]);
    }

    #[test]
    fn aaabdaaabac() {
        // Wikipedia's example: aa, then (by smallest ids) ab, then aaab.
        assert_eq!(learn(&[("aaabdaaabac", 1)], 3), ["aa", "ab", "aaab"]);
    }

    #[test]
    fn stops_below_the_least_frequency_and_refuses_tiny_vocabularies() {
        let counts: WordCounts = [("abc".as_bytes().into(), 1), ("ab".as_bytes().into(), 1)].into_iter().collect();
        let trained = train(&counts, &BpeOptions::default()).unwrap();
        assert_eq!(trained.merges.len(), 1);
        let error = train(&counts, &BpeOptions { vocab_size: 260, ..Default::default() }).err().unwrap();
        assert!(error.to_string().contains("260") && error.exit_code() == 2);
    }

    #[test]
    fn text_never_becomes_a_special_token() {
        let counts: WordCounts = [("abab".as_bytes().into(), 9)].into_iter().collect();
        let options = BpeOptions { special_tokens: vec!["ab".into()], ..Default::default() };
        let trained = train(&counts, &options).unwrap();
        assert!(trained.merges.iter().all(|m| m.id != 0));
        assert!(!trained.tokens[1..].contains(&b"ab".to_vec()));
    }
}
