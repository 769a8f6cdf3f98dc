use super::*;
use crate::Grad;
use crate::activation::{
    Activation, gelu, gelu_backward, gelu_tanh, gelu_tanh_backward, relu, relu_backward, swiglu, swiglu_backward,
};
use crate::gemm::Init;
use crate::gemm::bf16::gemm_bf16_packed;
use crate::rope::rope;
use crate::testing::{as_factors, everywhere, normals};

fn rounded(x: &[f32]) -> Vec<Bf16> {
    x.iter().map(|x| Bf16::of(*x)).collect()
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// The same bits, but for the function that has a shorter version where its value is rounded.
#[track_caller]
fn near(function: Activation, got: &[Bf16], want: &[f32], what: &str) {
    for (got, want) in got.iter().zip(want) {
        let error = (got.get() - Bf16::of(*want).get()).abs();
        let allowed = if function == Activation::GeluTanh { 1.0 / 128.0 * want.abs() + 1e-2 } else { 0.0 };
        assert!(error <= allowed, "{what}: {got:?} is not {want}");
    }
}

#[test]
fn what_follows_a_product_has_the_bits_of_doing_it_afterwards() {
    type Forward = fn(&[f32], &mut [f32]);
    type Backward = fn(&[f32], &[f32], Grad);
    let functions: [(Activation, Forward, Backward); 3] = [
        (Activation::Gelu, gelu, gelu_backward),
        (Activation::GeluTanh, gelu_tanh, gelu_tanh_backward),
        (Activation::Relu, relu, relu_backward),
    ];
    for [m, n, k] in [[1, 1, 1], [13, 33, 65], [97, 70, 320], [200, 64, 800], [50, 33, 500], [3, 40, 0]] {
        let (a, b, bias) = (normals(1, m * k), normals(2, k * n), normals(3, n));
        let (x, factors) = (rounded(&normals(4, m * n)), as_factors(&a));
        everywhere(|what| {
            let packed = Packed::new(n, k, &b, false);
            let product = |init: Init| {
                let mut c = vec![f32::NAN; m * n];
                gemm_bf16_packed(m, &a[..], &packed, &mut c, init);
                c
            };
            for bias in [None, Some(&bias[..])] {
                let want = rounded(&product(bias.map_or(Init::Zero, Init::Bias)));
                for a in [Matrix::F32(&a), Matrix::Bf16(&as_factors(&a))] {
                    let mut c = vec![Bf16(0x7fc0); m * n];
                    gemm_bf16_rounded(m, a, &packed, bias, &mut c);
                    assert!(c == want, "{m}×{n}×{k}, {what}");
                }
                let residual = normals(5, m * n);
                let mut y = vec![f32::NAN; m * n];
                gemm_bf16_added(m, &factors[..], &packed, bias, &residual, &mut y);
                let c = product(bias.map_or(Init::Zero, Init::Bias));
                assert!(y.iter().zip(residual.iter().zip(&c)).all(|(y, (r, c))| *y == r + c), "{m}×{n}×{k}, {what}");
                for (function, forward, backward) in functions {
                    let (mut want_y, mut want_slope) = (vec![0.0; m * n], vec![0.0; m * n]);
                    forward(&c, &mut want_y);
                    backward(&c, &vec![1.0; m * n], Grad { data: &mut want_slope, accumulate: false });
                    let (mut y, mut slope) = (vec![Bf16(0x7fc0); m * n], vec![Bf16(0x7fc0); m * n]);
                    gemm_bf16_activated(m, &factors[..], &packed, bias, function, &mut y, &mut slope);
                    near(function, &y, &want_y, &format!("{function:?} {m}×{n}×{k}, {what}"));
                    near(function, &slope, &want_slope, &format!("slope of {function:?} {m}×{n}×{k}, {what}"));
                }
            }
            let (dy, mut dx) = (product(Init::Zero), x.clone());
            gemm_bf16_multiplied(m, &factors[..], &packed, [&mut dx]);
            let want: Vec<f32> = x.iter().zip(&dy).map(|(x, dy)| x.get() * dy).collect();
            assert!(dx == rounded(&want), "{m}×{n}×{k}, {what}");
        });
    }
}

#[test]
fn what_is_turned_is_turned_before_it_is_rounded() {
    for [m, n, k, heads, head_dim, time] in [[1, 2, 1, 1, 2, 1], [30, 70, 65, 3, 16, 9], [200, 96, 320, 1, 64, 128]] {
        let (a, b, bias) = (normals(1, m * k), normals(2, k * n), normals(3, n));
        let places: Vec<u32> = (0..m).map(|i| (i % time) as u32).collect();
        everywhere(|what| {
            let packed = Packed::new(n, k, &b, false);
            let (mut want, mut got) = (vec![f32::NAN; m * n], vec![Bf16(0x7fc0); m * n]);
            gemm_bf16_packed(m, &a[..], &packed, &mut want, Init::Bias(&bias));
            rope(&mut want, n, heads, head_dim, &places, 100.0, false);
            let rotary = Rotary { heads, head_dim, time, theta: 100.0 };
            gemm_bf16_turned(m, &a[..], &packed, Some(&bias), rotary, &mut got);
            assert!(got == rounded(&want), "{m}×{n}×{k}, {what}");
        });
    }
}

#[test]
fn gates_are_those_of_the_product() {
    for [m, n, k] in [[1, 1, 1], [13, 33, 65], [97, 70, 320]] {
        let (a, b, bias) = (normals(1, m * k), normals(2, k * n), normals(3, n));
        let gate = rounded(&normals(4, m * n).iter().map(|x| 4.0 * x).collect::<Vec<_>>());
        let (gates, factors) = (gate.iter().map(|x| x.get()).collect::<Vec<f32>>(), as_factors(&a));
        everywhere(|what| {
            let packed = Packed::new(n, k, &b, false);
            let mut c = vec![f32::NAN; m * n];
            gemm_bf16_packed(m, &a[..], &packed, &mut c, Init::Bias(&bias));
            let [mut want, mut want_by_gate, mut want_by_up] = [(); 3].map(|()| vec![0.0; m * n]);
            swiglu(&gates, &c, &mut want);
            let [by_gate, by_up] =
                [&mut want_by_gate, &mut want_by_up].map(|x| Some(Grad { data: x, accumulate: false }));
            swiglu_backward(&gates, &c, &vec![1.0; m * n], by_gate, by_up);

            let (mut by_gate, mut by_up, mut y) = (gate.clone(), vec![Bf16(0x7fc0); m * n], vec![Bf16(0x7fc0); m * n]);
            gemm_bf16_gated(m, &factors[..], &packed, Some(&bias), &mut by_gate, &mut y, &mut by_up);
            let close = |got: &[Bf16], want: &[f32], sizes: &dyn Fn(usize) -> f32| {
                for (i, (got, want)) in got.iter().zip(want).enumerate() {
                    let bound = want.abs() / 250.0 + sizes(i).abs() / 4000.0;
                    assert!((got.get() - want).abs() <= bound, "{m}×{n}×{k}, {what}: {} is not {want}", got.get());
                }
            };
            close(&y, &want, &|i| gates[i] * c[i]);
            close(&by_gate, &want_by_gate, &|i| c[i] * (1.0 + gates[i].abs()));
            close(&by_up, &want_by_up, &|i| gates[i]);

            // The backward takes both at once.
            let [mut both, mut alone] = [(); 2].map(|()| [by_gate.clone(), by_up.clone()]);
            gemm_bf16_multiplied(m, &factors[..], &packed, both.each_mut().map(|x| &mut x[..]));
            alone.iter_mut().for_each(|x| gemm_bf16_multiplied(m, &factors[..], &packed, [x]));
            assert!(both == alone, "{m}×{n}×{k}, {what}");
        });
    }
}

#[test]
fn cross_entropy_is_that_of_the_logits() {
    for [m, v, k] in [[1, 1, 1], [13, 33, 65], [97, 700, 64]] {
        let (a, b, weights) = (normals(1, m * k), normals(2, v * k), normals(3, m));
        let targets: Vec<u32> = (0..m).map(|i| if i % 5 == 4 { loss::IGNORE } else { (i * 7 % v) as u32 }).collect();
        let packed = Packed::new(v, k, &b, true);
        everywhere(|what| {
            let (mut want, mut want_nll) = (vec![0.0; m * v], vec![0.0; m]);
            gemm_bf16_packed(m, &a[..], &packed, &mut want, Init::Zero);
            loss::cross_entropy_in_place(&mut want, &targets, v, &weights, &mut want_nll);
            let row = v.next_multiple_of(32);
            let (mut nll, mut d) = (vec![f32::NAN; m], vec![Bf16(0x7fc0); m * row]);
            gemm_bf16_cross_entropy(m, &a[..], &packed, &targets, &weights, &mut nll, &mut d);
            assert_eq!(bits(&nll), bits(&want_nll), "{m}×{v}×{k}, {what}");
            for (d, want) in d.chunks_exact(row).zip(want.chunks_exact(v)) {
                for (d, want) in d.iter().zip(want) {
                    let error = (d.get() - want).abs();
                    assert!(error <= want.abs() / 200.0 + 1e-30, "{m}×{v}×{k}, {what}: {} is not {want}", d.get());
                }
                assert!(d[v..].iter().all(|d| *d == Bf16(0)));
            }
        });
    }
}

#[test]
#[should_panic(expected = "gemm_bf16_multiplied: x has 1 elements, m·n = 1·2")]
fn a_wrong_length_of_what_follows_is_named() {
    let packed = Packed::new(2, 1, &[1.0, 2.0], false);
    gemm_bf16_multiplied(1, Matrix::F32(&[1.0]), &packed, [&mut [Bf16(0)]]);
}
