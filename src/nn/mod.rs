//! Parameters, the pass that runs over them, and the layers made of one op.

mod cache;
mod layers;
mod lora;
mod param;
mod pass;

pub use crate::modules;
pub use cache::KvCache;
pub use layers::{Embedding, Linear, Norm, NormKind};
pub use lora::{Lora, LoraConfig};
pub use param::{Module, Param, UNFILLED, join as path_join};
pub use pass::Pass;
