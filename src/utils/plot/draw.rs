//! The chart on the page: title, legend, grid, lines, labels.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::{Chart, FONT, PALETTE, Series};

type Area<DB> = DrawingArea<DB, Shift>;
type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const GREY: RGBColor = RGBColor(0x5A, 0x5A, 0x5A);
const GRID: RGBColor = RGBColor(0xE6, 0xE6, 0xE6);
const TITLE: f64 = 17.0;
const TEXT: f64 = 13.0;

/// A page whose unit is the pixel of the reader, however finely it is drawn.
struct Page<'a, DB: DrawingBackend> {
    area: &'a Area<DB>,
    scale: f64,
    /// How much lower a vertically centred text has to be put to look centred.
    lower: f64,
}

impl<DB: DrawingBackend> Page<'_, DB> {
    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn line(&self, points: &[(f64, f64)], color: RGBAColor, width: f64) -> Drawn<DB> {
        let style = color.stroke_width((width * self.scale).round().max(1.0) as u32);
        let points: Vec<_> = points.iter().map(|&p| self.at(p)).collect();
        self.area.draw(&PathElement::new(points, style))
    }

    fn dashed(&self, (x0, x1): (f64, f64), y: f64, color: RGBColor) -> Drawn<DB> {
        let mut x = x0;
        while x < x1 {
            self.line(&[(x, y), ((x + 6.0).min(x1), y)], color.into(), 1.25)?;
            x += 10.0;
        }
        Ok(())
    }

    fn dot(&self, p: (f64, f64), radius: f64, color: RGBColor) -> Drawn<DB> {
        self.area.draw(&Circle::new(self.at(p), (radius * self.scale).round() as i32, color.filled()))
    }

    fn text(&self, text: &str, p: (f64, f64), size: f64, color: RGBColor, h: HPos, v: VPos) -> Drawn<DB> {
        if text.is_empty() {
            return Ok(());
        }
        let p = (p.0, p.1 + if matches!(v, VPos::Center) { self.lower } else { 0.0 });
        let style = (FONT, size * self.scale).into_font().color(&color).pos(Pos::new(h, v));
        self.area.draw(&Text::new(text.to_string(), self.at(p), style))
    }

    /// Text on white, so that a line behind it does not cross it out.
    fn label(&self, text: &str, (x, y): (f64, f64), color: RGBColor, h: HPos) -> Drawn<DB> {
        let w = self.width(text, TEXT - 1.0);
        let left = match h {
            HPos::Left => x,
            HPos::Center => x - w / 2.0,
            HPos::Right => x - w,
        };
        let corners = [self.at((left - 2.0, y - 14.0)), self.at((left + w + 2.0, y - 1.0))];
        self.area.draw(&Rectangle::new(corners, WHITE.mix(0.85).filled()))?;
        self.text(text, (x, y - 1.5), TEXT - 1.0, color, h, VPos::Bottom)
    }

    fn width(&self, text: &str, size: f64) -> f64 {
        // The estimate keeps the layout sane if the font cannot measure a character.
        let measured = (FONT, size * self.scale).into_font().box_size(text).map(|(w, _)| f64::from(w) / self.scale);
        measured.unwrap_or(text.chars().count() as f64 * size * 0.6)
    }
}

