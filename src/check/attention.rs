//! Exercises of notebook 03: back-propagation through time, causal attention, a test of causality, softmax's backward.
//!
//! Each exercise has its right function and the same function with one slip, chosen by an enum: what a usual mistake
//! would give is computed on the input at hand and compared with what the learner's function gave.

mod bptt;
mod causal;
mod causality;
mod softmax;

pub use bptt::rnn_backward;
pub use causal::causal_attention;
pub use causality::is_causal;
pub use softmax::softmax_backward;

use motamot_kernels::rng::Rng;

use super::Report;

/// A usual mistake: how it is computed, its name, and what to say about it.
type Slip<S> = (S, &'static str, &'static str, &'static str);

/// Numbers agree if they do to seven digits: rounding in another order is no mistake.
const TOLERANCE: f64 = 1e-7;

fn random(rng: &mut Rng, len: usize, scale: f64) -> Vec<f64> {
    (0..len).map(|_| scale * f64::from(rng.normal())).collect()
}

/// Whether all values agree. Where `want` is not a number (a mistake may divide 0 by 0), anything does.
fn agree(got: &[f64], want: &[f64]) -> bool {
    got.len() == want.len()
        && got.iter().zip(want).all(|(g, w)| !w.is_finite() || (g - w).abs() <= TOLERANCE * w.abs().max(1.0))
}

/// The slip that gives `got` where the right answer is another.
fn recognise<S: Copy>(
    exercise: &'static str,
    got: &[f64],
    right: &[f64],
    slips: &[Slip<S>],
    with: impl Fn(S) -> Vec<f64>,
) -> Option<Report> {
    slips.iter().find_map(|&(slip, name, fr, en)| {
        let values = with(slip);
        let known = values.iter().filter(|x| x.is_finite()).count();
        let told_apart = known * 2 > values.len() && !agree(&values, right);
        (told_apart && agree(got, &values)).then(|| Report::mistake(exercise, name, fr, en))
    })
}

/// `[0.25, -1.3]`, four significant decimals, at most eight values.
fn list(values: &[f64]) -> String {
    let shown: Vec<String> = values.iter().take(8).map(|x| number(*x)).collect();
    format!("[{}{}]", shown.join(", "), if values.len() > 8 { ", …" } else { "" })
}

fn number(x: f64) -> String {
    let text = if x != 0.0 && x.abs() < 5e-5 { format!("{x:.1e}") } else { format!("{x:.4}") };
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// The answer to a result of the wrong length.
fn wrong_length(exercise: &'static str, what: (&str, &str), want: usize, got: usize) -> Report {
    Report::wrong(
        exercise,
        format!("{} doit avoir {want} éléments, le tien en a {got}", what.0),
        format!("{} must have {want} elements, yours has {got}", what.1),
    )
}
