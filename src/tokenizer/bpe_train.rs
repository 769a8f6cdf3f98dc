//! Learning byte pair merges: count all neighbouring pairs of tokens inside words, merge the most frequent, repeat.
//!
//! ```text
//! ids = [1, 2, 3, 1, 2]     (1, 2) stands there twice, (2, 3) and (3, 1) once
//! (1, 2) → 4                the most frequent pair becomes a new token
//! ids = [4, 3, 4]           (2, 3) and (3, 1) are gone, (4, 3) and (3, 4) have come
//! ```
//!
//! Counting anew after every merge would cost the whole corpus each time. Here a merge touches only the words that
//! contain the pair (`pairs`), and a queue has the pair with the highest count on top. Ties go to the pair with the
//! smaller ids, as in Hugging Face's `BpeTrainer`, whose merges these are, one by one.

use super::added::SPECIAL_TOKENS;
use super::byte_alphabet::BYTES_BY_CHAR;
use super::pairs::{Merge, Pairs, Words, unpack};
use super::pretokenize;
use crate::utils::{Error, Result};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

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
            special_tokens: SPECIAL_TOKENS.map(String::from).to_vec(),
            threads: pretokenize::default_threads(),
        }
    }
}

/// How often each pre-token occurs.
pub(super) type WordCounts = FxHashMap<Box<[u8]>, u64>;

/// Adds the pre-tokens of `text` to `counts`.
pub(super) fn count_words(text: &[u8], threads: usize, counts: &mut WordCounts) {
    let parts = pretokenize::in_parallel(text, threads, |piece| {
        let mut part: FxHashMap<&[u8], u64> = FxHashMap::default();
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

/// What training gives.
pub(super) struct Trained {
    /// The bytes of every token by id: special tokens first, then 256 bytes, then the merged ones.
    pub tokens: Vec<Vec<u8>>,
    /// The id of each byte.
    pub byte_ids: [u32; 256],
    pub merges: Vec<Merge>,
}

/// Learns merges from words and their counts.
pub(super) fn train(counts: &WordCounts, options: &BpeOptions) -> Result<Trained> {
    let mut tokens = Tokens::new(options)?;
    let spelled = counts.iter().map(|(word, count)| (word.iter().map(|b| tokens.byte_ids[*b as usize]), *count));
    let (mut words, mut pairs) = Words::new(spelled)?;
    let (mut queue, mut merges) = (Queue::default(), Vec::new());
    while tokens.list.len() < options.vocab_size {
        queue.push_new(&mut pairs, merges.len());
        let Some((pair, places)) = queue.pop(&pairs, options.min_frequency) else { break };
        let (left, right) = unpack(pair);
        let Some(id) = tokens.join(left, right) else { continue };
        let merge = Merge { left, right, id };
        merges.push(merge);
        for place in places {
            words.merge(place, merge, &mut pairs);
        }
    }
    keep_last(&mut merges);
    Ok(Trained { tokens: tokens.list, byte_ids: tokens.byte_ids, merges })
}

/// The vocabulary as it grows.
struct Tokens {
    list: Vec<Vec<u8>>,
    ids: FxHashMap<Vec<u8>, u32>,
    byte_ids: [u32; 256],
    /// Special tokens come first.
    specials: u32,
}

impl Tokens {
    fn new(options: &BpeOptions) -> Result<Tokens> {
        let (size, specials) = (options.vocab_size, options.special_tokens.len());
        let (least, most) = (specials + 256, 1 << 24);
        if size < least {
            let why = format!("vocabulary size {size}: too small for {specials} special tokens and 256 bytes");
            return Err(Error::usage(why).help(format!("choose at least {least}")));
        }
        if size > most {
            return Err(Error::usage(format!("vocabulary size {size}: at most {most} is supported")));
        }
        let mut list: Vec<Vec<u8>> = options.special_tokens.iter().map(|s| s.clone().into_bytes()).collect();
        let mut byte_ids = [0; 256];
        for byte in BYTES_BY_CHAR {
            byte_ids[byte as usize] = list.len() as u32;
            list.push(vec![byte]);
        }
        let ids: FxHashMap<Vec<u8>, u32> = list.iter().cloned().zip(0..).collect();
        if ids.len() < list.len() || ids.contains_key(&[][..]) {
            return Err(Error::usage("special tokens must differ from each other and have at least two bytes"));
        }
        Ok(Tokens { list, ids, byte_ids, specials: specials as u32 })
    }

    /// The token that two others make, a new one unless there is another way to the same bytes. `None` for those of a
    /// special token: text must never become one, so this pair stays apart.
    fn join(&mut self, left: u32, right: u32) -> Option<u32> {
        let token = [&self.list[left as usize][..], &self.list[right as usize]].concat();
        let next = self.list.len() as u32;
        let id = *self.ids.entry(token).or_insert_with_key(|token| {
            self.list.push(token.clone());
            next
        });
        (id >= self.specials).then_some(id)
    }
}

/// Pairs by frequency.
#[derive(Default)]
struct Queue(BinaryHeap<Candidate>);

/// A pair in the queue: highest count first, then smallest ids, then the youngest entry. The count may be out of date.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    count: i64,
    pair: Reverse<u64>,
    born: usize,
    /// Words that may contain the pair.
    words: Vec<u32>,
}

impl Queue {
    /// Takes in the pairs that have come since the last call, after so many merges.
    fn push_new(&mut self, pairs: &mut Pairs, born: usize) {
        for (pair, words) in pairs.places.drain() {
            let count = pairs.counts[&pair];
            if count > 0 {
                self.0.push(Candidate { count, pair: Reverse(pair), born, words });
            }
        }
    }

    /// The most frequent pair and the words to look for it in, unless it occurs less than `least` times.
    fn pop(&mut self, pairs: &Pairs, least: u64) -> Option<(u64, Vec<u32>)> {
        loop {
            let mut top = self.0.pop()?;
            let count = pairs.counts[&top.pair.0];
            if count == top.count {
                return (count > 0 && count as u64 >= least).then_some((top.pair.0, top.words));
            }
            top.count = count;
            self.0.push(top);
        }
    }
}

/// A pair merged a second time (its words came up later) keeps its last rank, as in Hugging Face's files.
fn keep_last(merges: &mut Vec<Merge>) {
    let mut seen = FxHashSet::default();
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
