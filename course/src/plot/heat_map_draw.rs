//! The heat map on the page.

use std::collections::BTreeMap;

use plotters::style::{RGBColor, WHITE};

use super::axis::{Axis, Scale};
use super::colors::{NOTHING, Ramp, STEPS, luminance};
use super::frame::heading;
use super::heat_map::HeatMap;
use super::page::{GREY, GRID, HPos, INK, Page, SMALL, TEXT, VPos, fitted, width};
use crate::numbers::number;

/// From the right edge of the cells to the right edge of the page: a gap, the colour bar, its numbers.
const BAR_GAP: f64 = 16.0;
const BAR: f64 = 14.0;
/// Cells from this size on stand apart from each other.
const APART: f64 = 12.0;

/// Everything but the place of the title, which depends on the width of the page.
struct Layout {
    ramp: Ramp,
    low: f64,
    high: f64,
    scale: Axis,
    rows: Vec<String>,
    columns: Vec<String>,
    /// Room to the left of the cells, and to their right.
    left: f64,
    right: f64,
    /// The size of the printed values, if there are any.
    printed: Vec<String>,
}

impl Layout {
    fn new(map: &HeatMap, wide: f64) -> Layout {
        let ramp = if map.diverging { Ramp::Diverging } else { Ramp::Sequential };
        let (low, high) = limits(map);
        let scale = Axis::new(Scale::Linear, [low, high].into_iter(), 0.0, 5);
        let numbers = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        let label_room = (0.3 * wide).min(170.0);
        let cut = |l: &Vec<String>, n: usize| l.iter().take(n).map(|l| fitted(l, TEXT, label_room)).collect::<Vec<_>>();
        let rows = map.row_labels.as_ref().map_or_else(|| numbers(map.rows), |l| cut(l, map.rows));
        let columns = map.column_labels.as_ref().map_or_else(|| numbers(map.columns), |l| cut(l, map.columns));
        let ticks = scale.ticks.iter().map(|t| width(&t.1, SMALL)).fold(10.0, f64::max);
        let left = (widest(&rows, TEXT).max(4.0) + 22.0).round();
        let printed = map.digits.map_or(Vec::new(), |d| map.values.iter().map(|&v| text(v, d)).collect());
        Layout { ramp, low, high, scale, rows, columns, left, right: BAR_GAP + BAR + 6.0 + ticks + 12.0, printed }
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

    fn color(&self, value: f64) -> RGBColor {
        self.step(value).map_or(NOTHING, |step| self.ramp.color(step))
    }

    /// Width and height of a cell in the room there is: whole pixels if possible, not too far from square.
    fn cell(&self, map: &HeatMap, wide: f64, high: f64) -> (f64, f64) {
        let (w, h) = (wide / map.columns.max(1) as f64, high / map.rows.max(1) as f64);
        let (w, h) = (w.min(h * 1.6), h.min(w * 1.6));
        let whole = |s: f64| if s >= 2.0 { s.floor() } else { s };
        (whole(w), whole(h))
    }

    /// Whether the columns' labels are turned, every how many-th is shown, and the height they take.
    fn under(&self, map: &HeatMap, cell: f64) -> (bool, usize, f64) {
        let widest = widest(&self.columns, TEXT);
        if widest + 6.0 <= cell {
            (false, 1, 18.0)
        } else if map.column_labels.is_none() {
            (false, nice((widest + 8.0) / cell), 18.0)
        } else {
            (true, (13.0 / cell).ceil() as usize, widest + 8.0)
        }
    }
}

fn widest(texts: &[String], size: f64) -> f64 {
    texts.iter().map(|t| width(t, size)).fold(0.0, f64::max)
}

/// The next of 1, 2, 5, 10, 20, 50…, or of 1, 2, 4, 8, 16.
fn nice(least: f64) -> usize {
    [1, 2, 4, 8, 16, 32, 64].into_iter().find(|&n| n as f64 >= least).unwrap_or(128)
}

/// The values at the two ends of the scale.
fn limits(map: &HeatMap) -> (f64, f64) {
    let seen = || map.values.iter().copied().filter(|v| Scale::Linear.of(*v).is_some());
    let found = (seen().fold(f64::INFINITY, f64::min), seen().fold(f64::NEG_INFINITY, f64::max));
    let (low, high) = map.range.filter(|(l, h)| l.is_finite() && h.is_finite()).unwrap_or(found);
    let (low, high) = match map.diverging {
        true => (-low.abs().max(high.abs()), low.abs().max(high.abs())),
        false => (low.min(high), low.max(high)),
    };
    match () {
        _ if !(low.is_finite() && high.is_finite()) => (0.0, 1.0),
        _ if high - low < 1e-9 * high.abs().max(1e-9) => (low - 0.5, high + 0.5),
        _ => (low, high),
    }
}

fn text(value: f64, digits: usize) -> String {
    match value {
        v if v.is_nan() => String::new(),
        v if v.is_infinite() => if v > 0.0 { "∞" } else { "−∞" }.into(),
        v if v.abs() >= 1e9 => format!("{v:.0e}"),
        v => number(v, digits),
    }
}

/// The size at which the cells are comfortable, in this width.
pub(super) fn size(map: &HeatMap, free: u32) -> (u32, u32) {
    let free = f64::from(free);
    let layout = Layout::new(map, free);
    let (rows, columns) = (map.rows.max(1) as f64, map.columns.max(1) as f64);
    let comfortable = (512.0 / rows.max(columns)).clamp(3.0, 46.0);
    let wide = layout.printed.iter().map(|t| width(t, SMALL) + 8.0).fold(comfortable, f64::max);
    let w = wide.min((free - layout.left - layout.right) / columns).max(if columns > 400.0 { 0.5 } else { 1.0 });
    // A few flat rows have room to be higher, and need it for their labels.
    let flat = if 3.0 * rows <= columns { (1.6 * w).min(14.0) } else { 0.0 };
    let h = w.min(comfortable).max(w / 1.6).max(flat);
    let h = h.min(1600.0 / rows);
    let (w, h) = layout.cell(map, w * columns + 0.01, h * rows + 0.01);
    let total = layout.left + w * columns + layout.right;
    // Titles and legends wrap: leave them some width.
    let total = total.max(width(&map.title, super::page::TITLE).min(free - 40.0) + 40.0).max(160.0).min(free);
    let top = heading(&mut Page::default(), &map.title, &[], &map.y_label, total).round();
    let under = layout.under(map, w).2 + if map.x_label.is_empty() { 10.0 } else { 32.0 };
    (total.ceil() as u32, (top + (h * rows + under).max(70.0) + 1.0).ceil() as u32)
}

/// Draws a heat map from (0, 0) to this size.
pub(super) fn draw(map: &HeatMap, page: &mut Page, (wide, high): (u32, u32)) {
    let (wide, high) = (f64::from(wide), f64::from(high));
    let layout = Layout::new(map, wide);
    let top = heading(page, &map.title, &[], &map.y_label, wide).round();
    let left = layout.left;
    let room = (wide - left - layout.right).max(20.0);
    // The labels under the cells depend on the cells, and the cells on what the labels leave.
    let name = if map.x_label.is_empty() { 10.0 } else { 32.0 };
    let free = high - top - name;
    let rough = layout.cell(map, room, free - 18.0).0;
    let (w, h) = layout.cell(map, room, (free - layout.under(map, rough).2).max(20.0));
    let (turned, every, under) = layout.under(map, w);
    let (right, bottom) = (left + w * map.columns as f64, top + h * map.rows as f64);

    cells(map, &layout, page, (left, top), (w, h));
    // White cells need an edge.
    page.line(&[(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], GRID.into(), 1.0);
    values(map, &layout, page, (left, top), (w, h));
    let numbered = map.row_labels.is_none();
    let step = if numbered { nice(15.0 / h) } else { (11.0 / h).ceil() as usize };
    let size = TEXT.min(h * step as f64);
    for (i, label) in layout.rows.iter().enumerate().step_by(step.max(1)) {
        page.text(label, (left - 7.0, top + (i as f64 + 0.5) * h), size, GREY, HPos::Right, VPos::Center);
    }
    for (i, label) in layout.columns.iter().enumerate().step_by(every.max(1)) {
        let middle = left + (i as f64 + 0.5) * w;
        match turned {
            true => page.turned(label, (middle, bottom + 6.0), TEXT, GREY, HPos::Right),
            false => page.text(label, (middle, bottom + 6.0), TEXT, GREY, HPos::Center, VPos::Top),
        }
    }
    // A long name beside few columns must not hang over the edge.
    let half = width(&map.x_label, TEXT) / 2.0;
    let middle = ((left + right) / 2.0).min(wide - 8.0 - half).max(8.0 + half);
    page.text(&map.x_label, (middle, bottom + under + 6.0), TEXT, GREY, HPos::Center, VPos::Top);
    bar(&layout, page, (right + BAR_GAP).round(), top, bottom.max(top + 60.0));
}

/// The cells, one mark for each colour; small neighbours of one colour are one block.
fn cells(map: &HeatMap, layout: &Layout, page: &mut Page, (left, top): (f64, f64), (w, h): (f64, f64)) {
    let gap = if w.min(h) >= APART { 1.0 } else { 0.0 };
    let mut by_color: BTreeMap<Option<u8>, Vec<[f64; 4]>> = BTreeMap::new();
    for (row, values) in map.values.chunks(map.columns.max(1)).enumerate() {
        let y = top + row as f64 * h;
        let mut from = 0;
        while from < values.len() {
            let step = layout.step(values[from]);
            let same = values[from..].iter().take_while(|v| layout.step(**v) == step).count();
            let run = if gap > 0.0 { 1 } else { same };
            let block = [left + from as f64 * w, y, run as f64 * w - gap, h - gap];
            by_color.entry(step).or_default().push(block);
            from += run;
        }
    }
    for (step, blocks) in by_color {
        page.blocks(blocks, step.map_or(NOTHING, |s| layout.ramp.color(s)).into());
    }
}

/// The values in the cells, in an ink that can be read there; none if they do not fit.
fn values(map: &HeatMap, layout: &Layout, page: &mut Page, (left, top): (f64, f64), (w, h): (f64, f64)) {
    let size = ((w - 4.0) / widest(&layout.printed, 1.0).max(0.01)).min(h - 4.0).min(SMALL);
    if size < 6.0 {
        return;
    }
    for (i, text) in layout.printed.iter().enumerate() {
        let (row, column) = (i / map.columns, i % map.columns);
        let ink = if luminance(layout.color(map.values[i])) > 0.25 { INK } else { WHITE };
        let middle = (left + (column as f64 + 0.5) * w - 0.5, top + (row as f64 + 0.5) * h - 0.5);
        page.text(text, middle, size, ink, HPos::Center, VPos::Center);
    }
}

/// The colour bar with its numbers.
fn bar(layout: &Layout, page: &mut Page, x: f64, top: f64, bottom: f64) {
    let each = (bottom - top) / f64::from(STEPS);
    for i in 0..STEPS {
        let value = layout.high - (layout.high - layout.low) * (f64::from(i) + 0.5) / f64::from(STEPS);
        // Each one reaches under the next, so that nothing shows between them.
        let y = top + f64::from(i) * each;
        page.blocks([[x, y, BAR, bottom - y]], layout.color(value).into());
    }
    let few = ((bottom - top) / 18.0) as usize;
    let every = layout.scale.ticks.len().div_ceil(few.max(1)).max(1);
    for (value, label) in layout.scale.ticks.iter().step_by(every) {
        let Some(place) = layout.scale.place(*value) else { continue };
        let y = bottom - place * (bottom - top);
        page.line(&[(x + BAR, y), (x + BAR + 4.0, y)], GREY.into(), 1.0);
        page.text(label, (x + BAR + 7.0, y), SMALL, GREY, HPos::Left, VPos::Center);
    }
}
