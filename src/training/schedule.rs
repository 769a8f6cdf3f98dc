//! The learning rate as a function of the step.

use motamot_kernels::math::sin_cos_f64;
use serde::{Deserialize, Serialize};

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// Half a cosine from `lr` to `min_lr` (Loshchilov and Hutter 2016, arXiv:1608.03983).
    Cosine,
    /// Warm-up–stable–decay: `lr`, then a straight line to `min_lr` over the last fifth (Hu et al. 2024, arXiv:2404.06395).
    Wsd,
    /// `lr` to the end.
    Constant,
}

/// Linear warm-up, then [`Decay`].
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// The step where it begins: not 0 if a run that had ended goes on with a rate that warms up again.
    pub first: usize,
    /// The highest learning rate.
    pub lr: f32,
    /// The last one.
    pub min_lr: f32,
    /// Steps from `first` until `lr` is reached.
    pub warmup: usize,
    /// The step where it ends.
    pub steps: usize,
    /// What happens after the warm-up.
    pub decay: Decay,
}

/// The part of the steps that WSD decays over.
const WSD_TAIL: f64 = 0.2;

impl Schedule {
    /// The learning rate of step `step`, counted from 0.
    pub fn at(&self, step: usize) -> f32 {
        let (lr, min) = (f64::from(self.lr), f64::from(self.min_lr));
        let (step, steps) = (step.saturating_sub(self.first), self.steps.saturating_sub(self.first));
        if step < self.warmup {
            return (lr * (step + 1) as f64 / self.warmup as f64) as f32;
        }
        let rate = match self.decay {
            Decay::Constant => lr,
            Decay::Cosine => {
                let part = (step - self.warmup) as f64 / steps.saturating_sub(self.warmup).max(1) as f64;
                let (_, cos) = sin_cos_f64(std::f64::consts::PI * part.min(1.0)); // libm's bits differ between systems
                min + 0.5 * (lr - min) * (1.0 + cos)
            }
            Decay::Wsd => {
                let tail = (steps as f64 * WSD_TAIL).max(1.0);
                let left = steps.saturating_sub(step) as f64 / tail;
                min + (lr - min) * left.min(1.0)
            }
        };
        rate as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Schedule = Schedule { first: 0, lr: 1e-3, min_lr: 1e-4, warmup: 10, steps: 110, decay: Decay::Cosine };

    #[test]
    fn the_four_corners() {
        assert!((S.at(0) - 1e-4).abs() < 1e-10);
        assert_eq!(S.at(9), 1e-3);
        assert_eq!(S.at(10), 1e-3);
        assert!((S.at(60) - 5.5e-4).abs() < 1e-9); // half way: the mean of both ends
        assert!((S.at(110) - 1e-4).abs() < 1e-9);
        assert!((S.at(100_000) - 1e-4).abs() < 1e-9);
    }

    #[test]
    fn wsd_is_flat_then_falls() {
        let s = Schedule { decay: Decay::Wsd, ..S };
        assert_eq!((s.at(10), s.at(88)), (1e-3, 1e-3));
        assert!((s.at(99) - 5.5e-4).abs() < 1e-9);
        assert!((s.at(110) - 1e-4).abs() < 1e-9);
        assert_eq!(Schedule { decay: Decay::Constant, ..S }.at(109), 1e-3);
    }

    #[test]
    fn a_second_part_is_the_first_one_later() {
        for decay in [Decay::Cosine, Decay::Wsd, Decay::Constant] {
            let s = Schedule { decay, ..S };
            let later = Schedule { first: 400, steps: 510, ..s };
            (0..=120).for_each(|step| assert_eq!(later.at(400 + step), s.at(step)));
        }
    }

    #[test]
    fn no_warmup_and_no_steps() {
        let s = Schedule { warmup: 0, steps: 0, ..S };
        assert_eq!(s.at(0), 1e-3);
    }
}
