//! One architecture per file: configuration, initialisation, forward, loss.

mod config;
mod gpt;
pub mod ngram;

pub use config::{GptConfig, INIT_STD, PRESETS, Part, preset};
pub use gpt::Gpt;
