//! AdamW over a module: decay by group, clipping by the global norm.

use crate::nn::{Module, Param};
use motamot_kernels::{adamw as kernel, elementwise};
use motamot_tensor::{Buf, Gradients, ParamId};
use std::collections::HashMap;

/// AdamW's constants.
#[derive(Clone, Copy, Debug)]
pub struct AdamWConfig {
    /// Decay of the mean of the gradients.
    pub beta1: f32,
    /// Decay of the mean of their squares.
    pub beta2: f32,
    /// Added to the root of the latter.
    pub eps: f32,
    /// Taken off the weights at each step, times the learning rate; of matrices only, not of biases and norms.
    pub weight_decay: f32,
    /// The largest norm of all gradients together; 0 means no limit.
    pub clip: f32,
}

impl Default for AdamWConfig {
    fn default() -> AdamWConfig {
        AdamWConfig { beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.1, clip: 1.0 }
    }
}

/// Loshchilov and Hutter 2017, arXiv:1711.05101; the same update as torch.optim.AdamW.
pub struct AdamW {
    /// The constants.
    pub config: AdamWConfig,
    steps: u64,
    moments: HashMap<ParamId, (Buf, Buf)>,
}

impl AdamW {
    /// No step made yet.
    pub fn new(config: AdamWConfig) -> AdamW {
        AdamW { config, steps: 0, moments: HashMap::new() }
    }

    /// Steps made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Sets the number of steps made, when resuming.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// The moments (m, v) of a parameter, zero before its first step.
    pub fn moments(&mut self, p: &Param) -> &mut (Buf, Buf) {
        self.moments.entry(p.id()).or_insert_with(|| (Buf::zeros(p.len()), Buf::zeros(p.len())))
    }

    /// The moments of a parameter that has some.
    pub fn get(&self, id: ParamId) -> Option<(&[f32], &[f32])> {
        self.moments.get(&id).map(|(m, v)| (&m[..], &v[..]))
    }

    /// One update of every trainable parameter that has a gradient. Returns the norm of all gradients, before clipping;
    /// if it is not finite, nothing was updated.
    pub fn step(&mut self, model: &mut impl Module, gradients: &Gradients, lr: f32) -> f32 {
        let norm = grad_norm(model, gradients);
        if !norm.is_finite() {
            return norm;
        }
        self.steps += 1;
        let c = self.config;
        let update = kernel::AdamW {
            lr,
            beta1: c.beta1,
            beta2: c.beta2,
            eps: c.eps,
            weight_decay: c.weight_decay,
            bias1: (1.0 - power(c.beta1.into(), self.steps)) as f32,
            bias2: (1.0 - power(c.beta2.into(), self.steps)) as f32,
            clip: if c.clip > 0.0 { (c.clip / (norm + 1e-6)).min(1.0) } else { 1.0 },
        };
        model.visit_mut("", &mut |_, p| {
            let Some(g) = gradients.get(p.id()) else { return };
            let update = kernel::AdamW { weight_decay: if decays(p) { c.weight_decay } else { 0.0 }, ..update };
            let (m, v) = self.moments(p);
            p.update(|w| kernel::adamw(&update, w, g, m, v));
        });
        norm
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

/// Weight decay is for matrices: a bias or a norm's weight has no reason to be small.
fn decays(p: &Param) -> bool {
    p.shape().len() >= 2
}

/// √Σ g², over all parameters.
pub fn grad_norm(model: &impl Module, gradients: &Gradients) -> f32 {
    let mut squares = 0.0;
    model.visit("", &mut |_, p| squares += gradients.get(p.id()).map_or(0.0, elementwise::sum_squares));
    squares.sqrt() as f32
}
