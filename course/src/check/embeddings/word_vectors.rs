//! 02.5: vectors that find a word's twin, by any method.

use crate::catalogue::text;
use crate::check::answer::{Answer, same_numbers};
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
use motamot_kernels::rng::Rng;

const PAIRS: usize = 30;
/// How many pairs must be found.
const ENOUGH: usize = 25;
/// Among how many neighbours.
const NEAREST: usize = 10;
/// Words of four kinds: the twins (2i and 2i + 1), two that stand around each pair, and some that stand anywhere.
const FRAMES: usize = 2 * PAIRS;
const FILLERS: usize = 20;
const VOCAB: usize = 2 * PAIRS + FRAMES + FILLERS;

/// A text in an invented language, its ids shuffled, and its pairs of twins.
struct Language {
    seed: u64,
    ids: Vec<u32>,
    pairs: Vec<(usize, usize)>,
}

impl Language {
    /// Sentences "frame · filler · twin · filler · frame · filler": twins are interchangeable. Four frames of five are
    /// left out for fillers, which tell nothing and make up three quarters of the text.
    fn new(seed: u64) -> Language {
        let mut rng = Rng::new(seed);
        let mut id: Vec<u32> = (0..VOCAB as u32).collect();
        rng.shuffle(&mut id);
        let mut ids = Vec::new();
        for _ in 0..2000 {
            let pair = rng.below(PAIRS);
            // The first fillers are much more frequent than the last.
            let fillers = [(); 5].map(|()| {
                let most = 1 + rng.below(FILLERS);
                2 * PAIRS + FRAMES + rng.below(most)
            });
            let frames = [0, 1].map(|side| if rng.below(5) == 0 { 2 * PAIRS + 2 * pair + side } else { fillers[side] });
            let twin = 2 * pair + rng.below(2);
            ids.extend([frames[0], fillers[2], twin, fillers[3], frames[1], fillers[4]].map(|word| id[word]));
        }
        let pairs = (0..PAIRS).map(|p| (id[2 * p] as usize, id[2 * p + 1] as usize)).collect();
        Language { seed, ids, pairs }
    }

    /// How many times the second of a pair is among the nearest of the first.
    fn found(&self, rows: &[f64]) -> usize {
        let c = rows.len() / VOCAB;
        if c == 0 || !rows.len().is_multiple_of(VOCAB) {
            return 0;
        }
        let cosine = |a: usize, b: usize| {
            let dot = |a: usize, b: usize| (0..c).map(|j| rows[a * c + j] * rows[b * c + j]).sum::<f64>();
            let norms = (dot(a, a) * dot(b, b)).sqrt();
            if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
        };
        let is_near = |&(a, b): &(usize, usize)| {
            let twin = cosine(a, b);
            // Equal ones stand before it: a table of equal rows finds nothing.
            (0..VOCAB).filter(|&i| i != a && i != b && cosine(a, i) >= twin).count() < NEAREST && twin > 0.0
        };
        self.pairs.iter().filter(|pair| is_near(pair)).count()
    }

    /// How often words stand at most `window` places apart, (V, V).
    fn together(&self, window: usize) -> Vec<f64> {
        let mut counts = vec![0.0; VOCAB * VOCAB];
        for (i, &a) in self.ids.iter().enumerate() {
            for (j, &b) in self.ids.iter().enumerate().take(i + window + 1).skip(i.saturating_sub(window)) {
                if i != j {
                    counts[a as usize * VOCAB + b as usize] += 1.0;
                }
            }
        }
        counts
    }
}

/// A table of vectors, and how many pairs it finds.
#[derive(Debug, Default)]
struct Vectors {
    rows: Vec<f64>,
    found: usize,
}

impl Answer for Vectors {
    fn same(&self, other: &Vectors) -> bool {
        (self.found >= ENOUGH) == (other.found >= ENOUGH)
    }

    fn shown(&self) -> String {
        format!("{} / {PAIRS}", self.found)
    }
}

type Known = Mistake<'static, Language, Vectors>;

/// Checks vectors by the pairs of words that they bring together: `f(ids, vocab)` reads a text (ids below `vocab`) and
/// returns `vocab` rows, side by side, of any width. Of 30 pairs of interchangeable words, 25 must be found among the ten
/// nearest neighbours by cosine. Chance finds two.
pub fn word_vectors(f: impl Fn(&[u32], usize) -> Vec<f64>) -> Report {
    exercise().check(|language| {
        let rows = f(&language.ids, VOCAB);
        Vectors { found: language.found(&rows), rows }
    })
}

