//! Interpolated Witten–Bell n-grams: what counting alone can do, and so what a network must beat.
//!
//! ```text
//! pₙ(w | h) = (c(h, w) + T(h)·pₙ₋₁(w | h′)) / (c(h) + T(h)),    p₀ = 1/V
//! ```
//!
//! h is the n−1 symbols before w, h′ is h without its oldest symbol, c counts in the training text, and T(h) is how
//! many different symbols followed h. A context never seen has c = T = 0 and gives pₙ = pₙ₋₁. Symbols are any ids:
//! characters or tokens. Source: Witten & Bell 1991; Chen & Goodman 1998, section 2.
//!
//! Contexts are numbered: the root is the empty context, and the child of a context by a symbol is the context one
//! symbol longer *into the past*. So one walk from the root, from the latest symbol back, meets every order.

use std::f64::consts::LN_2;

use crate::data::{Corpus, Prepared, split};
use crate::utils::{Error, Result};
use rustc_hash::FxHashMap;

/// A number for each pair of a context and a symbol.
type Table = FxHashMap<u64, u32>;

fn key(context: u32, symbol: u32) -> u64 {
    u64::from(context) << 32 | u64::from(symbol)
}

/// The counts of all orders up to some n.
#[derive(Clone, Debug)]
pub struct NGram {
    order: usize,
    vocab: usize,
    /// (context, older symbol) → the longer context.
    contexts: Table,
    /// (context, next symbol) → c(h, w).
    counts: Table,
    /// c(h) of each context.
    total: Vec<u32>,
    /// T(h) of each context.
    distinct: Vec<u32>,
}

impl NGram {
    /// Counts a text, for all orders up to `order`. `vocab` is V, how many symbols there are.
    ///
    /// Panics if `order` is 0.
    pub fn train(symbols: &[u32], order: usize, vocab: usize) -> NGram {
        assert!(order > 0, "ngram: order 0");
        let mut model = NGram {
            order,
            vocab,
            contexts: Table::default(),
            counts: Table::default(),
            total: vec![0],
            distinct: vec![0],
        };
        for (i, &symbol) in symbols.iter().enumerate() {
            let mut node = 0;
            for back in 0..order.min(i + 1) {
                if back > 0 {
                    let next = model.total.len() as u32;
                    node = *model.contexts.entry(key(node, symbols[i - back])).or_insert(next);
                    if node == next {
                        model.total.push(0);
                        model.distinct.push(0);
                    }
                }
                let count = model.counts.entry(key(node, symbol)).or_default();
                *count += 1;
                model.distinct[node as usize] += u32::from(*count == 1);
                model.total[node as usize] += 1;
            }
        }
        model
    }

    /// The largest n.
    pub fn order(&self) -> usize {
        self.order
    }

    /// V.
    pub fn vocab(&self) -> usize {
        self.vocab
    }

    /// Calls `each(n, c(h), T(h), context)` for n = 1, 2, … as long as the context of n − 1 symbols was seen.
    fn walk(&self, context: &[u32], mut each: impl FnMut(usize, f64, f64, u32)) {
        let mut node = 0;
        for n in 1..=self.order {
            each(n, f64::from(self.total[node as usize]), f64::from(self.distinct[node as usize]), node);
            let Some(&older) = context.len().checked_sub(n).and_then(|i| context.get(i)) else { return };
            let Some(&next) = self.contexts.get(&key(node, older)) else { return };
            node = next;
        }
    }

    /// pₙ(w | h) for the largest n that the context allows; only its last n − 1 symbols count.
    pub fn probability(&self, context: &[u32], symbol: u32) -> f64 {
        let mut p = 1.0 / self.vocab as f64;
        self.walk(context, |_, c, t, node| p = self.interpolate(p, c, t, node, symbol));
        p
    }

    fn interpolate(&self, lower: f64, c: f64, t: f64, node: u32, symbol: u32) -> f64 {
        if c + t == 0.0 {
            return lower;
        }
        let count = self.counts.get(&key(node, symbol)).copied().unwrap_or(0);
        (f64::from(count) + t * lower) / (c + t)
    }

    /// The probability of every symbol after a context: to sample from, or to look at. They sum to 1.
    pub fn next_distribution(&self, context: &[u32]) -> Vec<f64> {
        let mut p = vec![1.0 / self.vocab as f64; self.vocab];
        self.walk(context, |_, c, t, node| {
            for (symbol, p) in p.iter_mut().enumerate() {
                *p = self.interpolate(*p, c, t, node, symbol as u32);
            }
        });
        p
    }

    /// −Σ ln pₙ of a text, in nats, for n = 1 … order. Every symbol is scored; the first ones have short contexts.
    pub fn score(&self, symbols: &[u32]) -> Vec<f64> {
        let mut nats = vec![0.0; self.order];
        let mut p = vec![0.0; self.order];
        for (i, &symbol) in symbols.iter().enumerate() {
            let mut last = 1.0 / self.vocab as f64;
            let mut reached = 0;
            self.walk(&symbols[..i], |n, c, t, node| {
                last = self.interpolate(last, c, t, node, symbol);
                p[n - 1] = last;
                reached = n;
            });
            p[reached..].fill(last);
            for (nats, p) in nats.iter_mut().zip(&p) {
                *nats -= p.ln();
            }
        }
        nats
    }
}

