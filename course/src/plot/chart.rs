//! Line charts.

use super::axis::{Axis, Scale};
use super::colors::{Color, GREY, INK, PALETTE, WHITE};
use super::frame::{Entry, Frame, Key, Names};
use super::page::{Height, Page, Side};
use super::picture::{Picture, sane, usual};
use super::place::At;
use super::place::{Rect, beside, cheapest};
use super::text::{SMALL, width};

/// A line through points, in the order given; it is broken where a value is not finite.
#[derive(Clone, Debug)]
pub struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    color: Option<usize>,
    faint: bool,
    dots: bool,
}

impl Series {
    /// A line; an empty name keeps it out of the legend.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Series {
        Series { name: name.into(), points: points.into_iter().collect(), color: None, faint: false, dots: false }
    }

    /// A colour of [`PALETTE`](super::PALETTE) instead of the next one.
    pub fn color(self, index: usize) -> Series {
        Series { color: Some(index), ..self }
    }

    /// Thin and pale: raw values behind their average.
    pub fn faint(self) -> Series {
        Series { faint: true, ..self }
    }

    /// A dot on each point.
    pub fn dots(self) -> Series {
        Series { dots: true, ..self }
    }

    fn draw(&self, page: &mut Page, color: Color, frame: &Frame) {
        let (ink, width) = if self.faint { (color.opacity(0.35), 1.0) } else { (color, 2.25) };
        let mut paths: Vec<Vec<At>> = vec![Vec::new()];
        let mut last = None;
        for p in self.points.iter().map(|&p| frame.point(p)) {
            let piece = last.zip(p).and_then(|(a, b)| cut(a, b, frame.top, frame.bottom));
            last = p;
            match (piece, paths.last_mut()) {
                (Some((a, b)), Some(path)) if path.last() == Some(&a) => path.push(b),
                (Some((a, b)), _) => paths.push(vec![a, b]),
                (None, _) => paths.push(Vec::new()),
            }
        }
        for path in paths.iter().filter(|path| !path.is_empty()) {
            page.line(path, ink, width);
        }
        // A single point has no line: without a dot, it would not be seen.
        if self.dots || self.points.len() == 1 {
            for p in self.points.iter().filter_map(|&p| frame.point(p)).filter(|p| frame.holds(p.1)) {
                page.dot(p, 3.0, color);
            }
        }
    }
}

/// A chart: built up, then rendered.
#[derive(Clone, Debug)]
pub struct Chart {
    names: Names,
    series: Vec<Series>,
    references: Vec<(f64, String)>,
    notes: Vec<(f64, f64, String)>,
    x_scale: Scale,
    y_scale: Scale,
    y_range: Option<(f64, f64)>,
    size: Option<(u32, u32)>,
}

impl Chart {
    /// An empty chart, 800 × 460 if it stands alone.
    pub fn new(title: impl Into<String>, x_label: impl Into<String>, y_label: impl Into<String>) -> Chart {
        Chart {
            names: Names::new(title, x_label, y_label),
            series: Vec::new(),
            references: Vec::new(),
            notes: Vec::new(),
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            y_range: None,
            size: None,
        }
    }

    /// Adds a line.
    pub fn series(mut self, series: Series) -> Chart {
        self.series.push(series);
        self
    }

    /// Adds a dashed horizontal line with a label: something to compare with.
    pub fn reference(mut self, y: f64, label: impl Into<String>) -> Chart {
        self.references.push((y, label.into()));
        self
    }

    /// Adds a dot with a label beside it.
    pub fn note(mut self, x: f64, y: f64, label: impl Into<String>) -> Chart {
        self.notes.push((x, y, label.into()));
        self
    }

    /// A logarithmic x axis; points that are not positive are left out.
    pub fn log_x(self) -> Chart {
        Chart { x_scale: Scale::Log, ..self }
    }

    /// A logarithmic y axis.
    pub fn log_y(self) -> Chart {
        Chart { y_scale: Scale::Log, ..self }
    }

    /// The values to show; lines are cut at the edges. Without it, all of them.
    pub fn y_range(self, low: f64, high: f64) -> Chart {
        Chart { y_range: Some((low, high)), ..self }
    }

    /// Width and height in pixels of the page.
    pub fn size(self, width: u32, height: u32) -> Chart {
        Chart { size: sane(width, height), ..self }
    }

    /// Each line with its colour: its own, or the next one of the palette.
    fn colored(&self) -> impl Iterator<Item = (&Series, Color)> {
        self.series.iter().enumerate().map(|(i, s)| (s, PALETTE[s.color.unwrap_or(i) % PALETTE.len()]))
    }
}

impl Picture for Chart {
    fn size(&self, free: u32) -> (u32, u32) {
        self.size.unwrap_or_else(|| usual(free))
    }

    fn draw(&self, page: &mut Page, (wide, high): (u32, u32)) {
        let (wide, high) = (f64::from(wide), f64::from(high));
        let points =
            || self.series.iter().flat_map(|s| &s.points).copied().chain(self.notes.iter().map(|n| (n.0, n.1)));
        let x = Axis::new(self.x_scale, points().map(|p| p.0), 0.0, (wide / 110.0) as usize);
        let wanted = (high / 70.0) as usize;
        let y = match self.y_range {
            Some((low, high)) => Axis::new(self.y_scale, [low, high].into_iter(), 0.0, wanted),
            None => {
                let values = points().map(|p| p.1).chain(self.references.iter().map(|r| r.0));
                Axis::new(self.y_scale, values, 0.05, wanted)
            }
        };
        let key = |s: &Series| if s.faint { Key::FaintLine } else { Key::Line };
        let legend: Vec<_> = self.colored().map(|(s, color)| Entry { name: &s.name, color, key: key(s) }).collect();
        let frame = Frame::below(page, &self.names, &legend, (x, y), (wide, high));
        frame.rows(page);
        frame.floor(page);
        frame.columns(page, false);
        frame.name_columns(page, &self.names.x, 28.0);
        let mut labels = Labels::new(self, &frame);
        for (at, label) in frame.references(page, &self.references) {
            labels.name_reference(page, at, &label);
        }
        // Pale lines first, so that they stay behind.
        for faint in [true, false] {
            self.colored().filter(|(s, _)| s.faint == faint).for_each(|(s, color)| s.draw(page, color, &frame));
        }
        for (x, y, label) in &self.notes {
            if let Some(at) = frame.point((*x, *y)).filter(|p| frame.holds(p.1)) {
                page.dot(at, 4.0, INK);
                labels.note(page, at, label);
            }
        }
    }
}

