//! Exercises of notebook 03: back-propagation through time, causal attention, a test of causality, softmax's backward.

mod bptt;
mod causal;
mod causality;
mod softmax;

pub use bptt::rnn_backward;
pub use causal::causal_attention;
pub use causality::is_causal;
pub use softmax::softmax_backward;
