//! Test 3 of each op: the values and gradients that PyTorch gives, from `dev/golden/op_literals.json` (and `.py`).

mod common;

use common::{assert_close, distance, mlp_of, one_for_each_op, run, self_attention_of, swiglu_of};
use motamot_tensor::Tensor;
use motamot_tensor::ops::{self, Attention, Mask};
use serde_json::Value;

fn floats(values: &Value) -> Vec<f32> {
    values.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number") as f32).collect()
}

fn tensor(entry: &Value) -> Tensor {
    let axes = entry["shape"].as_array().expect("a shape").iter();
    let shape: Vec<usize> = axes.map(|n| n.as_u64().expect("a length") as usize).collect();
    Tensor::new(&floats(&entry["values"]), &shape[..])
}

/// The case of this name: its inputs and all else.
fn load(name: &str) -> (Vec<Tensor>, Value) {
    let mut all: Value = serde_json::from_str(include_str!("../../../dev/golden/op_literals.json")).expect("JSON");
    let case = all[name].take();
    assert!(case.is_object(), "no case {name}");
    (case["inputs"].as_array().expect("inputs").iter().map(tensor).collect(), case)
}

/// Forward and every gradient within 2e-6·(1 + |value|) of PyTorch's (in f64).
#[track_caller]
fn literal(name: &str, op: impl Fn(&[Tensor]) -> Tensor) {
    let (inputs, case) = load(name);
    let (y, gradients) = run(&inputs, Some(&floats(&case["dy"])), op);
    let want = tensor(&case["y"]);
    assert_eq!(y.shape(), want.shape());
    assert_close("forward", y.data(), want.data(), 2e-6);
    let wanted = case["gradients"].as_array().expect("gradients");
    assert_eq!(gradients.len(), wanted.len());
    for (i, (got, want)) in gradients.iter().zip(wanted).enumerate() {
        assert_close(&format!("gradient of input {i}"), got, &floats(want), 2e-6);
    }
}

/// The same in bf16: near as a whole.
#[track_caller]
fn literal_bf16(name: &str, op: impl Fn(&[Tensor]) -> Tensor) {
    let (inputs, case) = load(name);
    let (y, gradients) = run(&inputs, Some(&floats(&case["dy"])), op);
    let near = |what: &str, got: &[f32], want: &[f32]| {
        let distance = distance(got, want);
        assert!(got.len() == want.len() && distance < 0.03, "{what}: {distance} from PyTorch's");
    };
    near("forward", y.data(), tensor(&case["y"]).data());
    for (i, (got, want)) in gradients.iter().zip(case["gradients"].as_array().expect("gradients")).enumerate() {
        near(&format!("gradient of input {i}"), got, &floats(want));
    }
}

fn heads(heads: usize, kv_heads: usize, mask: Mask) -> Attention {
    Attention { kv_heads, mask, ..Attention::causal(heads, 2) }
}

