//! Parameters, the pass that runs over them, and the layers made of one op.

mod cache;
mod layers;
mod param;
mod pass;

pub use cache::KvCache;
pub(crate) use layers::UNFILLED;
pub use layers::{Embedding, Linear, Norm, NormKind};
pub use param::{Module, Param};
pub(crate) use param::{join as path_join, modules};
pub use pass::Pass;
