//! What the course adds to the library: models to compare a GPT with, checked exercises, pictures, pages, small texts.
//!
//! A notebook runs in three places, unchanged: in Jupyter (the Rust kernel), in `cargo xtask notebooks`, which records
//! its outputs, and as a plain program in a terminal. [`show`] does the right thing in each.
//!
//! The library is here under its own names ([`model`], [`training`], …), so that a notebook needs one crate: there,
//! `motamot` is this package.
//!
//! ```text
//!  pages       the recorded notebooks as HTML and in the terminal
//!  check       answers to exercises, and what is wrong with them
//!  curve       the loss curve of a run
//!  models      BERT, T5, RNN, Word2Vec
//!  next_byte   what a token model expects letter by letter
//!  texts       small texts for experiments
//!  show, html  how a cell shows pictures, tables and tokens
//!  plot        pictures
//!  figures     the pictures of the notebooks that take more than a few lines
//!  catalogue   what the course says, by key, in every language
//!  lang        the languages
//!  numbers     decimal and thousands marks
//! ```
#![forbid(unsafe_code)]

pub use motamot::*;

pub mod catalogue;
mod lang;
pub mod numbers;
pub mod plot;

pub mod html;
mod show;

pub mod figures;
pub mod models;
pub mod next_byte;
pub mod texts;

pub mod curve;

pub mod check;
#[cfg(feature = "pages")]
pub mod pages;

pub use html::Rich;
pub use lang::{Lang, lang, tr};
pub use show::{CELL_MARK, cell, show, user_folder};

#[cfg(test)]
mod toys;
