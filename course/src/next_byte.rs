//! Which *byte* comes next, from a model that predicts tokens: what it takes to let it play letter by letter.
//!
//! A text can be cut into tokens in many ways, and nobody sees a token before its last letter. So the probability that
//! a text begins with given bytes is a sum over all ways to cut them:
//!
//! ```text
//! p(bytes) = Σ p(t₁) · p(t₂ | t₁) · … · p(tₖ | t₁ … tₖ₋₁)     over t₁ … tₖ of which only tₖ may reach beyond the bytes
//! p(next | bytes) = p(bytes + next) / p(bytes)
//! ```
//!
//! Looking at the tokens of the whole text instead would be cheating: that a token ends *here* tells what does not follow.

use motamot_kernels::activation::exp;

use motamot::generation::{Cache, CausalModel, TextCodec, start_tokens};
use motamot::utils::{Error, Result};

/// A cut of the text into whole tokens, up to `end`; the bytes from there on begin a token that is not finished.
struct Cut {
    tokens: Vec<u32>,
    end: usize,
    /// Its share of all cuts of the text.
    weight: f64,
    /// Probabilities (V) of the token after `tokens`.
    next: Vec<f32>,
}

/// Reads a text byte by byte; before each one, [`NextByte::distribution`] says what is expected.
pub struct NextByte<'m, M: CausalModel> {
    model: &'m M,
    cache: M::Cache,
    /// The tokens that the cache holds.
    cached: Vec<u32>,
    /// All tokens that stand for text, sorted by their bytes.
    spelled: Vec<(Vec<u8>, u32)>,
    cuts: Vec<Cut>,
    /// The bytes since the beginning of the oldest token in progress.
    text: Vec<u8>,
    least: f64,
}

