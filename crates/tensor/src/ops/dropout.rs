//! Dropout, and dropout with the residual connection behind it.

use super::unary::unary;
use crate::{Buf, Tensor, record};
use motamot_kernels::elementwise as k;

/// y = x ⊙ keep/(1 − p), where each element of `keep` is 1 with probability 1 − p, else 0.
/// Shapes: any → the same.  Saves: key.  Backward: dx = dy ⊙ keep/(1 − p), with `keep` drawn again.
/// `key` = (seed, stream): the same key gives the same mask (Philox4x32-10), whatever the number of threads.
/// Panics if p is not in [0, 1).  In training the same as torch.nn.functional.dropout, with other random numbers.
/// Source: Srivastava et al. 2014, JMLR 15.
#[track_caller]
pub fn dropout(x: &Tensor, p: f32, key: (u64, u64)) -> Tensor {
    assert!((0.0..1.0).contains(&p), "dropout: p = {p} is not in [0, 1)");
    if p == 0.0 {
        return x.clone();
    }
    unary("dropout", x, x.shape(), |y| k::dropout(x.data(), p, key, y), move |dy, dx| k::dropout_grad(dy, p, key, dx))
}

/// y = residual + dropout(x), as every sub-layer of a Transformer ends, in one pass.
/// Shapes: x, residual: the same, any → the same.  Saves: key.  Backward: d_residual = dy, dx = dy ⊙ keep/(1 − p).
/// Panics if the shapes differ or p is not in [0, 1).  The same bits as `add` of [`dropout`].
#[track_caller]
pub fn dropout_add(x: &Tensor, residual: &Tensor, p: f32, key: (u64, u64)) -> Tensor {
    let (sx, sr) = (x.shape(), residual.shape());
    assert!((0.0..1.0).contains(&p), "dropout_add: p = {p} is not in [0, 1)");
    assert_eq!(sx, sr, "dropout_add: x {sx} and residual {sr}: shapes differ");
    let mut y = Buf::stale(x.len());
    k::dropout_add(x.data(), residual.data(), p, key, &mut y);
    record("dropout_add", y, sx, [x, residual], move |dy, [dx, d_residual]| {
        if let Some(dx) = dx {
            k::dropout_grad(dy, p, key, dx);
        }
        if let Some(d_residual) = d_residual {
            k::copy_grad(dy, d_residual);
        }
    })
}
