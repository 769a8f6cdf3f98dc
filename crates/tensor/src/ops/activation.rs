//! Element-wise functions of one tensor, and SwiGLU.

use super::unary::{from_input, from_output};
use crate::{Buf, Tensor, record};
use motamot_kernels::{activation as k, elementwise};

/// y = x·Φ(x) = x·½(1 + erf(x/√2)), GELU in its exact form.
/// Shapes: any → the same.  Saves: x.  Backward: dx = dy·(Φ(x) + x·φ(x)), φ the normal density.
/// Same as torch.nn.functional.gelu.  Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
pub fn gelu(x: &Tensor) -> Tensor {
    from_input("gelu", x, k::gelu, k::gelu_backward)
}

/// y = ½x(1 + t),  t = tanh(u),  u = √(2/π)(x + 0.044715x³): GELU as GPT-2 computes it.
/// Shapes: any → the same.  Saves: x.  Backward: dx = dy·(½(1 + t) + ½x(1 − t²)·u′),  u′ = √(2/π)(1 + 0.134145x²).
/// Same as torch.nn.functional.gelu(approximate="tanh").  Source: Hendrycks and Gimpel 2016, arXiv:1606.08415.
pub fn gelu_tanh(x: &Tensor) -> Tensor {
    from_input("gelu_tanh", x, k::gelu_tanh, k::gelu_tanh_backward)
}

/// y = max(x, 0).
/// Shapes: any → the same.  Saves: x.  Backward: dx = dy where x > 0, else 0.  Same as torch.relu.
pub fn relu(x: &Tensor) -> Tensor {
    from_input("relu", x, k::relu, k::relu_backward)
}

/// y = x·σ(x), also called swish.
/// Shapes: any → the same.  Saves: x.  Backward: dx = dy·σ(x)(1 + x(1 − σ(x))).
/// Same as torch.nn.functional.silu.  Source: Elfwing et al. 2017, arXiv:1702.03118.
pub fn silu(x: &Tensor) -> Tensor {
    from_input("silu", x, k::silu, k::silu_backward)
}

/// y = ln σ(x) = −ln(1 + e^(−x)), without overflow.
/// Shapes: any → the same.  Saves: x.  Backward: dx = dy·σ(−x).  Same as torch.nn.functional.logsigmoid.
pub fn log_sigmoid(x: &Tensor) -> Tensor {
    from_input("log_sigmoid", x, k::log_sigmoid, k::log_sigmoid_backward)
}

/// y = σ(x) = 1/(1 + e^(−x)).
/// Shapes: any → the same.  Saves: y.  Backward: dx = dy·y(1 − y).  Same as torch.sigmoid.
pub fn sigmoid(x: &Tensor) -> Tensor {
    from_output("sigmoid", x, k::sigmoid, k::sigmoid_backward)
}

/// y = tanh(x).
/// Shapes: any → the same.  Saves: y.  Backward: dx = dy·(1 − y²).  Same as torch.tanh.
pub fn tanh(x: &Tensor) -> Tensor {
    from_output("tanh", x, k::tanh, k::tanh_backward)
}

/// y = eˣ.
/// Shapes: any → the same.  Saves: y.  Backward: dx = dy·y.  Same as torch.exp.
pub fn exp(x: &Tensor) -> Tensor {
    from_output("exp", x, k::exp, elementwise::mul_grad)
}

/// y = ln x.
/// Shapes: any → the same.  Saves: x.  Backward: dx = dy/x.  Same as torch.log.
pub fn ln(x: &Tensor) -> Tensor {
    from_input("ln", x, k::ln, |x, dy, dx| {
        let mut inverse = Buf::stale(x.len());
        inverse.iter_mut().zip(x).for_each(|(r, x)| *r = 1.0 / x);
        elementwise::mul_grad(dy, &inverse, dx);
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
