//! Bars on the page, standing or lying.

use plotters::style::{Color, RGBColor, WHITE};

use super::axis::{Axis, Scale};
use super::bars::Bars;
use super::colors::PALETTE;
use super::frame::{Entry, Frame, Key, heading};
use super::page::{At, GREY, GRID, HPos, INK, Page, SMALL, TEXT, VPos, fitted, width, wrapped};
use super::place::{Rect, cheapest};
use crate::numbers::{number, pointed};

/// The share of its place that a bar, or a group of bars, fills.
const FILL: f64 = 0.76;

/// Draws bars from (0, 0) to this size.
pub(super) fn draw(bars: &Bars, page: &mut Page, (wide, high): (u32, u32)) {
    let (wide, high) = (f64::from(wide), f64::from(high));
    let legend: Vec<Entry> = (bars.groups.iter().enumerate())
        .map(|(i, g)| Entry { name: &g.0, color: PALETTE[i % PALETTE.len()], key: Key::Block })
        .collect();
    let above = if bars.horizontal { &bars.x_label } else { &bars.y_label };
    let top = heading(page, &bars.title, &legend, above, wide);
    match bars.horizontal {
        false => standing(bars, page, wide, high, top),
        true => lying(bars, page, wide, high, top),
    }
}

/// The axis of the values, with this share of it left free beyond the bars at the end where they end.
fn axis(bars: &Bars, wanted: usize, free: f64) -> Axis {
    let values = bars.groups.iter().flat_map(|g| &g.1).copied().chain(bars.references.iter().map(|r| r.0));
    let placed: Vec<f64> = values.filter(|&v| bars.scale.of(v).is_some()).collect();
    let (low, high) = placed.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let grow = free / (1.0 - free);
    let ends = match bars.scale {
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
    Axis::new(bars.scale, ends.into_iter(), 0.0, wanted)
}

/// Where bars begin.
fn base(bars: &Bars, axis: &Axis) -> f64 {
    match bars.scale {
        Scale::Linear => axis.place(0.0).unwrap_or(0.0).clamp(0.0, 1.0),
        Scale::Log => 0.0,
    }
}

/// A value as printed at its bar.
fn printed(bars: &Bars, value: f64) -> String {
    let Some(digits) = bars.digits else { return String::new() };
    let tiny = bars.scale == Scale::Log && value != 0.0 && value.abs() < 0.5 * 10f64.powi(-(digits as i32));
    match value {
        v if v.is_nan() => "NaN".into(),
        v if v.is_infinite() => if v > 0.0 { "∞" } else { "−∞" }.into(),
        v if tiny || v.abs() >= 1e12 => pointed(&format!("{v:.1e}")),
        v => number(v, digits),
    }
}

/// All bars: their place, the group's colour, the value, and the two ends along the group.
fn each(bars: &Bars) -> impl Iterator<Item = (usize, RGBColor, f64, f64, f64)> {
    let each = FILL / bars.groups.len().max(1) as f64;
    bars.groups.iter().enumerate().flat_map(move |(g, (_, values))| {
        let start = (1.0 - FILL) / 2.0 + g as f64 * each;
        let color = PALETTE[g % PALETTE.len()];
        values.iter().enumerate().map(move |(i, &v)| (i, color, v, i as f64 + start, i as f64 + start + each))
    })
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>, size: f64) -> f64 {
    texts.map(|t| width(t, size)).fold(0.0, f64::max)
}

/// How the labels under standing bars are written.
enum Labels {
    Lines(Vec<Vec<String>>),
    Turned(Vec<String>),
}

fn labels_under(bars: &Bars, slot: f64, high: f64) -> (Labels, usize, f64) {
    let room = slot - 6.0;
    let widest_label = widest(bars.labels.iter().map(String::as_str), TEXT);
    let lines = |room: f64| -> Vec<Vec<String>> { bars.labels.iter().map(|l| wrapped(l, TEXT, room)).collect() };
    if widest_label <= room {
        return (Labels::Lines(lines(f64::INFINITY)), 1, 16.0);
    }
    let broken = lines(room);
    let rows = broken.iter().map(Vec::len).max().unwrap_or(0);
    if rows <= 2 && broken.iter().flatten().all(|l| width(l, TEXT) <= room) {
        return (Labels::Lines(broken), 1, 16.0 * rows as f64);
    }
    // Numbers tell where the ones between them are.
    let plain = |label: &str| label.replace(',', ".").replace('\u{202F}', "");
    if bars.labels.iter().all(|l| plain(l).parse::<f64>().is_ok()) {
        return (Labels::Lines(lines(f64::INFINITY)), ((widest_label + 10.0) / slot).ceil() as usize, 16.0);
    }
    let longest = 0.35 * high;
    let cut = bars.labels.iter().map(|l| fitted(l, SMALL, longest)).collect();
    (Labels::Turned(cut), (13.0 / slot).ceil() as usize, widest_label.min(longest) + 4.0)
}

fn standing(bars: &Bars, page: &mut Page, wide: f64, high: f64, top: f64) {
    let wanted = (high / 70.0) as usize;
    let places = bars.places().max(1) as f64;
    let ticks = |axis: &Axis| axis.ticks.iter().map(|t| width(&t.1, TEXT)).fold(20.0, f64::max) + 22.0;
    let rough = axis(bars, wanted, 0.05);
    let slot = (wide - 20.0 - ticks(&rough)).max(20.0) / places;
    let (labels, every, under) = labels_under(bars, slot, high);
    let name = if bars.x_label.is_empty() { 8.0 } else { 28.0 };
    let bottom = (high - under - name - 8.0).max(top + 20.0);

    // Values at the bars: in small print where they are narrow, else turned.
    let texts: Vec<String> = each(bars).map(|b| printed(bars, b.2)).collect();
    let bar = slot * FILL / bars.groups.len().max(1) as f64;
    let room = if bars.groups.len() > 1 { bar } else { slot - 3.0 };
    let size = (SMALL * room / widest(texts.iter().map(String::as_str), SMALL).max(1.0)).min(SMALL);
    let (size, turned) = match size {
        s if s >= 8.5 => (s, false),
        _ => ((bar + 2.0).min(SMALL), true),
    };
    let shown = bars.digits.is_some() && size >= 7.5;
    let needs = match (shown, turned) {
        (false, _) => 8.0,
        (true, false) => 18.0,
        (true, true) => widest(texts.iter().map(String::as_str), size) + 8.0,
    };
    let y = axis(bars, wanted, (needs / (bottom - top)).min(0.6));
    let left = ticks(&y);
    let x = Axis::new(Scale::Linear, [0.0, places].into_iter(), 0.0, 1);
    let frame = Frame { left, right: (wide - 20.0).max(left + 20.0), top, bottom, x, y };
    let slot = (frame.right - left) / places;
    frame.rows(page);

    let ground = bottom - base(bars, &frame.y) * (bottom - top);
    let mut taken = Vec::new();
    let mut values = Vec::new();
    for ((i, color, value, from, to), text) in each(bars).zip(&texts) {
        let end = frame.y.place(value).map_or(ground, |p| bottom - p.clamp(0.0, 1.0) * (bottom - top));
        let (from, to) = (left + from * slot, left + to * slot);
        if value.is_finite() && bars.scale.of(value).is_some() {
            page.blocks([[from, end.min(ground), to - from, (end - ground).abs()]], color.into());
            taken.push(Rect { left: from, top: end.min(ground), right: to, bottom: end.max(ground) });
        }
        if shown {
            let middle = if bars.groups.len() > 1 { (from + to) / 2.0 } else { left + (i as f64 + 0.5) * slot };
            let (w, h) = (width(text, size), size + 1.0);
            let (w, h) = if turned { (h, w) } else { (w, h) };
            let at = if end > ground { end + 3.0 } else { end - 3.0 - h };
            let place = Rect { left: middle - w / 2.0, top: at, right: middle + w / 2.0, bottom: at + h };
            values.push((text, place));
            taken.push(place);
        }
    }
    page.line(&[(left, ground), (frame.right, ground)], GREY.into(), 1.0);
    let references = frame.references(page, &bars.references);
    for (text, place) in values {
        let crosses = |v: &(f64, String)| frame.row(v.0).is_some_and(|y| (place.top..=place.bottom).contains(&y));
        if bars.references.iter().any(crosses) {
            page.blocks([place.block()], WHITE.mix(0.85));
        }
        match turned {
            true => page.turned(text, (place.middle().0, place.bottom), size, INK, HPos::Left),
            false => page.text(text, place.middle(), size, INK, HPos::Center, VPos::Center),
        }
    }
    name_references(page, &frame, references, taken);

    let middle = |i: usize| left + (i as f64 + 0.5) * slot;
    match labels {
        Labels::Lines(labels) => {
            for (i, lines) in labels.iter().enumerate().step_by(every.max(1)) {
                for (row, line) in lines.iter().enumerate() {
                    let at = (middle(i), bottom + 8.0 + 16.0 * row as f64);
                    page.text(line, at, TEXT, GREY, HPos::Center, VPos::Top);
                }
            }
        }
        Labels::Turned(labels) => {
            for (i, label) in labels.iter().enumerate().step_by(every.max(1)) {
                page.turned(label, (middle(i), bottom + 7.0), SMALL, GREY, HPos::Right);
            }
        }
    }
    frame.name_columns(page, &bars.x_label, under + 12.0);
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
                page.label(&label, (place.left + 2.0, y), GREY, HPos::Left);
                taken.push(place);
            }
            None => {
                let middle = frame.top - 14.0;
                page.text(&label, (corner, middle), SMALL, GREY, HPos::Right, VPos::Center);
                page.dashed((corner - w - 24.0, middle), (corner - w - 2.0, middle), GREY);
                corner -= w + 40.0;
            }
        }
    }
}

