//! The line chart on the page.

use plotters::style::{Color, RGBAColor, RGBColor, WHITE};

use super::axis::Axis;
use super::chart::{Chart, Series};
use super::colors::PALETTE;
use super::frame::{Entry, Frame, Key, heading};
use super::page::{At, GREY, HPos, INK, Page, SMALL, TEXT, VPos, width};
use super::place::{Rect, beside, cheapest};

/// Draws a chart from (0, 0) to this size.
pub(super) fn draw(chart: &Chart, page: &mut Page, (wide, high): (u32, u32)) {
    let (wide, high) = (f64::from(wide), f64::from(high));
    let points = || chart.series.iter().flat_map(|s| &s.points).copied();
    let marked = || chart.notes.iter().map(|n| (n.0, n.1));
    let x = Axis::new(chart.x_scale, points().chain(marked()).map(|p| p.0), 0.0, (wide / 110.0) as usize);
    let wanted = (high / 70.0) as usize;
    let y = match chart.y_range {
        Some((low, high)) => Axis::new(chart.y_scale, [low, high].into_iter(), 0.0, wanted),
        None => {
            let values = points().chain(marked()).map(|p| p.1).chain(chart.references.iter().map(|r| r.0));
            Axis::new(chart.y_scale, values, 0.05, wanted)
        }
    };

    let key = |s: &Series| if s.faint { Key::FaintLine } else { Key::Line };
    let legend: Vec<_> = colored(chart).map(|(s, color)| Entry { name: &s.name, color, key: key(s) }).collect();
    let top = heading(page, &chart.title, &legend, &chart.y_label, wide);
    let left = y.ticks.iter().map(|t| width(&t.1, TEXT)).fold(20.0, f64::max) + 22.0;
    let bottom = (high - if chart.x_label.is_empty() { 30.0 } else { 48.0 }).max(top + 20.0);
    let frame = Frame { left, right: wide - 20.0, top, bottom, x, y };

    frame.rows(page);
    frame.floor(page);
    frame.columns(page, false);
    frame.name_columns(page, &chart.x_label, 28.0);
    let crossings = Crossings::new(chart, &frame);
    let mut taken: Vec<Rect> = Vec::new();
    for (at, label) in frame.references(page, &chart.references) {
        name_reference(page, &frame, &crossings, at, &label, &mut taken);
    }
    // Pale lines first, so that they stay behind.
    for (series, color) in colored(chart).filter(|s| s.0.faint).chain(colored(chart).filter(|s| !s.0.faint)) {
        lines(page, series, color, &frame);
    }
    for (x, y, label) in &chart.notes {
        if let Some(at) = frame.point((*x, *y)).filter(|p| frame.holds(p.1)) {
            page.dot(at, 4.0, INK.into());
            note(page, &frame, &crossings, at, label, &mut taken);
        }
    }
}

/// What a label can hide: the lines of the series and the dashed ones.
struct Crossings {
    paths: Vec<Vec<Option<At>>>,
    dashes: Vec<(At, At)>,
}

impl Crossings {
    fn new(chart: &Chart, frame: &Frame) -> Crossings {
        let dash = |r: &(f64, String)| frame.row(r.0).map(|y| ((frame.left, y), (frame.right, y)));
        Crossings {
            paths: chart.series.iter().map(|s| s.points.iter().map(|&p| frame.point(p)).collect()).collect(),
            dashes: chart.references.iter().filter_map(dash).collect(),
        }
    }

    /// How much of them a place hides, in pixels, with a little air around it.
    fn hidden(&self, r: &Rect) -> f64 {
        let wider = Rect { left: r.left - 2.0, top: r.top - 1.0, right: r.right + 2.0, bottom: r.bottom + 1.0 };
        let pieces = self.paths.iter().flat_map(|p| p.windows(2)).filter_map(|w| w[0].zip(w[1]));
        pieces.chain(self.dashes.iter().copied()).map(|(a, b)| wider.crossed(a, b)).sum()
    }
}

/// The label of a dashed line: above it at its right end, or the nearest place above or below it that no line crosses.
fn name_reference(
    page: &mut Page,
    frame: &Frame,
    crossings: &Crossings,
    (right, y): At,
    label: &str,
    taken: &mut Vec<Rect>,
) {
    let w = width(label, SMALL);
    let last = (right - w).max(frame.left);
    let places = (0..=24).flat_map(|s| {
        let left = last - (last - frame.left - 4.0).max(0.0) * f64::from(s) / 24.0;
        [y - 15.0, y + 2.0].map(|top| Rect { left, top, right: left + w, bottom: top + 13.0 })
    });
    let inside = Rect { left: frame.left, top: 0.0, right: frame.right, bottom: frame.bottom };
    let cost =
        |r: &Rect| crossings.hidden(r) + taken.iter().map(|t| t.shared(r)).sum::<f64>() + 10.0 * r.outside(&inside);
    if let Some(place) = cheapest(places, cost) {
        page.label(label, (place.right, place.bottom + 2.0), GREY, HPos::Right);
        taken.push(place);
    }
}

