//! What is done with a product while it is in the cache.

use std::ops::Range;

/// What a driver hands over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing: the product goes to C in memory.
    Nothing,
    /// A panel's columns of a tile's rows, from the first-level cache.
    Panels,
    /// All columns of a tile's rows, from the second-level cache.
    Rows,
}

/// Where the parts of a product go. All of k is summed before a part is handed over, and it is kept nowhere else.
pub(crate) trait Finish: Sync {
    const TAKES: Takes;

    /// Asks for the memory that belongs to rows `rows` and `cols` columns from `j` on, before they are computed.
    fn ahead(&self, _rows: Range<usize>, _j: usize, _cols: usize) {}

    /// Takes `cols` columns from `j` on of those rows, which are c.len() / rows.len() apart: a multiple of a panel's
    /// columns, those behind the last of C of any value.
    ///
    /// # Safety
    /// They are inside the product, and nobody else has to do with them.
    unsafe fn take(&self, rows: Range<usize>, j: usize, cols: usize, c: &[f32]);
}

/// The product is all there is.
pub(super) struct InPlace;

impl Finish for InPlace {
    const TAKES: Takes = Takes::Nothing;

    unsafe fn take(&self, _: Range<usize>, _: usize, _: usize, _: &[f32]) {}
}
