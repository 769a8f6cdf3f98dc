//! What stands in a cell of a diagram.

use super::super::colors::{Color, GREY, INK, PALETTE, WHITE};
use super::super::page::{Height, Page, Side};
use super::super::place::Rect;
use super::super::text::{SMALL, TEXT, widest, width};
use crate::numbers::number;

/// A colour of the palette; grey if nobody chose.
pub(super) fn color(index: Option<usize>) -> Color {
    index.map_or(GREY, |i| PALETTE[i % PALETTE.len()])
}

/// Something that stands in a cell of a [`Diagram`](super::Diagram).
#[derive(Clone, Debug)]
pub struct Item {
    id: String,
    text: String,
    shape: String,
    kind: Kind,
    color: Option<usize>,
    pub(super) tall: usize,
    pub(super) wide: usize,
    fitted: bool,
}

#[derive(Clone, Debug)]
enum Kind {
    Gap,
    Box,
    Sign,
    Text,
    Matrix { rows: usize, columns: usize, values: Vec<f64>, digits: usize, names: Vec<String> },
}

/// The height of a line of text, and of a line of small print.
const LINE: f64 = 17.0;
const FINE: f64 = 15.0;
/// The side of a matrix's cell that shows no number, and the height of one that does.
const CELL: f64 = 14.0;
const NUMBER: f64 = 19.0;
/// More rows or columns cannot be told apart.
const MOST: usize = 24;

impl Item {
    fn of(kind: Kind, text: impl Into<String>) -> Item {
        let text = text.into();
        Item { id: text.clone(), text, shape: String::new(), kind, color: None, tall: 1, wide: 1, fitted: false }
    }

    /// A box with a text in it; `\n` begins a new line.
    pub fn new(text: impl Into<String>) -> Item {
        Item::of(Kind::Box, text)
    }

    /// A text without a box.
    pub fn text(text: impl Into<String>) -> Item {
        Item::of(Kind::Text, text)
    }

    /// A sign in a circle: `+`, `×`, `=`.
    pub fn sign(sign: impl Into<String>) -> Item {
        Item::of(Kind::Sign, sign)
    }

    /// An empty cell.
    pub fn gap() -> Item {
        Item::of(Kind::Gap, "")
    }

    /// A matrix with a name, drawn with so many rows and columns (at most 24).
    pub fn matrix(name: impl Into<String>, rows: usize, columns: usize) -> Item {
        let (rows, columns) = (rows.clamp(1, MOST), columns.clamp(1, MOST));
        Item::of(Kind::Matrix { rows, columns, values: Vec::new(), digits: 0, names: Vec::new() }, name)
    }

    /// The numbers of a matrix, row after row, with so many decimals; the cells of larger ones are darker, and those
    /// that are not finite stay empty.
    pub fn numbers(mut self, numbers: impl IntoIterator<Item = f64>, decimals: usize) -> Item {
        if let Kind::Matrix { rows, columns, values, digits, .. } = &mut self.kind {
            *values = numbers.into_iter().take(*rows * *columns).collect();
            *digits = decimals.min(6);
        }
        self
    }

    /// What the rows of a matrix are, to their left.
    pub fn row_names(mut self, rows: impl IntoIterator<Item = impl Into<String>>) -> Item {
        if let Kind::Matrix { names, .. } = &mut self.kind {
            *names = rows.into_iter().map(Into::into).collect();
        }
        self
    }

    /// The shape, such as `(T, d)`: small print under a matrix or in a box.
    pub fn shape(self, shape: impl Into<String>) -> Item {
        Item { shape: shape.into(), ..self }
    }

    /// The name by which arrows and groups know it, instead of its text.
    pub fn id(self, id: impl Into<String>) -> Item {
        Item { id: id.into(), ..self }
    }

    /// A colour of [`PALETTE`](crate::plot::PALETTE).super::super::PALETTE).
    pub fn color(self, index: usize) -> Item {
        Item { color: Some(index), ..self }
    }

    /// Takes so many rows.
    pub fn tall(self, rows: usize) -> Item {
        Item { tall: rows.clamp(1, MOST), ..self }
    }

    /// Takes so many columns; a box fills them.
    pub fn wide(self, columns: usize) -> Item {
        Item { wide: columns.clamp(1, MOST), ..self }
    }

    /// A box that is only as wide as its text, in the middle of its columns.
    pub fn fitted(self) -> Item {
        Item { fitted: true, ..self }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.id == name && !matches!(self.kind, Kind::Gap)
    }

    /// Its text and its shape in one line.
    pub(super) fn words(&self) -> String {
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{text} {}", self.shape).trim().to_owned()
    }