one_for_each_op! {
    fn exp() { literal("exp", |x| ops::exp(&x[0])); }
    fn gelu() { literal("gelu", |x| ops::gelu(&x[0])); }
    fn gelu_tanh() { literal("gelu_tanh", |x| ops::gelu_tanh(&x[0])); }
    fn ln() { literal("ln", |x| ops::ln(&x[0])); }
    fn log_sigmoid() { literal("log_sigmoid", |x| ops::log_sigmoid(&x[0])); }
    fn relu() { literal("relu", |x| ops::relu(&x[0])); }
    fn sigmoid() { literal("sigmoid", |x| ops::sigmoid(&x[0])); }
    fn silu() { literal("silu", |x| ops::silu(&x[0])); }
    fn tanh() { literal("tanh", |x| ops::tanh(&x[0])); }
    fn swiglu() { literal("swiglu", |x| ops::swiglu(&x[0], &x[1])); }

    fn add() { literal("add", |x| ops::add(&x[0], &x[1])); }
    fn sub() { literal("sub", |x| ops::sub(&x[0], &x[1])); }
    fn mul() { literal("mul", |x| ops::mul(&x[0], &x[1])); }
    fn scale() { literal("scale", |x| ops::scale(&x[0], -2.5)); }
    fn sum() { literal("sum", |x| ops::sum(&x[0])); }
    fn mean() { literal("mean", |x| ops::mean(&x[0])); }
    fn sum_rows() { literal("sum_rows", |x| ops::sum_rows(&x[0])); }

    fn linear() { literal("linear", |x| ops::linear(&x[0], &x[1], Some(&x[2]))); }
    fn matmul() { literal("matmul", |x| ops::matmul(&x[0], &x[1])); }
    fn matmul_nt() { literal("matmul_nt", |x| ops::matmul_nt(&x[0], &x[1])); }

    fn layer_norm() { literal("layer_norm", |x| ops::layer_norm(&x[0], &x[1], Some(&x[2]), 1e-5)); }
    fn rms_norm() { literal("rms_norm", |x| ops::rms_norm(&x[0], &x[1], 1e-6)); }
    fn softmax() { literal("softmax", |x| ops::softmax(&x[0])); }
    fn log_softmax() { literal("log_softmax", |x| ops::log_softmax(&x[0])); }
    fn cross_entropy() { literal("cross_entropy", |x| ops::cross_entropy(&x[0], &[4, ops::IGNORE, 0])); }
    fn linear_cross_entropy() {
        let op = |x: &[Tensor]| ops::linear_cross_entropy(&x[0], &x[1], &[4, ops::IGNORE, 0], &[0.5, 2.0, -1.0]);
        literal("linear_cross_entropy", op);
    }
    fn embedding() { literal("embedding", |x| ops::embedding(&x[0], &[3, 0, 3, 1], [2, 2])); }
    fn rope() { literal("rope", |x| ops::rope(&x[0], 2, 4, &[0, 1, 7], 100.0)); }
    fn dropout_add() { literal("dropout_add", |x| ops::dropout_add(&x[0], &x[1], 0.4, (11, 5))); }
    fn dropout() { literal("dropout", |x| ops::dropout(&x[0], 0.4, (11, 5))); }

    fn reshape() { literal("reshape", |x| ops::reshape(&x[0], [3, 4])); }
    fn transpose() { literal("transpose", |x| ops::transpose(&x[0])); }
    fn swap_axes_12() { literal("swap_axes_12", |x| ops::swap_axes_12(&x[0])); }
    fn slice() { literal("slice", |x| ops::slice(&x[0], 1, 1, 2)); }
    fn concat() { literal("concat", |x| ops::concat(&x[0], &x[1], 1)); }

    fn attention() {
        literal("attention", |x| ops::attention(&x[0], &x[1], &x[2], heads(4, 2, Mask::Causal)));
        let a = heads(2, 2, Mask::Padding(vec![2, 3]));
        literal("attention padding", |x| ops::attention(&x[0], &x[1], &x[2], a.clone()));
    }
    fn attention_packed() { literal("attention_packed", |x| ops::attention_packed(&x[0], heads(2, 1, Mask::Causal))); }
    fn mlp_bf16() { literal_bf16("mlp_bf16", |x| mlp_of(x, None, ops::Activation::GeluTanh)); }
    fn swiglu_bf16() { literal_bf16("swiglu_bf16", |x| swiglu_of(x, None)); }
    fn self_attention_bf16() {
        let a = heads(2, 1, Mask::Causal);
        literal_bf16("self_attention_bf16", |x| self_attention_of(x, None, &a, None));
        literal_bf16("self_attention_bf16 rope", |x| self_attention_of(x, None, &a, Some(100.0)));
    }
    fn attention_cached() { // rows 2 and 3 of four; no gradient
        let (inputs, case) = load("attention_cached");
        let part = |start| ops::slice(&inputs[0], 2, start, 2);
        let newest = ops::slice(&inputs[0], 1, 2, 2);
        let y = ops::attention_cached(&newest, part(4).data(), part(6).data(), 4, 4, &heads(2, 1, Mask::Causal));
        assert_close("forward", y.data(), tensor(&case["y"]).data(), 2e-6);
    }
}
