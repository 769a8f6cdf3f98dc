//! Products whose result goes on to what follows while it is in the cache: rounding to bf16, rotary positions, an
//! activation function or a gate and their derivatives, the residual sum, the cross-entropy of logits.

use super::{COLS, Matrix, Packed, Unit, driver};
use crate::activation::{self, Activation};
use crate::bf16::{Bf16, Element};
use crate::gemm::Init;
use crate::gemm::micro::prefetch;
use crate::isa::vectorise;
use crate::loss;
use crate::parallel::SharedMut;
use crate::rope::{Rotary, Turns};
use std::ops::Range;

/// Where the parts of a product C go.
pub(super) trait Finish: Sync {
    /// Whether it takes whole rows; else 32 columns of a few rows.
    const WHOLE_ROWS: bool = false;

    /// Asks for the memory that belongs to rows `rows` and `cols` ≤ 32 columns from `j` on, before they are computed.
    fn ahead(&self, rows: Range<usize>, j: usize, cols: usize);

    /// Takes `cols` columns from `j` on of those rows, which are [`driver::c_row`] apart.
    ///
    /// # Safety
    /// They are inside the product, and nobody else has to do with them.
    unsafe fn take(&self, rows: Range<usize>, j: usize, cols: usize, c: &[f32]);
}

/// A matrix of `n` columns of which the tiles of a product write disjoint parts.
struct Target<'a, T = Bf16> {
    data: SharedMut<'a, T>,
    n: usize,
}

impl<T: Element> Target<'_, T> {
    #[track_caller]
    fn new<'a>(name: &str, what: &str, data: &'a mut [T], m: usize, n: usize) -> Target<'a, T> {
        assert_eq!(data.len(), m * n, "{name}: {what} has {} elements, m·n = {m}·{n}", data.len());
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

/// Runs `$body` for each element of a row of up to 32: with a length that is known when there are 32.
macro_rules! each {
    ($cols:expr, |$l:ident| $body:expr) => {
        if $cols == COLS {
            for $l in 0..COLS {
                $body
            }
        } else {
            for $l in 0..$cols {
                $body
            }
        }
    };
}

vectorise! {
    fn round(c: &[f32], y: &Target, i: usize, j: usize, cols: usize) {
        for (n, c) in c.as_chunks::<COLS>().0.iter().enumerate() {
            // SAFETY: what `Finish::take` was handed.
            let y = unsafe { y.row(i + n, j, cols) };
            each!(cols, |l| y[l] = Bf16::of(c[l]));
        }
    }

    fn add(c: &[f32], residual: &[f32], y: &Target<f32>, i: usize, j: usize, cols: usize) {
        for (n, c) in c.as_chunks::<COLS>().0.iter().enumerate() {
            let residual = &residual[(i + n) * y.n + j..][..cols];
            // SAFETY: what `Finish::take` was handed.
            let y = unsafe { y.row(i + n, j, cols) };
            each!(cols, |l| y[l] = residual[l] + c[l]);
        }
    }

    fn apply<F: WithSlope>(f: F, c: &[f32], y: &Target, slope: &Target, i: usize, j: usize, cols: usize) {
        for (n, c) in c.as_chunks::<COLS>().0.iter().enumerate() {
            // SAFETY: what `Finish::take` was handed, of two matrices.
            let (y, slope) = unsafe { (y.row(i + n, j, cols), slope.row(i + n, j, cols)) };
            each!(cols, |l| {
                let [value, by_x] = f.at(c[l]);
                (y[l], slope[l]) = (Bf16::of(value), Bf16::of(by_x));
            });
        }
    }

    fn apply_gate(c: &[f32], y: &Target, gate: &Target, up: &Target, i: usize, j: usize, cols: usize) {
        for (n, c) in c.as_chunks::<COLS>().0.iter().enumerate() {
            // SAFETY: what `Finish::take` was handed, of three matrices.
            let (y, gate, up) = unsafe { (y.row(i + n, j, cols), gate.row(i + n, j, cols), up.row(i + n, j, cols)) };
            each!(cols, |l| {
                let [value, by_gate, by_up] = activation::swiglu_and_slopes_rough(gate[l].get(), c[l]);
                (y[l], gate[l], up[l]) = (Bf16::of(value), Bf16::of(by_gate), Bf16::of(by_up));
            });
        }
    }

    fn multiply(c: &[f32], x: &Target, i: usize, j: usize, cols: usize) {
        for (n, c) in c.as_chunks::<COLS>().0.iter().enumerate() {
            // SAFETY: what `Finish::take` was handed.
            let x = unsafe { x.row(i + n, j, cols) };
            each!(cols, |l| x[l] = Bf16::of(c[l] * x[l].get()));
        }
    }
}