impl<'m, M: CausalModel> NextByte<'m, M> {
    /// Before the first byte. Cuts with a share below `least` are given up, but for the likeliest
    /// that ends at the last byte: 0 keeps them all, which is exact and slow.
    pub fn new(model: &'m M, codec: &impl TextCodec, least: f64) -> Result<NextByte<'m, M>> {
        let ids = 0..codec.vocab_size().min(model.vocab_size()) as u32;
        let words = ids.filter(|&id| !codec.is_special(id)).map(|id| (codec.token_bytes(id).into_owned(), id));
        let mut spelled: Vec<(Vec<u8>, u32)> = words.filter(|word| !word.0.is_empty()).collect();
        spelled.sort_unstable();
        let (cache, cached, text) = (model.new_cache(1), Vec::new(), Vec::new());
        let mut reader = NextByte { model, cache, cached, spelled, cuts: Vec::new(), text, least };
        let tokens = start_tokens(codec, "")?;
        let next = reader.after(&tokens);
        reader.cuts.push(Cut { tokens, end: 0, weight: 1.0, next });
        Ok(reader)
    }

    /// The probability of each byte.
    pub fn distribution(&self) -> [f64; 256] {
        let mut p = [0.0; 256];
        for cut in &self.cuts {
            let begun = &self.text[cut.end..];
            for (bytes, id) in beginning_with(&self.spelled, begun) {
                if let Some(&byte) = bytes.get(begun.len()) {
                    p[usize::from(byte)] += cut.weight * f64::from(cut.next[*id as usize]);
                }
            }
        }
        let all: f64 = p.iter().sum();
        p.map(|p| p / all)
    }

    /// Reads a byte. An error if no token of the model can go on with it.
    pub fn push(&mut self, byte: u8) -> Result<()> {
        self.text.push(byte);
        // Each cut either goes on inside its token, or this byte ends it: then there is a longer cut, too.
        let mut longer: Vec<(usize, u32, f64)> = Vec::new();
        let mut going_on: Vec<f64> = Vec::new();
        for (i, cut) in self.cuts.iter().enumerate() {
            let begun = &self.text[cut.end..];
            let mut share = 0.0;
            for (bytes, id) in beginning_with(&self.spelled, begun) {
                let p = cut.weight * f64::from(cut.next[*id as usize]);
                if bytes.len() == begun.len() { longer.push((i, *id, p)) } else { share += p }
            }
            going_on.push(share);
        }
        let all = longer.iter().map(|l| l.2).sum::<f64>() + going_on.iter().sum::<f64>();
        if all.is_nan() || all <= 0.0 {
            return Err(Error::new(format!("byte {byte:#04x}: no token of the model goes on with it"))
                .help("give a text in the alphabet that the model was trained on"));
        }
        let least = self.least * all;
        // The likeliest of those that end here always stays: any byte may follow it, however surprising.
        let likeliest = longer.iter().map(|l| l.2).fold(0.0, f64::max);
        longer.retain(|l| l.2 > 0.0 && l.2 >= least.min(likeliest));
        let mut cuts: Vec<Cut> = Vec::new();
        for (i, id, weight) in longer {
            let mut tokens = self.cuts[i].tokens.clone();
            tokens.push(id);
            // As a decoder does it: where the window is full, its older half goes.
            let context = self.model.context();
            if tokens.len() > context {
                tokens.drain(..tokens.len() - (context / 2).max(1));
            }
            let next = self.after(&tokens);
            cuts.push(Cut { tokens, end: self.text.len(), weight, next });
        }
        let mut share = going_on.iter();
        self.cuts.retain(|_| share.next().is_some_and(|&s| s > 0.0 && s >= least));
        self.cuts.append(&mut cuts);
        // Shares again, or they would soon be too small for a number. A cut that goes on has its weight, not its share,
        // as a factor: what is divided by is the same for all.
        self.cuts.iter_mut().for_each(|cut| cut.weight /= all);
        let oldest = self.cuts.iter().map(|cut| cut.end).min().unwrap_or(0);
        self.text.drain(..oldest);
        self.cuts.iter_mut().for_each(|cut| cut.end -= oldest);
        Ok(())
    }

    /// Probabilities of the token after these, with as much of the cache as still holds.
    fn after(&mut self, tokens: &[u32]) -> Vec<f32> {
        let same = self.cached.iter().zip(tokens).take_while(|(a, b)| a == b).count().min(tokens.len() - 1);
        self.cache.truncate(0, same);
        let mut p = Vec::new();
        self.model.next_logits(&[0], &tokens[same..], &mut self.cache, &mut p);
        self.cached.truncate(same);
        self.cached.extend_from_slice(&tokens[same..]);
        let highest = p.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let below: Vec<f32> = p.iter().map(|x| x - highest).collect();
        exp(&below, &mut p);
        let all: f64 = p.iter().map(|&x| f64::from(x)).sum();
        p.iter_mut().for_each(|x| *x = (f64::from(*x) / all) as f32);
        p
    }
}

/// The tokens whose bytes begin with these.
fn beginning_with<'a>(spelled: &'a [(Vec<u8>, u32)], begun: &[u8]) -> &'a [(Vec<u8>, u32)] {
    let from = spelled.partition_point(|word| word.0.as_slice() < begun);
    let rest = &spelled[from..];
    &rest[..rest.partition_point(|word| word.0.starts_with(begun))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toys::toy::{Bytes, Toy, bigram, hashed};
    use std::borrow::Cow;

    /// Words over two letters, which can be cut in many ways; the last one is special.
    struct Words;
    const WORDS: [&str; 7] = ["a", "b", "ab", "ba", "aab", "bab", "<|endoftext|>"];

    impl TextCodec for Words {
        fn vocab_size(&self) -> usize {
            WORDS.len()
        }
        fn encode(&self, text: &str) -> Result<Vec<u32>> {
            Ok(text.bytes().map(|b| u32::from(b - b'a')).collect())
        }
        fn token_bytes(&self, id: u32) -> Cow<'_, [u8]> {
            Cow::Borrowed(WORDS[id as usize].as_bytes())
        }
        fn start(&self) -> Option<u32> {
            self.special("<|endoftext|>")
        }
        fn special(&self, name: &str) -> Option<u32> {
            WORDS.iter().position(|word| *word == name).map(|i| i as u32)
        }
        fn is_special(&self, id: u32) -> bool {
            id == 6
        }
    }

    /// p(text), by trying every sequence of tokens.
    fn all_ways(logits: &impl Fn(&[u32]) -> Vec<f32>, seen: &mut Vec<u32>, left: &str) -> f64 {
        if left.is_empty() {
            return 1.0;
        }
        let weights: Vec<f64> = logits(seen).iter().map(|&l| f64::from(l).exp()).collect();
        let all: f64 = weights.iter().sum();
        let mut total = 0.0;
        for (id, word) in WORDS[..6].iter().enumerate() {
            let p = weights[id] / all;
            if word.starts_with(left) {
                total += p;
            } else if let Some(rest) = left.strip_prefix(word) {
                seen.push(id as u32);
                total += p * all_ways(logits, seen, rest);
                seen.pop();
            }
        }
        total
    }

    #[test]
    fn a_byte_has_the_probability_of_all_ways_to_cut() {
        let toy = hashed(7, 64);
        let mut reader = NextByte::new(&toy, &Words, 0.0).unwrap();
        let text = "abaabbabaabab";
        for i in 0..text.len() {
            let p = |left: &str| all_ways(&toy.logits, &mut vec![6], left);
            let (a, b) = (p(&format!("{}a", &text[..i])), p(&format!("{}b", &text[..i])));
            let found = reader.distribution();
            assert!((found[usize::from(b'a')] - a / (a + b)).abs() < 1e-6, "byte {i}: {a} {b} {found:?}");
            assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            reader.push(text.as_bytes()[i]).unwrap();
        }
    }

    #[test]
    fn giving_up_unlikely_cuts_changes_little_and_keeps_few() {
        let toy = hashed(7, 64);
        let (mut exact, mut fast) =
            (NextByte::new(&toy, &Words, 0.0).unwrap(), NextByte::new(&toy, &Words, 1e-3).unwrap());
        let mut kept = (0, 0);
        for &byte in b"abaabbabaababbbaab" {
            let (p, q) = (exact.distribution(), fast.distribution());
            assert!(p.iter().zip(&q).all(|(p, q)| (p - q).abs() < 0.1));
            exact.push(byte).unwrap();
            fast.push(byte).unwrap();
            kept = (kept.0.max(exact.cuts.len()), kept.1.max(fast.cuts.len()));
        }
        assert!(kept.0 > 2 * kept.1, "{kept:?}");
    }

    #[test]
    fn one_token_a_byte_is_the_model_itself_whatever_the_window() {
        let table: Vec<Vec<f32>> = (0..261).map(|i| (0..261).map(|j| ((i * j) % 7) as f32 / 2.0).collect()).collect();
        let toy = bigram(table.clone(), 4);
        let mut reader = NextByte::new(&toy, &Bytes, 1e-3).unwrap();
        for &byte in b"a longer text than the window" {
            reader.push(byte).unwrap();
            let row: Vec<f64> = table[usize::from(byte)][..256].iter().map(|&l| f64::from(l).exp()).collect();
            let all: f64 = row.iter().sum();
            assert!(reader.distribution().iter().zip(&row).all(|(p, w)| (p - w / all).abs() < 1e-6));
        }
    }

    #[test]
    fn a_byte_that_needs_an_unlikely_cut_can_still_come() {
        // "ab" is nearly certain, so the cut that ends after "a" has next to no share; and then an "a" comes.
        let logits = |_: &[u32]| WORDS.iter().map(|word| if *word == "ab" { 20.0 } else { 0.0 }).collect::<Vec<f32>>();
        let toy = Toy { vocab: 7, context: 64, logits };
        let mut reader = NextByte::new(&toy, &Words, 0.01).unwrap();
        reader.push(b'a').unwrap();
        let p = reader.distribution();
        assert!(p[usize::from(b'a')] > 0.0 && p[usize::from(b'b')] > 0.99);
        reader.push(b'a').unwrap();
    }

    #[test]
    fn a_byte_without_a_token_is_an_error() {
        let toy = hashed(7, 64);
        let mut reader = NextByte::new(&toy, &Words, 0.0).unwrap();
        let error = reader.push(b'c').err().unwrap();
        assert!(error.to_string().contains("0x63") && error.help_line().is_some());
    }
}
