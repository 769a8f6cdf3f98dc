//! Where the items of a diagram stand, and the ways of its arrows.

use std::collections::BTreeSet;

use super::super::page::Side;
use super::super::place::At;
use super::super::place::Rect;
use super::super::text::{SMALL, width};
use super::graph::{Graph, Way};
use super::item::Item;

/// The air around a diagram, and between its columns and its rows.
pub(super) const MARGIN: f64 = 14.0;
const BESIDE: f64 = 34.0;
const BELOW: f64 = 28.0;
/// Between an arrow and what it touches.
const AIR: f64 = 2.0;
/// The height of an arc around others, and of a group's name.
const ARC: f64 = 26.0;
const NAME: f64 = 20.0;
const PAD: f64 = 9.0;

/// An item in its place.
pub(super) struct Place<'d> {
    pub item: &'d Item,
    row: usize,
    column: usize,
    /// What arrows touch.
    pub body: Rect,
}

impl Place<'_> {
    /// The body and what is written around it.
    fn outer(&self) -> Rect {
        let ((left, right, _), (above, below)) = (self.item.margin(), self.item.captions());
        let b = self.body;
        Rect { left: b.left - left, top: b.top - above, right: b.right + right, bottom: b.bottom + below }
    }

    fn last_row(&self) -> usize {
        self.row + self.item.tall - 1
    }

    fn last_column(&self) -> usize {
        self.column + self.item.wide - 1
    }
}

/// A diagram whose items have their places.
pub(super) struct Layout<'d> {
    pub places: Vec<Place<'d>>,
    groups: &'d [(String, Vec<String>)],
    pub wide: f64,
    pub high: f64,
}

impl<'d> Layout<'d> {
    /// Places the items from (0, 0); columns move together where the width does not suffice.
    pub fn new(diagram: &'d Graph, room: f64) -> Layout<'d> {
        let mut layout = Layout { places: cells(diagram), groups: &diagram.groups, wide: 0.0, high: 0.0 };
        let columns = layout.places.iter().map(|p| p.last_column() + 1).max().unwrap_or(0);
        let rows = layout.places.iter().map(|p| p.last_row() + 1).max().unwrap_or(0);
        let (mut beside, mut below) = layout.gaps(diagram, columns, rows);
        let size = |p: &Place| {
            let ((w, h), (left, right, above)) = (p.item.body(), p.item.margin());
            (w + left + right, h + 2.0 * above)
        };
        let across = layout.places.iter().map(|p| (p.column, p.item.wide, size(p).0));
        let widths = lengths(across.collect(), columns, &beside);
        let down = layout.places.iter().map(|p| (p.row, p.item.tall, size(p).1));
        let heights = lengths(down.collect(), rows, &below);
        let free = room - 2.0 * MARGIN - widths.iter().sum::<f64>();
        let narrow = (free / beside.iter().sum::<f64>().max(1.0)).clamp(0.3, 1.0);
        beside.iter_mut().for_each(|gap| *gap *= narrow);
        beside[0] += MARGIN;
        below[0] += MARGIN * 0.5;
        let (lefts, wide) = starts(&widths, &beside);
        let (tops, high) = starts(&heights, &below);
        (layout.wide, layout.high) = (wide + MARGIN, high + MARGIN);
        for place in &mut layout.places {
            let (w, h) = place.item.body();
            let (last, low) = (place.last_column(), place.last_row());
            let (left, right) = (lefts[place.column], lefts[last] + widths[last]);
            let w = if place.item.fills() { right - left } else { w };
            let x = (left + right + place.item.margin().0 - place.item.margin().1) / 2.0;
            let y = (tops[place.row] + tops[low] + heights[low]) / 2.0;
            place.body = Rect { left: x - w / 2.0, top: y - h / 2.0, right: x + w / 2.0, bottom: y + h / 2.0 };
        }
        // A group's name may be wider than its items.
        let names = layout.frames().into_iter().map(|(frame, _)| frame.right + MARGIN);
        layout.wide = names.fold(layout.wide, f64::max);
        layout
    }

    /// The gaps before each column and each row, and after the last: room for labels, arcs and groups.
    fn gaps(&self, diagram: &Graph, columns: usize, rows: usize) -> (Vec<f64>, Vec<f64>) {
        let inner = |n: usize, gap: f64| (0..=n).map(|i| if i == 0 || i == n { 0.0 } else { gap }).collect();
        let (mut beside, mut below): (Vec<f64>, Vec<f64>) = (inner(columns, BESIDE), inner(rows, BELOW));
        for arrow in &diagram.arrows {
            let (Some(a), Some(b)) = (self.place(&arrow.from), self.place(&arrow.to)) else { continue };
            let (first, second) = if a.column <= b.column { (a, b) } else { (b, a) };
            let label = if arrow.label.is_empty() { 0.0 } else { width(&arrow.label, SMALL) + 26.0 };
            match arrow.way {
                Way::Around if same_column(a, b) && a.row != b.row => {
                    beside[first.last_column() + 1] += ARC + label;
                }
                Way::Around => below[a.row.min(b.row)] += ARC + if label > 0.0 { 12.0 } else { 0.0 },
                _ if std::ptr::eq(a, b) => below[a.row] += ARC,
                _ if first.last_column() < second.column => {
                    let gap = &mut beside[second.column];
                    *gap = gap.max(label);
                }
                _ => {}
            }
        }
        for (name, ids) in &diagram.groups {
            let inside = || self.places.iter().filter(|p| ids.iter().any(|id| p.item.is(id)));
            let (Some(left), Some(top)) = (inside().map(|p| p.column).min(), inside().map(|p| p.row).min()) else {
                continue;
            };
            let right = inside().map(Place::last_column).max().unwrap_or(left);
            let bottom = inside().map(Place::last_row).max().unwrap_or(top);
            beside[left] += PAD;
            beside[right + 1] += PAD;
            below[top] += PAD + if name.is_empty() { 0.0 } else { NAME };
            below[bottom + 1] += PAD;
        }
        (beside, below)
    }

    pub fn shift(&mut self, x: f64, y: f64) {
        for place in &mut self.places {
            let b = &mut place.body;
            *b = Rect { left: b.left + x, top: b.top + y, right: b.right + x, bottom: b.bottom + y };
        }
    }

    pub fn place(&self, name: &str) -> Option<&Place<'d>> {
        self.places.iter().find(|p| p.item.is(name))
    }

