//! Attention in bf16 against f64, its instructions against plain Rust, and what must hold whatever the numbers.
//! Calls come from the harness of the f32 version.

use super::super::tests::{Case, Outputs, Version, case, exotic, random_calls, windows};
use crate::{isa, parallel};

fn rms(x: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = x.fold((0.0, 0), |(sum, n), x| (sum + x * x, n + 1));
    if n == 0 { 0.0 } else { (sum / n as f64).sqrt() }
}

/// The root mean square error is at most `tolerance`, that of one element 8 times as much: both relative to 1 + the
/// root mean square of what is expected, since terms of order 1 cancel in a gradient near 0.
#[track_caller]
fn assert_near(what: &str, got: &[f32], want: &[f64], tolerance: f64) {
    let errors = || got.iter().zip(want).map(|(g, w)| if *g as f64 == *w { 0.0 } else { *g as f64 - w });
    let size = 1.0 + rms(want.iter().copied().filter(|w| w.is_finite()));
    let worst = errors().map(f64::abs).fold(0.0, f64::max);
    assert!(errors().all(|e| e.is_finite()), "{what}: not finite");
    assert!(rms(errors()) <= tolerance * size, "{what}: error {:e}, size {size}", rms(errors()));
    assert!(worst <= 8.0 * tolerance * size, "{what}: largest error {worst:e}, size {size}");
}

/// Rounding to 8 bits adds a relative error of at most 2⁻⁹ to each operand, and a product has two of them; a score's
/// error is its probability's relative one. Errors of many terms average out, so 2⁻⁷ leaves room.
const TOLERANCE: f64 = 1.0 / 128.0;

#[track_caller]
fn check(c: Case, seed: u64) {
    let x = c.inputs(seed);
    let want = c.reference(&x);
    for ((name, got), want) in c.run(Version::Bf16, &x).parts().into_iter().zip(&want) {
        assert_near(&format!("{name} of {c:?}"), got, want, TOLERANCE);
    }
}

#[test]
fn agrees_with_f64() {
    for (n, d) in [1, 8, 16, 24, 32, 33, 64, 80].into_iter().enumerate() {
        let seed = n as u64;
        check(case(2, 2, 2, d, 9, 9).causal(), seed);
        check(Case { packed: true, ..case(2, 3, 1, d, 33, 33).causal() }, seed);
        check(case(2, 2, 1, d, 5, 70).causal().padding(&[69, 13]), seed);
        check(case(1, 2, 1, d, 49, 131).causal(), seed);
        check(Case { packed: true, ..case(1, 1, 1, d, 257, 257).causal() }, seed);
    }
}

#[test]
fn agrees_with_f64_on_random_calls() {
    for (seed, c) in random_calls().chain(windows()).enumerate() {
        check(c, seed as u64);
    }
}

#[test]
fn it_is_bf16_that_runs() {
    let c = case(1, 2, 1, 32, 40, 40).causal();
    let x = c.inputs(1);
    let (f32s, bf16s) = (c.run(Version::Fast, &x), c.run(Version::Bf16, &x));
    for ((name, f32s), (_, bf16s)) in f32s.parts().into_iter().zip(bf16s.parts()) {
        let error = rms(f32s.iter().zip(bf16s).map(|(a, b)| (a - b) as f64));
        assert!(error > 1e-5, "{name} differs from f32 by {error:e} only");
    }
}

