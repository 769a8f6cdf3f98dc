//! The same numbers in another order or shape.

use super::arithmetic::put;
use crate::{Buf, Shape, Tensor, record};
use motamot_kernels::elementwise as k;

/// y = x, the same values in the same order in another shape of as many elements. Shares the memory.
/// Shapes: any → `shape`.  Saves nothing.  Backward: dx = dy.  Panics if the counts differ.  Same as torch.reshape.
#[track_caller]
pub fn reshape(x: &Tensor, shape: impl Into<Shape>) -> Tensor {
    let shape = shape.into();
    assert_eq!(x.len(), shape.count(), "reshape: {} does not fill {shape}", x.shape());
    record("reshape", x.data.clone(), shape, [x], |dy, [dx]| {
        if let Some(dx) = dx {
            k::copy_grad(dy, dx);
        }
    })
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
    let mut y = Buf::stale(x.len());
    each_matrix(x.data(), &mut y, m * n, |x, y| k::transpose_2d(x, m, n, y));
    record("transpose", y, &axes[..], [x], move |dy, [dx]| {
        let Some(dx) = dx else { return };
        let mut turned = Buf::stale(dy.len());
        each_matrix(dy, &mut turned, m * n, |dy, t| k::transpose_2d(dy, n, m, t));
        k::copy_grad(&turned, dx);
    })
}

fn each_matrix(x: &[f32], y: &mut [f32], size: usize, f: impl Fn(&[f32], &mut [f32])) {
    if size > 0 {
        x.chunks_exact(size).zip(y.chunks_exact_mut(size)).for_each(|(x, y)| f(x, y));
    }
}

/// (A, B, C, D) → (A, C, B, D): what splits heads, (B, T, H, D) → (B, H, T, D), and joins them again.
/// Saves nothing.  Backward: the same exchange.  Panics if the rank is not 4.  Same as x.transpose(1, 2) in torch.
#[track_caller]
pub fn swap_axes_12(x: &Tensor) -> Tensor {
    let &[a, b, c, d] = &x.shape()[..] else { panic!("swap_axes_12: {} is not of rank 4", x.shape()) };
    let mut y = Buf::stale(x.len());
    swap(x.data(), [a, b, c, d], &mut y);
    record("swap_axes_12", y, [a, c, b, d], [x], move |dy, [dx]| {
        let Some(dx) = dx else { return };
        let mut turned = Buf::stale(dy.len());
        swap(dy, [a, c, b, d], &mut turned);
        k::copy_grad(&turned, dx);
    })
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
    let mut y = Buf::stale(outer * len * inner);
    let (piece, row) = (len * inner, whole * inner);
    for o in 0..outer {
        y[o * piece..][..piece].copy_from_slice(&x.data()[o * row + start * inner..][..piece]);
    }
    record("slice", y, &axes[..], [x], move |dy, [dx]| {
        let Some(dx) = dx else { return };
        let dx = dx.add();
        for o in 0..outer {
            put(&dy[o * piece..][..piece], &mut dx[o * row + start * inner..][..piece], true);
        }
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
            if let Some(g) = &mut da {
                put(&row[..pa], &mut g.data[o * pa..][..pa], g.accumulate);
            }
            if let Some(g) = &mut db {
                put(&row[pa..], &mut g.data[o * pb..][..pb], g.accumulate);
            }
        }
    })
}
