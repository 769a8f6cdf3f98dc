//! What the tests of the ops share.
#![allow(dead_code, unused_imports, unused_macros)] // each test file uses a part of it

use motamot_kernels::rng::Rng;
use motamot_tensor::ops::{self, Activation, Attention, PreNorm, Projection};
use motamot_tensor::{Bf16Matrix, Buf, Gradients, ParamId, Shape, Tensor};
use std::sync::Arc;

/// The functions that `ops` makes public, read from its `pub use` lines.
pub fn public_ops() -> Vec<&'static str> {
    include_str!("../../src/ops/mod.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("pub use ")?.strip_suffix(';'))
        .flat_map(|path| {
            let names = path.rsplit_once("::").expect("pub use of a path").1;
            names.trim_matches(['{', '}']).split(',').map(str::trim)
        })
        .filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect()
}

/// Fails unless `tested` and the public ops are the same names.
pub fn assert_covers(tested: &[&str]) {
    let public = public_ops();
    assert!(public.len() >= 36, "only {} ops found: has the form of ops/mod.rs changed?", public.len());
    let untested: Vec<_> = public.iter().filter(|op| !tested.contains(op)).collect();
    let unknown: Vec<_> = tested.iter().filter(|op| !public.contains(op)).collect();
    assert!(untested.is_empty(), "public ops without an entry in this table: {untested:?}");
    assert!(unknown.is_empty(), "entries of this table that are no public op: {unknown:?}");
}

/// Makes a test of each function, named like the op it is for, and one that fails if a public op has none.
macro_rules! one_for_each_op {
    ($(fn $op:ident() $body:block)*) => {
        $(#[test] fn $op() $body)*

        #[test]
        fn every_public_op_has_an_entry() {
            common::assert_covers(&[$(stringify!($op)),*]);
        }
    };
}
pub(crate) use one_for_each_op;

/// Normal numbers; the same for the same seed.
pub fn normal(seed: u64, shape: impl Into<Shape>) -> Tensor {
    let (shape, mut rng) = (shape.into(), Rng::new(seed));
    Tensor::new(&(0..shape.count()).map(|_| rng.normal()).collect::<Vec<_>>(), shape)
}

/// One normal tensor per shape.
pub fn normals<const N: usize>(shapes: [&[usize]; N]) -> Vec<Tensor> {
    shapes.iter().enumerate().map(|(i, &shape)| normal(1 + i as u64, shape)).collect()
}

/// x with each element changed.
pub fn map(x: &Tensor, f: impl Fn(f32) -> f32) -> Tensor {
    Tensor::new(&x.data().iter().map(|&x| f(x)).collect::<Vec<_>>(), x.shape())
}

/// The values as parameters of their own.
pub fn parameters(inputs: &[Tensor]) -> (Vec<ParamId>, Vec<Tensor>) {
    let leaf = |t: &Tensor| {
        let id = ParamId::new();
        (id, Tensor::parameter(id, Arc::new(Buf::from(t.data())), t.shape()))
    };
    inputs.iter().map(leaf).unzip()
}

/// What f gives, and the gradient of Σ dy ⊙ f for each input.
pub fn run(inputs: &[Tensor], dy: Option<&[f32]>, f: impl Fn(&[Tensor]) -> Tensor) -> (Tensor, Vec<Vec<f32>>) {
    let (ids, leaves) = parameters(inputs);
    let y = f(&leaves);
    let value = y.detach();
    let dy = dy.map_or_else(|| normal(99, value.shape()).data().to_vec(), <[f32]>::to_vec);
    let mut gradients = Gradients::new();
    y.backward_from(&dy, &mut gradients);
    let gradient = |id| gradients.get(id).expect("every input has a gradient").to_vec();
    (value, ids.into_iter().map(gradient).collect())
}

/// Every element within tolerance·(1 + |want|).
#[track_caller]
pub fn assert_close(what: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{what}: lengths differ");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let near = (g - w).abs() <= tolerance * (1.0 + w.abs());
        assert!(near, "{what}, element {i}: {g} is not {w}\n got {got:?}\nwant {want:?}");
    }
}

/// ‖got − want‖ / ‖want‖
pub fn distance(got: &[f32], want: &[f32]) -> f32 {
    let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|x| x * x).sum::<f32>().sqrt();
    norm(&mut got.iter().zip(want).map(|(a, b)| a - b)) / norm(&mut want.iter().copied())
}

/// A matrix with the same values for products in bf16.
pub fn packed(w: &Tensor) -> Tensor {
    w.clone().with_bf16(Arc::new(Bf16Matrix::new(w.data(), w.shape()[1])))
}

pub type Dropout = Option<(f32, (u64, u64))>;

/// Normal numbers for a sub-layer, in its matrices times `std`.
pub fn sublayer_inputs<const N: usize>(shapes: [&[usize]; N], std: f32) -> Vec<Tensor> {
    let mut inputs = normals(shapes);
    inputs[3..].iter_mut().step_by(2).for_each(|w| *w = map(w, |x| std * x));
    inputs
}

/// The frame and the layers of a sub-layer's inputs: x, the norm's weight and bias, then a matrix and a bias for each layer.
fn sublayer<const L: usize>(x: &[Tensor], dropout: Dropout) -> (PreNorm, [Projection; L]) {
    let frame = PreNorm { weight: x[1].clone(), bias: Some(x[2].clone()), rms: false, eps: 1e-5, dropout };
    let layer = |i: usize| Projection { weight: packed(&x[i]), bias: Some(x[i + 1].clone()) };
    (frame, std::array::from_fn(|l| layer(3 + 2 * l)))
}

pub fn mlp_of(x: &[Tensor], dropout: Dropout, f: Activation) -> Tensor {
    let (frame, [up, down]) = sublayer(x, dropout);
    ops::mlp_bf16(&x[0], &frame, &up, &down, f)
}

pub fn swiglu_of(x: &[Tensor], dropout: Dropout) -> Tensor {
    let (frame, [gate, up, down]) = sublayer(x, dropout);
    ops::swiglu_bf16(&x[0], &frame, &gate, &up, &down)
}

pub fn self_attention_of(x: &[Tensor], dropout: Dropout, a: &Attention, rope: Option<f32>) -> Tensor {
    let (frame, [qkv, out]) = sublayer(x, dropout);
    ops::self_attention_bf16(&x[0], &frame, &qkv, &out, a.clone(), rope)
}
