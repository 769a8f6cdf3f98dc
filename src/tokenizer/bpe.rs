//! Encoding with byte pair merges: the model behind GPT-2's tokenizer.
//!
//! A word starts as its bytes. As long as some neighbouring pair is in the list of merges, the pair with the lowest
//! rank (the leftmost, if it occurs twice) becomes one token. Two things make it fast and change no id: a cache of
//! words already seen, and a hash table of pairs made for this one question.

use super::pretokenize;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Mutex, PoisonError};

/// No token.
pub(super) const NONE: u32 = u32::MAX;
/// Up to this many bytes, the pair to merge is found by looking at all of them.
const SHORT: usize = 32;

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

/// Byte-level BPE: bytes, merges in order of rank, and how text is cut before merging.
pub(super) struct Bpe {
    /// The token of each byte, or NONE in vocabularies that lack it.
    pub byte_ids: [u32; 256],
    pub merges: Vec<Merge>,
    /// Cut by GPT-2's expression; else the whole text is one word.
    pub use_regex: bool,
    /// A word that is in the vocabulary is that token, whatever the merges say.
    pub whole_words: Option<HashMap<Box<[u8]>, u32>>,
    ranks: PairTable,
    /// Caches at rest: a call takes one, so that threads never wait for each other's words.
    caches: Mutex<Vec<WordCache>>,
}

/// A byte that the vocabulary has no token for, with its offset.
#[derive(Debug)]
pub(super) struct UnknownByte {
    pub byte: u8,
    pub offset: usize,
}

impl Clone for Bpe {
    fn clone(&self) -> Bpe {
        let mut bpe = Bpe::new(self.byte_ids, self.merges.clone());
        bpe.use_regex = self.use_regex;
        bpe.whole_words = self.whole_words.clone();
        bpe
    }
}

impl Bpe {
    pub fn new(byte_ids: [u32; 256], merges: Vec<Merge>) -> Bpe {
        let ranks = PairTable::new(&merges);
        Bpe { byte_ids, merges, use_regex: true, whole_words: None, ranks, caches: Mutex::new(Vec::new()) }
    }

    /// Appends the ids of `text`, over as many threads as its length is worth.
    pub fn encode(&self, text: &[u8], threads: usize, out: &mut Vec<u32>) -> Result<(), UnknownByte> {
        if self.byte_ids.contains(&NONE)
            && let Some(offset) = text.iter().position(|b| self.byte_ids[*b as usize] == NONE)
        {
            return Err(UnknownByte { byte: text[offset], offset });
        }
        if !self.use_regex {
            self.encode_word(text, out);
            return Ok(());
        }
        let mut parts = pretokenize::in_parallel(text, threads, |piece| {
            let mut ids = Vec::with_capacity(piece.len() / 2);
            self.encode_piece(piece, &mut ids);
            ids
        });
        if out.is_empty() && parts.len() == 1 {
            std::mem::swap(out, &mut parts[0]);
        } else {
            parts.into_iter().for_each(|part| out.extend_from_slice(&part));
        }
        Ok(())
    }

    fn encode_piece(&self, text: &[u8], out: &mut Vec<u32>) {
        let rested = self.caches.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut cache = rested.unwrap_or_else(WordCache::new);
        let mut start = 0;
        while start < text.len() {
            let end = pretokenize::next_end(text, start);
            match WordCache::key(text, start, end) {
                Some(key) => {
                    let at = cache.find(key);
                    if cache.slots[at].key == key {
                        let slot = &cache.slots[at];
                        if slot.count == 1 {
                            out.push(slot.ids[0]);
                        } else {
                            out.extend_from_slice(cache.ids(slot));
                        }
                    } else {
                        let from = out.len();
                        self.encode_word(&text[start..end], out);
                        cache.insert(at, key, &out[from..]);
                    }
                }
                None => self.encode_word(&text[start..end], out),
            }
            start = end;
        }
        self.caches.lock().unwrap_or_else(PoisonError::into_inner).push(cache);
    }

    fn encode_word(&self, word: &[u8], out: &mut Vec<u32>) {
        if let Some(&id) = self.whole_words.as_ref().and_then(|words| words.get(word)) {
            out.push(id);
        } else if word.len() <= SHORT {
            self.merge_short(word, out);
        } else {
            self.merge_long(word, out);
        }
    }

