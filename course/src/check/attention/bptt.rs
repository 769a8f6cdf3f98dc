//! 03.1: the backward of a recurrent network.

use crate::catalogue::{Text, text};
use crate::check::answer::{not_the_gradient, numbers, random};
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
use motamot_kernels::rng::Rng;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Bug {
    None,
    // In dz.
    NoDerivative,
    PreviousState,
    NotSquared,
    TanhTwice,
    Sigmoid,
    NoFuture,
    NotTransposed,
    FutureBeforeTanh,
    TanhOnlyOwn,
    TanhOnlyFuture,
    FutureAccumulates,
    OwnLost,
    ForwardOrder,
    NoWeights,
    Sign,
    LastSkipped,
    FirstSkipped,
    Squared,
    TimeReversed,
    GradientOfState,
    OneStep,
    FutureInLoop,
    // In dW.
    OverwrittenFirst,
    OverwrittenLast,
    StateAfter,
    Transposed,
    Mean,
    BeforeTanh,
    OwnOnly,
    SignW,
    FirstMissing,
    LastMissing,
}
use Bug::*;

/// The usual mistakes in dz.
const IN_DZ: [(&str, Bug); 22] = [
    ("missing-tanh-derivative", NoDerivative),
    ("missing-future", NoFuture),
    ("not-transposed", NotTransposed),
    ("derivative-at-previous-state", PreviousState),
    ("derivative-not-squared", NotSquared),
    ("tanh-twice", TanhTwice),
    ("sigmoid-derivative", Sigmoid),
    ("future-before-tanh", FutureBeforeTanh),
    ("future-not-through-tanh", TanhOnlyOwn),
    ("own-not-through-tanh", TanhOnlyFuture),
    ("future-accumulated", FutureAccumulates),
    ("own-gradient-lost", OwnLost),
    ("forward-order", ForwardOrder),
    ("missing-weights", NoWeights),
    ("wrong-sign.dz", Sign),
    ("last-step-skipped", LastSkipped),
    ("first-step-skipped", FirstSkipped),
    ("derivative-without-one", Squared),
    ("time-reversed", TimeReversed),
    ("gradient-before-tanh", GradientOfState),
    ("one-step-only", OneStep),
    ("future-changed-inside-loop", FutureInLoop),
];

/// The usual mistakes in dW.
const IN_DW: [(&str, Bug); 10] = [
    ("overwritten.each-step", OverwrittenFirst),
    ("overwritten.one-step", OverwrittenLast),
    ("state-after", StateAfter),
    ("gradient-transposed", Transposed),
    ("mean-over-time", Mean),
    ("weights-before-tanh", BeforeTanh),
    ("weights-own-loss-only", OwnOnly),
    ("wrong-sign.dw", SignW),
    ("first-step-missing", FirstMissing),
    ("last-step-missing", LastMissing),
];

/// z_t = x_t + W·h_{t−1}, h_t = tanh(z_t): h (T + 1, C), dL/dh_t as it comes from each step's own loss (T, C) → (dW, dz).
fn backward(bug: Bug, h: &[f64], d_h: &[f64], w: &[f64], c: usize) -> (Vec<f64>, Vec<f64>) {
    let t = d_h.len() / c;
    let (mut dw, mut dz, mut all) = (vec![0.0; c * c], vec![0.0; t * c], vec![0.0; t * c]);
    let mut future = vec![0.0; c];
    let order: Vec<usize> = if bug == ForwardOrder { (0..t).collect() } else { (0..t).rev().collect() };
    for s in order {
        if (bug == LastSkipped && s + 1 == t) || (bug == FirstSkipped && s == 0) {
            continue;
        }
        for i in 0..c {
            let (now, before) = (h[(s + 1) * c + i], h[s * c + i]);
            let slope = match bug {
                NoDerivative => 1.0,
                PreviousState => 1.0 - before * before,
                NotSquared => 1.0 - now,
                TanhTwice => 1.0 - now.tanh().powi(2),
                Sigmoid => now * (1.0 - now),
                Squared => now * now,
                _ => 1.0 - now * now,
            };
            let own = if bug == OwnLost && s + 1 < t { 0.0 } else { d_h[s * c + i] };
            let later = if bug == NoFuture { 0.0 } else { future[i] };
            all[s * c + i] = own + later;
            dz[s * c + i] = match bug {
                TanhOnlyOwn => own * slope + later,
                TanhOnlyFuture => own + later * slope,
                _ => (own + later) * slope,
            };
            if bug == FutureInLoop {
                for j in 0..c {
                    future[j] = (0..=i).map(|i| w[i * c + j] * dz[s * c + i]).sum();
                }
            }
        }
        let own: Vec<f64> = (0..t * c).map(|at| d_h[at] * (1.0 - h[at + c] * h[at + c])).collect();
        let from = match bug {
            FutureBeforeTanh => &all,
            OneStep => &own,
            _ => &dz,
        };
        for j in 0..c {
            let back: f64 = match bug {
                NotTransposed => (0..c).map(|i| w[j * c + i] * from[s * c + i]).sum(),
                NoWeights => from[s * c + j],
                _ => (0..c).map(|i| w[i * c + j] * from[s * c + i]).sum(),
            };
            future[j] = if bug == FutureAccumulates { future[j] + back } else { back };
        }
    }
    if bug == TimeReversed {
        dz = dz.chunks(c).rev().flatten().copied().collect();
    }
    if bug == GradientOfState {
        dz.clone_from(&all);
    }
    if bug == Sign {
        dz.iter_mut().for_each(|x| *x = -*x);
    }
    for s in 0..t {
        let skipped = match bug {
            OverwrittenFirst => s != 0,
            OverwrittenLast => s + 1 != t,
            LastMissing => s + 1 == t,
            FirstMissing => s == 0,
            _ => false,
        };
        if skipped {
            continue;
        }
        for i in 0..c {
            let d = match bug {
                BeforeTanh => all[s * c + i],
                OwnOnly => d_h[s * c + i],
                SignW => -dz[s * c + i],
                Mean => dz[s * c + i] / t as f64,
                _ => dz[s * c + i],
            };
            for j in 0..c {
                let at = if bug == Transposed { j * c + i } else { i * c + j };
                dw[at] += d * h[(s + usize::from(bug == StateAfter)) * c + j];
            }
        }
    }
    (dw, dz)
}

