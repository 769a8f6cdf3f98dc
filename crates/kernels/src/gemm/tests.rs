use super::*;
use crate::{isa, parallel};

/// The number of row `row` and column `col` of a matrix `seed`, between −1 and 1.
fn number(seed: usize, i: usize) -> f32 {
    let x = (i.wrapping_mul(2654435761) ^ seed.wrapping_mul(0x9E37_79B9)).wrapping_mul(0x85EB_CA6B) as u32;
    (x >> 8) as f32 / (1 << 23) as f32 - 1.0
}

fn numbers(seed: usize, len: usize) -> Vec<f32> {
    (0..len).map(|i| number(seed, i)).collect()
}

struct Case {
    layout: Layout,
    m: usize,
    n: usize,
    k: usize,
    a: Vec<f32>,
    b: Vec<f32>,
    bias: Vec<f32>,
    old: Vec<f32>,
}

const LAYOUTS: [Layout; 3] = [Layout::NN, Layout::NT, Layout::TN];

impl Case {
    fn new(layout: Layout, m: usize, n: usize, k: usize) -> Case {
        let (a, b, bias, old) = (numbers(1, m * k), numbers(2, k * n), numbers(3, n), numbers(4, m * n));
        Case { layout, m, n, k, a, b, bias, old }
    }

    fn inits(&self) -> [Init<'_>; 3] {
        [Init::Zero, Init::Accumulate, Init::Bias(&self.bias)]
    }

    /// Before the product C holds garbage, unless it is part of the sum.
    fn run(&self, init: Init) -> Vec<f32> {
        let mut c = match init {
            Init::Accumulate => self.old.clone(),
            _ => vec![f32::NAN; self.m * self.n],
        };
        gemm(self.layout, self.m, self.n, self.k, &self.a, &self.b, &mut c, init);
        c
    }

    /// What is summed for element (i, j): its start, and the factors of each step.
    fn terms(&self, init: Init, i: usize, j: usize) -> (f32, impl Iterator<Item = (f32, f32)>) {
        let start = match init {
            Init::Zero => 0.0,
            Init::Accumulate => self.old[i * self.n + j],
            Init::Bias(bias) => bias[j],
        };
        let factors = (0..self.k).map(move |p| {
            let x = if self.layout == Layout::TN { self.a[p * self.m + i] } else { self.a[i * self.k + p] };
            let y = if self.layout == Layout::NT { self.b[j * self.k + p] } else { self.b[p * self.n + j] };
            (x, y)
        });
        (start, factors)
    }

    /// The definition: one sequential chain of fused multiply-adds.
    fn chain(&self, init: Init, i: usize, j: usize) -> f32 {
        let (start, factors) = self.terms(init, i, j);
        factors.fold(start, |sum, (x, y)| x.mul_add(y, sum))
    }
}

fn bits(x: &[f32]) -> Vec<u32> {
    // Which NaN an operation returns is not specified; that it is one, is.
    x.iter().map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect()
}

#[track_caller]
fn assert_same(got: &[f32], expected: &[f32], what: impl std::fmt::Display) {
    if let Some(i) = (0..expected.len()).find(|&i| bits(&got[i..=i]) != bits(&expected[i..=i])) {
        panic!("{what}: element {i} is {}, not {}", got[i], expected[i]);
    }
}

/// Every element, in every way to compute it.
fn check_all(case: &Case) {
    for init in case.inits() {
        let expected: Vec<f32> = (0..case.m * case.n).map(|i| case.chain(init, i / case.n, i % case.n)).collect();
        for isa in isa::available() {
            for threads in [1, 2, 3] {
                let got = isa::with(isa, || parallel::with_threads(threads, || case.run(init)));
                let (m, n, k, layout) = (case.m, case.n, case.k, case.layout);
                assert_same(&got, &expected, format_args!("{layout:?} {m}×{n}×{k} {init:?} {isa} {threads} threads"));
            }
        }
    }
}

#[test]
fn one_sequential_chain_per_element_around_the_edges_of_blocks() {
    for layout in LAYOUTS {
        for (m, n, k) in [(0, 3, 2), (2, 0, 3), (3, 2, 0), (0, 0, 0), (1, 1, 1), (1, 1, 0)] {
            check_all(&Case::new(layout, m, n, k));
        }
        // m: rows of a block 6, 8, 12; columns 8, 16, 32; k: transposed by 8 and 16.
        for m in [1, 2, 4, 5, 7, 13, 37] {
            for n in [1, 8, 15, 16, 17, 31, 33, 65] {
                for k in [1, 7, 9, 16, 33] {
                    check_all(&Case::new(layout, m, n, k));
                }
            }
        }
        check_all(&Case::new(layout, 50, 70, 20));
    }
}

