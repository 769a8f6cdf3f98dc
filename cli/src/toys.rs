//! The toy models of the library's own tests; not each package uses each of them.

pub use motamot::generation::{Cache, CausalModel, TextCodec};
pub use motamot::utils::Result;

#[allow(dead_code)]
#[path = "../../src/generation/toy.rs"]
pub mod toy;
