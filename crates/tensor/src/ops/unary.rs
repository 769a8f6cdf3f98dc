//! What ops of one tensor have in common: a buffer for the result, a record with one input, and what they save.

use crate::{Buf, Shape, Tensor, record};
use motamot_kernels::{Grad, elementwise};
use std::sync::Arc;

/// y, of `shape`, is what `forward(y)` writes; `backward(dy, dx)` gives its gradient.
#[track_caller]
pub(super) fn unary(
    name: &'static str,
    x: &Tensor,
    shape: impl Into<Shape>,
    forward: impl FnOnce(&mut [f32]),
    backward: impl FnOnce(&[f32], Grad) + 'static,
) -> Tensor {
    let shape = shape.into();
    let mut y = Buf::stale(shape.count());
    forward(&mut y);
    record(name, y, shape, [x], on_one(backward))
}

/// y, of the shape of x, is what `forward(x, y)` writes; `backward(x, dy, dx)` needs x.
pub(super) fn from_input(
    name: &'static str,
    x: &Tensor,
    forward: impl FnOnce(&[f32], &mut [f32]),
    backward: impl FnOnce(&[f32], &[f32], Grad) + 'static,
) -> Tensor {
    let saved = x.data.clone();
    unary(name, x, x.shape(), |y| forward(x.data(), y), move |dy, dx| backward(&saved, dy, dx))
}

/// y, of the shape of x, is what `forward(x, y)` writes; `backward(y, dy, dx)` needs y.
pub(super) fn from_output(
    name: &'static str,
    x: &Tensor,
    forward: impl FnOnce(&[f32], &mut [f32]),
    backward: impl FnOnce(&[f32], &[f32], Grad) + 'static,
) -> Tensor {
    let mut y = Buf::stale(x.len());
    forward(x.data(), &mut y);
    let y = Arc::new(y);
    let saved = y.clone();
    record(name, y, x.shape(), [x], on_one(move |dy, dx| backward(&saved, dy, dx)))
}

/// A backward of one input as [`record`] takes it.
pub(super) fn on_one(backward: impl FnOnce(&[f32], Grad)) -> impl FnOnce(&[f32], [Option<Grad>; 1]) {
    |dy, [dx]| {
        if let Some(dx) = dx {
            backward(dy, dx);
        }
    }
}

/// dst = or += what `f` writes.
pub(super) fn put(dst: Grad, f: impl FnOnce(&mut [f32])) {
    if !dst.accumulate {
        return f(dst.data);
    }
    let mut share = Buf::stale(dst.data.len());
    f(&mut share);
    elementwise::add_assign(dst.data, &share);
}
