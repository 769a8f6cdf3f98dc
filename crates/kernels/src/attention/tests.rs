//! The judge against f64 and PyTorch, the fast version against the judge, and what must hold whatever the numbers.
//! Over 500 lines: one harness checks every shape, mask and instruction set, and the cases stand beside it.
//! Long, because forward and backward of both versions run through the same cases.

use super::*;
use crate::bf16::Element;
use crate::{isa, parallel};

/// One test call: sizes, options that own what they borrow, and where the buffers lie.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub shape: Shape,
    pub causal: bool,
    pub padding: Option<Vec<u32>>,
    /// The last so many keys up to the query's own position (instead of `causal` and `padding`).
    pub window: Option<usize>,
    pub slopes: Option<Vec<f32>>,
    pub dropout: Option<(f32, (u64, u64))>,
    pub scale: f32,
    /// q, k, v and their gradients in one packed buffer each (needs Tq = Tk).
    pub packed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Inputs {
    pub q: Vec<f32>,
    pub k: Vec<f32>,
    pub v: Vec<f32>,
    pub d_out: Vec<f32>,
}

#[derive(Clone, Debug)]
pub(super) struct Outputs {
    pub out: Vec<f32>,
    pub lse: Vec<f32>,
    pub dq: Vec<f32>,
    pub dk: Vec<f32>,
    pub dv: Vec<f32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Version {
    Simple,
    Fast,
    /// Every operand is rounded first, every result on its way out.
    Bf16,
}

/// Those whose numbers are f32.
const VERSIONS: [Version; 2] = [Version::Simple, Version::Fast];

/// Deterministic numbers in (−1, 1), sum of three uniforms.
pub(super) struct Noise(pub u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let x = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51afd7ed558ccd);
        x ^ (x >> 29)
    }

    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    fn vec(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| (self.unit() + self.unit() + self.unit() - 1.5) * 1.6).collect()
    }
}

pub(super) fn case(batch: usize, heads: usize, kv_heads: usize, head_dim: usize, queries: usize, keys: usize) -> Case {
    Case {
        shape: Shape { batch, heads, kv_heads, head_dim, queries, keys },
        causal: false,
        padding: None,
        window: None,
        slopes: None,
        dropout: None,
        scale: 1.0 / (head_dim as f32).sqrt(),
        packed: false,
    }
}

impl Case {
    pub fn causal(mut self) -> Case {
        self.causal = true;
        self
    }

    pub fn padding(mut self, valid: &[u32]) -> Case {
        self.padding = Some(valid.to_vec());
        self
    }

