//! One architecture per file: configuration, initialisation, forward, loss.

pub mod checkpoint;
mod config;
mod gpt;

pub use config::{GptConfig, INIT_STD, PRESETS, Part, preset};
pub use gpt::Gpt;