#[test]
fn the_same_bits_when_k_rows_and_columns_take_several_blocks() {
    // Too many elements to compute them all by definition with slow fused multiply-adds: the instruction sets are
    // compared with each other, and a sample with the definition.
    for layout in LAYOUTS {
        for (m, n, k) in [(1, 200, 700), (3, 300, 300), (20, 40, 1000), (150, 97, 770), (300, 40, 400), (40, 1600, 900)]
        {
            let case = Case::new(layout, m, n, k);
            for init in case.inits() {
                let mut expected = None;
                for isa in
                    isa::available().into_iter().filter(|&isa| isa != isa::Isa::Portable || m * n * k < 4_000_000)
                {
                    for threads in [1, 2, 3] {
                        let got = isa::with(isa, || parallel::with_threads(threads, || case.run(init)));
                        let expected = expected.get_or_insert_with(|| got.clone());
                        let what = format!("{layout:?} {m}×{n}×{k} {init:?} {isa} {threads} threads");
                        assert_same(&got, expected, &what);
                        for e in (0..m * n).step_by(m * n / 61 + 1) {
                            let chain = case.chain(init, e / n, e % n);
                            assert_same(&got[e..=e], &[chain], format_args!("{what}, by definition"));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn several_slabs_of_b_and_tiles_of_c() {
    let fast = isa::available().pop().unwrap();
    if fast == isa::Isa::Portable {
        return; // minutes without fused multiply-adds in hardware
    }
    // More than two slabs, so that both buffers are used again and tiles take turns; and a vocabulary so large that
    // slabs are less deep.
    for (layout, m, n, k) in [(Layout::TN, 150, 2000, 2400), (Layout::NT, 257, 45_000, 100)] {
        let case = Case::new(layout, m, n, k);
        let one = parallel::with_threads(1, || case.run(Init::Accumulate));
        for e in (0..one.len()).step_by(one.len() / 99) {
            assert_same(&one[e..=e], &[case.chain(Init::Accumulate, e / n, e % n)], "by definition");
        }
        for threads in [2, 3] {
            let several = parallel::with_threads(threads, || case.run(Init::Accumulate));
            assert_same(&several, &one, format_args!("{threads} threads"));
        }
    }
}

#[test]
fn close_to_the_sum_in_f64() {
    for layout in LAYOUTS {
        for (m, n, k) in [(5, 40, 3000), (60, 50, 500)] {
            let case = Case::new(layout, m, n, k);
            for init in case.inits() {
                let c = case.run(init);
                for i in 0..m {
                    for j in 0..n {
                        let (start, factors) = case.terms(init, i, j);
                        let (mut sum, mut size) = (start as f64, start.abs() as f64);
                        for (x, y) in factors {
                            sum += x as f64 * y as f64;
                            size += (x as f64 * y as f64).abs();
                        }
                        // k roundings, each of at most half an ulp of a partial sum; far fewer in practice.
                        let error = (c[i * n + j] as f64 - sum).abs();
                        assert!(error <= (k as f64).sqrt() * f32::EPSILON as f64 * size, "{layout:?} {init:?} {error}");
                    }
                }
            }
        }
    }
}

#[test]
fn nan_and_infinity_reach_their_rows_and_columns_and_no_others() {
    for layout in LAYOUTS {
        for (m, n, k) in [(3, 20, 40), (60, 50, 40)] {
            let mut case = Case::new(layout, m, n, k);
            let a = |i: usize, p: usize| if layout == Layout::TN { p * m + i } else { i * k + p };
            let b = |p: usize, j: usize| if layout == Layout::NT { j * k + p } else { p * n + j };
            case.a[a(1, 5)] = f32::NAN;
            case.a[a(2, 6)] = f32::INFINITY;
            case.b[b(7, 19)] = f32::NEG_INFINITY;
            case.b[b(6, 3)] = 0.0; // ∞·0
            check_all(&case);
            let c = case.run(Init::Zero);
            assert!((0..n).all(|j| c[n + j].is_nan()));
            assert!(c[2 * n + 3].is_nan());
            assert!(c[2 * n + 4].is_infinite());
            assert!(c[19].is_infinite());
            assert!((0..n).all(|j| j == 19 || c[j].is_finite()));
        }
    }
}

#[test]
fn products_inside_chunks_and_from_many_threads() {
    let case = Case::new(Layout::NT, 150, 97, 300);
    let expected = case.run(Init::Zero);
    parallel::for_each_chunk(6, |_| assert_eq!(case.run(Init::Zero), expected));
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| assert_eq!(case.run(Init::Zero), expected));
        }
    });
}

#[test]
#[should_panic(expected = "b has 5 elements, k·n = 3·2")]
fn a_wrong_length_is_named() {
    gemm(Layout::NN, 1, 2, 3, &[0.0; 3], &[0.0; 5], &mut [0.0; 2], Init::Zero);
}
