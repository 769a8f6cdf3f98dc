//! 03.3: a test of causality, itself tested on layers that leak and layers that do not.

use std::cell::Cell;

use super::{Report, Slip};
use crate::check::trial;

const EXERCISE: &str = "03.3";

/// A layer: x (t rows of d) → y of the same shape.
type Layer = fn(&[f64], usize, usize) -> Vec<f64>;

thread_local! {
    /// The t and d of the trial, and whether a layer was called with the two exchanged.
    static SHAPE: Cell<(usize, usize, bool)> = const { Cell::new((0, 0, false)) };
}

fn note_shape(x: &[f64], t: usize, d: usize) {
    let (want_t, want_d, exchanged) = SHAPE.get();
    SHAPE.set((want_t, want_d, exchanged || (t != d && (t, d) == (want_d, want_t))));
    assert_eq!(x.len(), t * d, "x must hold t rows of d numbers");
}

/// Attention of x with itself; which keys are visible, and how the others are hidden.
fn attention(x: &[f64], t: usize, d: usize, visible: fn(usize, usize) -> bool, hidden: f64, after: bool) -> Vec<f64> {
    note_shape(x, t, d);
    let mut y = vec![0.0; t * d];
    for i in 0..t {
        let dot = |j: usize| (0..d).map(|c| x[i * d + c] * x[j * d + c]).sum::<f64>() / (d as f64).sqrt();
        let s: Vec<f64> = (0..t).map(|j| if after || visible(i, j) { dot(j) } else { hidden }).collect();
        let max = s.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = s.iter().map(|s| (s - max).exp()).sum();
        // A hidden key is not read at all: 0·NaN would be NaN.
        for j in (0..t).filter(|&j| visible(i, j) || (!after && hidden.is_finite())) {
            for c in 0..d {
                y[i * d + c] += (s[j] - max).exp() / sum * x[j * d + c];
            }
        }
    }
    y
}

fn causal(x: &[f64], t: usize, d: usize) -> Vec<f64> {
    attention(x, t, d, |i, j| j <= i, f64::NEG_INFINITY, false)
}

fn no_mask(x: &[f64], t: usize, d: usize) -> Vec<f64> {
    attention(x, t, d, |_, _| true, 0.0, false)
}

fn one_late(x: &[f64], t: usize, d: usize) -> Vec<f64> {
    attention(x, t, d, |i, j| j <= i + 1, f64::NEG_INFINITY, false)
}

fn mask_zero(x: &[f64], t: usize, d: usize) -> Vec<f64> {
    attention(x, t, d, |i, j| j <= i, 0.0, false)
}

fn masked_after(x: &[f64], t: usize, d: usize) -> Vec<f64> {
    attention(x, t, d, |i, j| j <= i, 0.0, true)
}

fn identity(x: &[f64], t: usize, d: usize) -> Vec<f64> {
    note_shape(x, t, d);
    x.to_vec()
}

/// Row i is row i − 1 of x: causal, and y_i does not depend on x_i at all.
fn shifted(x: &[f64], t: usize, d: usize) -> Vec<f64> {
    [vec![0.0; d.min(t * d)], identity(x, t, d)[..t.saturating_sub(1) * d].to_vec()].concat()
}

/// Row i is the sum of the rows from i on.
fn reversed(x: &[f64], t: usize, d: usize) -> Vec<f64> {
    let mut y = identity(x, t, d);
    for at in (0..t.saturating_sub(1) * d).rev() {
        y[at] += y[at + d];
    }
    y
}

/// Causal, but for one leak: y[row, to] += size·x[column, from].
fn leak(
    x: &[f64],
    t: usize,
    d: usize,
    (row, to): (usize, usize),
    (column, from): (usize, usize),
    size: f64,
) -> Vec<f64> {
    let mut y = causal(x, t, d);
    // A test may cut the input: two rows, or a place that is not there, leak nothing.
    if t < 3 || row >= column || column >= t {
        return y;
    }
    y[row * d + to] += size * x[column * d + from];
    y
}

