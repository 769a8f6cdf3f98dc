//! The same numbers in another order or shape.

use super::unary::{on_one, put, unary};
use crate::{Buf, Shape, Tensor, record};
use motamot_kernels::{Grad, elementwise as k};

/// y = x, the same values in the same order in another shape of as many elements. Shares the memory.
/// Shapes: any → `shape`.  Saves nothing.  Backward: dx = dy.  Panics if the counts differ.  Same as torch.reshape.
#[track_caller]
pub fn reshape(x: &Tensor, shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    assert_eq!(x.len(), shape.count(), "reshape: {} does not fill {shape}", x.shape());
    record("reshape", x.data.clone(), shape, [x], on_one(k::copy_grad))
}

/// y = xᵀ for each matrix of a batch: the last two axes change places.
/// Shapes: (.., M, N) → (.., N, M).  Saves nothing.  Backward: dx = dyᵀ.
/// Panics if there are no two axes.  Same as x.transpose(-1, -2) in torch, but the values move.
#[track_caller]
pub fn transpose(x: &Tensor) -> Tensor {
    let shape = x.shape();
    let r = shape.len();
    assert!(r >= 2, "transpose: {shape} has no two axes to change");
    let (m, n) = (shape[r - 2], shape[r - 1]);
    let mut axes = shape.to_vec();
    axes.swap(r - 2, r - 1);
    let turn = move |x: &[f32], m: usize, n: usize, y: &mut [f32]| {
        if m * n > 0 {
            let matrices = x.chunks_exact(m * n).zip(y.chunks_exact_mut(m * n));
            matrices.for_each(|(x, y)| k::transpose_2d(x, m, n, y));
        }
    };
    let forward = |y: &mut [f32]| turn(x.data(), m, n, y);
    unary("transpose", x, &axes[..], forward, move |dy, dx| put(dx, |dx| turn(dy, n, m, dx)))
}

/// (A, B, C, D) → (A, C, B, D): what splits heads, (B, T, H, D) → (B, H, T, D), and joins them again.
/// Saves nothing.  Backward: the same exchange.  Panics if the rank is not 4.  Same as x.transpose(1, 2) in torch.
#[track_caller]
pub fn swap_axes_12(x: &Tensor) -> Tensor {
    let &[a, b, c, d] = &x.shape()[..] else { panic!("swap_axes_12: {} is not of rank 4", x.shape()) };
    let forward = |y: &mut [f32]| swap(x.data(), [a, b, c, d], y);
    unary("swap_axes_12", x, [a, c, b, d], forward, move |dy, dx| put(dx, |dx| swap(dy, [a, c, b, d], dx)))
}

fn swap(x: &[f32], [a, b, c, d]: [usize; 4], y: &mut [f32]) {
    for i in 0..a * b * c {
        let (ia, ib, ic) = (i / (b * c), i / c % b, i % c);
        y[((ia * c + ic) * b + ib) * d..][..d].copy_from_slice(&x[i * d..][..d]);
    }
}

/// How a tensor falls apart along `axis`: (blocks before it, its length, elements after it).
#[track_caller]
fn around(op: &str, shape: Shape, axis: usize) -> (usize, usize, usize) {
    assert!(axis < shape.len(), "{op}: {shape} has no axis {axis}");
    (shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product())
}

/// The part `start .. start + len` of one axis.
/// Shapes: (.., A, ..) → (.., len, ..).  Saves nothing.  Backward: dx is dy there and 0 elsewhere.
/// Panics if there is no such axis or no such part.  Same as torch.narrow.
#[track_caller]
pub fn slice(x: &Tensor, axis: usize, start: usize, len: usize) -> Tensor {
    let (outer, whole, inner) = around("slice", x.shape(), axis);
    assert!(start + len <= whole, "slice: {start}..{} of axis {axis} of {}", start + len, x.shape());
    let mut axes = x.shape().to_vec();
    axes[axis] = len;
    let (piece, row) = (len * inner, whole * inner);
    let part = move |o: usize| o * row + start * inner..o * row + (start + len) * inner;
    let forward = |y: &mut [f32]| (0..outer).for_each(|o| y[o * piece..][..piece].copy_from_slice(&x.data()[part(o)]));
    unary("slice", x, &axes[..], forward, move |dy, dx| {
        let dx = dx.add();
        (0..outer).for_each(|o| k::add_assign(&mut dx[part(o)], &dy[o * piece..][..piece]));
    })
}

/// a and b one after the other along `axis`.
/// Shapes: (.., A, ..), (.., B, ..) → (.., A + B, ..).  Saves nothing.  Backward: each gets its part of dy.
/// Panics if another axis differs.  Same as torch.cat([a, b], axis).
#[track_caller]
pub fn concat(a: &Tensor, b: &Tensor, axis: usize) -> Tensor {
    let (outer, la, inner) = around("concat", a.shape(), axis);
    let (_, lb, _) = around("concat", b.shape(), axis);
    let fits = a.shape().len() == b.shape().len()
        && a.shape().iter().zip(b.shape().iter()).enumerate().all(|(i, (x, y))| i == axis || x == y);
    assert!(fits, "concat: {} and {} differ in more than axis {axis}", a.shape(), b.shape());
    let (pa, pb) = (la * inner, lb * inner);
    let mut y = Buf::stale(outer * (pa + pb));
    for o in 0..outer {
        let row = &mut y[o * (pa + pb)..][..pa + pb];
        row[..pa].copy_from_slice(&a.data()[o * pa..][..pa]);
        row[pa..].copy_from_slice(&b.data()[o * pb..][..pb]);
    }
    let mut axes = a.shape().to_vec();
    axes[axis] = la + lb;
    record("concat", y, &axes[..], [a, b], move |dy, [mut da, mut db]| {
        for o in 0..outer {
            let row = &dy[o * (pa + pb)..][..pa + pb];
            for (g, part) in [(&mut da, &row[..pa]), (&mut db, &row[pa..])] {
                if let Some(Grad { data, accumulate }) = g {
                    let data = &mut data[o * part.len()..][..part.len()];
                    k::copy_grad(part, Grad { data, accumulate: *accumulate });
                }
            }
        }
    })
}
