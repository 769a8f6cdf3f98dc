//! What a product is asked to do.

use super::micro::Start;
use crate::area;
use crate::parallel::SharedMut;

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

/// The arguments of a product, m and n not zero, nor k where drivers add to C.
pub(crate) struct Product<'a, M = &'a [f32]> {
    pub layout: Layout,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: M,
    /// From one row of A, as it is stored, to the next.
    pub a_row: usize,
    pub b: M,
    pub c: SharedMut<'a, f32>,
    pub init: Init<'a>,
}

impl<M> Product<'_, M> {
    /// How far apart in A neighbours along m and along k are.
    pub fn a_strides(&self) -> (usize, usize) {
        if self.layout == Layout::TN { (1, self.a_row) } else { (self.a_row, 1) }
    }

    /// What a block whose first column is `j` and whose first step is `p` starts from.
    pub fn start(&self, j: usize, p: usize) -> Start {
        match self.init {
            _ if p > 0 => Start::Load,
            Init::Zero => Start::Zero,
            Init::Accumulate => Start::Load,
            Init::Bias(bias) => Start::Row(bias[j..].as_ptr()),
        }
    }

    /// Is it worth waking other threads? From some ten microseconds of work on.
    pub fn is_large(&self) -> bool {
        // A product of three sizes may not fit in 32 bits.
        self.m.saturating_mul(self.n).saturating_mul(self.k) >= 1 << 20 || (self.m + self.n) * self.k >= 1 << 16
    }
}

/// Panics unless the lengths fit; false if nothing is left to multiply: then C is done.
#[track_caller]
pub(crate) fn checked(
    name: &str,
    layout: Layout,
    [m, n, k]: [usize; 3],
    [a, b]: [usize; 2],
    c: &mut [f32],
    init: Init,
) -> bool {
    assert_eq!(a, area(m, k), "{name} {layout:?}: a has {a} elements, m·k = {m}·{k}");
    assert_eq!(b, area(k, n), "{name} {layout:?}: b has {b} elements, k·n = {k}·{n}");
    assert_eq!(c.len(), area(m, n), "{name} {layout:?}: c has {} elements, m·n = {m}·{n}", c.len());
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
