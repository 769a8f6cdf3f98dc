//! Test 2 of each op: the same function built from other ops gives the same values and the same gradients.

mod common;

use common::{
    Dropout, assert_close, distance, map, mlp_of, normal, normals, one_for_each_op, run, self_attention_of,
    sublayer_inputs, swiglu_of,
};
use motamot_tensor::Tensor;
use motamot_tensor::ops::{self, Attention, Mask};

/// Both functions, forward and the gradient of every input.
#[track_caller]
fn same(inputs: &[Tensor], op: impl Fn(&[Tensor]) -> Tensor, twin: impl Fn(&[Tensor]) -> Tensor) {
    let ((y, gradients), (y2, gradients2)) = (run(inputs, None, op), run(inputs, None, twin));
    assert_eq!(y.shape(), y2.shape());
    assert_close("forward", y.data(), y2.data(), 2e-5);
    for (i, (g, g2)) in gradients.iter().zip(&gradients2).enumerate() {
        assert_close(&format!("gradient of input {i}"), g, g2, 5e-5);
    }
}

/// The same within what rounding to bf16 changes.
#[track_caller]
fn near(tolerance: f32, inputs: &[Tensor], op: impl Fn(&[Tensor]) -> Tensor, twin: impl Fn(&[Tensor]) -> Tensor) {
    let ((y, gradients), (y2, gradients2)) = (run(inputs, None, op), run(inputs, None, twin));
    assert_eq!(y.shape(), y2.shape());
    for (i, (got, want)) in std::iter::once((y.data(), y2.data()))
        .chain(gradients.iter().zip(&gradients2).map(|(g, g2)| (&g[..], &g2[..])))
        .enumerate()
    {
        let distance = distance(got, want);
        assert!(
            (i > 0 || distance > 1e-5) && distance < tolerance,
            "part {i} (0: forward): {distance:e} from its twin"
        );
    }
}

/// A sub-layer around `inner`, of ops in f32.
fn framed(x: &[Tensor], dropout: Dropout, inner: impl Fn(&Tensor) -> Tensor) -> Tensor {
    let h = ops::linear(&ops::layer_norm(&x[0], &x[1], Some(&x[2]), 1e-5), &x[3], Some(&x[4]));
    let y = ops::linear(&inner(&h), &x[5], Some(&x[6]));
    let (p, key) = dropout.unwrap_or((0.0, (0, 0)));
    ops::dropout_add(&y, &x[0], p, key)
}

/// `value` everywhere.
fn full(value: f32, shape: &[usize]) -> Tensor {
    map(&Tensor::zeros(shape), |_| value)
}

/// A constant matrix, element by element.
fn matrix(rows: usize, cols: usize, f: impl Fn(usize, usize) -> f32) -> Tensor {
    let values: Vec<f32> = (0..rows * cols).map(|i| f(i / cols, i % cols)).collect();
    Tensor::new(&values, [rows, cols])
}

/// (rows, cols) with ones where col = row + shift.
fn selection(rows: usize, cols: usize, shift: isize) -> Tensor {
    matrix(rows, cols, |r, c| f32::from(c as isize == r as isize + shift))
}

/// The row w repeated, as a product with a column of ones.
fn repeat(w: &Tensor, rows: usize) -> Tensor {
    ops::linear(&full(1.0, &[rows, 1]), &ops::reshape(w, [1, w.len()]), None)
}

/// 1/√x.
fn reciprocal_root(x: &Tensor) -> Tensor {
    ops::exp(&ops::scale(&ops::ln(x), -0.5))
}

/// Column 0 of f of the rows (x_i, 0): a function of two classes.
fn against_zero(x: &Tensor, f: impl Fn(&Tensor) -> Tensor) -> Tensor {
    let n = x.len();
    let pairs = ops::concat(&ops::reshape(x, [n, 1]), &Tensor::zeros([n, 1]), 1);
    ops::reshape(&ops::slice(&f(&pairs), 1, 0, 1), x.shape())
}

