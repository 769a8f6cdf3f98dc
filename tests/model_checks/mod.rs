//! What the tests of whole models share: larger weights, gradient checks, a plain Adam loop.
#![allow(dead_code)] // not every test file uses all of it

use motamot::nn::{Module, Pass};
use motamot_kernels::adamw::{AdamW, adamw};
use motamot_kernels::rng::Rng;
use motamot_tensor::{Gradients, ParamId, Tensor};
use std::collections::HashMap;

/// Adds noise to every weight: matrices N(0, 0.4²), vectors N(0, 0.2²). From their true start tiny models are so close to
/// linear that a wrong gradient would hide below the rounding.
pub fn stir(model: &mut dyn Module, seed: u64) {
    let mut rng = Rng::new(seed);
    model.visit_mut("", &mut |_, p| {
        let std = if p.shape().len() > 1 { 0.4 } else { 0.2 };
        p.data_mut().iter_mut().for_each(|w| *w += std * rng.normal());
    });
}

fn paths(model: &dyn Module) -> Vec<(String, ParamId, usize)> {
    let mut paths = Vec::new();
    model.visit("", &mut |path, p| paths.push((path.to_owned(), p.id(), p.len())));
    paths
}

/// A fixed weight for each element of the loss, so that none can hide behind another.
fn weight(i: usize) -> f64 {
    0.5 + (i * 7 % 10) as f64 / 10.0
}

/// Σ_i w_i·loss_i in f64.
fn weighted<M>(model: &M, loss: &dyn Fn(&M, &mut Pass) -> Tensor) -> f64 {
    let y = loss(model, &mut Pass::train(&mut Rng::new(99)));
    y.data().iter().enumerate().map(|(i, y)| weight(i) * f64::from(*y)).sum()
}

fn shift<M: Module>(model: &mut M, directions: &HashMap<ParamId, Vec<f32>>, step: f32) {
    model.visit_mut("", &mut |_, p| {
        if let Some(d) = directions.get(&p.id()) {
            p.data_mut().iter_mut().zip(d).for_each(|(w, d)| *w += step * d);
        }
    });
}

/// Compares the tape's gradient of `loss` with finite differences along a direction over all parameters together and, if
/// `each`, one over each parameter. A direction is half the gradient's own, half random, of length 1; the difference is
/// (8(f(h) − f(−h)) − (f(2h) − f(−2h)))/12h, exact to h⁴. One of three directions, each with a step of its own, must agree
/// to `tolerance`: a ReLU's kink inside the step spoils one, rounding of a small loss another, a wrong gradient all. (On a
/// kink itself the gradient is that of one side, so the one-sided differences, exact to h², count as well.)
#[track_caller]
pub fn check_gradients<M: Module>(
    model: &mut M,
    h: f32,
    tolerance: f64,
    each: bool,
    loss: &dyn Fn(&M, &mut Pass) -> Tensor,
) {
    let y = loss(model, &mut Pass::train(&mut Rng::new(99)));
    let weights: Vec<f32> = (0..y.len()).map(|i| weight(i) as f32).collect();
    let mut gradients = Gradients::new();
    y.backward_from(&weights, &mut gradients);
    let parameters = paths(model);
    let start: HashMap<ParamId, Vec<f32>> = {
        let mut start = HashMap::new();
        model.visit("", &mut |_, p| drop(start.insert(p.id(), p.data().to_vec())));
        start
    };
    let mut rng = Rng::new(17);
    let groups = std::iter::once(("all", &parameters[..]))
        .chain(parameters.iter().filter(|_| each).map(|p| (p.0.as_str(), std::slice::from_ref(p))));
    for (name, group) in groups {
        let norm = |parts: &mut dyn Iterator<Item = f32>| parts.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let gradient = |id: &ParamId| gradients.get(*id).unwrap_or_else(|| panic!("{name}: no gradient"));
        let size = norm(&mut group.iter().flat_map(|(_, id, _)| gradient(id).iter().copied()));
        assert!(size > 1e-4, "{name}: a gradient of {size:e} is too small to check");
        let count: usize = group.iter().map(|(_, _, n)| n).sum();
        let (along, across) = (0.7 / size as f32, 0.7 / (count as f32).sqrt());
        let mut errors = Vec::new();
        for h in [h, 4.0 * h, 0.25 * h] {
            let directions: HashMap<ParamId, Vec<f32>> = group
                .iter()
                .map(|(_, id, _)| (*id, gradient(id).iter().map(|g| along * g + across * rng.normal()).collect()))
                .collect();
            let analytic: f64 = group
                .iter()
                .flat_map(|(_, id, _)| gradient(id).iter().zip(&directions[id]))
                .map(|(g, d)| f64::from(*g) * f64::from(*d))
                .sum();
            let mut at = |step: f32| {
                shift(model, &directions, step);
                let value = weighted(model, loss);
                model.visit_mut("", &mut |_, p| {
                    let start = &start[&p.id()];
                    p.data_mut().copy_from_slice(start);
                });
                value
            };
            let [f, right, right2, left, left2] = [0.0, h, 2.0 * h, -h, -2.0 * h].map(&mut at);
            let h64 = f64::from(h);
            let central = (8.0 * (right - left) - (right2 - left2)) / (12.0 * h64);
            let right = (4.0 * right - right2 - 3.0 * f) / (2.0 * h64);
            let left = (3.0 * f - 4.0 * left + left2) / (2.0 * h64);
            let error = [central, right, left]
                .map(|numeric| (analytic - numeric).abs() / analytic.abs().max(numeric.abs()).max(0.01))
                .into_iter()
                .fold(f64::INFINITY, f64::min);
            errors.push(format!(
                "step {h}: tape {analytic:.6}, difference {central:.6} ({left:.6} left, {right:.6} right), error {error:.1e}"
            ));
            if error < tolerance {
                errors.clear();
                break;
            }
        }
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

/// Adam without decay on one batch until the loss (a mean in nats) is below `goal`; panics after `steps`.
#[track_caller]
pub fn overfit<M: Module>(model: &mut M, lr: f32, steps: i32, goal: f32, loss: impl Fn(&M, &mut Pass) -> Tensor) {
    let (mut gradients, mut moments, mut rng) = (Gradients::new(), HashMap::new(), Rng::new(4));
    let mut last = f32::NAN;
    for t in 1..=steps {
        let y = loss(model, &mut Pass::train(&mut rng));
        last = y.item();
        if last < goal {
            return;
        }
        gradients.clear();
        y.backward(&mut gradients);
        let (bias1, bias2) = (1.0 - 0.9f32.powi(t), 1.0 - 0.99f32.powi(t));
        let step = AdamW { lr, beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.0, bias1, bias2, clip: 1.0 };
        model.visit_mut("", &mut |_, p| {
            let Some(g) = gradients.get(p.id()) else { return };
            let (m, v) = moments.entry(p.id()).or_insert_with(|| (vec![0.0; g.len()], vec![0.0; g.len()]));
            adamw(&step, p.data_mut(), g, m, v);
        });
    }
    panic!("after {steps} steps the loss is still {last}");
}

/// Some ids below `vocabulary`, the same for the same seed.
pub fn some_ids(n: usize, vocabulary: usize, seed: u64) -> Vec<u32> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| rng.below(vocabulary) as u32).collect()
}

/// The largest |a − b|.
#[track_caller]
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let d = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    if a.iter().chain(b).all(|x| x.is_finite()) { d } else { f32::INFINITY }
}