/// A label beside its dot, where it hides the least of the lines and of the labels that are there.
fn note(page: &mut Page, frame: &Frame, crossings: &Crossings, at: At, label: &str, taken: &mut Vec<Rect>) {
    if label.is_empty() {
        return;
    }
    let inside = Rect { left: frame.left, top: frame.top, right: frame.right, bottom: frame.bottom };
    let cost = |r: &Rect| {
        let wider = Rect { left: r.left - 2.0, top: r.top - 1.0, right: r.right + 2.0, bottom: r.bottom + 1.0 };
        let labels: f64 = taken.iter().map(|t| t.shared(&wider)).sum();
        crossings.hidden(r) + labels + 10.0 * r.outside(&inside)
    };
    let size = (width(label, SMALL) + 4.0, 14.0);
    if let Some(place) = cheapest(beside(at, size, 4.0), cost) {
        page.blocks([place.block()], WHITE.mix(0.85));
        page.text(label, place.middle(), SMALL, INK, HPos::Center, VPos::Center);
        taken.push(place);
    }
}

/// Each line with its colour: its own, or the next one of the palette.
fn colored(chart: &Chart) -> impl Iterator<Item = (&Series, RGBColor)> {
    chart.series.iter().enumerate().map(|(i, s)| (s, PALETTE[s.color.unwrap_or(i) % PALETTE.len()]))
}

fn lines(page: &mut Page, series: &Series, color: RGBColor, f: &Frame) {
    let (ink, width) = if series.faint { (color.mix(0.35), 1.0) } else { (color.mix(1.0), 2.25) };
    let mut path: Vec<At> = Vec::new();
    let mut last = None;
    for p in series.points.iter().map(|&p| f.point(p)) {
        let piece = last.zip(p).and_then(|(a, b)| cut(a, b, f.top, f.bottom));
        last = p;
        match piece {
            Some((a, b)) if path.last() == Some(&a) => path.push(b),
            Some((a, b)) => {
                stroke(page, &mut path, ink, width);
                path.extend([a, b]);
            }
            None => stroke(page, &mut path, ink, width),
        }
    }
    stroke(page, &mut path, ink, width);
    // A single point has no line: without a dot, it would not be seen.
    if series.dots || series.points.len() == 1 {
        for p in series.points.iter().filter_map(|&p| f.point(p)).filter(|p| f.holds(p.1)) {
            page.dot(p, 3.0, color.into());
        }
    }
}

fn stroke(page: &mut Page, path: &mut Vec<At>, ink: RGBAColor, width: f64) {
    if path.len() > 1 {
        page.line(path, ink, width);
    }
    path.clear();
}

/// The part of a line from `a` to `b` that lies between two heights.
fn cut(a: At, b: At, top: f64, bottom: f64) -> Option<(At, At)> {
    let at = |y: f64| (a.0 + (b.0 - a.0) * (y - a.1) / (b.1 - a.1), y);
    let inside = |p: At| match p.1 {
        y if y < top => at(top),
        y if y > bottom => at(bottom),
        _ => p,
    };
    let outside = a.1.max(b.1) < top || a.1.min(b.1) > bottom;
    (!outside).then(|| (inside(a), inside(b)))
}

#[cfg(test)]
mod tests {
    use super::super::{Chart, Series};
    use super::cut;

    #[test]
    fn the_label_of_a_dashed_line_keeps_clear_of_the_lines() {
        let label = |end: f64| {
            let chart = Chart::new("", "x", "y").series(Series::new("", [(0.0, 0.0), (1.0, end)])).y_range(0.0, 1.0);
            let svg = chart.reference(0.5, "bar").to_svg().unwrap();
            let before = &svg[..svg.find(">bar<").unwrap()];
            before[before.rfind("<text").unwrap()..].to_owned()
        };
        assert_eq!(label(0.0), label(0.2));
        assert_ne!(label(0.0), label(0.52));
    }

    #[test]
    fn lines_are_cut_at_the_edges() {
        let (top, bottom) = (10.0, 20.0);
        assert_eq!(cut((0.0, 12.0), (4.0, 18.0), top, bottom), Some(((0.0, 12.0), (4.0, 18.0))));
        assert_eq!(cut((0.0, 0.0), (4.0, 20.0), top, bottom), Some(((2.0, 10.0), (4.0, 20.0))));
        assert_eq!(cut((0.0, 0.0), (4.0, 40.0), top, bottom), Some(((1.0, 10.0), (2.0, 20.0))));
        assert_eq!(cut((0.0, 0.0), (4.0, 9.0), top, bottom), None);
        assert_eq!(cut((0.0, 21.0), (4.0, 29.0), top, bottom), None);
    }
}
