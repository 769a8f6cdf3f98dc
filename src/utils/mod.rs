//! What every floor may use: errors, a clock, files written whole or not at all.

pub mod by_name;
pub mod clock;
mod error;
pub mod fs;
pub mod hash;
pub mod json;

pub use error::{Error, Result};