/// Σ_k c_k·x^k for coefficients from the highest power down.
fn polynomial(x: &Tensor, coefficients: impl Iterator<Item = f64>) -> Tensor {
    let start = ops::scale(x, 0.0);
    coefficients.fold(start, |sum, c| ops::add(&ops::mul(&sum, x), &full(c as f32, &x.shape())))
}

fn factorial(n: usize) -> f64 {
    (1..=n).map(|i| i as f64).product()
}

fn join(parts: impl IntoIterator<Item = Tensor>, axis: usize) -> Tensor {
    parts.into_iter().reduce(|a, b| ops::concat(&a, &b, axis)).expect("at least one part")
}

/// (B, T, n·D) → (B, H, T, D), each of the n heads H/n times in a row.
fn heads(x: &Tensor, n: usize, times: usize) -> Tensor {
    let (b, t, d) = (x.shape()[0], x.shape()[1], x.shape()[2] / n);
    let split = ops::swap_axes_12(&ops::reshape(x, [b, t, n, d]));
    join((0..n * times).map(|h| ops::slice(&split, 1, h / times, 1)), 1)
}

/// Attention as the paper writes it, with the scores in full, the mask as a number to add, dropout as one to multiply.
fn plain_attention(q: &Tensor, k: &Tensor, v: &Tensor, a: &Attention, kept: Option<&Tensor>) -> Tensor {
    let (b, tq, tk) = (q.shape()[0], q.shape()[1], k.shape()[1]);
    let group = a.heads / a.kv_heads;
    let (q, k, v) = (heads(q, a.heads, 1), heads(k, a.kv_heads, group), heads(v, a.kv_heads, group));
    let scores = ops::scale(&ops::matmul(&q, &ops::transpose(&k)), 1.0 / (a.head_dim as f32).sqrt());
    let added = |i: usize| {
        let (b, h, q, k) = (i / (a.heads * tq * tk), i / (tq * tk) % a.heads, i / tk % tq + tk - tq, i % tk);
        let seen = match &a.mask {
            Mask::Full => true,
            Mask::Causal => k <= q,
            Mask::Padding(n) => k < n[b] as usize,
            Mask::CausalPadding(n) => k <= q && k < n[b] as usize,
            Mask::Window(n) => k <= q && q < k + n,
        };
        let bias = a.alibi.as_ref().map_or(0.0, |slopes| -slopes[h] * q.abs_diff(k) as f32);
        if seen { bias } else { -1e9 }
    };
    let mask: Vec<f32> = (0..b * a.heads * tq * tk).map(added).collect();
    let mut weights = ops::softmax(&ops::add(&scores, &Tensor::new(&mask, [b, a.heads, tq, tk])));
    if let Some(kept) = kept {
        weights = ops::mul(&weights, kept);
    }
    let y = ops::swap_axes_12(&ops::matmul(&weights, &v));
    ops::reshape(&y, [b, tq, a.heads * a.head_dim])
}

/// What dropout multiplies each weight by, (B, H, T, T): equal weights 1/T on T one-hot values give it away.
fn attention_dropout_mask(a: &Attention, b: usize, t: usize) -> Tensor {
    let a = Attention { mask: Mask::Full, alibi: None, head_dim: t, kv_heads: 1, ..a.clone() };
    let one_hot = full(0.0, &[b, t, t]);
    let one_hot = ops::add(&one_hot, &selection(t, t, 0));
    let zeros = Tensor::zeros([b, t, t]);
    let y = ops::attention(&Tensor::zeros([b, t, a.heads * t]), &zeros, &one_hot, a.clone());
    heads(&ops::scale(&y, t as f32), a.heads, 1)
}

