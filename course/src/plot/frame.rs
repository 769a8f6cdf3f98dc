//! What the pictures with axes share: title, legend, grid, ticks, names of the axes.

use super::axis::Axis;
use super::colors::{Color, GREY, GRID, INK};
use super::page::{Height, Page, Side};
use super::place::At;
use super::text::{SMALL, TEXT, TITLE, widest, width, wrapped};

/// What a picture with axes is called, and its axes.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub title: String,
    pub x: String,
    pub y: String,
}

impl Names {
    pub fn new(title: impl Into<String>, x: impl Into<String>, y: impl Into<String>) -> Names {
        Names { title: title.into(), x: x.into(), y: y.into() }
    }
}

/// A line of the legend.
pub(super) struct Entry<'a> {
    pub name: &'a str,
    pub color: Color,
    pub key: Key,
}

/// How the legend shows a colour.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Line,
    FaintLine,
    Block,
    Dot,
}

/// Title, legend and the name of the vertical axis; returns where the picture itself may begin.
pub(super) fn heading(page: &mut Page, title: &str, entries: &[Entry], y_label: &str, wide: f64) -> f64 {
    let (left, right) = (14.0, wide - 14.0);
    let mut top = 12.0;
    for line in wrapped(title, TITLE, right - left) {
        page.text(&line, (left, top), TITLE, INK, Side::Left, Height::Top);
        top += TITLE + 5.0;
    }
    if !title.is_empty() {
        top += 7.0;
    }
    let named: Vec<_> = entries.iter().filter(|e| !e.name.is_empty()).collect();
    let mut x = left;
    for entry in &named {
        let wide = if entry.key == Key::Dot { 18.0 } else { 26.0 };
        let total = wide + width(entry.name, TEXT);
        if x + total > right && x > left {
            (x, top) = (left, top + 19.0);
        }
        let middle = top + 7.0;
        match entry.key {
            Key::Line => page.line(&[(x, middle), (x + 20.0, middle)], entry.color, 3.0),
            Key::FaintLine => page.line(&[(x, middle), (x + 20.0, middle)], entry.color.opacity(0.35), 3.0),
            Key::Block => page.blocks(&[[x, middle - 6.0, 20.0, 12.0]], entry.color),
            Key::Dot => page.dot((x + 6.0, middle), 5.0, entry.color),
        }
        page.text(entry.name, (x + wide, middle), TEXT, INK, Side::Left, Height::Center);
        x += total + 18.0;
    }
    if !named.is_empty() {
        top += 25.0;
    }
    page.text(y_label, (left, top), SMALL, GREY, Side::Left, Height::Top);
    top + if y_label.is_empty() { 6.0 } else { 24.0 }
}

/// The part of the page that shows values.
pub(super) struct Frame {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub x: Axis,
    pub y: Axis,
}

impl Frame {
    /// Draws the names and the legend of a picture whose axes are both of values, and frames the rest of its page.
    pub fn below(page: &mut Page, names: &Names, legend: &[Entry], (x, y): (Axis, Axis), (wide, high): At) -> Frame {
        let top = heading(page, &names.title, legend, &names.y, wide);
        let bottom = (high - Frame::under(&names.x)).max(top + 20.0);
        Frame { left: Frame::beside(&y), right: wide - 20.0, top, bottom, x, y }
    }

    /// The width of the labels beside a vertical axis.
    pub fn beside(axis: &Axis) -> f64 {
        widest(axis.ticks.iter().map(|t| &t.1), TEXT).max(20.0) + 22.0
    }

    /// The height of the labels under a horizontal axis, and of its name.
    pub fn under(name: &str) -> f64 {
        if name.is_empty() { 30.0 } else { 48.0 }
    }

    pub fn point(&self, (x, y): At) -> Option<At> {
        let (x, y) = (self.x.place(x)?, self.y.place(y)?);
        Some((self.left + x * (self.right - self.left), self.bottom - y * (self.bottom - self.top)))
    }

    /// Whether this height is inside.
    pub fn holds(&self, y: f64) -> bool {
        (self.top - 0.5..=self.bottom + 0.5).contains(&y)
    }

    /// The height of a value that is inside.
    pub fn row(&self, y: f64) -> Option<f64> {
        self.y.place(y).map(|p| self.bottom - p * (self.bottom - self.top)).filter(|&at| self.holds(at))
    }

    /// The place across of a value that is inside.
    pub fn column(&self, x: f64) -> Option<f64> {
        let inside = self.left - 0.5..=self.right + 0.5;
        self.x.place(x).map(|p| self.left + p * (self.right - self.left)).filter(|at| inside.contains(at))
    }

    /// Lines across at the ticks of the vertical axis, with their labels.
    pub fn rows(&self, page: &mut Page) {
        for (value, label) in &self.y.ticks {
            let Some(at) = self.row(*value) else { continue };
            page.line(&[(self.left, at), (self.right, at)], GRID, 1.0);
            page.text(label, (self.left - 8.0, at), TEXT, GREY, Side::Right, Height::Center);
        }
    }

    /// The ticks of the horizontal axis; `lines` draws them through the picture.
    pub fn columns(&self, page: &mut Page, lines: bool) {
        for (value, label) in &self.x.ticks {
            let Some(at) = self.column(*value) else { continue };
            if lines {
                page.line(&[(at, self.top), (at, self.bottom)], GRID, 1.0);
            }
            page.line(&[(at, self.bottom), (at, self.bottom + 5.0)], GREY, 1.0);
            // The last label would hang over the edge of the page.
            let at = at.min(self.right + 14.0 - width(label, TEXT) / 2.0);
            page.text(label, (at, self.bottom + 8.0), TEXT, GREY, Side::Center, Height::Top);
        }
    }

    /// The line at the bottom.
    pub fn floor(&self, page: &mut Page) {
        page.line(&[(self.left, self.bottom), (self.right, self.bottom)], GREY, 1.0);
    }

    /// The name of the horizontal axis, so far under the bottom.
    pub fn name_columns(&self, page: &mut Page, label: &str, under: f64) {
        let middle = ((self.left + self.right) / 2.0, self.bottom + under);
        page.text(label, middle, TEXT, GREY, Side::Center, Height::Top);
    }

    /// Dashed lines across; returns where their labels go: at the right end above their lines; lines too close for a
    /// label between them share one row above the upper.
    pub fn references(&self, page: &mut Page, references: &[(f64, String)]) -> Vec<(At, String)> {
        let row = |(value, label): &(f64, String)| Some((self.row(*value)?, label.clone()));
        let mut rows: Vec<(f64, String)> = references.iter().filter_map(row).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        for &(at, _) in &rows {
            page.dashed((self.left, at), (self.right, at), GREY);
        }
        let close = rows.chunk_by(|upper, lower| lower.0 - upper.0 < 16.0);
        let labels = close.map(|group| ((self.right - 4.0, group[0].0), joined(group)));
        labels.filter(|(_, label)| !label.is_empty()).collect()
    }
}

/// The labels of lines that are too close for one each.
pub(super) fn joined(group: &[(f64, String)]) -> String {
    let labels = group.iter().map(|r| r.1.as_str()).filter(|label| !label.is_empty());
    labels.collect::<Vec<_>>().join(" · ")
}
