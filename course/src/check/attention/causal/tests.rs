//! The checker from both sides.

use super::*;
use crate::check::exercise::testing::{helpful, named};

#[test]
fn both_sides() {
    exercise().assert_both_sides();
    // The values frozen from PyTorch.
    let want = [1.0, 2.0, 1.1552770081, 1.7670844878, 1.7734400481, -0.1844522674];
    let frozen = inputs().into_iter().rfind(|call| call.d == 2 && call.n() == 3 && call.q[0] == 1.0);
    assert!(frozen.is_some_and(|call| call.with(Right).iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-9)));
}

/// Rows by exponentials, the maximum being chosen by `max(row, visible)`.
fn with_max(q: &[f64], k: &[f64], v: &[f64], d: usize, max: fn(&[f64], usize) -> f64) -> Vec<f64> {
    let (n, t) = (q.len() / d, k.len() / d);
    let mut y = Vec::new();
    for i in 0..n {
        let dot = |j: usize| (0..d).map(|c| q[i * d + c] * k[j * d + c]).sum::<f64>() / (d as f64).sqrt();
        let row: Vec<f64> = (0..t).map(dot).collect();
        let visible = t - n + i + 1;
        let e: Vec<f64> = row[..visible].iter().map(|s| (s - max(&row, visible)).exp()).collect();
        let sum: f64 = e.iter().sum();
        y.extend((0..d).map(|c| (0..visible).map(|j| e[j] / sum * v[j * d + c]).sum::<f64>()));
    }
    y
}

#[test]
fn unstable_softmaxes_are_told_apart() {
    let right =
        causal_attention(|q, k, v, d| with_max(q, k, v, d, |row, n| row[..n].iter().copied().fold(f64::MIN, f64::max)));
    assert!(right.is_passed(), "{right:?}");
    let none = causal_attention(|q, k, v, d| with_max(q, k, v, d, |_, _| 0.0));
    named(&none, "no-max-subtraction");
    let from_zero =
        causal_attention(|q, k, v, d| with_max(q, k, v, d, |row, n| row[..n].iter().copied().fold(0.0, f64::max)));
    named(&from_zero, "maximum-starts-too-high");
    let clamped = causal_attention(|q, k, v, d| {
        with_max(q, k, v, d, |row, n| row[..n].iter().copied().fold(f64::MIN, f64::max))
            .iter()
            .map(|y| if *y > 4.0 && *y < 4.1 && q == [1.0, 1.0] { 5.0 } else { *y })
            .collect()
    });
    named(&clamped, "clamped-scores");
    let finite = causal_attention(|q, k, v, d| {
        let (n, t) = (q.len() / d, k.len() / d);
        let low = k.iter().all(|k| *k < -4000.0);
        if low {
            vec![v[1], 0.5 * (v[0] + v[1])]
        } else {
            assert!(n <= t);
            attention(Right, q, k, v, d)
        }
    });
    named(&finite, "finite-mask");
    // GPT-2's own, and the usual one.
    for hidden in [-1e4, -1e9] {
        let masked = causal_attention(|q, k, v, d| {
            let (n, t) = (q.len() / d, k.len() / d);
            let mut y = Vec::new();
            for i in 0..n {
                let score = |j: usize| match j <= t - n + i {
                    true => (0..d).map(|c| q[i * d + c] * k[j * d + c]).sum::<f64>() / (d as f64).sqrt(),
                    false => hidden,
                };
                let row: Vec<f64> = (0..t).map(score).collect();
                let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let e: Vec<f64> = row.iter().map(|s| (s - max).exp()).collect();
                let sum: f64 = e.iter().sum();
                y.extend((0..d).map(|c| (0..t).map(|j| e[j] / sum * v[j * d + c]).sum::<f64>()));
            }
            y
        });
        named(&masked, "finite-mask");
    }
    let all_rows = causal_attention(|q, k, v, d| {
        let y = attention(Right, q, k, v, d);
        [vec![0.0; k.len() - y.len()], y].concat()
    });
    named(&all_rows, "one-row-per-key");
    let beyond = causal_attention(|q, k, v, d| {
        let y = attention(Right, q, k, v, d);
        y.iter().enumerate().map(|(i, y)| y + 0.0 * k[i + d]).collect()
    });
    named(&beyond, "out-of-bounds");
    let hidden = causal_attention(|q, k, v, d| {
        with_max(q, k, v, d, |row, _| row.iter().copied().fold(f64::NEG_INFINITY, f64::max))
    });
    named(&hidden, "maximum-of-hidden-scores");
}

#[test]
fn two_mistakes_and_half_a_mask() {
    let half_future = |q: &[f64], k: &[f64], v: &[f64], d: usize| {
        let (a, b) = (attention(Right, q, k, v, d), attention(NoMask, q, k, v, d));
        a.iter().zip(b).map(|(a, b)| 0.5 * a + 0.5 * b).collect()
    };
    named(&causal_attention(half_future), "looks-ahead");
    // Not aligned where queries are few, and no scale anywhere: the scale is told first.
    let both = |q: &[f64], k: &[f64], v: &[f64], d: usize| {
        let rows = if q.len() < k.len() { q.len() } else { k.len() };
        attention(NoScale, q, &k[..rows], &v[..rows], d)
    };
    named(&causal_attention(both), "missing-scale");
}

#[test]
fn what_is_not_listed_gets_an_answer() {
    type Change = (&'static str, fn(&Call, Vec<f64>) -> Vec<f64>);
    let changes: [Change; 11] = [
        ("nothing", |_, _| vec![]),
        ("nan", |c, _| vec![f64::NAN; c.q.len()]),
        ("three times", |_, y| y.iter().map(|y| 3.0 * y).collect()),
        ("panics", |c, _| panic!("index {}", c.q.len())),
        ("residual", |c, y| y.iter().zip(&c.q).map(|(y, q)| y + q).collect()),
        ("rows backwards", |c, y| y.chunks(c.d).rev().flatten().copied().collect()),
        ("an epsilon", |_, y| y.iter().map(|y| y / 1.001).collect()),
        ("one row", |c, y| y[..c.d].to_vec()),
        ("ReLU", |_, y| y.iter().map(|y| y.max(0.0)).collect()),
        ("scaled queries twice", |c, _| {
            let q: Vec<f64> = c.q.iter().map(|q| q / (c.d as f64).sqrt().sqrt()).collect();
            attention(Right, &q, &c.k, &c.v, c.d)
        }),
        ("needs two keys", |c, y| if c.t() < 2 { panic!("one key") } else { y }),
    ];
    for (what, change) in changes {
        let report = causal_attention(|q, k, v, d| {
            let call = Call { q: q.to_vec(), k: k.to_vec(), v: v.to_vec(), d };
            change(&call, call.with(Right))
        });
        helpful(what, &report);
    }
}
