//! What every floor may use: errors, files written whole or not at all.

pub mod by_name;
mod error;
pub mod fs;
pub mod hash;
pub mod json;

pub use error::{Error, Result};
