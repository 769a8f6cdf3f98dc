//! Test 1 of each op: its gradient against a finite difference, in several shapes, alone, accumulated and shared.

mod common;

use common::{
    assert_close, map, mlp_of, normal, normals, one_for_each_op, parameters, run, self_attention_of, sublayer_inputs,
    swiglu_of,
};
use motamot_kernels::bf16::Precision;
use motamot_tensor::gradcheck::assert_gradients;
use motamot_tensor::ops::{self, Attention, Mask};
use motamot_tensor::{Gradients, Tensor};

/// The gradient of `f` for each input against a finite difference; then every way in which it can reach its slot.
#[track_caller]
fn check(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Tensor) {
    assert_gradients(inputs, 1e-2, 1e-3, &f);
    check_slots(inputs, f);
}

/// The same in bf16, where a function has steps: a difference quotient as wide as its curvature allows, and a loose
/// comparison. The twins compare more closely.
#[track_caller]
fn check_bf16(h: f32, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Tensor) {
    assert_gradients(inputs, h, 0.15, &f);
    check_slots(inputs, f);
}

/// Every way in which a gradient can reach its slot.
#[track_caller]
fn check_slots(inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Tensor) {
    let (_, whole) = run(inputs, None, &f);
    let twice: Vec<Vec<f32>> = whole.iter().map(|g| g.iter().map(|g| 2.0 * g).collect()).collect();

    // Two micro-batches: the parameter's own buffer accumulates.
    let (ids, leaves) = parameters(inputs);
    let mut gradients = Gradients::new();
    for _ in 0..2 {
        let y = f(&leaves);
        let dy = normal(99, y.shape());
        y.backward_from(dy.data(), &mut gradients);
    }
    for (id, want) in ids.iter().zip(&twice) {
        assert_close("two micro-batches", gradients.get(*id).expect("a gradient"), want, 1e-5);
    }

    // Two uses of the same results of another op: the node's buffer accumulates.
    let (_, shared) = run(inputs, None, |leaves| {
        let middle: Vec<Tensor> = leaves.iter().map(|x| ops::scale(x, 1.0)).collect();
        ops::add(&f(&middle), &f(&middle))
    });
    shared.iter().zip(&twice).for_each(|(got, want)| assert_close("two uses", got, want, 1e-5));

    // One input tracked at a time: the slots of the others are None.
    for (i, want) in whole.iter().enumerate() {
        let (_, alone) = run(&inputs[i..=i], None, |x| {
            let mut all = inputs.to_vec();
            all[i] = x[0].clone();
            f(&all)
        });
        assert_eq!(&alone[0], want, "the gradient of input {i} depends on who else is tracked");
    }
    assert!(!f(inputs).is_tracked(), "constants give a constant");
}

/// An op of one tensor, in shapes around the 16 lanes of a kernel.
#[track_caller]
fn check_map(op: impl Fn(&Tensor) -> Tensor, input: impl Fn(f32) -> f32) {
    for shape in shapes([&[], &[1], &[17], &[3, 16], &[2, 3, 4], &[2, 1, 3, 33]]) {
        check(&[map(&normal(5, shape), &input)], |x| op(&x[0]));
    }
}

type Axes = &'static [usize];

/// Axes of any rank in one array.
fn shapes<const N: usize>(shapes: [Axes; N]) -> [Axes; N] {
    shapes
}

/// Two of them at a time.
fn pairs<const N: usize>(pairs: [(Axes, Axes); N]) -> [(Axes, Axes); N] {
    pairs
}

/// Inputs as drawn.
fn plain(x: f32) -> f32 {
    x
}

fn attention_of(heads: usize, kv_heads: usize, head_dim: usize, mask: Mask) -> Attention {
    Attention { kv_heads, mask, ..Attention::causal(heads, head_dim) }
}

