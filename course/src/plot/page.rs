//! What stands on a page: lines, blocks, dots and texts, in pixels of the reader.

use plotters::prelude::*;
pub(super) use plotters::style::text_anchor::{HPos, VPos};

use super::render::{FONT, PER_EM};

pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
pub(super) const GREY: RGBColor = RGBColor(0x5A, 0x5A, 0x5A);
pub(super) const GRID: RGBColor = RGBColor(0xE6, 0xE6, 0xE6);
/// Sizes of text.
pub(super) const TITLE: f64 = 15.0;
pub(super) const TEXT: f64 = 12.0;
pub(super) const SMALL: f64 = 11.0;

/// A place on the page: x to the right, y downwards.
pub(super) type At = (f64, f64);

/// A page to draw on; see [`super::Picture`].
#[derive(Default)]
pub struct Page {
    pub(super) marks: Vec<Mark>,
    origin: At,
}

pub(super) enum Mark {
    Line {
        points: Vec<At>,
        color: RGBAColor,
        width: f64,
    },
    /// Rectangles (x, y, width, height) of one colour that do not overlap.
    Blocks {
        blocks: Vec<[f64; 4]>,
        color: RGBAColor,
    },
    Dot {
        at: At,
        radius: f64,
        color: RGBAColor,
    },
    /// `at` is on the baseline; `turned` reads upwards.
    Text {
        text: String,
        at: At,
        size: f64,
        color: RGBColor,
        h: HPos,
        turned: bool,
    },
}

impl Page {
    /// What follows is drawn relative to this place.
    pub(super) fn origin(&mut self, at: At) {
        self.origin = at;
    }

    /// Where what is drawn now has its (0, 0).
    pub(super) fn place(&self) -> At {
        self.origin
    }

    fn at(&self, (x, y): At) -> At {
        (x + self.origin.0, y + self.origin.1)
    }

    pub(super) fn line(&mut self, points: &[At], color: RGBAColor, width: f64) {
        let points = points.iter().map(|&p| self.at(p)).collect();
        self.marks.push(Mark::Line { points, color, width });
    }

    /// A dashed line, horizontal or vertical.
    pub(super) fn dashed(&mut self, from: At, to: At, color: RGBColor) {
        let long = (to.0 - from.0).hypot(to.1 - from.1).max(1.0);
        let along = |d: f64| (from.0 + (to.0 - from.0) * d / long, from.1 + (to.1 - from.1) * d / long);
        let mut d = 0.0;
        while d < long {
            self.line(&[along(d), along((d + 6.0).min(long))], color.into(), 1.25);
            d += 10.0;
        }
    }

    pub(super) fn blocks(&mut self, blocks: impl IntoIterator<Item = [f64; 4]>, color: RGBAColor) {
        let (x0, y0) = self.origin;
        let blocks = blocks.into_iter().map(|[x, y, w, h]| [x + x0, y + y0, w, h]).collect();
        self.marks.push(Mark::Blocks { blocks, color });
    }

    pub(super) fn dot(&mut self, at: At, radius: f64, color: RGBAColor) {
        let at = self.at(at);
        self.marks.push(Mark::Dot { at, radius, color });
    }

    pub(super) fn text(&mut self, text: &str, (x, y): At, size: f64, color: RGBColor, h: HPos, v: VPos) {
        let (at, text) = (self.at((x, y + baseline(size, v))), text.to_string());
        if !text.is_empty() {
            self.marks.push(Mark::Text { text, at, size, color, h, turned: false });
        }
    }

    /// Text that reads upwards, centred on x; `h` says which of its ends is at y.
    pub(super) fn turned(&mut self, text: &str, (x, y): At, size: f64, color: RGBColor, h: HPos) {
        let (at, text) = (self.at((x + baseline(size, VPos::Center), y)), text.to_string());
        if !text.is_empty() {
            self.marks.push(Mark::Text { text, at, size, color, h, turned: true });
        }
    }

    /// Small text on white that stands on y, so that a line behind it does not cross it out.
    pub(super) fn label(&mut self, text: &str, (x, y): At, color: RGBColor, h: HPos) {
        if text.is_empty() {
            return;
        }
        let w = width(text, SMALL);
        let left = match h {
            HPos::Left => x,
            HPos::Center => x - w / 2.0,
            HPos::Right => x - w,
        };
        self.blocks([[left - 2.0, y - 14.0, w + 4.0, 13.0]], WHITE.mix(0.85));
        self.text(text, (x, y - 1.5), SMALL, color, h, VPos::Bottom);
    }
}

/// How far under a place the baseline of a text lies that hangs from it, is centred on it or stands on it.
fn baseline(size: f64, v: VPos) -> f64 {
    match v {
        VPos::Top => 0.8 * size,
        VPos::Center => 0.36 * size,
        VPos::Bottom => -0.22 * size,
    }
}

/// The width of a text.
pub(super) fn width(text: &str, size: f64) -> f64 {
    // Measured large, because the font answers in whole pixels. The estimate keeps the layout sane without a font.
    let measured = (FONT, size * PER_EM * 8.0).into_font().box_size(text).map(|(w, _)| f64::from(w) / 8.0);
    measured.unwrap_or(text.chars().count() as f64 * size * 0.6)
}

/// The text, or its beginning and "…", so that it fits.
pub(super) fn fitted(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_string();
    }
    let chars: Vec<char> = text.chars().collect();
    let cut = |n: usize| chars[..n].iter().collect::<String>().trim_end().to_string() + "…";
    let (mut fits, mut over) = (0, chars.len());
    while over - fits > 1 {
        let middle = (fits + over) / 2;
        if width(&cut(middle), size) <= room { fits = middle } else { over = middle }
    }
    cut(fits)
}

/// The text in lines that fit, broken at spaces.
pub(super) fn wrapped(text: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_and_broken_to_fit() {
        super::super::render::load_font().unwrap();
        assert_eq!(fitted("short", TEXT, 200.0), "short");
        let cut = fitted("a label that is much too long for its place", TEXT, 90.0);
        assert!(cut.starts_with("a label") && cut.ends_with('…') && width(&cut, TEXT) <= 90.0, "{cut}");
        assert_eq!(fitted("wide", TEXT, 0.0), "…");
        let lines = wrapped("one two three four five six", TEXT, 60.0);
        assert!(lines.len() > 2 && lines.iter().all(|l| width(l, TEXT) <= 60.0), "{lines:?}");
        assert_eq!(lines.join(" "), "one two three four five six");
    }
}