fn lying(bars: &Bars, page: &mut Page, wide: f64, high: f64, top: f64) {
    let longest = 0.42 * wide;
    let labels: Vec<String> = bars.labels.iter().map(|l| fitted(l, TEXT, longest)).collect();
    let left = widest(labels.iter().map(String::as_str), TEXT).max(10.0) + 22.0;
    let right = (wide - 20.0).max(left + 20.0);
    let texts: Vec<String> = each(bars).map(|b| printed(bars, b.2)).collect();
    let needs = if bars.digits.is_some() { widest(texts.iter().map(String::as_str), SMALL) + 8.0 } else { 8.0 };
    let x = axis(bars, (wide / 110.0) as usize, (needs / (right - left)).min(0.6));

    // References have their labels above the bars; those too close for theirs side by side share one.
    let mut references: Vec<_> =
        bars.references.iter().filter_map(|(v, l)| Some((left + x.place(*v)? * (right - left), l.as_str()))).collect();
    references.retain(|r| (left - 0.5..=right + 0.5).contains(&r.0));
    references.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = |label: &str| width(label, SMALL) / 2.0;
    let close = references.chunk_by(|a, b| a.0 + half(a.1) + 8.0 > b.0 - half(b.1));
    let names: Vec<_> = close
        .map(|group| {
            let named: Vec<_> = group.iter().map(|r| r.1).filter(|label| !label.is_empty()).collect();
            let (label, last) = (named.join(" · "), group[group.len() - 1].0);
            let room = half(&label) + 8.0;
            (((group[0].0 + last) / 2.0).min(wide - room).max(room), label)
        })
        .collect();
    let head = top;
    let top = top + if names.iter().any(|n| !n.1.is_empty()) { 18.0 } else { 0.0 };
    let bottom = (high - if bars.y_label.is_empty() { 30.0 } else { 48.0 }).max(top + 20.0);
    let places = bars.places().max(1) as f64;
    let slot = (bottom - top) / places;
    let y = Axis::new(Scale::Linear, [0.0, places].into_iter(), 0.0, 1);
    let frame = Frame { left, right, top, bottom, x, y };
    frame.columns(page, true);
    frame.name_columns(page, &bars.y_label, 28.0);

    let ground = left + base(bars, &frame.x) * (right - left);
    let mut values = Vec::new();
    let thick = slot * FILL / bars.groups.len().max(1) as f64;
    for ((_, color, value, from, to), text) in each(bars).zip(&texts) {
        let end = frame.x.place(value).map_or(ground, |p| left + p.clamp(0.0, 1.0) * (right - left));
        let (from, to) = (top + from * slot, top + to * slot);
        if value.is_finite() && bars.scale.of(value).is_some() {
            page.blocks([[end.min(ground), from, (end - ground).abs(), to - from]], color.into());
        }
        if thick >= 7.0 && !text.is_empty() {
            let size = SMALL.min(thick + 2.0);
            let (w, middle) = (width(text, size), (from + to) / 2.0);
            let start = if end < ground { end - 4.0 - w } else { end + 4.0 };
            values.push((text, size, Rect { left: start, top: middle - 6.0, right: start + w, bottom: middle + 6.0 }));
        }
    }
    page.line(&[(ground, top), (ground, bottom)], GREY.into(), 1.0);
    if ground > left + 1.0 {
        page.line(&[(left, top), (left, bottom)], GRID.into(), 1.0);
    }
    for (at, _) in &references {
        page.dashed((*at, top - 3.0), (*at, bottom), GREY);
    }
    for (middle, label) in names {
        page.text(&label, (middle, head), SMALL, GREY, HPos::Center, VPos::Top);
    }
    for (text, size, place) in values {
        if references.iter().any(|r| (place.left..=place.right).contains(&r.0)) {
            page.blocks([place.block()], WHITE.mix(0.85));
        }
        page.text(text, (place.left, place.middle().1), size, INK, HPos::Left, VPos::Center);
    }
    for (i, label) in labels.iter().enumerate().step_by((13.0 / slot).ceil().max(1.0) as usize) {
        page.text(label, (left - 8.0, top + (i as f64 + 0.5) * slot), TEXT, GREY, HPos::Right, VPos::Center);
    }
}
