//! Points with labels: embeddings in the plane, size against loss.

use super::axis::{Axis, Scale};
use super::colors::{Color, GREY, INK, PALETTE};
use super::frame::{Entry, Frame, Key, Names};
use super::page::{Height, Page, Side};
use super::picture::{Picture, sane, usual};
use super::place::At;
use super::place::{Rect, beside, cheapest};
use super::text::{SMALL, width};

/// A scatter plot: built up, then rendered.
#[derive(Clone, Debug)]
pub struct Scatter {
    names: Names,
    groups: Vec<Group>,
    size: Option<(u32, u32)>,
}

#[derive(Clone, Debug)]
struct Group {
    name: String,
    points: Vec<(At, String)>,
}

impl Scatter {
    /// A scatter plot without points.
    pub fn new(title: impl Into<String>, x_label: impl Into<String>, y_label: impl Into<String>) -> Scatter {
        Scatter { names: Names::new(title, x_label, y_label), groups: Vec::new(), size: None }
    }

    /// Adds points of one colour: x, y, and a label that stands beside the point ("" = none). The legend names the
    /// groups; an empty name keeps a group out of it. Points that are not finite are left out.
    pub fn group(
        mut self,
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, f64, impl Into<String>)>,
    ) -> Scatter {
        let points = points.into_iter().map(|(x, y, label)| ((x, y), label.into())).collect();
        self.groups.push(Group { name: name.into(), points });
        self
    }

    /// Width and height in pixels of the page.
    pub fn size(self, width: u32, height: u32) -> Scatter {
        Scatter { size: sane(width, height), ..self }
    }
}

impl Picture for Scatter {
    fn size(&self, free: u32) -> (u32, u32) {
        let (w, h) = usual(free);
        self.size.unwrap_or((w, h + 60))
    }

    fn draw(&self, page: &mut Page, (wide, high): (u32, u32)) {
        let (wide, high) = (f64::from(wide), f64::from(high));
        let points = || self.groups.iter().flat_map(|g| &g.points).map(|p| p.0);
        // A point without a place must not stretch the other axis.
        let placed = || points().filter(|p| Scale::Linear.of(p.0).is_some() && Scale::Linear.of(p.1).is_some());
        let x = Axis::new(Scale::Linear, placed().map(|p| p.0), 0.06, (wide / 110.0) as usize);
        let y = Axis::new(Scale::Linear, placed().map(|p| p.1), 0.06, (high / 70.0) as usize);

        let color = |i: usize| PALETTE[i % PALETTE.len()];
        let legend: Vec<Entry> = (self.groups.iter().enumerate())
            .map(|(i, g)| Entry { name: &g.name, color: color(i), key: Key::Dot })
            .collect();
        let frame = Frame::below(page, &self.names, &legend, (x, y), (wide, high));
        frame.rows(page);
        frame.columns(page, true);
        frame.floor(page);
        frame.name_columns(page, &self.names.x, 28.0);
        if let Some(at) = frame.column(0.0) {
            page.line(&[(at, frame.top), (at, frame.bottom)], GREY.opacity(0.5), 1.0);
        }
        if let Some(at) = frame.row(0.0) {
            page.line(&[(frame.left, at), (frame.right, at)], GREY.opacity(0.5), 1.0);
        }

        let dots: Vec<(At, &str, Color)> = self
            .groups
            .iter()
            .enumerate()
            .flat_map(|(i, g)| g.points.iter().map(move |(p, label)| (*p, label.as_str(), color(i))))
            .filter_map(|(p, label, color)| Some((frame.point(p)?, label, color)))
            .collect();
        let radius = match dots.len() {
            0..150 => 4.0,
            150..1000 => 3.0,
            _ => 2.0,
        };
        for (at, _, color) in &dots {
            page.dot(*at, radius, color.opacity(0.8));
        }
        labels(page, &frame, &dots, radius);
    }
}

/// Each label where it hides the least; one that stands farther off has a thin line to its dot.
fn labels(page: &mut Page, frame: &Frame, dots: &[(At, &str, Color)], radius: f64) {
    let inside = Rect { left: frame.left, top: frame.top, right: frame.right + 16.0, bottom: frame.bottom };
    let mut taken: Vec<Rect> = Vec::new();
    let around: Vec<Rect> = dots.iter().map(|d| Rect::around(d.0, radius)).collect();
    for (at, label, color) in dots.iter().filter(|d| !d.1.is_empty()) {
        let size = (width(label, SMALL) + 2.0, 13.0);
        // Text over text is worse than text over a dot.
        let cost = |r: &Rect| {
            let labels: f64 = taken.iter().map(|t| t.shared(r)).sum();
            let dots: f64 = around.iter().map(|t| t.shared(r)).sum();
            3.0 * labels + dots + 5.0 * r.outside(&inside)
        };
        let Some(place) = cheapest(beside(*at, size, radius), cost) else { continue };
        let near = (at.0.clamp(place.left, place.right), at.1.clamp(place.top, place.bottom));
        if (near.0 - at.0).hypot(near.1 - at.1) > radius + 8.0 {
            page.line(&[*at, near], color.opacity(0.6), 0.75);
        }
        page.text(label, place.middle(), SMALL, INK, Side::Center, Height::Center);
        taken.push(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_have_labels_and_groups_a_legend() {
        let plot = Scatter::new("Words", "first axis", "second axis")
            .group("royal", [(0.0, 1.0, "king"), (0.2, 1.1, "queen & co")])
            .group("fruit", [(-3.0, 0.5, "<apple>"), (f64::NAN, 1.0, "lost"), (1.0, f64::INFINITY, "far")]);
        let svg = plot.to_svg();
        for text in ["Words", "first axis", "second axis", "royal", "fruit", "king", "queen &amp; co", "&lt;apple&gt;"]
        {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        assert_eq!(svg.matches("<circle").count(), 3 + 2, "points and legend");
        assert!(!svg.contains("lost") && !svg.contains("far<"));
    }

    #[test]
    fn labels_of_a_crowd_do_not_cover_each_other() {
        let points = (0..12).map(|i| (f64::from(i % 4), f64::from(i / 4), format!("word{i}")));
        let svg = Scatter::new("", "", "").group("", points).size(400, 300).to_svg();
        let attribute = |line: &str, name: &str| -> f64 {
            line.split_once(&format!(" {name}=\"")).unwrap().1.split('"').next().unwrap().parse().unwrap()
        };
        let labels: Vec<_> = (svg.lines().filter(|line| line.contains(">word")))
            .map(|line| {
                let text = line.split(['<', '>']).nth(2).unwrap();
                let (x, y) = (attribute(line, "x"), attribute(line, "y"));
                let half = width(text, attribute(line, "font-size")) / 2.0;
                Rect { left: x - half, top: y - 9.0, right: x + half, bottom: y }
            })
            .collect();
        assert_eq!(labels.len(), 12);
        for (i, a) in labels.iter().enumerate() {
            assert!(labels[..i].iter().all(|b| a.shared(b) == 0.0), "{labels:?}");
        }
    }

    #[test]
    fn nothing_strange_can_break_a_scatter_plot() {
        for points in [vec![], vec![(0.0, 0.0, "one")], vec![(1.0, 1.0, "same"); 40], vec![(f64::NAN, 1e300, "x")]] {
            assert!(Scatter::new("", "", "").group("g", points).size(0, 0).to_svg().ends_with("</svg>\n"));
        }
        assert!(Scatter::new("", "", "").to_svg().ends_with("</svg>\n"));
    }
}
