//! The block product on pairs of bf16, and how it packs them.

use crate::bf16::{Bf16, Element};
use crate::gemm::micro::Start;
use std::marker::PhantomData;

/// Columns of a panel and of a block.
pub(crate) const COLS: usize = 32;
/// Packed rows are filled up with zero pairs to a multiple of this.
pub(crate) const PAIRS: usize = 16;

/// C (rows×cols) = start + A·B over `pairs` pairs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    /// Pair p of row i is at `a + i·a_row + p`.
    pub(crate) a: *const u32,
    pub(crate) a_row: usize,
    /// Pair p of column j is at `b + 32·p + j`, on a cache line.
    pub(crate) b: *const u32,
    /// Those up to the next multiple of 16 are there, too, and zero in A or in B (and no NaN in the other).
    pub(crate) pairs: usize,
    /// Element (i, j) is at `c + i·c_row + j`.
    pub(crate) c: *mut f32,
    pub(crate) c_row: usize,
    /// At most [`Unit::rows`]. A can be read, but means nothing, for the rest of these.
    pub(crate) rows: usize,
    /// At most 32. B can be read for the rest of these, C not.
    pub(crate) cols: usize,
    pub(crate) start: Start,
}

/// What a thread holds while it computes blocks, for its units to be given back in the end.
#[derive(Default)]
pub(crate) struct Held {
    pub(super) give_back: Option<unsafe fn()>,
    /// Not to be sent to another thread.
    pub(super) of_this_thread: PhantomData<*const ()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(give_back) = self.give_back {
            // SAFETY: who made this allowed it, on this thread.
            unsafe { give_back() }
        }
    }
}

/// What computes blocks and packs for them.
pub(crate) struct Unit {
    /// The most rows of a block.
    pub(crate) rows: usize,
    /// Makes this thread ready for `block` as long as the result lives; cheap for a chunk of blocks, not for one.
    pub(crate) hold: unsafe fn() -> Held,
    pub(crate) block: unsafe fn(&Block),
    /// (src, stride, dst, stride): 16×16 pairs, transposed.
    pub(crate) transpose: unsafe fn(*const u32, usize, *mut u32, usize),
    pub(super) of_f32: Packs<f32>,
    pub(super) of_bf16: Packs<Bf16>,
}

/// How a unit packs elements of a type. Destinations are whole groups of 16 pairs, zeros where the source ends; all
/// strides count elements.
#[derive(Clone, Copy)]
pub(crate) struct Packs<T> {
    /// (src, n, dst): n neighbours along k → ⌈n/2⌉ pairs.
    pub(crate) along: unsafe fn(*const T, usize, *mut u32),
    /// (first, second, n, dst): two rows across k → 32 pairs, of which n ≤ 32 are of the rows. `second` may be null.
    pub(crate) across: unsafe fn(*const T, *const T, usize, *mut u32),
    /// (src, stride, rows, n, dst, dst_stride): n ≤ 32 neighbours along k of ≤ 16 rows → 16 rows of dst, one per pair.
    pub(crate) turn_along: unsafe fn(*const T, usize, usize, usize, *mut u32, usize),
    /// (src, stride, cols, n, dst, dst_stride): n ≤ 32 rows of ≤ 16 columns → a row of 16 pairs for each column.
    pub(crate) turn_across: unsafe fn(*const T, usize, usize, usize, *mut u32, usize),
}

/// A type that units can pack.
pub(crate) trait Operand: Element {
    /// How.
    fn packs(unit: &Unit) -> &Packs<Self>;
}

impl Operand for f32 {
    fn packs(unit: &Unit) -> &Packs<f32> {
        &unit.of_f32
    }
}

impl Operand for Bf16 {
    fn packs(unit: &Unit) -> &Packs<Bf16> {
        &unit.of_bf16
    }
}
