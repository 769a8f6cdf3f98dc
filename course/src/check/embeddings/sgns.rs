//! 02.1: one step of skip-gram with negative sampling.

mod mistakes;

use super::super::answer::{not_the_gradient, numbers, random};
use crate::check::Report;
use crate::check::exercise::{Exercise, Mistake};
use motamot_kernels::rng::Rng;

/// v, and all the u one after the other.
type Vectors = (Vec<f64>, Vec<f64>);

/// The centre's vector v and the vectors u of the outputs: the true neighbour, then the negatives.
#[derive(Clone)]
struct Case {
    v: Vec<f64>,
    u: Vec<Vec<f64>>,
    rate: f64,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sigmoid(s: f64) -> f64 {
    1.0 / (1.0 + (-s).exp())
}

/// ln σ(s), finite for every s.
fn log_sigmoid(s: f64) -> f64 {
    s.min(0.0) - (-s.abs()).exp().ln_1p()
}

impl Case {
    fn scores(&self) -> Vec<f64> {
        self.u.iter().map(|u| dot(&self.v, u)).collect()
    }

    fn loss(&self) -> f64 {
        self.scores().iter().enumerate().map(|(k, s)| -log_sigmoid(if k == 0 { *s } else { -s })).sum()
    }

    /// g_k = σ(s_k) − y_k.
    fn errors(&self) -> Vec<f64> {
        self.scores().iter().enumerate().map(|(k, s)| sigmoid(*s) - f64::from(k == 0)).collect()
    }

    /// v − rate·Σ g_k·u_k.
    fn stepped_v(&self, g: &[f64]) -> Vec<f64> {
        let mut v = self.v.clone();
        for (g, u) in g.iter().zip(&self.u) {
            v.iter_mut().zip(u).for_each(|(v, u)| *v -= self.rate * g * u);
        }
        v
    }

    /// u_k − rate·g_k·v, one after the other.
    fn stepped_u(&self, g: &[f64], v: &[f64]) -> Vec<f64> {
        let step =
            |(g, u): (&f64, &Vec<f64>)| -> Vec<f64> { u.iter().zip(v).map(|(u, v)| u - self.rate * g * v).collect() };
        g.iter().zip(&self.u).flat_map(step).collect()
    }

    /// Everything in one loop over the outputs, each with the values that the one before left; g is taken in the loop
    /// (`fresh`) or before it.
    fn one_loop(&self, u_first: bool, fresh: bool) -> Case {
        let mut c = self.clone();
        let errors = self.errors();
        for k in 0..c.u.len() {
            let g = if fresh { sigmoid(dot(&c.v, &c.u[k])) - f64::from(k == 0) } else { errors[k] };
            for i in 0..c.v.len() {
                if u_first {
                    c.u[k][i] -= c.rate * g * c.v[i];
                    c.v[i] -= c.rate * g * c.u[k][i];
                } else {
                    c.v[i] -= c.rate * g * c.u[k][i];
                    c.u[k][i] -= c.rate * g * c.v[i];
                }
            }
        }
        c
    }

    /// The loss when each score is taken in the loop, after v has moved for the outputs before it.
    fn moving_loss(&self) -> f64 {
        let (mut v, mut loss) = (self.v.clone(), 0.0);
        for (k, u) in self.u.iter().enumerate() {
            let s = dot(&v, u);
            loss -= log_sigmoid(if k == 0 { s } else { -s });
            let g = sigmoid(s) - f64::from(k == 0);
            v.iter_mut().zip(u).for_each(|(v, u)| *v -= self.rate * g * u);
        }
        loss
    }

    /// As [`Case::one_loop`], with the step of each output taken from the v and the u before it.
    fn one_by_one(&self) -> Case {
        let mut c = self.clone();
        for k in 0..c.u.len() {
            let g = sigmoid(dot(&c.v, &c.u[k])) - f64::from(k == 0);
            for i in 0..c.v.len() {
                let (v, u) = (c.v[i], c.u[k][i]);
                c.v[i] -= c.rate * g * u;
                c.u[k][i] -= c.rate * g * v;
            }
        }
        c
    }

