//! One architecture per file.

pub mod ngram;
