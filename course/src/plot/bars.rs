//! Bars: one value for each label, or several side by side.

use super::axis::{Axis, Scale};
use super::colors::{Color, GREY, GRID, INK, PALETTE, WHITE};
use super::frame::{Entry, Frame, Key, Names, heading, joined};
use super::page::{Height, Page, Side};
use super::picture::{Picture, sane, usual};
use super::place::At;
use super::place::{Rect, cheapest};
use super::text::{SMALL, TEXT, fitted, widest, width, wrapped};
use crate::numbers::{number, pointed};

/// The share of its place that a bar, or a group of bars, fills.
const FILL: f64 = 0.76;

/// A bar chart: built up, then rendered.
///
/// Standing bars suit short labels: long ones are turned. Lying bars ([`Bars::horizontal`]) have room for long labels.
#[derive(Clone, Debug)]
pub struct Bars {
    names: Names,
    labels: Vec<String>,
    groups: Vec<(String, Vec<f64>)>,
    references: Vec<(f64, String)>,
    horizontal: bool,
    digits: Option<usize>,
    scale: Scale,
    /// How many places are shown, the highest first.
    top: Option<usize>,
    size: Option<(u32, u32)>,
}

impl Bars {
    /// Bars under these labels; `x_label` names the labels, `y_label` the values.
    pub fn new(
        title: impl Into<String>,
        x_label: impl Into<String>,
        y_label: impl Into<String>,
        labels: impl IntoIterator<Item = impl Into<String>>,
    ) -> Bars {
        Bars {
            names: Names::new(title, x_label, y_label),
            labels: labels.into_iter().map(Into::into).collect(),
            groups: Vec::new(),
            references: Vec::new(),
            horizontal: false,
            digits: None,
            scale: Scale::Linear,
            top: None,
            size: None,
        }
    }

