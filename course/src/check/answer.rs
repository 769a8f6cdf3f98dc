//! What learners' functions answer: when two answers are the same, how they are shown, where they differ.

use super::report::Report;
use super::trial::{close, largest_difference, numeric_gradient};
use crate::catalogue::{Text, text};
use motamot_kernels::rng::Rng;
use std::fmt::Debug;

/// An answer of a learner's function.
pub(super) trait Answer: Debug {
    /// Answers of real numbers hardly agree by chance.
    const REAL: bool = false;

    /// Equal; up to rounding, if it is real numbers.
    fn same(&self, other: &Self) -> bool;

    /// Whether who makes the mistake that gives `known`, where `right` is wanted, may have given this: `None` if not, else
    /// whether it proves the mistake. What is not a number in `known` (0/0, say) may have been anything.
    fn fits(&self, known: &Self, right: &Self) -> Option<bool> {
        self.same(known).then(|| !known.same(right))
    }

    /// For a sentence; long ones are cut.
    fn shown(&self) -> String;

    /// " (…)": where this first differs from the right one, if that is worth saying.
    fn differs(&self, _right: &Self) -> Option<Text> {
        None
    }
}

/// Equal to seven digits: rounding in another order is no mistake. Infinities and not-a-numbers equal their like.
pub(super) fn same_number(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a.is_finite() && b.is_finite() && close(a, b, 1e-7))
}

/// As `same_number`, for lists of one length.
pub(super) fn same_numbers(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_number(*a, *b))
}

/// Four decimals, or two digits if it is tiny.
pub(super) fn number(x: f64) -> String {
    let text = if x != 0.0 && x.abs() < 5e-5 { format!("{x:.1e}") } else { format!("{x:.4}") };
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// `[0.25, -1.3]`, at most eight values.
pub(super) fn numbers(values: &[f64]) -> String {
    let shown: Vec<String> = values.iter().take(8).map(|x| number(*x)).collect();
    format!("[{}{}]", shown.join(", "), if values.len() > 8 { ", …" } else { "" })
}

/// Random numbers in ±`size`.
pub(super) fn random(rng: &mut Rng, n: usize, size: f64) -> Vec<f64> {
    (0..n).map(|_| (2.0 * rng.uniform_f64() - 1.0) * size).collect()
}

/// The report if `got` is not the gradient of `loss` at `at`, by central differences.
pub(super) fn not_the_gradient(
    exercise: &'static str,
    input: Text,
    got: &[f64],
    at: &[f64],
    loss: impl FnMut(&[f64]) -> f64,
) -> Option<Report> {
    let slope = numeric_gradient(at, 1e-5, loss);
    if got.len() == slope.len() && got.iter().zip(&slope).all(|(a, b)| close(*a, *b, 1e-6)) {
        return None;
    }
    let at = largest_difference(got, &slope).0;
    let said = text("check.not-the-gradient").with("input", input).with("slope", numbers(&slope));
    Some(Report::wrong(exercise, said.with("got", numbers(got)).with("at", at)))
}

/// " (…)": the lengths, or the first place where two lists differ.
fn place<T>(got: &[T], right: &[T], same: impl Fn(&T, &T) -> bool, shown: impl Fn(&T) -> String) -> Option<Text> {
    let (n, wanted) = (got.len(), right.len());
    if n != wanted {
        return Some(text("check.length").with("n", n).with("wanted", wanted));
    }
    let at = got.iter().zip(right).position(|(got, right)| !same(got, right))?;
    Some(text("check.place").with("at", at).with("got", shown(&got[at])).with("right", shown(&right[at])))
}

impl Answer for f64 {
    const REAL: bool = true;

    fn same(&self, other: &f64) -> bool {
        same_number(*self, *other)
    }

    fn shown(&self) -> String {
        if *self == 0.0 || (1e-4..1e6).contains(&self.abs()) { number(*self) } else { format!("{self:.4e}") }
    }
}

impl Answer for Vec<f64> {
    const REAL: bool = true;

    fn same(&self, other: &Vec<f64>) -> bool {
        same_numbers(self, other)
    }

    fn fits(&self, known: &Vec<f64>, right: &Vec<f64>) -> Option<bool> {
        if self.len() != known.len() {
            return None;
        }
        if known.len() != right.len() {
            return self.same(known).then_some(true);
        }
        let mut proof = false;
        for ((got, known), right) in self.iter().zip(known).zip(right) {
            let same = same_number(*got, *known);
            if !same && known.is_finite() {
                return None;
            }
            proof |= same && !same_number(*known, *right);
        }
        Some(proof)
    }

    fn shown(&self) -> String {
        numbers(self)
    }

    fn differs(&self, right: &Vec<f64>) -> Option<Text> {
        place(self, right, |a, b| same_number(*a, *b), |x| number(*x))
            .filter(|_| self.len() != right.len() || right.len() > 1)
    }
}

/// At most `most` items of a list.
fn listed<T: Debug>(items: &[T], most: usize) -> String {
    if items.len() > most { format!("{:?}… ({})", &items[..most], items.len()) } else { format!("{items:?}") }
}

impl Answer for Vec<u32> {
    fn same(&self, other: &Vec<u32>) -> bool {
        self == other
    }

    fn shown(&self) -> String {
        listed(self, 30)
    }

    fn differs(&self, right: &Vec<u32>) -> Option<Text> {
        place(self, right, |a, b| a == b, |x| x.to_string()).filter(|_| right.len() > 3)
    }
}

impl Answer for Vec<(u32, u32)> {
    fn same(&self, other: &Vec<(u32, u32)>) -> bool {
        self == other
    }

    fn shown(&self) -> String {
        listed(self, 12)
    }
}

/// (id, measure): nearest neighbours.
impl Answer for Vec<(usize, f64)> {
    fn same(&self, other: &Vec<(usize, f64)>) -> bool {
        self.len() == other.len() && self.iter().zip(other).all(|(a, b)| a.0 == b.0 && same_number(a.1, b.1))
    }

    fn shown(&self) -> String {
        let pairs: Vec<String> = self.iter().take(6).map(|(i, x)| format!("({i}, {})", number(*x))).collect();
        format!("[{}{}]", pairs.join(", "), if self.len() > 6 { ", …" } else { "" })
    }

    fn differs(&self, right: &Vec<(usize, f64)>) -> Option<Text> {
        let same = |a: &(usize, f64), b: &(usize, f64)| a.0 == b.0 && same_number(a.1, b.1);
        place(self, right, same, |(i, x)| format!("({i}, {})", number(*x)))
    }
}

impl Answer for bool {
    fn same(&self, other: &bool) -> bool {
        self == other
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Answer for (String, String) {
    fn same(&self, other: &(String, String)) -> bool {
        self == other
    }

    fn shown(&self) -> String {
        format!("{self:?}")
    }
}

/// Two results.
impl<A: Debug, B: Debug> Answer for (Vec<A>, Vec<B>)
where
    Vec<A>: Answer,
    Vec<B>: Answer,
{
    fn same(&self, other: &Self) -> bool {
        self.0.same(&other.0) && self.1.same(&other.1)
    }

    fn shown(&self) -> String {
        format!("({}, {})", self.0.shown(), self.1.shown())
    }

    fn differs(&self, right: &Self) -> Option<Text> {
        match (self.0.same(&right.0), self.1.same(&right.1)) {
            (false, true) => Some(text("check.first-wrong")),
            (true, false) => Some(text("check.second-wrong")),
            _ => None,
        }
    }
}
