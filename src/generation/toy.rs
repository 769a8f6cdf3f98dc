//! Toy models and a byte tokenizer for the tests of this module, of the course and of the command, which
//! include this file in a module `toys` of their own.

use std::borrow::Cow;

use super::{Cache, CausalModel, Result, TextCodec};

/// A cache that is just the tokens.
pub struct Tokens(pub Vec<Vec<u32>>);

impl Cache for Tokens {
    fn push_row(&mut self) -> usize {
        self.0.push(Vec::new());
        self.0.len() - 1
    }

    fn truncate(&mut self, row: usize, len: usize) {
        self.0[row].truncate(len);
    }

    fn copy_row(&mut self, from: usize, to: usize) {
        self.0[to] = self.0[from].clone();
    }
}

/// A language model made of a function from the visible tokens to logits.
pub struct Toy<F> {
    pub vocab: usize,
    pub context: usize,
    pub logits: F,
}

impl<F: Fn(&[u32]) -> Vec<f32>> CausalModel for Toy<F> {
    type Cache = Tokens;

    fn vocab_size(&self) -> usize {
        self.vocab
    }

    fn context(&self) -> usize {
        self.context
    }

    fn new_cache(&self, rows: usize) -> Tokens {
        Tokens(vec![Vec::new(); rows])
    }

    fn next_logits(&self, rows: &[usize], tokens: &[u32], cache: &mut Tokens, logits: &mut Vec<f32>) {
        let n = tokens.len() / rows.len();
        assert!(n > 0 && tokens.len() == n * rows.len(), "{} tokens for {} rows", tokens.len(), rows.len());
        logits.clear();
        for (row, new) in rows.iter().zip(tokens.chunks(n)) {
            let row = &mut cache.0[*row];
            row.extend_from_slice(new);
            assert!(row.len() <= self.context, "{} tokens exceed the context {}", row.len(), self.context);
            logits.extend((self.logits)(row));
        }
    }
}

/// Logits in −3…3 that depend on every visible token and its place: a window that is off by one changes them all.
pub fn hashed(vocab: usize, context: usize) -> Toy<impl Fn(&[u32]) -> Vec<f32>> {
    let mix = |h: u64| {
        let h = (h ^ (h >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        h ^ (h >> 29)
    };
    let logits = move |seen: &[u32]| {
        let h = seen.iter().fold(seen.len() as u64, |h, &t| mix(h.wrapping_mul(31) + u64::from(t) + 1));
        (0..vocab as u64).map(|j| (mix(h + 7 * j) >> 40) as f32 / (1 << 24) as f32 * 6.0 - 3.0).collect()
    };
    Toy { vocab, context, logits }
}

/// logits(next) = table[last token].
pub fn bigram(table: Vec<Vec<f32>>, context: usize) -> Toy<impl Fn(&[u32]) -> Vec<f32>> {
    Toy { vocab: table.len(), context, logits: move |seen: &[u32]| table[seen[seen.len() - 1] as usize].clone() }
}

/// A model that says `script` after the last place where `cue` stands, byte by byte, and then `end`.
pub fn parrot(cue: &'static str, script: &'static str, context: usize, end: u32) -> Toy<impl Fn(&[u32]) -> Vec<f32>> {
    let logits = move |seen: &[u32]| {
        let text: Vec<u8> = seen.iter().flat_map(|&t| Bytes.token_bytes(t).into_owned()).collect();
        let said =
            text.windows(cue.len()).rposition(|w| w == cue.as_bytes()).map_or(0, |at| text.len() - at - cue.len());
        let next = script.as_bytes().get(said).map_or(end, |&b| u32::from(b));
        (0..261).map(|j| if j == next { 50.0 } else { 0.0 }).collect()
    };
    Toy { vocab: 261, context, logits }
}

/// One token per byte, and the five special tokens of the project after them.
pub struct Bytes;

/// The special tokens of [`Bytes`]: ids 256 to 260.
pub const SPECIALS: [&str; 5] = ["<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"];

impl TextCodec for Bytes {
    fn vocab_size(&self) -> usize {
        261
    }

    fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(text.bytes().map(u32::from).collect())
    }

    fn token_bytes(&self, id: u32) -> Cow<'_, [u8]> {
        match id {
            0..256 => Cow::Owned(vec![id as u8]),
            256..261 => Cow::Borrowed(SPECIALS[id as usize - 256].as_bytes()),
            _ => Cow::Borrowed(&[]),
        }
    }

    fn special(&self, name: &str) -> Option<u32> {
        SPECIALS.iter().position(|s| *s == name).map(|i| i as u32 + 256)
    }

    fn is_special(&self, id: u32) -> bool {
        (256..261).contains(&id)
    }
}
