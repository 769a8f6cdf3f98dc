//! Exercise 01.2: the pair to merge next, for BPE and for WordPiece.

use std::collections::BTreeMap;

use crate::catalogue::text;
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
use crate::check::trial::Outcome;
use motamot_kernels::rng::Rng;

type Input = (Words, bool);
type Pair = (String, String);
type Known = Mistake<'static, Input, Pair>;

/// Words as pieces, each with how often it occurs.
type Words = Vec<(Vec<String>, u64)>;

/// How the score of a pair is made, from its count, those of its halves, and whether WordPiece is asked for.
struct Scoring {
    score: fn(f64, f64, f64, bool) -> f64,
    weighted_pairs: bool,
    weighted_pieces: bool,
    once_a_word: bool,
    /// f(a) counts a on the left of a pair only, f(b) b on the right.
    as_halves: bool,
    last: bool,
}

const SCORING: Scoring = Scoring {
    score: |ab, a, b, wordpiece| if wordpiece { ab / (a * b) } else { ab },
    weighted_pairs: true,
    weighted_pieces: true,
    once_a_word: false,
    as_halves: false,
    last: false,
};

impl Scoring {
    /// The pairs in the order of the text, each with its score.
    fn scores(&self, words: &Words, wordpiece: bool) -> Vec<((String, String), f64)> {
        let mut pairs: Vec<((String, String), f64)> = Vec::new();
        let (mut left, mut right): (BTreeMap<&str, f64>, BTreeMap<&str, f64>) = Default::default();
        for (pieces, n) in words {
            let of_piece = if self.weighted_pieces { *n as f64 } else { 1.0 };
            for (i, piece) in pieces.iter().enumerate() {
                if !self.as_halves || i + 1 < pieces.len() {
                    *left.entry(piece).or_default() += of_piece;
                }
                if !self.as_halves || i > 0 {
                    *right.entry(piece).or_default() += of_piece;
                }
            }
            let of_pair = if self.weighted_pairs { *n as f64 } else { 1.0 };
            for (i, p) in pieces.windows(2).enumerate() {
                let again = pieces.windows(2).take(i).any(|q| q == p);
                let add = if self.once_a_word && again { 0.0 } else { of_pair };
                match pairs.iter_mut().find(|(q, _)| q.0 == p[0] && q.1 == p[1]) {
                    Some((_, count)) => *count += add,
                    None => pairs.push(((p[0].clone(), p[1].clone()), add)),
                }
            }
        }
        for (pair, count) in &mut pairs {
            *count = (self.score)(*count, left[pair.0.as_str()], right[pair.1.as_str()], wordpiece);
        }
        pairs
    }

    fn best(&self, words: &Words, wordpiece: bool) -> (String, String) {
        let mut best: Option<((String, String), f64)> = None;
        for (pair, score) in self.scores(words, wordpiece) {
            if best.as_ref().is_none_or(|b| score > b.1 || self.last && score == b.1) {
                best = Some((pair, score));
            }
        }
        best.map(|b| b.0).unwrap_or_default()
    }
}

/// Merges a pair everywhere; a right half loses its `##`.
fn merge_pieces(words: &mut Words, pair: &(String, String)) {
    for (pieces, _) in words {
        let mut i = 0;
        while i + 1 < pieces.len() {
            if pieces[i] == pair.0 && pieces[i + 1] == pair.1 {
                let tail = pieces.remove(i + 1);
                pieces[i].push_str(tail.strip_prefix("##").unwrap_or(&tail));
            }
            i += 1;
        }
    }
}

fn in_pieces(words: &[(&str, u64)], wordpiece: bool) -> Words {
    let piece = |(i, c): (usize, char)| if i > 0 && wordpiece { format!("##{c}") } else { c.to_string() };
    words.iter().map(|(w, n)| (w.chars().enumerate().map(piece).collect(), *n)).collect()
}