one_for_each_op! {
    fn exp() { check_map(ops::exp, plain); }
    fn gelu() { check_map(ops::gelu, plain); }
    fn gelu_tanh() { check_map(ops::gelu_tanh, plain); }
    fn ln() { check_map(ops::ln, |x| 0.5 + x.abs()); }
    fn log_sigmoid() { check_map(ops::log_sigmoid, |x| 3.0 * x); }
    fn relu() { check_map(ops::relu, |x| x + 0.2f32.copysign(x)); } // away from the kink
    fn sigmoid() { check_map(ops::sigmoid, plain); }
    fn silu() { check_map(ops::silu, plain); }
    fn tanh() { check_map(ops::tanh, plain); }
    fn scale() { check_map(|x| ops::scale(x, -2.5), plain); }
    fn sum() { check_map(ops::sum, plain); }
    fn mean() { check_map(ops::mean, plain); }
    fn dropout_add() {
        for p in [0.0, 0.4] {
            check(&normals([&[3, 50], &[3, 50]]), |x| ops::dropout_add(&x[0], &x[1], p, (1, 2)));
        }
    }
    fn dropout() {
        check_map(|x| ops::dropout(x, 0.0, (1, 2)), plain);
        check_map(|x| ops::dropout(x, 0.4, (1, 2)), plain);
    }

    fn swiglu() {
        for shape in shapes([&[5], &[3, 17], &[2, 3, 32]]) {
            check(&normals([shape, shape]), |x| ops::swiglu(&x[0], &x[1]));
        }
    }
    fn add() {
        for (a, b) in pairs([(&[2, 3], &[2, 3]), (&[4, 3], &[3]), (&[2, 5, 16], &[5, 16]), (&[3, 2], &[])]) {
            check(&normals([a, b]), |x| ops::add(&x[0], &x[1]));
            check(&normals([a, b]), |x| &x[0] + &x[1]);
        }
    }
    fn sub() {
        for shape in shapes([&[], &[17], &[2, 3, 5]]) {
            check(&normals([shape, shape]), |x| ops::sub(&x[0], &x[1]));
        }
    }
    fn mul() {
        for shape in shapes([&[], &[17], &[2, 3, 5]]) {
            check(&normals([shape, shape]), |x| ops::mul(&x[0], &x[1]));
        }
    }

    fn linear() {
        for (x, o) in [(shapes([&[3, 4]])[0], 5), (&[1], 1), (&[2, 3, 17], 33), (&[2, 2, 2, 8], 3)] {
            let i = x[x.len() - 1];
            check(&normals([x, &[i, o]]), |x| ops::linear(&x[0], &x[1], None));
            check(&normals([x, &[i, o], &[o]]), |x| ops::linear(&x[0], &x[1], Some(&x[2])));
        }
    }
    fn matmul() {
        for (a, b) in pairs([
            (&[3, 4], &[4, 5]),
            (&[2, 3, 4], &[4, 5]),
            (&[2, 3, 4], &[2, 4, 5]),
            (&[2, 2, 5, 17], &[2, 2, 17, 3]),
        ]) {
            check(&normals([a, b]), |x| ops::matmul(&x[0], &x[1]));
        }
    }
    fn matmul_nt() {
        for (a, b) in pairs([(&[3, 4], &[5, 4]), (&[2, 3, 17], &[6, 17])]) {
            check(&normals([a, b]), |x| ops::matmul_nt(&x[0], &x[1]));
        }
    }

    fn layer_norm() {
        for x in shapes([&[4], &[3, 17], &[2, 3, 32]]) {
            let c = &x[x.len() - 1..];
            check(&normals([x, c, c]), |x| ops::layer_norm(&x[0], &x[1], Some(&x[2]), 1e-5));
            check(&normals([x, c]), |x| ops::layer_norm(&x[0], &x[1], None, 1e-5));
        }
    }
    fn rms_norm() {
        for x in shapes([&[4], &[3, 17], &[2, 3, 32]]) {
            check(&normals([x, &x[x.len() - 1..]]), |x| ops::rms_norm(&x[0], &x[1], 1e-6));
        }
    }
    fn softmax() {
        for shape in shapes([&[5], &[3, 17], &[2, 2, 33]]) {
            check(&normals([shape]), |x| ops::softmax(&x[0]));
        }
    }
    fn log_softmax() {
        for shape in shapes([&[5], &[3, 17], &[2, 2, 33]]) {
            check(&normals([shape]), |x| ops::log_softmax(&x[0]));
        }
    }
    fn cross_entropy() {
        check(&normals([&[5]]), |x| ops::cross_entropy(&x[0], &[3]));
        check(&normals([&[4, 17]]), |x| ops::cross_entropy(&x[0], &[0, 16, ops::IGNORE, 16]));
        check(&normals([&[2, 2, 33]]), |x| ops::cross_entropy(&x[0], &[32, 1, 2, 2]));
    }
    fn linear_cross_entropy() {
        check(&normals([&[5], &[3, 5]]), |x| ops::linear_cross_entropy(&x[0], &x[1], &[2], &[1.5]));
        let targets = [0, 16, ops::IGNORE, 16];
        let weights = [0.5, -2.0, 1.0, 0.25];
        check(&normals([&[2, 2, 6], &[17, 6]]), |x| ops::linear_cross_entropy(&x[0], &x[1], &targets, &weights));
    }
    fn embedding() {
        check(&normals([&[5, 3]]), |x| ops::embedding(&x[0], &[4, 0, 4, 1], [4]));
        check(&normals([&[3, 17]]), |x| ops::embedding(&x[0], &[2, 2, 2, 0, 1, 0], [2, 3]));
    }
    fn rope() {
        check(&normals([&[3, 4]]), |x| ops::rope(&x[0], 1, 4, &[0, 1, 7], 10_000.0));
        check(&normals([&[2, 2, 24]]), |x| ops::rope(&x[0], 2, 8, &[5, 6, 0, 1], 100.0));
    }

    fn reshape() { check(&normals([&[2, 6]]), |x| ops::reshape(&x[0], [3, 4])); }
    fn transpose() {
        for shape in shapes([&[3, 4], &[2, 3, 5], &[2, 2, 1, 17]]) {
            check(&normals([shape]), |x| ops::transpose(&x[0]));
        }
    }
    fn swap_axes_12() { check(&normals([&[2, 3, 4, 5]]), |x| ops::swap_axes_12(&x[0])); }
    fn slice() {
        for axis in 0..3 {
            check(&normals([&[4, 5, 6]]), |x| ops::slice(&x[0], axis, 1, 2));
        }
        check(&normals([&[3]]), |x| ops::slice(&x[0], 0, 0, 3));
    }
    fn concat() {
        check(&normals([&[2, 3], &[1, 3]]), |x| ops::concat(&x[0], &x[1], 0));
        check(&normals([&[2, 3, 2], &[2, 1, 2]]), |x| ops::concat(&x[0], &x[1], 1));
        check(&normals([&[2, 3], &[2, 5]]), |x| ops::concat(&x[0], &x[1], 1));
    }
    fn sum_rows() {
        for shape in shapes([&[4], &[3, 17], &[2, 3, 4]]) {
            check(&normals([shape]), |x| ops::sum_rows(&x[0]));
        }
    }

    fn attention() {
        for mask in [Mask::Full, Mask::Causal, Mask::Padding(vec![3, 5]), Mask::CausalPadding(vec![5, 2]), Mask::Window(2)] {
            let a = attention_of(2, 2, 4, mask.clone());
            let [q, k] = shapes([&[2, 5, 8], &[2, 5, 8]]);
            check(&normals([q, k, k]), |x| ops::attention(&x[0], &x[1], &x[2], a.clone()));
            let a = attention_of(4, 2, 8, mask); // grouped queries, fewer queries than keys
            let [q, k] = shapes([&[2, 3, 32], &[2, 5, 16]]);
            check(&normals([q, k, k]), |x| ops::attention(&x[0], &x[1], &x[2], a.clone()));
        }
        let a = Attention { alibi: Some(vec![0.5, 0.25]), dropout: Some((0.3, (3, 4))), ..Attention::causal(2, 4) };
        let shape: &[usize] = &[1, 6, 8];
        check(&normals([shape, shape, shape]), |x| ops::attention(&x[0], &x[1], &x[2], a.clone()));
    }
    fn attention_packed() {
        check(&normals([&[2, 5, 24]]), |x| ops::attention_packed(&x[0], Attention::causal(2, 4)));
        let a = Attention { dropout: Some((0.3, (3, 4))), ..attention_of(4, 2, 8, Mask::Padding(vec![4])) };
        check(&normals([&[1, 6, 64]]), |x| ops::attention_packed(&x[0], a.clone()));
    }
    fn mlp_bf16() {
        let [x, c, f, up, down] = shapes([&[3, 37, 24], &[24], &[40], &[24, 40], &[40, 24]]);
        let inputs = sublayer_inputs([x, c, c, up, f, down, c], 0.3);
        for function in [ops::Activation::Gelu, ops::Activation::GeluTanh] {
            for dropout in [None, Some((0.3, (3, 4)))] {
                check_bf16(0.06, &inputs, |x| mlp_of(x, dropout, function));
            }
        }
    }
    fn swiglu_bf16() {
        let [x, c, f, up, down] = shapes([&[3, 37, 24], &[24], &[40], &[24, 40], &[40, 24]]);
        let inputs = sublayer_inputs([x, c, c, up, f, up, f, down, c], 0.1);
        for dropout in [None, Some((0.3, (3, 4)))] {
            check_bf16(0.12, &inputs, |x| swiglu_of(x, dropout));
        }
    }
    fn self_attention_bf16() {
        let [x, c, rows, qkv, out] = shapes([&[2, 37, 24], &[24], &[40], &[24, 40], &[24, 24]]);
        let inputs = sublayer_inputs([x, c, c, qkv, rows, out, c], 0.15);
        for (dropout, rope) in [(None, None), (Some((0.3, (3, 4))), Some(100.0))] {
            let a = Attention { alibi: Some(vec![0.5, 0.25, 0.1]), dropout, ..attention_of(3, 1, 8, Mask::Causal) };
            check_bf16(0.08, &inputs, |x| self_attention_of(x, dropout, &a, rope));
        }
    }
    fn attention_cached() { // has no gradient, and says so
        let (_, leaves) = parameters(&normals([&[1, 2, 12]]));
        let cache = normal(3, [1, 5, 4]);
        let y = ops::attention_cached(&leaves[0], cache.data(), cache.data(), 5, 4, &Attention::causal(1, 4));
        assert!(!y.is_tracked());
    }
}

