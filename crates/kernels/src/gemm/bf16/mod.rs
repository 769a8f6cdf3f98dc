//! Matrix products in bf16: operands rounded and packed as pairs, sums in f32.
//!
//! A pair is one `u32`: two neighbours along k, the first in its lower half. With pairs for elements a product over k is
//! one over k/2, and looks like that in f32: panels of B 32 columns wide, a block of C that stays in registers or tiles.
//! A is packed as well, row by row, since it has to be converted anyway; unless it is in bf16 and its rows are whole
//! groups of pairs already. `finish` is for what follows a product while its result is in the cache.
//!
//! Each element of C is summed in an order that does not depend on the blocking or on the number of threads. Within a
//! pair the units differ in their last bits: `vdpbf16ps` adds one product, then the other; AMX keeps the sums of even
//! and odd k apart for 32 steps; neither knows denormals.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod driver;
mod finish;
mod portable;
#[cfg(test)]
mod tests;

pub use finish::{
    gemm_bf16_activated, gemm_bf16_added, gemm_bf16_cross_entropy, gemm_bf16_gated, gemm_bf16_multiplied,
    gemm_bf16_rounded, gemm_bf16_turned,
};

use super::micro::Start;
use super::{Init, Layout, Product};
use crate::bf16::{Bf16, Element};
use crate::buffer::AlignedBuf;
use crate::isa::{self, Isa};
use crate::parallel::SharedMut;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

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

/// What a thread holds while it computes blocks.
#[cfg(target_arch = "x86_64")]
pub(crate) type Held = Option<amx::Tiles>;
#[cfg(not(target_arch = "x86_64"))]
pub(crate) type Held = ();

/// What computes blocks and packs for them.
pub(crate) struct Unit {
    /// The most rows of a block.
    pub(crate) rows: usize,
    /// Makes this thread ready for `block` as long as the result lives; cheap for a chunk of blocks, not for one.
    pub(crate) hold: unsafe fn() -> Held,
    pub(crate) block: unsafe fn(&Block),
    /// (src, stride, dst, stride): 16×16 pairs, transposed.
    pub(crate) transpose: unsafe fn(*const u32, usize, *mut u32, usize),
    of_f32: Packs<f32>,
    of_bf16: Packs<Bf16>,
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

/// A factor of a product, rounded already or not.
#[derive(Clone, Copy, Debug)]
pub enum Matrix<'a> {
    /// To be rounded.
    F32(&'a [f32]),
    /// As it is.
    Bf16(&'a [Bf16]),
    /// As it is, a left factor only: rows so far apart, with zeros between them. If that is a multiple of 32, they are
    /// read where they lie.
    Padded(&'a [Bf16], usize),
}

impl Matrix<'_> {
    /// How many elements there are, if it has so many rows and columns. Panics if padded rows do not have them.
    #[track_caller]
    fn len(&self, rows: usize, cols: usize) -> usize {
        match self {
            Matrix::F32(x) => x.len(),
            Matrix::Bf16(x) => x.len(),
            Matrix::Padded(x, row) => {
                let len = x.len();
                assert!(
                    *row >= cols && len == rows * row,
                    "{rows} rows of {cols}, {row} apart, are not {len} elements"
                );
                rows * cols
            }
        }
    }
}

impl<'a> From<&'a [f32]> for Matrix<'a> {
    fn from(x: &'a [f32]) -> Matrix<'a> {
        Matrix::F32(x)
    }
}

impl<'a> From<&'a [Bf16]> for Matrix<'a> {
    fn from(x: &'a [Bf16]) -> Matrix<'a> {
        Matrix::Bf16(x)
    }
}

impl Unit {
    /// That of [`isa::isa()`]; plain Rust where there is none.
    pub(crate) fn current() -> &'static Unit {
        match isa::isa() {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => &avx512::UNIT,
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => &amx::UNIT,
            _ => &portable::UNIT,
        }
    }
}

/// C (m×n) = init + A (m×k) · B (k×n) as [`super::gemm`], with A and B rounded to bf16.
///
/// Without instructions for it ([`Isa::has_bf16`]) this is the slow judge of those that have them.
///
/// # Panics
/// If a slice has not the length that m, n and k give it.
#[track_caller]
pub fn gemm_bf16<'a>(
    layout: Layout,
    m: usize,
    n: usize,
    k: usize,
    a: impl Into<Matrix<'a>>,
    b: impl Into<Matrix<'a>>,
    c: &mut [f32],
    init: Init,
) {
    let (a, b) = (a.into(), b.into());
    let (rows, cols) = if layout == Layout::TN { (k, m) } else { (m, k) };
    assert!(!matches!(b, Matrix::Padded(..)), "gemm_bf16: a right factor with padded rows");
    if super::checked("gemm_bf16", layout, [m, n, k], [a.len(rows, cols), b.len(k, n)], c, init) {
        driver::multiply_packing(Unit::current(), &Product { layout, m, n, k, a, b, c: SharedMut::new(c), init });
    }
}

