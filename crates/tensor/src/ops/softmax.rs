//! Softmax and its logarithm over the last axis.

use crate::{Buf, Tensor, record};
use motamot_kernels::softmax as k;
use std::sync::Arc;

/// y_j = e^(x_j) / Σ e^(x_i), with the row's maximum taken out first.
/// Shapes: (.., C) → (.., C).  Saves: y.  Backward: dx = y ⊙ (dy − Σ dy ⊙ y).  Same as torch.softmax(dim=-1).
pub fn softmax(x: &Tensor) -> Tensor {
    let cols = x.shape().last_axis();
    let mut y = Buf::stale(x.len());
    k::softmax(x.data(), cols, &mut y);
    let y = Arc::new(y);
    let saved = y.clone();
    record("softmax", y, x.shape(), [x], move |dy, [dx]| {
        if let Some(dx) = dx {
            k::softmax_backward(&saved, dy, cols, dx);
        }
    })
}

/// y_j = x_j − ln Σ e^(x_i).
/// Shapes: (.., C) → (.., C).  Saves: y.  Backward: dx = dy − e^y·Σ dy.  Same as torch.log_softmax(dim=-1).
pub fn log_softmax(x: &Tensor) -> Tensor {
    let cols = x.shape().last_axis();
    let mut y = Buf::stale(x.len());
    k::log_softmax(x.data(), cols, &mut y);
    let y = Arc::new(y);
    let saved = y.clone();
    record("log_softmax", y, x.shape(), [x], move |dy, [dx]| {
        if let Some(dx) = dx {
            k::log_softmax_backward(&saved, dy, cols, dx);
        }
    })
}
