//! How wide texts are, and where they are cut or broken to fit.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Sizes of text.
pub(super) const TITLE: f64 = 15.0;
pub(super) const TEXT: f64 = 12.0;
pub(super) const SMALL: f64 = 11.0;

/// A character that is not in `widths.txt`.
const OTHER: u16 = 1229;

/// The widths of the characters in DejaVu Sans: each line of the file is a width and the characters that have it.
static WIDTHS: LazyLock<HashMap<char, u16>> = LazyLock::new(|| {
    let lines = include_str!("widths.txt").lines().filter_map(|line| line.split_once(' '));
    lines.flat_map(|(width, chars)| chars.chars().map(|c| (c, width.parse().unwrap_or(OTHER)))).collect()
});

/// The width of a text, down to the eighth of a pixel.
pub(super) fn width(text: &str, size: f64) -> f64 {
    // From the lowest descender to the highest accent the font has 1.164 times its size, which are 2384 units.
    let unit = (size * 1.164 * 8.0) as f32 / 2384.0;
    let eighths = text.chars().fold(0.0, |sum, c| sum + unit * f32::from(*WIDTHS.get(&c).unwrap_or(&OTHER)));
    f64::from(eighths.floor()) / 8.0
}

/// The width of the widest of some texts.
pub(super) fn widest<'a>(texts: impl IntoIterator<Item = &'a String>, size: f64) -> f64 {
    texts.into_iter().map(|text| width(text, size)).fold(0.0, f64::max)
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
        assert_eq!(fitted("short", TEXT, 200.0), "short");
        let cut = fitted("a label that is much too long for its place", TEXT, 90.0);
        assert!(cut.starts_with("a label") && cut.ends_with('…') && width(&cut, TEXT) <= 90.0, "{cut}");
        assert_eq!(fitted("wide", TEXT, 0.0), "…");
        let lines = wrapped("one two three four five six", TEXT, 60.0);
        assert!(lines.len() > 2 && lines.iter().all(|l| width(l, TEXT) <= 60.0), "{lines:?}");
        assert_eq!(lines.join(" "), "one two three four five six");
    }
}
