use super::*;
use crate::bf16::{Bf16, round};
use crate::testing::{as_factors, everywhere, normals};
use crate::{isa, parallel};

const LAYOUTS: [Layout; 3] = [Layout::NN, Layout::NT, Layout::TN];

/// C by definition, in f64, and Σ|a·b| of each element.
fn by_definition(layout: Layout, [m, n, k]: [usize; 3], a: &[f32], b: &[f32], c: &[f32], init: Init) -> Vec<[f64; 2]> {
    let element = |i: usize, j: usize| {
        let start = match init {
            Init::Zero => 0.0,
            Init::Accumulate => c[i * n + j],
            Init::Bias(bias) => bias[j],
        };
        let mut sum = [f64::from(start), f64::from(start.abs())];
        for p in 0..k {
            let x = a[if layout == Layout::TN { p * m + i } else { i * k + p }];
            let y = b[if layout == Layout::NT { j * k + p } else { p * n + j }];
            let product = f64::from(round(x)) * f64::from(round(y));
            sum = [sum[0] + product, sum[1] + product.abs()];
        }
        sum
    };
    (0..m * n).map(|e| element(e / n, e % n)).collect()
}

#[track_caller]
fn check(layout: Layout, [m, n, k]: [usize; 3]) {
    let (a, b, before) = (normals(1, m * k), normals(2, k * n), normals(3, m * n));
    let bias = normals(4, n);
    for init in [Init::Zero, Init::Accumulate, Init::Bias(&bias)] {
        let want = by_definition(layout, [m, n, k], &a, &b, &before, init);
        for isa in isa::available() {
            let run = |threads| {
                isa::with(isa, || {
                    parallel::with_threads(threads, || {
                        let mut c = if let Init::Accumulate = init { before.clone() } else { vec![f32::NAN; m * n] };
                        gemm_bf16(layout, m, n, k, &a[..], &b[..], &mut c, init);
                        c
                    })
                })
            };
            let got = run(1);
            for (e, (got, [sum, size])) in got.iter().zip(&want).enumerate() {
                let error = (f64::from(*got) - sum).abs();
                // k roundings of partial sums, as in f32; numbers near zero may be flushed.
                let allowed = (2.0 + (k as f64).sqrt()) * f64::from(f32::EPSILON) * size + 1e-37;
                assert!(error <= allowed, "{layout:?} {m}×{n}×{k} {init:?}, {isa}, element {e}: {got} is not {sum}");
            }
            for threads in [2, 3] {
                assert_eq!(run(threads), got, "{layout:?} {m}×{n}×{k}, {isa}, {threads} threads");
            }
        }
    }
}

#[test]
fn every_edge_of_blocks_panels_and_groups() {
    // Each edge of one size with some of the others: without the instructions all combinations take long.
    for layout in LAYOUTS {
        for (i, m) in [1, 11, 12, 13, 33, 97].into_iter().enumerate() {
            for (j, n) in [1, 15, 16, 17, 32, 33, 65].into_iter().enumerate() {
                for k in [1, 2, 31, 32, 33, 63, 65].into_iter().skip((i + j) % 3).step_by(3) {
                    check(layout, [m, n, k]);
                }
            }
        }
    }
}

#[test]
fn several_slabs_and_tiles() {
    for layout in LAYOUTS {
        check(layout, [100, 70, 1100]);
        check(layout, [260, 33, 513]);
    }
    check(Layout::TN, [14, 2100, 1200]);
    check(Layout::NT, [14, 2100, 1200]);
}

#[test]
fn a_nan_reaches_its_row_and_an_infinity_its_column() {
    for isa in isa::available() {
        isa::with(isa, || {
            let (m, n, k) = (14, 40, 50);
            let (mut a, mut b, mut c) = (vec![1.0; m * k], vec![1.0; k * n], vec![0.0; m * n]);
            (a[k + 5], b[7 * n + 19]) = (f32::NAN, f32::NEG_INFINITY);
            gemm_bf16(Layout::NN, m, n, k, &a[..], &b[..], &mut c, Init::Zero);
            for (e, c) in c.iter().enumerate() {
                match (e / n, e % n) {
                    (1, _) => assert!(c.is_nan()),
                    (_, 19) => assert_eq!(*c, f32::NEG_INFINITY),
                    _ => assert_eq!(*c, k as f32),
                }
            }
        });
    }
}

#[test]
fn nothing_to_multiply() {
    let mut c = [1.0, 2.0];
    let none = Matrix::F32(&[]);
    gemm_bf16(Layout::NN, 1, 2, 0, none, none, &mut c, Init::Accumulate);
    assert_eq!(c, [1.0, 2.0]);
    gemm_bf16(Layout::NN, 1, 2, 0, none, none, &mut c, Init::Bias(&[3.0, 4.0]));
    assert_eq!(c, [3.0, 4.0]);
    gemm_bf16(Layout::TN, 0, 2, 3, none, Matrix::F32(&[0.0; 6]), &mut [], Init::Zero);
}

#[test]
#[should_panic(expected = "gemm_bf16 NN: b has 5 elements, k·n = 3·2")]
fn a_wrong_length_is_named() {
    gemm_bf16(Layout::NN, 1, 2, 3, Matrix::F32(&[0.0; 3]), Matrix::F32(&[0.0; 5]), &mut [0.0; 2], Init::Zero);
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn factors_that_are_rounded_already_give_the_same_bits() {
    for layout in LAYOUTS {
        for [m, n, k] in [[1, 1, 1], [13, 33, 65], [97, 70, 300], [14, 2100, 520]] {
            let (a, b) = (normals(1, m * k), normals(2, k * n));
            let (ra, rb) = (as_factors(&a), as_factors(&b));
            let (rows, cols) = if layout == Layout::TN { (k, m) } else { (m, k) };
            let stride = cols.next_multiple_of(32);
            let mut wide = vec![Bf16(0); rows * stride];
            for (wide, row) in wide.chunks_exact_mut(stride).zip(ra.chunks_exact(cols)) {
                wide[..cols].copy_from_slice(row);
            }
            let padded = Matrix::Padded(&wide, stride);
            everywhere(|what| {
                let run = |a: Matrix, b: Matrix| {
                    let mut c = vec![f32::NAN; m * n];
                    gemm_bf16(layout, m, n, k, a, b, &mut c, Init::Zero);
                    bits(&c)
                };
                let want = run(a[..].into(), b[..].into());
                for a in [a[..].into(), ra[..].into(), padded] {
                    for b in [b[..].into(), rb[..].into()] {
                        assert!(run(a, b) == want, "{layout:?} {m}×{n}×{k}, {what}");
                    }
                }
                if layout == Layout::NN {
                    let mut c = vec![f32::NAN; m * n];
                    gemm_bf16_packed(m, padded, &Packed::new(n, k, &b, false), &mut c, Init::Zero);
                    assert!(bits(&c) == want, "packed {m}×{n}×{k}, {what}");
                }
            });
        }
    }
}

#[test]
#[should_panic(expected = "32 rows of 32, 64 apart, are not 1024 elements")]
fn padded_rows_must_be_there() {
    let packed = Packed::new(32, 32, &[0.0; 1024], false);
    gemm_bf16_packed(32, Matrix::Padded(&[Bf16(0); 1024], 64), &packed, &mut [0.0; 1024], Init::Zero);
}
