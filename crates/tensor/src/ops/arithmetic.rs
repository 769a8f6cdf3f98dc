//! Sums, differences and products of tensors.

use super::unary::unary;
use crate::{Buf, Tensor, record};
use motamot_kernels::elementwise as k;

/// y = a + b.
/// Shapes: a (..), b: a's shape, or its last axes (a bias, a table of positions) → a's.  Saves nothing.
/// Backward: da = dy, db = dy, summed over the axes that b lacks.
/// Panics if b's shape is neither.  Same as torch.add, but for axes of length 1, which do not stretch here.
#[track_caller]
pub fn add(a: &Tensor, b: &Tensor) -> Tensor {
    let (sa, sb) = (a.shape(), b.shape());
    assert!(sa.ends_with(&sb), "add: a {sa} + b {sb}: b is neither of a's shape nor of its last axes");
    let repeated = a.len() > b.len();
    let mut y = Buf::stale(a.len());
    if repeated {
        k::add_rows(a.data(), b.data(), &mut y)
    } else {
        k::add(a.data(), b.data(), &mut y)
    }
    let cols = b.len();
    record("add", y, a.shape(), [a, b], move |dy, [da, db]| {
        if let Some(da) = da {
            k::copy_grad(dy, da);
        }
        if let Some(db) = db {
            if repeated { k::sum_rows(dy, cols, db) } else { k::copy_grad(dy, db) }
        }
    })
}

/// y = a − b.
/// Shapes: a, b: the same, any → the same.  Saves nothing.  Backward: da = dy, db = −dy.
/// Panics if the shapes differ.  Same as torch.sub.
#[track_caller]
pub fn sub(a: &Tensor, b: &Tensor) -> Tensor {
    assert_eq!(a.shape(), b.shape(), "sub: a {} and b {}: shapes differ", a.shape(), b.shape());
    let mut y = Buf::stale(a.len());
    k::sub(a.data(), b.data(), &mut y);
    record("sub", y, a.shape(), [a, b], move |dy, [da, db]| {
        if let Some(da) = da {
            k::copy_grad(dy, da);
        }
        if let Some(db) = db {
            k::scale_grad(dy, -1.0, db);
        }
    })
}

/// y = a ⊙ b, element by element.
/// Shapes: a, b: the same, any → the same.  Saves: a, b.  Backward: da = dy ⊙ b, db = dy ⊙ a.
/// Panics if the shapes differ.  Same as torch.mul.
#[track_caller]
pub fn mul(a: &Tensor, b: &Tensor) -> Tensor {
    assert_eq!(a.shape(), b.shape(), "mul: a {} and b {}: shapes differ", a.shape(), b.shape());
    let mut y = Buf::stale(a.len());
    k::mul(a.data(), b.data(), &mut y);
    let saved = (a.data.clone(), b.data.clone());
    record("mul", y, a.shape(), [a, b], move |dy, [da, db]| {
        if let Some(da) = da {
            k::mul_grad(dy, &saved.1, da);
        }
        if let Some(db) = db {
            k::mul_grad(dy, &saved.0, db);
        }
    })
}

/// y = s·x.
/// Shapes: any → the same.  Saves: s.  Backward: dx = s·dy.
pub fn scale(x: &Tensor, s: f32) -> Tensor {
    unary("scale", x, x.shape(), |y| k::scale(x.data(), s, y), move |dy, dx| k::scale_grad(dy, s, dx))
}

impl std::ops::Add<&Tensor> for &Tensor {
    type Output = Tensor;
    /// [`add`].
    #[track_caller]
    fn add(self, b: &Tensor) -> Tensor {
        add(self, b)
    }
}
