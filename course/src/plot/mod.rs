//! Pictures in one style: SVG for pages and notebooks, PNG for everything else.
//!
//! [`Chart`] draws lines, [`Bars`] bars, [`HeatMap`] a matrix, [`Scatter`] points with labels, and [`Panels`] several of
//! them side by side. Each is built up, then rendered with `to_svg`, `save_svg` or `save_png`.
//!
//! White ground, so that a picture reads the same on a light and on a dark page; the colours of Okabe & Ito, which
//! colour-blind readers can tell apart; the font is compiled in (`src/utils/font/`), so no machine needs to have one.
//! Whatever the values (none, NaN, infinite), there is a picture.

mod axis;
mod bars;
mod bars_draw;
mod chart;
mod colors;
mod frame;
mod heat_map;
mod heat_map_draw;
mod lines;
mod page;
mod panels;
mod place;
mod render;
mod scatter;

pub use axis::Scale;
pub use bars::Bars;
pub use chart::{Chart, Series};
pub use colors::PALETTE;
pub use heat_map::HeatMap;
pub use page::Page;
pub use panels::Panels;
pub use render::to_svg;
pub use scatter::Scatter;

/// Something that can be drawn on a page, alone or among others in [`Panels`]: every type of picture here.
pub trait Picture: Send + Sync {
    /// The width and height that it takes, in pixels of the page, where `free` pixels are free from left to right.
    fn size(&self, free: u32) -> (u32, u32);

    /// Draws it from (0, 0) to `size`.
    fn draw(&self, page: &mut Page, size: (u32, u32));
}

/// The width of a picture that stands alone, if nobody chose another.
const WIDTH: u32 = 800;

/// The size of a picture with two axes: narrower ones are less flat.
fn usual(free: u32) -> (u32, u32) {
    let w = free.clamp(240, WIDTH);
    (w, 460 - (WIDTH - w) * 2 / 7)
}

/// A size that can be drawn and seen.
fn sane(width: u32, height: u32) -> Option<(u32, u32)> {
    Some((width.clamp(120, 4000), height.clamp(90, 4000)))
}

/// What every picture can do, without a trait to import.
macro_rules! saved {
    ($($picture:ty),*) => {$(
        impl $picture {
            /// The picture as SVG.
            pub fn to_svg(&self) -> motamot::utils::Result<String> {
                to_svg(self)
            }

            /// Writes the picture as SVG, atomically.
            pub fn save_svg(&self, path: &std::path::Path) -> motamot::utils::Result<()> {
                motamot::utils::fs::write_atomic(path, self.to_svg()?.as_bytes())
            }

            /// Writes the picture as PNG, twice as fine as its size, for screens that show it so.
            pub fn save_png(&self, path: &std::path::Path) -> motamot::utils::Result<()> {
                render::save_png(self, path)
            }
        }
    )*};
}

saved!(Bars, Chart, HeatMap, Panels, Scatter);
