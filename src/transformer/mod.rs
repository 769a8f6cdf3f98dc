//! The Transformer block: attention mixes tokens, the MLP works on each; both add to the residual stream, with dropout.
//!
//! A block is described once, by its fields. Three executors read them: [`Block::forward`] composes ops, `fused` runs a
//! sub-layer as one op where training is in bf16, and `decoding` is the view that the kernel of decoding takes. Each takes
//! a layer apart field by field, so that a new field does not compile until each says what it does with it.

mod block;
pub(crate) mod decoding;
mod fused;
mod mlp;

pub use block::{Block, BlockConfig, NormOrder, Residual};
pub use mlp::Mlp;
pub use motamot_tensor::ops::Activation;