    /// Looks for the lowest rank among all pairs, merges it, and again: the best for words of a few bytes.
    fn merge_short(&self, word: &[u8], out: &mut Vec<u32>) {
        let mut ids = [0u32; SHORT];
        // The rank of the pair (i, i + 1) in the high half, what it becomes in the low half.
        let mut pairs = [u64::MAX; SHORT];
        let mut n = word.len();
        for (id, byte) in ids.iter_mut().zip(word) {
            *id = self.byte_ids[*byte as usize];
        }
        for i in 1..n {
            pairs[i - 1] = self.ranks.get(ids[i - 1], ids[i]);
        }
        while n > 1 {
            let (mut best, mut at) = (u64::MAX, 0);
            for (i, &pair) in pairs[..n - 1].iter().enumerate() {
                if pair < best {
                    (best, at) = (pair, i);
                }
            }
            if best == u64::MAX {
                break;
            }
            ids[at] = best as u32;
            ids.copy_within(at + 2..n, at + 1);
            pairs.copy_within(at + 1..n, at);
            n -= 1;
            pairs[n - 1] = u64::MAX;
            if at > 0 {
                pairs[at - 1] = self.ranks.get(ids[at - 1], ids[at]);
            }
            if at + 1 < n {
                pairs[at] = self.ranks.get(ids[at], ids[at + 1]);
            }
        }
        out.extend_from_slice(&ids[..n]);
    }

    /// The same merges with a queue and a linked list: n log n for the megabyte without a space.
    fn merge_long(&self, word: &[u8], out: &mut Vec<u32>) {
        let n = word.len();
        let mut ids: Vec<u32> = word.iter().map(|b| self.byte_ids[*b as usize]).collect();
        // Distances in symbols: `next[i]` and `prev[i]` are positions; a merged-away symbol has id NONE.
        let mut next: Vec<usize> = (1..=n).collect();
        let mut prev: Vec<usize> = (0..n).map(|i| i.wrapping_sub(1)).collect();
        let mut queue: BinaryHeap<Reverse<(u64, usize)>> = (1..n)
            .map(|i| (self.ranks.get(ids[i - 1], ids[i]), i - 1))
            .filter(|(pair, _)| *pair != u64::MAX)
            .map(Reverse)
            .collect();
        while let Some(Reverse((pair, i))) = queue.pop() {
            let right = next[i];
            if ids[i] == NONE || right >= n || self.ranks.get(ids[i], ids[right]) != pair {
                continue;
            }
            ids[i] = pair as u32;
            ids[right] = NONE;
            next[i] = next[right];
            if next[i] < n {
                prev[next[i]] = i;
            }
            for (a, b) in [(prev[i], i), (i, next[i])] {
                if a < n && b < n {
                    let pair = self.ranks.get(ids[a], ids[b]);
                    if pair != u64::MAX {
                        queue.push(Reverse((pair, a)));
                    }
                }
            }
        }
        out.extend(ids.into_iter().filter(|id| *id != NONE));
    }

    /// The definition, word for word and slow: the judge of the fast ways.
    #[cfg(test)]
    pub fn encode_naive(&self, text: &[u8]) -> Vec<u32> {
        let mut out = Vec::new();
        for word in pretokenize::pre_tokens(text) {
            let mut ids: Vec<u32> = word.iter().map(|b| self.byte_ids[*b as usize]).collect();
            loop {
                let best = (1..ids.len())
                    .filter_map(|i| {
                        let rank = self.merges.iter().rposition(|m| (m.left, m.right) == (ids[i - 1], ids[i]))?;
                        Some((rank, i - 1))
                    })
                    .min();
                let Some((rank, i)) = best else { break };
                ids[i] = self.merges[rank].id;
                ids.remove(i + 1);
            }
            out.extend(ids);
        }
        out
    }
}

