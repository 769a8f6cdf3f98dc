//! Encoding with byte pair merges: the model behind GPT-2's tokenizer.
//!
//! A word starts as its bytes. As long as some neighbouring pair is in the list of merges, the pair with the lowest
//! rank (the leftmost, if it occurs twice) becomes one token. A cache of words already seen makes it fast and changes
//! no id.

use super::byte_alphabet::unspell;
use super::field::{Field, quoted};
use super::kind::{SUPPORTED, TokenizerKind};
use super::model::{Model, ModelJson};
use super::pairs::{Merge, pack};
use super::pretokenize;
use super::vocab::Vocab;
use crate::utils::{Error, Result};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, PoisonError};

/// No token.
const NONE: u32 = u32::MAX;
/// Up to this many bytes, the pair to merge is found by looking at all of them.
const SHORT: usize = 32;

/// Words that are tokens as they stand.
type WholeWords = FxHashMap<Box<[u8]>, u32>;

/// Byte-level BPE: bytes, merges in order of rank, and how text is cut before merging.
pub(super) struct Bpe {
    /// The token of each byte, or NONE in vocabularies that lack it.
    byte_ids: [u32; 256],
    merges: Vec<Merge>,
    /// Cut by GPT-2's expression; else the whole text is one word.
    use_regex: bool,
    /// A text that does not begin with a space is given one.
    add_prefix_space: bool,
    /// A word that is in the vocabulary is that token, whatever the merges say.
    whole_words: Option<WholeWords>,
    /// A pair's rank in the high half, what it becomes in the low half.
    ranks: FxHashMap<u64, u64>,
    /// Caches at rest: a call takes one, so that threads never wait for each other's words.
    caches: Mutex<Vec<WordCache>>,
}

impl Bpe {
    pub fn new(byte_ids: [u32; 256], merges: Vec<Merge>) -> Bpe {
        // Listed twice, a pair has its last rank, as in Hugging Face's library.
        let ranks = merges.iter().zip(0u64..).map(|(m, rank)| (pack(m.left, m.right), rank << 32 | u64::from(m.id)));
        Bpe {
            byte_ids,
            ranks: ranks.collect(),
            merges,
            use_regex: true,
            add_prefix_space: false,
            whole_words: None,
            caches: Mutex::default(),
        }
    }

    /// Reads a `BPE` model and the `ByteLevel` cut before it.
    pub fn read(model: &Field, pre: &Field, vocab: &Vocab) -> Result<Bpe> {
        let kind = pre.need("type")?;
        if kind.value != "ByteLevel" {
            let help = "only ByteLevel, with GPT-2's expression or without any, is";
            return Err(kind.unsupported("a BPE pre-tokenizer").help(help));
        }
        if let Some(dropout) = model.get("dropout").filter(|dropout| dropout.value.as_f64() != Some(0.0)) {
            let why = "not supported: encoding is deterministic here";
            return Err(dropout.error(why).help("set it to null in the file"));
        }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let Some(affix) = model.get(key).filter(|affix| affix.value != "") {
                return Err(affix.unsupported("an affix like"));
            }
        }
        let (byte_ids, words) = read_words(&model.at("vocab"), vocab)?;
        let mut merges = Vec::new();
        for merge in model.need("merges")?.array()? {
            merges.extend(read_merge(&merge, vocab)?);
        }
        let mut bpe = Bpe::new(byte_ids, merges);
        bpe.use_regex = pre.bool_or("use_regex", true)?;
        bpe.add_prefix_space = pre.need("add_prefix_space")?.bool()?;
        bpe.whole_words = model.bool_or("ignore_merges", false)?.then_some(words);
        Ok(bpe)
    }

    /// What a pair becomes, below its rank; u64::MAX if it is never merged.
    #[inline]
    fn rank(&self, left: u32, right: u32) -> u64 {
        self.ranks.get(&pack(left, right)).copied().unwrap_or(u64::MAX)
    }

    /// Appends the ids of `text`, over as many threads as its length is worth.
    fn encode_over_threads(&self, text: &[u8], threads: usize, out: &mut Vec<u32>) -> Result<()> {
        if self.byte_ids.contains(&NONE)
            && let Some(at) = text.iter().position(|b| self.byte_ids[*b as usize] == NONE)
        {
            let why = format!("byte 0x{:02X} at offset {at}: this vocabulary has no token for it", text[at]);
            return Err(Error::new(why).help(
                "the tokenizer was trained without the full byte alphabet; train one here, or leave this text out",
            ));
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
        let mut cache = rested.unwrap_or_default();
        let mut start = 0;
        while start < text.len() {
            let end = pretokenize::next_end(text, start);
            match WordCache::key(text, start, end) {
                Some(key) => match cache.places.get(&key) {
                    Some(&(id, 1)) => out.push(id),
                    Some(&(at, count)) => out.extend_from_slice(&cache.ids[at as usize..][..count as usize]),
                    None => {
                        let from = out.len();
                        self.encode_word(&text[start..end], out);
                        cache.insert(key, &out[from..]);
                    }
                },
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
            pairs[i - 1] = self.rank(ids[i - 1], ids[i]);
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
                pairs[at - 1] = self.rank(ids[at - 1], ids[at]);
            }
            if at + 1 < n {
                pairs[at] = self.rank(ids[at], ids[at + 1]);
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
            .map(|i| (self.rank(ids[i - 1], ids[i]), i - 1))
            .filter(|(pair, _)| *pair != u64::MAX)
            .map(Reverse)
            .collect();
        while let Some(Reverse((pair, i))) = queue.pop() {
            let right = next[i];
            if ids[i] == NONE || right >= n || self.rank(ids[i], ids[right]) != pair {
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
                    let pair = self.rank(ids[a], ids[b]);
                    if pair != u64::MAX {
                        queue.push(Reverse((pair, a)));
                    }
                }
            }
        }
        out.extend(ids.into_iter().filter(|id| *id != NONE));
    }
}

impl Model for Bpe {
    fn kind(&self) -> TokenizerKind {
        TokenizerKind::Bpe
    }

    fn encode(&self, text: &str, threads: usize, out: &mut Vec<u32>) -> Result<()> {
        if self.add_prefix_space && !text.starts_with(' ') {
            self.encode_over_threads(format!(" {text}").as_bytes(), threads, out)
        } else {
            self.encode_over_threads(text.as_bytes(), threads, out)
        }
    }

    fn encode_bytes(&self, bytes: &[u8], threads: usize) -> Option<Result<Vec<u32>>> {
        let mut out = Vec::new();
        (!self.add_prefix_space).then(|| self.encode_over_threads(bytes, threads, &mut out).map(|()| out))
    }

    fn token_bytes(&self, spelling: &str, _first: bool) -> Vec<u8> {
        unspell(spelling).unwrap_or_else(|| spelling.into())
    }

    fn merges(&self) -> &[Merge] {
        &self.merges
    }

    fn to_json(&self, vocab: Map<String, Value>, spellings: &[String]) -> ModelJson {
        let byte_level = json!({
            "type": "ByteLevel",
            "add_prefix_space": self.add_prefix_space,
            "trim_offsets": true,
            "use_regex": self.use_regex,
        });
        // "left right": bytes are spelled without spaces, and old versions read nothing else.
        let spell = |m: &Merge| format!("{} {}", spellings[m.left as usize], spellings[m.right as usize]);
        let model = json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": self.whole_words.is_some(),
            "vocab": vocab,
            "merges": self.merges.iter().map(spell).collect::<Vec<_>>(),
        });
        ModelJson { pre_tokenizer: byte_level.clone(), decoder: byte_level, model }
    }

    fn copy(&self) -> Box<dyn Model> {
        Box::new(Bpe {
            merges: self.merges.clone(),
            whole_words: self.whole_words.clone(),
            ranks: self.ranks.clone(),
            caches: Mutex::default(),
            ..*self
        })
    }
}

