//! Diagrams: boxes, matrices with their shapes, and arrows between them.
//!
//! Nothing is placed by hand: items stand in the rows and columns of a grid, and arrows go between their names.

mod graph;
mod item;
mod layout;

pub use graph::Arrow;
pub use item::Item;

use super::colors::{GREY, INK, NOTHING, PALETTE};
use super::frame::heading;
use super::page::{Height, Page, Side};
use super::picture::Picture;
use super::text::{SMALL, TITLE, width};
use graph::Graph;
use item::color;
use layout::{Layout, MARGIN};

/// A diagram: built up, then rendered.
///
/// An item is known by its text, or by [`Item::id`]. Its row and column say where it stands; an item may be several rows
/// [`tall`](Item::tall) or several columns [`wide`](Item::wide), and the items of the rows below go around it, as in a
/// table of HTML. `""` leaves a cell empty.
///
/// ```
/// use motamot_course::plot::{Arrow, Diagram, Item, Picture};
///
/// // CBOW: the words around predict the one in the middle.
/// let cbow = Diagram::new("CBOW")
///     .row([Item::new("the"), Item::new("mean").tall(4).color(0), Item::new("sat").tall(4).color(1)])
///     .row(["cat"])
///     .row(["on"])
///     .row(["mat"])
///     .arrows(["the", "cat", "on", "mat"].map(|word| (word, "mean")))
///     .arrows([("mean", "sat", "softmax")]);
///
/// // A product of matrices, with their shapes; one of them shows its numbers.
/// let product = Diagram::new("Scores")
///     .row([
///         Item::matrix("Q", 3, 2).shape("(T, d)"),
///         Item::sign("·"),
///         Item::matrix("Kᵀ", 2, 3).shape("(d, T)"),
///         Item::sign("="),
///         Item::matrix("S", 3, 3).shape("(T, T)").numbers([1.0, 0.5, 0.0, 0.2, 2.0, 0.1, 0.0, 0.3, 1.5], 1).color(1),
///     ]);
///
/// // Two steps of a loop inside of a group; an arrow around what stands between.
/// let steps = Diagram::new("")
///     .row(["h₀", "h₁", "h₂"])
///     .row(["", "x₁", "x₂"])
///     .arrows([("h₀", "h₁"), ("h₁", "h₂"), ("x₁", "h₁"), ("x₂", "h₂")])
///     .arrows([Arrow::new("h₀", "h₂").around().dashed().label("?")])
///     .group("RNN", ["h₀", "h₂", "x₁"]);
/// assert!([cbow, product, steps].iter().all(|d| d.to_svg().contains("<svg")));
/// ```
#[derive(Clone, Debug)]
pub struct Diagram {
    title: String,
    graph: Graph,
}

impl Diagram {
    /// A diagram without items.
    pub fn new(title: impl Into<String>) -> Diagram {
        Diagram { title: title.into(), graph: Graph::default() }
    }

    /// Adds a row under the others; a text is a box, `""` an empty cell.
    pub fn row(mut self, items: impl IntoIterator<Item = impl Into<Item>>) -> Diagram {
        self.graph.rows.push(items.into_iter().map(Into::into).collect());
        self
    }

    /// Adds arrows: `(from, to)`, `(from, to, label)` or [`Arrow`]. What names no item is said under the diagram.
    pub fn arrows(mut self, arrows: impl IntoIterator<Item = impl Into<Arrow>>) -> Diagram {
        self.graph.arrows.extend(arrows.into_iter().map(Into::into));
        self
    }

    /// A frame with a name around items, and around what stands between them.
    pub fn group(mut self, name: impl Into<String>, items: impl IntoIterator<Item = impl Into<String>>) -> Diagram {
        self.graph.groups.push((name.into(), items.into_iter().map(Into::into).collect()));
        self
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        self.graph.rows.iter().flatten()
    }

    /// Names in arrows and groups that no item has.
    fn unknown(&self) -> Vec<&str> {
        let ends =
            self.graph.arrows.iter().flat_map(|a| [&a.from, &a.to]).chain(self.graph.groups.iter().flat_map(|g| &g.1));
        let mut unknown: Vec<&str> = ends.map(String::as_str).filter(|n| !self.items().any(|i| i.is(n))).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    /// What is seen, in words: the title, the arrows between the texts of the items, and the items without arrows.
    fn words(&self) -> String {
        let said = |name: &str| self.items().find(|i| i.is(name)).map_or(name.to_owned(), Item::words);
        let arrow = |a: &Arrow| match a.label.as_str() {
            "" => format!("{} → {}", said(&a.from), said(&a.to)),
            label => format!("{} → {} ({label})", said(&a.from), said(&a.to)),
        };
        let lone = |i: &&Item| !i.words().is_empty() && !self.graph.arrows.iter().any(|a| i.is(&a.from) || i.is(&a.to));
        let parts = self.items().filter(lone).map(Item::words).collect::<Vec<_>>().join(" ");
        let parts = Some(parts).filter(|p| !p.is_empty()).into_iter().chain(self.graph.arrows.iter().map(arrow));
        let title = Some(self.title.clone()).filter(|t| !t.is_empty());
        title.into_iter().chain(Some(parts.collect::<Vec<_>>().join("; "))).collect::<Vec<_>>().join(": ")
    }

    /// The height of the title above the items.
    fn top(&self, wide: f64) -> f64 {
        let top = heading(&mut Page::default(), &self.title, &[], "", wide);
        if self.title.is_empty() { top - 10.0 } else { top - 6.0 }
    }
}

impl Picture for Diagram {
    fn size(&self, _: u32) -> (u32, u32) {
        let layout = Layout::new(&self.graph, f64::INFINITY);
        let wide = layout.wide.max((width(&self.title, TITLE) + 2.0 * MARGIN).min(340.0));
        let notes = if self.unknown().is_empty() { 0.0 } else { 20.0 };
        (wide.ceil() as u32, (self.top(wide) + layout.high + notes).ceil().max(60.0) as u32)
    }

    fn draw(&self, page: &mut Page, (wide, high): (u32, u32)) {
        page.describe(self.words());
        let (wide, high) = (f64::from(wide), f64::from(high));
        let top = heading(page, &self.title, &[], "", wide).min(self.top(wide));
        let mut layout = Layout::new(&self.graph, wide);
        layout.shift(((wide - layout.wide) / 2.0).max(0.0), top);
        for (frame, name) in layout.frames() {
            page.rounded(frame, 8.0, NOTHING.opacity(0.3), Some(NOTHING));
            page.text(name, (frame.left + 8.0, frame.top + 5.0), SMALL, GREY, Side::Left, Height::Top);
        }
        for arrow in &self.graph.arrows {
            let (Some(from), Some(to)) = (layout.place(&arrow.from), layout.place(&arrow.to)) else { continue };
            let (points, label) = layout.route(from, to, arrow.way);
            page.arrow(&points, color(arrow.color), 1.5, arrow.dashed);
            let (at, side) = label;
            page.label(&arrow.label, at, arrow.color.map_or(INK, |i| color(Some(i))), side);
        }
        for place in &layout.places {
            place.item.draw(page, &place.body);
        }
        let unknown: Vec<String> = self.unknown().iter().map(|name| format!("? {name}")).collect();
        page.text(&unknown.join("  "), (MARGIN, high - 8.0), SMALL, PALETTE[1], Side::Left, Height::Bottom);
    }
}

#[cfg(test)]
mod tests;