/// Draws a chart on an area that is `scale` times as large as its size.
pub(super) fn chart<DB: DrawingBackend>(chart: &Chart, area: &Area<DB>, scale: f64, lower: f64) -> Drawn<DB> {
    area.fill(&WHITE)?;
    let page = Page { area, scale, lower };
    let (width, height) = (f64::from(chart.size.0), f64::from(chart.size.1));

    let points = || chart.series.iter().flat_map(|s| &s.points).copied();
    let marked = || chart.notes.iter().map(|n| (n.0, n.1));
    let x = Axis::new(chart.x_scale, points().chain(marked()).map(|p| p.0), 0.0, (width / 110.0) as usize);
    let wanted = (height / 70.0) as usize;
    let y = match chart.y_range {
        Some((low, high)) => Axis::new(chart.y_scale, [low, high].into_iter(), 0.0, wanted),
        None => {
            let values = points().chain(marked()).map(|p| p.1).chain(chart.references.iter().map(|r| r.0));
            Axis::new(chart.y_scale, values, 0.05, wanted)
        }
    };

    // Rows from the top: title, legend, name of the y axis; then the plot; below it, ticks and the name of the x axis.
    let named: Vec<_> = colored(chart).filter(|(s, _)| !s.name.is_empty()).collect();
    let labels = y.ticks.iter().map(|t| page.width(&t.1, TEXT)).fold(20.0, f64::max);
    let (left, right) = (labels + 22.0, width - 20.0);
    let mut top = 12.0;
    if !chart.title.is_empty() {
        page.text(&chart.title, (14.0, top), TITLE, INK, HPos::Left, VPos::Top)?;
        top += TITLE + 11.0;
    }
    if !named.is_empty() {
        top = legend(&page, &named, (14.0, right), top)?;
    }
    page.text(&chart.y_label, (14.0, top), TEXT - 1.0, GREY, HPos::Left, VPos::Top)?;
    top += if chart.y_label.is_empty() { 6.0 } else { 24.0 };
    let bottom = height - if chart.x_label.is_empty() { 30.0 } else { 48.0 };
    let frame = Frame { left, right, top, bottom: bottom.max(top + 20.0), x, y };

    grid(&page, chart, &frame)?;
    for &(value, _) in &chart.references {
        if let Some(at) = frame.row(value) {
            page.dashed((left, right), at, GREY)?;
        }
    }
    reference_labels(&page, chart, &frame)?;
    // Pale lines first, so that they stay behind.
    for (series, color) in colored(chart).filter(|s| s.0.faint).chain(colored(chart).filter(|s| !s.0.faint)) {
        lines(&page, series, color, &frame)?;
    }
    for (x, y, label) in &chart.notes {
        if let Some(p) = frame.point((*x, *y)).filter(|p| frame.holds(p.1)) {
            page.dot(p, 4.0, INK)?;
            let side = if p.0 > (left + right) / 2.0 { HPos::Right } else { HPos::Left };
            let below = if p.1 + 22.0 < frame.bottom { 20.0 } else { -6.0 };
            page.label(label, (p.0, p.1 + below), INK, side)?;
        }
    }
    Ok(())
}

/// The part of the page that shows values.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x: Axis,
    y: Axis,
}

impl Frame {
    fn point(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let (x, y) = (self.x.place(x)?, self.y.place(y)?);
        Some((self.left + x * (self.right - self.left), self.bottom - y * (self.bottom - self.top)))
    }

    fn holds(&self, y: f64) -> bool {
        (self.top - 0.5..=self.bottom + 0.5).contains(&y)
    }

    /// The height of a value that is inside.
    fn row(&self, y: f64) -> Option<f64> {
        self.y.place(y).map(|p| self.bottom - p * (self.bottom - self.top)).filter(|&at| self.holds(at))
    }
}

/// Each line with its colour: its own, or the next one of the palette.
fn colored(chart: &Chart) -> impl Iterator<Item = (&Series, RGBColor)> {
    chart.series.iter().enumerate().map(|(i, s)| (s, PALETTE[s.color.unwrap_or(i) % PALETTE.len()]))
}

fn legend<DB: DrawingBackend>(
    page: &Page<DB>,
    named: &[(&Series, RGBColor)],
    (left, right): (f64, f64),
    mut y: f64,
) -> Result<f64, DrawingAreaErrorKind<DB::ErrorType>> {
    let mut x = left;
    for (series, color) in named {
        let width = 28.0 + page.width(&series.name, TEXT);
        if x + width > right && x > left {
            (x, y) = (left, y + 19.0);
        }
        let color_of_line = if series.faint { color.mix(0.35) } else { color.mix(1.0) };
        page.line(&[(x, y + 7.0), (x + 20.0, y + 7.0)], color_of_line, 3.0)?;
        page.text(&series.name, (x + 26.0, y + 7.0), TEXT, INK, HPos::Left, VPos::Center)?;
        x += width + 18.0;
    }
    Ok(y + 25.0)
}

