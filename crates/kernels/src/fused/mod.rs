//! Products in bf16 whose result goes on to what follows while it is in the cache: rounding, rotary positions, an
//! activation function or a gate with its slopes, the residual sum, the cross-entropy of logits.
//!
//! ```text
//! c = bias + A·B                       for each panel of each tile of C
//! y, … = f(c, y, …)                    at once, before the next panel takes c's place
//! ```
//!
//! Done afterwards, each step would read all of C from memory and write it back.

#[cfg(test)]
mod tests;

use crate::activation::{self, Activation};
use crate::area;
use crate::bf16::{Bf16, Element};
use crate::gemm::bf16::{COLS, Matrix, Packed, gemm_bf16_finishing};
use crate::gemm::finish::{Finish, Takes};
use crate::gemm::micro::prefetch;
use crate::isa::vectorise;
use crate::loss;
use crate::parallel::SharedMut;
use crate::rope::{Rotary, Turns};
use std::ops::Range;

/// A matrix of `n` columns of which the tiles of a product write disjoint parts.
struct Target<'a, T = Bf16> {
    data: SharedMut<'a, T>,
    n: usize,
}

impl<T: Element> Target<'_, T> {
    #[track_caller]
    fn new<'a>(name: &str, what: &str, data: &'a mut [T], m: usize, n: usize) -> Target<'a, T> {
        assert_eq!(data.len(), area(m, n), "{name}: {what} has {} elements, m·n = {m}·{n}", data.len());
        Target { data: SharedMut::new(data), n }
    }

    fn ahead(&self, rows: Range<usize>, j: usize, cols: usize) {
        for i in rows {
            prefetch(self.data.as_ptr().wrapping_add(i * self.n + j), cols);
        }
    }

    /// Columns j.. of row i.
    ///
    /// # Safety
    /// They are those that a [`Finish`] was handed.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    unsafe fn row(&self, i: usize, j: usize, cols: usize) -> &mut [T] {
        // SAFETY: the caller's promise.
        unsafe { self.data.slice(i * self.n + j, cols) }
    }
}

/// A function of an element of the product and of what stands in its place in N matrices, which gives what comes there.
trait Each<const N: usize>: Copy + Sync {
    fn at(&self, c: f32, old: [f32; N]) -> [f32; N];
}

impl<const N: usize, F: Fn(f32, [f32; N]) -> [f32; N] + Copy + Sync> Each<N> for F {
    #[inline(always)]
    fn at(&self, c: f32, old: [f32; N]) -> [f32; N] {
        self(c, old)
    }
}

vectorise! {
    /// Rows from `i` on, `cols` columns from `j` on.
    fn each<F: Each<N>; const N: usize>(f: F, c: &[f32], to: &[Target; N], i: usize, j: usize, cols: usize) {
        let rows = c.as_chunks::<COLS>().0.iter().enumerate().map(|(r, c)| (i + r, c));
        if cols == COLS {
            for (i, c) in rows {
                // SAFETY: what `Finish::take` was handed.
                let to = std::array::from_fn(|t| unsafe { to[t].row(i, j, COLS) });
                whole(f, c, to.map(|to| to.as_mut_array().expect("all columns of a panel")));
            }
            return;
        }
        for (i, c) in rows {
            let mut padded = [[Bf16::default(); COLS]; N];
            // SAFETY: as above.
            let to: [&mut [Bf16]; N] = std::array::from_fn(|t| unsafe { to[t].row(i, j, cols) });
            padded.iter_mut().zip(&to).for_each(|(padded, to)| padded[..cols].copy_from_slice(to));
            whole(f, c, padded.each_mut());
            to.into_iter().zip(&padded).for_each(|(to, padded)| to.copy_from_slice(&padded[..cols]));
        }
    }

    fn add(c: &[f32], residual: &[f32], y: &Target<f32>, i: usize, j: usize, cols: usize) {
        for (r, c) in c.as_chunks::<COLS>().0.iter().enumerate() {
            let residual = &residual[(i + r) * y.n + j..][..cols];
            // SAFETY: what `Finish::take` was handed.
            let y = unsafe { y.row(i + r, j, cols) };
            for ((y, residual), c) in y.iter_mut().zip(residual).zip(c) {
                *y = residual + c;
            }
        }
    }
}

/// One row of a panel's columns.
#[inline(always)]
fn whole<F: Each<N>, const N: usize>(f: F, c: &[f32; COLS], to: [&mut [Bf16; COLS]; N]) {
    // Into memory of its own, which cannot be that of what is read.
    let mut new = [[Bf16::default(); COLS]; N];
    for l in 0..COLS {
        let values = f.at(c[l], std::array::from_fn(|t| to[t][l].get()));
        for t in 0..N {
            new[t][l] = Bf16::of(values[t]);
        }
    }
    for (to, new) in to.into_iter().zip(new) {
        *to = new;
    }
}