    pub fn options(&self) -> Options<'_> {
        let mask = match (&self.padding, self.causal, self.window) {
            (_, _, Some(n)) => Mask::Window(n),
            (None, false, None) => Mask::Full,
            (None, true, None) => Mask::Causal,
            (Some(n), false, None) => Mask::Padding(n),
            (Some(n), true, None) => Mask::CausalPadding(n),
        };
        Options { scale: self.scale, mask, alibi: self.slopes.as_deref(), dropout: self.dropout }
    }

    pub fn widths(&self) -> (usize, usize) {
        (self.shape.heads * self.shape.head_dim, self.shape.kv_heads * self.shape.head_dim)
    }

    pub fn inputs(&self, seed: u64) -> Inputs {
        let (s, (c, ckv)) = (self.shape, self.widths());
        let mut noise = Noise(seed);
        Inputs {
            q: noise.vec(s.batch * s.queries * c),
            k: noise.vec(s.batch * s.keys * ckv),
            v: noise.vec(s.batch * s.keys * ckv),
            d_out: noise.vec(s.batch * s.queries * c),
        }
    }

    /// The keys that query i of sequence b sees, from the definition of the masks.
    fn sees(&self, b: usize, i: usize, j: usize) -> bool {
        let s = self.shape;
        let distance = i as i64 + s.keys as i64 - s.queries as i64 - j as i64;
        let causal = !self.causal || distance >= 0;
        let near = self.window.is_none_or(|n| (0..n as i64).contains(&distance));
        near && causal && self.padding.as_ref().is_none_or(|n| j < n[b] as usize)
    }

    /// Forward and backward of a version, from dense buffers, or by way of packed ones with margins around.
    pub fn run(&self, version: Version, x: &Inputs) -> Outputs {
        match version {
            Version::Simple => self.judged(x),
            Version::Fast => self.run_of(attention, attention_backward, x),
            Version::Bf16 => self.run_of(attention_bf16, attention_backward_bf16, x),
        }
    }

    /// The judge knows dense buffers only.
    fn judged(&self, x: &Inputs) -> Outputs {
        let (s, opts) = (self.shape, self.options());
        let (out, lse) = simple::attention(s, opts, &x.q, &x.k, &x.v);
        let [dq, dk, dv] = simple::attention_backward(s, opts, &x.q, &x.k, &x.v, &out, &lse, &x.d_out);
        Outputs { out, lse, dq, dk, dv }
    }

    fn run_of<T: Element>(&self, fwd: Forward<T>, bwd: Backward<T>, x: &Inputs) -> Outputs {
        let (s, (c, ckv)) = (self.shape, self.widths());
        let of = |x: &[f32]| x.iter().map(|x| T::of(*x)).collect::<Vec<T>>();
        let back = |x: &[T]| x.iter().map(|x| x.get()).collect::<Vec<f32>>();
        let nans = |n: usize| vec![T::of(f32::NAN); n];
        let opts = self.options();
        let (xq, xk, xv, d_out) = (of(&x.q), of(&x.k), of(&x.v), of(&x.d_out));
        let (mut out, mut lse) = (nans(xq.len()), vec![f32::NAN; s.batch * s.heads * s.queries]);
        let (mut dq, mut dk, mut dv) = (nans(xq.len()), nans(xk.len()), nans(xv.len()));
        let d_out = View::dense(&d_out, s.queries, c);
        if !self.packed {
            let (q, k, v) =
                (View::dense(&xq, s.queries, c), View::dense(&xk, s.keys, ckv), View::dense(&xv, s.keys, ckv));
            fwd(s, opts, q, k, v, ViewMut::dense(&mut out, s.queries, c), &mut lse);
            let grads = AttentionGrads::Separate {
                dq: Some(GradView { view: ViewMut::dense(&mut dq, s.queries, c), accumulate: false }),
                dk: Some(GradView { view: ViewMut::dense(&mut dk, s.keys, ckv), accumulate: false }),
                dv: Some(GradView { view: ViewMut::dense(&mut dv, s.keys, ckv), accumulate: false }),
            };
            bwd(s, opts, q, k, v, View::dense(&out, s.queries, c), &lse, d_out, grads);
            return Outputs { out: back(&out), lse, dq: back(&dq), dk: back(&dk), dv: back(&dv) };
        }
        // Rows (3 | v | q | 2 | k | 1): the order and the margins are odd on purpose.
        let (ov, oq, ok, row) = (3, 3 + ckv, 5 + ckv + c, 6 + 2 * ckv + c);
        let batch_stride = s.queries * row + 7;
        let mut data = nans(s.batch * batch_stride);
        for b in 0..s.batch {
            for t in 0..s.queries {
                let to = b * batch_stride + t * row;
                let from = b * s.queries + t;
                data[to + oq..][..c].copy_from_slice(&xq[from * c..][..c]);
                data[to + ok..][..ckv].copy_from_slice(&xk[from * ckv..][..ckv]);
                data[to + ov..][..ckv].copy_from_slice(&xv[from * ckv..][..ckv]);
            }
        }
        let view = |offset| View { data: &data, offset, row_stride: row, batch_stride };
        let (q, k, v) = (view(oq), view(ok), view(ov));
        fwd(s, opts, q, k, v, ViewMut::dense(&mut out, s.queries, c), &mut lse);
        let mut grad = vec![T::of(0.5); data.len()];
        let y = View::dense(&out, s.queries, c);
        for accumulate in [false, true] {
            let data = &mut grad;
            let grads =
                AttentionGrads::Packed { data, dq: oq, dk: ok, dv: ov, row_stride: row, batch_stride, accumulate };
            bwd(s, opts, q, k, v, y, &lse, d_out, grads);
        }
        for b in 0..s.batch {
            for t in 0..s.queries {
                let row = &grad[b * batch_stride + t * row..][..row];
                let to = b * s.queries + t;
                // Written once and added once: exactly twice the gradient.
                let halved: Vec<T> = row.iter().map(|g| T::of(g.get() * 0.5)).collect();
                dq[to * c..][..c].copy_from_slice(&halved[oq..][..c]);
                dk[to * ckv..][..ckv].copy_from_slice(&halved[ok..][..ckv]);
                dv[to * ckv..][..ckv].copy_from_slice(&halved[ov..][..ckv]);
                let margins = back(&[&row[..3], &row[oq + c..ok], &row[ok + ckv..]].concat());
                assert!(margins.iter().all(|g| *g == 0.5), "the margins were written: {margins:?}");
            }
        }
        Outputs { out: back(&out), lse, dq: back(&dq), dk: back(&dk), dv: back(&dv) }
    }

    /// The formula in f64 with an explicit Tq × Tk matrix: out, lse, dq, dk, dv.
    pub fn reference(&self, x: &Inputs) -> [Vec<f64>; 5] {
        let (s, (c, ckv)) = (self.shape, self.widths());
        let (d, group) = (s.head_dim, s.heads / s.kv_heads);
        let keep = self.dropout.map(|(p, (seed, stream))| dropout::Keep::new(p, seed, stream));
        let at = |x: &[f32], t: usize, width: usize, h: usize| -> Vec<f64> {
            x[t * width + h * d..][..d].iter().map(|x| *x as f64).collect()
        };
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut y = [x.q.len(), s.batch * s.heads * s.queries, x.q.len(), x.k.len(), x.v.len()].map(|n| vec![0.0; n]);
        for (b, h) in (0..s.batch).flat_map(|b| (0..s.heads).map(move |h| (b, h))) {
            let g = h / group;
            for i in 0..s.queries {
                let ti = b * s.queries + i;
                let (q, d_out) = (at(&x.q, ti, c, h), at(&x.d_out, ti, c, h));
                let score = |j: usize| {
                    let distance = (i as f64 + s.keys as f64 - s.queries as f64 - j as f64).abs();
                    let slope = self.slopes.as_ref().map_or(0.0, |s| s[h] as f64);
                    self.scale as f64 * dot(&q, &at(&x.k, b * s.keys + j, ckv, g)) - slope * distance
                };
                let z: Vec<f64> =
                    (0..s.keys).map(|j| if self.sees(b, i, j) { score(j) } else { f64::NEG_INFINITY }).collect();
                let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                if max == f64::NEG_INFINITY {
                    y[1][(b * s.heads + h) * s.queries + i] = max;
                    continue;
                }
                let sum: f64 = z.iter().map(|z| (z - max).exp()).sum();
                y[1][(b * s.heads + h) * s.queries + i] = max + sum.ln();
                let p: Vec<f64> = z.iter().map(|z| (z - max).exp() / sum).collect();
                let kept: Vec<f64> =
                    (0..s.keys).map(|j| keep.map_or(1.0, |k| k.at(b * s.heads + h, i, j) as f64)).collect();
                let dp: Vec<f64> =
                    (0..s.keys).map(|j| kept[j] * dot(&d_out, &at(&x.v, b * s.keys + j, ckv, g))).collect();
                let mean = dot(&p, &dp);
                for j in 0..s.keys {
                    let tj = b * s.keys + j;
                    let (k, v) = (at(&x.k, tj, ckv, g), at(&x.v, tj, ckv, g));
                    let ds = p[j] * (dp[j] - mean) * self.scale as f64;
                    for e in 0..d {
                        y[0][ti * c + h * d + e] += p[j] * kept[j] * v[e];
                        y[2][ti * c + h * d + e] += ds * k[e];
                        y[3][tj * ckv + g * d + e] += ds * q[e];
                        y[4][tj * ckv + g * d + e] += p[j] * kept[j] * d_out[e];
                    }
                }
            }
        }
        y
    }

    /// Σ out·d_out for an f64-free finite difference of the version itself.
    fn loss(&self, version: Version, x: &Inputs) -> f64 {
        self.run(version, x).out.iter().zip(&x.d_out).map(|(o, d)| *o as f64 * *d as f64).sum()
    }
}