/// Sums of the same terms in the same order; only denormals and the order within a pair may differ, and then a P or dS
/// may be rounded the other way now and then.
#[test]
fn instructions_agree_with_plain_rust() {
    for c in exotic().into_iter().chain(windows()) {
        let x = c.inputs(6);
        let want = isa::with(isa::Isa::Portable, || c.run(Version::Bf16, &x));
        for isa in isa::available() {
            let got = isa::with(isa, || c.run(Version::Bf16, &x));
            if !isa.has_bf16() {
                got.assert_same_bits(&want, &format!("{isa} {c:?}"));
            }
            for ((name, got), (_, want)) in got.parts().into_iter().zip(want.parts()) {
                let want: Vec<f64> = want.iter().map(|w| *w as f64).collect();
                assert_near(&format!("{isa}: {name} of {c:?}"), got, &want, 1.0 / 4096.0);
            }
        }
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    for c in exotic() {
        let x = c.inputs(6);
        let want = parallel::with_threads(1, || c.run(Version::Bf16, &x));
        for n in [2, 3] {
            let got = parallel::with_threads(n, || c.run(Version::Bf16, &x));
            got.assert_same_bits(&want, &format!("{n} threads {c:?}"));
        }
    }
}

#[test]
fn a_later_key_changes_no_earlier_row() {
    let c = case(1, 2, 1, 16, 150, 150).causal();
    let x = c.inputs(1);
    let before = c.run(Version::Bf16, &x);
    for j in [1, 15, 16, 31, 32, 33, 63, 64, 100, 127, 128, 149] {
        let mut z = x.clone();
        for e in 0..16 {
            z.k[j * 16 + e] += 3.0;
            z.v[j * 16 + e] -= 5.0;
        }
        let after = c.run(Version::Bf16, &z);
        let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&before.out[..j * 32]), bits(&after.out[..j * 32]), "key {j}");
        assert_ne!(bits(&before.out[j * 32..][..32]), bits(&after.out[j * 32..][..32]), "key {j}");
    }
}

#[test]
fn padding_never_leaks() {
    for causal in [false, true] {
        let mut c = case(3, 2, 2, 8, 70, 70).padding(&[69, 33, 0]);
        c.causal = causal;
        let mut x = c.inputs(2);
        let clean = c.run(Version::Bf16, &x);
        for (b, valid) in [69, 33, 0].into_iter().enumerate() {
            for t in b * 70 + valid..(b + 1) * 70 {
                x.k[t * 16..][..16].fill(f32::NAN);
                x.v[t * 16..][..16].fill(f32::INFINITY);
            }
        }
        let dirty = c.run(Version::Bf16, &x);
        dirty.assert_same_bits(&clean, "padding");
        for (b, valid) in [69, 33, 0].into_iter().enumerate() {
            let rows = (b * 70 + valid) * 16..(b + 1) * 70 * 16;
            assert!(dirty.dk[rows.clone()].iter().chain(&dirty.dv[rows]).all(|g| *g == 0.0));
        }
    }
}

#[test]
fn a_query_that_sees_nothing_gives_zero() {
    // Five queries, two keys: the first three queries come before the first key.
    let c = case(2, 2, 1, 8, 5, 2).causal();
    let y = c.run(Version::Bf16, &c.inputs(5));
    for b in 0..2 {
        assert!(y.out[b * 80..][..48].iter().chain(&y.dq[b * 80..][..48]).all(|o| *o == 0.0));
        assert!(y.out[b * 80 + 48..][..32].iter().all(|o| *o != 0.0));
        for h in 0..2 {
            assert_eq!(y.lse[(b * 2 + h) * 5..][..3], [f32::NEG_INFINITY; 3]);
        }
    }
    check(c, 5);
    let y = |c: Case| c.run(Version::Bf16, &c.inputs(1));
    let none = y(case(1, 1, 1, 4, 3, 0));
    assert!(none.out == [0.0; 12] && none.dq == [0.0; 12] && none.lse == [f32::NEG_INFINITY; 3]);
    y(case(0, 1, 1, 4, 3, 3));
    y(case(2, 1, 1, 4, 0, 3));
}

#[test]
fn large_scores_do_not_overflow() {
    let mut c = case(1, 1, 1, 8, 40, 40).causal();
    c.scale = 200.0;
    let y = c.run(Version::Bf16, &c.inputs(8));
    assert!(y.parts().iter().all(|(_, y)| y.iter().all(|y| y.is_finite())));
}

#[test]
fn nan_reaches_only_the_rows_that_see_it() {
    let c = case(2, 1, 1, 16, 40, 40);
    let run = |change: fn(&mut super::super::tests::Inputs)| -> Outputs {
        let mut x = c.inputs(9);
        change(&mut x);
        c.run(Version::Bf16, &x)
    };
    let y = run(|x| x.k[7 * 16 + 3] = f32::NAN); // sequence 0 only
    assert!(y.out[..640].iter().chain(&y.lse[..40]).all(|o| o.is_nan()));
    assert!(y.out[640..].iter().chain(&y.lse[40..]).all(|o| o.is_finite()));
    let y = run(|x| x.q[5 * 16] = f32::NAN); // one query alone
    assert!(y.out.iter().enumerate().all(|(n, o)| o.is_nan() == (n / 16 == 5)));
}