/// Name, layer, whether it is causal.
const PANEL: [(&str, Layer, bool); 15] = [
    ("causal attention", causal, true),
    ("identity", identity, true),
    ("shifted", shifted, true),
    ("no mask", no_mask, false),
    ("mask one late", one_late, false),
    ("mask with 0", mask_zero, false),
    ("masked after softmax", masked_after, false),
    ("reversed", reversed, false),
    ("1 → 0", |x, t, d| leak(x, t, d, (0, 0), (1, 0), 1.0), false),
    ("last → 0", |x, t, d| leak(x, t, d, (0, 0), (t.saturating_sub(1), 0), 1.0), false),
    ("last → last but one", |x, t, d| leak(x, t, d, (t.saturating_sub(2), 0), (t.saturating_sub(1), 0), 1.0), false),
    ("channel in", |x, t, d| leak(x, t, d, (t.saturating_sub(2), 0), (t.saturating_sub(1), d - 1), 1.0), false),
    ("channel out", |x, t, d| leak(x, t, d, (t.saturating_sub(2), d - 1), (t.saturating_sub(1), 0), 1.0), false),
    ("small", |x, t, d| leak(x, t, d, (t.saturating_sub(2), 0), (t.saturating_sub(1), 0), 1e-4), false),
    ("1 → 0, small channel", |x, t, d| leak(x, t, d, (0, d - 1), (1, d - 1), 1e-2), false),
];

/// How a mistake is recognised.
type Sign = fn(&Answers) -> bool;