one_for_each_op! {
    fn exp() {
        let taylor = |x: &[Tensor]| polynomial(&x[0], (0..=20).rev().map(|k| 1.0 / factorial(k)));
        same(&[map(&normal(1, [3, 17]), |x| x.clamp(-2.0, 2.0))], |x| ops::exp(&x[0]), taylor);
    }
    fn ln() { // ln(1 + z) = z − z²/2 + z³/3 − …
        let series = |x: &[Tensor]| {
            let z = ops::sub(&x[0], &full(1.0, &x[0].shape()));
            ops::mul(&z, &polynomial(&z, (1..=24).rev().map(|k| -(-1.0f64).powi(k) / f64::from(k))))
        };
        same(&[map(&normal(1, [3, 17]), |x| 1.0 + (0.3 * x).clamp(-0.45, 0.45))], |x| ops::ln(&x[0]), series);
    }
    fn sigmoid() {
        same(&normals([&[3, 17]]), |x| ops::sigmoid(&x[0]), |x| against_zero(&x[0], ops::softmax));
    }
    fn log_sigmoid() {
        let wide = [map(&normal(1, [3, 17]), |x| 9.0 * x)];
        same(&wide, |x| ops::log_sigmoid(&x[0]), |x| against_zero(&x[0], ops::log_softmax));
    }
    fn tanh() { // 2·σ(2x) − 1
        let twin = |x: &[Tensor]| {
            let y = ops::scale(&ops::sigmoid(&ops::scale(&x[0], 2.0)), 2.0);
            ops::sub(&y, &full(1.0, &y.shape()))
        };
        same(&normals([&[3, 17]]), |x| ops::tanh(&x[0]), twin);
    }
    fn gelu() { // x·Φ(x), Φ(x) = ½ + x/√(2π)·Σ_k (−x²/2)^k / (k!(2k + 1))
        let series = |x: &[Tensor]| {
            let half_square = ops::scale(&ops::mul(&x[0], &x[0]), -0.5);
            let sum = polynomial(&half_square, (0..=20).rev().map(|k| 1.0 / (factorial(k) * (2 * k + 1) as f64)));
            let odd = ops::scale(&ops::mul(&x[0], &sum), std::f32::consts::TAU.sqrt().recip());
            ops::mul(&x[0], &ops::add(&odd, &full(0.5, &odd.shape())))
        };
        same(&[map(&normal(1, [3, 17]), |x| x.clamp(-2.0, 2.0))], |x| ops::gelu(&x[0]), series);
    }
    fn gelu_tanh() {
        let twin = |x: &[Tensor]| {
            let cube = ops::mul(&ops::mul(&x[0], &x[0]), &x[0]);
            let inner = ops::scale(&ops::add(&x[0], &ops::scale(&cube, 0.044715)), (2.0 / std::f32::consts::PI).sqrt());
            let half = ops::scale(&x[0], 0.5);
            ops::add(&half, &ops::mul(&half, &ops::tanh(&inner)))
        };
        same(&normals([&[3, 17]]), |x| ops::gelu_tanh(&x[0]), twin);
    }
    fn relu() {
        let twin = |x: &[Tensor]| ops::mul(&x[0], &map(&x[0], |x| f32::from(x > 0.0)));
        same(&normals([&[3, 17]]), |x| ops::relu(&x[0]), twin);
    }
    fn silu() { same(&normals([&[3, 17]]), |x| ops::silu(&x[0]), |x| ops::mul(&x[0], &ops::sigmoid(&x[0]))); }
    fn swiglu() {
        same(&normals([&[3, 17], &[3, 17]]), |x| ops::swiglu(&x[0], &x[1]), |x| ops::mul(&ops::silu(&x[0]), &x[1]));
    }

    fn add() {
        same(&normals([&[3, 5], &[3, 5]]), |x| ops::add(&x[0], &x[1]), |x| ops::sub(&x[0], &ops::scale(&x[1], -1.0)));
        same(&normals([&[3, 5], &[5]]), |x| ops::add(&x[0], &x[1]), |x| ops::add(&x[0], &repeat(&x[1], 3)));
    }
    fn sub() { // x·I + y·(−I)
        let twin = |x: &[Tensor]| {
            let signs = join([selection(5, 5, 0), ops::scale(&selection(5, 5, 0), -1.0)], 0);
            ops::linear(&ops::concat(&x[0], &x[1], 1), &signs, None)
        };
        same(&normals([&[3, 5], &[3, 5]]), |x| ops::sub(&x[0], &x[1]), twin);
    }
    fn mul() { // 15 products of a (1, 1) by a (1, 1)
        let twin = |x: &[Tensor]| {
            let [a, b] = [0, 1].map(|i| ops::reshape(&x[i], [15, 1, 1]));
            ops::reshape(&ops::matmul(&a, &b), [3, 5])
        };
        same(&normals([&[3, 5], &[3, 5]]), |x| ops::mul(&x[0], &x[1]), twin);
    }
    fn scale() { same(&normals([&[3, 5]]), |x| ops::scale(&x[0], -2.5), |x| ops::mul(&x[0], &full(-2.5, &[3, 5]))); }
    fn sum() {
        let row = |x: &Tensor| ops::reshape(x, [1, 51]);
        let twin = |x: &[Tensor]| ops::reshape(&ops::linear(&row(&x[0]), &full(1.0, &[51, 1]), None), []);
        same(&normals([&[3, 17]]), |x| ops::sum(&x[0]), twin);
    }
    fn mean() {
        let twin = |x: &[Tensor]| ops::scale(&ops::sum(&ops::sum_rows(&x[0])), 1.0 / 51.0);
        same(&normals([&[3, 17]]), |x| ops::mean(&x[0]), twin);
    }
    fn sum_rows() {
        let twin = |x: &[Tensor]| ops::reshape(&ops::linear(&x[0], &full(1.0, &[17, 1]), None), [2, 3]);
        same(&normals([&[2, 3, 17]]), |x| ops::sum_rows(&x[0]), twin);
    }
    fn dropout_add() {
        for p in [0.0, 0.3] {
            let twin = |x: &[Tensor]| ops::add(&x[1], &ops::dropout(&x[0], p, (8, 9)));
            same(&normals([&[5, 40], &[5, 40]]), |x| ops::dropout_add(&x[0], &x[1], p, (8, 9)), twin);
        }
    }
    fn dropout() {
        let mask = ops::dropout(&full(1.0, &[5, 40]), 0.3, (8, 9));
        assert!(mask.data().contains(&0.0) && mask.data().contains(&(1.0 / 0.7)));
        same(&normals([&[5, 40]]), |x| ops::dropout(&x[0], 0.3, (8, 9)), |x| ops::mul(&x[0], &mask));
        same(&normals([&[5, 40]]), |x| ops::dropout(&x[0], 0.0, (8, 9)), |x| ops::scale(&x[0], 1.0));
    }

    fn linear() {
        let product = |x: &[Tensor]| {
            let [a, b] = [ops::reshape(&x[0], [1, 6, 4]), ops::reshape(&x[1], [1, 4, 5])];
            ops::reshape(&ops::matmul(&a, &b), [2, 3, 5])
        };
        let input = normals([&[2, 3, 4], &[4, 5], &[5]]);
        same(&input[..2], |x| ops::linear(&x[0], &x[1], None), product);
        same(&input, |x| ops::linear(&x[0], &x[1], Some(&x[2])), |x| ops::add(&product(x), &x[2]));
    }
    fn matmul() { // one matrix of the batch at a time; b for all
        let twin = |x: &[Tensor]| {
            let part = |t: &Tensor, i| {
                let (m, n) = (t.shape()[1], t.shape()[2]);
                ops::reshape(&ops::slice(t, 0, i, 1), [m, n])
            };
            let y = |i| ops::linear(&part(&x[0], i), &part(&x[1], i), None);
            join((0..3).map(|i| ops::reshape(&y(i), [1, 2, 5])), 0)
        };
        same(&normals([&[3, 2, 4], &[3, 4, 5]]), |x| ops::matmul(&x[0], &x[1]), twin);
        let for_all = |x: &[Tensor]| ops::matmul(&x[0], &join((0..3).map(|_| ops::reshape(&x[1], [1, 4, 5])), 0));
        same(&normals([&[3, 2, 4], &[4, 5]]), |x| ops::matmul(&x[0], &x[1]), for_all);
    }
    fn matmul_nt() {
        let twin = |x: &[Tensor]| ops::linear(&x[0], &ops::transpose(&x[1]), None);
        same(&normals([&[2, 3, 17], &[5, 17]]), |x| ops::matmul_nt(&x[0], &x[1]), twin);
    }

    fn layer_norm() {
        let twin = |x: &[Tensor]| {
            let average = full(1.0 / 17.0, &[17, 17]); // the mean of a row, in each of its places
            let centred = ops::sub(&x[0], &ops::linear(&x[0], &average, None));
            let variance = ops::linear(&ops::mul(&centred, &centred), &average, None);
            let r = reciprocal_root(&ops::add(&variance, &full(1e-5, &[17])));
            let y = ops::mul(&ops::mul(&centred, &r), &repeat(&x[1], 4));
            x.get(2).map_or(y.clone(), |b| ops::add(&y, b))
        };
        let input = normals([&[4, 17], &[17], &[17]]);
        same(&input, |x| ops::layer_norm(&x[0], &x[1], Some(&x[2]), 1e-5), twin);
        same(&input[..2], |x| ops::layer_norm(&x[0], &x[1], None, 1e-5), twin);
    }
    fn rms_norm() {
        let twin = |x: &[Tensor]| {
            let square = ops::linear(&ops::mul(&x[0], &x[0]), &full(1.0 / 17.0, &[17, 17]), None);
            let r = reciprocal_root(&ops::add(&square, &full(1e-6, &[17])));
            ops::mul(&ops::mul(&x[0], &r), &repeat(&x[1], 4))
        };
        same(&normals([&[4, 17], &[17]]), |x| ops::rms_norm(&x[0], &x[1], 1e-6), twin);
    }
    fn softmax() { // e^x/Σ
        let twin = |x: &[Tensor]| {
            let e = ops::exp(&x[0]);
            let total = ops::linear(&e, &full(1.0, &[17, 17]), None);
            ops::mul(&e, &ops::exp(&ops::scale(&ops::ln(&total), -1.0)))
        };
        same(&normals([&[2, 2, 17]]), |x| ops::softmax(&x[0]), twin);
    }
    fn log_softmax() { // x − ln Σ
        let total = |x: &Tensor| ops::linear(&ops::exp(x), &full(1.0, &[17, 17]), None);
        let twin = |x: &[Tensor]| ops::sub(&x[0], &ops::ln(&total(&x[0])));
        same(&normals([&[2, 2, 17]]), |x| ops::log_softmax(&x[0]), twin);
    }
    fn cross_entropy() {
        let targets = [16, 0, ops::IGNORE, 5];
        let twin = |x: &[Tensor]| {
            let one_hot = ops::reshape(&matrix(4, 17, |r, c| f32::from(targets[r] == c as u32)), [2, 2, 17]);
            ops::scale(&ops::sum_rows(&ops::mul(&ops::log_softmax(&x[0]), &one_hot)), -1.0)
        };
        same(&normals([&[2, 2, 17]]), |x| ops::cross_entropy(&x[0], &targets), twin);
    }
    fn linear_cross_entropy() { // with more rows than are in memory at once: the same bits as the composed twin's
        let n = 1100;
        let targets: Vec<u32> = (0..n as u32).map(|i| if i % 7 == 3 { ops::IGNORE } else { i % 9 }).collect();
        let weights = normal(5, [n]);
        let (x, table) = (normal(1, [n, 5]), normal(2, [9, 5]));
        let op = |x: &[Tensor]| ops::linear_cross_entropy(&x[0], &x[1], &targets, weights.data());
        let twin = |x: &[Tensor]| {
            let nll = ops::cross_entropy(&ops::matmul_nt(&x[0], &x[1]), &targets);
            ops::sum(&ops::mul(&nll, &weights))
        };
        same(&[x.clone(), table.clone()], op, twin);
        let gradients = |f: &dyn Fn(&[Tensor]) -> Tensor| run(&[x.clone(), table.clone()], Some(&[1.0]), f).1;
        assert_eq!(gradients(&op), gradients(&twin));
    }
    fn embedding() {
        let ids = [4, 0, 4, 1, 4, 2];
        let twin = |x: &[Tensor]| {
            let y = ops::linear(&matrix(6, 5, |r, c| f32::from(ids[r] == c as u32)), &x[0], None);
            ops::reshape(&y, [2, 3, 17])
        };
        same(&normals([&[5, 17]]), |x| ops::embedding(&x[0], &ids, [2, 3]), twin);
    }
    fn rope() { // per head (a, b) → (a·cos − b·sin, b·cos + a·sin)
        let (positions, d, theta) = ([0u32, 3, 1, 40], 6, 100.0f64);
        let turn = |f: fn(f64) -> f64| {
            matrix(4, 3, |r, i| f(f64::from(positions[r]) * theta.powf(-2.0 * i as f64 / d as f64)) as f32)
        };
        let (cos, sin) = (turn(f64::cos), turn(f64::sin));
        let twin = |x: &[Tensor]| {
            let part = |start, len| ops::slice(&x[0], 1, start, len);
            let head = |h: usize| {
                let (a, b) = (part(h * d, 3), part(h * d + 3, 3));
                let first = ops::sub(&ops::mul(&a, &cos), &ops::mul(&b, &sin));
                ops::concat(&first, &ops::add(&ops::mul(&b, &cos), &ops::mul(&a, &sin)), 1)
            };
            join([head(0), head(1), part(2 * d, 4)], 1)
        };
        same(&normals([&[4, 16]]), |x| ops::rope(&x[0], 2, d, &positions, theta as f32), twin);
    }

    fn reshape() { // (2, 6) → (3, 4), cut and joined
        let twin = |x: &[Tensor]| {
            let piece = |row, start, len| ops::slice(&ops::slice(&x[0], 0, row, 1), 1, start, len);
            join([piece(0, 0, 4), ops::concat(&piece(0, 4, 2), &piece(1, 0, 2), 1), piece(1, 2, 4)], 0)
        };
        same(&normals([&[2, 6]]), |x| ops::reshape(&x[0], [3, 4]), twin);
    }
    fn transpose() { // I·xᵀ
        let twin = |x: &[Tensor]| ops::matmul_nt(&selection(5, 5, 0), &x[0]);
        same(&normals([&[3, 5]]), |x| ops::transpose(&x[0]), twin);
        let each = |x: &[Tensor]| {
            let one = |i| ops::transpose(&ops::reshape(&ops::slice(&x[0], 0, i, 1), [3, 5]));
            join((0..2).map(|i| ops::reshape(&one(i), [1, 5, 3])), 0)
        };
        same(&normals([&[2, 3, 5]]), |x| ops::transpose(&x[0]), each);
    }
    fn swap_axes_12() {
        let twin = |x: &[Tensor]| {
            let one = |b, c| ops::slice(&ops::slice(&x[0], 1, b, 1), 2, c, 1);
            join((0..4).map(|c| join((0..3).map(|b| one(b, c)), 2)), 1)
        };
        same(&normals([&[2, 3, 4, 5]]), |x| ops::swap_axes_12(&x[0]), twin);
    }
    fn slice() {
        let columns = |x: &[Tensor]| ops::linear(&x[0], &selection(6, 3, -2), None);
        same(&normals([&[4, 6]]), |x| ops::slice(&x[0], 1, 2, 3), columns);
        let rows = |x: &[Tensor]| ops::linear(&selection(2, 4, 1), &x[0], None);
        same(&normals([&[4, 6]]), |x| ops::slice(&x[0], 0, 1, 2), rows);
    }
    fn concat() {
        let columns = |x: &[Tensor]| {
            let [a, b] = [selection(3, 8, 0), selection(5, 8, 3)];
            ops::add(&ops::linear(&x[0], &a, None), &ops::linear(&x[1], &b, None))
        };
        same(&normals([&[2, 3], &[2, 5]]), |x| ops::concat(&x[0], &x[1], 1), columns);
        let rows = |x: &[Tensor]| {
            let [a, b] = [selection(5, 2, 0), selection(5, 3, -2)];
            ops::add(&ops::linear(&a, &x[0], None), &ops::linear(&b, &x[1], None))
        };
        same(&normals([&[2, 3], &[3, 3]]), |x| ops::concat(&x[0], &x[1], 0), rows);
    }

    fn attention() {
        for mask in [Mask::Full, Mask::Causal, Mask::Padding(vec![3, 5]), Mask::CausalPadding(vec![5, 3]), Mask::Window(2)] {
            for (heads, kv_heads, tq, alibi) in [(2, 2, 5, None), (4, 2, 3, None), (2, 1, 5, Some(vec![0.5, 0.25]))] {
                let a = Attention { kv_heads, mask: mask.clone(), alibi, ..Attention::causal(heads, 4) };
                let input = normals([&[2, tq, 4 * heads], &[2, 5, 4 * kv_heads], &[2, 5, 4 * kv_heads]]);
                let twin = |x: &[Tensor]| plain_attention(&x[0], &x[1], &x[2], &a, None);
                same(&input, |x| ops::attention(&x[0], &x[1], &x[2], a.clone()), twin);
            }
        }
        let a = Attention { dropout: Some((0.3, (3, 4))), ..Attention::causal(2, 4) };
        let kept = attention_dropout_mask(&a, 2, 6);
        assert!(kept.data().contains(&0.0));
        let twin = |x: &[Tensor]| plain_attention(&x[0], &x[1], &x[2], &a, Some(&kept));
        same(&normals([&[2, 6, 8]; 3]), |x| ops::attention(&x[0], &x[1], &x[2], a.clone()), twin);
    }
    fn attention_packed() {
        let a = Attention { kv_heads: 2, ..Attention::causal(4, 4) };
        let twin = |x: &[Tensor]| {
            let part = |start, len| ops::slice(&x[0], 2, start, len);
            ops::attention(&part(0, 16), &part(16, 8), &part(24, 8), a.clone())
        };
        same(&normals([&[2, 5, 32]]), |x| ops::attention_packed(&x[0], a.clone()), twin);
    }
    fn mlp_bf16() {
        let [x, c, f]: [&[usize]; 3] = [&[3, 37, 24], &[24], &[40]];
        let inputs = sublayer_inputs([x, c, c, &[24, 40], f, &[40, 24], c], 0.3);
        type Op = fn(&Tensor) -> Tensor;
        let functions: [(ops::Activation, Op); 3] = [
            (ops::Activation::Gelu, ops::gelu),
            (ops::Activation::GeluTanh, ops::gelu_tanh),
            (ops::Activation::Relu, ops::relu),
        ];
        for dropout in [None, Some((0.3, (3, 4)))] {
            for (function, op) in functions {
                // Rounding moves what is near 0 across it, where the slope of ReLU jumps.
                let tolerance = if function == ops::Activation::Relu { 0.05 } else { 0.02 };
                near(tolerance, &inputs, |x| mlp_of(x, dropout, function), |x| framed(x, dropout, op));
            }
        }
    }
    fn swiglu_bf16() {
        let [x, c, f]: [&[usize]; 3] = [&[3, 37, 24], &[24], &[40]];
        let inputs = sublayer_inputs([x, c, c, &[24, 40], f, &[24, 40], f, &[40, 24], c], 0.3);
        for dropout in [None, Some((0.3, (3, 4)))] {
            let twin = |x: &[Tensor]| {
                let h = ops::layer_norm(&x[0], &x[1], Some(&x[2]), 1e-5);
                let gate = ops::linear(&h, &x[3], Some(&x[4]));
                let rest = [&x[..3], &x[5..]].concat();
                framed(&rest, dropout, |up| ops::swiglu(&gate, up))
            };
            near(0.02, &inputs, |x| swiglu_of(x, dropout), twin);
        }
    }
    fn self_attention_bf16() {
        let [x, c, rows]: [&[usize]; 3] = [&[2, 37, 24], &[24], &[40]];
        let inputs = sublayer_inputs([x, c, c, &[24, 40], rows, &[24, 24], c], 0.3);
        for (dropout, theta) in [(None, None), (None, Some(100.0)), (Some((0.3, (3, 4))), Some(1e4))] {
            let a = Attention { kv_heads: 1, dropout, ..Attention::causal(3, 8) };
            let places: Vec<u32> = (0..2 * 37).map(|i| i % 37).collect();
            let turned = |rows: &Tensor| theta.map_or(rows.clone(), |theta| ops::rope(rows, 4, 8, &places, theta));
            let twin = |x: &[Tensor]| framed(x, dropout, |rows| ops::attention_packed(&turned(rows), a.clone()));
            near(0.02, &inputs, |x| self_attention_of(x, dropout, &a, theta), twin);
        }
    }
    fn attention_cached() { // the last two rows of the attention of all five; rows beyond do not count
        let a = Attention::causal(2, 4);
        let qkv = normal(1, [2, 5, 24]);
        let part = |start| ops::slice(&qkv, 2, start, 8);
        let cache = |x: &Tensor| ops::concat(x, &full(f32::NAN, &[2, 3, 8]), 1);
        let (keys, values) = (cache(&part(8)), cache(&part(16)));
        let y = ops::attention_cached(&ops::slice(&qkv, 1, 3, 2), keys.data(), values.data(), 8, 5, &a);
        let twin = ops::slice(&ops::attention_packed(&qkv, a), 1, 3, 2);
        assert_close("forward", y.data(), twin.data(), 1e-6);
    }
}

