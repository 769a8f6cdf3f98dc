//! A page to draw on, in pixels of the reader: lines, blocks, dots and texts become SVG in the order of drawing.

use std::fmt::{self, Write as _};

use super::colors::{Color, WHITE};
use super::place::{At, Rect};
use super::text::{SMALL, width};
use crate::html::escaped;

/// Which point of a text is at its x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Center,
    Right,
}

/// Which height of a text is at its y.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Height {
    Top,
    Center,
    Bottom,
}

/// A page to draw on; see [`super::Picture`].
#[derive(Default)]
pub struct Page {
    svg: String,
    origin: At,
    words: Vec<String>,
}

impl Page {
    /// The file: a white page of this size, and what was drawn on it.
    pub(super) fn into_svg(self, size: (u32, u32)) -> String {
        self.into_svg_with(size, "")
    }

    /// The same with further attributes. A picture that says in words what it shows keeps small print legible on a
    /// narrow page, too: it shrinks by an eighth at most.
    pub(super) fn into_svg_with(self, (w, h): (u32, u32), attributes: &str) -> String {
        let words = match self.words.join(". ") {
            words if words.is_empty() => String::new(),
            words => format!(" role=\"img\" aria-label=\"{}\" style=\"min-width:{}px\"", escaped(&words), w - w / 8),
        };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
             font-family=\"sans-serif\"{words}{attributes}>\n\
             <rect width=\"{w}\" height=\"{h}\" fill=\"{WHITE}\"/>\n{}</svg>\n",
            self.svg
        )
    }

    /// What is drawn here, in words, for those who do not see it.
    pub(super) fn describe(&mut self, words: String) {
        self.words.push(words);
    }

    /// What follows is drawn relative to this place.
    pub(super) fn origin(&mut self, at: At) {
        self.origin = at;
    }

    /// Where what is drawn now has its (0, 0).
    pub(super) fn place(&self) -> At {
        self.origin
    }

    fn at(&self, (x, y): At) -> (Short, Short) {
        (Short(x + self.origin.0), Short(y + self.origin.1))
    }

    pub(super) fn line(&mut self, points: &[At], color: Color, width: f64) {
        let stroke = paint("stroke", color);
        let _ = write!(self.svg, "<path fill=\"none\"{stroke} stroke-width=\"{}\" d=\"", Short(width));
        for (i, &point) in points.iter().enumerate() {
            let (x, y) = self.at(point);
            let _ = write!(self.svg, "{}{x} {y}", if i == 0 { 'M' } else { 'L' });
        }
        self.svg += "\"/>\n";
    }

    /// A dashed line, horizontal or vertical.
    pub(super) fn dashed(&mut self, from: At, to: At, color: Color) {
        let long = (to.0 - from.0).hypot(to.1 - from.1).max(1.0);
        let along = |d: f64| (from.0 + (to.0 - from.0) * d / long, from.1 + (to.1 - from.1) * d / long);
        let mut d = 0.0;
        while d < long {
            self.line(&[along(d), along((d + 6.0).min(long))], color, 1.25);
            d += 10.0;
        }
    }

    /// A way with a head at its end; see [`Page::route`].
    pub(super) fn arrow(&mut self, points: &[At], color: Color, width: f64, dashed: bool) {
        let [before @ .., end] = points else { return };
        let Some(last) = before.iter().rev().find(|p| *p != end) else { return };
        let (dx, dy) = (end.0 - last.0, end.1 - last.1);
        let (ux, uy) = (dx / dx.hypot(dy), dy / dx.hypot(dy));
        let back = |along: f64, aside: f64| (end.0 - along * ux - aside * uy, end.1 - along * uy + aside * ux);
        let head = 5.0 + 2.0 * width;
        let neck = [before, &[back(head - 2.0, 0.0)]].concat();
        self.route(&neck, color, width, dashed);
        self.polygon(&[*end, back(head, head * 0.45), back(head, -head * 0.45)], color);
    }

    /// A way through points; four of them are a curve, whose second and third are its handles.
    pub(super) fn route(&mut self, points: &[At], color: Color, width: f64, dashed: bool) {
        let dash = if dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let stroke = paint("stroke", color);
        let _ = write!(self.svg, "<path fill=\"none\"{stroke} stroke-width=\"{}\"{dash} d=\"", Short(width));
        for (i, &point) in points.iter().enumerate() {
            let (x, y) = self.at(point);
            let command = match (i, points.len()) {
                (0, _) => "M",
                (1, 4) => "C",
                (_, 4) => " ",
                _ => "L",
            };
            let _ = write!(self.svg, "{command}{x} {y}");
        }
        self.svg += "\"/>\n";
    }

    /// A shape with straight edges.
    pub(super) fn polygon(&mut self, points: &[At], color: Color) {
        let _ = write!(self.svg, "<path{} d=\"", paint("fill", color));
        for (i, &point) in points.iter().enumerate() {
            let (x, y) = self.at(point);
            let _ = write!(self.svg, "{}{x} {y}", if i == 0 { 'M' } else { 'L' });
        }
        self.svg += "z\"/>\n";
    }

    /// A rectangle with round corners, filled, and with an edge if it has a colour.
    pub(super) fn rounded(&mut self, rect: Rect, radius: f64, fill: Color, edge: Option<Color>) {
        let [x, y, w, h] = rect.block();
        let (x, y) = self.at((x, y));
        let (w, h, r, fill) = (Short(w), Short(h), Short(radius), paint("fill", fill));
        let edge = edge.map(|c| paint("stroke", c) + " stroke-width=\"1.25\"").unwrap_or_default();
        let _ = writeln!(self.svg, "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" rx=\"{r}\"{fill}{edge}/>");
    }

    /// Rectangles (x, y, width, height) of one colour that do not overlap.
    pub(super) fn blocks(&mut self, blocks: &[[f64; 4]], color: Color) {
        // No seams between neighbours.
        let crisp = if blocks.len() > 1 { " shape-rendering=\"crispEdges\"" } else { "" };
        let _ = write!(self.svg, "<path{}{crisp} d=\"", paint("fill", color));
        for &[x, y, w, h] in blocks {
            let (x, y) = self.at((x, y));
            let _ = write!(self.svg, "M{x} {y}h{}v{}h{}z", Short(w), Short(h), Short(-w));
        }
        self.svg += "\"/>\n";
    }

    pub(super) fn dot(&mut self, at: At, radius: f64, color: Color) {
        let ((x, y), r, fill) = (self.at(at), Short(radius), paint("fill", color));
        let _ = writeln!(self.svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\"{fill}/>");
    }

    pub(super) fn text(&mut self, text: &str, (x, y): At, size: f64, color: Color, side: Side, height: Height) {
        self.write_text(text, (x, y + baseline(size, height)), size, color, side, false);
    }

    /// Text that reads upwards, centred on x; `side` says which of its ends is at y.
    pub(super) fn turned(&mut self, text: &str, (x, y): At, size: f64, color: Color, side: Side) {
        self.write_text(text, (x + baseline(size, Height::Center), y), size, color, side, true);
    }

    /// `at` is on the baseline.
    fn write_text(&mut self, text: &str, at: At, size: f64, color: Color, side: Side, turned: bool) {
        if text.is_empty() {
            return;
        }
        let ((x, y), fill, text) = (self.at(at), paint("fill", color), escaped(text));
        let anchor = match side {
            Side::Left => "",
            Side::Center => " text-anchor=\"middle\"",
            Side::Right => " text-anchor=\"end\"",
        };
        let turn = if turned { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
        let size = Short(size);
        let _ = writeln!(self.svg, "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{fill}{anchor}{turn}>{text}</text>");
    }

    /// Small text on white that stands on y, so that a line behind it does not cross it out.
    pub(super) fn label(&mut self, text: &str, (x, y): At, color: Color, side: Side) {
        if text.is_empty() {
            return;
        }
        let w = width(text, SMALL);
        let left = match side {
            Side::Left => x,
            Side::Center => x - w / 2.0,
            Side::Right => x - w,
        };
        self.blocks(&[[left - 2.0, y - 14.0, w + 4.0, 13.0]], WHITE.opacity(0.85));
        self.text(text, (x, y - 1.5), SMALL, color, side, Height::Bottom);
    }
}