/// What is recognised: by the answers, in this order.
const SLIPS: [Slip<Sign>; 14] = [
    (
        |a| a.all(true),
        "always-true",
        "ton test répond toujours oui, même pour une couche sans masque : fais bouger x_j et compare les sorties i < j, pour tous les j (`all`, pas `any`)",
        "your test always says yes, even for a layer without a mask: move x_j and compare the outputs i < j, for all j (`all`, not `any`)",
    ),
    (
        |a| a.all(false),
        "always-false",
        "ton test répond toujours non, même pour la couche identité : compares-tu bien les sorties i < j, et elles seules ? compares-tu deux calculs qui partent de la même entrée ?",
        "your test always says no, even for the identity layer: do you compare the outputs i < j, and only them? do you compare two runs that start from the same input?",
    ),
    (
        |a| a.inverted(),
        "inverted",
        "ta réponse est inversée : rends `true` quand la couche est causale",
        "your answer is inverted: return `true` when the layer is causal",
    ),
    (
        |a| !a.says("causal attention") && a.says("reversed"),
        "wrong-direction",
        "tu compares les sorties i > j : ce sont les sorties d'avant (i < j) qui ne doivent pas bouger quand x_j bouge",
        "you compare the outputs i > j: it is the outputs before (i < j) that must not move when x_j moves",
    ),
    (
        |a| !a.says("causal attention") && a.says("shifted"),
        "includes-itself",
        "tu compares aussi la sortie i = j : elle a le droit de bouger avec x_j (une position se voit elle-même). Les lignes d'avant sont les `j * d` premiers nombres",
        "you compare the output i = j, too: it may move with x_j (a position sees itself). The rows before are the first `j * d` numbers",
    ),
    (
        |a| a.says("causal attention") && !a.says("shifted"),
        "demands-change",
        "tu exiges que la sortie j bouge : une couche qui ignore x_j est causale, elle aussi",
        "you demand that output j moves: a layer that ignores x_j is causal, too",
    ),
    (
        |a| a.only_misses(&["masked after softmax"]),
        "input-hides-the-leak",
        "ton entrée cache une fuite (avec des zéros partout, tous les scores valent 0) : pars de valeurs au hasard",
        "your input hides a leak (all zeros make all scores 0): start from random values",
    ),
    (
        |a| a.misses("1 → 0") && !a.misses("last → 0"),
        "only-last-token",
        "tu ne fais bouger que le dernier mot : une fuite de x_1 vers y_0 t'échappe. Essaie chaque j",
        "you only move the last token: a leak from x_1 to y_0 escapes you. Try each j",
    ),
    (
        |a| a.misses("last → 0") && !a.misses("last → last but one"),
        "only-neighbours",
        "tu ne compares que la sortie juste avant (i = j − 1) : une fuite du dernier mot vers y_0 t'échappe. Compare tous les i < j",
        "you only compare the output just before (i = j − 1): a leak from the last token to y_0 escapes you. Compare all i < j",
    ),
    (
        |a| a.misses("last → last but one") && !a.misses("last → 0"),
        "only-first-output",
        "tu ne compares que la première sortie : une fuite vers l'avant-dernière t'échappe. Compare tous les i < j (les `j * d` premiers nombres, pas les `j` premiers)",
        "you only compare the first output: a leak to the last but one escapes you. Compare all i < j (the first `j * d` numbers, not the first `j`)",
    ),
    (
        |a| a.misses("last → 0") && a.misses("last → last but one") && !a.misses("1 → 0"),
        "last-token-not-moved",
        "tu ne fais jamais bouger le dernier mot : la boucle sur j doit aller jusqu'à t − 1 compris",
        "you never move the last token: the loop over j must go up to t − 1, included",
    ),
    (
        |a| a.misses("channel out") && !a.misses("last → last but one"),
        "one-channel-compared",
        "tu ne compares qu'une composante de chaque sortie : compare les d nombres de la ligne",
        "you only compare one component of each output: compare all d numbers of the row",
    ),
    (
        |a| a.misses("channel in") && !a.misses("last → last but one"),
        "one-channel-moved",
        "tu ne fais bouger qu'une composante de x_j : une fuite par une autre t'échappe, bouge les d nombres",
        "you only move one component of x_j: a leak through another one escapes you, move all d numbers",
    ),
    (
        |a| a.only_misses(&["small", "1 → 0, small channel"]),
        "tolerance-too-large",
        "ta tolérance est trop grande, ou ton mouvement trop petit : une fuite de 0,0001 est une fuite. Bouge x_j d'environ 1 ; les lignes i < j doivent rester les mêmes à l'arrondi près (1e-9)",
        "your tolerance is too large, or your move too small: a leak of 0.0001 is a leak. Move x_j by about 1; the rows i < j must stay the same up to rounding (1e-9)",
    ),
];

/// What the learner's test said of each layer of the panel.
struct Answers(Vec<bool>);

impl Answers {
    fn says(&self, name: &str) -> bool {
        PANEL.iter().zip(&self.0).any(|((known, ..), answer)| *known == name && *answer)
    }

    /// A leak that was taken for causal.
    fn misses(&self, name: &str) -> bool {
        self.says(name)
    }

    /// Wrong answers are about some of these leaks, and nothing else.
    fn only_misses(&self, names: &[&str]) -> bool {
        self.wrong().all(|i| names.contains(&PANEL[i].0))
    }

    fn all(&self, answer: bool) -> bool {
        self.0.iter().all(|&a| a == answer)
    }

    fn inverted(&self) -> bool {
        self.wrong().count() == PANEL.len()
    }

    fn wrong(&self) -> impl Iterator<Item = usize> {
        (0..PANEL.len()).filter(|&i| self.0[i] != PANEL[i].2)
    }
}

/// 03.3: whether a layer is causal: no output i depends on an input j > i.
///
/// `f(layer, t, d)`: `layer(x, t, d)` takes and gives t rows of d numbers → true if it is causal.
pub fn is_causal(f: impl Fn(fn(&[f64], usize, usize) -> Vec<f64>, usize, usize) -> bool) -> Report {
    answer(f).unwrap_or_else(|report| report)
}

