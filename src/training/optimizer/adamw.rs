//! AdamW: a step of about the same length for every weight, whatever the size of its gradient.

use super::{Optimizer, Step, decay_of};
use crate::nn::Param;
use motamot_kernels::adamw as kernel;
use motamot_tensor::Buf;

/// m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w·(1 − lr·decay) − lr·m̂/(√v̂ + ε), m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).
/// Remembers m and v.  Same as torch.optim.AdamW.  Source: Loshchilov and Hutter 2017, arXiv:1711.05101.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// β₁, decay of the mean of the gradients.
    pub beta1: f32,
    /// β₂, decay of the mean of their squares.
    pub beta2: f32,
    /// ε, added to the root of the latter.
    pub eps: f32,
    /// Taken off the weights at each step, times the learning rate; of matrices only, not of biases and norms.
    pub weight_decay: f32,
}

impl Default for AdamW {
    fn default() -> AdamW {
        AdamW { beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.1 }
    }
}

impl Optimizer for AdamW {
    fn memory(&self, _: &str, _: &Param) -> &'static [&'static str] {
        &["m", "v"]
    }

    fn update(&self, _: &str, p: &mut Param, gradient: &[f32], memory: &mut [Buf], step: &Step) {
        let [m, v] = memory else { panic!("AdamW: {} buffers for a parameter, not m and v", memory.len()) };
        let update = kernel::AdamW {
            lr: step.lr,
            beta1: self.beta1,
            beta2: self.beta2,
            eps: self.eps,
            weight_decay: decay_of(p, self.weight_decay),
            bias1: (1.0 - power(self.beta1.into(), step.number)) as f32,
            bias2: (1.0 - power(self.beta2.into(), step.number)) as f32,
            clip: step.clip,
        };
        p.update(|w| kernel::adamw(&update, w, gradient, m, v));
    }
}

/// x^n by squaring: the same bits on every system, which libm's does not promise.
fn power(mut x: f64, mut n: u64) -> f64 {
    let mut y = 1.0;
    while n > 0 {
        if n % 2 == 1 {
            y *= x;
        }
        x *= x;
        n /= 2;
    }
    y
}