impl Outputs {
    pub fn parts(&self) -> [(&'static str, &[f32]); 5] {
        [("out", &self.out), ("lse", &self.lse), ("dq", &self.dq), ("dk", &self.dk), ("dv", &self.dv)]
    }

    #[track_caller]
    pub fn assert_same_bits(&self, other: &Outputs, what: &str) {
        for ((name, a), (_, b)) in self.parts().into_iter().zip(other.parts()) {
            for (n, (a, b)) in a.iter().zip(b).enumerate() {
                assert!(a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(), "{what}: {name}[{n}]: {a:e} ≠ {b:e}");
            }
        }
    }
}

/// |got − want| ≤ tolerance·(1 + |want|) in every element.
#[track_caller]
fn assert_close(what: &str, got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (n, (g, w)) in got.iter().zip(want).enumerate() {
        let same = *g as f64 == *w;
        assert!(same || (*g as f64 - w).abs() <= tolerance * (1.0 + w.abs()), "{what}[{n}]: {g:e}, expected {w:e}");
    }
}

#[track_caller]
fn check(case: &Case, seed: u64) {
    let x = case.inputs(seed);
    let want = case.reference(&x);
    for version in VERSIONS {
        let got = case.run(version, &x);
        for ((name, got), want) in got.parts().into_iter().zip(&want) {
            assert_close(&format!("{version:?} {name} of {case:?}"), got, want, 2e-5);
        }
    }
}

// From dev/golden/attention_literals.py: torch.nn.functional.scaled_dot_product_attention in f64.
const OUT: [f64; 12] = [
    -1.40902246,
    -0.65902246,
    -1.43494148,
    -0.68494148,
    0.05208269,
    0.56540696,
    0.01017194,
    0.59276682,
    -0.37137616,
    0.30256728,
    -0.26784043,
    0.41780670,
];
const LSE: [f64; 6] = [1.43258832, 1.72250430, 3.03449462, 2.20985556, 2.15716692, 3.28997882];
const DQ: [f64; 12] = [
    -0.41544980,
    0.24926988,
    0.02750503,
    -0.01650302,
    0.24379517,
    -0.47089645,
    -0.28773408,
    0.32139748,
    -0.16184924,
    -0.16498949,
    0.10115724,
    -0.18053919,
];
const DK: [f64; 8] =
    [-0.09820970, 0.07661401, 0.47863036, -0.48060831, -0.23078047, 0.08555532, -0.14964018, 0.31843898];
const DV: [f64; 8] =
    [-0.06751290, -2.30198976, -2.00042546, 0.46827407, -0.11035105, 0.02052434, 0.17828941, 0.31319135];

#[test]
fn agrees_with_pytorch() {
    let numbers = |n: usize, a: usize, c: usize| -> Vec<f32> {
        (0..n).map(|i| (((i * a + c) % 16) as f32 / 16.0 - 0.5) * 4.0).collect()
    };
    let c = case(1, 2, 1, 2, 3, 4).causal();
    let x = Inputs { q: numbers(12, 7, 3), k: numbers(8, 5, 1), v: numbers(8, 3, 2), d_out: numbers(12, 11, 5) };
    for version in VERSIONS {
        let y = c.run(version, &x);
        for ((name, got), want) in y.parts().into_iter().zip([&OUT[..], &LSE, &DQ, &DK, &DV]) {
            assert_close(&format!("{version:?} {name}"), got, want, 1e-6);
        }
    }
}

#[test]
fn agrees_with_f64() {
    for (n, d) in [1, 8, 16, 24, 32, 64, 80].into_iter().enumerate() {
        let seed = n as u64;
        check(&case(2, 2, 2, d, 9, 9).causal(), seed);
        check(&case(1, 4, 2, d, 17, 17), seed);
        check(&Case { packed: true, ..case(2, 3, 1, d, 33, 33).causal() }, seed);
        check(&case(2, 2, 1, d, 5, 70).causal().padding(&[69, 13]), seed);
        check(&case(1, 1, 1, d, 1, 1).causal(), seed);
        check(&case(1, 2, 1, d, 1, 131).causal(), seed);
    }
}

/// 60 calls of any size, mask and habit.
pub(super) fn random_calls() -> impl Iterator<Item = Case> {
    let mut noise = Noise(7);
    (0..60).map(move |seed| {
        let kv_heads = 1 + noise.below(2);
        let (queries, keys) = (1 + noise.below(70), 1 + noise.below(150));
        let heads = kv_heads * (1 + noise.below(3));
        let mut c = case(1 + noise.below(3), heads, kv_heads, 1 + noise.below(40), queries, keys);
        c.causal = noise.below(2) == 0;
        if noise.below(2) == 0 {
            c.padding = Some((0..c.shape.batch).map(|_| noise.below(keys + 9) as u32).collect());
        }
        if noise.below(2) == 0 {
            c.slopes = Some((0..heads).map(|h| 0.5f32.powi(h as i32 + 1)).collect());
        }
        if noise.below(3) == 0 {
            c.dropout = Some((0.1 + noise.unit() * 0.6, (seed, 1 << 40)));
        }
        if noise.below(3) == 0 {
            c.packed = true;
            c.shape.keys = queries;
        }
        c
    })
}

#[test]
fn agrees_with_f64_on_random_calls() {
    for (seed, c) in random_calls().enumerate() {
        check(&c, seed as u64);
    }
}

#[test]
fn the_derivative_is_the_difference_quotient() {
    let mut c = Case { packed: true, ..case(2, 4, 2, 8, 21, 21).causal().padding(&[21, 15]) };
    c.slopes = Some(vec![0.5, 0.25, 0.125, 0.0625]);
    for dropout in [None, Some((0.3, (5, 6)))] {
        c.dropout = dropout;
        for version in VERSIONS {
            let x = c.inputs(3);
            let y = c.run(version, &x);
            let direction = c.inputs(4);
            let slope = |g: &[f32], d: &[f32]| g.iter().zip(d).map(|(g, d)| *g as f64 * *d as f64).sum::<f64>();
            let step = 1.0 / 128.0;
            let moved = |part: usize, sign: f32| {
                let mut z = x.clone();
                let (to, by) = [(&mut z.q, &direction.q), (&mut z.k, &direction.k), (&mut z.v, &direction.v)]
                    .into_iter()
                    .nth(part)
                    .expect("three parts");
                to.iter_mut().zip(by).for_each(|(x, d)| *x += sign * step * d);
                c.loss(version, &z)
            };
            let analytic = [slope(&y.dq, &direction.q), slope(&y.dk, &direction.k), slope(&y.dv, &direction.v)];
            for (part, want) in analytic.into_iter().enumerate() {
                let got = (moved(part, 1.0) - moved(part, -1.0)) / (2.0 * step as f64);
                assert!(
                    (got - want).abs() < 2e-3 * (1.0 + want.abs()),
                    "{version:?}, part {part}: difference quotient {got}, derivative {want}"
                );
            }
        }
    }
}

#[test]
fn a_later_key_changes_no_earlier_row() {
    for version in VERSIONS {
        let c = case(1, 2, 1, 16, 150, 150).causal();
        let x = c.inputs(1);
        let before = c.run(version, &x);
        for j in [1, 15, 16, 31, 32, 33, 63, 64, 100, 128, 149] {
            let mut z = x.clone();
            for e in 0..16 {
                z.k[j * 16 + e] += 3.0;
                z.v[j * 16 + e] -= 5.0;
            }
            let after = c.run(version, &z);
            let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&before.out[..j * 32]), bits(&after.out[..j * 32]), "{version:?}: key {j}");
            assert_ne!(bits(&before.out[j * 32..][..32]), bits(&after.out[j * 32..][..32]), "{version:?}: key {j}");
        }
    }
}