fn shown(words: &Words) -> String {
    let words: Vec<String> = words.iter().map(|(p, n)| format!("{} ×{n}", p.join(" "))).collect();
    words.join(", ")
}

/// Exercise 01.2: the pair to merge next. `f(words, wordpiece)`: words as pieces and how often each occurs; the score
/// is the pair's count for BPE, count / (f(a) · f(b)) for WordPiece; of equal scores the first in the text. Two empty
/// strings if there is no pair.
pub fn best_pair(f: impl Fn(&[(Vec<String>, u64)], bool) -> (String, String)) -> Report {
    exercise().check(|(words, wordpiece)| f(words, *wordpiece))
}

fn inputs() -> Vec<Input> {
    const CORPUS: [(&str, u64); 5] = [("hug", 10), ("pug", 5), ("pun", 12), ("bun", 4), ("hugs", 5)];
    let mut inputs: Vec<Input> = Vec::new();
    for wordpiece in [false, true] {
        let mut words = in_pieces(&CORPUS, wordpiece);
        for _ in 0..3 {
            inputs.push((words.clone(), wordpiece));
            let pair = SCORING.best(&words, wordpiece);
            merge_pieces(&mut words, &pair);
        }
    }
    let mut rng = Rng::new(12);
    // Where scores tie, the order in which one divides would decide; counts tie exactly.
    let clear = |words: &Words| {
        let scores: Vec<f64> = SCORING.scores(words, true).into_iter().map(|s| s.1).collect();
        let top = scores.iter().copied().fold(0.0, f64::max);
        scores.iter().filter(|&&s| s > top * (1.0 - 1e-9)).count() == 1
    };
    while inputs.len() < 46 {
        let round = inputs.len();
        let mut text = Vec::new();
        for _ in 0..3 + rng.below(5) {
            let word: String = (0..2 + rng.below(6)).map(|_| (b'a' + rng.below(4) as u8) as char).collect();
            text.push((word, 1 + rng.below(12) as u64));
        }
        let text: Vec<(&str, u64)> = text.iter().map(|(w, n)| (w.as_str(), *n)).collect();
        let words = in_pieces(&text, round.is_multiple_of(2));
        if clear(&words) {
            inputs.push((words, round.is_multiple_of(2)));
        }
    }
    // Scores that differ by less than a thousandth: whole numbers do not tell them apart.
    let close = in_pieces(&[("ab", 20), ("cd", 21), ("a", 25), ("c", 23)], true);
    inputs.push((close, true));
    // No pair at all: a word of one letter, no word.
    for wordpiece in [false, true] {
        inputs.push((in_pieces(&[("a", 3)], wordpiece), wordpiece));
        inputs.push((vec![], wordpiece));
    }
    inputs
}

/// Any pair of the highest score: a matter of ties, or of rounding.
fn one_of_the_best((words, wordpiece): &Input, got: &Pair) -> bool {
    let scores = SCORING.scores(words, *wordpiece);
    let top = scores.iter().map(|s| s.1).fold(f64::NEG_INFINITY, f64::max);
    scores.iter().any(|(pair, score)| pair == got && (score - top).abs() <= 1e-12 * top)
}

fn exercise() -> Exercise<'static, Input, Pair> {
    Exercise {
        id: "01.2",
        inputs: inputs(),
        solution: Box::new(|(words, wordpiece)| SCORING.best(words, *wordpiece)),
        tell: |(words, wordpiece)| {
            format!("[{}] ({})", shown(words), if *wordpiece { "WordPiece" } else { "BPE" }).into()
        },
        hint: |(words, wordpiece), got| {
            let scores = SCORING.scores(words, *wordpiece);
            if scores.is_empty() {
                return text("01.2.hint-no-pair");
            }
            match scores.iter().find(|(pair, _)| pair == got) {
                Some((_, score)) => text("01.2.hint").with("score", format!("{score:.4}")),
                None => text("01.2.hint-not-there"),
            }
        },
        mistakes: mistakes(),
    }
}

