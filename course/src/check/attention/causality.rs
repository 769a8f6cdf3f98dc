//! 03.3: a test of causality, itself tested on layers that leak and layers that do not.

use std::cell::Cell;

use crate::catalogue::text;
use crate::check::exercise::{Exercise, Mistake, Tries};
use crate::check::report::Report;

/// A layer: x (t rows of d) → y of the same shape.
type Layer = fn(&[f64], usize, usize) -> Vec<f64>;

thread_local! {
    /// The t and d of the trial, and whether a layer was called with the two exchanged.
    static SHAPE: Cell<(usize, usize, bool)> = const { Cell::new((0, 0, false)) };
}

fn note_shape(x: &[f64], t: usize, d: usize) {
    let (want_t, want_d, exchanged) = SHAPE.get();
    SHAPE.set((want_t, want_d, exchanged || (t != d && (t, d) == (want_d, want_t))));
    if x.len() != t * d {
        panic!("x must hold t = {t} rows of d = {d} numbers: {}, not {}", t * d, x.len());
    }
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

/// Which layer of the panel, t and d.
type Input = (usize, usize, usize);

/// 03.3: whether a layer is causal: no output i depends on an input j > i.
///
/// `f(layer, t, d)`: `layer(x, t, d)` takes and gives t rows of d numbers → true if it is causal.
pub fn is_causal(f: impl Fn(fn(&[f64], usize, usize) -> Vec<f64>, usize, usize) -> bool) -> Report {
    SHAPE.set((0, 0, false));
    exercise().check(|&(at, t, d)| {
        SHAPE.set((t, d, SHAPE.get().2));
        f(PANEL[at].1, t, d)
    })
}

fn exercise() -> Exercise<'static, Input, bool> {
    let sizes = [(5, 3), (4, 2), (6, 4)];
    Exercise {
        id: "03.3",
        inputs: sizes.into_iter().flat_map(|(t, d)| (0..PANEL.len()).map(move |at| (at, t, d))).collect(),
        solution: Box::new(|&(at, ..)| PANEL[at].2),
        tell: |&(at, t, d)| text("03.3.tell").with("name", PANEL[at].0).with("t", t).with("d", d),
        hint: |_, _| text("03.3.hint"),
        mistakes: mistakes(),
    }
}

type Known = Mistake<'static, Input, bool>;

/// A look at what was said of each layer.
type Sign = fn(&Answers) -> bool;

fn mistakes() -> Vec<Known> {
    let exchanged = Known::seen("t-and-d-exchanged", |_| SHAPE.get().2);
    let by_answers = SIGNS.map(|(key, sign)| {
        Known::seen(key, move |tries: &Tries<Input, bool>| Answers::of(tries).is_some_and(|answers| sign(&answers)))
    });
    [exchanged].into_iter().chain(by_answers).collect()
}

/// The usual mistakes, recognised by the answers, in this order.
const SIGNS: [(&str, Sign); 14] = [
    ("always-true", |a| a.all(true)),
    ("always-false", |a| a.all(false)),
    ("inverted", |a| a.inverted()),
    ("wrong-direction", |a| !a.says("causal attention") && a.says("reversed")),
    ("includes-itself", |a| !a.says("causal attention") && a.says("shifted")),
    ("demands-change", |a| a.says("causal attention") && !a.says("shifted")),
    ("input-hides-the-leak", |a| a.only_misses(&["masked after softmax"])),
    ("only-last-token", |a| a.misses("1 → 0") && !a.misses("last → 0")),
    ("only-neighbours", |a| a.misses("last → 0") && !a.misses("last → last but one")),
    ("only-first-output", |a| a.misses("last → last but one") && !a.misses("last → 0")),
    ("last-token-not-moved", |a| a.misses("last → 0") && a.misses("last → last but one") && !a.misses("1 → 0")),
    ("one-channel-compared", |a| a.misses("channel out") && !a.misses("last → last but one")),
    ("one-channel-moved", |a| a.misses("channel in") && !a.misses("last → last but one")),
    ("tolerance-too-large", |a| a.only_misses(&["small", "1 → 0, small channel"])),
];

/// What the learner's test said of each layer of the panel.
struct Answers(Vec<bool>);

impl Answers {
    /// At the first size where one is wrong.
    fn of(tries: &Tries<Input, bool>) -> Option<Answers> {
        let &(_, t, d) = tries.wrong().next()?.0;
        let there = tries.values().filter(|(input, ..)| (input.1, input.2) == (t, d));
        Some(Answers(there.map(|(_, answer, _)| *answer).collect())).filter(|answers| answers.0.len() == PANEL.len())
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::check::exercise::testing::helpful;
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
        exercise().assert_both_sides();
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
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        helpful("one number only", &is_causal(|layer, t, d| layer(&[1.0], t, d).is_empty()));
        helpful("right at one size", &is_causal(|layer, t, d| t != 5 || RIGHT.run(layer, t, d)));
        helpful("wrong at one size", &is_causal(|layer, t, d| t == 5 || RIGHT.run(layer, t, d)));
        helpful(
            "or something else",
            &is_causal(|layer, t, d| RIGHT.run(layer, t, d) || layer(&vec![1.0; t * d], t, d)[0] > 1.5),
        );
        helpful(
            "panics on large widths",
            &is_causal(|layer, t, d| if d > 3 { panic!("d") } else { RIGHT.run(layer, t, d) }),
        );
        let tests = [
            ("odd j", Test { moved: |j, _| j % 2 == 1, ..RIGHT }),
            ("two before", Test { compared: |i, j| i + 2 <= j, ..RIGHT }),
            (
                "the last j alone, its neighbour alone",
                Test { moved: |j, t| j + 1 == t, compared: |i, j| i + 1 == j, ..RIGHT },
            ),
            ("two channels in and out", Test { channels_in: 1, channels_out: 1, ..RIGHT }),
            ("tolerance of 1", Test { tolerance: 1.0, ..RIGHT }),
            ("no tolerance for itself", Test { compared: |i, j| i <= j && i > 0, ..RIGHT }),
        ];
        for (what, test) in tests {
            let report = is_causal(|layer, t, d| test.run(layer, t, d));
            helpful(what, &report);
        }
    }
}
