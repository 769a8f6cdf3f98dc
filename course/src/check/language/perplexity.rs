//! Exercise 00.1: perplexity.

use std::f64::consts::{LN_2, LN_10};

use crate::catalogue::text;
use crate::check::exercise::{Exercise, Mistake};
use crate::check::report::Report;
use crate::check::trial::close;
use motamot_kernels::rng::Rng;

type Known = Mistake<'static, Vec<f64>, f64>;

/// Σ −ln p.
fn nats(p: &[f64]) -> f64 {
    p.iter().map(|p| -p.ln()).sum()
}

/// Exercise 00.1: the perplexity of a model that gave the probability p\[i\] to the symbol that really came at i,
/// exp(−1/N · Σ ln p). A fair die has perplexity 6; a probability of 0 makes it infinite.
pub fn perplexity(f: impl Fn(&[f64]) -> f64) -> Report {
    exercise().check(|p| f(p))
}

fn inputs() -> Vec<Vec<f64>> {
    let mut rng = Rng::new(1);
    let mut list = |n: usize, low: f64| -> Vec<f64> { (0..n).map(|_| low + (1.0 - low) * rng.uniform_f64()).collect() };
    let mut inputs = vec![vec![1.0 / 6.0; 12], vec![0.5, 0.25, 0.125], vec![1.0; 4], vec![0.01], vec![0.5, 0.0, 0.25]];
    inputs.extend([list(7, 0.05), list(31, 0.01), list(100, 0.2), list(2000, 0.001)]);
    inputs
}

fn exercise() -> Exercise<'static, Vec<f64>, f64> {
    Exercise {
        id: "00.1",
        inputs: inputs(),
        solution: Box::new(|p| (nats(p) / p.len() as f64).exp()),
        tell: |p| {
            let shown = if p.len() <= 8 { format!("{p:.4?}") } else { format!("{:.4?}…", &p[..4]) };
            text("00.1.tell").with("shown", shown).with("n", p.len())
        },
        hint: |p, x| {
            let mean = nats(p) / p.len() as f64;
            if x.is_nan() {
                return text("00.1.hint-nan");
            }
            text("00.1.hint").with("mean", format!("{mean:.4}"))
        },
        mistakes: mistakes(),
    }
}

fn mistakes() -> Vec<Known> {
    vec![
        Known::seen("zero-hidden", |tries| {
            // A small number added everywhere moves the other answers, too, but hardly.
            let hidden =
                |(p, x, right): (&Vec<f64>, &f64, &f64)| x.is_finite() && (p.contains(&0.0) || close(*x, *right, 1e-3));
            tries.panics().next().is_none() && tries.values().all(hidden)
        }),
        Known::new("product-underflow", |p| p.iter().product::<f64>().powf(-1.0 / p.len() as f64)),
        Known::new("sum-not-mean.exponential", |p| nats(p).exp()),
        Known::new("missing-exponential.nats", |p| nats(p) / p.len() as f64),
        Known::new("missing-exponential.bits", |p| nats(p) / p.len() as f64 / LN_2),
        Known::new("missing-exponential.sign", |p| -nats(p) / p.len() as f64),
        Known::new("missing-minus.mean", |p| (-nats(p) / p.len() as f64).exp()),
        Known::new("missing-minus.sum", |p| (-nats(p)).exp()),
        Known::new("exp-of-bits", |p| (nats(p) / p.len() as f64 / LN_2).exp()),
        Known::new("two-to-the-nats", |p| (nats(p) / p.len() as f64).exp2()),
        Known::new("log-base-ten.mixed", |p| (nats(p) / p.len() as f64 / LN_10).exp()),
        Known::new("log-base-ten.mixed", |p| (nats(p) / p.len() as f64 / LN_10).exp2()),
        Known::new("log-base-ten.mean", |p| nats(p) / p.len() as f64 / LN_10),
        Known::new("base-e-to-the-ten", |p| (nats(p) / p.len() as f64 * LN_10).exp()),
        Known::new("sum-not-mean.nats", |p| nats(p)),
        Known::new("mean-of-inverses", |p| p.iter().map(|p| 1.0 / p).sum::<f64>() / p.len() as f64),
        Known::new("inverse-of-mean", |p| p.len() as f64 / p.iter().sum::<f64>()),
        Known::new("weighted-by-p.exponential", |p| entropy(p).exp()),
        Known::new("weighted-by-p.exponential", |p| (entropy(p) / p.len() as f64).exp()),
        Known::new("weighted-by-p.entropy", |p| entropy(p)),
        Known::new("wrong-count.one-less", |p| (nats(p) / (p.len() as f64 - 1.0)).exp()),
        Known::new("wrong-count.one-more", |p| (nats(p) / (p.len() as f64 + 1.0)).exp()),
        Known::new("skipped-symbol.first-in-sum", |p| (nats(&p[1..]) / p.len() as f64).exp()),
        Known::new("skipped-symbol.last-in-sum", |p| (nats(&p[..p.len() - 1]) / p.len() as f64).exp()),
        Known::new("skipped-symbol.first", |p| (nats(&p[1..]) / (p.len() - 1) as f64).exp()),
        Known::new("skipped-symbol.last", |p| (nats(&p[..p.len() - 1]) / (p.len() - 1) as f64).exp()),
        Known::new("last-symbol-only", |p| 1.0 / p[p.len() - 1]),
        Known::new("last-symbol-only", |p| (-p[p.len() - 1].ln() / p.len() as f64).exp()),
        Known::new("missing-minus.product", |p| p.iter().product::<f64>().powf(1.0 / p.len() as f64)),
        Known::new("log-of-mean", |p| -(p.iter().sum::<f64>() / p.len() as f64).ln()),
        Known::new("complement", |p| {
            nats(&p.iter().map(|p| 1.0 - p).collect::<Vec<_>>()).max(0.0).mul_add(1.0 / p.len() as f64, 0.0).exp()
        }),
        Known::new("integer-division.mean", |p| (nats(p) as i64 / p.len() as i64) as f64),
        Known::new("integer-division.exponential", |p| ((nats(p) as i64 / p.len() as i64) as f64).exp()),
        Known::new("always-one", |_| 1.0),
    ]
}

