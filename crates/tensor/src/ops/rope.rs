//! Rotary positions.

use super::unary::{put, unary};
use crate::Tensor;
use motamot_kernels::rope as k;

/// Turns each pair (x_i, x_{i+D/2}) of the first `heads` heads of a row by the angle position·θ^(−2i/D).
/// Shapes: x (.., W) with W ≥ heads·head_dim; the rest of the row passes unchanged (the values of a packed q, k, v).
/// `positions`: one per row.  Saves: positions.
/// Backward: the same with the angle negated, a rotation being orthogonal.
/// Panics if the head dim D is odd, the heads do not fit in a row, or there is not one position per row.
/// Half-split pairs, as Llama's files have them.  Source: Su et al. 2021, arXiv:2104.09864.
#[track_caller]
pub fn rope(x: &Tensor, heads: usize, head_dim: usize, positions: &[u32], theta: f32) -> Tensor {
    let (rows, width) = (x.shape().rows(), x.shape().last_axis());
    assert!(head_dim.is_multiple_of(2), "rope: head dim {head_dim} is odd");
    assert!(heads * head_dim <= width, "rope: {heads} heads of {head_dim} do not fit in x {}", x.shape());
    assert_eq!(positions.len(), rows, "rope: {} positions for x {}", positions.len(), x.shape());
    let saved = positions.to_vec();
    let turn = move |from: &[f32], positions: &[u32], back: bool, to: &mut [f32]| {
        to.copy_from_slice(from);
        k::rope(to, width, heads, head_dim, positions, theta, back);
    };
    let forward = |y: &mut [f32]| turn(x.data(), positions, false, y);
    unary("rope", x, x.shape(), forward, move |dy, dx| put(dx, |dx| turn(dy, &saved, true, dx)))
}
