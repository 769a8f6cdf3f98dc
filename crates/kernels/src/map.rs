//! The loops that most kernels are: y = f(a, …) element by element, and a sum over 16 lanes.
//!
//! A function is handed over as a trait object that is known at compile time, so that one loop is compiled for each
//! function and each instruction set. Whatever such a function calls must be `#[inline(always)]`; a closure may only
//! do arithmetic of a few operations.

use crate::isa::vectorise;
use crate::parallel::SharedMut;
use crate::{Grad, parallel};
use std::cell::Cell;
use std::ops::Range;

/// Elements per parallel chunk: 64 KiB of each operand. Up to here a kernel runs on the calling thread.
pub(crate) const CHUNK: usize = 16 * 1024;

/// How many lanes a sum has, on every instruction set.
pub(crate) const LANES: usize = 16;

/// A function of one number.
pub(crate) trait F1: Copy + Sync {
    fn at(self, a: f32) -> f32;
}
/// A function of two numbers.
pub(crate) trait F2: Copy + Sync {
    fn at(self, a: f32, b: f32) -> f32;
}
/// A function of three numbers.
pub(crate) trait F3: Copy + Sync {
    fn at(self, a: f32, b: f32, c: f32) -> f32;
}

impl<F: Fn(f32) -> f32 + Copy + Sync> F1 for F {
    #[inline(always)]
    fn at(self, a: f32) -> f32 {
        self(a)
    }
}
impl<F: Fn(f32, f32) -> f32 + Copy + Sync> F2 for F {
    #[inline(always)]
    fn at(self, a: f32, b: f32) -> f32 {
        self(a, b)
    }
}
impl<F: Fn(f32, f32, f32) -> f32 + Copy + Sync> F3 for F {
    #[inline(always)]
    fn at(self, a: f32, b: f32, c: f32) -> f32 {
        self(a, b, c)
    }
}

vectorise! {
    fn set1<F: F1>(f: F, y: &mut [f32], a: &[f32]) {
        for (y, a) in y.iter_mut().zip(a) {
            *y = f.at(*a);
        }
    }
    fn set2<F: F2>(f: F, y: &mut [f32], a: &[f32], b: &[f32]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = f.at(*a, *b);
        }
    }
    fn set3<F: F3>(f: F, y: &mut [f32], a: &[f32], b: &[f32], c: &[f32]) {
        for (((y, a), b), c) in y.iter_mut().zip(a).zip(b).zip(c) {
            *y = f.at(*a, *b, *c);
        }
    }
    fn add1<F: F1>(f: F, y: &mut [f32], a: &[f32]) {
        for (y, a) in y.iter_mut().zip(a) {
            *y += f.at(*a);
        }
    }
    fn add2<F: F2>(f: F, y: &mut [f32], a: &[f32], b: &[f32]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y += f.at(*a, *b);
        }
    }
    fn add3<F: F3>(f: F, y: &mut [f32], a: &[f32], b: &[f32], c: &[f32]) {
        for (((y, a), b), c) in y.iter_mut().zip(a).zip(b).zip(c) {
            *y += f.at(*a, *b, *c);
        }
    }
    fn change2<F: F2>(f: F, y: &mut [f32], a: &[f32]) {
        for (y, a) in y.iter_mut().zip(a) {
            *y = f.at(*y, *a);
        }
    }
    fn change3<F: F3>(f: F, y: &mut [f32], a: &[f32], b: &[f32]) {
        for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
            *y = f.at(*y, *a, *b);
        }
    }
}

/// Cuts the operands of a parallel loop alike: the part of `a` that belongs to chunk `i` of length `len`.
#[inline(always)]
fn part(a: &[f32], i: usize, len: usize) -> &[f32] {
    &a[i * CHUNK..][..len]
}

/// Panics unless all lengths are that of the destination.
#[track_caller]
#[inline]
pub(crate) fn same_length(name: &str, y: usize, others: &[usize]) {
    for other in others {
        assert!(*other == y, "{name}: an operand has {other} elements, the destination {y}");
    }
}

