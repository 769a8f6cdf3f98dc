//! 03.4: the backward of softmax with a temperature.

use crate::catalogue::text;
use crate::check::answer::{not_the_gradient, numbers, random};
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
use motamot_kernels::rng::Rng;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Bug {
    Right,
    OnlyDiagonal,
    NoSum,
    NoP,
    Sign,
    PlainSum,
    Mean,
    WholeMatrix,
    Columns,
    NoTemperature,
    TimesTemperature,
    SoftmaxAgain,
    LogSoftmax,
    SumWithoutSelf,
    PlusSum,
    JacobianRow,
    TanhLike,
    TemperatureOnSum,
    TemperatureOnGradient,
    RootTemperature,
    TemperatureTwice,
    RootWidth,
    Average,
    MinusGradient,
    PlusOffDiagonal,
    OffDiagonalOnly,
    SumKept,
    Running,
    SumOfP,
    Exchanged,
    LastTermMissing,
    LastRowMissing,
    RowsForWidth,
}
use Bug::*;

/// The usual mistakes.
const MISTAKES: [(&str, Bug); 32] = [
    ("only-diagonal", OnlyDiagonal),
    ("missing-sum", NoSum),
    ("missing-p", NoP),
    ("wrong-sign", Sign),
    ("added-sum", PlusSum),
    ("unweighted-sum", PlainSum),
    ("mean-instead-of-weighted-sum", Mean),
    ("sum-over-everything", WholeMatrix),
    ("wrong-axis", Columns),
    ("missing-temperature", NoTemperature),
    ("multiplied-by-temperature", TimesTemperature),
    ("softmax-again", SoftmaxAgain),
    ("log-softmax", LogSoftmax),
    ("sum-without-itself", SumWithoutSelf),
    ("diagonal-without-gradient", JacobianRow),
    ("tanh-derivative", TanhLike),
    ("temperature-on-one-term.sum", TemperatureOnSum),
    ("temperature-on-one-term.gradient", TemperatureOnGradient),
    ("root-of-temperature", RootTemperature),
    ("temperature-twice", TemperatureTwice),
    ("root-of-width", RootWidth),
    ("sum-divided-by-n", Average),
    ("cross-entropy-gradient", MinusGradient),
    ("off-diagonal-sign", PlusOffDiagonal),
    ("missing-diagonal", OffDiagonalOnly),
    ("sum-not-reset", SumKept),
    ("running-sum", Running),
    ("sum-of-p", SumOfP),
    ("p-and-gradient-exchanged", Exchanged),
    ("last-term-missing", LastTermMissing),
    ("last-row-missing", LastRowMissing),
    ("rows-for-width", RowsForWidth),
];

