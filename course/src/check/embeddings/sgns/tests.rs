//! The checker from both sides: the solution, and each mistake.

use super::case::{log_sigmoid, sigmoid};
use super::*;
use crate::check::exercise::name_of;
use crate::check::exercise::testing::helpful;
use crate::check::unfinished;

/// The solution, with places where it can be spoilt.
fn spoilt(
    v: &mut [f64],
    u: &mut [Vec<f64>],
    rate: f64,
    loss: impl Fn(&Case) -> f64,
    error: impl Fn(usize, f64, usize) -> f64,
) -> f64 {
    let c = Case { v: v.to_vec(), u: u.to_vec(), rate };
    let g: Vec<f64> = c.scores().iter().enumerate().map(|(k, s)| error(k, *s, u.len() - 1)).collect();
    v.copy_from_slice(&c.stepped_v(&g));
    let flat = c.stepped_u(&g, &c.v);
    u.iter_mut().zip(flat.chunks(c.v.len())).for_each(|(u, new)| u.copy_from_slice(new));
    loss(&c)
}

fn right_error(k: usize, s: f64, _: usize) -> f64 {
    sigmoid(s) - f64::from(k == 0)
}

#[track_caller]
fn mistake(f: impl Fn(&mut [f64], &mut [Vec<f64>], f64) -> f64) -> &'static str {
    let report = sgns_step(f);
    report.mistake_name().unwrap_or_else(|| panic!("{report}"))
}

#[test]
fn both_sides() {
    of_loss().assert_both_sides();
    of_step().assert_both_sides();
    let report = sgns_step(|v, u, r| spoilt(v, u, r, |c| c.loss(), right_error));
    assert!(report.is_passed(), "{report}");
    assert_eq!(sgns_step(|_, _, _| unfinished()), Report::unfinished("02.1"));
}