/// y = f(a)
#[track_caller]
pub(crate) fn map1(name: &str, a: &[f32], y: &mut [f32], f: impl F1) {
    same_length(name, y.len(), &[a.len()]);
    parallel::chunks_mut(y, CHUNK, |i, y| set1(f, y, part(a, i, y.len())));
}

/// y = f(a, b)
#[track_caller]
pub(crate) fn map2(name: &str, a: &[f32], b: &[f32], y: &mut [f32], f: impl F2) {
    same_length(name, y.len(), &[a.len(), b.len()]);
    parallel::chunks_mut(y, CHUNK, |i, y| set2(f, y, part(a, i, y.len()), part(b, i, y.len())));
}

/// y = f(y, a)
#[track_caller]
pub(crate) fn update1(name: &str, y: &mut [f32], a: &[f32], f: impl F2) {
    same_length(name, y.len(), &[a.len()]);
    parallel::chunks_mut(y, CHUNK, |i, y| change2(f, y, part(a, i, y.len())));
}

/// y = f(y, a, b)
#[track_caller]
pub(crate) fn update2(name: &str, y: &mut [f32], a: &[f32], b: &[f32], f: impl F3) {
    same_length(name, y.len(), &[a.len(), b.len()]);
    parallel::chunks_mut(y, CHUNK, |i, y| change3(f, y, part(a, i, y.len()), part(b, i, y.len())));
}

/// dst = or += f(a)
#[track_caller]
pub(crate) fn grad1(name: &str, a: &[f32], dst: Grad, f: impl F1) {
    let Grad { data, accumulate } = dst;
    same_length(name, data.len(), &[a.len()]);
    parallel::chunks_mut(data, CHUNK, |i, y| {
        let a = part(a, i, y.len());
        if accumulate { add1(f, y, a) } else { set1(f, y, a) }
    });
}

/// dst = or += f(a, b)
#[track_caller]
pub(crate) fn grad2(name: &str, a: &[f32], b: &[f32], dst: Grad, f: impl F2) {
    let Grad { data, accumulate } = dst;
    same_length(name, data.len(), &[a.len(), b.len()]);
    parallel::chunks_mut(data, CHUNK, |i, y| {
        let (a, b) = (part(a, i, y.len()), part(b, i, y.len()));
        if accumulate { add2(f, y, a, b) } else { set2(f, y, a, b) }
    });
}

/// dst = or += f(a, b, c)
#[track_caller]
pub(crate) fn grad3(name: &str, a: &[f32], b: &[f32], c: &[f32], dst: Grad, f: impl F3) {
    let Grad { data, accumulate } = dst;
    same_length(name, data.len(), &[a.len(), b.len(), c.len()]);
    parallel::chunks_mut(data, CHUNK, |i, y| {
        let (a, b, c) = (part(a, i, y.len()), part(b, i, y.len()), part(c, i, y.len()));
        if accumulate { add3(f, y, a, b, c) } else { set3(f, y, a, b, c) }
    });
}

/// Joins 16 lanes in a fixed order: halves are added onto halves.
#[inline(always)]
pub(crate) fn join(lanes: [f32; LANES], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut x = lanes;
    for half in [8, 4, 2, 1] {
        for l in 0..half {
            x[l] = f(x[l], x[l + half]);
        }
    }
    x[0]
}

/// [`join`] for a sum.
#[inline(always)]
pub(crate) fn join_sum(lanes: [f32; LANES]) -> f32 {
    join(lanes, |a, b| a + b)
}

/// What a reduction over one or two slices does with the element that comes to a lane.
pub(crate) trait Fold: Copy + Sync {
    fn step(self, sum: f32, a: f32, b: f32) -> f32;
}

impl<F: Fn(f32, f32, f32) -> f32 + Copy + Sync> Fold for F {
    #[inline(always)]
    fn step(self, sum: f32, a: f32, b: f32) -> f32 {
        self(sum, a, b)
    }
}

