//! From random weights to a language model: optimiser, schedule, evaluation, the loop, and its state on disk.

mod config;
mod metrics;
mod optimizer;
mod run;
mod schedule;
pub mod state;
mod trainer;

pub use config::{Precision, RunConfig, TrainConfig};
pub use metrics::{Metrics, MetricsFile};
pub use optimizer::{AdamW, AdamWConfig, grad_norm};
pub use run::{Event, METRICS, Outcome, Run};
pub use schedule::{Decay, Schedule};
pub use trainer::{Progress, StepReport, Trainer};