#[test]
fn what_is_not_listed_gets_an_answer() {
    helpful("panics", &sgns_step(|v, u, _| v[0] * u[99][0]));
    type Loss = (&'static str, fn(&Case) -> f64);
    let losses: [Loss; 7] = [
        ("a quarter more", |c| 1.25 * c.loss()),
        ("plus one", |c| c.loss() + 1.0),
        ("exponential", |c| c.loss().exp()),
        ("absolute scores", |c| c.scores().iter().map(|s| -log_sigmoid(s.abs())).sum()),
        ("largest term", |c| c.scores().iter().map(|s| -log_sigmoid(*s)).fold(0.0, f64::max)),
        ("number of negatives", |c| c.u.len() as f64),
        ("hinge", |c| c.scores().iter().map(|s| (1.0 - s).max(0.0)).sum()),
    ];
    for (what, loss) in losses {
        helpful(what, &sgns_step(|v, u, r| spoilt(v, u, r, loss, right_error)));
    }
    type Errors = (&'static str, fn(usize, f64, usize) -> f64);
    let errors: [Errors; 5] = [
        ("a quarter more", |k, s, n| 1.25 * right_error(k, s, n)),
        ("clipped", |k, s, n| right_error(k, s, n).clamp(-0.3, 0.3)),
        ("sign alone", |k, s, n| right_error(k, s, n).signum()),
        ("square", |k, s, n| right_error(k, s, n).powi(2)),
        ("tanh", |k, s, _| s.tanh() - f64::from(k == 0)),
    ];
    for (what, error) in errors {
        helpful(what, &sgns_step(|v, u, r| spoilt(v, u, r, |c| c.loss(), error)));
    }
    helpful(
        "u shortened",
        &sgns_step(|v, u, r| {
            let loss = spoilt(v, u, r, |c| c.loss(), right_error);
            u[0].pop();
            loss
        }),
    );
}

#[test]
fn each_wrong_error_is_recognised() {
    for (at, (key, _)) in mistakes::wrong_errors(&Case::example()).into_iter().enumerate() {
        let found = mistake(|v, u, r| {
            let wrong = mistakes::wrong_errors(&Case { v: v.to_vec(), u: u.to_vec(), rate: r }).swap_remove(at).1;
            spoilt(v, u, r, |c| c.loss(), |k, _, _| wrong[k])
        });
        assert_eq!(found, name_of(key));
    }
}

/// The step as a learner writes it: `order` says what is updated from what.
fn ordered(v: &mut [f64], u: &mut [Vec<f64>], rate: f64, order: &str) -> f64 {
    let c = Case { v: v.to_vec(), u: u.to_vec(), rate };
    let g = c.errors();
    let mut dv = vec![0.0; v.len()];
    for (k, row) in u.iter_mut().enumerate() {
        for i in 0..v.len() {
            match order {
                "updated-context" => {
                    row[i] -= rate * g[k] * v[i];
                    dv[i] += g[k] * row[i];
                }
                "updated-inside-loop" => {
                    v[i] -= rate * g[k] * c.u[k][i];
                    row[i] -= rate * g[k] * v[i];
                }
                "gradient-overwritten" => {
                    dv[i] = g[k] * row[i];
                    row[i] -= rate * g[k] * v[i];
                }
                "own-vector" => {
                    dv[i] += g[k] * c.v[i];
                    row[i] -= rate * g[k] * c.u[k][i];
                }
                "centre-not-updated" => row[i] -= rate * g[k] * v[i],
                "outputs-not-updated" => dv[i] += g[k] * row[i],
                _ => {}
            }
        }
    }
    v.iter_mut().zip(&dv).for_each(|(v, d)| *v -= rate * d);
    c.loss()
}

#[test]
fn each_wrong_order_is_recognised() {
    for order in [
        "updated-context",
        "gradient-overwritten",
        "own-vector",
        "centre-not-updated",
        "outputs-not-updated",
        "no-update",
        "updated-inside-loop",
    ] {
        assert_eq!(mistake(|v, u, r| ordered(v, u, r, order)), order);
    }
    for (u_first, fresh) in [(false, false), (true, false), (true, true)] {
        let name = mistake(|v, u, rate| {
            let c = Case { v: v.to_vec(), u: u.to_vec(), rate };
            let after = if fresh { c.one_by_one() } else { c.one_loop(u_first, !fresh) };
            v.copy_from_slice(&after.v);
            u.clone_from_slice(&after.u);
            c.loss()
        });
        assert_eq!(name, "updated-inside-loop");
    }
    let stored = |v: &mut [f64], u: &mut [Vec<f64>], rate: f64| {
        let c = Case { v: v.to_vec(), u: u.to_vec(), rate };
        let unit = Case { rate: 1.0, ..c.clone() };
        let stepped = unit.stepped_v(&c.errors());
        v.iter_mut().zip(&stepped).for_each(|(v, s)| *v -= s);
        c.loss()
    };
    assert_eq!(mistake(stored), "gradient-stored");
    let centre_first = |v: &mut [f64], u: &mut [Vec<f64>], rate: f64| {
        let c = Case { v: v.to_vec(), u: u.to_vec(), rate };
        v.copy_from_slice(&c.stepped_v(&c.errors()));
        let flat = c.stepped_u(&c.errors(), v);
        u.iter_mut().zip(flat.chunks(v.len())).for_each(|(u, new)| u.copy_from_slice(new));
        c.loss()
    };
    assert_eq!(mistake(centre_first), "updated-centre");
}

#[test]
fn what_overflows_is_recognised() {
    let naive = |c: &Case| -> f64 {
        c.scores().iter().enumerate().map(|(k, s)| -sigmoid(if k == 0 { *s } else { -s }).ln()).sum()
    };
    assert_eq!(mistake(|v, u, r| spoilt(v, u, r, naive, right_error)), "unstable-log-sigmoid");
    let unstable = |k: usize, s: f64, _: usize| s.exp() / (1.0 + s.exp()) - f64::from(k == 0);
    assert_eq!(mistake(|v, u, r| spoilt(v, u, r, |c| c.loss(), unstable)), "unstable-sigmoid");
}