/// The labels inside a chart, and what they must not hide: the lines of the series, the dashed ones and each other.
struct Labels<'f> {
    frame: &'f Frame,
    lines: Vec<(At, At)>,
    taken: Vec<Rect>,
}

impl<'f> Labels<'f> {
    fn new(chart: &Chart, frame: &'f Frame) -> Labels<'f> {
        let mut lines = Vec::new();
        for series in &chart.series {
            let path: Vec<Option<At>> = series.points.iter().map(|&p| frame.point(p)).collect();
            lines.extend(path.windows(2).filter_map(|w| w[0].zip(w[1])));
        }
        let dashed = |r: &(f64, String)| frame.row(r.0).map(|y| ((frame.left, y), (frame.right, y)));
        lines.extend(chart.references.iter().filter_map(dashed));
        Labels { frame, lines, taken: Vec::new() }
    }

    /// Takes the place that hides the least: pixels of lines, with a little air around the label, and of what `apart`
    /// says of a label that is there.
    fn take(&mut self, places: impl Iterator<Item = Rect>, top: f64, apart: fn(&Rect) -> Rect) -> Option<Rect> {
        let inside = Rect { top, left: self.frame.left, right: self.frame.right, bottom: self.frame.bottom };
        let cost = |r: &Rect| {
            let (wider, apart) = (r.wider(), apart(r));
            let lines: f64 = self.lines.iter().map(|&(a, b)| wider.crossed(a, b)).sum();
            let labels: f64 = self.taken.iter().map(|t| t.shared(&apart)).sum();
            lines + labels + 10.0 * r.outside(&inside)
        };
        let place = cheapest(places, cost);
        self.taken.extend(place);
        place
    }

    /// The label of a dashed line: above it at its right end, or the nearest place above or below it that no line crosses.
    fn name_reference(&mut self, page: &mut Page, (right, y): At, label: &str) {
        let (w, left) = (width(label, SMALL), self.frame.left);
        let last = (right - w).max(left);
        let places = (0..=24).flat_map(|s| {
            let left = last - (last - left - 4.0).max(0.0) * f64::from(s) / 24.0;
            [y - 15.0, y + 2.0].map(|top| Rect { left, top, right: left + w, bottom: top + 13.0 })
        });
        if let Some(place) = self.take(places, 0.0, |r| *r) {
            page.label(label, (place.right, place.bottom + 2.0), GREY, Side::Right);
        }
    }

    /// A label beside its dot.
    fn note(&mut self, page: &mut Page, at: At, label: &str) {
        if label.is_empty() {
            return;
        }
        let places = beside(at, (width(label, SMALL) + 4.0, 14.0), 4.0);
        if let Some(place) = self.take(places, self.frame.top, Rect::wider) {
            page.blocks(&[place.block()], WHITE.opacity(0.85));
            page.text(label, place.middle(), SMALL, INK, Side::Center, Height::Center);
        }
    }
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
    use super::*;

    fn sample() -> Chart {
        let line = (1..200).map(|i| (f64::from(i), 4.0 / f64::from(i).sqrt() + 2.0));
        Chart::new("A title", "step", "bits per byte").series(Series::new("train", line)).reference(2.4, "5-gram")
    }

    #[test]
    fn an_svg_has_its_texts_its_lines_and_its_size() {
        let svg = sample().to_svg();
        for text in [
            "A title",
            "step",
            "bits per byte",
            "5-gram",
            "#0072B2",
            "width=\"800\" height=\"460\" viewBox=\"0 0 800 460\"",
        ] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        assert!(svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn nothing_strange_in_the_values_can_break_a_chart() {
        let nan = f64::NAN;
        let strange = [(0.0, nan), (1.0, 3.0), (2.0, f64::INFINITY), (nan, 1.0), (-4.0, -1.0), (3.0, 1e300)];
        for points in [vec![], vec![(1.0, 1.0)], vec![(0.0, 0.0); 3], strange.to_vec()] {
            let chart = Chart::new("", "", "").series(Series::new("<&>", points.clone()).dots()).reference(nan, "none");
            for chart in [chart.clone(), chart.clone().log_x(), chart.clone().log_y(), chart.y_range(3.0, 3.0)] {
                assert!(chart.to_svg().contains("</svg>"));
            }
        }
    }

    #[test]
    fn a_file_is_written_whole_and_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plots/loss.svg");
        sample().save_svg(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), sample().to_svg());
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(sample().save_svg(dir.path()).is_err());
    }

    #[test]
    fn the_label_of_a_dashed_line_keeps_clear_of_the_lines() {
        let label = |end: f64| {
            let chart = Chart::new("", "x", "y").series(Series::new("", [(0.0, 0.0), (1.0, end)])).y_range(0.0, 1.0);
            let svg = chart.reference(0.5, "bar").to_svg();
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