/// The token of each byte, and all tokens that text may become.
fn read_words(field: &Field, vocab: &Vocab) -> Result<([u32; 256], WholeWords)> {
    let mut byte_ids = [NONE; 256];
    let mut words = FxHashMap::default();
    for (spelling, id) in vocab.model_tokens() {
        let bytes = unspell(spelling);
        if let Some([byte]) = bytes.as_deref() {
            byte_ids[*byte as usize] = id;
        }
        if vocab.is_special(id) && spelling.chars().count() == 1 {
            return Err(field.error(format!("special token {} is also the token of a byte", quoted(spelling))));
        }
        match bytes {
            Some(bytes) if !vocab.is_special(id) => drop(words.insert(bytes.into(), id)),
            None if !vocab.is_added(id) => {
                let why = format!("token {} has a character that stands for no byte", quoted(spelling));
                return Err(field.error(why).help(SUPPORTED));
            }
            _ => {}
        }
    }
    Ok((byte_ids, words))
}

/// Reads one of `merges`; `None` for the line of the format's version that some files begin with.
fn read_merge(merge: &Field, vocab: &Vocab) -> Result<Option<Merge>> {
    let pair = match merge.value {
        Value::String(line) if line.starts_with("#version") => return Ok(None),
        Value::String(line) => line.split_once(' ').filter(|(_, right)| !right.contains(' ')),
        Value::Array(pair) => match &pair[..] {
            [Value::String(left), Value::String(right)] => Some((left.as_str(), right.as_str())),
            _ => None,
        },
        _ => None,
    };
    let (left, right) = pair.ok_or_else(|| merge.wrong("two tokens, \"a b\" or [\"a\", \"b\"]"))?;
    let id = |token: &str| {
        vocab.id(token).ok_or_else(|| merge.error(format!("token {} is not in model.vocab", quoted(token))))
    };
    let read = Merge { left: id(left)?, right: id(right)?, id: id(&[left, right].concat())? };
    if vocab.is_special(read.id) {
        let why = "builds a special token, so that ordinary text could become one";
        let help = "remove the merge, or make the token an ordinary one in added_tokens";
        return Err(merge.error(why).help(help));
    }
    Ok(Some(read))
}

/// Words of up to 15 bytes and their ids; emptied when full, so that it never grows beyond a few megabytes.
#[derive(Default)]
struct WordCache {
    /// A word's only id and 1, or where in `ids` its ids start and how many they are.
    places: FxHashMap<u128, (u32, u32)>,
    ids: Vec<u32>,
}

impl WordCache {
    const MOST_WORDS: usize = 1 << 15;

    /// The bytes of a word, and its length in the last byte.
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

    fn insert(&mut self, word: u128, ids: &[u32]) {
        if self.places.len() == Self::MOST_WORDS {
            self.places.clear();
            self.ids.clear();
        }
        let place = match ids {
            [id] => (*id, 1),
            _ => (self.ids.len() as u32, ids.len() as u32),
        };
        self.places.insert(word, place);
        if ids.len() > 1 {
            self.ids.extend_from_slice(ids);
        }
    }
}