#[test]
fn padding_never_leaks() {
    for version in VERSIONS {
        for causal in [false, true] {
            let mut c = case(3, 2, 2, 8, 70, 70).padding(&[69, 33, 0]);
            c.causal = causal;
            let mut x = c.inputs(2);
            let clean = c.run(version, &x);
            for b in 0..3 {
                let valid = c.padding.as_ref().map_or(0, |n| n[b] as usize);
                for t in b * 70 + valid..(b + 1) * 70 {
                    x.k[t * 16..][..16].fill(f32::NAN);
                    x.v[t * 16..][..16].fill(f32::INFINITY);
                }
            }
            let dirty = c.run(version, &x);
            dirty.assert_same_bits(&clean, "padding");
            for b in 0..3 {
                let valid = c.padding.as_ref().map_or(0, |n| n[b] as usize);
                for t in valid..70 {
                    let row = (b * 70 + t) * 16;
                    assert!(dirty.dk[row..][..16].iter().chain(&dirty.dv[row..][..16]).all(|g| *g == 0.0));
                }
            }
        }
    }
}

#[test]
fn a_query_that_sees_nothing_gives_zero() {
    for version in VERSIONS {
        // Five queries, two keys: the first three queries come before the first key.
        let c = case(2, 2, 1, 8, 5, 2).causal();
        let x = c.inputs(5);
        let y = c.run(version, &x);
        for b in 0..2 {
            assert!(y.out[b * 80..][..48].iter().chain(&y.dq[b * 80..][..48]).all(|o| *o == 0.0));
            assert!(y.out[b * 80 + 48..][..32].iter().all(|o| *o != 0.0));
            for h in 0..2 {
                let lse = &y.lse[(b * 2 + h) * 5..][..5];
                assert!(lse[..3].iter().all(|l| *l == f32::NEG_INFINITY) && lse[3..].iter().all(|l| l.is_finite()));
            }
        }
        assert!(y.dk.iter().chain(&y.dv).all(|g| g.is_finite()));
        check(&c, 5);
        // No keys at all, and nothing at all.
        let y = case(1, 1, 1, 4, 3, 0).run(version, &case(1, 1, 1, 4, 3, 0).inputs(1));
        assert!(y.out == [0.0; 12] && y.dq == [0.0; 12] && y.lse == [f32::NEG_INFINITY; 3]);
        case(0, 1, 1, 4, 3, 3).run(version, &case(0, 1, 1, 4, 3, 3).inputs(1));
        case(2, 1, 1, 4, 0, 3).run(version, &case(2, 1, 1, 4, 0, 3).inputs(1));
    }
}

