//! What the notebooks of the course stand on: their language, and how they show pictures and tables.
//!
//! A notebook runs in three places, unchanged: in Jupyter (the Rust kernel), in `cargo xtask notebooks`, which records
//! its outputs, and as a plain program in a terminal. [`show`] does the right thing in each.

//!
//! And how the recorded notebooks are read without Jupyter: a [`Book`] of [`Chapter`]s, as HTML pages or in a terminal.

mod book;
mod chapter;
pub mod highlight;
mod html;
mod lang;
pub mod math;
mod show;
mod terminal;

pub use book::Book;
pub use chapter::{Cell, Chapter, Output, Source, Tag};
pub use lang::{Lang, lang, tr};
pub use show::{CELL_MARK, Rich, cell, show};
pub use terminal::{View, render};
