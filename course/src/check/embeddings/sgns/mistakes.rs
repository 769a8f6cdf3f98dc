//! What the usual mistakes compute.

use super::case::{Case, Vectors, log_sigmoid, sigmoid};
use crate::check::answer::same_numbers;
use crate::check::exercise::Mistake;

/// Key, what it gives.
type Value<T> = (&'static str, T);

/// Those of the loss.
pub(super) fn of_loss() -> Vec<Mistake<'static, Case, f64>> {
    let named = losses(&Case::example()).into_iter().enumerate();
    named.map(|(at, (key, _))| Mistake::new(key, move |c| losses(c)[at].1)).collect()
}

/// A look at v and u after the step.
type Sign = Box<dyn Fn(&Case, &[f64], &[f64]) -> bool>;

/// Those of the step: of its order first, then of the errors g. One vector that gives it away is enough.
pub(super) fn of_step() -> Vec<Mistake<'static, Case, Vectors>> {
    let near = |sign: Sign, key| {
        Mistake::seen(key, move |tries| {
            tries.panics().next().is_none()
                && !tries.only_wrong_where(Case::is_far)
                && tries.each_wrong(|c, (v, u): &Vectors, _| c.is_far() || sign(c, v, u))
        })
    };
    let errors = wrong_errors(&Case::example()).into_iter().enumerate().map(|(at, (key, _))| {
        let sign = move |c: &Case, v: &[f64], u: &[f64]| {
            let (g, wrong) = (c.errors(), wrong_errors(c).swap_remove(at).1);
            let (right_v, right_u) = (c.stepped_v(&g), c.stepped_u(&g, &c.v));
            let (wrong_v, wrong_u) = (c.stepped_v(&wrong), c.stepped_u(&wrong, &c.v));
            (!same_numbers(v, &right_v) && same_numbers(v, &wrong_v))
                || (!same_numbers(u, &right_u) && same_numbers(u, &wrong_u))
        };
        near(Box::new(sign), key)
    });
    ORDERS.iter().map(|(key, sign)| near(Box::new(*sign), key)).chain(errors).collect()
}

/// What the usual mistakes return as the loss.
fn losses(c: &Case) -> Vec<Value<f64>> {
    let after = c.stepped();
    let s = c.scores();
    let ls: Vec<f64> = s.iter().map(|s| log_sigmoid(*s)).collect();
    let lm: Vec<f64> = s.iter().map(|s| log_sigmoid(-s)).collect();
    let (positive, negative) = (-ls[0], -lm[1..].iter().sum::<f64>());
    let k = (s.len() - 1) as f64;
    let scaled = |by: f64| -> f64 {
        s.iter().enumerate().map(|(k, s)| -log_sigmoid(if k == 0 { s / by } else { -s / by })).sum()
    };
    let top = s.iter().copied().fold(f64::MIN, f64::max);
    let softmax = top + s.iter().map(|s| (s - top).exp()).sum::<f64>().ln() - s[0];
    vec![
        ("no-loss", 0.0),
        ("negatives-sign.loss", positive - ls[1..].iter().sum::<f64>()),
        ("loss-sign", -positive - negative),
        ("negatives-subtracted", positive - negative),
        ("labels-swapped.loss", -lm[0] - ls[1..].iter().sum::<f64>()),
        ("missing-negatives-sum.loss", positive),
        ("missing-positive.loss", negative),
        ("last-negative-only", positive - lm[lm.len() - 1]),
        ("first-negative-only", positive - lm[1]),
        ("last-negative-missing.loss", positive + negative + lm[lm.len() - 1]),
        ("positive-among-negatives", positive + negative - lm[0]),
        ("negatives-mean.loss", positive + negative / k),
        ("loss-mean.loss", (positive + negative) / (k + 1.0)),
        ("missing-log", -sigmoid(s[0]) - s[1..].iter().map(|s| sigmoid(-s)).sum::<f64>()),
        ("missing-log", sigmoid(s[0]) + s[1..].iter().map(|s| sigmoid(-s)).sum::<f64>()),
        ("missing-sigmoid.loss", -s[0] + s[1..].iter().sum::<f64>()),
        ("squared-error", c.errors().iter().map(|g| g * g).sum()),
        ("log-base.two", (positive + negative) / std::f64::consts::LN_2),
        ("log-base.ten", (positive + negative) / std::f64::consts::LN_10),
        ("softmax", softmax),
        ("scaled-scores.root", scaled((c.v.len() as f64).sqrt())),
        ("scaled-scores.width", scaled(c.v.len() as f64)),
        ("neighbour-last", -lm[..lm.len() - 1].iter().sum::<f64>() - ls[ls.len() - 1]),
        ("updated-inside-loop", c.moving_loss()),
        ("loss-after-update", after.loss()),
    ]
}