fn answer(f: impl Fn(Layer, usize, usize) -> bool) -> Result<Report, Report> {
    for (t, d) in [(5, 3), (4, 2), (6, 4)] {
        SHAPE.set((t, d, false));
        let mut answers = Vec::new();
        for (name, layer, _) in PANEL {
            let input = format!("« {name} », t = {t}, d = {d}");
            let input_en = format!("\"{name}\", t = {t}, d = {d}");
            answers.push(trial(|| f(layer, t, d)).or_report(EXERCISE, (&input, &input_en))?);
        }
        let answers = Answers(answers);
        let Some(first) = answers.wrong().next() else { continue };
        if SHAPE.get().2 {
            return Err(Report::mistake(
                EXERCISE,
                "t-and-d-exchanged",
                "tu appelles la couche avec t et d échangés : `layer(&x, t, d)`, t lignes de d nombres",
                "you call the layer with t and d exchanged: `layer(&x, t, d)`, t rows of d numbers",
            ));
        }
        if let Some((_, name, fr, en)) = SLIPS.iter().find(|(matches, ..)| matches(&answers)) {
            return Err(Report::mistake(EXERCISE, name, *fr, *en));
        }
        let (name, _, truth) = PANEL[first];
        return Err(Report::wrong(
            EXERCISE,
            format!(
                "pour la couche « {name} » (t = {t}, d = {d}) la bonne réponse est {truth}, ton test dit {}. Essaie chaque j, fais bouger toute la ligne x_j d'une entrée au hasard, compare toutes les lignes i < j, en valeur absolue",
                !truth
            ),
            format!(
                "for the layer \"{name}\" (t = {t}, d = {d}) the right answer is {truth}, your test says {}. Try each j, move the whole row x_j of a random input, compare all rows i < j, by absolute value",
                !truth
            ),
        ));
    }
    Ok(Report::passed(
        EXERCISE,
        "ton test accepte 3 couches causales et démasque les 12 fuites, à 3 tailles",
        "your test accepts 3 causal layers and exposes all 12 leaks, at 3 sizes",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Verdict, unfinished};
    use crate::course::Lang;
    use motamot_kernels::rng::Rng;

    /// A test by choice: which j move, which (i, j) are compared, which channels, how exactly.
    struct Test {
        moved: fn(usize, usize) -> bool,
        compared: fn(usize, usize) -> bool,
        channels_in: usize,
        channels_out: usize,
        tolerance: f64,
        input: f64,
    }

    const RIGHT: Test = Test {
        moved: |_, _| true,
        compared: |i, j| i < j,
        channels_in: 99,
        channels_out: 99,
        tolerance: 1e-9,
        input: 1.0,
    };

    impl Test {
        fn run(&self, layer: Layer, t: usize, d: usize) -> bool {
            let mut rng = Rng::new(5);
            let x: Vec<f64> = (0..t * d).map(|_| self.input * f64::from(rng.normal())).collect();
            let y = layer(&x, t, d);
            (0..t).filter(|&j| (self.moved)(j, t)).all(|j| {
                let mut x = x.clone();
                x[j * d..][..d.min(self.channels_in)].iter_mut().for_each(|x| *x += 1.0);
                let z = layer(&x, t, d);
                (0..t).filter(|&i| (self.compared)(i, j)).all(|i| {
                    (0..d.min(self.channels_out)).all(|c| (y[i * d + c] - z[i * d + c]).abs() <= self.tolerance)
                })
            })
        }
    }

    #[test]
    fn the_solution_passes_and_each_mistake_is_recognised() {
        let report = is_causal(|layer, t, d| RIGHT.run(layer, t, d));
        assert!(report.is_passed(), "{report:?}");
        assert!(Lang::ALL.iter().all(|&lang| !report.text(lang).is_empty()));
        let tests = [
            ("wrong-direction", Test { compared: |i, j| i > j, ..RIGHT }),
            ("includes-itself", Test { compared: |i, j| i <= j, ..RIGHT }),
            ("always-true", Test { compared: |_, _| false, ..RIGHT }),
            ("always-false", Test { compared: |_, _| true, ..RIGHT }),
            ("input-hides-the-leak", Test { input: 0.0, ..RIGHT }),
            ("only-last-token", Test { moved: |j, t| j + 1 == t, ..RIGHT }),
            ("only-neighbours", Test { compared: |i, j| i + 1 == j, ..RIGHT }),
            ("only-first-output", Test { compared: |i, j| i == 0 && i < j, ..RIGHT }),
            ("last-token-not-moved", Test { moved: |j, t| j + 1 < t, ..RIGHT }),
            ("one-channel-compared", Test { channels_out: 1, ..RIGHT }),
            ("one-channel-moved", Test { channels_in: 1, ..RIGHT }),
            ("tolerance-too-large", Test { tolerance: 1e-3, ..RIGHT }),
        ];
        for (name, test) in tests {
            let report = is_causal(|layer, t, d| test.run(layer, t, d));
            assert_eq!(report.mistake_name(), Some(name), "{report:?}");
        }
        let exchanged = is_causal(|layer, t, d| RIGHT.run(layer, d, t));
        assert_eq!(exchanged.mistake_name(), Some("t-and-d-exchanged"));
        // Other right tests: what is cut off, or not a number, changes nothing before it.
        let cut = is_causal(|layer, t, d| {
            let x: Vec<f64> = (0..t * d).map(|i| (i as f64 * 1.7).sin()).collect();
            let y = layer(&x, t, d);
            (0..t).all(|j| crate::check::largest_difference(&layer(&x[..j * d], j, d), &y[..j * d]).1 < 1e-9)
        });
        assert!(cut.is_passed(), "{cut:?}");
        let poisoned = is_causal(|layer, t, d| {
            (0..t).all(|j| {
                let mut x: Vec<f64> = (0..t * d).map(|i| (i as f64 * 1.7).sin()).collect();
                x[j * d..].fill(f64::NAN);
                layer(&x, t, d)[..j * d].iter().all(|y| !y.is_nan())
            })
        });
        assert!(poisoned.is_passed(), "{poisoned:?}");
        let inverted = is_causal(|layer, t, d| !RIGHT.run(layer, t, d));
        assert_eq!(inverted.mistake_name(), Some("inverted"));
        let change = |layer: Layer, t: usize, d: usize| {
            let x: Vec<f64> = (0..t * d).map(|i| i as f64).collect();
            let mut moved = x.clone();
            moved[0] += 1.0;
            RIGHT.run(layer, t, d) && layer(&x, t, d)[..d] != layer(&moved, t, d)[..d]
        };
        assert_eq!(is_causal(change).mistake_name(), Some("demands-change"));
        for (_, name, fr, en) in SLIPS {
            assert!(!name.is_empty() && !fr.is_empty() && !en.is_empty());
        }
    }

    #[test]
    fn anything_else_gets_an_answer() {
        assert_eq!(is_causal(|_, _, _| unfinished()), Report::unfinished(EXERCISE));
        assert_eq!(is_causal(|_, _, _| todo!()), Report::unfinished(EXERCISE));
        let short = is_causal(|layer, t, d| layer(&[1.0], t, d).is_empty());
        assert!(matches!(short.verdict(), Verdict::Wrong { .. }), "{short:?}");
        let odd = is_causal(|layer, t, d| t == 5 || RIGHT.run(layer, t, d));
        assert_eq!(odd.mistake_name(), Some("always-true"));
        let other = is_causal(|layer, t, d| RIGHT.run(layer, t, d) || layer(&vec![1.0; t * d], t, d)[0] > 1.5);
        assert!(!other.is_passed());
    }
}
