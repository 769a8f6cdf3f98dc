//! The multi-layer perceptron of a block.

use crate::nn::{Linear, Pass, modules};
use motamot_kernels::rng::Rng;
use motamot_tensor::Tensor;
use motamot_tensor::ops::{self, Activation};

/// One MLP: C → F → C.
pub struct Mlp {
    /// C → F.
    pub c_fc: Linear,
    /// C → F, SwiGLU's gate.
    pub c_gate: Option<Linear>,
    /// F → C.
    pub c_proj: Linear,
    /// Between.
    pub activation: Activation,
}
modules!(Mlp { c_fc, c_gate, c_proj });

impl Mlp {
    /// A fresh one, of `width` C and `hidden` F, with weights from N(0, std.0²), and N(0, std.1²) in the last projection.
    pub fn new(width: usize, hidden: usize, activation: Activation, bias: bool, std: (f32, f32), rng: &mut Rng) -> Mlp {
        let gated = activation == Activation::Swiglu;
        Mlp {
            c_fc: Linear::new(width, hidden, bias, std.0, rng),
            c_gate: gated.then(|| Linear::new(width, hidden, bias, std.0, rng)),
            c_proj: Linear::new(hidden, width, bias, std.1, rng),
            activation,
        }
    }

    /// (.., C) → (.., C).
    #[track_caller]
    pub fn forward(&self, x: &Tensor, pass: &mut Pass) -> Tensor {
        let up = self.c_fc.forward(x, pass);
        let h = match (self.activation, &self.c_gate) {
            (Activation::Gelu, None) => ops::gelu(&up),
            (Activation::GeluTanh, None) => ops::gelu_tanh(&up),
            (Activation::Relu, None) => ops::relu(&up),
            (Activation::Swiglu, Some(gate)) => ops::swiglu(&gate.forward(x, pass), &up),
            (f, gate) => panic!("mlp: {f:?} {} a gate", if gate.is_some() { "with" } else { "without" }),
        };
        self.c_proj.forward(&h, pass)
    }
}
