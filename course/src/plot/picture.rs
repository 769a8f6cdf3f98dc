//! What every type of picture is.

use std::path::Path;

use super::page::Page;
use crate::html::Rich;
use motamot::utils::Result;
use motamot::utils::fs::write_atomic;

/// Something that can be drawn on a page, alone or among others in [`Panels`](super::Panels): every type of picture here.
pub trait Picture: Send + Sync {
    /// The width and height that it takes, in pixels of the page, where `free` pixels are free from left to right.
    fn size(&self, free: u32) -> (u32, u32);

    /// Draws it from (0, 0) to `size`.
    fn draw(&self, page: &mut Page, size: (u32, u32));

    /// The picture as SVG.
    fn to_svg(&self) -> String {
        let (size, mut page) = (self.size(WIDTH), Page::default());
        self.draw(&mut page, size);
        page.into_svg(size)
    }

    /// Writes the picture as SVG, atomically.
    fn save_svg(&self, path: &Path) -> Result<()> {
        write_atomic(path, self.to_svg().as_bytes())
    }
}

/// The width of a picture that stands alone, if nobody chose another.
pub(super) const WIDTH: u32 = 800;

/// The size of a picture with two axes: narrower ones are less flat.
pub(super) fn usual(free: u32) -> (u32, u32) {
    let w = free.clamp(240, WIDTH);
    (w, 460 - (WIDTH - w) * 2 / 7)
}

/// A size that can be drawn and seen.
pub(super) fn sane(width: u32, height: u32) -> Option<(u32, u32)> {
    Some((width.clamp(120, 4000), height.clamp(90, 4000)))
}

impl<P: Picture> Rich for P {
    fn mime(&self) -> &'static str {
        "image/svg+xml"
    }

    fn content(&self) -> String {
        self.to_svg()
    }
}
