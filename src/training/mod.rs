//! From random weights to a language model: optimiser, schedule, evaluation, the loop, and its state on disk.

mod config;
mod evaluate;
mod optimizer;
mod schedule;
mod trainer;

pub use config::{RunConfig, TokenizerChoice, TrainConfig};
pub use evaluate::{Evaluation, evaluate};
pub use optimizer::{AdamW, AdamWConfig, grad_norm};
pub use schedule::{Decay, Schedule};
pub use trainer::{Progress, StepReport, Trainer};
