//! How the recorded notebooks are read without Jupyter: a [`Book`] of [`Chapter`]s, as HTML pages or in a terminal.

mod book;
mod chapter;
pub mod highlight;
mod html;
mod markdown;
mod math;
mod terminal;

pub use book::Book;
pub use chapter::{Cell, Chapter, Output, Source, Tag};
pub use terminal::{View, render};
