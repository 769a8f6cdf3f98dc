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

/// A function of y, the number at the destination (in a sum: the sum so far), and of N numbers beside it: the new y.
pub(crate) trait Step<const N: usize>: Copy + Sync {
    fn at(self, y: f32, x: [f32; N]) -> f32;
}

impl<F: Fn(f32, [f32; N]) -> f32 + Copy + Sync, const N: usize> Step<N> for F {
    #[inline(always)]
    fn at(self, y: f32, x: [f32; N]) -> f32 {
        self(y, x)
    }
}

/// y = f(x)
#[derive(Clone, Copy)]
pub(crate) struct Set<F>(pub F);

impl<F: Fn([f32; N]) -> f32 + Copy + Sync, const N: usize> Step<N> for Set<F> {
    #[inline(always)]
    fn at(self, _: f32, x: [f32; N]) -> f32 {
        self.0(x)
    }
}

/// y = f(x) for a function of a number on its own: inside a closure it might be left as a call.
#[derive(Clone, Copy)]
pub(crate) struct Each<F>(pub F);

impl<F: Fn(f32) -> f32 + Copy + Sync> Step<1> for Each<F> {
    #[inline(always)]
    fn at(self, _: f32, [x]: [f32; 1]) -> f32 {
        self.0(x)
    }
}

/// y += f(x)
#[derive(Clone, Copy)]
pub(crate) struct Add<F>(pub F);

impl<F: Fn([f32; N]) -> f32 + Copy + Sync, const N: usize> Step<N> for Add<F> {
    #[inline(always)]
    fn at(self, y: f32, x: [f32; N]) -> f32 {
        y + self.0(x)
    }
}

vectorise! {
    /// y = f(y, x) for each element, on the calling thread.
    pub(crate) fn change<F: Step<N>; const N: usize>(f: F, y: &mut [f32], x: [&[f32]; N]) {
        // Cut to one length, so that no index is checked in the loop. (With `enumerate` instead of an index, rows of 64
        // took three times as long.)
        let n = y.len();
        let x: [&[f32]; N] = std::array::from_fn(|k| &x[k][..n]);
        for i in 0..n {
            y[i] = f.at(y[i], std::array::from_fn(|k| x[k][i]));
        }
    }
}

/// Panics unless all lengths are that of the destination.
#[track_caller]
#[inline]
pub(crate) fn same_length(name: &str, y: usize, others: &[usize]) {
    for other in others {
        assert!(*other == y, "{name}: an operand has {other} elements, the destination {y}");
    }
}

/// y = f(y, x)
#[track_caller]
pub(crate) fn update<const N: usize>(name: &str, y: &mut [f32], x: [&[f32]; N], f: impl Step<N>) {
    same_length(name, y.len(), &x.map(<[f32]>::len));
    parallel::chunks_mut(y, CHUNK, |i, y| change(f, y, x.map(|x| &x[i * CHUNK..][..y.len()])));
}

/// y = f(x)
#[track_caller]
pub(crate) fn map<const N: usize>(
    name: &str,
    x: [&[f32]; N],
    y: &mut [f32],
    f: impl Fn([f32; N]) -> f32 + Copy + Sync,
) {
    update(name, y, x, Set(f));
}

/// dst = or += f(x)
#[track_caller]
pub(crate) fn grad<const N: usize>(name: &str, x: [&[f32]; N], dst: Grad, f: impl Fn([f32; N]) -> f32 + Copy + Sync) {
    if dst.accumulate { update(name, dst.data, x, Add(f)) } else { update(name, dst.data, x, Set(f)) }
}

/// Joins 16 lanes in a fixed order: halves are added onto halves.
#[inline(always)]
pub(crate) fn join<T: Copy>(lanes: [T; LANES], f: impl Fn(T, T) -> T) -> T {
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

/// Lane l folds elements l, l + 16, … of all slices in order; the lanes are not joined yet.
#[inline(always)]
pub(crate) fn fold<const N: usize>(f: impl Step<N>, start: f32, x: [&[f32]; N]) -> [f32; LANES] {
    let mut sum = [start; LANES];
    let n = x[0].len();
    let chunks: [&[[f32; LANES]]; N] = std::array::from_fn(|k| &x[k].as_chunks().0[..n / LANES]);
    for i in 0..n / LANES {
        for l in 0..LANES {
            sum[l] = f.at(sum[l], std::array::from_fn(|k| chunks[k][i][l]));
        }
    }
    let mut sum = whole(sum);
    let rest = n % LANES;
    if rest > 0 {
        // A step of all lanes, of which some are dropped.
        let tails: [[f32; LANES]; N] = std::array::from_fn(|k| padded(&x[k][n - rest..n]));
        for l in 0..LANES {
            let next = f.at(sum[l], std::array::from_fn(|k| tails[k][l]));
            sum[l] = if l < rest { next } else { sum[l] };
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
            change(Add(identity), total, [&others[i * width..][..width]]);
        }
        finish(total);
    });
}

/// Writes or adds a finished sum.
pub(crate) fn put(sum: &[f32], dst: Grad) {
    if dst.accumulate { change(Add(identity), dst.data, [sum]) } else { dst.data.copy_from_slice(sum) }
}

#[inline(always)]
pub(crate) fn identity([x]: [f32; 1]) -> f32 {
    x
}
