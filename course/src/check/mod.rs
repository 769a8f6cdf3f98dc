//! Checks of the exercises: give yours, get an answer that helps.
//!
//! A checker takes the learner's own function, tries it on random inputs, on frozen values and against the usual
//! mistakes, and answers in French or English (see [`crate::lang`]):
//!
//! ```
//! use motamot_course::check;
//!
//! fn perplexity(p: &[f64]) -> f64 {
//!     let nats: f64 = p.iter().map(|p| -p.ln()).sum();
//!     (nats / p.len() as f64).exp()
//! }
//! println!("{}", check::perplexity(perplexity));
//! # assert!(check::perplexity(perplexity).is_passed());
//! ```
//!
//! It works the same in a cell of a notebook and in a program (`examples/exercises.rs`).
//! An exercise that is not done yet returns [`unfinished`]; the check then says so, and so it does for `todo!()`.
//!
//! Maintainers: one file per exercise; `exercise.rs` says what a new one needs.

mod answer;
mod attention;
mod embeddings;
mod exercise;
mod language;
mod report;
mod tokenization;
mod trial;

pub use attention::*;
pub use embeddings::*;
pub use language::*;
pub use report::{Report, Verdict};
pub use tokenization::*;
pub use trial::{Outcome, close, largest_difference, numeric_gradient, trial, unfinished};