    /// The numbers of a matrix as printed.
    fn printed(&self) -> Vec<String> {
        match &self.kind {
            Kind::Matrix { values, digits, .. } => {
                let text = |v: &f64| if v.is_finite() { number(*v, *digits) } else { String::new() };
                values.iter().map(text).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Width and height of a matrix's cell.
    fn cell(&self) -> (f64, f64) {
        let printed = self.printed();
        let widest = printed.iter().map(|t| width(t, SMALL) + 8.0).fold(0.0, f64::max);
        let named = matches!(&self.kind, Kind::Matrix { names, .. } if !names.is_empty());
        match (widest > 0.0, named) {
            (true, _) => (widest.max(NUMBER), NUMBER),
            (false, true) => (NUMBER, NUMBER),
            (false, false) => (CELL, CELL),
        }
    }

    /// Width and height of what arrows touch.
    pub(super) fn body(&self) -> (f64, f64) {
        let lines = self.text.lines().count() as f64;
        let widest = self.text.lines().map(|l| width(l, TEXT)).fold(0.0, f64::max);
        match self.kind {
            Kind::Gap => (0.0, 0.0),
            Kind::Text => (widest + 6.0, lines * LINE),
            Kind::Sign => ((widest + 12.0).max(24.0), 24.0),
            Kind::Box => {
                let fine = if self.shape.is_empty() { 0.0 } else { FINE };
                (widest.max(width(&self.shape, SMALL)) + 20.0, (lines * LINE + fine + 11.0).max(28.0))
            }
            Kind::Matrix { rows, columns, .. } => {
                let (w, h) = self.cell();
                (w * columns as f64, h * rows as f64)
            }
        }
    }

    /// Whether it is as wide as its columns.
    pub(super) fn fills(&self) -> bool {
        matches!(self.kind, Kind::Box) && self.wide > 1 && !self.fitted
    }

    /// How much room it needs beyond its body: to its left, to its right, and above and below.
    pub(super) fn margin(&self) -> (f64, f64, f64) {
        let Kind::Matrix { names, .. } = &self.kind else { return (0.0, 0.0, 0.0) };
        let captions = width(&self.text, TEXT).max(width(&self.shape, SMALL));
        let beside = ((captions - self.body().0) / 2.0).max(0.0);
        let named = if names.is_empty() { 0.0 } else { widest(names, SMALL) + 7.0 };
        (beside.max(named), beside, LINE)
    }

    /// What is written above and below the body: arrows end there.
    pub(super) fn captions(&self) -> (f64, f64) {
        let line = |text: &str| if text.is_empty() { 0.0 } else { LINE };
        if matches!(self.kind, Kind::Matrix { .. }) { (line(&self.text), line(&self.shape)) } else { (0.0, 0.0) }
    }

    pub(super) fn draw(&self, page: &mut Page, body: &Rect) {
        let ink = color(self.color);
        let pale = if self.color.is_some() { ink.opacity(0.14) } else { WHITE };
        let (middle, center) = body.middle();
        match self.kind {
            Kind::Gap => {}
            Kind::Text => self.lines(page, body, INK),
            Kind::Sign => {
                page.rounded(*body, 12.0, WHITE, None);
                page.rounded(*body, 12.0, pale, Some(ink));
                page.text(&self.text, (middle, center), TEXT, INK, Side::Center, Height::Center);
            }
            Kind::Box => {
                page.rounded(*body, 5.0, WHITE, None);
                page.rounded(*body, 5.0, pale, Some(ink));
                self.lines(page, body, INK);
            }
            Kind::Matrix { .. } => {
                self.cells(page, body, ink);
                page.text(&self.text, (middle, body.top - 3.0), TEXT, INK, Side::Center, Height::Bottom);
                page.text(&self.shape, (middle, body.bottom + 4.0), SMALL, GREY, Side::Center, Height::Top);
            }
        }
    }

    /// The lines of the text, and the shape under them, in the middle.
    fn lines(&self, page: &mut Page, body: &Rect, ink: Color) {
        let (middle, center) = body.middle();
        let fine = if self.shape.is_empty() { 0.0 } else { FINE };
        let mut y = center - (self.text.lines().count() as f64 * LINE + fine) / 2.0 + LINE / 2.0;
        for line in self.text.lines() {
            page.text(line, (middle, y), TEXT, ink, Side::Center, Height::Center);
            y += LINE;
        }
        page.text(&self.shape, (middle, y - 1.0), SMALL, GREY, Side::Center, Height::Center);
    }

    fn cells(&self, page: &mut Page, body: &Rect, ink: Color) {
        let Kind::Matrix { rows, columns, values, names, .. } = &self.kind else { return };
        let ((w, h), printed) = (self.cell(), self.printed());
        let most = values.iter().filter(|v| v.is_finite()).fold(1e-12, |m: f64, v| m.max(v.abs()));
        page.rounded(*body, 0.0, WHITE, None);
        for i in 0..rows * columns {
            let (x, y) = (body.left + (i % columns) as f64 * w, body.top + (i / columns) as f64 * h);
            let share = match values.get(i) {
                Some(v) if v.is_finite() => 0.06 + 0.4 * v.abs() / most,
                Some(_) => 0.0,
                None => 0.2,
            };
            page.blocks(&[[x, y, w, h]], ink.opacity(share));
            let text = printed.get(i).map_or("", String::as_str);
            page.text(text, (x + w / 2.0, y + h / 2.0), SMALL, INK, Side::Center, Height::Center);
        }
        for column in 1..*columns {
            let x = body.left + column as f64 * w;
            page.line(&[(x, body.top), (x, body.bottom)], WHITE, 1.0);
        }
        for row in 1..*rows {
            let y = body.top + row as f64 * h;
            page.line(&[(body.left, y), (body.right, y)], WHITE, 1.0);
        }
        for (row, name) in names.iter().take(*rows).enumerate() {
            let at = (body.left - 5.0, body.top + (row as f64 + 0.5) * h);
            page.text(name, at, SMALL, GREY, Side::Right, Height::Center);
        }
        page.rounded(*body, 0.0, WHITE.opacity(0.0), Some(ink));
    }
}

/// A box with this text; an empty text is an empty cell.
impl From<&str> for Item {
    fn from(text: &str) -> Item {
        if text.is_empty() { Item::gap() } else { Item::new(text) }
    }
}

/// A box with this text; an empty text is an empty cell.
impl From<String> for Item {
    fn from(text: String) -> Item {
        Item::from(text.as_str())
    }
}