/// One row of the table of baselines: an n-gram on the whole validation text.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Baseline {
    /// n.
    pub order: usize,
    /// Nats per symbol (character or token).
    pub nats_per_symbol: f64,
    /// Nats per character, absent if the text is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats_per_char: Option<f64>,
    /// Bits per byte: comparable over tokenizers and models.
    pub bits_per_byte: f64,
    /// e to the nats per symbol.
    pub perplexity: f64,
}

/// The baselines n = 1 … `order` of a validation text given as `val` symbols and as the bytes that they stand for.
pub fn baselines(train: &[u32], val: &[u32], val_bytes: &[u8], order: usize, vocab: usize) -> Result<Vec<Baseline>> {
    if order == 0 || order > 32 {
        return Err(Error::usage(format!("an n-gram of order {order} makes no sense"))
            .help("the order goes from 1 to 32; 5 is usual"));
    }
    if train.is_empty() || val.is_empty() {
        return Err(
            Error::new("the text is too short for a baseline").help("use a text of a few thousand characters or more")
        );
    }
    if let Some(bad) = train.iter().chain(val).find(|&&id| id as usize >= vocab) {
        return Err(Error::new(format!("id {bad} is outside the vocabulary of {vocab}")));
    }
    let chars = std::str::from_utf8(val_bytes).ok().map(|t| t.chars().count() as f64);
    let nats = NGram::train(train, order, vocab).score(val);
    let row = |(i, nats): (usize, f64)| Baseline {
        order: i + 1,
        nats_per_symbol: nats / val.len() as f64,
        nats_per_char: chars.map(|c| nats / c),
        bits_per_byte: nats / LN_2 / val_bytes.len() as f64,
        perplexity: (nats / val.len() as f64).exp(),
    };
    Ok(nats.into_iter().enumerate().map(row).collect())
}

/// A text as symbols without any tokenizer: its characters, or its bytes if it is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbols {
    /// The training text.
    pub train: Vec<u32>,
    /// The validation text.
    pub val: Vec<u32>,
    /// How many different characters both have together (256 for bytes).
    pub vocab: usize,
    /// "characters" or "bytes".
    pub what: &'static str,
}

/// The symbols of both parts of a split, numbered in the order of their code points.
pub fn characters(train: &[u8], val: &[u8]) -> Symbols {
    let (Ok(a), Ok(b)) = (str::from_utf8(train), str::from_utf8(val)) else {
        let bytes = |t: &[u8]| t.iter().map(|&b| u32::from(b)).collect();
        return Symbols { train: bytes(train), val: bytes(val), vocab: 256, what: "bytes" };
    };
    let mut number = vec![u32::MAX; char::MAX as usize + 1];
    for c in a.chars().chain(b.chars()) {
        number[c as usize] = 0;
    }
    let mut vocab = 0;
    for n in number.iter_mut().filter(|n| **n == 0) {
        *n = vocab;
        vocab += 1;
    }
    let ids = |t: &str| t.chars().map(|c| number[c as usize]).collect();
    Symbols { train: ids(a), val: ids(b), vocab: vocab as usize, what: "characters" }
}

