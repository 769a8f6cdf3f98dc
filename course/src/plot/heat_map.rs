//! Heat maps: a matrix as colours.

use std::collections::BTreeMap;

use super::axis::{Axis, Scale};
use super::colors::{Color, GREY, GRID, INK, NOTHING, PALETTE, Ramp, STEPS, WHITE, luminance};
use super::frame::heading;
use super::page::{Height, Page, Side};
use super::picture::{Picture, sane};
use super::place::At;
use super::text::{SMALL, TEXT, TITLE, fitted, widest, width};
use crate::numbers::number;

/// A heat map: built up, then rendered.
///
/// Pale is low and dark is high, or, if [`HeatMap::diverging`], blue is negative, white is zero and vermilion is
/// positive. Cells without a finite value are grey.
#[derive(Clone, Debug)]
pub struct HeatMap {
    title: String,
    x_label: String,
    y_label: String,
    rows: usize,
    columns: usize,
    values: Vec<f64>,
    row_labels: Option<Vec<String>>,
    column_labels: Option<Vec<String>>,
    diverging: bool,
    range: Option<(f64, f64)>,
    digits: Option<usize>,
    scale: bool,
    /// Lines after this row and this column.
    divided: Option<(usize, usize)>,
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
            scale: true,
            divided: None,
            size: None,
        }
    }

    /// Yes or no, such as a mask: cells that are not 0 are dark, and there is no scale of values.
    pub fn yes_no(mut self) -> HeatMap {
        self.values.iter_mut().for_each(|v| *v = f64::from(u8::from(*v != 0.0)));
        // The darkest colour is for more than "yes": labels of the values would not be read on it.
        HeatMap { scale: false, ..self.range(0.0, 1.25) }
    }

    /// Lines after so many rows and so many columns: where one part ends and another begins.
    pub fn divided(self, rows: usize, columns: usize) -> HeatMap {
        HeatMap { divided: Some((rows, columns)), ..self }
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

    /// The values at the two ends of the scale.
    fn limits(&self) -> (f64, f64) {
        let seen = || self.values.iter().copied().filter(|v| Scale::Linear.of(*v).is_some());
        let found = (seen().fold(f64::INFINITY, f64::min), seen().fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = self.range.filter(|(l, h)| l.is_finite() && h.is_finite()).unwrap_or(found);
        let (low, high) = match self.diverging {
            true => (-low.abs().max(high.abs()), low.abs().max(high.abs())),
            false => (low.min(high), low.max(high)),
        };
        match () {
            _ if !(low.is_finite() && high.is_finite()) => (0.0, 1.0),
            _ if high - low < 1e-9 * high.abs().max(1e-9) => (low - 0.5, high + 0.5),
            _ => (low, high),
        }
    }

    /// The height of the name under the columns' labels.
    fn name_height(&self) -> f64 {
        if self.x_label.is_empty() { 10.0 } else { 32.0 }
    }
}

impl Picture for HeatMap {
    /// The size at which the cells are comfortable, in this width.
    fn size(&self, free: u32) -> (u32, u32) {
        if let Some(size) = self.size {
            return size;
        }
        let free = f64::from(free);
        let layout = Layout::new(self, free);
        let (rows, columns) = (self.rows.max(1) as f64, self.columns.max(1) as f64);
        let comfortable = (512.0 / rows.max(columns)).clamp(3.0, 46.0);
        let wide = layout.printed.iter().map(|t| width(t, SMALL) + 8.0).fold(comfortable, f64::max);
        let w = wide.min((free - layout.left - layout.right) / columns).max(if columns > 400.0 { 0.5 } else { 1.0 });
        // A few flat rows have room to be higher, and need it for their labels.
        let flat = if 3.0 * rows <= columns { (1.6 * w).min(14.0) } else { 0.0 };
        let h = w.min(comfortable).max(w / 1.6).max(flat);
        let h = h.min(1600.0 / rows);
        let (w, h) = layout.cell(w * columns + 0.01, h * rows + 0.01);
        let total = layout.left + w * columns + layout.right;
        // Titles and legends wrap: leave them some width.
        let total = total.max(width(&self.title, TITLE).min(free - 40.0) + 40.0).max(160.0).min(free);
        let top = heading(&mut Page::default(), &self.title, &[], &self.y_label, total).round();
        let under = layout.under(w).2 + self.name_height();
        (total.ceil() as u32, (top + (h * rows + under).max(70.0) + 1.0).ceil() as u32)
    }

    fn draw(&self, page: &mut Page, (wide, high): (u32, u32)) {
        let (wide, high) = (f64::from(wide), f64::from(high));
        let layout = Layout::new(self, wide);
        let top = heading(page, &self.title, &[], &self.y_label, wide).round();
        let left = layout.left;
        let room = (wide - left - layout.right).max(20.0);
        // The labels under the cells depend on the cells, and the cells on what the labels leave.
        let free = high - top - self.name_height();
        let rough = layout.cell(room, free - 18.0).0;
        let (w, h) = layout.cell(room, (free - layout.under(rough).2).max(20.0));
        let (turned, every, under) = layout.under(w);
        let (right, bottom) = (left + w * self.columns as f64, top + h * self.rows as f64);

        layout.draw_cells(page, (left, top), (w, h));
        // White cells need an edge.
        page.line(&[(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], GRID, 1.0);
        layout.draw_values(page, (left, top), (w, h));
        let step = if self.row_labels.is_none() { nice(15.0 / h) } else { (11.0 / h).ceil() as usize };
        let size = TEXT.min(h * step as f64);
        for (i, label) in layout.rows.iter().enumerate().step_by(step.max(1)) {
            page.text(label, (left - 7.0, top + (i as f64 + 0.5) * h), size, GREY, Side::Right, Height::Center);
        }
        for (i, label) in layout.columns.iter().enumerate().step_by(every.max(1)) {
            let at = (left + (i as f64 + 0.5) * w, bottom + 6.0);
            match turned {
                true => page.turned(label, at, TEXT, GREY, Side::Right),
                false => page.text(label, at, TEXT, GREY, Side::Center, Height::Top),
            }
        }
        // A long name beside few columns must not hang over the edge.
        let half = width(&self.x_label, TEXT) / 2.0;
        let middle = ((left + right) / 2.0).min(wide - 8.0 - half).max(8.0 + half);
        page.text(&self.x_label, (middle, bottom + under + 6.0), TEXT, GREY, Side::Center, Height::Top);
        if let Some((row, column)) = self.divided {
            let (x, y) = (left + w * column.min(self.columns) as f64 - 0.5, top + h * row.min(self.rows) as f64 - 0.5);
            page.line(&[(x, top), (x, bottom)], PALETTE[1], 2.5);
            page.line(&[(left, y), (right, y)], PALETTE[1], 2.5);
        }
        layout.draw_scale(page, (right + BAR_GAP).round(), top, bottom.max(top + 60.0));
    }
}

/// From the right edge of the cells to the right edge of the page: a gap, the colour bar, its numbers.
const BAR_GAP: f64 = 16.0;
const BAR: f64 = 14.0;
/// Cells from this size on stand apart from each other.
const APART: f64 = 12.0;

/// A heat map with everything but the place of its title, which depends on the width of the page.
struct Layout<'m> {
    map: &'m HeatMap,
    ramp: Ramp,
    low: f64,
    high: f64,
    scale: Axis,
    rows: Vec<String>,
    columns: Vec<String>,
    /// Room to the left of the cells, and to their right.
    left: f64,
    right: f64,
    /// The values of the cells, if they are printed.
    printed: Vec<String>,
}

impl<'m> Layout<'m> {
    fn new(map: &'m HeatMap, wide: f64) -> Layout<'m> {
        let ramp = if map.diverging { Ramp::Diverging } else { Ramp::Sequential };
        let (low, high) = map.limits();
        let scale = Axis::new(Scale::Linear, [low, high].into_iter(), 0.0, 5);
        let label_room = (0.3 * wide).min(170.0);
        let labels = |given: &Option<Vec<String>>, n: usize| -> Vec<String> {
            match given {
                Some(labels) => labels.iter().take(n).map(|l| fitted(l, TEXT, label_room)).collect(),
                None => (0..n).map(|i| i.to_string()).collect(),
            }
        };
        let (rows, columns) = (labels(&map.row_labels, map.rows), labels(&map.column_labels, map.columns));
        let left = (widest(&rows, TEXT).max(4.0) + 22.0).round();
        let bar = BAR_GAP + BAR + 6.0 + widest(scale.ticks.iter().map(|t| &t.1), SMALL).max(10.0) + 12.0;
        let right = if map.scale { bar } else { 14.0 };
        let printed = map.digits.map_or(Vec::new(), |d| map.values.iter().map(|&v| text(v, d)).collect());
        Layout { map, ramp, low, high, scale, rows, columns, left, right, printed }
    }

    fn step(&self, value: f64) -> Option<u8> {
        let part = match self.ramp {
            _ if !value.is_finite() => return None,
            Ramp::Sequential => (value - self.low) / (self.high - self.low),
            // Zero in the middle, and one unit as strong on both sides.
            Ramp::Diverging => 0.5 + 0.5 * value / self.low.abs().max(self.high.abs()),
        };
        Some((part.clamp(0.0, 1.0) * f64::from(STEPS)).round() as u8)
    }

    fn color(&self, value: f64) -> Color {
        self.step(value).map_or(NOTHING, |step| self.ramp.color(step))
    }

    /// Width and height of a cell in the room there is: whole pixels if possible, not too far from square.
    fn cell(&self, wide: f64, high: f64) -> (f64, f64) {
        let (w, h) = (wide / self.map.columns.max(1) as f64, high / self.map.rows.max(1) as f64);
        let (w, h) = (w.min(h * 1.6), h.min(w * 1.6));
        let whole = |s: f64| if s >= 2.0 { s.floor() } else { s };
        (whole(w), whole(h))
    }

    /// Whether the columns' labels are turned, every how many-th is shown, and the height they take.
    fn under(&self, cell: f64) -> (bool, usize, f64) {
        let widest = widest(&self.columns, TEXT);
        if widest + 6.0 <= cell {
            (false, 1, 18.0)
        } else if self.map.column_labels.is_none() {
            (false, nice((widest + 8.0) / cell), 18.0)
        } else {
            (true, (13.0 / cell).ceil() as usize, widest + 8.0)
        }
    }

    /// The cells, one mark for each colour; small neighbours of one colour are one block.
    fn draw_cells(&self, page: &mut Page, (left, top): At, (w, h): (f64, f64)) {
        let gap = if w.min(h) >= APART { 1.0 } else { 0.0 };
        let mut by_color: BTreeMap<Option<u8>, Vec<[f64; 4]>> = BTreeMap::new();
        for (row, values) in self.map.values.chunks(self.map.columns.max(1)).enumerate() {
            let y = top + row as f64 * h;
            let steps: Vec<_> = values.iter().map(|&v| self.step(v)).collect();
            let mut from = 0;
            for run in steps.chunk_by(|a, b| gap == 0.0 && a == b) {
                let block = [left + from as f64 * w, y, run.len() as f64 * w - gap, h - gap];
                by_color.entry(run[0]).or_default().push(block);
                from += run.len();
            }
        }
        for (step, blocks) in by_color {
            page.blocks(&blocks, step.map_or(NOTHING, |s| self.ramp.color(s)));
        }
    }

    /// The values in the cells, in an ink that can be read there; none if they do not fit.
    fn draw_values(&self, page: &mut Page, (left, top): At, (w, h): (f64, f64)) {
        let size = ((w - 4.0) / widest(&self.printed, 1.0).max(0.01)).min(h - 4.0).min(SMALL);
        if size < 6.0 {
            return;
        }
        for (i, text) in self.printed.iter().enumerate() {
            let (row, column) = (i / self.map.columns, i % self.map.columns);
            let ink = if luminance(self.color(self.map.values[i])) > 0.25 { INK } else { WHITE };
            let middle = (left + (column as f64 + 0.5) * w - 0.5, top + (row as f64 + 0.5) * h - 0.5);
            page.text(text, middle, size, ink, Side::Center, Height::Center);
        }
    }

    /// The colour bar with its numbers.
    fn draw_scale(&self, page: &mut Page, x: f64, top: f64, bottom: f64) {
        if !self.map.scale {
            return;
        }
        let each = (bottom - top) / f64::from(STEPS);
        for i in 0..STEPS {
            let value = self.high - (self.high - self.low) * (f64::from(i) + 0.5) / f64::from(STEPS);
            // Each one reaches under the next, so that nothing shows between them.
            let y = top + f64::from(i) * each;
            page.blocks(&[[x, y, BAR, bottom - y]], self.color(value));
        }
        let few = ((bottom - top) / 18.0) as usize;
        let every = self.scale.ticks.len().div_ceil(few.max(1)).max(1);
        for (value, label) in self.scale.ticks.iter().step_by(every) {
            let Some(place) = self.scale.place(*value) else { continue };
            let y = bottom - place * (bottom - top);
            page.line(&[(x + BAR, y), (x + BAR + 4.0, y)], GREY, 1.0);
            page.text(label, (x + BAR + 7.0, y), SMALL, GREY, Side::Left, Height::Center);
        }
    }
}

/// The next of 1, 2, 4, 8, 16…
fn nice(least: f64) -> usize {
    [1, 2, 4, 8, 16, 32, 64].into_iter().find(|&n| n as f64 >= least).unwrap_or(128)
}

/// A value as printed in its cell.
fn text(value: f64, digits: usize) -> String {
    match value {
        v if v.is_nan() => String::new(),
        v if v.is_infinite() => if v > 0.0 { "∞" } else { "−∞" }.into(),
        v if v.abs() >= 1e9 => format!("{v:.0e}"),
        v => number(v, digits),
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
        let svg = map.to_svg();
        for text in ["Attention", "the", "&lt;cat&gt;", "c &amp; d", "key", "query", ">0.25<", ">0.75<", ">−∞<"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        let bar = cells(&HeatMap::new("", 0, 0, []).to_svg());
        assert_eq!(cells(&svg) - bar, 6, "one block for each cell");
        let grey = svg.lines().find(|l| l.contains("#DCDCDC")).unwrap();
        assert_eq!(cells(grey), 2, "NaN and infinity are grey");
    }

    #[test]
    fn a_mask_is_yes_or_no_in_parts() {
        let mask = HeatMap::new("", 2, 2, [1.0, 0.0, -3.0, 1.0]).yes_no();
        let svg = mask.clone().divided(1, 9).to_svg();
        assert_eq!(cells(&svg), 4, "no bar of colours");
        assert_eq!(svg.lines().filter(|l| l.contains("stroke=\"#D55E00\"")).count(), 2);
        assert!(Picture::size(&mask, 800).0 <= Picture::size(&HeatMap::new("", 2, 2, [1.0, 0.0]), 800).0);
    }

    #[test]
    fn a_large_heat_map_stays_small() {
        let noise = (0..64 * 64).map(|i| f64::from(i * i % 4093).sin());
        let svg = HeatMap::new("", 64, 64, noise).to_svg();
        assert!(svg.len() < 150_000, "{} bytes", svg.len());
        assert_eq!(svg, HeatMap::new("", 64, 64, (0..64 * 64).map(|i| f64::from(i * i % 4093).sin())).to_svg());
    }

    #[test]
    fn zero_is_white_and_both_sides_are_as_dark() {
        let svg = HeatMap::new("", 1, 3, [-1.0, 0.0, 2.0]).diverging().to_svg();
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
                    assert!(map.to_svg().ends_with("</svg>\n"));
                    assert!(map.size(0, 0).to_svg().ends_with("</svg>\n"));
                }
            }
        }
    }
}