/// How far under a place the baseline of a text lies that hangs from it, is centred on it or stands on it.
fn baseline(size: f64, height: Height) -> f64 {
    match height {
        Height::Top => 0.8 * size,
        Height::Center => 0.36 * size,
        Height::Bottom => -0.22 * size,
    }
}

/// The attributes for the colour of a line (`stroke`) or of what is filled (`fill`).
fn paint(what: &str, color: Color) -> String {
    let opacity = match color.opacity {
        1.0 => String::new(),
        opacity => format!(" {what}-opacity=\"{}\"", Short(opacity)),
    };
    format!(" {what}=\"{color}\"{opacity}")
}

/// A number with at most two decimals, as short as it gets.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (self.0 * 100.0).round() as i64;
        let (whole, rest) = (hundredths.abs() / 100, hundredths.abs() % 100);
        let sign = if hundredths < 0 { "-" } else { "" };
        match (rest, rest % 10) {
            (0, _) => write!(f, "{sign}{whole}"),
            (_, 0) => write!(f, "{sign}{whole}.{}", rest / 10),
            _ => write!(f, "{sign}{whole}.{rest:02}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let short = |v| Short(v).to_string();
        assert_eq!([3.0, -0.5, 2.256, -0.001, 0.07].map(short), ["3", "-0.5", "2.26", "0", "0.07"]);
    }
}
