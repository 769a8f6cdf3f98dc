//! Matrix products of f32: C = A·B, with either factor stored transposed.
//!
//! Every element of C is one chain of fused multiply-adds over k, in order, from its starting value: the same bits
//! whatever the instruction set, the blocking and the number of threads.

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
