//! Words as runs of tokens, and how often each pair of neighbours occurs: what training counts and merges.

use crate::utils::{Error, Result};
use rustc_hash::FxHashMap;

/// One merge: the tokens `left` and `right` become `id`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Merge {
    /// The first token of the pair.
    pub left: u32,
    /// The second token of the pair.
    pub right: u32,
    /// What they become.
    pub id: u32,
}

/// A pair of tokens as one number, which sorts as the pair does.
#[inline]
pub(super) fn pack(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// The pair of such a number.
pub(super) fn unpack(pair: u64) -> (u32, u32) {
    ((pair >> 32) as u32, pair as u32)
}

/// How often each pair occurs, and in which words.
#[derive(Default)]
pub(super) struct Pairs {
    pub counts: FxHashMap<u64, i64>,
    /// Words that may contain a pair: those in which it came, since the user last emptied the list.
    pub places: FxHashMap<u64, Vec<u32>>,
}

impl Pairs {
    /// A pair comes (or goes, if `change` is negative) in the word `place`.
    fn count(&mut self, pair: u64, change: i64, place: u32) {
        *self.counts.entry(pair).or_default() += change;
        if change > 0 {
            let places = self.places.entry(pair).or_default();
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
    }
}

/// The different words of a corpus, as runs of tokens in one big array.
pub(super) struct Words {
    symbols: Vec<u32>,
    words: Vec<Word>,
}

struct Word {
    start: usize,
    len: usize,
    count: i64,
}

impl Words {
    /// The words as they are spelled at first, each with how often it occurs, and their pairs.
    pub fn new<W: Iterator<Item = u32>>(words: impl ExactSizeIterator<Item = (W, u64)>) -> Result<(Words, Pairs)> {
        if u32::try_from(words.len()).is_err() {
            return Err(Error::new("the corpus has more than 2^32 different words"));
        }
        let (mut symbols, mut pairs) = (Vec::new(), Pairs::default());
        let words = words.zip(0..).map(|((word, count), place)| {
            let (start, count) = (symbols.len(), count as i64);
            symbols.extend(word);
            symbols[start..].windows(2).for_each(|pair| pairs.count(pack(pair[0], pair[1]), count, place));
            Word { start, len: symbols.len() - start, count }
        });
        let words = words.collect();
        Ok((Words { symbols, words }, pairs))
    }

    /// The tokens of a word, and how often it occurs.
    pub fn word(&self, place: u32) -> (&[u32], i64) {
        let word = &self.words[place as usize];
        (&self.symbols[word.start..word.start + word.len], word.count)
    }

    /// Merges a pair wherever it stands in a word, and counts the other pairs that come and go; how often it stood there.
    pub fn merge(&mut self, place: u32, merge: Merge, pairs: &mut Pairs) -> usize {
        let word = &mut self.words[place as usize];
        let symbols = &mut self.symbols[word.start..word.start + word.len];
        let len = apply(merge, symbols, |pair, change| pairs.count(pair, change * word.count, place));
        std::mem::replace(&mut word.len, len) - len
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