    /// The frames of the groups, with their names.
    pub fn frames(&self) -> Vec<(Rect, &'d str)> {
        let frame = |(name, ids): &'d (String, Vec<String>)| {
            let inside = self.places.iter().filter(|p| ids.iter().any(|id| p.item.is(id))).map(Place::outer);
            let all = inside.reduce(|a, b| Rect {
                left: a.left.min(b.left),
                top: a.top.min(b.top),
                right: a.right.max(b.right),
                bottom: a.bottom.max(b.bottom),
            })?;
            let above = if name.is_empty() { PAD } else { PAD + NAME };
            let right = (all.right + PAD).max(all.left - PAD + width(name, SMALL) + 16.0);
            Some((Rect { left: all.left - PAD, top: all.top - above, right, bottom: all.bottom + PAD }, name.as_str()))
        };
        self.groups.iter().filter_map(frame).collect()
    }

    /// The points of an arrow (four are a curve with two handles), and where its label stands.
    pub fn route(&self, a: &Place, b: &Place, way: Way) -> (Vec<At>, (At, Side)) {
        let (ra, rb) = (a.body, b.body);
        let (oa, ob) = (a.outer(), b.outer());
        let (ca, cb) = (ra.middle(), rb.middle());
        if std::ptr::eq(a, b) {
            let (x, top, high) = (ca.0, oa.top - AIR, ARC * 1.3);
            let dx = 9.0f64.min((ra.right - ra.left) / 3.0);
            let points = vec![(x - dx, top), (x - 2.6 * dx, top - high), (x + 2.6 * dx, top - high), (x + dx, top)];
            return (points, ((x + 2.0 * dx + 6.0, top - ARC / 2.0 + 6.0), Side::Left));
        }
        if way == Way::Around && same_column(a, b) && a.row != b.row {
            let x = oa.right.max(ob.right) + AIR;
            let out = x + ARC * 1.2;
            let points = vec![(oa.right + AIR, ca.1), (out, ca.1), (out, cb.1), (ob.right + AIR, cb.1)];
            return (points, ((x + ARC, (ca.1 + cb.1) / 2.0 + 7.0), Side::Left));
        }
        if way == Way::Around {
            let (from, to) = (ca.0.min(cb.0), ca.0.max(cb.0));
            let rows = a.row.min(b.row)..=a.row.max(b.row);
            let between = self.places.iter().filter(|p| rows.contains(&p.row)).map(Place::outer);
            let passed =
                between.chain(self.frames().into_iter().map(|f| f.0)).filter(|r| r.left < to && r.right > from);
            let top = passed.filter(|r| r.bottom > oa.top).fold(oa.top.min(ob.top), |t, r| t.min(r.top));
            let high = top - ARC;
            let points = vec![(ca.0, oa.top - AIR), (ca.0, high), (cb.0, high), (cb.0, ob.top - AIR)];
            return (points, (((ca.0 + cb.0) / 2.0, top - ARC * 0.75), Side::Center));
        }
        if way == Way::Elbow {
            let right = cb.0 > ca.0;
            let start = (if right { ra.right + AIR } else { ra.left - AIR }, ca.1);
            let end = (cb.0, if cb.1 > ca.1 { ob.top - AIR } else { ob.bottom + AIR });
            return (vec![start, (cb.0, ca.1), end], (((start.0 + cb.0) / 2.0, ca.1 - 3.0), Side::Center));
        }
        // Where they face each other: a level or an upright line.
        let level = facing((ra.top, ra.bottom), (rb.top, rb.bottom));
        let upright = facing((ra.left, ra.right), (rb.left, rb.right));
        let ends =
            |a: (f64, f64), b: (f64, f64)| if a.1 <= b.0 { (a.1 + AIR, b.0 - AIR) } else { (a.0 - AIR, b.1 + AIR) };
        let across = ends((oa.left, oa.right), (ob.left, ob.right));
        let down = ends((oa.top, oa.bottom), (ob.top, ob.bottom));
        match (level, upright) {
            (Some(y), None) => {
                let label = ((across.0 + across.1) / 2.0, y - 3.0);
                (vec![(across.0, y), (across.1, y)], (label, Side::Center))
            }
            (_, Some(x)) => {
                let label = (x + 6.0, (down.0 + down.1) / 2.0 + 7.0);
                (vec![(x, down.0), (x, down.1)], (label, Side::Left))
            }
            // Else a curve that leaves and enters where there is more room.
            (None, None) if same_row(a, b) || (across.1 - across.0).abs() >= (down.1 - down.0).abs() => {
                let x = (across.0 + across.1) / 2.0;
                let points = vec![(across.0, ca.1), (x, ca.1), (x, cb.1), (across.1, cb.1)];
                (points, ((x, (ca.1 + cb.1) / 2.0 + 7.0), Side::Center))
            }
            (None, None) => {
                let y = (down.0 + down.1) / 2.0;
                let points = vec![(ca.0, down.0), (ca.0, y), (cb.0, y), (cb.0, down.1)];
                (points, (((ca.0 + cb.0) / 2.0, y + 7.0), Side::Center))
            }
        }
    }
}

