//! Sums and means.

use super::unary::unary;
use crate::Tensor;
use motamot_kernels::{Grad, elementwise as k};

/// Each element gets the gradient of its group: dst[i] = or += dy[i / group].
fn spread(dy: &[f32], group: usize, dst: Grad) {
    for (dy, chunk) in dy.iter().zip(dst.data.chunks_exact_mut(group.max(1))) {
        chunk.iter_mut().for_each(|d| *d = if dst.accumulate { *d + dy } else { *dy });
    }
}

/// y = Σ x, over all elements.
/// Shapes: any → ().  Saves nothing.  Backward: dx = dy everywhere.  Same as torch.sum.
pub fn sum(x: &Tensor) -> Tensor {
    let n = x.len();
    unary("sum", x, [], |y| y[0] = k::sum(x.data()), move |dy, dx| spread(dy, n, dx))
}

/// y = Σ x / n, over all n elements.
/// Shapes: any → ().  Saves nothing.  Backward: dx = dy/n everywhere.  Panics if n = 0.  Same as torch.mean.
#[track_caller]
pub fn mean(x: &Tensor) -> Tensor {
    assert!(!x.is_empty(), "mean: of no elements");
    super::scale(&sum(x), 1.0 / x.len() as f32)
}

/// y_i = Σ_j x_ij: the sum over the last axis.
/// Shapes: (.., C) → (..).  Saves nothing.  Backward: dx_ij = dy_i.
/// Panics for a tensor of rank 0.  Same as x.sum(-1) in torch.
#[track_caller]
pub fn sum_rows(x: &Tensor) -> Tensor {
    let (shape, c) = (x.shape(), x.shape().last_axis());
    assert!(!shape.is_empty(), "sum_rows: a tensor of rank 0 has no rows");
    let forward = |y: &mut [f32]| match c {
        0 => y.fill(0.0),
        _ => y.iter_mut().zip(x.data().chunks_exact(c)).for_each(|(y, row)| *y = k::sum(row)),
    };
    unary("sum_rows", x, &shape[..shape.len() - 1], forward, move |dy, dx| spread(dy, c, dx))
}