/// Mixes 64 bits; the high ones are the good ones.
#[inline]
fn mix(key: u64) -> u64 {
    (key ^ (key >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// (left, right) → rank and merged token, by open addressing.
struct PairTable {
    /// Key (u64::MAX: free) and value.
    slots: Vec<(u64, u64)>,
    shift: u32,
}

impl PairTable {
    fn new(merges: &[Merge]) -> PairTable {
        let bits = (merges.len() * 3).next_power_of_two().trailing_zeros().max(4);
        let mut table = PairTable { slots: vec![(u64::MAX, u64::MAX); 1 << bits], shift: 64 - bits };
        for (rank, merge) in merges.iter().enumerate() {
            // A pair listed twice has its last rank, as in Hugging Face's library.
            let key = (merge.left as u64) << 32 | merge.right as u64;
            let at = table.find(key);
            table.slots[at] = (key, (rank as u64) << 32 | merge.id as u64);
        }
        table
    }

    #[inline]
    fn find(&self, key: u64) -> usize {
        let mut at = (mix(key) >> self.shift) as usize;
        while self.slots[at].0 != key && self.slots[at].0 != u64::MAX {
            at = (at + 1) & (self.slots.len() - 1);
        }
        at
    }

    /// `rank << 32 | id`, or u64::MAX.
    #[inline]
    fn get(&self, left: u32, right: u32) -> u64 {
        self.slots[self.find((left as u64) << 32 | right as u64)].1
    }
}

#[derive(Clone, Copy)]
struct Slot {
    /// 15 bytes of the word, then its length; 0 is a free slot.
    key: u128,
    /// The ids, or (if more than three) where they start in the arena.
    ids: [u32; 3],
    count: u32,
}

/// Words of up to 15 bytes and their ids; emptied when full, so that it never grows beyond a few megabytes.
struct WordCache {
    slots: Vec<Slot>,
    used: usize,
    arena: Vec<u32>,
}

impl WordCache {
    const FREE: Slot = Slot { key: 0, ids: [0; 3], count: 0 };
    const MOST_SLOTS: usize = 1 << 16;

    fn new() -> WordCache {
        WordCache { slots: vec![Self::FREE; 1 << 10], used: 0, arena: Vec::new() }
    }

    #[inline]
    fn key(text: &[u8], start: usize, end: usize) -> Option<u128> {
        let len = end - start;
        if len > 15 {
            return None;
        }
        let bytes = match text[start..].first_chunk::<16>() {
            Some(chunk) => u128::from_le_bytes(*chunk) & ((1u128 << (8 * len)) - 1),
            None => {
                let mut chunk = [0; 16];
                chunk[..len].copy_from_slice(&text[start..end]);
                u128::from_le_bytes(chunk)
            }
        };
        Some(bytes | (len as u128) << 120)
    }

    #[inline]
    fn find(&self, key: u128) -> usize {
        let product =
            (key as u64 ^ 0x9E37_79B9_7F4A_7C15) as u128 * ((key >> 64) as u64 ^ 0xD6E8_FEB8_6659_FD93) as u128;
        let mask = self.slots.len() - 1;
        let mut at = (product as u64 ^ (product >> 64) as u64) as usize & mask;
        while self.slots[at].key != key && self.slots[at].key != 0 {
            at = (at + 1) & mask;
        }
        at
    }

    #[inline]
    fn ids<'a>(&'a self, slot: &'a Slot) -> &'a [u32] {
        let count = slot.count as usize;
        if count <= 3 { &slot.ids[..count] } else { &self.arena[slot.ids[0] as usize..][..count] }
    }

    /// Puts a word in the free slot `at`.
    fn insert(&mut self, at: usize, key: u128, ids: &[u32]) {
        let mut slot = Slot { key, count: ids.len() as u32, ..Self::FREE };
        if ids.len() <= 3 {
            slot.ids[..ids.len()].copy_from_slice(ids);
        } else {
            slot.ids[0] = self.arena.len() as u32;
            self.arena.extend_from_slice(ids);
        }
        self.slots[at] = slot;
        self.used += 1;
        if self.used * 2 > self.slots.len() {
            if self.slots.len() >= Self::MOST_SLOTS {
                self.slots.fill(Self::FREE);
                self.used = 0;
                self.arena.clear();
            } else {
                let old = std::mem::take(&mut self.slots);
                self.slots = vec![Self::FREE; old.len() * 4];
                for slot in old.into_iter().filter(|slot| slot.key != 0) {
                    let at = self.find(slot.key);
                    self.slots[at] = slot;
                }
            }
        }
    }
}