#[test]
fn attention_packed_in_bf16() {
    for dropout in [None, Some((0.3, (3, 4)))] {
        let precision = Precision::Bf16;
        let a = Attention { alibi: Some(vec![0.5, 0.25]), dropout, precision, ..Attention::causal(2, 16) };
        check_bf16(0.06, &normals([&[2, 37, 96]]), |x| ops::attention_packed(&x[0], a.clone()));
    }
}

/// One tensor as several inputs of one op, as a parameter and as a result: the shares are added.
#[test]
fn the_same_tensor_twice_in_one_op() {
    type Case = (&'static str, Axes, fn(&Tensor) -> Tensor);
    let cases: [Case; 10] = [
        ("add", &[2, 3], |x| ops::add(x, x)),
        ("sub of a product", &[2, 3], |x| ops::sub(&ops::mul(x, x), x)),
        ("mul", &[17], |x| ops::mul(x, x)),
        ("swiglu", &[3, 5], |x| ops::swiglu(x, x)),
        ("dropout_add", &[3, 5], |x| ops::dropout_add(x, x, 0.4, (1, 2))),
        ("linear", &[4, 4], |x| ops::linear(x, x, None)),
        ("matmul", &[2, 3, 3], |x| ops::matmul(x, x)),
        ("matmul_nt", &[3, 5], |x| ops::matmul_nt(x, x)),
        ("concat", &[2, 3], |x| ops::concat(x, x, 1)),
        ("attention", &[1, 4, 8], |x| ops::attention(x, x, x, Attention::causal(2, 4))),
    ];
    for (name, shape, f) in cases {
        println!("{name}");
        check(&[normal(3, shape)], |x| f(&x[0]));
        check(&[normal(3, shape)], |x| f(&ops::tanh(&x[0])));
    }
}

/// A wrong gradient does not pass the check that all the above rely on.
#[test]
#[should_panic(expected = "finite difference")]
fn a_gradient_wrong_by_one_percent_is_found() {
    assert_gradients(&[normal(1, [20])], 1e-2, 1e-3, |x| {
        let y = ops::exp(&x[0]);
        motamot_tensor::record("wrong", motamot_tensor::Buf::from(y.data()), y.shape(), [&y], |dy, [dx]| {
            if let Some(dx) = dx {
                let slightly_more: Vec<f32> = dy.iter().map(|d| 1.01 * d).collect();
                motamot_kernels::elementwise::copy_grad(&slightly_more, dx);
            }
        })
    });
}