/// As Llama's blocks are: an RMS norm, no biases.
#[test]
fn sublayers_without_biases() {
    let packed = |w: &Tensor| ops::Projection { weight: common::packed(w), bias: None };
    let frame = |w: &Tensor| ops::PreNorm { weight: w.clone(), bias: None, rms: true, eps: 1e-6, dropout: None };
    let twin = |x: &[Tensor], inner: &dyn Fn(&Tensor) -> Tensor| {
        let h = ops::linear(&ops::rms_norm(&x[0], &x[1], 1e-6), &x[2], None);
        ops::add(&ops::linear(&inner(&h), &x[3], None), &x[0])
    };
    let inputs = |shapes: &[&[usize]]| {
        let mut inputs: Vec<Tensor> = shapes.iter().zip(1..).map(|(shape, seed)| normal(seed, *shape)).collect();
        inputs[2..].iter_mut().for_each(|w| *w = map(w, |w| 0.3 * w));
        inputs
    };
    let mlp =
        |x: &[Tensor]| ops::mlp_bf16(&x[0], &frame(&x[1]), &packed(&x[2]), &packed(&x[3]), ops::Activation::GeluTanh);
    near(0.02, &inputs(&[&[3, 37, 24], &[24], &[24, 40], &[40, 24]]), mlp, |x| twin(x, &ops::gelu_tanh));
    let gated = |x: &[Tensor]| ops::swiglu_bf16(&x[0], &frame(&x[1]), &packed(&x[4]), &packed(&x[2]), &packed(&x[3]));
    let gated_twin = |x: &[Tensor]| {
        let gate = ops::linear(&ops::rms_norm(&x[0], &x[1], 1e-6), &x[4], None);
        twin(x, &|up| ops::swiglu(&gate, up))
    };
    near(0.02, &inputs(&[&[3, 37, 24], &[24], &[24, 40], &[40, 24], &[24, 40]]), gated, gated_twin);
    let a = Attention { kv_heads: 1, ..Attention::causal(3, 8) };
    let attention = |x: &[Tensor]| {
        let (qkv, out) = (packed(&x[2]), packed(&x[3]));
        ops::self_attention_bf16(&x[0], &frame(&x[1]), &qkv, &out, a.clone(), Some(100.0))
    };
    let places: Vec<u32> = (0..2 * 37).map(|i| i % 37).collect();
    let attend = |rows: &Tensor| ops::attention_packed(&ops::rope(rows, 4, 8, &places, 100.0), a.clone());
    near(0.02, &inputs(&[&[2, 37, 24], &[24], &[24, 40], &[24, 24]]), attention, |x| twin(x, &attend));
}
