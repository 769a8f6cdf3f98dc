//! Several pictures in one.

use std::fmt;
use std::sync::Arc;

use super::colors::INK;
use super::page::{Height, Page, Side};
use super::picture::{Picture, WIDTH, sane};
use super::text::{TITLE, wrapped};

/// Pictures in a grid: built up, then rendered.
#[derive(Clone)]
pub struct Panels {
    title: String,
    columns: usize,
    pictures: Vec<Arc<dyn Picture>>,
    size: Option<(u32, u32)>,
}

/// The width of a grid if nobody chose another, and the gap between its pictures.
const GRID_WIDTH: u32 = 1000;
const GAP: u32 = 12;

impl Panels {
    /// An empty grid with so many columns.
    pub fn new(columns: usize) -> Panels {
        Panels { title: String::new(), columns: columns.max(1), pictures: Vec::new(), size: None }
    }

    /// Adds a picture after the others, from left to right and from top to bottom.
    #[expect(clippy::should_implement_trait, reason = "a picture is added to a grid: nothing of two numbers")]
    pub fn add(mut self, picture: impl Picture + 'static) -> Panels {
        self.pictures.push(Arc::new(picture));
        self
    }

    /// A title above all.
    pub fn title(self, title: impl Into<String>) -> Panels {
        Panels { title: title.into(), ..self }
    }

    /// Width and height in pixels of the page, shared out evenly. Without it, each picture has its own size, or one
    /// that suits the width of its column.
    pub fn size(self, width: u32, height: u32) -> Panels {
        Panels { size: sane(width, height), ..self }
    }

    fn used_columns(&self) -> usize {
        self.columns.min(self.pictures.len()).max(1)
    }

    /// The lines of the title, and the height that they take.
    fn heading(&self, wide: u32) -> (Vec<String>, u32) {
        let lines = wrapped(&self.title, TITLE + 1.0, f64::from(wide) - 28.0);
        let height = if lines.is_empty() { 0 } else { 16 + 20 * lines.len() as u32 };
        (lines, height)
    }

    /// The widths of the columns and the heights of the rows.
    fn grid(&self, free: u32) -> (Vec<u32>, Vec<u32>) {
        let columns = self.used_columns();
        let (mut widths, mut heights) = (vec![0; columns], vec![0; self.pictures.len().div_ceil(columns)]);
        if let Some((w, h)) = self.size {
            let rows = heights.len().max(1) as u32;
            let each = |all: u32, n: u32| (all.saturating_sub(GAP * (n - 1)) / n).max(60);
            widths.fill(each(w, columns as u32));
            heights.fill(each(h.saturating_sub(self.heading(w).1), rows));
            return (widths, heights);
        }
        let all = if columns > 1 { free.saturating_add(GRID_WIDTH - WIDTH) } else { free };
        let each = (all.saturating_sub(GAP * (columns as u32 - 1)) / columns as u32).max(150);
        for (i, picture) in self.pictures.iter().enumerate() {
            let (w, h) = picture.size(each);
            widths[i % columns] = w.max(widths[i % columns]);
            heights[i / columns] = h.max(heights[i / columns]);
        }
        (widths, heights)
    }
}

/// The length of columns or rows with the gaps between them.
fn total(sizes: &[u32]) -> u32 {
    sizes.iter().sum::<u32>() + GAP * (sizes.len().max(1) as u32 - 1)
}

/// Makes them as long as this together, each with its share.
fn share(sizes: &mut [u32], length: u32) {
    let gaps = total(sizes) - sizes.iter().sum::<u32>();
    let factor = f64::from(length.saturating_sub(gaps)) / f64::from(sizes.iter().sum::<u32>().max(1));
    for size in sizes {
        *size = ((f64::from(*size) * factor) as u32).max(60);
    }
}

impl fmt::Debug for Panels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, columns, pictures) = (&self.title, self.columns, self.pictures.len());
        write!(f, "Panels {{ title: {title:?}, columns: {columns}, pictures: {pictures} }}")
    }
}

impl Picture for Panels {
    fn size(&self, free: u32) -> (u32, u32) {
        let (widths, heights) = self.grid(free);
        let wide = total(&widths).max(120);
        self.size.unwrap_or((wide, (total(&heights) + self.heading(wide).1).max(90)))
    }

    fn draw(&self, page: &mut Page, (wide, high): (u32, u32)) {
        let (lines, mut y) = self.heading(wide);
        for (row, line) in lines.iter().enumerate() {
            let at = (14.0, 12.0 + 20.0 * row as f64);
            page.text(line, at, TITLE + 1.0, INK, Side::Left, Height::Top);
        }
        let columns = self.used_columns();
        let (mut widths, mut heights) = self.grid(WIDTH);
        share(&mut widths, wide);
        share(&mut heights, high.saturating_sub(y));
        let outer = page.place();
        for (row, pictures) in self.pictures.chunks(columns).enumerate() {
            let mut x = 0;
            for (picture, &w) in pictures.iter().zip(&widths) {
                page.origin((outer.0 + f64::from(x), outer.1 + f64::from(y)));
                picture.draw(page, (w, heights[row]));
                x += w + GAP;
            }
            y += heights[row] + GAP;
        }
        page.origin(outer);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Bars, Chart, HeatMap, Scatter, Series};
    use super::*;

    fn sample() -> Panels {
        Panels::new(2)
            .title("All & more")
            .add(Bars::new("bars", "", "", ["a"]).group("", [1.0]))
            .add(HeatMap::new("map", 4, 4, (0..16).map(f64::from)))
            .add(Scatter::new("points", "", "").group("", [(0.0, 0.0, "zero")]))
            .add(Chart::new("lines", "", "").series(Series::new("", [(0.0, 0.0), (1.0, 1.0)])))
    }

    #[test]
    fn every_kind_of_picture_stands_in_a_grid() {
        let svg = sample().to_svg();
        for text in ["All &amp; more", ">bars<", ">map<", ">points<", ">lines<", ">zero<"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        assert_eq!((svg.matches("<svg").count(), svg.matches(" id=").count()), (1, 0));
        assert_eq!(svg, sample().to_svg());
    }

    #[test]
    fn panels_keep_to_their_size_and_nest() {
        let svg = sample().size(640, 480).to_svg();
        assert!(svg.contains("width=\"640\" height=\"480\""), "{}", &svg[..200]);
        assert!(Panels::new(3).add(sample()).add(sample()).to_svg().matches(">zero<").count() == 2);
        assert!(Panels::new(0).to_svg().ends_with("</svg>\n"));
        assert!(Panels::new(usize::MAX).title("x").add(Panels::new(1)).size(0, 0).to_svg().ends_with("</svg>\n"));
    }

    #[test]
    fn pictures_of_a_row_do_not_reach_into_each_other() {
        let (widths, heights) = sample().grid(WIDTH);
        let size = Picture::size(&sample(), WIDTH);
        assert!(widths.iter().sum::<u32>() + GAP == size.0 && size.0 <= GRID_WIDTH, "{widths:?} {size:?}");
        assert!(heights.iter().sum::<u32>() + GAP < size.1);
    }
}