    /// Adds a value for each label; several groups stand side by side, and the legend names them. An empty name keeps a
    /// group out of the legend.
    pub fn group(mut self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Bars {
        self.groups.push((name.into(), values.into_iter().collect()));
        self
    }

    /// Lays the bars down, the first one on top; the names of the axes go with their axes.
    pub fn horizontal(self) -> Bars {
        Bars { horizontal: true, ..self }
    }

    /// Prints the values at the bars, with so many decimals.
    pub fn digits(self, decimals: usize) -> Bars {
        Bars { digits: Some(decimals.min(12)), ..self }
    }

    /// Adds a dashed line at a value, with a label: something to compare with.
    pub fn reference(mut self, value: f64, label: impl Into<String>) -> Bars {
        self.references.push((value, label.into()));
        self
    }

    /// A logarithmic axis for the values; those that are not positive have no bar.
    pub fn log(self) -> Bars {
        Bars { scale: Scale::Log, ..self }
    }

    /// Shows the bars by their values in the first group, the highest first.
    pub fn sorted(self) -> Bars {
        self.top(usize::MAX)
    }

    /// Shows the highest bars of the first group only, so many of them, the highest first.
    pub fn top(self, n: usize) -> Bars {
        Bars { top: Some(n), ..self }
    }

    /// As shown: sorted, if so wished. Of equals, the first stays first.
    fn arranged(&self) -> Bars {
        let mut bars = Bars { top: None, ..self.clone() };
        let (Some(n), Some((_, values))) = (self.top, self.groups.first()) else { return bars };
        let value = |i: usize| values.get(i).copied().filter(|v| !v.is_nan()).unwrap_or(f64::NEG_INFINITY);
        let mut order: Vec<usize> = (0..self.places()).collect();
        order.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
        order.truncate(n);
        bars.labels = order.iter().map(|&i| self.labels.get(i).cloned().unwrap_or_default()).collect();
        for group in &mut bars.groups {
            group.1 = order.iter().map(|&i| group.1.get(i).copied().unwrap_or(f64::NAN)).collect();
        }
        bars
    }

    /// Width and height in pixels of the page.
    pub fn size(self, width: u32, height: u32) -> Bars {
        Bars { size: sane(width, height), ..self }
    }

    /// How many places for bars there are.
    fn places(&self) -> usize {
        self.groups.iter().map(|g| g.1.len()).fold(self.labels.len(), usize::max)
    }

    /// The axis of the values, with this share of it left free beyond the bars at the end where they end.
    fn axis(&self, wanted: usize, free: f64) -> Axis {
        let values = self.groups.iter().flat_map(|g| &g.1).copied().chain(self.references.iter().map(|r| r.0));
        let placed: Vec<f64> = values.filter(|&v| self.scale.of(v).is_some()).collect();
        let (low, high) = placed.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        let grow = free / (1.0 - free);
        let ends = match self.scale {
            _ if placed.is_empty() => [f64::NAN; 2],
            Scale::Linear => {
                let (low, high) = (low.min(0.0), high.max(0.0));
                let (down, up) = (if low < 0.0 { grow } else { 0.0 }, if high > 0.0 { grow } else { 0.0 });
                [low - (high - low) * down, high + (high - low) * up]
            }
            // A bar has to begin somewhere: at the power of ten below the smallest.
            Scale::Log => {
                let base = 10f64.powf((low * 0.8).log10().floor());
                [base, high * (high / base).powf(grow)]
            }
        };
        Axis::new(self.scale, ends.into_iter(), 0.0, wanted)
    }

    /// Where bars begin.
    fn base(&self, axis: &Axis) -> f64 {
        match self.scale {
            Scale::Linear => axis.place(0.0).unwrap_or(0.0).clamp(0.0, 1.0),
            Scale::Log => 0.0,
        }
    }

    /// A value as printed at its bar.
    fn printed(&self, value: f64) -> String {
        let Some(digits) = self.digits else { return String::new() };
        let tiny = self.scale == Scale::Log && value != 0.0 && value.abs() < 0.5 * 10f64.powi(-(digits as i32));
        match value {
            v if v.is_nan() => "NaN".into(),
            v if v.is_infinite() => if v > 0.0 { "∞" } else { "−∞" }.into(),
            v if tiny || v.abs() >= 1e12 => pointed(&format!("{v:.1e}")),
            v => number(v, digits),
        }
    }

    /// How many bars stand in one place.
    fn in_a_place(&self) -> f64 {
        self.groups.len().max(1) as f64
    }

    /// All bars, group after group.
    fn bars(&self) -> Vec<Bar> {
        let thick = FILL / self.in_a_place();
        let mut bars = Vec::new();
        for (g, (_, values)) in self.groups.iter().enumerate() {
            let start = (1.0 - FILL) / 2.0 + g as f64 * thick;
            bars.extend(values.iter().enumerate().map(|(i, &value)| Bar {
                place: i,
                from: i as f64 + start,
                to: i as f64 + start + thick,
                value,
                drawn: value.is_finite() && self.scale.of(value).is_some(),
                text: self.printed(value),
                color: PALETTE[g % PALETTE.len()],
            }));
        }
        bars
    }

    fn labels_under(&self, slot: f64, high: f64) -> Under {
        let room = slot - 6.0;
        let widest_label = widest(&self.labels, TEXT);
        let lines = |room: f64| -> Vec<Vec<String>> { self.labels.iter().map(|l| wrapped(l, TEXT, room)).collect() };
        let under = |lines, every, height| Under { lines, turned: false, every, height };
        if widest_label <= room {
            return under(lines(f64::INFINITY), 1, 16.0);
        }
        let broken = lines(room);
        let rows = broken.iter().map(Vec::len).max().unwrap_or(0);
        if rows <= 2 && broken.iter().flatten().all(|l| width(l, TEXT) <= room) {
            return under(broken, 1, 16.0 * rows as f64);
        }
        // Numbers tell where the ones between them are.
        let plain = |label: &str| label.replace(',', ".").replace('\u{202F}', "");
        if self.labels.iter().all(|l| plain(l).parse::<f64>().is_ok()) {
            let every = ((widest_label + 10.0) / slot).ceil() as usize;
            return under(lines(f64::INFINITY), every, 16.0);
        }
        let longest = 0.35 * high;
        let lines = self.labels.iter().map(|l| vec![fitted(l, SMALL, longest)]).collect();
        let height = widest_label.min(longest) + 4.0;
        Under { lines, turned: true, every: (13.0 / slot).ceil() as usize, height }
    }

    fn draw_standing(&self, page: &mut Page, (wide, high): At, top: f64) {
        let wanted = (high / 70.0) as usize;
        let places = self.places().max(1) as f64;
        let rough = self.axis(wanted, 0.05);
        let slot = (wide - 20.0 - Frame::beside(&rough)).max(20.0) / places;
        let under = self.labels_under(slot, high);
        let name = if self.names.x.is_empty() { 8.0 } else { 28.0 };
        let bottom = (high - under.height - name - 8.0).max(top + 20.0);

        // Values at the bars: in small print where they are narrow, else turned.
        let bars = self.bars();
        let printed = |size: f64| widest(bars.iter().map(|b| &b.text), size);
        let thick = slot * FILL / self.in_a_place();
        let room = if self.groups.len() > 1 { thick } else { slot - 3.0 };
        let size = (SMALL * room / printed(SMALL).max(1.0)).min(SMALL);
        let turned = size < 8.5;
        let size = if turned { (thick + 2.0).min(SMALL) } else { size };
        let shown = self.digits.is_some() && size >= 7.5;
        let needs = match (shown, turned) {
            (false, _) => 8.0,
            (true, false) => 18.0,
            (true, true) => printed(size) + 8.0,
        };
        let y = self.axis(wanted, (needs / (bottom - top)).min(0.6));
        let left = Frame::beside(&y);
        let x = Axis::new(Scale::Linear, [0.0, places].into_iter(), 0.0, 1);
        let frame = Frame { left, right: (wide - 20.0).max(left + 20.0), top, bottom, x, y };
        let slot = (frame.right - left) / places;
        frame.rows(page);

        let ground = bottom - self.base(&frame.y) * (bottom - top);
        let middle_of = |place: usize| left + (place as f64 + 0.5) * slot;
        let mut taken = Vec::new();
        let mut values = Vec::new();
        for bar in &bars {
            let end = frame.y.place(bar.value).map_or(ground, |p| bottom - p.clamp(0.0, 1.0) * (bottom - top));
            let (from, to) = (left + bar.from * slot, left + bar.to * slot);
            if bar.drawn {
                page.blocks(&[[from, end.min(ground), to - from, (end - ground).abs()]], bar.color);
                taken.push(Rect { left: from, top: end.min(ground), right: to, bottom: end.max(ground) });
            }
            if shown {
                let middle = if self.groups.len() > 1 { (from + to) / 2.0 } else { middle_of(bar.place) };
                let (w, h) = (width(&bar.text, size), size + 1.0);
                let (w, h) = if turned { (h, w) } else { (w, h) };
                let at = if end > ground { end + 3.0 } else { end - 3.0 - h };
                let place = Rect { left: middle - w / 2.0, top: at, right: middle + w / 2.0, bottom: at + h };
                values.push((&bar.text, place));
                taken.push(place);
            }
        }
        page.line(&[(left, ground), (frame.right, ground)], GREY, 1.0);
        let references = frame.references(page, &self.references);
        for (text, place) in values {
            let crosses = |v: &(f64, String)| frame.row(v.0).is_some_and(|y| (place.top..=place.bottom).contains(&y));
            if self.references.iter().any(crosses) {
                page.blocks(&[place.block()], WHITE.opacity(0.85));
            }
            match turned {
                true => page.turned(text, (place.middle().0, place.bottom), size, INK, Side::Left),
                false => page.text(text, place.middle(), size, INK, Side::Center, Height::Center),
            }
        }
        name_references(page, &frame, references, taken);
        for (i, lines) in under.lines.iter().enumerate().step_by(under.every.max(1)) {
            for (row, line) in lines.iter().enumerate() {
                let at = (middle_of(i), bottom + 8.0 + 16.0 * row as f64);
                match under.turned {
                    true => page.turned(line, (at.0, bottom + 7.0), SMALL, GREY, Side::Right),
                    false => page.text(line, at, TEXT, GREY, Side::Center, Height::Top),
                }
            }
        }
        frame.name_columns(page, &self.names.x, under.height + 12.0);
    }

    fn draw_lying(&self, page: &mut Page, (wide, high): At, head: f64) {
        let longest = 0.42 * wide;
        let labels: Vec<String> = self.labels.iter().map(|l| fitted(l, TEXT, longest)).collect();
        let left = widest(&labels, TEXT).max(10.0) + 22.0;
        let right = (wide - 20.0).max(left + 20.0);
        let bars = self.bars();
        let needs = if self.digits.is_some() { widest(bars.iter().map(|b| &b.text), SMALL) + 8.0 } else { 8.0 };
        let x = self.axis((wide / 110.0) as usize, (needs / (right - left)).min(0.6));

        // References have their labels above the bars; those too close for theirs side by side share one.
        let across = |(v, label): &(f64, String)| Some((left + x.place(*v)? * (right - left), label.clone()));
        let mut references: Vec<(f64, String)> = self.references.iter().filter_map(across).collect();
        references.retain(|r| (left - 0.5..=right + 0.5).contains(&r.0));
        references.sort_by(|a, b| a.0.total_cmp(&b.0));
        let half = |label: &str| width(label, SMALL) / 2.0;
        let close = references.chunk_by(|a, b| a.0 + half(&a.1) + 8.0 > b.0 - half(&b.1));
        let names: Vec<(f64, String)> = close
            .map(|group| {
                let label = joined(group);
                let room = half(&label) + 8.0;
                (((group[0].0 + group[group.len() - 1].0) / 2.0).min(wide - room).max(room), label)
            })
            .collect();
        let top = head + if names.iter().any(|n| !n.1.is_empty()) { 18.0 } else { 0.0 };
        let bottom = (high - Frame::under(&self.names.y)).max(top + 20.0);
        let places = self.places().max(1) as f64;
        let slot = (bottom - top) / places;
        let y = Axis::new(Scale::Linear, [0.0, places].into_iter(), 0.0, 1);
        let frame = Frame { left, right, top, bottom, x, y };
        frame.columns(page, true);
        frame.name_columns(page, &self.names.y, 28.0);

        let ground = left + self.base(&frame.x) * (right - left);
        let mut values = Vec::new();
        let thick = slot * FILL / self.in_a_place();
        let size = SMALL.min(thick + 2.0);
        for bar in &bars {
            let end = frame.x.place(bar.value).map_or(ground, |p| left + p.clamp(0.0, 1.0) * (right - left));
            let (from, to) = (top + bar.from * slot, top + bar.to * slot);
            if bar.drawn {
                page.blocks(&[[end.min(ground), from, (end - ground).abs(), to - from]], bar.color);
            }
            if thick >= 7.0 && !bar.text.is_empty() {
                let (w, middle) = (width(&bar.text, size), (from + to) / 2.0);
                let start = if end < ground { end - 4.0 - w } else { end + 4.0 };
                values
                    .push((&bar.text, Rect { left: start, top: middle - 6.0, right: start + w, bottom: middle + 6.0 }));
            }
        }
        page.line(&[(ground, top), (ground, bottom)], GREY, 1.0);
        if ground > left + 1.0 {
            page.line(&[(left, top), (left, bottom)], GRID, 1.0);
        }
        for (at, _) in &references {
            page.dashed((*at, top - 3.0), (*at, bottom), GREY);
        }
        for (middle, label) in &names {
            page.text(label, (*middle, head), SMALL, GREY, Side::Center, Height::Top);
        }
        for (text, place) in values {
            if references.iter().any(|r| (place.left..=place.right).contains(&r.0)) {
                page.blocks(&[place.block()], WHITE.opacity(0.85));
            }
            page.text(text, (place.left, place.middle().1), size, INK, Side::Left, Height::Center);
        }
        for (i, label) in labels.iter().enumerate().step_by((13.0 / slot).ceil().max(1.0) as usize) {
            let at = (left - 8.0, top + (i as f64 + 0.5) * slot);
            page.text(label, at, TEXT, GREY, Side::Right, Height::Center);
        }
    }
}

impl Picture for Bars {
    fn size(&self, free: u32) -> (u32, u32) {
        let (w, h) = usual(free);
        let lying = || {
            let bars = self.places().min(self.top.unwrap_or(usize::MAX)).max(1) as u32;
            let each = if self.groups.len() > 1 { 15 * self.groups.len() as u32 + 9 } else { 27 };
            (w, (130 + each.saturating_mul(bars)).clamp(180, 1400))
        };
        self.size.unwrap_or_else(|| if self.horizontal { lying() } else { (w, h) })
    }