fn grid<DB: DrawingBackend>(page: &Page<DB>, chart: &Chart, f: &Frame) -> Drawn<DB> {
    for (value, label) in &f.y.ticks {
        let Some(at) = f.row(*value) else { continue };
        page.line(&[(f.left, at), (f.right, at)], GRID.into(), 1.0)?;
        page.text(label, (f.left - 8.0, at), TEXT, GREY, HPos::Right, VPos::Center)?;
    }
    page.line(&[(f.left, f.bottom), (f.right, f.bottom)], GREY.into(), 1.0)?;
    for (value, label) in &f.x.ticks {
        let Some(at) = f.x.place(*value).map(|p| f.left + p * (f.right - f.left)) else { continue };
        page.line(&[(at, f.bottom), (at, f.bottom + 5.0)], GREY.into(), 1.0)?;
        // The last label would hang over the edge of the page.
        let at = at.min(f.right + 14.0 - page.width(label, TEXT) / 2.0);
        page.text(label, (at, f.bottom + 8.0), TEXT, GREY, HPos::Center, VPos::Top)?;
    }
    let middle = ((f.left + f.right) / 2.0, f.bottom + 28.0);
    page.text(&chart.x_label, middle, TEXT, GREY, HPos::Center, VPos::Top)
}

fn lines<DB: DrawingBackend>(page: &Page<DB>, series: &Series, color: RGBColor, f: &Frame) -> Drawn<DB> {
    let (ink, width) = if series.faint { (color.mix(0.35), 1.0) } else { (color.mix(1.0), 2.25) };
    let mut path: Vec<(f64, f64)> = Vec::new();
    let mut last = None;
    for p in series.points.iter().map(|&p| f.point(p)) {
        let piece = last.zip(p).and_then(|(a, b)| cut(a, b, f.top, f.bottom));
        last = p;
        match piece {
            Some((a, b)) if path.last() == Some(&a) => path.push(b),
            Some((a, b)) => {
                stroke(page, &mut path, ink, width)?;
                path.extend([a, b]);
            }
            None => stroke(page, &mut path, ink, width)?,
        }
    }
    stroke(page, &mut path, ink, width)?;
    // A single point has no line: without a dot, it would not be seen.
    if series.dots || series.points.len() == 1 {
        for p in series.points.iter().filter_map(|&p| f.point(p)).filter(|p| f.holds(p.1)) {
            page.dot(p, 3.0, color)?;
        }
    }
    Ok(())
}

fn stroke<DB: DrawingBackend>(page: &Page<DB>, path: &mut Vec<(f64, f64)>, ink: RGBAColor, width: f64) -> Drawn<DB> {
    if path.len() > 1 {
        page.line(path, ink, width)?;
    }
    path.clear();
    Ok(())
}

/// The part of a line from `a` to `b` that lies between two heights.
fn cut(a: (f64, f64), b: (f64, f64), top: f64, bottom: f64) -> Option<((f64, f64), (f64, f64))> {
    let at = |y: f64| (a.0 + (b.0 - a.0) * (y - a.1) / (b.1 - a.1), y);
    let inside = |p: (f64, f64)| match p.1 {
        y if y < top => at(top),
        y if y > bottom => at(bottom),
        _ => p,
    };
    let outside = a.1.max(b.1) < top || a.1.min(b.1) > bottom;
    (!outside).then(|| (inside(a), inside(b)))
}

/// Labels at the right end, above their lines; lines too close for a label between them share one row above the upper.
fn reference_labels<DB: DrawingBackend>(page: &Page<DB>, chart: &Chart, f: &Frame) -> Drawn<DB> {
    let mut rows: Vec<_> =
        chart.references.iter().filter_map(|(v, label)| Some((f.row(*v)?, label.as_str()))).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    for group in rows.chunk_by(|upper, lower| lower.0 - upper.0 < 16.0) {
        let labels: Vec<_> = group.iter().map(|r| r.1).filter(|label| !label.is_empty()).collect();
        page.label(&labels.join(" · "), (f.right - 4.0, group[0].0), GREY, HPos::Right)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::cut;

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