/// h (T + 1 rows of C), dL/dh of each step's own loss (T rows), W (C, C).
struct Steps {
    h: Vec<f64>,
    d_h: Vec<f64>,
    w: Vec<f64>,
    c: usize,
}

impl Steps {
    fn with(&self, bug: Bug) -> (Vec<f64>, Vec<f64>) {
        backward(bug, &self.h, &self.d_h, &self.w, self.c)
    }

    fn t(&self) -> usize {
        self.d_h.len() / self.c
    }
}

/// 03.1: the backward of z_t = x_t + W·h_{t−1}, h_t = tanh(z_t) over T steps, vectors being columns.
///
/// `f(h, d_h, w, c)`: the states h_0 … h_T (T + 1 rows of C), the gradient that reaches each of h_1 … h_T from its own
/// step's loss (T rows), W (C, C) → (dW (C, C), dz (T, C)).
pub fn rnn_backward(f: impl Fn(&[f64], &[f64], &[f64], usize) -> (Vec<f64>, Vec<f64>)) -> Report {
    let run = |s: &Steps| f(&s.h, &s.d_h, &s.w, s.c);
    of_dz().check(|s| run(s).1).and(|| Some(of_dw().check(|s| run(s).0))).and(|| {
        // L = Σ r ⊙ h over a real network: dL/dW, and dL/dx, which is dz.
        let (t, c, mut rng) = (5, 3, Rng::new(32));
        let (x, w) = (random(&mut rng, t * c, 1.2), random(&mut rng, c * c, 1.0));
        let (start, r) = (random(&mut rng, c, 0.5), random(&mut rng, t * c, 1.5));
        let loss = |x: &[f64], w: &[f64]| states(x, w, &start, c)[c..].iter().zip(&r).map(|(h, r)| h * r).sum::<f64>();
        let (dw, dz) = f(&states(&x, &w, &start, c), &r, &w, c);
        let input = || text("03.1.network");
        not_the_gradient("03.1", input(), &dw, &w, |w| loss(&x, w))
            .or_else(|| not_the_gradient("03.1", input(), &dz, &x, |x| loss(x, &w)))
    })
}

fn inputs() -> Vec<Steps> {
    let mut rng = Rng::new(31);
    // dz_2 = 2·(1 − 0.16) = 1.68; dz_1 = (1 + 0.5·1.68)·(1 − 0.36) = 1.1776; dW = 0.2·1.1776 + 0.6·1.68 = 1.24352
    let by_hand = Steps { h: vec![0.2, 0.6, -0.4], d_h: vec![1.0, 2.0], w: vec![0.5], c: 1 };
    let shapes = [(4, 3), (1, 1), (2, 1), (1, 3), (3, 2), (6, 4), (5, 5), (2, 6)];
    let random = shapes.map(|(t, c)| Steps {
        h: random(&mut rng, (t + 1) * c, 1.2).iter().map(|x| x.tanh()).collect(),
        d_h: random(&mut rng, t * c, 1.5),
        w: random(&mut rng, c * c, 1.3),
        c,
    });
    [by_hand].into_iter().chain(random).collect()
}

fn tell(s: &Steps) -> Text {
    let (t, c) = (s.t(), s.c);
    format!("T = {t}, C = {c}, h = {}, d_h = {}, W = {}", numbers(&s.h), numbers(&s.d_h), numbers(&s.w)).into()
}