fn softmax(x: &[f64], tau: f64) -> Vec<f64> {
    let max = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = x.iter().map(|x| ((x - max) / tau).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

/// p = softmax(x / τ) by rows of n: dx = p ⊙ (dp − Σ p ⊙ dp) / τ.
fn backward(bug: Bug, p: &[f64], dp: &[f64], n: usize, tau: f64) -> Vec<f64> {
    let p: Vec<f64> =
        if bug == SoftmaxAgain { p.chunks(n).flat_map(|row| softmax(row, 1.0)).collect() } else { p.to_vec() };
    let whole: f64 = p.iter().zip(dp).map(|(p, d)| p * d).sum();
    if bug == RowsForWidth && p.len() / n < n {
        return backward(Right, &p, dp, (p.len() / n).max(1), tau);
    }
    let mut dx = Vec::new();
    for at in 0..p.len() {
        let row = at / n * n..at / n * n + n;
        let dot: f64 = row.clone().map(|j| p[j] * dp[j]).sum();
        let plain: f64 = row.clone().map(|j| dp[j]).sum();
        let column: f64 = (at % n..p.len()).step_by(n).map(|j| p[j] * dp[j]).sum();
        let so_far: f64 = (0..row.end).map(|j| p[j] * dp[j]).sum();
        let running: f64 = (row.start..=at).map(|j| p[j] * dp[j]).sum();
        let last = p[row.end - 1] * dp[row.end - 1];
        let last_row = row.end == p.len() && p.len() > n;
        let (p, d) = (p[at], dp[at]);
        let x = match bug {
            OnlyDiagonal => p * (1.0 - p) * d,
            NoSum => p * d,
            NoP => d - dot,
            Sign => p * (dot - d),
            PlainSum => p * (d - plain),
            Mean => p * (d - plain / n as f64),
            WholeMatrix => p * (d - whole),
            Columns => p * (d - column),
            LogSoftmax => d - p * plain,
            SumWithoutSelf => p * (d - (dot - p * d)),
            PlusSum => p * (d + dot),
            JacobianRow => p * (1.0 - p) - (dot - p * d),
            TanhLike => (1.0 - p * p) * d,
            TemperatureOnSum => p * (d - dot / tau) * tau,
            TemperatureOnGradient => p * (d / tau - dot) * tau,
            Average => p * (d - dot / n as f64),
            MinusGradient => p - d,
            PlusOffDiagonal => p * (1.0 - p) * d + p * (dot - p * d),
            OffDiagonalOnly => -p * (dot - p * d),
            SumKept => p * (d - so_far),
            Running => p * (d - running),
            SumOfP => p * (d - 1.0),
            Exchanged => d * (p - dot),
            LastTermMissing => p * (d - (dot - last)),
            LastRowMissing if last_row => 0.0,
            _ => p * (d - dot),
        };
        dx.push(match bug {
            NoTemperature => x,
            TimesTemperature => x * tau,
            RootTemperature => x / tau.sqrt(),
            TemperatureTwice => x / (tau * tau),
            RootWidth => x / (n as f64).sqrt(),
            _ => x / tau,
        });
    }
    dx
}

/// p and dp (rows of n), n, τ.
struct Rows {
    p: Vec<f64>,
    dp: Vec<f64>,
    n: usize,
    tau: f64,
}

impl Rows {
    fn new(x: &[f64], dp: Vec<f64>, n: usize, tau: f64) -> Rows {
        Rows { p: x.chunks(n).flat_map(|row| softmax(row, tau)).collect(), dp, n, tau }
    }

    fn with(&self, bug: Bug) -> Vec<f64> {
        backward(bug, &self.p, &self.dp, self.n, self.tau)
    }
}

/// 03.4: the backward of p = softmax(x/τ), by rows of n.
///
/// `f(p, dp, n, tau)`: the outputs and their gradients, rows of n side by side → dx of the same length.
pub fn softmax_backward(f: impl Fn(&[f64], &[f64], usize, f64) -> Vec<f64>) -> Report {
    exercise().check(|r| f(&r.p, &r.dp, r.n, r.tau)).and(|| {
        let (n, tau, mut rng) = (4, 1.3, Rng::new(35));
        let (x, dp) = (random(&mut rng, 2 * n, 2.0), random(&mut rng, 2 * n, 1.5));
        let rows = Rows::new(&x, dp.clone(), n, tau);
        let loss = |x: &[f64]| Rows::new(x, vec![], n, tau).p.iter().zip(&dp).map(|(p, d)| p * d).sum();
        not_the_gradient("03.4", text("03.4.rows"), &f(&rows.p, &dp, n, tau), &x, loss)
    })
}

/// An example by hand, random shapes; a row of one number has gradient 0.
fn inputs() -> Vec<Rows> {
    let mut rng = Rng::new(34);
    // Σ p·dp = 0.5, so dx = p ⊙ (dp − 0.5) / 2.
    let by_hand = Rows { p: vec![0.5, 0.3, 0.2], dp: vec![1.0, 0.0, 0.0], n: 3, tau: 2.0 };
    let shapes = [(2, 4, 1.7), (1, 3, 0.5), (3, 2, 2.0), (4, 4, 1.0), (1, 1, 3.0), (5, 7, 0.8), (2, 16, 4.0)];
    let random = shapes.map(|(rows, n, tau)| {
        let x = random(&mut rng, rows * n, 2.0);
        Rows::new(&x, random(&mut rng, rows * n, 1.5), n, tau)
    });
    [by_hand].into_iter().chain(random).collect()
}

fn exercise() -> Exercise<'static, Rows, Vec<f64>> {
    Exercise {
        id: "03.4",
        inputs: inputs(),
        solution: Box::new(|r| r.with(Right)),
        tell: |r| format!("p = {}, dp = {}, n = {}, τ = {}", numbers(&r.p), numbers(&r.dp), r.n, r.tau).into(),
        hint: |r, _| {
            let dot: f64 = r.p.iter().zip(&r.dp).take(r.n).map(|(p, d)| p * d).sum();
            text("03.4.hint").with("dot", format!("{dot:.4}")).with("n", r.n)
        },
        mistakes: MISTAKES.map(|(key, bug)| Mistake::new(key, move |r: &Rows| r.with(bug))).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::exercise::testing::helpful;

    #[test]
    fn both_sides() {
        exercise().assert_both_sides();
        let report = softmax_backward(|p, dp, n, tau| backward(Right, p, dp, n, tau));
        assert!(report.is_passed(), "{report:?}");
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        type Change = (&'static str, fn(&Rows, Vec<f64>) -> Vec<f64>);
        let changes: [Change; 11] = [
            ("nothing", |_, _| vec![]),
            ("nan", |r, _| vec![f64::NAN; r.p.len()]),
            ("p itself", |r, _| r.p.clone()),
            ("dp itself", |r, _| r.dp.clone()),
            ("panics", |r, _| panic!("index {}", r.p.len())),
            ("three times", |_, dx| dx.iter().map(|x| 3.0 * x).collect()),
            ("p² (dp − Σ)", |r, dx| dx.iter().zip(&r.p).map(|(d, p)| d * p).collect()),
            ("rows backwards", |r, dx| dx.chunks(r.n).rev().flatten().copied().collect()),
            ("numbers backwards", |_, dx| dx.into_iter().rev().collect()),
            ("first row only", |r, dx| dx[..r.n].to_vec()),
            ("added to dp", |r, dx| dx.iter().zip(&r.dp).map(|(d, x)| d + x).collect()),
        ];
        for (what, change) in changes {
            let report = softmax_backward(|p, dp, n, tau| {
                let r = Rows { p: p.to_vec(), dp: dp.to_vec(), n, tau };
                change(&r, r.with(Right))
            });
            helpful(what, &report);
        }
    }
}
