//! How the recorded notebooks are read without Jupyter: a [`Book`] of [`Chapter`]s, as HTML pages or in a terminal.

mod book;
mod chapter;
mod fold;
pub mod highlight;
mod html;
mod markdown;
mod math;
mod page;
mod prose;
mod terminal;

pub use book::Book;
pub use chapter::{Body, Cell, Chapter, Output, Part, Source, Tag};
pub use fold::{folded, unfolded};
pub use terminal::{View, render};
