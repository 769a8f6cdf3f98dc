//! The tape itself: what it records, what it frees, what it adds up, what it refuses; and the same bits everywhere.

mod common;

use common::{normal, parameters};
use motamot_kernels::{isa, parallel};
use motamot_tensor::ops::{self, Attention};
use motamot_tensor::{Buf, Gradients, ParamId, Tensor, fresh_allocations, profile, record};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::sync::Arc;

fn parameter(values: &[f32]) -> (ParamId, Tensor) {
    let id = ParamId::new();
    (id, Tensor::parameter(id, Arc::new(Buf::from(values)), [values.len()]))
}

/// y = x, whose backward holds `saved` and calls `f` with it.
fn probe<S: 'static>(x: &Tensor, saved: S, f: impl FnOnce(&S) + 'static) -> Tensor {
    record("probe", Buf::from(x.data()), x.shape(), [x], move |dy, [dx]| {
        f(&saved);
        if let Some(dx) = dx {
            motamot_kernels::elementwise::copy_grad(dy, dx);
        }
    })
}

#[test]
fn nothing_is_recorded_for_constants() {
    let saved = Rc::new(());
    let weak: Weak<()> = Rc::downgrade(&saved);
    let y = probe(&normal(1, [3]), saved, |_| unreachable!("nobody wants this gradient"));
    assert!(!y.is_tracked() && weak.upgrade().is_none(), "the closure and what it saved are dropped at once");
    assert!(!parameter(&[1.0]).1.detach().is_tracked());
}

#[test]
fn backward_frees_what_an_op_saved_before_it_goes_on() {
    let (id, x) = parameter(&[2.0]);
    let saved = Rc::new(());
    let weak = Rc::downgrade(&saved);
    let seen = Rc::new(Cell::new(false));
    let (held, told) = (weak.clone(), seen.clone());
    let first = probe(&x, (), move |()| told.set(held.upgrade().is_none()));
    let second = probe(&first, saved, |_| ());
    drop(first);
    assert!(weak.upgrade().is_some(), "kept until backward");
    let mut gradients = Gradients::new();
    second.backward(&mut gradients);
    assert!(seen.get(), "the second op's saved values were still there in the backward of the first");
    assert_eq!(gradients.get(id), Some(&[1.0][..]));
}

#[test]
fn half_a_million_steps_neither_overflow_the_stack_nor_lose_the_gradient() {
    let chain = |x: &Tensor| (0..500_000).fold(x.clone(), |y, i| ops::scale(&y, if i % 2 == 0 { 2.0 } else { 0.5 }));
    let (id, x) = parameter(&[3.0]);
    drop(chain(&x)); // without a backward
    let mut gradients = Gradients::new();
    chain(&x).backward(&mut gradients);
    assert_eq!(gradients.get(id), Some(&[1.0][..]));
}

#[test]
fn a_tied_parameter_gets_the_sum_of_its_uses() {
    let (id, w) = parameter(&[1.0, 2.0]);
    let again = Tensor::parameter(id, Arc::new(Buf::from(w.data())), [2]); // another leaf of the same name
    let loss = ops::sum(&ops::add(&ops::mul(&w, &Tensor::new(&[10.0, 20.0], [2])), &ops::scale(&again, 3.0)));
    let mut gradients = Gradients::new();
    loss.backward(&mut gradients);
    assert_eq!(gradients.get(id), Some(&[13.0, 23.0][..]));
    ops::sum(&ops::mul(&w, &again)).backward(&mut gradients); // twice in one op, and on top of the first
    assert_eq!(gradients.get(id), Some(&[15.0, 27.0][..]));
}

#[test]
fn gradients_stop_at_detach_and_at_what_the_loss_does_not_use() {
    let ((a, x), (b, y)) = (parameter(&[2.0]), parameter(&[5.0]));
    let mut gradients = Gradients::new();
    ops::mul(&x, &ops::scale(&x, 3.0).detach()).backward(&mut gradients);
    assert_eq!(gradients.get(a), Some(&[6.0][..]));
    assert_eq!(gradients.get(b), None);
    y.backward(&mut gradients); // a parameter that is itself the loss
    assert_eq!(gradients.get(b), Some(&[1.0][..]));
}

