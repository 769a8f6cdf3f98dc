//! Exercises of notebook 03: back-propagation through time, causal attention, a test of causality, softmax's backward.
//!
//! Each has its right function and the same function with one slip, chosen by an enum.

mod bptt;
mod causal;
mod causality;
mod softmax;

pub use bptt::rnn_backward;
pub use causal::causal_attention;
pub use causality::is_causal;
pub use softmax::softmax_backward;

/// A usual mistake: how it is computed, its name, and what to say in French and in English.
type Slip<S> = (S, &'static str, &'static str, &'static str);