/// x ↦ [f(x), f′(x)].
trait WithSlope: Copy + Sync {
    fn at(&self, x: f32) -> [f32; 2];
}

impl<F: Fn(f32) -> [f32; 2] + Copy + Sync> WithSlope for F {
    #[inline(always)]
    fn at(&self, x: f32) -> [f32; 2] {
        self(x)
    }
}

struct Rounded<'a>(Target<'a>);

impl Finish for Rounded<'_> {
    fn ahead(&self, rows: Range<usize>, j: usize, cols: usize) {
        self.0.ahead(rows, j, cols);
    }

    unsafe fn take(&self, rows: Range<usize>, j: usize, cols: usize, c: &[f32]) {
        round(c, &self.0, rows.start, j, cols);
    }
}

struct Turned<'a> {
    turns: Turns,
    y: Target<'a>,
}

impl Finish for Turned<'_> {
    const WHOLE_ROWS: bool = true;

    fn ahead(&self, rows: Range<usize>, j: usize, cols: usize) {
        self.y.ahead(rows, j, cols);
    }

    unsafe fn take(&self, rows: Range<usize>, _: usize, n: usize, c: &[f32]) {
        let stride = driver::c_row::<Self>(n);
        for (i, c) in rows.zip(c.chunks_exact(stride)) {
            // SAFETY: what was handed over.
            self.turns.turn(i, &c[..n], unsafe { self.y.row(i, 0, n) });
        }
    }
}

struct Added<'a> {
    residual: &'a [f32],
    y: Target<'a, f32>,
}

impl Finish for Added<'_> {
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

struct Activated<'a, F> {
    f: F,
    y: Target<'a>,
    slope: Target<'a>,
}

impl<F: WithSlope> Finish for Activated<'_, F> {
    fn ahead(&self, rows: Range<usize>, j: usize, cols: usize) {
        self.y.ahead(rows.clone(), j, cols);
        self.slope.ahead(rows, j, cols);
    }

    unsafe fn take(&self, rows: Range<usize>, j: usize, cols: usize, c: &[f32]) {
        apply(self.f, c, &self.y, &self.slope, rows.start, j, cols);
    }
}

struct Gated<'a> {
    y: Target<'a>,
    gate: Target<'a>,
    up: Target<'a>,
}

impl Finish for Gated<'_> {
    fn ahead(&self, rows: Range<usize>, j: usize, cols: usize) {
        [&self.y, &self.gate, &self.up].into_iter().for_each(|x| x.ahead(rows.clone(), j, cols));
    }

    unsafe fn take(&self, rows: Range<usize>, j: usize, cols: usize, c: &[f32]) {
        apply_gate(c, &self.y, &self.gate, &self.up, rows.start, j, cols);
    }
}

struct Multiplied<'a, const N: usize>([Target<'a>; N]);

impl<const N: usize> Finish for Multiplied<'_, N> {
    fn ahead(&self, rows: Range<usize>, j: usize, cols: usize) {
        self.0.iter().for_each(|x| x.ahead(rows.clone(), j, cols));
    }

    unsafe fn take(&self, rows: Range<usize>, j: usize, cols: usize, c: &[f32]) {
        self.0.iter().for_each(|x| multiply(c, x, rows.start, j, cols));
    }
}

struct CrossEntropy<'a> {
    targets: &'a [u32],
    weights: &'a [f32],
    nll: SharedMut<'a, f32>,
    d: Target<'a>,
}

