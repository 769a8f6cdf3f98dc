//! What the notebooks of the course stand on: their language, and how they show pictures and tables.
//!
//! A notebook runs in three places, unchanged: in Jupyter (the Rust kernel), in `cargo xtask notebooks`, which records
//! its outputs, and as a plain program in a terminal. [`show`] does the right thing in each.

//!
//! And how the recorded notebooks are read without Jupyter: a [`Book`] of [`Chapter`]s, as HTML pages or in a terminal.

#[cfg(feature = "cli")]
mod book;
#[cfg(feature = "cli")]
mod chapter;
#[cfg(feature = "cli")]
pub mod highlight;
#[cfg(feature = "cli")]
mod html;
mod lang;
#[cfg(feature = "cli")]
pub mod math;
mod show;
#[cfg(feature = "cli")]
mod terminal;

#[cfg(feature = "cli")]
pub use book::Book;
#[cfg(feature = "cli")]
pub use chapter::{Cell, Chapter, Output, Source, Tag};
pub use lang::{Lang, lang, tr};
pub use show::{CELL_MARK, Rich, cell, show};
#[cfg(feature = "cli")]
pub use terminal::{View, render};
