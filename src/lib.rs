//! motamot: a GPT-style language model built from scratch, word by word.
#![forbid(unsafe_code)]

pub mod utils;

pub mod tokenizer;

pub mod data;
pub mod generation;

pub mod cli;
