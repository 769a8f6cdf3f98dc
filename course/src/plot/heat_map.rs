//! Heat maps: a matrix as colours.

use super::page::Page;
use super::{Picture, heat_map_draw, sane};

/// A heat map: built up, then rendered.
///
/// Pale is low and dark is high, or, if [`HeatMap::diverging`], blue is negative, white is zero and vermilion is
/// positive. Cells without a finite value are grey.
#[derive(Clone, Debug)]
pub struct HeatMap {
    pub(super) title: String,
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) values: Vec<f64>,
    pub(super) row_labels: Option<Vec<String>>,
    pub(super) column_labels: Option<Vec<String>>,
    pub(super) diverging: bool,
    pub(super) range: Option<(f64, f64)>,
    pub(super) digits: Option<usize>,
    size: Option<(u32, u32)>,
}

/// More cells than pixels cannot be seen, and make a heavy file.
const MOST: usize = 1024;

impl HeatMap {
    /// A matrix, row after row from the top. Values that are missing are like NaN; at most 1,024 rows and columns are
    /// drawn.
    pub fn new(
        title: impl Into<String>,
        rows: usize,
        columns: usize,
        values: impl IntoIterator<Item = f64>,
    ) -> HeatMap {
        let (drawn_rows, drawn_columns) = (rows.min(MOST), columns.min(MOST));
        let given: Vec<f64> = values.into_iter().take(rows.saturating_mul(columns)).collect();
        let at = |i: usize| given.get(i / drawn_columns * columns + i % drawn_columns).copied().unwrap_or(f64::NAN);
        HeatMap {
            title: title.into(),
            x_label: String::new(),
            y_label: String::new(),
            rows: drawn_rows,
            columns: drawn_columns,
            values: (0..drawn_rows * drawn_columns).map(at).collect(),
            row_labels: None,
            column_labels: None,
            diverging: false,
            range: None,
            digits: None,
            size: None,
        }
    }

    /// Labels to the left of the rows; without them, their numbers from 0.
    pub fn row_labels(self, labels: impl IntoIterator<Item = impl Into<String>>) -> HeatMap {
        HeatMap { row_labels: Some(labels.into_iter().map(Into::into).collect()), ..self }
    }

    /// Labels under the columns; without them, their numbers from 0.
    pub fn column_labels(self, labels: impl IntoIterator<Item = impl Into<String>>) -> HeatMap {
        HeatMap { column_labels: Some(labels.into_iter().map(Into::into).collect()), ..self }
    }

    /// What the columns are.
    pub fn x_label(self, label: impl Into<String>) -> HeatMap {
        HeatMap { x_label: label.into(), ..self }
    }

    /// What the rows are.
    pub fn y_label(self, label: impl Into<String>) -> HeatMap {
        HeatMap { y_label: label.into(), ..self }
    }

    /// Blue for negative values, white for 0, vermilion for positive ones, as dark on either side.
    pub fn diverging(self) -> HeatMap {
        HeatMap { diverging: true, ..self }
    }

    /// The values that have the palest and the darkest colour; those beyond have it, too. Without it, the lowest and the
    /// highest value. Several heat maps with one range can be compared.
    pub fn range(self, low: f64, high: f64) -> HeatMap {
        HeatMap { range: Some((low, high)), ..self }
    }

    /// Prints the values in the cells, with so many decimals.
    pub fn digits(self, decimals: usize) -> HeatMap {
        HeatMap { digits: Some(decimals.min(12)), ..self }
    }

    /// Width and height in pixels of the page; the cells become as large as fits.
    pub fn size(self, width: u32, height: u32) -> HeatMap {
        HeatMap { size: sane(width, height), ..self }
    }
}

impl Picture for HeatMap {
    fn size(&self, free: u32) -> (u32, u32) {
        self.size.unwrap_or_else(|| heat_map_draw::size(self, free))
    }

    fn draw(&self, page: &mut Page, size: (u32, u32)) {
        heat_map_draw::draw(self, page, size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(svg: &str) -> usize {
        svg.lines().filter(|l| l.starts_with("<path fill=\"#")).map(|l| l.matches('z').count()).sum()
    }

    #[test]
    fn a_heat_map_shows_cells_labels_values_and_its_scale() {
        let map = HeatMap::new("Attention", 2, 3, [0.0, 0.25, 0.75, 1.0, f64::NAN, f64::NEG_INFINITY])
            .row_labels(["the", "<cat>"])
            .column_labels(["a", "b", "c & d"])
            .x_label("key")
            .y_label("query")
            .digits(2);
        let svg = map.to_svg().unwrap();
        for text in ["Attention", "the", "&lt;cat&gt;", "c &amp; d", "key", "query", ">0.25<", ">0.75<", ">−∞<"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        let bar = cells(&HeatMap::new("", 0, 0, []).to_svg().unwrap());
        assert_eq!(cells(&svg) - bar, 6, "one block for each cell");
        let grey = svg.lines().find(|l| l.contains("#DCDCDC")).unwrap();
        assert_eq!(cells(grey), 2, "NaN and infinity are grey");
    }

    #[test]
    fn a_large_heat_map_stays_small() {
        let noise = (0..64 * 64).map(|i| f64::from(i * i % 4093).sin());
        let svg = HeatMap::new("", 64, 64, noise).to_svg().unwrap();
        assert!(svg.len() < 150_000, "{} bytes", svg.len());
        assert_eq!(
            svg,
            HeatMap::new("", 64, 64, (0..64 * 64).map(|i| f64::from(i * i % 4093).sin())).to_svg().unwrap()
        );
    }

    #[test]
    fn zero_is_white_and_both_sides_are_as_dark() {
        let svg = HeatMap::new("", 1, 3, [-1.0, 0.0, 2.0]).diverging().to_svg().unwrap();
        assert!(svg.contains("fill=\"#8A3000\""), "the highest is the darkest vermilion");
        let blue = svg.lines().find(|l| l.contains("fill=\"#0072B2\"") || l.contains("fill=\"#40")).is_some();
        assert!(blue, "{svg}");
    }

    #[test]
    fn nothing_strange_can_break_a_heat_map() {
        let strange = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300, 0.0];
        for (rows, columns) in [(0, 0), (0, 5), (5, 0), (1, 1), (2, 3), (1, 3000), (300, 2)] {
            for values in [vec![], vec![1.0; 6], strange.to_vec()] {
                let map = HeatMap::new("t", rows, columns, values).digits(2);
                let labelled =
                    map.clone().row_labels(["a very long label"; 4]).column_labels(["another long label"; 9]);
                for map in [map.clone().diverging(), map.clone().range(f64::NAN, 1.0), map.range(1.0, 1.0), labelled] {
                    assert!(map.to_svg().unwrap().ends_with("</svg>\n"));
                    assert!(map.size(0, 0).to_svg().unwrap().ends_with("</svg>\n"));
                }
            }
        }
    }
}
