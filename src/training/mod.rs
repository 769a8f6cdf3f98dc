//! From random weights to a language model: objective, optimiser, schedule, the loop, and its state on disk.
//!
//! An [`Objective`] draws batches and gives their loss, an [`Optimizer`] changes a parameter by its gradient; [`Trainer`]
//! runs one towards the other for any [`Module`](crate::nn::Module), and [`Run`] pretrains a GPT in a folder.

mod config;
mod metrics;
mod objective;
mod optimizer;
mod run;
mod schedule;
pub mod state;
mod trainer;

pub use config::{OptimizerKind, RunConfig, TrainConfig, available};
pub use metrics::{METRICS, Metrics, MetricsFile};
pub use motamot_kernels::bf16::Precision;
pub use objective::{Objective, Pretraining};
pub use optimizer::{AdamW, Muon, Optimizer, Step, Updater, grad_norm};
pub use run::{Event, Outcome, Run, SAVE_SECONDS};
pub use schedule::{Decay, Schedule};
pub use trainer::{Pending, Progress, Settings, StepReport, Trainer};
