//! Is this gradient right? Compare it with a directional finite difference.

use crate::{Buf, Gradients, ParamId, Tensor};
use motamot_kernels::rng::Rng;
use std::sync::Arc;

/// What one input's check found.
#[derive(Debug, Clone)]
pub struct Check {
    /// ⟨gradient, direction⟩ by the tape.
    pub analytic: f64,
    /// (8·(f(x + h·d) − f(x − h·d)) − (f(x + 2h·d) − f(x − 2h·d))) / 12h for the direction d: the error is O(h⁴).
    pub numeric: f64,
    /// ‖gradient ⊙ direction‖, the size that both have as a rule: unlike theirs, it does not happen to be near 0.
    pub size: f64,
}

impl Check {
    /// |analytic − numeric| / max(|analytic|, |numeric|, size, 0.01).
    pub fn relative_error(&self) -> f64 {
        let size = self.analytic.abs().max(self.numeric.abs()).max(self.size).max(1e-2);
        (self.analytic - self.numeric).abs() / size
    }
}

/// Checks the gradient of `f` with respect to each of `inputs`, along one random direction each.
///
/// `f` may return any shape: its elements are weighted by fixed random numbers and summed in f64, so no element's
/// gradient can hide. `h` is the step; 1e-2 to 1e-3 suits f32 functions of order one.
pub fn directional(inputs: &[Tensor], h: f32, f: impl Fn(&[Tensor]) -> Tensor) -> Vec<Check> {
    let mut rng = Rng::new(7);
    let ids: Vec<ParamId> = inputs.iter().map(|_| ParamId::new()).collect();
    let leaves: Vec<Tensor> = inputs
        .iter()
        .zip(&ids)
        .map(|(t, &id)| Tensor::parameter(id, Arc::new(Buf::from(t.data())), t.shape()))
        .collect();
    let y = f(&leaves);
    let weights: Vec<f32> = (0..y.len()).map(|_| rng.normal()).collect();
    let mut gradients = Gradients::new();
    y.backward_from(&weights, &mut gradients);
    let value =
        |at: &[Tensor]| -> f64 { f(at).data().iter().zip(&weights).map(|(y, w)| f64::from(*y) * f64::from(*w)).sum() };
    (0..inputs.len())
        .map(|i| {
            let direction: Vec<f32> = (0..inputs[i].len()).map(|_| rng.normal()).collect();
            let moved = |step: f32| {
                let mut at = inputs.to_vec();
                let values: Vec<f32> = inputs[i].data().iter().zip(&direction).map(|(x, d)| x + step * d).collect();
                at[i] = Tensor::new(&values, inputs[i].shape());
                at
            };
            let shares: Vec<f64> = gradients
                .get(ids[i])
                .map_or(Vec::new(), |g| g.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).collect());
            let difference = |step: f32| value(&moved(step)) - value(&moved(-step));
            let numeric = (8.0 * difference(h) - difference(2.0 * h)) / (12.0 * f64::from(h));
            let size = shares.iter().map(|s| s * s).sum::<f64>().sqrt();
            Check { analytic: shares.iter().sum(), numeric, size }
        })
        .collect()
}

/// [`directional`], and panics with the figures if one relative error exceeds `tolerance`.
#[track_caller]
pub fn assert_gradients(inputs: &[Tensor], h: f32, tolerance: f64, f: impl Fn(&[Tensor]) -> Tensor) {
    for (i, check) in directional(inputs, h, f).iter().enumerate() {
        assert!(
            check.relative_error() <= tolerance, // false for NaN
            "gradient of input {i}: tape {:.6}, finite difference {:.6}, relative error {:.1e} > {tolerance:.1e}",
            check.analytic,
            check.numeric,
            check.relative_error()
        );
    }
}