/// The errors g that the usual mistakes use, for both updates.
pub(super) fn wrong_errors(c: &Case) -> Vec<Value<Vec<f64>>> {
    let (s, g) = (c.scores(), c.errors());
    let k = (s.len() - 1) as f64;
    let each = |f: &dyn Fn(usize) -> f64| -> Vec<f64> { (0..s.len()).map(f).collect() };
    vec![
        ("gradient-ascent", each(&|i| -g[i])),
        ("missing-rate", each(&|i| g[i] / c.rate)),
        ("missing-sigmoid.gradient", each(&|i| s[i] - f64::from(i == 0))),
        ("missing-label", each(&|i| sigmoid(s[i]))),
        ("negatives-sign.label", each(&|i| sigmoid(s[i]) - 1.0)),
        ("labels-swapped.gradient", each(&|i| sigmoid(s[i]) - f64::from(i != 0))),
        ("negatives-sign.gradient", each(&|i| if i == 0 { g[i] } else { -g[i] })),
        ("positive-sign", each(&|i| if i == 0 { -g[i] } else { g[i] })),
        ("sigmoid-sign", each(&|i| if i == 0 { g[i] } else { sigmoid(-s[i]) })),
        ("extra-sigmoid-derivative", each(&|i| g[i] * sigmoid(s[i]) * (1.0 - sigmoid(s[i])))),
        ("missing-negatives-sum.gradient", each(&|i| if i == 0 { g[i] } else { 0.0 })),
        ("missing-positive.gradient", each(&|i| if i == 0 { 0.0 } else { g[i] })),
        ("last-negative-missing.gradient", each(&|i| if i + 1 == s.len() { 0.0 } else { g[i] })),
        ("negatives-mean.gradient", each(&|i| if i == 0 { g[i] } else { g[i] / k })),
        ("loss-mean.gradient", each(&|i| g[i] / (k + 1.0))),
        ("rate-twice", each(&|i| g[i] * c.rate)),
    ]
}

type Order = fn(&Case, &[f64], &[f64]) -> bool;

/// What is updated from what: a look at the vectors v and u after the step.
const ORDERS: [Value<Order>; 9] = [
    ("no-update", |c, v, u| same_numbers(v, &c.v) && same_numbers(u, &c.flat_u())),
    ("centre-not-updated", |c, v, u| {
        let g = c.errors();
        let right_u = c.stepped_u(&g, &c.v);
        same_numbers(v, &c.v) && same_numbers(u, &right_u)
    }),
    ("outputs-not-updated", |c, v, u| {
        let g = c.errors();
        let right_v = c.stepped_v(&g);
        same_numbers(u, &c.flat_u()) && same_numbers(v, &right_v)
    }),
    ("updated-context", |c, v, _| {
        let g = c.errors();
        let moved = Case { v: c.v.clone(), ..c.stepped() };
        same_numbers(v, &moved.stepped_v(&g))
    }),
    ("updated-centre", |c, _, u| {
        let g = c.errors();
        let right_v = c.stepped_v(&g);
        same_numbers(u, &c.stepped_u(&g, &right_v))
    }),
    ("gradient-stored", |c, v, u| {
        let g = c.errors();
        let (right_v, right_u) = (c.stepped_v(&g), c.stepped_u(&g, &c.v));
        let gradient =
            |v: &[f64], stepped: &[f64]| -> Vec<f64> { v.iter().zip(stepped).map(|(v, s)| (v - s) / c.rate).collect() };
        same_numbers(v, &gradient(&c.v, &right_v)) || same_numbers(u, &gradient(&c.flat_u(), &right_u))
    }),
    ("updated-inside-loop", |c, v, u| {
        let right_u = c.stepped_u(&c.errors(), &c.v);
        let loops = [(false, false), (false, true), (true, false), (true, true)];
        let mut all = loops.map(|(u_first, fresh)| c.one_loop(u_first, fresh)).into_iter().chain([c.one_by_one()]);
        all.any(|wrong| same_numbers(u, &wrong.flat_u()) && (same_numbers(v, &wrong.v) || !same_numbers(u, &right_u)))
    }),
    ("gradient-overwritten", |c, v, _| {
        let g = c.errors();
        let last: Vec<f64> = (0..g.len()).map(|i| if i + 1 == g.len() { g[i] } else { 0.0 }).collect();
        same_numbers(v, &c.stepped_v(&last))
    }),
    ("own-vector", |c, v, u| {
        let g = c.errors();
        let own_v: Vec<f64> = c.v.iter().map(|v| v - c.rate * g.iter().sum::<f64>() * v).collect();
        let own_u: Vec<f64> = c.u.iter().zip(&g).flat_map(|(u, g)| u.iter().map(move |u| u - c.rate * g * u)).collect();
        same_numbers(v, &own_v) || same_numbers(u, &own_u)
    }),
];