/// Lane l folds elements l, l + 16, … of both slices in order; the lanes are not joined yet.
#[inline(always)]
pub(crate) fn fold2(f: impl Fold, start: f32, a: &[f32], b: &[f32]) -> [f32; LANES] {
    let mut sum = [start; LANES];
    let (a_chunks, a_tail) = a.as_chunks::<LANES>();
    let (b_chunks, b_tail) = b.as_chunks::<LANES>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for l in 0..LANES {
            sum[l] = f.step(sum[l], a[l], b[l]);
        }
    }
    let mut sum = whole(sum);
    if !a_tail.is_empty() {
        // A step of all lanes, of which some are dropped.
        let (a, b) = (padded(a_tail), padded(b_tail));
        for l in 0..LANES {
            let next = f.step(sum[l], a[l], b[l]);
            sum[l] = if l < a_tail.len() { next } else { sum[l] };
        }
    }
    whole(sum)
}

/// The same lanes, by way of memory: else LLVM sees that they are joined later and keeps them, in the loop before, in
/// odd pieces of four or one.
#[inline(always)]
pub(crate) fn whole(lanes: [f32; LANES]) -> [f32; LANES] {
    std::hint::black_box(lanes)
}

/// The rest of a slice after its full lanes, filled up with zeros.
#[inline(always)]
pub(crate) fn padded<T: Copy + Default>(tail: &[T]) -> [T; LANES] {
    let mut lanes = [T::default(); LANES];
    lanes[..tail.len()].copy_from_slice(tail);
    lanes
}

/// [`fold2`] over one slice.
#[inline(always)]
pub(crate) fn fold1(f: impl Fold, start: f32, a: &[f32]) -> [f32; LANES] {
    fold2(f, start, a, a)
}

/// Rows per parallel chunk, for rows of `cols` elements: about [`CHUNK`] elements, and at least one row.
pub(crate) fn rows_per_chunk(cols: usize) -> usize {
    (CHUNK / cols.max(1)).max(1)
}

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Lends `n` numbers of any value, which stay allocated for the next time.
pub(crate) fn with_scratch<R>(n: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    // Taken out, so that a call inside `f` finds an empty one and not this one.
    let mut scratch = SCRATCH.take();
    if scratch.len() < n {
        scratch.resize(n, 0.0);
    }
    let result = f(&mut scratch[..n]);
    SCRATCH.set(scratch);
    result
}

/// Sums over rows, the same for any number of threads: `f(rows, sums)` adds what a range of rows contributes to `width`
/// sums, and the ranges' sums are added in order. The ranges depend on `rows` alone.
pub(crate) fn sum_over_rows(
    rows: usize,
    width: usize,
    f: impl Fn(Range<usize>, &mut [f32]) + Sync,
    finish: impl FnOnce(&[f32]),
) {
    let per_range = rows.div_ceil(64).max(16);
    let ranges = rows.div_ceil(per_range).max(1);
    with_scratch(ranges * width, |sums| {
        let shared = SharedMut::new(sums);
        parallel::for_each_chunk(ranges, |i| {
            // SAFETY: each range has its own part, and each index is run once.
            let sums = unsafe { shared.slice(i * width, width) };
            sums.fill(0.0);
            f(i * per_range..((i + 1) * per_range).min(rows), sums);
        });
        let (total, others) = sums.split_at_mut(width);
        for i in 0..ranges - 1 {
            add1(identity, total, &others[i * width..][..width]);
        }
        finish(total);
    });
}

/// Writes or adds a finished sum.
pub(crate) fn put(sum: &[f32], dst: Grad) {
    if dst.accumulate { add1(identity, dst.data, sum) } else { dst.data.copy_from_slice(sum) }
}

#[inline(always)]
pub(crate) fn identity(x: f32) -> f32 {
    x
}

#[cfg(test)]
pub(crate) mod testing {
    //! What the tests of the kernels share.

    use crate::{isa, parallel, rng::Rng};

    /// The lengths at which loops over 16 lanes go wrong.
    pub const LENGTHS: [usize; 8] = [0, 1, 15, 16, 17, 63, 64, 65];

    /// n normal numbers.
    pub fn normals(seed: u64, n: usize) -> Vec<f32> {
        let mut rng = Rng::new(seed);
        (0..n).map(|_| rng.normal()).collect()
    }

