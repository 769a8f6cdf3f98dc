//! Matrix products in bf16: operands rounded and packed as pairs, sums in f32.
//!
//! ```text
//! for i in 0..m:
//!     for j in 0..n:
//!         for p in 0..k/2:
//!             c[i][j] += a[i][2p]·b[2p][j] + a[i][2p+1]·b[2p+1][j]
//! ```
//!
//! With a *pair* of neighbours along k for an element, the first in the lower half of a `u32`, this is the product of
//! [`crate::gemm`] over k/2, and goes through the same driver. What is gained, on cores of a Zen 5 unless said otherwise:
//!
//! 1. `vdpbf16ps` multiplies and adds a pair per lane: 240 → 470 GFLOP/s (1024×1024×256). AMX does 8,192 multiply-adds an
//!    instruction; its speed has not been measured.
//! 2. Pairs are made while packing, rows that lie along k by transposing 16×16 of them in registers: 245–345 → 350–410 for
//!    weight gradients, once the compiler kept that in one function.
//! 3. While blocks are computed, the rows of A that are packed next are asked for: 327 → 420 with k = 1,024.
//! 4. Panels begin 128 bytes further apart than they are long, so that packing does not write to one set of the
//!    first-level cache: 8.2 → 5.5 ms for a weight gradient of an MLP.
//! 5. Weights are packed once for many products ([`Packed`]), and A is read where it lies if it is in bf16 already.
//! 6. What follows the product takes it while it is in the cache: [`crate::fused`].
//!
//! Each element of C is summed in an order that does not depend on the blocking or on the number of threads. Within a
//! pair the units differ in their last bits: `vdpbf16ps` adds one product, then the other; AMX keeps the sums of even
//! and odd k apart for 32 steps; neither knows denormals.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod matrix;
mod pack;
pub(super) mod portable;
#[cfg(test)]
mod tests;
mod unit;

pub use matrix::Matrix;
pub(crate) use unit::{Block, COLS, Held, Operand, PAIRS, Unit};

use super::driver;
use super::finish::{Finish, InPlace};
use super::micro_kernel::Source;
use super::product::{Init, Layout, Product, checked};
use crate::area;
use crate::buffer::AlignedBuf;
use crate::isa::{Isa, isa};
use crate::parallel::SharedMut;

impl Unit {
    /// That of [`isa()`]; plain Rust where there is none.
    pub(crate) fn current() -> &'static Unit {
        match isa() {
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
    if checked("gemm_bf16", layout, [m, n, k], [a.len(rows, cols), b.len(k, n)], c, init) {
        let (a_row, c) = (a.row(cols), SharedMut::new(c));
        driver::multiply(Unit::current(), &Product { layout, m, n, k, a, a_row, b, c, init });
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
        let memory = AlignedBuf::zeroed(driver::packed_len(Unit::current(), n, k));
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
        assert_eq!(b.len(), area(n, k), "Packed: b has {} elements, n·k = {n}·{k}", b.len());
        if n > 0 && k > 0 {
            driver::pack(Unit::current(), &Source { b: Matrix::F32(b), transposed, n, k }, &mut self.memory);
        }
    }

    /// n.
    pub(crate) fn columns(&self) -> usize {
        self.n
    }

    fn multiply(&self, m: usize, a: Matrix, c: &mut [f32], init: Init, finish: &impl Finish) {
        let (n, k, b, c) = (self.n, self.k, Matrix::F32(&[]), SharedMut::new(c));
        let g = Product { layout: Layout::NN, m, n, k, a, a_row: a.row(k), b, c, init };
        driver::multiply_packed(Unit::current(), &g, &self.memory, finish);
    }
}

/// [`gemm_bf16`] with `b` packed before, the same bits; `layout` is NN.
///
/// # Panics
/// If a slice has not the length that m and the sizes of `b` give it.
#[track_caller]
pub fn gemm_bf16_packed<'a>(m: usize, a: impl Into<Matrix<'a>>, b: &Packed, c: &mut [f32], init: Init) {
    let (n, k, a) = (b.n, b.k, a.into());
    if checked("gemm_bf16_packed", Layout::NN, [m, n, k], [a.len(m, k), n * k], c, init) {
        b.multiply(m, a, c, init, &InPlace);
    }
}

/// bias + A (m×k) · B (k×n), whose parts go to `finish` and nowhere else.
///
/// # Panics
/// If a slice has not the length that m and the sizes of `b` give it.
#[track_caller]
pub(crate) fn gemm_bf16_finishing(
    name: &str,
    m: usize,
    a: Matrix,
    b: &Packed,
    bias: Option<&[f32]>,
    finish: &impl Finish,
) {
    let len = a.len(m, b.k);
    assert_eq!(len, area(m, b.k), "{name}: a has {len} elements, m·k = {m}·{}", b.k);
    if let Some(bias) = bias {
        assert_eq!(bias.len(), b.n, "{name}: bias has {} elements, n = {}", bias.len(), b.n);
    }
    if m > 0 && b.n > 0 {
        b.multiply(m, a, &mut [], bias.map_or(Init::Zero, Init::Bias), finish);
    }
}

/// Whether products in bf16 are faster than in f32 on this machine: it has instructions for them, and they win.
///
/// That is known of the processor, so that the same machine always decides the same. AMX always wins. `vdpbf16ps` does
/// on AMD's processors, where it takes as long as a multiply-add in f32 and does twice the work: register peaks of 982
/// and 476 GFLOP/s on two cores of a Zen 5. On Intel's it runs at half that rate: a product that stays in the first-level
/// cache reaches 0.67 of the speed of f32 on an Emerald Rapids whose AMX is hidden.
pub fn pays() -> bool {
    match isa() {
        Isa::Amx => true,
        Isa::Avx512Bf16 => made_by_amd(),
        _ => false,
    }
}

#[cfg(target_arch = "x86_64")]
fn made_by_amd() -> bool {
    let leaf = std::arch::x86_64::__cpuid(0);
    [leaf.ebx, leaf.edx, leaf.ecx].map(u32::to_le_bytes).as_flattened() == b"AuthenticAMD"
}

#[cfg(not(target_arch = "x86_64"))]
fn made_by_amd() -> bool {
    false
}