    fn flat_u(&self) -> Vec<f64> {
        self.u.concat()
    }

    /// After the right step.
    fn stepped(&self) -> Case {
        let g = self.errors();
        let u = self.stepped_u(&g, &self.v).chunks(self.v.len()).map(|u| u.to_vec()).collect();
        Case { v: self.stepped_v(&g), u, rate: self.rate }
    }

    /// Scores that are so large that exp overflows, or that 1 − σ is 0.
    fn is_far(&self) -> bool {
        self.scores().iter().any(|s| s.abs() > 30.0)
    }

    fn example() -> Case {
        Case { v: vec![1.0], u: vec![vec![1.0], vec![2.0]], rate: 0.5 }
    }

    fn text(&self, fr: bool) -> String {
        let u: Vec<String> = self.u.iter().map(|u| numbers(u)).collect();
        let rate = if fr { "pas" } else { "rate" };
        format!("v = {}, u = [{}], {rate} = {}", numbers(&self.v), u.join(", "), self.rate)
    }
}

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

fn tell(c: &Case) -> (String, String) {
    (c.text(true), c.text(false))
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
        not_the_gradient("02.1", (&c.text(true), &c.text(false)), &stepped, &at, loss)
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
    let mut mistakes = vec![Mistake::seen(
        "unstable-log-sigmoid",
        "la perte est juste, sauf pour de grands scores : σ s'arrondit à 0 (ou exp déborde, ou un `max` la borne) avant le logarithme. Écris ln σ(s) = min(s, 0) − ln(1 + exp(−|s|)), qui ne déborde jamais",
        "the loss is right, except for large scores: σ rounds to 0 (or exp overflows, or a `max` bounds it) before the logarithm. Write ln σ(s) = min(s, 0) − ln(1 + exp(−|s|)), which never overflows",
        |tries| tries.only_wrong_where(Case::is_far),
    )];
    mistakes.extend(mistakes::of_loss());
    Exercise {
        id: "02.1",
        inputs: cases(),
        solution: Box::new(Case::loss),
        tell,
        hint: |c, _| {
            let scores = numbers(&c.scores());
            (
                format!("C'est la perte qui est fausse. Les scores v·u_k valent {scores} : affiche d'abord les tiens"),
                format!("It is the loss that is wrong. The scores v·u_k are {scores}: print yours first"),
            )
        },
        passed: ("la perte est juste", "the loss is right"),
        mistakes,
    }
}

fn of_step() -> Exercise<'static, Case, Vectors> {
    let mut mistakes = vec![Mistake::seen(
        "unstable-sigmoid",
        "juste, sauf pour de grands scores, où un vecteur mis à jour n'est plus un nombre : exp(s)/(1 + exp(s)) donne ∞/∞ ; écris σ(s) = 1/(1 + exp(−s))",
        "right, except for large scores, where an updated vector is no longer a number: exp(s)/(1 + exp(s)) gives ∞/∞; write σ(s) = 1/(1 + exp(−s))",
        |tries| tries.only_wrong_where(Case::is_far),
    )];
    mistakes.extend(mistakes::of_step());
    Exercise {
        id: "02.1",
        inputs: cases(),
        solution: Box::new(|c| (c.stepped().v, c.stepped().flat_u())),
        tell,
        hint: |c, _| {
            let g = numbers(&c.errors());
            (
                format!("(v, puis tous les u à la suite.) La perte est juste, pas la mise à jour : ici g = {g}"),
                format!("(v, then all the u in a row.) The loss is right, the update is not: here g = {g}"),
            )
        },
        passed: (
            "perte et mises à jour justes sur 8 exemples, gradient vérifié par différences finies, et stable pour des scores de ±800",
            "loss and updates right on 8 examples, gradient checked by finite differences, and stable for scores of ±800",
        ),
        mistakes,
    }
}

#[cfg(test)]
mod tests;
