//! Matrix products of f32: C = A·B, with either factor stored transposed.
//!
//! Every element of C is one chain of fused multiply-adds over k, in order, from its starting value: the same bits
//! whatever the instruction set, the blocking and the number of threads.
//!
//! Four drivers share the work. `driver::packed` does large products: B is packed into panels by all threads, tiles of
//! C are handed out. `small::panels` does up to a few hundred rows: each panel of B is used where it is, or packed on
//! the spot if it is stored transposed. `small::rows` and `small::dots` do one to four rows, which have little to do
//! but to read B once. [`bf16`] has the product that rounds its operands.

pub mod bf16;
mod driver;
pub(crate) mod micro;
mod small;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::parallel::SharedMut;
use micro::{Kernel, Start};

/// Which factor is stored transposed; the first letter is A's. All matrices are row-major and dense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A is m×k, B is k×n: a layer's output, x·W.
    NN,
    /// A is m×k, B is stored n×k: the gradient of the input, dy·Wᵀ.
    NT,
    /// A is stored k×m, B is k×n: the gradient of the weights, xᵀ·dy.
    TN,
}

/// What the sum of each element of C starts from.
#[derive(Clone, Copy, Debug)]
pub enum Init<'a> {
    /// From 0: C is overwritten.
    Zero,
    /// From what C holds: the product is added to it.
    Accumulate,
    /// From the element of this row (length n) for the column: C is overwritten.
    Bias(&'a [f32]),
}

/// C (m×n) = init + A (m×k) · B (k×n), with A or B stored as `layout` says.
///
/// # Panics
/// If a slice has not the length that m, n and k give it.
#[track_caller]
pub fn gemm(layout: Layout, m: usize, n: usize, k: usize, a: &[f32], b: &[f32], c: &mut [f32], init: Init) {
    if !checked("gemm", layout, [m, n, k], [a.len(), b.len()], c, init) {
        return;
    }
    let kernel = Kernel::current();
    let product = Product { layout, m, n, k, a, b, c: SharedMut::new(c), init };
    if m <= small::NN_ROWS && layout == Layout::NN {
        small::rows(&product);
    } else if m <= small::NT_ROWS && layout == Layout::NT && kernel.has_dots() {
        small::dots(kernel, &product);
    } else if small::panels_win(kernel, &product) {
        small::panels(kernel, &product);
    } else {
        driver::packed(kernel, &product);
    }
}

/// Panics unless the lengths fit; false if nothing is left to multiply: then C is done.
#[track_caller]
fn checked(name: &str, layout: Layout, [m, n, k]: [usize; 3], [a, b]: [usize; 2], c: &mut [f32], init: Init) -> bool {
    assert_eq!(a, m * k, "{name} {layout:?}: a has {a} elements, m·k = {m}·{k}");
    assert_eq!(b, k * n, "{name} {layout:?}: b has {b} elements, k·n = {k}·{n}");
    assert_eq!(c.len(), m * n, "{name} {layout:?}: c has {} elements, m·n = {m}·{n}", c.len());
    if let Init::Bias(bias) = init {
        assert_eq!(bias.len(), n, "{name} {layout:?}: bias has {} elements, n = {n}", bias.len());
    }
    if m > 0 && n > 0 && k == 0 {
        match init {
            Init::Zero => c.fill(0.0),
            Init::Accumulate => (),
            Init::Bias(bias) => c.chunks_exact_mut(n).for_each(|row| row.copy_from_slice(bias)),
        }
    }
    m > 0 && n > 0 && k > 0
}

/// The arguments of a product, m and n not zero, nor k where drivers add to C.
struct Product<'a, M = &'a [f32]> {
    layout: Layout,
    m: usize,
    n: usize,
    k: usize,
    a: M,
    b: M,
    c: SharedMut<'a, f32>,
    init: Init<'a>,
}

impl<M> Product<'_, M> {
    /// How far apart in A neighbours along m and along k are.
    fn a_strides(&self) -> (usize, usize) {
        if self.layout == Layout::TN { (1, self.m) } else { (self.k, 1) }
    }

    /// What a block whose first column is `j` and whose first step is `p` starts from.
    fn start(&self, j: usize, p: usize) -> Start {
        match self.init {
            _ if p > 0 => Start::Load,
            Init::Zero => Start::Zero,
            Init::Accumulate => Start::Load,
            Init::Bias(bias) => Start::Row(bias[j..].as_ptr()),
        }
    }

    /// Is it worth waking other threads? From some ten microseconds of work on.
    fn is_large(&self) -> bool {
        self.m * self.n * self.k >= 1 << 20 || (self.m + self.n) * self.k >= 1 << 16
    }
}

/// Memory that a thread keeps for packing, so that a product allocates nothing once the largest was seen.
#[derive(Default)]
struct Scratch(Vec<Line>);

#[derive(Clone, Copy)]
#[repr(align(64))]
#[expect(dead_code, reason = "only its size and alignment are used")]
struct Line([f32; 16]);

impl Scratch {
    /// At least `len` elements of unspecified content, aligned to a cache line.
    fn get(&mut self, len: usize) -> &mut [f32] {
        let lines = len.div_ceil(16);
        if self.0.len() < lines {
            self.0.resize(lines, Line([0.0; 16]));
        }
        // SAFETY: a `Line` is 16 f32 without padding.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), lines * 16) }
    }

    /// The same memory as pairs of bf16.
    fn get_pairs(&mut self, len: usize) -> &mut [u32] {
        pairs_mut(self.get(len))
    }
}

/// The bits of f32 as pairs of bf16.
pub(crate) fn pairs(memory: &[f32]) -> &[u32] {
    // SAFETY: an f32 has the size and alignment of a u32, and any bits are a value of both.
    unsafe { std::slice::from_raw_parts(memory.as_ptr().cast(), memory.len()) }
}

/// The bits of f32 as pairs of bf16, to be written.
pub(crate) fn pairs_mut(memory: &mut [f32]) -> &mut [u32] {
    // SAFETY: as in `pairs`.
    unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast(), memory.len()) }
}
