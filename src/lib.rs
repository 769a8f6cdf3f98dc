//! motamot: a GPT-style language model built from scratch, word by word.
#![forbid(unsafe_code)]

pub mod utils;

pub mod tokenizer;

pub mod nn;

pub mod attention;
pub mod embeddings;
pub mod transformer;

pub mod model;

pub mod data;
pub mod generation;
pub mod training;

pub mod cli;
