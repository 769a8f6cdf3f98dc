//! Matrix products of f32: C = A·B, with either factor stored transposed.
//!
//! Every element of C is one chain of fused multiply-adds over k, in order, from its starting value: the same bits
//! whatever the instruction set, the blocking and the number of threads.

use crate::isa::vectorise;
use crate::parallel;

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
    assert_eq!(a.len(), m * k, "gemm {layout:?}: a has {} elements, m·k = {m}·{k}", a.len());
    assert_eq!(b.len(), k * n, "gemm {layout:?}: b has {} elements, k·n = {k}·{n}", b.len());
    assert_eq!(c.len(), m * n, "gemm {layout:?}: c has {} elements, m·n = {m}·{n}", c.len());
    if let Init::Bias(bias) = init {
        assert_eq!(bias.len(), n, "gemm {layout:?}: bias has {} elements, n = {n}", bias.len());
    }
    if m == 0 || n == 0 {
        return;
    }
    let transposed: Vec<f32>;
    let b = if layout == Layout::NT {
        transposed = (0..k * n).map(|i| b[i % n * k + i / n]).collect();
        &transposed
    } else {
        b
    };
    let (row_stride, k_stride) = if layout == Layout::TN { (1, m) } else { (k, 1) };
    parallel::chunks_mut(c, n * m.div_ceil(64), |chunk, c| {
        for (i, c) in c.chunks_exact_mut(n).enumerate() {
            match init {
                Init::Zero => c.fill(0.0),
                Init::Accumulate => (),
                Init::Bias(bias) => c.copy_from_slice(bias),
            }
            if k > 0 {
                row(c, k, &a[(chunk * m.div_ceil(64) + i) * row_stride..], k_stride, b);
            }
        }
    });
}

vectorise! {
    /// c (n) += a (k, strided) · b (k×n)
    fn row(c: &mut [f32], k: usize, a: &[f32], a_stride: usize, b: &[f32]) {
        let n = c.len();
        for p in 0..k {
            let a = a[p * a_stride];
            for (c, b) in c.iter_mut().zip(&b[p * n..][..n]) {
                *c = a.mul_add(*b, *c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa;

    fn numbers(len: usize, seed: u32) -> Vec<f32> {
        (0..len as u32)
            .map(|i| (i.wrapping_add(seed).wrapping_mul(2654435761) >> 8) as f32 / (1 << 23) as f32 - 1.0)
            .collect()
    }

    #[test]
    fn one_sequential_chain_per_element() {
        for (m, n, k) in [(0, 3, 2), (2, 0, 3), (3, 2, 0), (1, 1, 1), (5, 7, 9), (70, 33, 20)] {
            let (a, b, bias, old) = (numbers(m * k, 1), numbers(k * n, 2), numbers(n, 3), numbers(m * n, 4));
            for layout in [Layout::NN, Layout::NT, Layout::TN] {
                for init in [Init::Zero, Init::Accumulate, Init::Bias(&bias)] {
                    let mut expected = old.clone();
                    for i in 0..m {
                        for j in 0..n {
                            let mut sum = match init {
                                Init::Zero => 0.0,
                                Init::Accumulate => old[i * n + j],
                                Init::Bias(bias) => bias[j],
                            };
                            for p in 0..k {
                                let x = if layout == Layout::TN { a[p * m + i] } else { a[i * k + p] };
                                let y = if layout == Layout::NT { b[j * k + p] } else { b[p * n + j] };
                                sum = x.mul_add(y, sum);
                            }
                            expected[i * n + j] = sum;
                        }
                    }
                    for isa in isa::available() {
                        let mut c = old.clone();
                        isa::with(isa, || gemm(layout, m, n, k, &a, &b, &mut c, init));
                        assert_eq!(c, expected, "{layout:?} {init:?} {m}×{n}×{k} {isa}");
                    }
                }
            }
        }
    }
}
