//! Pictures in one style, as SVG for pages and notebooks.
//!
//! [`Chart`] draws lines, [`Bars`] bars, [`HeatMap`] a matrix, [`Scatter`] points with labels, [`Vectors`] arrows in the
//! plane, [`Diagram`] boxes and matrices with arrows between them, and [`Panels`] several of them side by side. Each is
//! built up, then rendered with [`Picture::to_svg`] or [`Picture::save_svg`]. [`Frames`] is what changes from one picture
//! to the next.
//!
//! White ground, so that a picture reads the same on a light and on a dark page; the colours of Okabe & Ito, which
//! colour-blind readers can tell apart. The texts are laid out with the widths of DejaVu Sans, so the file is the same on
//! every machine, and shown in the reader's own sans-serif font. Whatever the values (none, NaN, infinite), there is a
//! picture.

mod axis;
mod bars;
mod chart;
mod colors;
mod diagram;
mod frame;
mod frames;
mod heat_map;
mod page;
mod panels;
mod picture;
mod place;
mod scatter;
mod text;
mod vectors;

pub use axis::Scale;
pub use bars::Bars;
pub use chart::{Chart, Series};
pub use colors::{Color, PALETTE};
pub use diagram::{Arrow, Diagram, Item};
pub use frames::Frames;
pub use heat_map::HeatMap;
pub use page::Page;
pub use panels::Panels;
pub use picture::Picture;
pub use scatter::Scatter;
pub use vectors::Vectors;
