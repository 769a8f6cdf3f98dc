//! motamot: a GPT-style language model built from scratch, word by word.
//!
//! Everything between a text file and a model that answers is in this library, and every floor stands only on those
//! below it (`tests/architecture.rs` checks that):
//!
//! ```text
//!  training       objective, optimiser, schedule, the loop, a run and its folder
//!  generation     samplers, beam search, texts side by side                       ┌───────────┐
//!  evaluation     loss on a text, n-grams                                         │ tokenizer │  text ⇄ ids
//!  data           texts, splits, batches                                          ├───────────┤
//!  checkpoint     folders that the world reads                                    │ utils     │  errors, files, JSON
//!  model          GPT                                                             └───────────┘
//!  transformer    MLP and block                                                   beside the floors
//!  attention      multi-head, grouped-query
//!  embeddings     positions
//!  nn             parameters, the pass, layers made of one op
//!  ───────────────────────────────────────────────────────────────────────────────────────────
//!  motamot-tensor    buffers, tensors, the tape, the ops
//!  motamot-kernels   loops over slices, the same bits on each instruction set; the only `unsafe` code
//! ```
//!
//! To read it, start with [`model::Gpt`], whose forward pass is the paper's, and go down: [`transformer::Block`],
//! [`attention::SelfAttention`], `motamot_tensor::ops`. Or follow a step of training: [`training::Trainer::step`].
//! To use it, see `examples/quickstart.rs`; what to change where is in `ARCHITECTURE.md`.
//!
//! B batch, T time, C channels, H heads, D head dim, V vocabulary, L layers, F MLP width. Losses are in nats per token.
#![forbid(unsafe_code)]

pub mod utils;

pub mod tokenizer;

pub mod nn;

pub mod attention;
pub mod embeddings;
pub mod transformer;

pub mod checkpoint;
pub mod model;

pub mod data;
pub mod evaluation;
pub mod generation;
pub mod training;

/// Slices in, slices out: the lowest floor, for who wants to call it directly.
pub use motamot_kernels as kernels;
/// Tensors and the tape, for who wants to build a model of their own.
pub use motamot_tensor as tensor;

/// The README's program compiles, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
