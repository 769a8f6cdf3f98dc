//! 03.2: causal attention, the queries being the last ones.

use crate::catalogue::text;
use crate::check::answer::{numbers, random, same_numbers};
use crate::check::exercise::{Exercise, Mistake, Tries};
use crate::check::report::Report;
use crate::check::trial::Outcome;
use motamot_kernels::rng::Rng;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Bug {
    Right,
    NoScale,
    DividedByD,
    DividedByRootT,
    Multiplied,
    ScaledAfter,
    NoMask,
    MaskZero,
    MaskStrict,
    MaskOneLate,
    MaskReversed,
    WrongAxis,
    MaskedAfter,
    NotNormalised,
    NotNormalisedMax,
    NoSoftmax,
    TransposedScores,
    KeysForValues,
    QueriesForValues,
    ValuesForKeys,
    Mean,
    Uniform,
    NotAligned,
    BaseTwo,
    LinearWeights,
    Hardest,
    OutputTransposed,
    IntegerRoot,
    OwnValue,
    NegatedScores,
    OnlyLast,
    LogWeights,
}
use Bug::*;

/// The usual mistakes that compute something else.
const BUGS: [(&str, Bug); 31] = [
    ("missing-scale", NoScale),
    ("divided-by-d", DividedByD),
    ("divided-by-root-t", DividedByRootT),
    ("multiplied-by-root-d", Multiplied),
    ("scaled-after-softmax", ScaledAfter),
    ("masked-after-softmax", MaskedAfter),
    ("missing-mask", NoMask),
    ("mask-with-zero", MaskZero),
    ("mask-excludes-itself", MaskStrict),
    ("mask-one-late", MaskOneLate),
    ("mask-reversed", MaskReversed),
    ("wrong-axis", WrongAxis),
    ("transposed-scores", TransposedScores),
    ("not-normalised", NotNormalised),
    ("not-normalised", NotNormalisedMax),
    ("missing-softmax", NoSoftmax),
    ("missing-exponential", LinearWeights),
    ("keys-for-values", KeysForValues),
    ("queries-for-values", QueriesForValues),
    ("values-for-keys", ValuesForKeys),
    ("divided-by-count", Mean),
    ("uniform-weights", Uniform),
    ("base-two", BaseTwo),
    ("hard-maximum", Hardest),
    ("output-transposed", OutputTransposed),
    ("queries-not-aligned", NotAligned),
    ("integer-root", IntegerRoot),
    ("own-value-only", OwnValue),
    ("negated-scores", NegatedScores),
    ("only-the-last-keys", OnlyLast),
    ("log-softmax", LogWeights),
];

