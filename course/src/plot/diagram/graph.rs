//! What a diagram says: items in rows, arrows between them, and groups.

use super::item::Item;

/// How an arrow goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Direct,
    Around,
    Elbow,
}

/// A diagram without its title.
#[derive(Clone, Debug, Default)]
pub(super) struct Graph {
    pub rows: Vec<Vec<Item>>,
    pub arrows: Vec<Arrow>,
    pub groups: Vec<(String, Vec<String>)>,
}

/// An arrow from one item of a [`Diagram`](super::Diagram) to another: straight where they face each other, else curved.
#[derive(Clone, Debug)]
pub struct Arrow {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) label: String,
    pub(super) way: Way,
    pub(super) dashed: bool,
    pub(super) color: Option<usize>,
}

impl Arrow {
    /// An arrow between the items of these names; from an item to itself it is a loop.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Arrow {
        Arrow { from: from.into(), to: to.into(), label: String::new(), way: Way::Direct, dashed: false, color: None }
    }

    /// A text at its middle.
    pub fn label(self, label: impl Into<String>) -> Arrow {
        Arrow { label: label.into(), ..self }
    }

    /// In an arc around what stands between: above a row, to the right of a column.
    pub fn around(self) -> Arrow {
        Arrow { way: Way::Around, ..self }
    }

    /// Across first, then up or down, with one corner.
    pub fn elbow(self) -> Arrow {
        Arrow { way: Way::Elbow, ..self }
    }

    /// Dashed.
    pub fn dashed(self) -> Arrow {
        Arrow { dashed: true, ..self }
    }

    /// A colour of [`PALETTE`](crate::plot::PALETTE).
    pub fn color(self, index: usize) -> Arrow {
        Arrow { color: Some(index), ..self }
    }
}

impl<A: Into<String>, B: Into<String>> From<(A, B)> for Arrow {
    fn from((from, to): (A, B)) -> Arrow {
        Arrow::new(from, to)
    }
}

/// From, to and label.
impl<A: Into<String>, B: Into<String>, L: Into<String>> From<(A, B, L)> for Arrow {
    fn from((from, to, label): (A, B, L)) -> Arrow {
        Arrow::new(from, to).label(label)
    }
}