/// −Σ p ln p.
fn entropy(p: &[f64]) -> f64 {
    p.iter().map(|p| -p * p.ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::check::exercise::testing::{helpful, named};

    fn mean(p: &[f64]) -> f64 {
        nats(p) / p.len() as f64
    }

    #[test]
    fn both_sides() {
        exercise().assert_both_sides();
        assert!(perplexity(|p| (mean(p) / 2f64.ln()).exp2()).is_passed());
    }

    #[test]
    fn a_hidden_zero_is_recognised() {
        named(&perplexity(|p| mean(&p.iter().map(|p| p + 1e-10).collect::<Vec<_>>()).exp()), "zero-hidden");
        named(&perplexity(|p| mean(&p.iter().map(|p| p.max(1e-12)).collect::<Vec<_>>()).exp()), "zero-hidden");
        named(
            &perplexity(|p| (nats(&p.iter().copied().filter(|p| *p > 0.0).collect::<Vec<_>>()) / p.len() as f64).exp()),
            "zero-hidden",
        );
    }

    #[test]
    fn what_is_not_listed_gets_the_input_and_the_values() {
        let text = perplexity(|p| mean(p).exp() * 3.0).text(Lang::En);
        assert!(text.contains("p = [0.0100]") && text.contains("is 100,") && text.contains("gives 300"), "{text}");
        let text = perplexity(|_| panic!("oh no")).text(Lang::Fr);
        assert!(text.contains("oh no") && text.contains("p = "), "{text}");
        let text = perplexity(|p| if p.contains(&0.0) { panic!("zero!") } else { mean(p).exp() }).text(Lang::En);
        assert!(text.contains("zero!"), "{text}");
        type Try = (&'static str, fn(&[f64]) -> f64);
        let tries: [Try; 12] = [
            ("square root of the product", |p| 1.0 / p.iter().product::<f64>().sqrt()),
            ("median", |p| {
                let mut p = p.to_vec();
                p.sort_by(f64::total_cmp);
                1.0 / p[p.len() / 2]
            }),
            ("largest", |p| 1.0 / p.iter().copied().fold(0.0, f64::max)),
            ("smallest", |p| 1.0 / p.iter().copied().fold(1.0, f64::min)),
            ("how many", |p| p.len() as f64),
            ("nan", |_| f64::NAN),
            ("rounded", |p| mean(p).exp().round()),
            ("f32", |p| f64::from((p.iter().map(|p| -(*p as f32).ln()).sum::<f32>() / p.len() as f32).exp())),
            ("exponential of each", |p| p.iter().map(|p| (-p.ln()).exp()).sum::<f64>()),
            ("plus one", |p| mean(p).exp() + 1.0),
            ("capped", |p| mean(p).exp().min(10.0)),
            ("ln of 1 + p", |p| (p.iter().map(|p| -p.ln_1p()).sum::<f64>() / p.len() as f64).exp()),
        ];
        for (what, f) in tries {
            helpful(what, &perplexity(f));
        }
    }
}
