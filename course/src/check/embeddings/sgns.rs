//! 02.1: one step of skip-gram with negative sampling.

mod case;
mod mistakes;

use crate::catalogue::text;
use crate::check::answer::{not_the_gradient, numbers, random};
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
use case::{Case, Vectors};
use motamot_kernels::rng::Rng;

fn cases() -> Vec<Case> {
    let mut rng = Rng::new(21);
    let mut case = |d: usize, k: usize, rate: f64| Case {
        v: random(&mut rng, d, 1.5),
        u: (0..=k).map(|_| random(&mut rng, d, 1.5)).collect(),
        rate,
    };
    let mut cases = vec![case(3, 3, 0.5), case(2, 2, 0.25), case(5, 4, 0.1), case(1, 2, 0.75), case(8, 5, 0.3)];
    for scores in [[40.0, 40.0, -40.0], [-800.0, 800.0, 1.0], [800.0, -800.0, 2.0]] {
        cases.push(Case { v: vec![1.0], u: scores.iter().map(|s| vec![*s]).collect(), rate: 0.5 });
    }
    cases
}

/// Checks one step of skip-gram with negative sampling: `f(v, u, rate)` returns the loss ℓ = −ln σ(v·u₀) − Σ ln σ(−v·u_k)
/// of the vectors as they were, and takes one step of gradient descent on `v` and on every `u` in place.
pub fn sgns_step(f: impl Fn(&mut [f64], &mut [Vec<f64>], f64) -> f64) -> Report {
    let run = |c: &Case| {
        let mut after = c.clone();
        let loss = f(&mut after.v, &mut after.u, c.rate);
        (loss, after)
    };
    let gradient = || {
        let c = cases().swap_remove(0);
        let at: Vec<f64> = c.v.iter().copied().chain(c.flat_u()).collect();
        let after = run(&c).1;
        let moved = after.v.iter().copied().chain(after.flat_u());
        let stepped: Vec<f64> = at.iter().zip(moved).map(|(x, y)| (x - y) / c.rate).collect();
        let loss = |x: &[f64]| {
            let (v, u) = x.split_at(c.v.len());
            run(&Case { v: v.to_vec(), u: u.chunks(v.len()).map(<[f64]>::to_vec).collect(), rate: c.rate }).0
        };
        not_the_gradient("02.1", c.tell(), &stepped, &at, loss)
    };
    of_loss()
        .check(|c| run(c).0)
        .and(|| {
            Some(of_step().check(|c| {
                let after = run(c).1;
                (after.v.clone(), after.flat_u())
            }))
        })
        .and(gradient)
}

fn of_loss() -> Exercise<'static, Case, f64> {
    let mut mistakes = vec![Mistake::seen("unstable-log-sigmoid", |tries| tries.only_wrong_where(Case::is_far))];
    mistakes.extend(mistakes::of_loss());
    Exercise {
        id: "02.1",
        inputs: cases(),
        solution: Box::new(Case::loss),
        tell: Case::tell,
        hint: |c, _| text("02.1.hint-loss").with("scores", numbers(&c.scores())),
        mistakes,
    }
}

fn of_step() -> Exercise<'static, Case, Vectors> {
    let mut mistakes = vec![Mistake::seen("unstable-sigmoid", |tries| tries.only_wrong_where(Case::is_far))];
    mistakes.extend(mistakes::of_step());
    Exercise {
        id: "02.1",
        inputs: cases(),
        solution: Box::new(|c| (c.stepped().v, c.stepped().flat_u())),
        tell: Case::tell,
        hint: |c, _| text("02.1.hint-step").with("g", numbers(&c.errors())),
        mistakes,
    }
}

#[cfg(test)]
mod tests;