fn mistakes() -> Vec<Known> {
    let variant = |s: Scoring| move |(words, wordpiece): &Input| s.best(words, *wordpiece);
    vec![
        Known::new("count-for-wordpiece", variant(Scoring { score: |ab, _, _, _| ab, ..SCORING })),
        Known::new("score-for-bpe", variant(Scoring { score: |ab, a, b, _| ab / (a * b), ..SCORING })),
        Known::new("score-for-bpe", variant(Scoring { score: |ab, a, b, _| ab / a / b, ..SCORING })),
        Known::new("swapped", variant(Scoring { score: |ab, a, b, w| if w { ab } else { ab / (a * b) }, ..SCORING })),
        Known::new(
            "divided-by-sum",
            variant(Scoring { score: |ab, a, b, w| if w { ab / (a + b) } else { ab }, ..SCORING }),
        ),
        Known::new("divided-by-left", variant(Scoring { score: |ab, a, _, w| if w { ab / a } else { ab }, ..SCORING })),
        Known::new(
            "divided-by-right",
            variant(Scoring { score: |ab, _, b, w| if w { ab / b } else { ab }, ..SCORING }),
        ),
        Known::new("precedence", variant(Scoring { score: |ab, a, b, w| if w { ab / a * b } else { ab }, ..SCORING })),
        Known::new("multiplied", variant(Scoring { score: |ab, a, b, w| if w { ab * a * b } else { ab }, ..SCORING })),
        Known::new(
            "integer-division",
            variant(Scoring { score: |ab, a, b, w| if w { (ab / (a * b)).floor() } else { ab }, ..SCORING }),
        ),
        Known::new(
            "square-root",
            variant(Scoring { score: |ab, a, b, w| if w { ab / (a * b).sqrt() } else { ab }, ..SCORING }),
        ),
        Known::new(
            "word-counts-ignored",
            variant(Scoring { weighted_pairs: false, weighted_pieces: false, ..SCORING }),
        ),
        Known::new("piece-counts-unweighted", variant(Scoring { weighted_pieces: false, ..SCORING })),
        Known::new("pair-counts-unweighted", variant(Scoring { weighted_pairs: false, ..SCORING })),
        Known::new("pieces-counted-in-pairs", variant(Scoring { as_halves: true, ..SCORING })),
        Known::new("once-per-word", variant(Scoring { once_a_word: true, ..SCORING })),
        Known::new(
            "lowest-score",
            variant(Scoring { score: |ab, a, b, w| if w { -ab / (a * b) } else { -ab }, ..SCORING }),
        ),
        Known::new("tie-last", variant(Scoring { last: true, ..SCORING })),
        Known::new("halves-swapped", |(words, wordpiece)| {
            let (a, b) = SCORING.best(words, *wordpiece);
            (b, a)
        }),
        Known::new("hashes-removed", |(words, wordpiece)| {
            let (a, b) = SCORING.best(words, *wordpiece);
            let bare = |s: String| s.trim_start_matches("##").to_owned();
            (a, bare(b))
        }),
        Known::new(
            "score-inverted",
            variant(Scoring { score: |ab, a, b, w| if w { a * b / ab } else { ab }, ..SCORING }),
        ),
        Known::new("pairs-across-words", |(words, wordpiece)| {
            let flat = words.iter().flat_map(|(p, n)| vec![p.clone(); *n as usize].concat()).collect();
            SCORING.best(&vec![(flat, 1)], *wordpiece)
        }),
        Known::seen("tie-not-first", |tries| {
            tries.wrong().all(|(input, answer, _)| match answer {
                Outcome::Value(got) => one_of_the_best(input, got),
                _ => false,
            })
        }),
        Known::seen("no-pair", |tries| {
            tries.only_wrong_where(|(words, _)| words.iter().all(|(pieces, _)| pieces.len() < 2))
        }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::exercise::testing::{helpful, named};

    #[test]
    fn both_sides() {
        exercise().assert_both_sides();
        let integer = |ab: f64, a: f64, b: f64, w: bool| if w { (ab as u64 / (a * b) as u64) as f64 } else { ab };
        named(&with(Scoring { score: integer, ..SCORING }), "integer-division");
    }

    fn with(s: Scoring) -> Report {
        best_pair(move |words, wordpiece| s.best(&words.to_vec(), wordpiece))
    }

    #[test]
    fn ties_and_texts_without_a_pair() {
        let smallest = |words: &[(Vec<String>, u64)], wordpiece: bool| {
            let scores = SCORING.scores(&words.to_vec(), wordpiece);
            let top = scores.iter().map(|s| s.1).fold(0.0, f64::max);
            scores.into_iter().filter(|s| s.1 == top).map(|s| s.0).min().unwrap_or_default()
        };
        named(&best_pair(smallest), "tie-not-first");
        let first = |words: &[(Vec<String>, u64)], wordpiece: bool| {
            let _ = &words[0].0[1];
            SCORING.best(&words.to_vec(), wordpiece)
        };
        named(&best_pair(first), "no-pair");
        let some = |words: &[(Vec<String>, u64)], wordpiece: bool| {
            let pair = SCORING.best(&words.to_vec(), wordpiece);
            if pair.0.is_empty() { ("a".into(), "b".into()) } else { pair }
        };
        named(&best_pair(some), "no-pair");
    }

    #[test]
    fn hug_pug_pun_is_merged_as_the_library_does() {
        let corpus = [("hug", 10), ("pug", 5), ("pun", 12), ("bun", 4), ("hugs", 5)];
        for (wordpiece, expected) in [(false, ["ug", "un", "hug"]), (true, ["##gs", "hu", "hugs"])] {
            let mut words = in_pieces(&corpus, wordpiece);
            for merged in expected {
                let pair = SCORING.best(&words, wordpiece);
                merge_pieces(&mut words, &pair);
                assert!(words.iter().any(|(pieces, _)| pieces.iter().any(|p| p == merged)), "{merged}: {words:?}");
            }
        }
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        type Score = (&'static str, fn(f64, f64, f64, bool) -> f64);
        let scores: [Score; 8] = [
            ("minimum", |ab, a, b, w| if w { ab / a.min(b) } else { ab }),
            ("maximum", |ab, a, b, w| if w { ab / a.max(b) } else { ab }),
            ("square", |ab, a, b, w| if w { ab / (a * b * a * b) } else { ab }),
            ("difference", |ab, a, b, w| if w { ab - a * b } else { ab }),
            ("without the pair", |_, a, b, w| if w { 1.0 / (a * b) } else { a * b }),
            ("one for all", |_, _, _, _| 1.0),
            ("added", |ab, a, b, _| ab + a + b),
            ("plus one", |ab, a, b, w| if w { (ab + 1.0) / (a * b + 1.0) } else { ab }),
        ];
        for (what, score) in scores {
            helpful(what, &with(Scoring { score, ..SCORING }));
        }
        helpful("two mistakes", &with(Scoring { weighted_pairs: false, as_halves: true, ..SCORING }));
        helpful("letters", &best_pair(|_, _| ("a".into(), "b".into())));
        helpful("nothing", &best_pair(|_, _| Default::default()));
        let joined = |words: &[(Vec<String>, u64)], wordpiece| {
            let (a, b) = SCORING.best(&words.to_vec(), wordpiece);
            (format!("{a}{b}"), String::new())
        };
        helpful("joined", &best_pair(joined));
    }

    #[test]
    fn scores_in_whole_numbers_are_too_coarse() {
        let whole = Scoring {
            score: |ab, a, b, wordpiece| if wordpiece { (1000.0 * ab / (a * b)).floor() } else { ab },
            ..SCORING
        };
        let report = best_pair(|words, wordpiece| whole.best(&words.to_vec(), wordpiece));
        assert!(!report.is_passed(), "{report:?}");
    }
}