/// n queries are the last of t positions: query i stands at t − n + i and sees the keys up to itself.
fn attention(bug: Bug, q: &[f64], k: &[f64], v: &[f64], d: usize) -> Vec<f64> {
    let (n, t) = (q.len() / d, k.len() / d);
    let dot = |a: &[f64], i: usize, b: &[f64], j: usize| (0..d).map(|c| a[i * d + c] * b[j * d + c]).sum::<f64>();
    let root = (d as f64).sqrt();
    let score = |i: usize, j: usize| match bug {
        NoScale | ScaledAfter => dot(q, i, k, j),
        DividedByD => dot(q, i, k, j) / d as f64,
        DividedByRootT => dot(q, i, k, j) / (t as f64).sqrt(),
        Multiplied => dot(q, i, k, j) * root,
        IntegerRoot => dot(q, i, k, j) / root.floor(),
        NegatedScores => -dot(q, i, k, j) / root,
        TransposedScores if n == t => dot(q, j, k, i) / root,
        ValuesForKeys => dot(q, i, v, j) / root,
        Uniform => 0.0,
        BaseTwo => dot(q, i, k, j) / root * std::f64::consts::LN_2,
        _ => dot(q, i, k, j) / root,
    };
    let visible = |i: usize, j: usize| {
        let at = if bug == NotAligned { i } else { t - n + i };
        match bug {
            NoMask | MaskedAfter => true,
            MaskStrict => j < at,
            MaskOneLate => j <= at + 1,
            MaskReversed => j >= at,
            OwnValue => j == at,
            OnlyLast => (t - n..=at).contains(&j),
            _ => j <= at,
        }
    };
    let masked = if bug == MaskZero { 0.0 } else { f64::NEG_INFINITY };
    let s = |i: usize, j: usize| if visible(i, j) { score(i, j) } else { masked };
    let mut y = vec![0.0; n * d];
    for i in 0..n {
        let row: Vec<f64> = (0..t).map(|j| s(i, j)).collect();
        let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|s| (s - max).exp()).sum();
        let at = t - n + i;
        let p = |j: usize| match bug {
            ScaledAfter => (row[j] - max).exp() / sum / root,
            MaskedAfter if j > at => 0.0,
            WrongAxis => s(i, j).exp() / (0..n).map(|i| s(i, j).exp()).sum::<f64>(),
            NotNormalised => row[j].exp(),
            NotNormalisedMax => (row[j] - max).exp(),
            NoSoftmax => {
                if row[j].is_finite() {
                    row[j]
                } else {
                    0.0
                }
            }
            Mean => (row[j] - max).exp() / sum / (at + 1) as f64,
            LinearWeights if j <= at => row[j] / row[..=at].iter().sum::<f64>(),
            LinearWeights => 0.0,
            LogWeights if j <= at => ((row[j] - max).exp() / sum).ln(),
            LogWeights => 0.0,
            Hardest => f64::from(u8::from(row[j] == max)),
            _ => (row[j] - max).exp() / sum,
        };
        let from = match bug {
            KeysForValues => k,
            QueriesForValues if n == t => q,
            _ => v,
        };
        for c in 0..d {
            let value = (0..t).map(|j| p(j) * from[j * d + c]).sum();
            y[if bug == OutputTransposed { c * n + i } else { i * d + c }] = value;
        }
    }
    y
}

/// q (n rows of d), k and v (t rows of d).
#[derive(Clone)]
struct Call {
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    d: usize,
}

impl Call {
    fn with(&self, bug: Bug) -> Vec<f64> {
        attention(bug, &self.q, &self.k, &self.v, self.d)
    }

    fn n(&self) -> usize {
        self.q.len() / self.d
    }

    fn t(&self) -> usize {
        self.k.len() / self.d
    }

    /// Scores that overflow an exponential.
    fn is_large(&self) -> bool {
        self.k.iter().any(|k| k.abs() > 1000.0)
    }
}

/// 03.2: causal attention of n queries over t ≥ n keys and values, the queries being the last n positions.
///
/// `f(q, k, v, d)`: rows of d; n = q.len()/d, t = k.len()/d → n rows of d.
pub fn causal_attention(f: impl Fn(&[f64], &[f64], &[f64], usize) -> Vec<f64>) -> Report {
    exercise().check(|c| f(&c.q, &c.k, &c.v, c.d))
}

fn inputs() -> Vec<Call> {
    let mut rng = Rng::new(33);
    let shapes = [(5, 5, 6), (3, 3, 2), (1, 1, 2), (6, 6, 1), (5, 5, 5), (7, 7, 8), (2, 5, 3), (1, 6, 4), (4, 9, 2)];
    let mut inputs: Vec<Call> = shapes
        .into_iter()
        .map(|(n, t, d)| {
            let [q, k, v] = [n, t, t].map(|rows| random(&mut rng, rows * d, 1.9));
            Call { q, k, v, d }
        })
        .collect();
    // The first once more, with another last key and value: only the last row may change.
    let Call { q, mut k, mut v, d } = inputs[0].clone();
    let last = (5 - 1) * d;
    k[last..].iter_mut().chain(&mut v[last..]).for_each(|x| *x += 1.0);
    inputs.insert(1, Call { q, k, v, d });
    // One key: its weight is 1. Then the values frozen from PyTorch (dev/golden/course_attention.py).
    inputs.push(Call { q: vec![1.0], k: vec![2.0], v: vec![3.0], d: 1 });
    inputs.push(Call {
        q: vec![1.0, 0.5, -0.5, 2.0, 0.25, -1.0],
        k: vec![0.5, 1.0, 1.5, -0.5, -1.0, 0.75],
        v: vec![1.0, 2.0, 3.0, -1.0, -2.0, 0.5],
        d: 2,
    });
    // Of a visible key, then all very negative, of a hidden one, of one alone, and two that differ by 1.
    inputs.extend(LARGE.map(|k| Call { q: vec![1.0, 1.0], k: k.to_vec(), v: vec![3.0, 7.0], d: 1 }));
    inputs
}

