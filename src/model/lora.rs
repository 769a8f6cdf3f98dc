//! A GPT with adapters, and one that shares its weights with another.

use super::Gpt;
use crate::nn::{LoraConfig, Module};
use crate::utils::{Error, Result};
use motamot_kernels::rng::Rng;

impl Gpt {
    /// A model of the same weights that is not trained: a reference, or what adapters are added to. It shares the
    /// memory of this one until one of them changes.
    pub fn frozen(&self) -> Result<Gpt> {
        if self.has_lora() {
            return Err(Error::usage("a model with adapters cannot be shared").help("merge them first"));
        }
        let mut weights = Vec::new();
        self.visit("", &mut |_, p| weights.push(p.shared()));
        let mut copy = Gpt::unfilled(self.config())?;
        let mut weights = weights.into_iter();
        copy.visit_mut("", &mut |_, p| {
            if let Some(data) = weights.next() {
                p.share(data);
            }
            p.set_trainable(false);
        });
        Ok(copy)
    }

    /// Freezes the model and gives the projections that are meant an adapter each, which changes nothing yet.
    pub fn add_lora(&mut self, config: &LoraConfig, rng: &mut Rng) -> Result<()> {
        let LoraConfig { rank, alpha, targets } = config;
        if !(alpha.is_finite() && *alpha > 0.0) {
            return Err(Error::usage(format!("LoRA: alpha {alpha} is not a positive number")));
        }
        if self.has_lora() {
            return Err(Error::usage("LoRA: the model has adapters already").help("merge them first"));
        }
        let mut paths = Vec::new();
        for (path, linear) in self.projections() {
            let side = linear.weight.shape().iter().copied().min().unwrap_or(0);
            if config.adapts(&path) && !(1..=side).contains(rank) {
                return Err(Error::usage(format!(
                    "LoRA: rank {rank} is not between 1 and {side}, the smaller side of {path}"
                )));
            }
            paths.push(path);
        }
        if let Some(target) = targets.iter().find(|target| !paths.iter().any(|path| LoraConfig::means(target, path))) {
            let ends = paths.iter().filter_map(|path| path.strip_prefix("h.0.")).collect::<Vec<_>>().join(", ");
            return Err(Error::usage(format!("LoRA: no projection is called {target}"))
                .help(format!("the projections of a block are {ends}")));
        }
        for (path, linear) in self.projections() {
            if config.adapts(&path) {
                linear.adapt(*rank, *alpha, rng);
            }
        }
        self.freeze_all_but_lora();
        Ok(())
    }

    /// From now on training changes the adapters only.
    pub fn freeze_all_but_lora(&mut self) {
        self.visit_mut("", &mut |path, p| p.set_trainable(path.contains(".lora.")));
    }

    /// Adds the adapters to the weights. What the model computes stays the same, up to rounding.
    pub fn merge_lora(&mut self) {
        self.projections().for_each(|(_, linear)| linear.merge());
    }

    /// Whether there are adapters.
    pub fn has_lora(&self) -> bool {
        let mut found = false;
        self.visit("", &mut |path, _| found |= path.contains(".lora."));
        found
    }
}
