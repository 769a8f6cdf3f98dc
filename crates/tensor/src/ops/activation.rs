//! Element-wise functions of one tensor, and SwiGLU.

use crate::{Buf, Tensor, record};
use motamot_kernels::{activation as k, elementwise};
use std::sync::Arc;

/// An op y = f(x), element by element, whose backward needs x.
macro_rules! from_input {
    ($(#[$doc:meta])* $name:ident, $forward:path, $backward:path) => {
        $(#[$doc])*
        pub fn $name(x: &Tensor) -> Tensor {
            let mut y = Buf::stale(x.len());
            $forward(x.data(), &mut y);
            let saved = x.data.clone();
            record(stringify!($name), y, x.shape(), [x], move |dy, [dx]| {
                if let Some(dx) = dx {
                    $backward(&saved, dy, dx);
                }
            })
        }
    };
}

/// An op y = f(x), element by element, whose backward needs y.
macro_rules! from_output {
    ($(#[$doc:meta])* $name:ident, $forward:path, $backward:path) => {
        $(#[$doc])*
        pub fn $name(x: &Tensor) -> Tensor {
            let mut y = Buf::stale(x.len());
            $forward(x.data(), &mut y);
            let y = Arc::new(y);
            let saved = y.clone();
            record(stringify!($name), y, x.shape(), [x], move |dy, [dx]| {
                if let Some(dx) = dx {
                    $backward(&saved, dy, dx);
                }
            })
        }
    };
}

from_input! {
    /// y = x·Φ(x) = x·½(1 + erf(x/√2)), GELU in its exact form.
    /// Shapes: any → the same.  Saves: x.  Backward: dx = dy·(Φ(x) + x·φ(x)), φ the normal density.
    /// Same as torch.nn.functional.gelu.  Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
    gelu, k::gelu, k::gelu_backward
}

from_input! {
    /// y = ½x(1 + t),  t = tanh(u),  u = √(2/π)(x + 0.044715x³): GELU as GPT-2 computes it.
    /// Shapes: any → the same.  Saves: x.  Backward: dx = dy·(½(1 + t) + ½x(1 − t²)·u′),  u′ = √(2/π)(1 + 0.134145x²).
    /// Same as torch.nn.functional.gelu(approximate="tanh").  Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
    gelu_tanh, k::gelu_tanh, k::gelu_tanh_backward
}

from_input! {
    /// y = max(x, 0).
    /// Shapes: any → the same.  Saves: x.  Backward: dx = dy where x > 0, else 0.  Same as torch.relu.
    relu, k::relu, k::relu_backward
}

from_input! {
    /// y = x·σ(x), also called swish.
    /// Shapes: any → the same.  Saves: x.  Backward: dx = dy·σ(x)(1 + x(1 − σ(x))).
    /// Same as torch.nn.functional.silu.  Source: Elfwing et al. 2017, arXiv:1702.03118.
    silu, k::silu, k::silu_backward
}

from_input! {
    /// y = ln σ(x) = −ln(1 + e^(−x)), without overflow.
    /// Shapes: any → the same.  Saves: x.  Backward: dx = dy·σ(−x).  Same as torch.nn.functional.logsigmoid.
    log_sigmoid, k::log_sigmoid, k::log_sigmoid_backward
}

from_output! {
    /// y = σ(x) = 1/(1 + e^(−x)).
    /// Shapes: any → the same.  Saves: y.  Backward: dx = dy·y(1 − y).  Same as torch.sigmoid.
    sigmoid, k::sigmoid, k::sigmoid_backward
}

from_output! {
    /// y = tanh(x).
    /// Shapes: any → the same.  Saves: y.  Backward: dx = dy·(1 − y²).  Same as torch.tanh.
    tanh, k::tanh, k::tanh_backward
}

from_output! {
    /// y = eˣ.
    /// Shapes: any → the same.  Saves: y.  Backward: dx = dy·y.  Same as torch.exp.
    exp, k::exp, elementwise::mul_grad
}

/// y = ln x.
/// Shapes: any → the same.  Saves: x.  Backward: dx = dy/x.  Same as torch.log.
pub fn ln(x: &Tensor) -> Tensor {
    let mut y = Buf::stale(x.len());
    k::ln(x.data(), &mut y);
    let saved = x.data.clone();
    record("ln", y, x.shape(), [x], move |dy, [dx]| {
        if let Some(dx) = dx {
            let mut inverse = Buf::stale(saved.len());
            inverse.iter_mut().zip(saved.iter()).for_each(|(r, x)| *r = 1.0 / x);
            elementwise::mul_grad(dy, &inverse, dx);
        }
    })
}

/// y = silu(gate) ⊙ up, the gated unit of Llama's MLP.
/// Shapes: gate, up: the same, any → the same.  Saves: gate, up.
/// Backward: d_up = dy ⊙ silu(gate), d_gate = dy ⊙ up ⊙ silu′(gate).
/// Panics if the shapes differ.  Source: Shazeer 2020, arXiv:2002.05202.
#[track_caller]
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Tensor {
    assert_eq!(gate.shape(), up.shape(), "swiglu: gate {} and up {}: shapes differ", gate.shape(), up.shape());
    let mut y = Buf::stale(gate.len());
    k::swiglu(gate.data(), up.data(), &mut y);
    let saved = (gate.data.clone(), up.data.clone());
    record("swiglu", y, gate.shape(), [gate, up], move |dy, [d_gate, d_up]| {
        k::swiglu_backward(&saved.0, &saved.1, dy, d_gate, d_up);
    })
}