#[test]
fn large_scores_do_not_overflow() {
    for version in VERSIONS {
        let mut c = case(1, 1, 1, 8, 40, 40).causal();
        c.scale = 200.0;
        let x = c.inputs(8);
        let y = c.run(version, &x);
        let want = c.reference(&x);
        for ((name, got), want) in y.parts().into_iter().zip(&want).take(2) {
            assert_close(&format!("{version:?} {name}"), got, want, 1e-3);
        }
        assert!(y.parts().iter().all(|(_, y)| y.iter().all(|y| y.is_finite())));
    }
}

#[test]
fn nan_reaches_only_the_rows_that_see_it() {
    for version in VERSIONS {
        let c = case(2, 1, 1, 16, 40, 40);
        let mut x = c.inputs(9);
        x.k[7 * 16 + 3] = f32::NAN; // sequence 0 only
        let y = c.run(version, &x);
        assert!(y.out[..640].iter().chain(&y.lse[..40]).all(|o| o.is_nan()), "{version:?}");
        assert!(y.out[640..].iter().chain(&y.lse[40..]).all(|o| o.is_finite()), "{version:?}");
        // One query alone.
        let mut x = c.inputs(9);
        x.q[5 * 16] = f32::NAN;
        let y = c.run(version, &x);
        assert!(y.out.iter().enumerate().all(|(n, o)| o.is_nan() == (n / 16 == 5)), "{version:?}");
    }
}