impl Finish for CrossEntropy<'_> {
    const WHOLE_ROWS: bool = true;

    fn ahead(&self, _: Range<usize>, _: usize, _: usize) {}

    unsafe fn take(&self, rows: Range<usize>, _: usize, v: usize, c: &[f32]) {
        let stride = driver::c_row::<Self>(v);
        for (i, c) in rows.zip(c.chunks_exact(stride)) {
            // SAFETY: what was handed over.
            let (nll, d) = unsafe { (&mut self.nll.slice(i, 1)[0], self.d.row(i, 0, self.d.n)) };
            let (d, padding) = d.split_at_mut(v);
            padding.fill(Bf16::default());
            *nll = loss::cross_entropy_rounded(&c[..v], self.targets[i], self.weights[i], d);
        }
    }
}

#[track_caller]
fn run<F: Finish>(name: &str, m: usize, a: Matrix, b: &Packed, bias: Option<&[f32]>, finish: &F) {
    let len = a.len(m, b.k);
    assert_eq!(len, m * b.k, "{name}: a has {len} elements, m·k = {m}·{}", b.k);
    if let Some(bias) = bias {
        assert_eq!(bias.len(), b.n, "{name}: bias has {} elements, n = {}", bias.len(), b.n);
    }
    if m > 0 && b.n > 0 {
        driver::multiply_finishing(Unit::current(), m, a, b, bias.map_or(Init::Zero, Init::Bias), finish);
    }
}

/// C (m×n) = bias + A (m×k) · B (k×n), rounded to bf16.
///
/// # Panics
/// If a slice has not the length that m and the sizes of `b` give it.
#[track_caller]
pub fn gemm_bf16_rounded<'a>(m: usize, a: impl Into<Matrix<'a>>, b: &Packed, bias: Option<&[f32]>, c: &mut [Bf16]) {
    let name = "gemm_bf16_rounded";
    run(name, m, a.into(), b, bias, &Rounded(Target::new(name, "c", c, m, b.n)));
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
    let name = "gemm_bf16_turned";
    let turns = Turns::new(name, rotary, b.n);
    run(name, m, a.into(), b, bias, &Turned { turns, y: Target::new(name, "c", c, m, b.n) });
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
    let name = "gemm_bf16_added";
    assert_eq!(residual.len(), m * b.n, "{name}: residual has {} elements, m·n = {m}·{}", residual.len(), b.n);
    run(name, m, a.into(), b, bias, &Added { residual, y: Target::new(name, "y", y, m, b.n) });
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
    let (name, a) = ("gemm_bf16_activated", a.into());
    let (y, slope) = (Target::new(name, "y", y, m, b.n), Target::new(name, "slope", slope, m, b.n));
    activation::with_function!(f, |f| run(name, m, a, b, bias, &Activated { f, y, slope }));
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
    let name = "gemm_bf16_gated";
    let [gate, y, up] =
        [("gate", gate), ("y", y), ("slope", slope)].map(|(what, x)| Target::new(name, what, x, m, b.n));
    run(name, m, a.into(), b, bias, &Gated { y, gate, up });
}

/// Each X (m×n) = X ⊙ dY, rounded to bf16, with dY (m×n) = A (m×k) · B (k×n), which is kept nowhere: slopes become gradients.
///
/// # Panics
/// If a slice has not the length that m and the sizes of `b` give it.
#[track_caller]
pub fn gemm_bf16_multiplied<'a, const N: usize>(m: usize, a: impl Into<Matrix<'a>>, b: &Packed, x: [&mut [Bf16]; N]) {
    let name = "gemm_bf16_multiplied";
    run(name, m, a.into(), b, None, &Multiplied(x.map(|x| Target::new(name, "x", x, m, b.n))));
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
    let name = "gemm_bf16_cross_entropy";
    loss::check(name, m * b.n, targets, b.n, [weights.len(), nll.len()]);
    let row = d.len() / m.max(1);
    assert!(row >= b.n || m == 0, "{name}: d has {} elements, m·v = {m}·{}", d.len(), b.n);
    let finish = CrossEntropy { targets, weights, nll: SharedMut::new(nll), d: Target::new(name, "d", d, m, row) };
    run(name, m, a.into(), b, None, &finish);
}