/// Whether one stands above the other.
fn same_column(a: &Place, b: &Place) -> bool {
    a.column <= b.last_column() && b.column <= a.last_column()
}

/// Whether one stands beside the other.
fn same_row(a: &Place, b: &Place) -> bool {
    a.row <= b.last_row() && b.row <= a.last_row()
}

/// Where two intervals face each other: at the middle of the shorter one, if the other reaches there.
fn facing(a: (f64, f64), b: (f64, f64)) -> Option<f64> {
    let (low, high) = (a.0.max(b.0), a.1.min(b.1));
    let shorter = if a.1 - a.0 <= b.1 - b.0 { a } else { b };
    (high - low > 6.0).then(|| ((shorter.0 + shorter.1) / 2.0).clamp(low + 3.0, high - 3.0))
}

/// The rows and columns of the items: each in the first cell of its row that is free.
fn cells(diagram: &Graph) -> Vec<Place<'_>> {
    let (mut taken, mut places) = (BTreeSet::new(), Vec::new());
    for (row, items) in diagram.rows.iter().enumerate() {
        let mut column = 0;
        for item in items {
            while taken.contains(&(row, column)) {
                column += 1;
            }
            taken.extend((0..item.tall * item.wide).map(|i| (row + i / item.wide, column + i % item.wide)));
            places.push(Place { item, row, column, body: Rect::around((0.0, 0.0), 0.0) });
        }
    }
    places
}

/// The lengths of columns or rows: as long as the longest of those that take one; those that take several add to each.
fn lengths(items: Vec<(usize, usize, f64)>, n: usize, gaps: &[f64]) -> Vec<f64> {
    let mut lengths = vec![0.0f64; n];
    let (one, several): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| item.1 == 1);
    one.into_iter().for_each(|(at, _, length)| lengths[at] = lengths[at].max(length));
    for (at, taken, length) in several {
        let there = lengths[at..at + taken].iter().sum::<f64>() + gaps[at + 1..at + taken].iter().sum::<f64>();
        let more = ((length - there) / taken as f64).max(0.0);
        lengths[at..at + taken].iter_mut().for_each(|l| *l += more);
    }
    lengths
}

/// Where each begins, after its gap, and where the last gap ends.
fn starts(lengths: &[f64], gaps: &[f64]) -> (Vec<f64>, f64) {
    let mut at = 0.0;
    let mut starts = Vec::new();
    for (length, gap) in lengths.iter().zip(gaps) {
        starts.push(at + gap);
        at += gap + length;
    }
    (starts, at + gaps[lengths.len()])
}