/// Windows shorter than a block, across blocks, over a whole block, and over everything; with other habits beside.
pub(super) fn windows() -> Vec<Case> {
    let window = |c: Case, n: usize| Case { window: Some(n), ..c };
    let (slopes, dropout) = (Some(vec![0.5, 0.25, 0.125, 0.0625]), Some((0.25, (11, 12))));
    vec![
        window(case(2, 4, 2, 16, 300, 300), 7),
        window(Case { packed: true, ..case(1, 4, 4, 24, 290, 290) }, 130),
        window(case(1, 2, 1, 33, 70, 400), 300),
        window(Case { slopes, dropout, ..case(1, 4, 1, 9, 70, 200) }, 40),
        window(case(2, 2, 1, 8, 2, 300), 20),
        window(case(1, 2, 2, 8, 1, 300), 150),
        window(case(1, 1, 1, 8, 40, 30), 1),
        window(case(1, 1, 1, 8, 40, 40), 0),
    ]
}

#[test]
fn a_window_is_seen_by_every_path() {
    for c in windows() {
        check(&c, 3);
        let x = c.inputs(3);
        let want = isa::with(isa::Isa::Portable, || c.run(Version::Fast, &x));
        for isa in isa::available() {
            isa::with(isa, || c.run(Version::Fast, &x)).assert_same_bits(&want, &format!("{isa} {c:?}"));
        }
    }
    // One that holds everything is the causal mask, in every bit.
    let causal = case(1, 4, 2, 16, 150, 150).causal();
    let x = causal.inputs(1);
    for version in [Version::Simple, Version::Fast, Version::Bf16] {
        let window = Case { causal: false, window: Some(150), ..causal.clone() }.run(version, &x);
        window.assert_same_bits(&causal.run(version, &x), &format!("{version:?}"));
    }
}

pub(super) fn exotic() -> Vec<Case> {
    let slopes = Some(vec![0.5, 0.25, 0.125, 0.0625]);
    let dropout = Some((0.25, (11, 12)));
    vec![
        case(2, 4, 2, 32, 65, 65).causal(),
        case(1, 4, 4, 24, 33, 140).padding(&[133]),
        Case { packed: true, slopes: slopes.clone(), ..case(2, 4, 1, 17, 50, 50).causal().padding(&[50, 31]) },
        Case { dropout, ..case(1, 4, 2, 16, 47, 47).causal() },
        Case { dropout, slopes, ..case(1, 4, 2, 9, 3, 150) },
        case(3, 4, 2, 80, 1, 139),
        case(1, 1, 1, 1, 1, 1),
    ]
}

