//! Colours for lines and groups, and for values from low to high.

use std::fmt;

/// A colour: red, green and blue, and how much of it covers what lies below.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Color {
    rgb: [u8; 3],
    pub(super) opacity: f64,
}

impl Color {
    const fn rgb(r: u8, g: u8, b: u8) -> Color {
        Color { rgb: [r, g, b], opacity: 1.0 }
    }

    /// The same colour, which lets the ones below show through.
    pub(super) fn opacity(self, opacity: f64) -> Color {
        Color { opacity, ..self }
    }
}

/// `#0072B2`, without the opacity.
impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.rgb;
        write!(f, "#{r:02X}{g:02X}{b:02X}")
    }
}

/// Blue, vermilion, green, purple, orange, sky blue, black: Okabe & Ito 2008 without its yellow, too pale on white.
pub const PALETTE: [Color; 7] = [
    Color::rgb(0x00, 0x72, 0xB2),
    Color::rgb(0xD5, 0x5E, 0x00),
    Color::rgb(0x00, 0x9E, 0x73),
    Color::rgb(0xCC, 0x79, 0xA7),
    Color::rgb(0xE6, 0x9F, 0x00),
    Color::rgb(0x56, 0xB4, 0xE9),
    Color::rgb(0x00, 0x00, 0x00),
];

pub(super) const WHITE: Color = Color::rgb(0xFF, 0xFF, 0xFF);
pub(super) const INK: Color = Color::rgb(0x22, 0x22, 0x22);
pub(super) const GREY: Color = Color::rgb(0x5A, 0x5A, 0x5A);
pub(super) const GRID: Color = Color::rgb(0xE6, 0xE6, 0xE6);
/// No value.
pub(super) const NOTHING: Color = Color::rgb(0xDC, 0xDC, 0xDC);

/// Colours from low to high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ramp {
    /// Pale yellow over teal to dark blue: darker at every step, so that it needs no sense of colour.
    Sequential,
    /// Blue, white in the middle, vermilion.
    Diverging,
}

/// Steps of a ramp: more cannot be told apart, and even, so that there is a middle.
pub(super) const STEPS: u8 = 64;

const SEQUENTIAL: [[f64; 3]; 7] = [
    [253.0, 248.0, 214.0],
    [214.0, 234.0, 176.0],
    [143.0, 208.0, 172.0],
    [76.0, 171.0, 172.0],
    [40.0, 126.0, 164.0],
    [32.0, 78.0, 139.0],
    [24.0, 30.0, 86.0],
];
const DIVERGING: [[f64; 3]; 7] = [
    [0.0, 62.0, 116.0],
    [0.0, 114.0, 178.0],
    [128.0, 186.0, 224.0],
    [255.0, 255.0, 255.0],
    [246.0, 180.0, 132.0],
    [213.0, 94.0, 0.0],
    [138.0, 48.0, 0.0],
];

impl Ramp {
    /// The colour of a step from 0 to [`STEPS`].
    pub fn color(self, step: u8) -> Color {
        let anchors = match self {
            Ramp::Sequential => &SEQUENTIAL,
            Ramp::Diverging => &DIVERGING,
        };
        let place = f64::from(step.min(STEPS)) / f64::from(STEPS) * (anchors.len() - 1) as f64;
        let below = (place as usize).min(anchors.len() - 2);
        let part = place - below as f64;
        let mix = |c: usize| (anchors[below][c] * (1.0 - part) + anchors[below + 1][c] * part).round() as u8;
        Color::rgb(mix(0), mix(1), mix(2))
    }
}

/// Luminance from 0 (black) to 1 (white), as WCAG defines it.
pub(super) fn luminance(color: Color) -> f64 {
    let linear = |c: u8| {
        let c = f64::from(c) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    let [r, g, b] = color.rgb;
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequential_ramp_darkens_at_every_step() {
        let light: Vec<f64> = (0..=STEPS).map(|s| luminance(Ramp::Sequential.color(s))).collect();
        assert!(light.windows(2).all(|w| w[0] > w[1]), "{light:?}");
    }

    #[test]
    fn the_diverging_ramp_darkens_from_a_white_middle() {
        let light: Vec<f64> = (0..=STEPS).map(|s| luminance(Ramp::Diverging.color(s))).collect();
        let middle = usize::from(STEPS / 2);
        assert_eq!(Ramp::Diverging.color(STEPS / 2), WHITE);
        assert!(light[..=middle].windows(2).all(|w| w[0] < w[1]) && light[middle..].windows(2).all(|w| w[0] > w[1]));
    }
}