/// A right factor B (k×n) rounded and packed once, for products with many left ones.
pub struct Packed {
    n: usize,
    k: usize,
    /// Panel by panel; each has its pairs in rows of 32.
    memory: AlignedBuf,
}

impl Packed {
    /// Packs B, stored k×n or, `transposed`, n×k.
    ///
    /// # Panics
    /// If `b` has not n·k elements.
    #[track_caller]
    pub fn new(n: usize, k: usize, b: &[f32], transposed: bool) -> Packed {
        let memory = AlignedBuf::zeroed(driver::packed_len(n, k));
        let mut packed = Packed { n, k, memory };
        packed.repack(b, transposed);
        packed
    }

    /// Packs another B of the same size into the same memory.
    ///
    /// # Panics
    /// If `b` has not n·k elements.
    #[track_caller]
    pub fn repack(&mut self, b: &[f32], transposed: bool) {
        let (n, k) = (self.n, self.k);
        assert_eq!(b.len(), n * k, "Packed: b has {} elements, n·k = {n}·{k}", b.len());
        if n > 0 && k > 0 {
            let source = driver::Source { b: Matrix::F32(b), transposed, n, k };
            driver::pack(Unit::current(), &source, super::pairs_mut(&mut self.memory));
        }
    }
}

/// [`gemm_bf16`] with `b` packed before, the same bits; `layout` is NN.
///
/// # Panics
/// If a slice has not the length that m and the sizes of `b` give it.
#[track_caller]
pub fn gemm_bf16_packed<'a>(m: usize, a: impl Into<Matrix<'a>>, b: &Packed, c: &mut [f32], init: Init) {
    let (n, k, layout, a) = (b.n, b.k, Layout::NN, a.into());
    if super::checked("gemm_bf16_packed", layout, [m, n, k], [a.len(m, k), n * k], c, init) {
        let g = Product { layout, m, n, k, a, b: Matrix::F32(&[]), c: SharedMut::new(c), init };
        driver::multiply_packed(Unit::current(), &g, super::pairs(&b.memory));
    }
}

/// Whether products in bf16 are faster than in f32 on this machine: it has instructions for them, and they win.
///
/// AMX always does. `vdpbf16ps` runs at twice the rate of f32 on some processors and at half of it on others (some that
/// have AMX, if [`crate::isa`] is held below it), so the two are timed once, for some microseconds.
pub fn pays() -> bool {
    static AVX512: OnceLock<bool> = OnceLock::new();
    match isa::isa() {
        Isa::Amx => true,
        Isa::Avx512Bf16 => *AVX512.get_or_init(|| speed_up() > 1.2),
        _ => false,
    }
}

/// How many times as fast as in f32 a product that stays in the first-level cache is here: the best of some tries.
fn speed_up() -> f64 {
    const SIDE: usize = 64;
    let (x, mut y) = (vec![0.5f32; SIDE * SIDE], vec![0.0f32; SIDE * SIDE]);
    let packed = Packed::new(SIDE, SIDE, &x, false);
    let mut best = [Duration::MAX; 2];
    for _ in 0..20 {
        let clock = Instant::now();
        super::gemm(Layout::NN, SIDE, SIDE, SIDE, &x, &x, &mut y, Init::Zero);
        best[0] = best[0].min(clock.elapsed());
        let clock = Instant::now();
        gemm_bf16_packed(SIDE, &x[..], &packed, &mut y, Init::Zero);
        best[1] = best[1].min(clock.elapsed());
    }
    best[0].as_secs_f64() / best[1].as_secs_f64()
}