/// Element by element.
struct Mapped<'a, F, const N: usize> {
    f: F,
    to: [Target<'a>; N],
}

impl<F: Each<N>, const N: usize> Finish for Mapped<'_, F, N> {
    const TAKES: Takes = Takes::Panels;

    fn ahead(&self, rows: Range<usize>, j: usize, cols: usize) {
        self.to.iter().for_each(|to| to.ahead(rows.clone(), j, cols));
    }

    unsafe fn take(&self, rows: Range<usize>, j: usize, cols: usize, c: &[f32]) {
        each(self.f, c, &self.to, rows.start, j, cols);
    }
}

struct Added<'a> {
    residual: &'a [f32],
    y: Target<'a, f32>,
}

impl Finish for Added<'_> {
    const TAKES: Takes = Takes::Panels;

    fn ahead(&self, rows: Range<usize>, j: usize, cols: usize) {
        for i in rows.clone() {
            prefetch(self.residual[i * self.y.n + j..].as_ptr(), cols);
        }
        self.y.ahead(rows, j, cols);
    }

    unsafe fn take(&self, rows: Range<usize>, j: usize, cols: usize, c: &[f32]) {
        add(c, self.residual, &self.y, rows.start, j, cols);
    }
}

struct Turned<'a> {
    turns: Turns,
    y: Target<'a>,
}

impl Finish for Turned<'_> {
    const TAKES: Takes = Takes::Rows;

    fn ahead(&self, rows: Range<usize>, j: usize, cols: usize) {
        self.y.ahead(rows, j, cols);
    }

    unsafe fn take(&self, rows: Range<usize>, _: usize, n: usize, c: &[f32]) {
        let c_row = c.len() / rows.len();
        for (i, c) in rows.zip(c.chunks_exact(c_row)) {
            // SAFETY: what was handed over.
            self.turns.turn(i, &c[..n], unsafe { self.y.row(i, 0, n) });
        }
    }
}

struct CrossEntropy<'a> {
    targets: &'a [u32],
    weights: &'a [f32],
    nll: SharedMut<'a, f32>,
    d: Target<'a>,
}

impl Finish for CrossEntropy<'_> {
    const TAKES: Takes = Takes::Rows;

    unsafe fn take(&self, rows: Range<usize>, _: usize, v: usize, c: &[f32]) {
        let c_row = c.len() / rows.len();
        for (i, c) in rows.zip(c.chunks_exact(c_row)) {
            // SAFETY: what was handed over.
            let (nll, d) = unsafe { (&mut self.nll.slice(i, 1)[0], self.d.row(i, 0, self.d.n)) };
            let (d, padding) = d.split_at_mut(v);
            padding.fill(Bf16::default());
            *nll = loss::cross_entropy_rounded(&c[..v], self.targets[i], self.weights[i], d);
        }
    }
}

/// The product, element by element to the matrices that are named.
#[track_caller]
fn mapped<const N: usize>(
    name: &str,
    m: usize,
    a: Matrix,
    b: &Packed,
    bias: Option<&[f32]>,
    to: [(&str, &mut [Bf16]); N],
    f: impl Each<N>,
) {
    let to = to.map(|(what, x)| Target::new(name, what, x, m, b.columns()));
    gemm_bf16_finishing(name, m, a, b, bias, &Mapped { f, to });
}

/// C (m×n) = bias + A (m×k) · B (k×n), rounded to bf16.
///
/// # Panics
/// If a slice has not the length that m and the sizes of `b` give it.
#[track_caller]
pub fn gemm_bf16_rounded<'a>(m: usize, a: impl Into<Matrix<'a>>, b: &Packed, bias: Option<&[f32]>, c: &mut [Bf16]) {
    mapped("gemm_bf16_rounded", m, a.into(), b, bias, [("c", c)], |c: f32, _: [f32; 1]| [c]);
}

/// C (m×n) = bias + A (m×k) · B (k×n), turned to its places, rounded to bf16.
///
/// # Panics
/// If a slice has not the length that m and the sizes of `b` give it, or the heads do not fit in a row.
#[track_caller]
pub fn gemm_bf16_turned<'a>(
    m: usize,
    a: impl Into<Matrix<'a>>,
    b: &Packed,
    bias: Option<&[f32]>,
    rotary: Rotary,
    c: &mut [Bf16],
) {
    let (name, n) = ("gemm_bf16_turned", b.columns());
    let turns = Turns::new(name, rotary, n);
    gemm_bf16_finishing(name, m, a.into(), b, bias, &Turned { turns, y: Target::new(name, "c", c, m, n) });
}