#[test]
fn clear_forgets_the_values_and_keeps_the_memory() {
    let (id, x) = parameter(&[1.0; 1000]);
    let mut gradients = Gradients::new();
    let mut place = || {
        ops::sum(&x).backward(&mut gradients);
        let g = gradients.get(id).expect("a gradient");
        assert!(g.iter().all(|&g| g == 1.0), "the old values were added");
        let place = g.as_ptr();
        gradients.clear();
        assert!(gradients.get(id).is_none() && gradients.get_mut(id).is_none());
        place
    };
    assert_eq!(place(), place());
}

/// The panic message of `f`.
fn message(f: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("it does not panic");
    panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(|s| s.to_string())).expect("a text")
}

#[track_caller]
fn panics(want: &str, f: impl FnOnce()) {
    let got = message(f);
    assert!(got.contains(want), "got:  {got}\nwant: {want}");
}

#[test]
fn misuse_of_backward_is_explained() {
    let (_, x) = parameter(&[1.0, 2.0]);
    let mut g = Gradients::new();
    panics("backward: needs a loss of one element, not scale (2)", || ops::scale(&x, 2.0).backward(&mut g));
    panics("backward: 1 gradients for a tensor (2)", || ops::scale(&x, 2.0).backward_from(&[1.0], &mut g));
    panics("backward: the tensor does not depend on any trainable parameter", || normal(1, [1]).backward(&mut g));
    let loss = ops::sum(&x);
    loss.clone().backward(&mut g);
    panics("backward: sum was consumed by an earlier backward", || loss.backward(&mut g));
    let shared = ops::scale(&x, 2.0);
    let (first, second) = (ops::sum(&shared), ops::mean(&shared));
    first.backward(&mut g);
    panics("backward: scale was consumed by an earlier backward", || second.backward(&mut g));
}

