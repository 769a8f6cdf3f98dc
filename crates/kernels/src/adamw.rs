//! An optimiser step over one parameter.

use crate::isa::vectorise;
use crate::map::{CHUNK, same_length};
use crate::parallel;

/// The numbers of one AdamW step. Source: Loshchilov & Hutter 2017, arXiv:1711.05101.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub lr: f32,
    /// Decay of the mean of gradients.
    pub beta1: f32,
    /// Decay of the mean of squared gradients.
    pub beta2: f32,
    /// Added to the root of the second mean.
    pub eps: f32,
    /// Decoupled: weights shrink by lr·weight_decay.
    pub weight_decay: f32,
    /// 1 − β₁ᵗ for step t = 1, 2, …
    pub bias1: f32,
    /// 1 − β₂ᵗ
    pub bias2: f32,
    /// What gradients are multiplied by first (1, or less where the norm of all of them is clipped).
    pub clip: f32,
}

vectorise! {
    fn adamw_chunk(step: &AdamW, w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        let shrink = 1.0 - step.lr * step.weight_decay;
        let rate = step.lr / step.bias1;
        let inv_root_bias2 = 1.0 / step.bias2.sqrt();
        let (rest1, rest2) = (1.0 - step.beta1, 1.0 - step.beta2);
        for (((w, g), m), v) in w.iter_mut().zip(g).zip(m.iter_mut()).zip(v.iter_mut()) {
            let g = g * step.clip;
            *m = step.beta1.mul_add(*m, rest1 * g);
            *v = step.beta2.mul_add(*v, rest2 * g * g);
            let update = *m / v.sqrt().mul_add(inv_root_bias2, step.eps);
            *w = (-rate).mul_add(update, *w * shrink);
        }
    }
}

/// w ← w·(1 − lr·wd); m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − lr/bias1·m/(√v/√bias2 + ε), in one pass.
///
/// g is first multiplied by `clip`. The same as torch.optim.AdamW.
#[track_caller]
pub fn adamw(step: &AdamW, w: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    same_length("adamw", w.len(), &[g.len(), m.len(), v.len()]);
    parallel::chunks3_mut((w, CHUNK), (m, CHUNK), (v, CHUNK), |i, w, m, v| {
        adamw_chunk(step, w, &g[i * CHUNK..][..w.len()], m, v);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LENGTHS, close, normals, same_everywhere, special};

    fn step(t: i32, clip: f32) -> AdamW {
        let (bias1, bias2) = (1.0 - 0.9f32.powi(t), 1.0 - 0.95f32.powi(t));
        AdamW { lr: 0.01, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, bias1, bias2, clip }
    }

    /// Values that PyTorch prints: dev/golden/kernel_literals.py.
    #[test]
    fn five_steps_as_pytorch_does_them() {
        for clip in [1.0, 0.5] {
            let (mut w, mut m, mut v) = ([0.5, -1.0, 2.0, 0.0], [0.0; 4], [0.0; 4]);
            for t in 0..5 {
                let g = [0.1, -0.2, 0.0, 3.0].map(|g| g * (t as f32 - 1.5) / clip);
                adamw(&step(t + 1, clip), &mut w, &g, &mut m, &mut v);
            }
            close(&w, &[0.515008509, -1.01251364, 1.99002016, 0.0175034702], 2e-7);
        }
    }

    #[test]
    fn the_same_everywhere() {
        for n in LENGTHS.into_iter().chain([2 * CHUNK + 9]) {
            for g in [normals(1, n), special(2, n)] {
                let got = same_everywhere(|| {
                    let (mut w, mut m, mut v) = (normals(3, n), vec![0.0; n], vec![0.0; n]);
                    for t in 1..4 {
                        adamw(&step(t, 0.7), &mut w, &g, &mut m, &mut v);
                    }
                    [w, m, v].concat()
                });
                // The first element against the formula in f64.
                if n > 1 {
                    let (mut w, mut m, mut v) = (f64::from(normals(3, n)[1]), 0.0, 0.0);
                    let g = f64::from(g[1]) * 0.7;
                    for t in 1..4 {
                        w *= 1.0 - 0.001;
                        m = 0.9 * m + 0.1 * g;
                        v = 0.95 * v + 0.05 * g * g;
                        w -= 0.01 / (1.0 - 0.9f64.powi(t)) * m / ((v / (1.0 - 0.95f64.powi(t))).sqrt() + 1e-8);
                    }
                    close(&got[1..2], &[w], 1e-6);
                }
            }
        }
    }
}