/// Y (m×n) = residual + (bias + A (m×k) · B (k×n)), all in f32.
///
/// # Panics
/// If a slice has not the length that m and the sizes of `b` give it.
#[track_caller]
pub fn gemm_bf16_added<'a>(
    m: usize,
    a: impl Into<Matrix<'a>>,
    b: &Packed,
    bias: Option<&[f32]>,
    residual: &[f32],
    y: &mut [f32],
) {
    let (name, n) = ("gemm_bf16_added", b.columns());
    assert_eq!(residual.len(), area(m, n), "{name}: residual has {} elements, m·n = {m}·{n}", residual.len());
    gemm_bf16_finishing(name, m, a.into(), b, bias, &Added { residual, y: Target::new(name, "y", y, m, n) });
}

/// Y (m×n) = f(X) and `slope` = f′(X) of X = bias + A (m×k) · B (k×n), both rounded to bf16; X is kept nowhere. The backward
/// is [`gemm_bf16_multiplied`].
///
/// # Panics
/// If a slice has not the length that m and the sizes of `b` give it.
#[track_caller]
pub fn gemm_bf16_activated<'a>(
    m: usize,
    a: impl Into<Matrix<'a>>,
    b: &Packed,
    bias: Option<&[f32]>,
    f: Activation,
    y: &mut [Bf16],
    slope: &mut [Bf16],
) {
    let (a, to) = (a.into(), [("y", y), ("slope", slope)]);
    activation::with_function!(f, |f| mapped("gemm_bf16_activated", m, a, b, bias, to, move |x: f32, _: [f32; 2]| f(
        x
    )));
}

/// Y (m×n) = silu(gate) ⊙ X of X = bias + A (m×k) · B (k×n), rounded to bf16: SwiGLU. X is kept nowhere; the slopes of Y by gate
/// and by X take the places of `gate` and fill `slope`. The backward is [`gemm_bf16_multiplied`].
///
/// # Panics
/// If a slice has not the length that m and the sizes of `b` give it.
#[track_caller]
pub fn gemm_bf16_gated<'a>(
    m: usize,
    a: impl Into<Matrix<'a>>,
    b: &Packed,
    bias: Option<&[f32]>,
    gate: &mut [Bf16],
    y: &mut [Bf16],
    slope: &mut [Bf16],
) {
    let swiglu = |x: f32, [_, gate, _]: [f32; 3]| activation::swiglu_and_slopes_rough(gate, x);
    mapped("gemm_bf16_gated", m, a.into(), b, bias, [("y", y), ("gate", gate), ("slope", slope)], swiglu);
}

/// Each X (m×n) = X ⊙ dY, rounded to bf16, with dY (m×n) = A (m×k) · B (k×n), which is kept nowhere: slopes become gradients.
///
/// # Panics
/// If a slice has not the length that m and the sizes of `b` give it.
#[track_caller]
pub fn gemm_bf16_multiplied<'a, const N: usize>(m: usize, a: impl Into<Matrix<'a>>, b: &Packed, x: [&mut [Bf16]; N]) {
    let multiply = |dy: f32, x: [f32; N]| x.map(|x| dy * x);
    mapped("gemm_bf16_multiplied", m, a.into(), b, None, x.map(|x| ("x", x)), multiply);
}

/// Cross-entropy of logits A (m×k) · B (k×v), which are kept nowhere: `nll` (m) as [`loss::cross_entropy`] has it, and
/// d (m×v) = (softmax − onehot(target))·weight, their gradient, rounded to bf16, for [`Matrix::Padded`]: rows are
/// d.len()/m apart, with zeros behind v.
///
/// # Panics
/// If a slice has not the length that m and the sizes of `b` give it, or a target is not below v.
#[track_caller]
pub fn gemm_bf16_cross_entropy<'a>(
    m: usize,
    a: impl Into<Matrix<'a>>,
    b: &Packed,
    targets: &[u32],
    weights: &[f32],
    nll: &mut [f32],
    d: &mut [Bf16],
) {
    let (name, v, row) = ("gemm_bf16_cross_entropy", b.columns(), d.len() / m.max(1));
    loss::check(name, m * v, targets, v, [weights.len(), nll.len()]);
    assert!(row >= v || m == 0, "{name}: d has {} elements, m·v = {m}·{v}", d.len());
    let finish = CrossEntropy { targets, weights, nll: SharedMut::new(nll), d: Target::new(name, "d", d, m, row) };
    gemm_bf16_finishing(name, m, a.into(), b, None, &finish);
}
