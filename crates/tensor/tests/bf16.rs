//! Products in bf16: what f32 gives for rounded factors, forward and backward.

mod common;

use common::{assert_close, map, normal, normals};
use motamot_kernels::{bf16::round, isa, parallel};
use motamot_tensor::{Buf, Gradients, Panels, ParamId, Tensor, ops};
use std::sync::Arc;

/// The value of f(x, w) and the gradients of Σ dy ⊙ f(x, w), with or without panels of w.
fn run(x: &Tensor, w: &Tensor, panels: bool, dy: &[f32], f: impl Fn(&Tensor, &Tensor) -> Tensor) -> [Vec<f32>; 3] {
    let ids = [ParamId::new(), ParamId::new()];
    let leaf = |id, t: &Tensor| Tensor::parameter(id, Arc::new(Buf::from(t.data())), t.shape());
    let (x, mut w) = (leaf(ids[0], x), leaf(ids[1], w));
    if panels {
        let packed = Panels::new(w.data(), w.shape()[1]);
        w = w.with_panels(Arc::new(packed));
    }
    let y = f(&x, &w);
    let value = y.data().to_vec();
    let mut gradients = Gradients::new();
    y.backward_from(dy, &mut gradients);
    let [dx, dw] = ids.map(|id| gradients.get(id).expect("used").to_vec());
    [value, dx, dw]
}

/// With panels f must give what it gives without them for rounded numbers, in every part.
#[track_caller]
fn rounds_its_factors(x: &Tensor, w: &Tensor, dy: &[f32], f: impl Fn(&Tensor, &Tensor) -> Tensor) {
    let rounded = [x, w].map(|t| map(t, round));
    let dy_rounded: Vec<f32> = dy.iter().map(|&d| round(d)).collect();
    let want = run(&rounded[0], &rounded[1], false, &dy_rounded, &f);
    for isa in isa::available() {
        for threads in [1, 2] {
            let got = isa::with(isa, || parallel::with_threads(threads, || run(x, w, true, dy, &f)));
            for ((got, want), part) in got.iter().zip(&want).zip(["y", "dx", "dw"]) {
                assert_close(&format!("{part}, {isa}"), got, want, 2e-5);
            }
        }
    }
    assert_ne!(run(x, w, false, dy, &f)[0], want[0], "rounding makes a difference");
}

#[test]
fn linear() {
    let bias = normal(7, [19]);
    for (rows, i) in [(5, 33), (40, 64)] {
        let (x, w, dy) = (normal(1, [rows, i]), normal(2, [i, 19]), normal(3, [rows, 19]));
        rounds_its_factors(&x, &w, dy.data(), |x, w| ops::linear(x, w, Some(&bias)));
        rounds_its_factors(&x, &w, dy.data(), |x, w| ops::linear(x, w, None));
    }
}

#[test]
fn matmul_nt() {
    let (a, b, dy) = (normal(1, [2, 7, 33]), normal(2, [50, 33]), normal(3, [14, 50]));
    rounds_its_factors(&a, &b, dy.data(), ops::matmul_nt);
}

#[test]
fn linear_cross_entropy_is_near_that_in_f32() {
    let [x, table] = [normal(1, [3, 40, 32]), normal(2, [70, 32])].map(|t| map(&t, |x| 0.3 * x));
    let targets: Vec<u32> = (0..120).map(|i| i * 7 % 70).collect();
    let weights = vec![1.0 / 120.0; 120];
    let loss = |x: &Tensor, table: &Tensor| ops::linear_cross_entropy(x, table, &targets, &weights);
    let (exact, near) = (run(&x, &table, false, &[1.0], loss), run(&x, &table, true, &[1.0], loss));
    assert!((near[0][0] / exact[0][0] - 1.0).abs() < 1e-3 && near[0] != exact[0], "{} {}", near[0][0], exact[0][0]);
    for (near, exact) in near[1..].iter().zip(&exact[1..]) {
        let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|x| x * x).sum::<f32>().sqrt();
        let error = norm(&mut near.iter().zip(exact).map(|(a, b)| a - b)) / norm(&mut exact.iter().copied());
        assert!(error < 0.01, "the gradient is {error} off");
    }
}

#[test]
fn panels_follow_the_weights_they_are_packed_of() {
    let inputs = normals([&[3, 20], &[20, 40], &[20, 40]]);
    let y = |panels: Panels| {
        let w = inputs[2].clone().with_panels(Arc::new(panels));
        ops::linear(&inputs[0], &w, None).data().to_vec()
    };
    let mut again = Panels::new(inputs[1].data(), 40);
    again.repack(inputs[2].data());
    assert_eq!(y(again), y(Panels::new(inputs[2].data(), 40)));
}
