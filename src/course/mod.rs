//! What the notebooks of the course stand on: their language, and how they show pictures and tables.
//!
//! A notebook runs in three places, unchanged: in Jupyter (the Rust kernel), in `cargo xtask notebooks`, which records
//! its outputs, and as a plain program in a terminal. [`show`] does the right thing in each.

mod lang;
mod show;

pub use lang::{Lang, lang, tr};
pub use show::{CELL_MARK, Rich, cell, show};
