//! One architecture per file: configuration, initialisation, forward, loss.

pub mod checkpoint;
mod config;
mod gpt;
pub mod ngram;

pub use checkpoint::{SpecialIds, load_model, read_config, save_model};
pub use config::{GptConfig, INIT_STD, PRESETS, Part, preset};
pub use gpt::Gpt;