/// The two results have the same inputs; dz comes first, since dW is made from it.
fn exercise(
    solution: fn(&Steps) -> Vec<f64>,
    hint: fn(&Steps, &Vec<f64>) -> Text,
    bugs: &[(&'static str, Bug)],
    computed: fn(&Steps, Bug) -> Vec<f64>,
) -> Exercise<'static, Steps, Vec<f64>> {
    let mut mistakes = vec![Mistake::seen("out-of-bounds", |tries| tries.out_of_bounds())];
    mistakes.extend(bugs.iter().map(|&(key, bug)| Mistake::new(key, move |s| computed(s, bug))));
    Exercise { id: "03.1", inputs: inputs(), solution: Box::new(solution), tell, hint, mistakes }
}

fn of_dz() -> Exercise<'static, Steps, Vec<f64>> {
    let hint = |s: &Steps, _: &Vec<f64>| {
        let last = numbers(&s.with(None).1[(s.t() - 1) * s.c..]);
        text("03.1.hint-dz").with("last", last)
    };
    let mut exercise = exercise(|s| s.with(None).1, hint, &IN_DZ, |s, bug| s.with(bug).1);
    exercise.mistakes.push(Mistake::new("swapped-results", |s: &Steps| s.with(None).0));
    exercise
}

fn of_dw() -> Exercise<'static, Steps, Vec<f64>> {
    let hint = |_: &Steps, _: &Vec<f64>| text("03.1.hint-dw");
    exercise(|s| s.with(None).0, hint, &IN_DW, |s, bug| s.with(bug).0)
}

/// The states h_0 … h_T.
fn states(x: &[f64], w: &[f64], start: &[f64], c: usize) -> Vec<f64> {
    let mut h = start.to_vec();
    for s in 0..x.len() / c {
        for i in 0..c {
            let z = x[s * c + i] + (0..c).map(|j| w[i * c + j] * h[s * c + j]).sum::<f64>();
            h.push(z.tanh());
        }
    }
    h
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::exercise::name_of;
    use crate::check::exercise::testing::{helpful, named};
    use crate::check::unfinished;

    #[test]
    fn both_sides() {
        of_dz().assert_both_sides();
        of_dw().assert_both_sides();
        let report = rnn_backward(|h, d, w, c| backward(None, h, d, w, c));
        assert!(report.is_passed(), "{report:?}");
        assert_eq!(rnn_backward(|_, _, _, _| unfinished()), Report::unfinished("03.1"));
    }

    #[test]
    fn the_first_mistake_on_the_way_is_named() {
        for (key, bug) in IN_DZ.iter().chain(&IN_DW) {
            named(&rnn_backward(|h, d, w, c| backward(*bug, h, d, w, c)), name_of(key));
        }
        let swapped = rnn_backward(|h, d, w, c| {
            let (dw, dz) = backward(None, h, d, w, c);
            (dz, dw)
        });
        named(&swapped, "swapped-results");
        let after_the_end = rnn_backward(|h, d, w, c| {
            let (dw, dz) = backward(None, h, d, w, c);
            (dw, dz.iter().enumerate().map(|(i, x)| x + h[i + 2 * c]).collect())
        });
        named(&after_the_end, "out-of-bounds");
        let both =
            rnn_backward(|h, d, w, c| (backward(OverwrittenFirst, h, d, w, c).0, backward(NoFuture, h, d, w, c).1));
        named(&both, "missing-future");
    }

    #[test]
    fn what_is_not_listed_gets_an_answer() {
        type Change = (&'static str, fn(Vec<f64>, Vec<f64>) -> (Vec<f64>, Vec<f64>));
        let changes: [Change; 11] = [
            ("nothing", |_, _| (vec![], vec![])),
            ("dz not a number", |dw, dz| (dw, vec![f64::NAN; dz.len()])),
            ("dW three times", |dw, dz| (dw.iter().map(|x| 3.0 * x).collect(), dz)),
            ("dz three times", |dw, dz| (dw, dz.iter().map(|x| 3.0 * x).collect())),
            ("panics", |dw, _| panic!("index {}", dw.len())),
            ("dW zero", |dw, dz| (vec![0.0; dw.len()], dz)),
            ("dz clipped", |dw, dz| (dw, dz.iter().map(|x| x.clamp(-0.5, 0.5)).collect())),
            ("dW clipped", |dw, dz| (dw.iter().map(|x| x.clamp(-0.5, 0.5)).collect(), dz)),
            ("dz of one step", |dw, dz| (dw.clone(), dz[..dz.len().min(1)].to_vec())),
            ("dW doubled in length", |dw, dz| ([dw.clone(), dw].concat(), dz)),
            ("dz absolute", |dw, dz| (dw, dz.iter().map(|x| x.abs()).collect())),
        ];
        for (what, change) in changes {
            let report = rnn_backward(|h, d, w, c| {
                let (dw, dz) = backward(None, h, d, w, c);
                change(dw, dz)
            });
            helpful(what, &report);
        }
    }
}