#[test]
fn same_bits_on_every_instruction_set() {
    for c in exotic() {
        let x = c.inputs(6);
        for version in VERSIONS {
            let want = isa::with(isa::Isa::Portable, || c.run(version, &x));
            for isa in isa::available() {
                isa::with(isa, || c.run(version, &x)).assert_same_bits(&want, &format!("{version:?} {isa} {c:?}"));
            }
        }
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    for c in exotic() {
        let x = c.inputs(6);
        for version in VERSIONS {
            let want = parallel::with_threads(1, || c.run(version, &x));
            for n in [2, 3] {
                let got = parallel::with_threads(n, || c.run(version, &x));
                got.assert_same_bits(&want, &format!("{version:?} {n} threads {c:?}"));
            }
        }
    }
}

#[test]
fn a_row_decoded_alone_has_the_bits_it_has_in_the_sequence() {
    let slopes = Some(vec![0.5, 0.25, 0.125, 0.0625]);
    let dropout = Some((0.3, (1, 2)));
    for (d, slopes, dropout) in [(32, None, None), (24, slopes.clone(), None), (80, None, None), (5, slopes, dropout)] {
        let time = 150;
        let whole = Case { slopes, ..case(2, 4, 2, d, time, time).causal() };
        let x = whole.inputs(4);
        for isa in isa::available() {
            isa::with(isa, || {
                let y = whole.run(Version::Fast, &x);
                for (t, count) in [(0, 1), (40, 1), (127, 1), (128, 2), (140, 9), (149, 1)] {
                    // The cache holds more rows than are used, and the queries are the last `count` of t + count.
                    let shape = Shape { queries: count, keys: t + count, ..whole.shape };
                    let (c, ckv) = whole.widths();
                    let q = View { offset: t * c, ..View::dense(&x.q, time, c) };
                    let (k, v) = (View::dense(&x.k, time, ckv), View::dense(&x.v, time, ckv));
                    let (mut out, mut lse) = (vec![0.0; 2 * count * c], vec![0.0; 2 * 4 * count]);
                    attention(shape, whole.options(), q, k, v, ViewMut::dense(&mut out, count, c), &mut lse);
                    for b in 0..2 {
                        let want = &y.out[(b * time + t) * c..][..count * c];
                        let got = &out[b * count * c..][..count * c];
                        assert!(want.iter().zip(got).all(|(w, g)| w.to_bits() == g.to_bits()), "{isa} {d} {t} {count}");
                        for h in 0..4 {
                            let want = &y.lse[(b * 4 + h) * time + t..][..count];
                            assert_eq!(want, &lse[(b * 4 + h) * count..][..count], "{isa} lse {d} {t} {count}");
                        }
                    }
                }
            });
        }
        // With dropout a row's choice goes by its index in the call: one row by the two ways of computing it.
        let c = Case { dropout, ..case(1, 4, 2, d, 1, time) };
        check(&c, 9);
    }
}

#[test]
fn long_sequences_agree_with_the_judge() {
    for c in [case(1, 2, 1, 32, 1000, 1000).causal(), case(1, 1, 1, 64, 300, 1000).padding(&[987])] {
        let x = c.inputs(10);
        let (simple, fast) = (c.run(Version::Simple, &x), c.run(Version::Fast, &x));
        for ((name, a), (_, b)) in fast.parts().into_iter().zip(simple.parts()) {
            let b: Vec<f64> = b.iter().map(|b| *b as f64).collect();
            assert_close(name, a, &b, 2e-5);
        }
    }
}

#[test]
fn dropout_keeps_its_share_and_the_expectation() {
    let p = 0.2;
    let keep = dropout::Keep::new(p, 3, 4);
    let n = 64 * 4096;
    let kept = (0..n).filter(|n| keep.at(n % 64, n / 64 % 64, n / 4096) != 0.0).count();
    let share = kept as f64 / n as f64;
    assert!((share - 0.8).abs() < 5.0 * (0.16 / n as f64).sqrt(), "{share} of the probabilities were kept");
    assert_eq!(keep.factor, 1.25);
    let other = dropout::Keep::new(p, 3, 5);
    let same = (0..4096).filter(|n| keep.at(0, n / 64, n % 64) == other.at(0, n / 64, n % 64)).count() as f64 / 4096.0;
    assert!((same - 0.68).abs() < 0.05, "two streams agree on {same} of their choices");
    // The mean over many streams is attention without dropout.
    let mut c = case(1, 1, 1, 4, 3, 20);
    let x = c.inputs(2);
    let plain = c.run(Version::Fast, &x).out;
    let mut mean = vec![0.0f64; plain.len()];
    for stream in 0..2000 {
        c.dropout = Some((p, (1, stream)));
        let out = c.run(Version::Fast, &x).out;
        mean.iter_mut().zip(out).for_each(|(m, o)| *m += o as f64 / 2000.0);
    }
    assert_close("mean over streams", &plain, &mean, 0.015);
}

#[test]
fn only_the_wanted_gradients_and_accumulation() {
    let c = case(1, 2, 1, 8, 20, 20).causal();
    let x = c.inputs(3);
    let (s, opts) = (c.shape, c.options());
    let whole = c.run(Version::Fast, &x);
    let (q, k, v) = (View::dense(&x.q, 20, 16), View::dense(&x.k, 20, 8), View::dense(&x.v, 20, 8));
    let (out, d_out) = (View::dense(&whole.out, 20, 16), View::dense(&x.d_out, 20, 16));
    let mut dk = vec![1.0; 160];
    let dst = GradView { view: ViewMut::dense(&mut dk, 20, 8), accumulate: true };
    let grads = AttentionGrads::Separate { dq: None, dk: Some(dst), dv: None };
    attention_backward(s, opts, q, k, v, out, &whole.lse, d_out, grads);
    let want: Vec<f32> = whole.dk.iter().map(|g| 1.0 + g).collect();
    assert_eq!(dk, want);

    let whole = c.run(Version::Bf16, &x);
    let of = |x: &[f32]| x.iter().map(|x| Bf16::of(*x)).collect::<Vec<_>>();
    let [q, k, v, out, d_out] = [&x.q, &x.k, &x.v, &whole.out, &x.d_out].map(|x| of(x));
    let [q, k, v] = [(&q, 16), (&k, 8), (&v, 8)].map(|(x, width)| View::dense(&x[..], 20, width));
    let [out, d_out] = [&out, &d_out].map(|x| View::dense(&x[..], 20, 16));
    let mut dk = vec![Bf16::of(1.0); 160];
    let dst = GradView { view: ViewMut::dense(&mut dk[..], 20, 8), accumulate: true };
    let grads = AttentionGrads::Separate { dq: None, dk: Some(dst), dv: None };
    attention_backward_bf16(s, opts, q, k, v, out, &whole.lse, d_out, grads);
    for (got, g) in dk.iter().zip(&whole.dk) {
        // The gradient that is added was not rounded before.
        assert!((got.get() - (1.0 + g)).abs() <= 0.01 * (1.0 + g.abs()), "{got:?} is not 1 + {g}");
    }
}

fn message(f: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let error = std::panic::catch_unwind(f).expect_err("must panic");
    error.downcast_ref::<String>().cloned().or(error.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or_default()
}

#[test]
fn mistakes_are_named() {
    let call = |shape: Shape, mask: Mask<'static>, out_len: usize, out_stride: usize| {
        let (q, k) = (vec![0.0; 1000], vec![0.0; 1000]);
        let (mut out, mut lse) = (vec![0.0; out_len], vec![0.0; shape.batch * shape.heads * shape.queries]);
        let c = shape.heads * shape.head_dim;
        let opts = Options { scale: 1.0, mask, alibi: None, dropout: None };
        let (q, k) = (View::dense(&q, shape.queries, c), View::dense(&k, shape.keys, shape.kv_heads * shape.head_dim));
        let out = ViewMut { data: &mut out, offset: 0, row_stride: out_stride, batch_stride: 100 };
        attention(shape, opts, q, k, k, out, &mut lse);
    };
    let s = Shape { batch: 2, heads: 4, kv_heads: 2, head_dim: 4, queries: 5, keys: 5 };
    call(s, Mask::Causal, 180, 16);
    let m = message(|| call(Shape { kv_heads: 3, ..s }, Mask::Full, 180, 16));
    assert_eq!(m, "attention: 4 heads do not divide into groups of 3 key-value heads");
    let m = message(|| call(s, Mask::Padding(&[1]), 180, 16));
    assert_eq!(m, "attention: padding has 1 lengths for a batch of 2");
    let m = message(|| call(s, Mask::Full, 179, 16));
    assert_eq!(m, "attention: out has 179 elements; (2, 5, 16) at offset 0 with strides 100, 16 needs 180");
    let m = message(|| call(s, Mask::Full, 180, 15));
    assert_eq!(m, "attention: rows of out overlap (strides 100, 15)");
    let m = message(|| {
        let (x, mut g) = (vec![0.0; 96], vec![0.0; 96]);
        let s = Shape { batch: 1, heads: 2, kv_heads: 1, head_dim: 4, queries: 6, keys: 6 };
        let x = View { data: &x, offset: 0, row_stride: 16, batch_stride: 96 };
        let opts = Options { scale: 1.0, mask: Mask::Full, alibi: None, dropout: None };
        let data = &mut g;
        let grads =
            AttentionGrads::Packed { data, dq: 0, dk: 7, dv: 12, row_stride: 16, batch_stride: 96, accumulate: true };
        attention_backward(s, opts, x, x, x, x, &[0.0; 12], x, grads);
    });
    assert_eq!(m, "attention_backward: dq and dk overlap");
}
