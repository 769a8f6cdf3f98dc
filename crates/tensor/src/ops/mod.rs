//! The ops: one family per file, forward and backward side by side. Each says its formula, its shapes and its source.
//!
//! Shapes in the docs: `..` stands for any leading axes. Mismatched shapes are a programmer's error and panic.

mod activation;
mod arithmetic;
mod attention;
mod dropout;
mod embedding;
mod fused;
mod layout;
mod loss;
mod matmul;
mod norm;
mod reduce;
mod rope;
mod softmax;
mod unary;

pub use activation::{exp, gelu, gelu_tanh, ln, log_sigmoid, relu, sigmoid, silu, swiglu, tanh};
pub use motamot_kernels::activation::Activation;

pub use arithmetic::{add, mul, scale, sub};
pub use attention::{Attention, Mask, attention, attention_cached, attention_packed};
pub use dropout::{dropout, dropout_add};
pub use embedding::embedding;
pub use fused::{PreNorm, Projection, mlp_bf16, self_attention_bf16, swiglu_bf16};
pub use layout::{concat, reshape, slice, swap_axes_12, transpose};
pub use loss::{CHUNK_LOGITS, CHUNK_ROWS, IGNORE, cross_entropy, linear_cross_entropy};
pub use matmul::{linear, matmul, matmul_nt};
pub use norm::{layer_norm, rms_norm};
pub use reduce::{mean, sum, sum_rows};
pub use rope::rope;
pub use softmax::{log_softmax, softmax};
