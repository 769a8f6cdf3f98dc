//! Exercises of notebook 02: word vectors.

mod nearest;
mod ppmi;
mod sgns;
mod table;

pub use nearest::nearest;
pub use ppmi::ppmi;
pub use sgns::sgns_step;
pub use table::embedding_backward;

use motamot_kernels::rng::Rng;

/// A usual mistake: its name, what to say in French and in English, and what it computes.
struct Known<T> {
    name: &'static str,
    fr: &'static str,
    en: &'static str,
    value: T,
}

fn known<T>(name: &'static str, fr: &'static str, en: &'static str, value: T) -> Known<T> {
    Known { name, fr, en, value }
}

/// Uniform in ±`size`.
fn random(rng: &mut Rng, n: usize, size: f64) -> Vec<f64> {
    (0..n).map(|_| (2.0 * rng.uniform_f64() - 1.0) * size).collect()
}

/// `[0.5, -1]`, at most eight numbers of four digits.
fn shown(x: &[f64]) -> String {
    let digits = |x: &f64| format!("{x:.4}").trim_end_matches('0').trim_end_matches('.').to_owned();
    let numbers: Vec<String> = x.iter().take(8).map(digits).collect();
    format!("[{}{}]", numbers.join(", "), if x.len() > 8 { ", …" } else { "" })
}

/// As [`super::close`], and both are finite: an infinity is close to nothing.
fn close(a: f64, b: f64, tolerance: f64) -> bool {
    a.is_finite() && b.is_finite() && super::close(a, b, tolerance)
}

/// Equal in length and, within 1e-7, in values.
fn same(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(*a, *b, 1e-7))
}