#[test]
fn mismatched_shapes_are_explained() {
    let t = |shape: &[usize]| normal(1, shape);
    let one = || Attention::causal(1, 4);
    type Case<'a> = (&'a str, &'a dyn Fn() -> Tensor);
    let cases: &[Case] = &[
        ("matmul: a (4, 8) · b (7, 3): inner axes 8 ≠ 7", &|| ops::matmul(&t(&[4, 8]), &t(&[7, 3]))),
        ("matmul: a (2, 4, 8) · b (2, 7, 3): inner axes 8 ≠ 7", &|| ops::matmul(&t(&[2, 4, 8]), &t(&[2, 7, 3]))),
        ("matmul: a (2, 4, 8) · b (3, 8, 3): leading axes differ", &|| ops::matmul(&t(&[2, 4, 8]), &t(&[3, 8, 3]))),
        ("matmul: a (4, 8) · b (2, 8, 3): ranks differ", &|| ops::matmul(&t(&[4, 8]), &t(&[2, 8, 3]))),
        ("matmul: a (8) · b (8): ranks differ", &|| ops::matmul(&t(&[8]), &t(&[8]))),
        ("matmul_nt: a (4, 8) · b (3, 7)ᵀ: inner axes 8 ≠ 7", &|| ops::matmul_nt(&t(&[4, 8]), &t(&[3, 7]))),
        ("linear: x (4, 8) · w (7, 3): inner axes 8 ≠ 7", &|| ops::linear(&t(&[4, 8]), &t(&[7, 3]), None)),
        ("linear: w (7) is not (I, O)", &|| ops::linear(&t(&[4, 8]), &t(&[7]), None)),
        ("linear: w (8, 3) and b (4): outer axes 3 ≠ 4", &|| ops::linear(&t(&[4, 8]), &t(&[8, 3]), Some(&t(&[4])))),
        ("add: a (4, 8) + b (4): b is neither of a's shape nor of its last axes", &|| ops::add(&t(&[4, 8]), &t(&[4]))),
        ("sub: a (4) and b (5): shapes differ", &|| ops::sub(&t(&[4]), &t(&[5]))),
        ("mul: a (4) and b (1, 4): shapes differ", &|| ops::mul(&t(&[4]), &t(&[1, 4]))),
        ("swiglu: gate (4) and up (5): shapes differ", &|| ops::swiglu(&t(&[4]), &t(&[5]))),
        ("layer_norm: x (2, 4) and w (5): last axes differ", &|| ops::layer_norm(&t(&[2, 4]), &t(&[5]), None, 1e-5)),
        ("rms_norm: x (2, 4) and w (2, 4): last axes differ", &|| ops::rms_norm(&t(&[2, 4]), &t(&[2, 4]), 1e-5)),
        ("cross_entropy: 3 targets for logits (2, 4)", &|| ops::cross_entropy(&t(&[2, 4]), &[0, 1, 2])),
        ("cross_entropy: target 4 is outside a vocabulary of 4", &|| ops::cross_entropy(&t(&[2, 4]), &[0, 4])),
        ("cross_entropy: logits () have no last axis", &|| ops::cross_entropy(&t(&[]), &[0])),
        ("embedding: id 5 is outside a table of 5 rows", &|| ops::embedding(&t(&[5, 2]), &[5], [1])),
        ("embedding: 3 ids do not fill the shape (2)", &|| ops::embedding(&t(&[5, 2]), &[0, 1, 2], [2])),
        ("embedding: the table (5) is not (V, C)", &|| ops::embedding(&t(&[5]), &[0], [1])),
        ("reshape: (2, 3) does not fill (4)", &|| ops::reshape(&t(&[2, 3]), [4])),
        ("transpose: (3) has no two axes to change", &|| ops::transpose(&t(&[3]))),
        ("swap_axes_12: (3) is not of rank 4", &|| ops::swap_axes_12(&t(&[3]))),
        ("slice: 2..4 of axis 1 of (5, 3)", &|| ops::slice(&t(&[5, 3]), 1, 2, 2)),
        ("slice: (5, 3) has no axis 2", &|| ops::slice(&t(&[5, 3]), 2, 0, 1)),
        ("concat: (2, 3) and (3, 3) differ in more than axis 1", &|| ops::concat(&t(&[2, 3]), &t(&[3, 3]), 1)),
        ("mean: of no elements", &|| ops::mean(&Tensor::zeros([0]))),
        ("sum_rows: a tensor of rank 0 has no rows", &|| ops::sum_rows(&t(&[]))),
        ("dropout_add: x (2) and residual (3): shapes differ", &|| ops::dropout_add(&t(&[2]), &t(&[3]), 0.5, (0, 0))),
        ("dropout: p = 1 is not in [0, 1)", &|| ops::dropout(&t(&[2]), 1.0, (0, 0))),
        ("rope: head dim 3 is odd", &|| ops::rope(&t(&[1, 3]), 1, 3, &[0], 1e4)),
        ("rope: 2 heads of 4 do not fit in x (1, 6)", &|| ops::rope(&t(&[1, 6]), 2, 4, &[0], 1e4)),
        ("rope: 1 positions for x (2, 4)", &|| ops::rope(&t(&[2, 4]), 1, 4, &[0], 1e4)),
        ("attention: q (4) and k (4) are not (B, T, C)", &|| ops::attention(&t(&[4]), &t(&[4]), &t(&[4]), one())),
        ("attention: k (1, 2, 4) and v (1, 3, 4) differ", &|| {
            ops::attention(&t(&[1, 2, 4]), &t(&[1, 2, 4]), &t(&[1, 3, 4]), one())
        }),
        ("attention_packed: rows of 8 for", &|| ops::attention_packed(&t(&[1, 2, 8]), one())),
        ("a tensor has at most 4 axes, not 5: [1, 1, 1, 1, 1]", &|| Tensor::zeros([1, 1, 1, 1, 1])),
        ("3 values do not fill the shape (2, 2)", &|| Tensor::new(&[0.0; 3], [2, 2])),
    ];
    for (want, op) in cases {
        panics(want, || drop(op()));
    }
}

/// The sizes of a small model: wide and long enough for the kernels to split the work over threads.
const SIZES: [usize; 5] = [2, 70, 48, 97, 301]; // B, T, C, F, V