    fn draw(&self, page: &mut Page, (wide, high): (u32, u32)) {
        if self.top.is_some() {
            return self.arranged().draw(page, (wide, high));
        }
        let size = (f64::from(wide), f64::from(high));
        let legend: Vec<Entry> = (self.groups.iter().enumerate())
            .map(|(i, g)| Entry { name: &g.0, color: PALETTE[i % PALETTE.len()], key: Key::Block })
            .collect();
        let above = if self.horizontal { &self.names.x } else { &self.names.y };
        let top = heading(page, &self.names.title, &legend, above, size.0);
        match self.horizontal {
            false => self.draw_standing(page, size, top),
            true => self.draw_lying(page, size, top),
        }
    }
}

/// A bar, its value as printed, and from where to where it reaches along the labels, in places.
struct Bar {
    place: usize,
    from: f64,
    to: f64,
    value: f64,
    drawn: bool,
    text: String,
    color: Color,
}

/// The lines of the labels under standing bars: every how many-th is shown, and the height they take.
struct Under {
    lines: Vec<Vec<String>>,
    turned: bool,
    every: usize,
    height: f64,
}

/// The labels of the dashed lines across standing bars: above their lines where nothing is, else in the corner.
fn name_references(page: &mut Page, frame: &Frame, labels: Vec<(At, String)>, mut taken: Vec<Rect>) {
    let mut corner = frame.right;
    for ((right, y), label) in labels {
        let w = width(&label, SMALL) + 4.0;
        let last = (right - w).max(frame.left);
        let steps = (0..=24).map(|s| last - (last - frame.left) * f64::from(s) / 24.0);
        let above = steps.map(|x| Rect { left: x, top: y - 15.0, right: x + w, bottom: y - 2.0 });
        let cost = |r: &Rect| taken.iter().map(|t| t.shared(r)).sum();
        match cheapest(above, cost).filter(|r| cost(r) < 1.0) {
            Some(place) => {
                page.label(&label, (place.left + 2.0, y), GREY, Side::Left);
                taken.push(place);
            }
            None => {
                let middle = frame.top - 14.0;
                page.text(&label, (corner, middle), SMALL, GREY, Side::Right, Height::Center);
                page.dashed((corner - w - 24.0, middle), (corner - w - 2.0, middle), GREY);
                corner -= w + 40.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_show_labels_groups_values_and_references() {
        let bars = Bars::new("Heads", "head", "entropy (bits)", ["first", "<b>&"])
            .group("trained", [1.5, -0.25])
            .group("random", [3.0, 2.0])
            .digits(2)
            .reference(2.5, "uniform");
        for bars in [bars.clone(), bars.horizontal()] {
            let svg = bars.to_svg();
            for text in ["Heads", "head", "entropy (bits)", "first", "&lt;b&gt;&amp;", "trained", "random", "uniform"] {
                assert!(svg.contains(text), "{text} in {svg}");
            }
            for value in [">1.50<", ">−0.25<", ">3.00<", ">2.00<"] {
                assert!(svg.contains(value), "{value} in {svg}");
            }
            assert_eq!(svg.matches("fill=\"#0072B2\"").count(), 3, "two bars and the legend");
            assert!(!svg.contains("<b>"));
        }
    }

    #[test]
    fn the_highest_bars_come_first() {
        let bars = Bars::new("", "", "", ["a", "b", "c", "d"]).group("x", [1.0, 3.0, f64::NAN, 3.0]).group("y", [7.0]);
        let top = bars.clone().top(3).arranged();
        assert_eq!(
            (top.labels, &top.groups[0].1),
            (vec!["b".to_owned(), "d".into(), "a".into()], &vec![3.0, 3.0, 1.0])
        );
        assert!(top.groups[1].1[..2].iter().all(|v| v.is_nan()) && top.groups[1].1[2] == 7.0);
        assert_eq!(bars.sorted().arranged().labels, ["b", "d", "a", "c"]);
        assert!(Bars::new("", "", "", ["a"]).top(0).to_svg().ends_with("</svg>\n"));
    }

    #[test]
    fn nothing_strange_can_break_bars() {
        let strange = [f64::NAN, f64::INFINITY, -1.0, 1e300, 0.0, f64::NEG_INFINITY];
        for values in [vec![], vec![0.0], vec![f64::NAN], strange.to_vec(), vec![1e-9; 300]] {
            for labels in [vec![], vec!["one"], vec!["a very long label that never fits anywhere"; 300]] {
                let bars =
                    Bars::new("", "", "", labels).group("", values.clone()).digits(3).reference(f64::NAN, "none");
                for bars in [bars.clone(), bars.clone().log(), bars.clone().size(1, 1), bars.clone().group("b", [2.0])]
                {
                    assert!(bars.to_svg().ends_with("</svg>\n"));
                    assert!(bars.horizontal().to_svg().ends_with("</svg>\n"));
                }
            }
        }
    }

    #[test]
    fn many_labels_are_thinned() {
        let svg = Bars::new("", "", "", (0..500).map(|i| i.to_string())).group("", vec![1.0; 500]).to_svg();
        let texts = svg.matches("<text").count();
        assert!((10..80).contains(&texts), "{texts} texts");
    }
}
