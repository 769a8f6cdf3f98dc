//! motamot for Jupyter: the same names, in one dynamic library that all cells share; see `Cargo.toml`.
#![forbid(unsafe_code)]

pub use motamot_course::*;
