//! Matrix products of f32: C = A·B, with either factor stored transposed.
//!
//! ```text
//! for i in 0..m:
//!     for j in 0..n:
//!         for p in 0..k:
//!             c[i][j] = a[i][p]·b[p][j] + c[i][j]     one rounding: a fused multiply-add
//! ```
//!
//! That is all, and what is computed stays exactly that: every element of C is one chain of fused multiply-adds over k, in
//! order, from its starting value, the same bits whatever the instruction set, the blocking and the number of threads.
//! Written down so, 1024×1024×256 runs at 1.1 GFLOP/s on a core of a Zen 5 whose peak is 245, since each step waits for
//! the one before and for a line of B of which it uses one number. In the order in which they are built on each other
//! (the first steps can be read in `benches/ladder/gemm.rs`; numbers: `dev/LOG.md`):
//!
//! 1. The loop over j goes inside: B is read along its rows, and several columns are one instruction. 26 GFLOP/s.
//! 2. A small *block* of C stays in registers while k runs, so that a row of B is loaded once for several rows of A
//!    (`micro`, `x86`, `portable`). 31 in plain Rust; with 256-bit vectors and the next step 123, with 512-bit ones 240.
//! 3. B is packed into *panels*, as wide as a block, in the order in which the block reads them (`driver`, `pack`). Packing
//!    whole rows of B instead of panel by panel: 62 → 71 % of a Xeon's peak where k is long.
//! 4. C is cut into *tiles* and k into stretches, so that a panel stays in the first-level cache and a tile's rows of A in
//!    the second. A is not copied: tiles of 72 rows of A as it lies instead of 144 copied ones gave 72 → 81 % of the peak.
//! 5. All threads pack and multiply in one stream of chunks without a barrier (`stream`): 468 GFLOP/s on two cores.
//! 6. Up to a few hundred rows, packing all of B would cost more than it saves: `small` uses each panel where it is.
//!
//! [`bf16`] has the products that round their operands: another block and another packing, the same driver.

pub mod bf16;
mod driver;
pub(crate) mod finish;
pub(crate) mod micro;
mod micro_kernel;
mod pack;
mod portable;
mod product;
mod scratch;
mod small;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use product::{Init, Layout};
pub(crate) use scratch::pairs_mut;

use crate::isa;
use crate::parallel::SharedMut;
use micro::Kernel;
use product::{Product, checked};

/// C (m×n) = init + A (m×k) · B (k×n), with A or B stored as `layout` says.
///
/// # Panics
/// If a slice has not the length that m, n and k give it.
#[track_caller]
pub fn gemm(layout: Layout, m: usize, n: usize, k: usize, a: &[f32], b: &[f32], c: &mut [f32], init: Init) {
    if !checked("gemm", layout, [m, n, k], [a.len(), b.len()], c, init) {
        return;
    }
    let (kernel, a_row) = (Kernel::current(), if layout == Layout::TN { m } else { k });
    let product = Product { layout, m, n, k, a, a_row, b, c: SharedMut::new(c), init };
    if small::wins(kernel, &product) {
        small::multiply(kernel, &product);
    } else {
        driver::multiply(kernel, &product);
    }
}

impl Kernel {
    /// The kernel of [`isa::isa()`].
    pub(crate) fn current() -> &'static Kernel {
        match isa::isa() {
            #[cfg(target_arch = "x86_64")]
            isa::Isa::Avx512 | isa::Isa::Avx512Bf16 | isa::Isa::Amx => &x86::AVX512,
            #[cfg(target_arch = "x86_64")]
            isa::Isa::Avx2 => &x86::AVX2,
            _ => &portable::KERNEL,
        }
    }
}