    /// n normal numbers with the numbers among them that kernels stumble over.
    pub fn special(seed: u64, n: usize) -> Vec<f32> {
        let odd = [f32::NAN, f32::INFINITY, -f32::INFINITY, 0.0, -0.0, 1e-40, -3e38, 100.0, -100.0];
        let mut x = normals(seed, n);
        for (i, x) in x.iter_mut().enumerate().filter(|(i, _)| i % 5 == 2) {
            *x = odd[(i / 5 + seed as usize) % odd.len()];
        }
        x
    }

    /// The bits of numbers, all NaNs alike (which NaN comes out is not ours to say).
    pub fn bits(x: &[f32]) -> Vec<u32> {
        x.iter().map(|x| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }).collect()
    }

    /// Runs a kernel for every instruction set with 1, 2 and 3 threads: the bits must be the same. Returns the result.
    #[track_caller]
    pub fn same_everywhere(kernel: impl Fn() -> Vec<f32>) -> Vec<f32> {
        let expected = isa::with(isa::Isa::Portable, || parallel::with_threads(1, &kernel));
        for isa in isa::available() {
            for threads in [1, 2, 3] {
                let got = isa::with(isa, || parallel::with_threads(threads, &kernel));
                assert_eq!(got.len(), expected.len());
                for (i, (g, e)) in bits(&got).iter().zip(bits(&expected)).enumerate() {
                    assert!(*g == e, "{isa}, {threads} threads, element {i}: {} is not {}", got[i], expected[i]);
                }
            }
        }
        expected
    }

    /// Every element within `tolerance·(1 + |want|)`.
    #[track_caller]
    pub fn close(got: &[f32], want: &[f64], tolerance: f64) {
        assert_eq!(got.len(), want.len());
        for (i, (g, w)) in got.iter().zip(want).enumerate() {
            let error = (f64::from(*g) - w).abs() / (1.0 + w.abs());
            assert!(error <= tolerance, "element {i}: {g} is not {w} (error {error:.2e})");
        }
    }

    /// x as f64.
    pub fn wide(x: &[f32]) -> Vec<f64> {
        x.iter().map(|x| f64::from(*x)).collect()
    }

    /// Compares a gradient with a finite difference of the f64 `forward` along a random direction.
    ///
    /// `loss(x) = Σ dy ⊙ forward(x)`; `dx` is what the kernel says its gradient is.
    #[track_caller]
    pub fn check_gradient(x: &[f32], dy: &[f32], dx: &[f32], forward: impl Fn(&[f64]) -> Vec<f64>) {
        let loss = |x: &[f64]| -> f64 { forward(x).iter().zip(dy).map(|(y, d)| y * f64::from(*d)).sum() };
        for seed in 0..3 {
            let direction = wide(&normals(1000 + seed, x.len()));
            let moved = |h: f64| -> Vec<f64> { x.iter().zip(&direction).map(|(x, d)| f64::from(*x) + h * d).collect() };
            let h = 1e-5;
            let numeric = (loss(&moved(h)) - loss(&moved(-h))) / (2.0 * h);
            let products = dx.iter().zip(&direction).map(|(g, d)| f64::from(*g) * d);
            let scale: f64 = products.clone().map(|p| p * p).sum::<f64>().sqrt().max(1e-3);
            let analytic: f64 = products.sum();
            assert!((numeric - analytic).abs() < 1e-4 * scale, "gradient: {analytic} is not {numeric}");
        }
    }

    /// Runs a backward kernel so that it overwrites NaN, then so that it adds: the second must be the first plus
    /// what was there. Returns the gradient.
    #[track_caller]
    pub fn both_ways(n: usize, kernel: impl Fn(crate::Grad)) -> Vec<f32> {
        let set = same_everywhere(|| {
            let mut data = vec![f32::NAN; n];
            kernel(crate::Grad { data: &mut data, accumulate: false });
            data
        });
        let before = normals(77, n);
        let added = same_everywhere(|| {
            let mut data = before.clone();
            kernel(crate::Grad { data: &mut data, accumulate: true });
            data
        });
        for i in 0..n {
            let want = before[i] + set[i];
            let same = added[i].to_bits() == want.to_bits() || (added[i].is_nan() && want.is_nan());
            let near = (added[i] - want).abs() <= 1e-5 * (before[i].abs() + set[i].abs());
            assert!(same || near, "element {i}: added {} is not {want}", added[i]);
        }
        set
    }
}
