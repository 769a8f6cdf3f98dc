//! Optimisers: how a gradient changes a parameter, and what is remembered for the next time.

mod adamw;
mod muon;

pub use adamw::AdamW;
pub use muon::Muon;

use crate::nn::{Module, Param};
use motamot_kernels::elementwise;
use motamot_tensor::{Buf, Gradients, ParamId};
use std::collections::HashMap;

/// An update rule for one parameter at a time. What it remembers is not its own: [`Updater`] keeps it, by name.
pub trait Optimizer {
    /// The names of what is remembered for a parameter, each of its size and 0 before its first update.
    fn memory(&self, path: &str, p: &Param) -> &'static [&'static str];

    /// Updates a parameter. `memory` is what [`Optimizer::memory`] names.
    fn update(&self, path: &str, p: &mut Param, gradient: &[f32], memory: &mut [Buf], step: &Step);
}

/// What is the same for all parameters of one update.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// 1, 2, …
    pub number: u64,
    /// The learning rate.
    pub lr: f32,
    /// What gradients are multiplied by first: 1, or less where the norm of all of them is clipped.
    pub clip: f32,
}

/// An optimiser and what it remembers of each parameter that it has updated.
pub struct Updater {
    optimizer: Box<dyn Optimizer>,
    steps: u64,
    memory: HashMap<ParamId, Vec<Buf>>,
}

impl Updater {
    /// No update made yet.
    pub fn new(optimizer: impl Optimizer + 'static) -> Updater {
        Updater::of(Box::new(optimizer))
    }

    /// As [`Updater::new`].
    pub fn of(optimizer: Box<dyn Optimizer>) -> Updater {
        Updater { optimizer, steps: 0, memory: HashMap::new() }
    }

    /// Sets the number of updates made, when resuming.
    pub fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }

    /// What is remembered of a parameter, by name: made now if nothing is yet. Nothing for one that is not trained.
    pub fn memory(&mut self, path: &str, p: &Param) -> impl Iterator<Item = (&'static str, &mut Buf)> {
        let names = self.optimizer.memory(path, p);
        // Not even an empty entry: it may be trained later.
        let buffers = p.is_trainable().then(|| remembered(&mut self.memory, names, p));
        names.iter().copied().zip(buffers.into_iter().flatten())
    }

    /// What is already remembered of a parameter, by name.
    pub fn remembered(&self, path: &str, p: &Param) -> impl Iterator<Item = (&'static str, &[f32])> {
        let names = self.optimizer.memory(path, p).iter().copied();
        names.zip(self.memory.get(&p.id()).into_iter().flatten().map(|buf| &buf[..]))
    }

    /// One update of every parameter that has a gradient. If the norm of all gradients is above `clip`, they are scaled
    /// to it; 0 means no limit. Returns that norm, before clipping; if it is not finite, nothing was updated.
    pub fn step(&mut self, model: &mut impl Module, gradients: &Gradients, lr: f32, clip: f32) -> f32 {
        let norm = grad_norm(model, gradients);
        if !norm.is_finite() {
            return norm;
        }
        self.steps += 1;
        let clip = if clip > 0.0 { (clip / (norm + 1e-6)).min(1.0) } else { 1.0 };
        let step = Step { number: self.steps, lr, clip };
        let Updater { optimizer, memory, .. } = self;
        model.visit_mut("", &mut |path, p| {
            let Some(gradient) = gradients.get(p.id()) else { return };
            let buffers = remembered(memory, optimizer.memory(path, p), p);
            optimizer.update(path, p, gradient, buffers, &step);
        });
        norm
    }
}

/// The buffers of a parameter, zero where there were none.
fn remembered<'a>(memory: &'a mut HashMap<ParamId, Vec<Buf>>, names: &[&str], p: &Param) -> &'a mut [Buf] {
    memory.entry(p.id()).or_insert_with(|| names.iter().map(|_| Buf::zeros(p.len())).collect())
}

/// √Σ g², over all parameters.
pub fn grad_norm(model: &impl Module, gradients: &Gradients) -> f32 {
    let mut squares = 0.0;
    model.visit("", &mut |_, p| squares += gradients.get(p.id()).map_or(0.0, elementwise::sum_squares));
    squares.sqrt() as f32
}

/// Weight decay is for matrices: a bias or a norm's weight has no reason to be small.
fn decay_of(p: &Param, weight_decay: f32) -> f32 {
    if p.shape().len() >= 2 { weight_decay } else { 0.0 }
}
