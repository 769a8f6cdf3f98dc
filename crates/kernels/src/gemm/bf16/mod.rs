//! Matrix products in bf16: operands rounded and packed as pairs, sums in f32.
//!
//! A pair is one `u32`: two neighbours along k, the first in its lower half. With pairs for elements a product over k is
//! one over k/2, and looks like that in f32: panels of B 32 columns wide, a block of C that stays in registers or tiles.

#[cfg(target_arch = "x86_64")]
#[cfg_attr(not(test), expect(dead_code, reason = "the driver is still to come"))]
mod amx;

use super::micro::Start;

/// Columns of a panel and of a block.
const COLS: usize = 32;
/// Packed rows are filled up with zero pairs to a multiple of this.
const PAIRS: usize = 16;

/// C (rows×cols) = start + A·B over `pairs` pairs.
#[derive(Clone, Copy, Debug)]
struct Block {
    /// Pair p of row i is at `a + i·a_row + p`.
    a: *const u32,
    a_row: usize,
    /// Pair p of column j is at `b + 32·p + j`, on a cache line.
    b: *const u32,
    /// Those up to the next multiple of 16 are there, too, and zero.
    pairs: usize,
    /// Element (i, j) is at `c + i·c_row + j`.
    c: *mut f32,
    c_row: usize,
    /// At most 32. A can be read, but means nothing, for the rest of these.
    rows: usize,
    /// At most 32. B can be read for the rest of these, C not.
    cols: usize,
    start: Start,
}
