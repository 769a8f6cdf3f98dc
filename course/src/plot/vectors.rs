//! Arrows from the origin of the plane.

use super::axis::{Axis, Scale};
use super::colors::{Color, GREY, GRID, INK, PALETTE};
use super::frame::heading;
use super::page::{Height, Page, Side};
use super::picture::{Picture, sane};
use super::place::At;
use super::place::{Rect, beside, cheapest};
use super::text::{SMALL, width};

/// Vectors in the plane, both axes on one scale: built up, then rendered.
#[derive(Clone, Debug)]
pub struct Vectors {
    title: String,
    arrows: Vec<(At, String, usize)>,
    reach: Option<f64>,
    size: Option<(u32, u32)>,
}

impl Vectors {
    /// A plane without vectors.
    pub fn new(title: impl Into<String>) -> Vectors {
        Vectors { title: title.into(), arrows: Vec::new(), reach: None, size: None }
    }

    /// Adds an arrow from the origin with a label at its tip, in a colour of [`PALETTE`]. One that is not finite is
    /// left out.
    pub fn arrow(mut self, x: f64, y: f64, label: impl Into<String>, color: usize) -> Vectors {
        self.arrows.push(((x, y), label.into(), color));
        self
    }

    /// How far the plane reaches on each side of the origin; without it, as far as the longest vector.
    pub fn reach(self, reach: f64) -> Vectors {
        Vectors { reach: Some(reach), ..self }
    }

    /// Width and height in pixels of the page.
    pub fn size(self, width: u32, height: u32) -> Vectors {
        Vectors { size: sane(width, height), ..self }
    }
}

impl Picture for Vectors {
    fn size(&self, free: u32) -> (u32, u32) {
        let side = free.clamp(160, 400);
        self.size.unwrap_or((side, side + 20))
    }

    fn draw(&self, page: &mut Page, (wide, high): (u32, u32)) {
        let (wide, high) = (f64::from(wide), f64::from(high));
        let finite = |v: &&(At, String, usize)| v.0.0.abs() < 1e12 && v.0.1.abs() < 1e12;
        let arrows: Vec<_> = self.arrows.iter().filter(finite).collect();
        let longest = arrows.iter().map(|v| v.0.0.abs().max(v.0.1.abs())).fold(0.0, f64::max) * 1.15;
        let reach = self.reach.unwrap_or(longest);
        let reach = if reach.is_finite() && reach > 0.0 { reach } else { 1.0 };
        let top = heading(page, &self.title, &[], "", wide);
        let side = (high - top - 12.0).min(wide - 28.0).max(20.0);
        let (left, middle) = ((wide - side) / 2.0, (wide / 2.0, top + side / 2.0));
        let at = |x: f64, y: f64| (middle.0 + x / reach * side / 2.0, middle.1 - y / reach * side / 2.0);
        let axis = Axis::new(Scale::Linear, [-reach, reach].into_iter(), 0.0, 4);
        for (value, label) in &axis.ticks {
            let color = if *value == 0.0 { GREY } else { GRID };
            page.line(&[at(*value, -reach), at(*value, reach)], color, 1.0);
            page.line(&[at(-reach, *value), at(reach, *value)], color, 1.0);
            if *value != 0.0 {
                let (x, y) = at(*value, 0.0);
                page.text(label, (x, y + 4.0), SMALL, GREY, Side::Center, Height::Top);
            }
        }
        let inside = Rect { left, top, right: left + side, bottom: top + side };
        let ways: Vec<(At, At)> = arrows.iter().map(|v| (middle, at(v.0.0, v.0.1))).collect();
        let mut taken: Vec<Rect> = Vec::new();
        for ((tip, label, color), way) in arrows.iter().zip(&ways) {
            let ink: Color = PALETTE[color % PALETTE.len()];
            page.arrow(&[way.0, at(tip.0, tip.1)], ink, 2.5, false);
            if label.is_empty() {
                continue;
            }
            let cost = |r: &Rect| {
                let lines: f64 = ways.iter().map(|w| r.crossed(w.0, w.1)).sum();
                let labels: f64 = taken.iter().map(|t| t.shared(r)).sum();
                4.0 * lines + labels + 5.0 * r.outside(&inside)
            };
            let places = beside(way.1, (width(label, SMALL) + 2.0, 13.0), 4.0);
            let Some(place) = cheapest(places, cost) else { continue };
            page.text(label, place.middle(), SMALL, INK, Side::Center, Height::Center);
            taken.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_point_where_they_should() {
        let svg = Vectors::new("q, k").reach(2.0).arrow(1.0, 0.0, "k & co", 0).arrow(0.0, 2.0, "q", 1).size(300, 300);
        let svg = svg.to_svg();
        assert!(svg.contains("k &amp; co") && svg.contains("#0072B2") && svg.contains("#D55E00"));
        let heads: Vec<Vec<f64>> = (svg.lines().filter(|l| l.contains("z\"") && l.contains("d=\"M")))
            .map(|l| l.split(" d=\"").nth(1).unwrap())
            .map(|d| d.split(['M', 'L', ' ', 'z']).filter_map(|n| n.parse().ok()).take(2).collect())
            .collect();
        let [east, north] = &heads[..] else { panic!("{svg}") };
        let middle = 150.0;
        assert!(north[0] == middle && east[0] > middle && east[1] > north[1], "{heads:?}");
        assert!((2.0 * (east[0] - middle) - (east[1] - north[1])).abs() < 0.03, "one scale: {heads:?}");
    }

    #[test]
    fn nothing_strange_can_break_a_plane() {
        for v in [f64::NAN, f64::INFINITY, 0.0, 1e300] {
            let plane = Vectors::new("t").arrow(v, 1.0, "a", 99).reach(v);
            assert!(plane.to_svg().ends_with("</svg>\n") && plane.size(0, 0).to_svg().ends_with("</svg>\n"));
        }
        assert!(Vectors::new("").to_svg().ends_with("</svg>\n"));
    }
}
