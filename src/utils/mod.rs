//! What every floor may use: errors, files written whole or not at all, pictures, tables.

mod error;
pub mod fs;
pub mod hash;
pub mod html;
pub mod numbers;
pub mod plot;

pub use error::{Error, Result};