/// The n-gram bars that a model has to clear on this text, as (name, bits per byte): the best over characters up to
/// order 5, and over the tokens up to order 3; on `val` if that is a text of its own. Empty for texts too long to count in a moment.
pub fn bars(corpus: &Corpus, val: Option<&Corpus>, prepared: &Prepared) -> Result<Vec<(String, f64)>> {
    const LONGEST: usize = 8 << 20;
    if corpus.bytes.len() > LONGEST {
        return Ok(Vec::new());
    }
    let (train, val) = match val {
        Some(val) => (&corpus.bytes[..], &val.bytes[..]),
        None => split(&corpus.bytes).map(|parts| (parts.train, parts.val))?,
    };
    let c = characters(train, val);
    let best = |what: &str, rows: Vec<Baseline>| {
        let best = rows.into_iter().min_by(|a, b| a.bits_per_byte.total_cmp(&b.bits_per_byte));
        best.map(|b| (format!("{what} {}-gram", b.order), b.bits_per_byte))
    };
    let chars = baselines(&c.train, &c.val, val, 5, c.vocab)?;
    let mut bars: Vec<_> = best(c.what.trim_end_matches('s'), chars).into_iter().collect();
    if prepared.tokenizer.kind() == crate::tokenizer::TokenizerKind::Bpe {
        let v = prepared.tokenizer.vocab_size();
        bars.extend(best("token", baselines(prepared.train.tokens(), prepared.val.tokens(), val, 3, v)?));
    }
    Ok(bars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{corpus, split};

    fn ids(text: &str) -> Vec<u32> {
        text.bytes().map(|b| u32::from(b - b'a')).collect()
    }

    /// "abab" over {a, b, c}, by hand. p₁(a) = (2 + 2/3)/(4 + 2) = 4/9 = p₁(b), p₁(c) = 1/9.
    /// After a: c(a) = 2, both times b: p₂(b|a) = (2 + 4/9)/3 = 22/27, p₂(a|a) = 4/27, p₂(c|a) = 1/27.
    /// After b: c(b) = 1 (the last b has no follower): p₂(a|b) = (1 + 4/9)/2 = 13/18.
    #[test]
    fn a_bigram_worked_out_by_hand() {
        let model = NGram::train(&ids("abab"), 2, 3);
        let close = |p: f64, q: f64| assert!((p - q).abs() < 1e-15, "{p} ≠ {q}");
        close(model.probability(&[], 0), 4.0 / 9.0);
        close(model.probability(&[], 2), 1.0 / 9.0);
        close(model.probability(&ids("a"), 1), 22.0 / 27.0);
        close(model.probability(&ids("ba"), 0), 4.0 / 27.0);
        close(model.probability(&ids("a"), 2), 1.0 / 27.0);
        close(model.probability(&ids("b"), 0), 13.0 / 18.0);
        close(model.probability(&ids("c"), 1), 4.0 / 9.0);
        let nats = model.score(&ids("ba"));
        close(nats[0], -2.0 * (4.0f64 / 9.0).ln());
        close(nats[1], -(4.0f64 / 9.0).ln() - (13.0f64 / 18.0).ln());
    }

    #[test]
    fn probabilities_sum_to_one_after_any_context() {
        let text = ids("thequickbrownfoxjumpsoverthelazydogthequickfox");
        for order in 1..7 {
            let model = NGram::train(&text, order, 26);
            for context in ["", "t", "the", "quickbrown", "zzzz", "xjq", "ick"] {
                let p = model.next_distribution(&ids(context));
                assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                for w in 0..26 {
                    assert_eq!(p[w as usize], model.probability(&ids(context), w));
                }
            }
        }
    }

    /// The table against counting by looking through the text, for every order and position.
    #[test]
    fn the_fast_counts_are_those_of_a_naive_search() {
        fn naive(train: &[u32], context: &[u32], w: u32, n: usize, vocab: usize) -> f64 {
            if n == 0 {
                return 1.0 / vocab as f64;
            }
            if context.len() < n - 1 {
                return naive(train, context, w, n - 1, vocab);
            }
            let h = &context[context.len() + 1 - n..];
            let followers: Vec<u32> = train.windows(n).filter(|g| g[..n - 1] == *h).map(|g| g[n - 1]).collect();
            let mut kinds = followers.clone();
            kinds.sort_unstable();
            kinds.dedup();
            let lower = naive(train, context, w, n - 1, vocab);
            let (c, t) = (followers.len() as f64, kinds.len() as f64);
            if c == 0.0 { lower } else { (followers.iter().filter(|&&f| f == w).count() as f64 + t * lower) / (c + t) }
        }
        let train: Vec<u32> = (0..400u64).map(|i| (i * i * 7 / 5 % 11 % 4) as u32).collect();
        let val: Vec<u32> = (0..60u64).map(|i| (i * i * 3 / 7 % 13 % 5) as u32).collect();
        let nats = NGram::train(&train, 5, 5).score(&val);
        for n in 1..=5 {
            let expected: f64 = (0..val.len()).map(|i| -naive(&train, &val[..i], val[i], n, 5).ln()).sum();
            assert!((nats[n - 1] - expected).abs() < 1e-9, "n {n}: {} ≠ {expected}", nats[n - 1]);
        }
    }

    #[test]
    fn the_embedded_corpus_has_these_baselines() {
        let s = split(corpus::EMBEDDED.as_bytes()).unwrap();
        let symbols = characters(s.train, s.val);
        assert_eq!((symbols.vocab, symbols.what), (62, "characters"));
        let rows = baselines(&symbols.train, &symbols.val, s.val, 5, symbols.vocab).unwrap();
        let nats: Vec<String> = rows.iter().map(|r| format!("{:.4}", r.nats_per_symbol)).collect();
        assert_eq!(nats, GOLDEN);
        for r in &rows {
            assert_eq!(r.nats_per_char, Some(r.nats_per_symbol));
            assert!((r.bits_per_byte - r.nats_per_symbol / LN_2).abs() < 1e-12);
        }
    }

    const GOLDEN: [&str; 5] = ["3.3476", "2.5034", "2.1147", "1.8788", "1.8069"];

    #[test]
    fn characters_are_numbered_over_the_whole_text_and_bytes_stand_in() {
        let s = characters("béa".as_bytes(), "zé".as_bytes());
        assert_eq!(s, Symbols { train: vec![1, 3, 0], val: vec![2, 3], vocab: 4, what: "characters" });
        assert_eq!(characters(b"a\xff", b"b").vocab, 256);
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(baselines(&[0], &[0], b"a", 0, 1).unwrap_err().exit_code(), 2);
        assert!(baselines(&[], &[0], b"a", 2, 1).is_err());
        assert!(baselines(&[0], &[7], b"a", 2, 1).is_err());
    }
}