/// A block and a half of everything: embedding, RoPE, attention, SwiGLU, GELU, norms, dropout, a tied head.
fn step(p: &[Tensor], gradients: &mut Gradients) -> Tensor {
    let [b, t, c, ..] = SIZES;
    let ids: Vec<u32> = (0..b * t).map(|i| (i * i % SIZES[4]) as u32).collect();
    let positions: Vec<u32> = (0..b * t).map(|i| (i % t) as u32).collect();
    let x = ops::dropout(&ops::add(&ops::embedding(&p[0], &ids, [b, t]), &p[1]), 0.1, (5, 6));
    let qkv = ops::linear(&ops::layer_norm(&x, &p[2], Some(&p[3]), 1e-5), &p[4], None);
    let qkv = ops::rope(&qkv, 6, 8, &positions, 1e4);
    let a = Attention { kv_heads: 3, dropout: Some((0.1, (7, 8))), ..Attention::causal(6, 8) };
    let x = ops::add(&x, &ops::attention_packed(&qkv, a));
    let h = ops::rms_norm(&x, &p[5], 1e-6);
    let h = ops::swiglu(&ops::linear(&h, &p[6], None), &ops::gelu_tanh(&ops::linear(&h, &p[7], Some(&p[8]))));
    let x = ops::add(&x, &ops::gelu(&ops::linear(&h, &p[9], None)));
    let logits = ops::matmul_nt(&ops::reshape(&x, [b * t, c]), &p[0]);
    let loss = ops::mean(&ops::cross_entropy(&logits, &ids));
    let value = loss.detach();
    loss.backward(gradients);
    value
}

fn model() -> (Vec<ParamId>, Vec<Tensor>) {
    let [_, t, c, f, v] = SIZES;
    let shapes: [&[usize]; 10] = [&[v, c], &[t, c], &[c], &[c], &[c, 96], &[c], &[c, f], &[c, f], &[f], &[f, c]];
    let values: Vec<Tensor> = (1..).zip(shapes).map(|(i, s)| ops::scale(&normal(i, s), 0.3)).collect();
    parameters(&values)
}

#[test]
fn from_the_third_step_on_nothing_is_allocated() {
    let ((_, p), mut gradients) = (model(), Gradients::new());
    let mut one_step = || {
        gradients.clear();
        step(&p, &mut gradients).item();
        fresh_allocations()
    };
    let counts: [usize; 5] = std::array::from_fn(|_| one_step());
    assert!(counts[0] > 0);
    assert_eq!(counts[1], counts[4], "fresh allocations so far, by step: {counts:?}");
}

#[test]
fn the_same_bits_for_any_number_of_threads_and_any_instruction_set() {
    let (ids, p) = model();
    let bits = || {
        let mut gradients = Gradients::new();
        let mut bits = vec![vec![step(&p, &mut gradients).item().to_bits()]];
        bits.extend(ids.iter().map(|&id| gradients.get(id).expect("used").iter().map(|g| g.to_bits()).collect()));
        bits
    };
    let want = isa::with(isa::Isa::Portable, || parallel::with_threads(1, bits));
    assert!(want.iter().flatten().all(|&b| f32::from_bits(b).is_finite()), "a number that is none");
    for isa in isa::available() {
        for threads in [1, 2, 3] {
            let got = isa::with(isa, || parallel::with_threads(threads, bits));
            for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                assert!(got == want, "{isa}, {threads} threads: other bits (0: the loss, i: parameter i − 1): {i}");
            }
        }
    }
}

#[test]
fn a_profile_counts_what_ran_between_its_start_and_its_stop() {
    let step = || {
        let (_, leaves) = parameters(&[normal(1, [3, 4])]);
        ops::sum(&ops::exp(&ops::exp(&leaves[0]))).backward(&mut Gradients::new());
        profile::mark("rest");
    };
    step();
    assert_eq!(profile::stop(), [], "not counting");
    profile::start();
    step();
    step();
    let rows = profile::stop();
    let calls: Vec<_> = rows.iter().map(|row| (row.name, row.calls)).collect();
    assert_eq!(calls, [("exp", 4), ("sum", 2), ("rest", 2)]);
    assert!(rows[0].backward > std::time::Duration::ZERO && rows[2].backward.is_zero());
    step();
    assert_eq!(profile::stop(), []);
}