// The second is below any number that is used for "minus infinity": GPT-2's -1e4, -1e9.
const LARGE: [[f64; 2]; 5] = [[5000.0, 5000.0], [-1e12, -1e12], [0.0, 5000.0], [5000.0, 0.0], [5000.0, 4999.0]];

fn exercise() -> Exercise<'static, Call, Vec<f64>> {
    Exercise {
        id: "03.2",
        inputs: inputs(),
        solution: Box::new(|c| c.with(Right)),
        tell: |c| {
            let (n, t, d) = (c.n(), c.t(), c.d);
            format!("n = {n}, T = {t}, d = {d}, q = {}, k = {}, v = {}", numbers(&c.q), numbers(&c.k), numbers(&c.v))
                .into()
        },
        hint: |_, y| {
            if y.iter().any(|x| !x.is_finite()) {
                return text("03.2.hint-not-finite");
            }
            text("03.2.hint")
        },
        mistakes: mistakes(),
    }
}

type Known = Mistake<'static, Call, Vec<f64>>;
type Seen<'t> = Tries<'t, Call, Vec<f64>>;

/// All else is right, and this is wrong.
fn wrong_at(tries: &Seen, k: [f64; 2]) -> bool {
    tries.only_wrong_where(Call::is_large) && tries.wrong().any(|(call, ..)| call.k == k)
}

/// The rows before the last depend on the last key or value: the first two inputs differ in nothing else.
fn looks_ahead(tries: &Seen) -> bool {
    let mut answers = tries.each().map(|(call, answer, _)| (call, answer));
    let (Some((call, Outcome::Value(a))), Some((_, Outcome::Value(b)))) = (answers.next(), answers.next()) else {
        return false;
    };
    let before = (call.t() - 1) * call.d;
    a.len() == b.len() && a.len() >= before && !same_numbers(&a[..before], &b[..before])
}

fn mistakes() -> Vec<Known> {
    let mut all = vec![
        Known::seen("out-of-bounds", |tries| tries.out_of_bounds()),
        Known::seen("one-row-per-key", |tries| {
            tries.each_wrong(|call, y, _| call.n() < call.t() && y.len() == call.k.len())
        }),
        Known::seen("no-max-subtraction", |tries| wrong_at(tries, LARGE[0]) || wrong_at(tries, LARGE[3])),
        Known::seen("finite-mask", |tries| {
            let future = |(call, answer): (&Call, &Outcome<Vec<f64>>)| match answer {
                Outcome::Value(y) => call.k == LARGE[1] && same_numbers(y, &[7.0, 5.0]),
                _ => false,
            };
            wrong_at(tries, LARGE[1]) && tries.wrong().any(|(call, answer, _)| future((call, answer)))
        }),
        Known::seen("maximum-starts-too-high", |tries| wrong_at(tries, LARGE[1])),
        Known::seen("maximum-of-hidden-scores", |tries| wrong_at(tries, LARGE[2])),
        Known::seen("clamped-scores", |tries| wrong_at(tries, LARGE[4])),
    ];
    all.extend(BUGS.map(|(key, bug)| Known::new(key, move |call: &Call| call.with(bug))));
    all.push(Known::seen("looks-ahead", looks_ahead));
    all
}

#[cfg(test)]
mod tests;
