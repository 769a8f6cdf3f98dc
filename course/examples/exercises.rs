//! Exercises of the course outside Jupyter: put your functions here and let `motamot_course::check` answer.
//!
//! Run: `cargo run --example exercises` (answers in French), or with `MOTAMOT_LANG=en` for English.

use motamot_course::check;

/// Exercise 00.1, with a usual mistake: what is it?
fn perplexity(p: &[f64]) -> f64 {
    let bits: f64 = p.iter().map(|p| -p.log2()).sum();
    (bits / p.len() as f64).exp()
}

/// Exercise 03.4, not begun: the gradient of softmax(x/τ), row by row of n values.
fn softmax_backward(p: &[f64], dp: &[f64], n: usize, tau: f64) -> Vec<f64> {
    let _ = (p, dp, n, tau);
    check::unfinished()
}

fn main() {
    println!("{}", check::perplexity(perplexity));
    println!("{}", check::softmax_backward(softmax_backward));
}
