//! Softmax and its logarithm over the last axis.

use super::unary::from_output;
use crate::Tensor;
use motamot_kernels::softmax as k;

/// y_j = e^(x_j) / Σ e^(x_i), with the row's maximum taken out first.
/// Shapes: (.., C) → (.., C).  Saves: y.  Backward: dx = y ⊙ (dy − Σ dy ⊙ y).  Same as torch.softmax(dim=-1).
pub fn softmax(x: &Tensor) -> Tensor {
    let cols = x.shape().last_axis();
    from_output("softmax", x, |x, y| k::softmax(x, cols, y), move |y, dy, dx| k::softmax_backward(y, dy, cols, dx))
}

/// y_j = x_j − ln Σ e^(x_i).
/// Shapes: (.., C) → (.., C).  Saves: y.  Backward: dx = dy − e^y·Σ dy.  Same as torch.log_softmax(dim=-1).
pub fn log_softmax(x: &Tensor) -> Tensor {
    let cols = x.shape().last_axis();
    from_output(
        "log_softmax",
        x,
        |x, y| k::log_softmax(x, cols, y),
        move |y, dy, dx| k::log_softmax_backward(y, dy, cols, dx),
    )
}
