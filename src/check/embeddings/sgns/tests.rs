//! The checker from both sides: the solution, and each mistake.

use super::*;
use crate::check::unfinished;
use crate::course::Lang;

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

fn mistake(f: impl Fn(&mut [f64], &mut [Vec<f64>], f64) -> f64) -> &'static str {
    let report = sgns_step(f);
    for lang in Lang::ALL {
        assert!(report.text(lang).len() > 20);
    }
    report.mistake_name().unwrap_or_else(|| panic!("{report}"))
}

#[test]
fn the_solution_passes_and_a_stub_is_unfinished() {
    let report = sgns_step(|v, u, r| spoilt(v, u, r, |c| c.loss(), right_error));
    assert!(report.is_passed(), "{report}");
    assert_eq!(sgns_step(|_, _, _| unfinished()), Report::unfinished(NAME));
    assert_eq!(sgns_step(|_, _, _| todo!()), Report::unfinished(NAME));
    let panics = sgns_step(|v, u, _| v[0] * u[99][0]);
    assert!(panics.text(Lang::En).contains("panicked"), "{panics}");
    let unknown = sgns_step(|v, u, r| 1.25 * spoilt(v, u, r, |c| c.loss(), right_error));
    assert!(unknown.mistake_name().is_none() && unknown.text(Lang::En).contains("should be"), "{unknown}");
    let unknown = sgns_step(|v, u, r| spoilt(v, u, r, |c| c.loss(), |k, s, n| 1.25 * right_error(k, s, n)));
    assert!(unknown.mistake_name().is_none() && unknown.text(Lang::En).contains("should become"), "{unknown}");
}

#[test]
fn each_mistake_of_the_loss_is_recognised() {
    for (i, case) in losses(&cases()[0], &cases()[0]).iter().enumerate() {
        let name = mistake(|v, u, r| {
            spoilt(
                v,
                u,
                r,
                |c| {
                    let g = c.errors();
                    let u = c.stepped_u(&g, &c.v).chunks(c.v.len()).map(|u| u.to_vec()).collect();
                    losses(c, &Case { v: c.stepped_v(&g), u, rate: c.rate })[i].value
                },
                right_error,
            )
        });
        assert_eq!(name, case.name);
    }
}

#[test]
fn each_mistake_of_the_update_is_recognised() {
    for (i, case) in wrong_errors(&cases()[0]).iter().enumerate() {
        let name = mistake(|v, u, r| {
            let c = Case { v: v.to_vec(), u: u.to_vec(), rate: r };
            let wrong = wrong_errors(&c).swap_remove(i).value;
            spoilt(v, u, r, |c| c.loss(), |k, _, _| wrong[k])
        });
        assert_eq!(name, case.name);
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