/// The reference: the rows of the table of PPMI, window 2.
fn by_counting(language: &Language) -> Vectors {
    let n = language.together(2);
    let of: Vec<f64> = n.chunks(VOCAB).map(|row| row.iter().sum()).collect();
    let total: f64 = of.iter().sum();
    let cell = |k: usize| {
        if n[k] > 0.0 { (n[k] * total / (of[k / VOCAB] * of[k % VOCAB])).ln().max(0.0) } else { 0.0 }
    };
    let rows: Vec<f64> = (0..n.len()).map(cell).collect();
    Vectors { found: language.found(&rows), rows }
}

/// Recognised by the rows alone: in each answer that is not enough.
fn rows(key: &'static str, sign: impl Fn(&Language, &[f64]) -> bool + 'static) -> Known {
    Known::seen(key, move |tries| tries.each_wrong(|language, got, _| sign(language, &got.rows)))
}

fn exercise() -> Exercise<'static, Language, Vectors> {
    Exercise {
        id: "02.5",
        inputs: vec![Language::new(7), Language::new(8)],
        solution: Box::new(by_counting),
        tell: |language| {
            let (n, seed) = (language.ids.len(), language.seed);
            text("02.5.tell").with("seed", seed).with("n", n).with("vocab", VOCAB)
        },
        hint: |_, _| text("02.5.hint").with("enough", ENOUGH),
        mistakes: mistakes(),
    }
}

fn mistakes() -> Vec<Known> {
    vec![
        rows("wrong-shape", |_, rows| rows.is_empty() || !rows.len().is_multiple_of(VOCAB)),
        rows("not-a-number", |_, rows| rows.iter().any(|x| !x.is_finite())),
        rows("all-equal", |_, rows| rows.chunks(rows.len() / VOCAB).all(|row| same_numbers(row, &rows[..row.len()]))),
        rows("one-hot", |_, rows| {
            rows.len() == VOCAB * VOCAB && (0..rows.len()).all(|k| (rows[k] != 0.0) == (k / VOCAB == k % VOCAB))
        }),
        rows("raw-counts", |language, rows| (1..6).any(|window| same_numbers(rows, &language.together(window)))),
        rows("one-number-per-word", |_, rows| rows.len() == VOCAB),
        rows("direct-neighbours-only", |language, rows| {
            let seen = language.together(1);
            rows.len() == seen.len() && rows.iter().zip(&seen).all(|(x, n)| *x == 0.0 || *n > 0.0)
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
        assert!(exercise().inputs.iter().all(|language| by_counting(language).found > ENOUGH));
        let mut rng = Rng::new(3);
        let noise: Vec<f64> = (0..VOCAB * 16).map(|_| f64::from(rng.normal())).collect();
        let chance: Vec<usize> = exercise().inputs.iter().map(|language| language.found(&noise)).collect();
        assert!(chance.iter().all(|&n| n <= 6), "{chance:?}");
        helpful("noise", &word_vectors(|_, _| noise.clone()));
    }

    fn language(ids: &[u32]) -> Language {
        Language { seed: 0, ids: ids.to_vec(), pairs: vec![] }
    }

    #[test]
    fn what_finds_nothing_is_recognised() {
        named(&word_vectors(|_, _| vec![]), "wrong-shape");
        named(&word_vectors(|_, v| vec![1.0; v * 3 + 1]), "wrong-shape");
        named(&word_vectors(|_, v| vec![f64::NAN; v * 3]), "not-a-number");
        named(&word_vectors(|_, v| vec![1.0; v * 3]), "all-equal");
        named(&word_vectors(|_, v| vec![0.0; v * 3]), "all-equal");
        named(&word_vectors(|_, v| (0..v * v).map(|k| f64::from(u8::from(k / v == k % v))).collect()), "one-hot");
        named(&word_vectors(|ids, _| language(ids).together(2)), "raw-counts");
        named(
            &word_vectors(|ids, v| (0..v).map(|w| ids.iter().filter(|id| **id == w as u32).count() as f64).collect()),
            "one-number-per-word",
        );
        let near = word_vectors(|ids, _| language(ids).together(1).iter().map(|n| n.sqrt()).collect());
        named(&near, "direct-neighbours-only");
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        helpful("panics", &word_vectors(|ids, _| vec![f64::from(ids[99_999])]));
        helpful("ids", &word_vectors(|_, v| (0..2 * v).map(|k| k as f64).collect()));
        helpful(
            "the far neighbours",
            &word_vectors(|ids, _| {
                let (far, near) = (language(ids).together(40), language(ids).together(4));
                far.iter().zip(near).map(|(a, b)| a - b).collect()
            }),
        );
        helpful(
            "roots of the counts",
            &word_vectors(|ids, v| {
                // Half of the words only.
                language(ids)
                    .together(2)
                    .iter()
                    .enumerate()
                    .map(|(k, n)| if k / v % 2 == 0 { n.sqrt() } else { 0.0 })
                    .collect()
            }),
        );
    }
}
