//! What a [driver](super::driver) multiplies with.

use super::micro::Block;
use super::product::Product;
use std::ops::Range;

/// B as it is stored: k×n, or `transposed` n×k.
pub(super) struct Source<M> {
    pub b: M,
    pub transposed: bool,
    pub n: usize,
    pub k: usize,
}

/// Where a tile's rows of A are: row i of block q and its step p at `first + q·block + i·row + p·step`, in words.
pub(super) struct RowsOfA {
    pub first: *const f32,
    pub block: usize,
    pub row: usize,
    pub step: usize,
}

/// The block product of one precision on one instruction set, and how it wants its operands. What is packed consists of
/// words of 32 bits, a number or a pair of neighbours along k; the k and the strides of a [`Block`] count words.
pub(super) trait MicroKernel: Sync {
    /// A factor as it is stored.
    type Matrix<'a>: Copy + Sync;
    /// What a thread holds while it computes blocks.
    type Held;

    /// Steps of k in a word.
    const STEPS: usize;
    /// What the steps of a block are a multiple of, but for the last.
    const GRAIN: usize;
    /// Rows and columns of the largest tile; the rows are a multiple of every block's.
    const TILE: [usize; 2];
    /// How many blocks down and across a tile has at least, however many threads there are.
    const FEW: [usize; 2];
    /// Words between panels.
    const GAP: usize;

    /// Words that so many steps are packed into.
    fn words(steps: usize) -> usize;

    /// The most rows of a block; its columns, which are those of a panel.
    fn size(&self) -> [usize; 2];

    /// Makes this thread ready as long as the result lives; cheap for a tile, not for a block.
    fn hold(&self) -> Self::Held;

    /// Packs some steps of the panel whose first column is `j`, of B stored transposed.
    fn pack_panel(&self, source: &Source<Self::Matrix<'_>>, j: usize, steps: Range<usize>, dst: &mut [f32]);

    /// Packs the p-th row of words of some steps of B, stored as it is: `dst` is where each panel's part goes.
    fn pack_row<'d>(
        &self,
        source: &Source<Self::Matrix<'_>>,
        steps: Range<usize>,
        p: usize,
        dst: impl Fn(usize) -> &'d mut [f32],
    );

    /// Packs rows and steps of A into `room`, unless a block can read them where they are.
    fn rows_of_a(
        &self,
        g: &Product<Self::Matrix<'_>>,
        rows: Range<usize>,
        steps: Range<usize>,
        room: &mut [f32],
    ) -> RowsOfA;

    /// Where A begins and the bytes of its elements, if it pays to ask for its next rows ahead of time.
    fn ahead(a: &Self::Matrix<'_>) -> Option<(*const u8, usize)>;

    /// Computes one block; a thread that does so holds [`MicroKernel::hold`]'s result.
    ///
    /// # Safety
    /// As for [`super::micro::Kernel::block`].
    unsafe fn multiply(&self, block: &Block);
}
