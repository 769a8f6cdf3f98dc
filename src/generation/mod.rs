//! From logits to text: samplers, beam search, the decoding loop, token streams.
//!
//! ```text
//! text ──encode──▶ tokens ──Decoder (KV cache, window)──▶ logits ──Sampler──▶ token ──TokenStream──▶ text
//!                     ▲                                                      │
//!                     └──────────────────────────────────────────────────────┘
//! ```
//! Everything here asks only two things of the rest of the project: a [`CausalModel`] and a [`TextCodec`].

mod beam;
mod causal;
mod decoder;
mod generate;
mod gpt;
mod sampler;
mod stream;
#[cfg(test)]
#[allow(dead_code)] // the course and the command include it, too
pub(crate) mod toy;
#[cfg(test)]
use crate::utils::Result;

pub use beam::{BeamOptions, Hypothesis, beam_search};
pub use causal::{Cache, CausalModel, TextCodec, start_tokens};
pub use decoder::{Decoder, window_start};
pub use generate::{FinishReason, Generated, Request, Sample, Stats, generate, generate_naive};
pub use sampler::{Sampler, SamplingOptions, distribution};
pub use stream::{TokenStream, decode, heading_so_far};
