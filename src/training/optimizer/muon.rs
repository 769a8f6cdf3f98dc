//! Muon: the matrices inside the blocks take steps in which all directions are equally long; the rest goes by AdamW.

use super::{AdamW, Optimizer, Step};
use crate::nn::Param;
use motamot_kernels::gemm::{Init, Layout, gemm};
use motamot_tensor::Buf;

/// M ← μM + g; O = orthogonal(g + μM); w ← w·(1 − lr·decay) − lr·0.2·√max(I, O)·O.
///
/// The factor gives a step the root mean square that one of AdamW has, so that both go by one learning rate. Embeddings,
/// the head, biases and norms go by AdamW.
/// Remembers M, or AdamW's m and v.
/// Source: Jordan et al. 2024, kellerjordan.github.io/posts/muon; the factor: Liu et al. 2025, arXiv:2502.16982.
#[derive(Clone, Copy, Debug)]
pub struct Muon {
    /// μ, decay of the sum of the gradients.
    pub momentum: f32,
    /// For the rest; its weight decay is that of the matrices, too.
    pub adamw: AdamW,
}

impl Optimizer for Muon {
    fn memory(&self, path: &str, p: &Param) -> &'static [&'static str] {
        if is_hidden(path, p) { &["momentum"] } else { self.adamw.memory(path, p) }
    }

    fn update(&self, path: &str, p: &mut Param, gradient: &[f32], memory: &mut [Buf], step: &Step) {
        if !is_hidden(path, p) {
            return self.adamw.update(path, p, gradient, memory, step);
        }
        let ([inputs, outputs], momentum) = ([p.shape()[0], p.shape()[1]], &mut memory[0]);
        let mut direction = Buf::stale(gradient.len());
        for ((d, m), g) in direction.iter_mut().zip(momentum.iter_mut()).zip(gradient) {
            let g = g * step.clip;
            *m = self.momentum * *m + g;
            *d = self.momentum * *m + g;
        }
        orthogonalise(&mut direction, inputs, outputs);
        let rate = step.lr * 0.2 * (inputs.max(outputs) as f32).sqrt();
        let shrink = 1.0 - step.lr * self.adamw.weight_decay;
        p.update(|w| w.iter_mut().zip(direction.iter()).for_each(|(w, d)| *w = *w * shrink - rate * d));
    }
}

/// A matrix of a block: what rows of activations are multiplied by, inside.
fn is_hidden(path: &str, p: &Param) -> bool {
    path.starts_with("h.") && p.shape().len() == 2
}

/// x (rows, cols) becomes about U·Vᵀ of its singular value decomposition U·S·Vᵀ: singular values between 0.7 and 1.2.
///
/// Newton–Schulz: x ← ax + (bA + cA²)x with A = x·xᵀ, five times, from x over its Frobenius norm. The polynomial
/// as + bs³ + cs⁵ takes every singular value s in (0, 1] towards 1; a is as large as that allows.
fn orthogonalise(x: &mut [f32], rows: usize, cols: usize) {
    const A: f32 = 3.4445;
    const B: f32 = -4.7750;
    const C: f32 = 2.0315;
    // The smaller side makes the smaller A: xᵀ has the same polynomial.
    let n = rows.min(cols);
    let norm = motamot_kernels::elementwise::sum_squares(x).sqrt() as f32;
    x.iter_mut().for_each(|x| *x /= norm + 1e-7);
    let (mut gram, mut poly, mut next) = (Buf::stale(n * n), Buf::stale(n * n), Buf::stale(x.len()));
    for _ in 0..5 {
        let layout = if rows <= cols { Layout::NT } else { Layout::TN };
        gemm(layout, n, n, rows.max(cols), x, x, &mut gram, Init::Zero);
        gemm(Layout::NN, n, n, n, &gram, &gram, &mut poly, Init::Zero);
        poly.iter_mut().zip(gram.iter()).for_each(|(p, g)| *p = B * g + C * *p);
        if rows <= cols {
            gemm(Layout::NN, rows, cols, n, &poly, x, &mut next, Init::Zero);
        } else {
            gemm(Layout::NN, rows, cols, n, x, &poly, &mut next, Init::Zero);
        }
        x.iter_mut().zip(next.iter()).for_each(|(x, n)| *x = A * *x + n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motamot_kernels::rng::{Rng, fill_normal};

    #[test]
    fn a_matrix_becomes_nearly_orthogonal_and_keeps_its_directions() {
        for (rows, cols) in [(6, 6), (4, 10), (10, 4)] {
            // U·S·Vᵀ of known S from a random matrix: xᵀx and oᵀo have the same eigenvectors, so oᵀ·o·xᵀ·x = xᵀ·x·oᵀ·o.
            let mut x = vec![0.0; rows * cols];
            fill_normal(&mut Rng::new(1), 0.0, 1.0, &mut x);
            let mut o = x.clone();
            orthogonalise(&mut o, rows, cols);
            let n = rows.min(cols);
            let square = |a: &[f32], b: &[f32]| {
                let layout = if rows <= cols { Layout::NT } else { Layout::TN };
                let mut c = vec![0.0; n * n];
                gemm(layout, n, n, rows.max(cols), a, b, &mut c, Init::Zero);
                c
            };
            let (xx, oo, xo) = (square(&x, &x), square(&o, &o), square(&x, &o));
            let trace = |m: &[f32]| (0..n).map(|i| m[i * n + i]).sum::<f32>();
            // The mean of the squared singular values, and x·oᵀ symmetric and positive: the same directions.
            assert!((trace(&oo) / n as f32 - 1.0).abs() < 0.45, "{rows}×{cols}: {}", trace(&oo) / n as f32);
            assert!(trace(&xo) > 0.6 * trace(&xx).sqrt());
            for i in 0..n {
                for j in 0..n {
                    assert!((xo[i * n + j] - xo[j * n + i]).abs() < 1e-3, "{rows}×{cols}: not symmetric at {i}, {j}");
                }
            }
        }
    }
}
