//! Products of a few rows with a matrix of weights, for decoding.
//!
//! ```text
//! for j in 0..N:
//!     for k in 0..K:
//!         y[j] = w[j][k]·x[k] + y[j]
//! ```
//!
//! One token's product reads each weight once and uses it once, so its time is that of the bytes. Of the 131 to 170 GB/s
//! that the caches of a Zen 5 give two threads, f32 weights use 77 %, bf16 61 % (`dev/LOG.md`). What it takes:
//!
//! 1. Fewer bytes: bf16 has half of them, int8 a quarter. `mini` decodes 1,110 · 2,019 · 2,751 tokens/s, one product after
//!    the other.
//! 2. The weights lie in *panels* of [`PANEL`] outputs, the k-th weights of all of them side by side: a lane is an output, no
//!    sum crosses lanes, and memory is read from one end to the other. Rows as they lie, whose lanes are joined in the
//!    end, gave 1,372 to 1,724 tokens/s with int8 where panels gave 2,700.
//! 3. Several panels at a time, as many as the registers hold sums of, so that no chain waits for itself; on AVX2 two
//!    instead of four: bf16 10–20 % faster.
//! 4. Int8 weights are multiplied as the whole numbers that they are (`int8`).
//!
//! Every output is one chain of fused multiply-adds over k, in order, from its bias, as in [`crate::gemm`]: with f32 (and
//! bf16) weights the bits are those of [`gemm`] with the same weights, whatever the instruction set, the number of rows
//! and of threads. With int8 weights inputs and sums are whole numbers, which are the same everywhere, too; only more than
//! 8 rows in [`matmul_panels`] are a product in f32 with the restored matrix.

mod int8;
mod steps;
#[cfg(test)]
mod tests;

pub use steps::PANEL;

use crate::area;
use crate::bf16;
use crate::gemm::{Init, Layout, gemm};
use crate::isa::{self, Isa, vectorise};
use crate::map::with_scratch;
use crate::parallel::{self, SharedMut};
use int8::Int8;
use steps::{Steps, Stored};

/// How a weight is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As it is.
    F32,
    /// The upper half of an f32, rounded to nearest even: relative error at most 2⁻⁸.
    Bf16,
    /// A number from −127 to 127, times a scale per output: error at most half a scale, which is max|weights| / 127.
    Int8,
}

/// Half a panel: what a register of 512 bits holds.
const HALF: usize = PANEL / 2;
/// Panels that a product takes at once: enough chains that none waits for another.
const GROUP: usize = 4;

/// The k-th weights of a panel.
trait Step: Stored {
    fn of(values: &[f32; PANEL]) -> Self;
    /// As numbers: the first and the second half of the panel.
    fn values(&self) -> [Lanes; 2];
}

/// What a register of 512 bits holds: half a panel.
type Lanes = [f32; HALF];

#[derive(Clone, Copy)]
#[repr(align(64))]
struct F32([Lanes; 2]);

// SAFETY: an array of numbers.
unsafe impl Stored for F32 {}

impl Step for F32 {
    fn of(values: &[f32; PANEL]) -> F32 {
        F32(std::array::from_fn(|half| std::array::from_fn(|l| values[half * HALF + l])))
    }

    #[inline(always)]
    fn values(&self) -> [Lanes; 2] {
        self.0
    }
}

/// Pairs of bf16: output l below and output l + 16 above, so that one operation makes each an f32.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Bf16([u32; HALF]);

// SAFETY: an array of numbers.
unsafe impl Stored for Bf16 {}

impl Step for Bf16 {
    fn of(values: &[f32; PANEL]) -> Bf16 {
        Bf16(std::array::from_fn(|l| bf16::pair(values[l], values[HALF + l])))
    }

    #[inline(always)]
    fn values(&self) -> [Lanes; 2] {
        let (mut low, mut high) = ([0.0; HALF], [0.0; HALF]);
        for l in 0..HALF {
            low[l] = f32::from_bits(self.0[l] << 16);
            high[l] = f32::from_bits(self.0[l] & 0xFFFF_0000);
        }
        [low, high]
    }
}

enum Values {
    F32(Steps<F32>),
    Bf16(Steps<Bf16>),
    Int8(Int8),
}

/// A matrix of N outputs by K inputs, to be multiplied with few rows; the last panel is filled up with zeros.
pub struct Panels {
    outputs: usize,
    inputs: usize,
    values: Values,
}

impl Panels {
    /// Of W (N, K), as an embedding table is stored.
    ///
    /// # Panics
    /// If the length is not a multiple of K.
    #[track_caller]
    pub fn of_rows(format: Format, w: &[f32], inputs: usize) -> Panels {
        assert!(inputs > 0 && w.len().is_multiple_of(inputs), "panels: {} weights are not rows of {inputs}", w.len());
        let outputs = w.len() / inputs;
        Panels::new(format, outputs, inputs, |first, k| {
            let mut values = [0.0; PANEL];
            let rows = w[first * inputs..].chunks_exact(inputs);
            values.iter_mut().zip(rows).for_each(|(value, row)| *value = row[k]);
            values
        })
    }

    /// Of Wᵀ (K, N), as a linear layer is stored.
    ///
    /// # Panics
    /// If the length is not a multiple of N.
    #[track_caller]
    pub fn of_columns(format: Format, w: &[f32], outputs: usize) -> Panels {
        assert!(outputs > 0 && w.len().is_multiple_of(outputs), "panels: {} weights, {outputs} columns", w.len());
        let inputs = w.len() / outputs;
        Panels::new(format, outputs, inputs, |first, k| {
            let row = &w[k * outputs..][first..outputs.min(first + PANEL)];
            let mut values = [0.0; PANEL];
            match row.as_array() {
                Some(whole) => values = *whole,
                None => values[..row.len()].copy_from_slice(row),
            }
            values
        })
    }

    /// `gather(first, k)`: the k-th weights of the outputs from `first` on, zeros beyond the last.
    fn new(
        format: Format,
        outputs: usize,
        inputs: usize,
        gather: impl Fn(usize, usize) -> [f32; PANEL] + Sync,
    ) -> Panels {
        let values = match format {
            Format::F32 => Values::F32(encode(outputs, inputs, gather)),
            Format::Bf16 => Values::Bf16(encode(outputs, inputs, gather)),
            Format::Int8 => Values::Int8(Int8::encode(outputs, inputs, gather)),
        };
        Panels { outputs, inputs, values }
    }

    /// N and K.
    pub fn shape(&self) -> [usize; 2] {
        [self.outputs, self.inputs]
    }

    /// How the weights are stored.
    pub fn format(&self) -> Format {
        match self.values {
            Values::F32(_) => Format::F32,
            Values::Bf16(_) => Format::Bf16,
            Values::Int8(_) => Format::Int8,
        }
    }

    /// What a product reads.
    pub fn bytes(&self) -> usize {
        match &self.values {
            Values::F32(steps) => size_of_val(&steps[..]),
            Values::Bf16(steps) => size_of_val(&steps[..]),
            Values::Int8(values) => values.bytes(),
        }
    }

    /// The matrix as the products see it, (N, K).
    ///
    /// # Panics
    /// If `out` has another length.
    #[track_caller]
    pub fn restore(&self, out: &mut [f32]) {
        assert_eq!(out.len(), self.outputs * self.inputs, "panels: {} elements for {:?}", out.len(), self.shape());
        parallel::chunks_mut(out, PANEL * self.inputs, |panel, out| match &self.values {
            Values::F32(steps) => self.decode(steps, panel, out),
            Values::Bf16(steps) => self.decode(steps, panel, out),
            Values::Int8(values) => values.restore(panel, self.inputs, out),
        });
    }

    fn decode<S: Step>(&self, steps: &[S], panel: usize, out: &mut [f32]) {
        for (k, step) in steps[panel * self.inputs..][..self.inputs].iter().enumerate() {
            let values = step.values();
            for (row, w) in out.chunks_exact_mut(self.inputs).zip(values.as_flattened()) {
                row[k] = *w;
            }
        }
    }

    /// Lays M rows of inputs (M, K) as [`Panels::outputs`] reads them, in [`input_len`] elements: of each 8 rows (the last may
    /// be fewer) the k-th numbers side by side, or with int8 weights in [whole numbers](int8).
    pub(crate) fn lay(&self, x: &[f32], out: &mut [f32]) {
        match self.values {
            Values::F32(_) | Values::Bf16(_) => interleave(x, self.inputs, out),
            Values::Int8(_) => int8::lay(x, self.inputs, out),
        }
    }

    /// The outputs `from..from + y.len()/M` of each of M rows, dense in y. x as [`Panels::lay`] lays it; `from` begins a
    /// panel.
    ///
    /// # Panics
    /// If they are not all there.
    #[track_caller]
    pub(crate) fn outputs(&self, rows: usize, x: &[f32], bias: Option<&[f32]>, from: usize, y: &mut [f32]) {
        let (k, n) = (self.inputs, y.len() / rows);
        assert!(from.is_multiple_of(PANEL) && from + n <= self.outputs, "panels: {from}+{n} of {}", self.outputs);
        let bias = bias.map_or(&[][..], |b| &b[from..from + n]);
        match &self.values {
            Values::F32(steps) => passes(&steps[from / PANEL * k..], &x[..rows * k], k, bias, y),
            Values::Bf16(steps) => passes(&steps[from / PANEL * k..], &x[..rows * k], k, bias, y),
            Values::Int8(values) => values.outputs(rows, x, k, bias, from, y),
        }
    }
}

/// Elements that M rows of K inputs take up, laid out for a product.
pub(crate) fn input_len(rows: usize, k: usize) -> usize {
    rows * k.max(int8::input_len(k))
}

/// Rows that one pass over the weights serves.
const MAX_ROWS: usize = 8;

/// [`products`] of any number of rows.
fn passes<S: Step>(w: &[S], x: &[f32], k: usize, bias: &[f32], y: &mut [f32]) {
    let n = y.len() * k / x.len();
    // Registers of 512 bits come 32 at a time, shorter ones are 16.
    let products = if isa::isa() >= Isa::Avx512 { products::<S, true> } else { products::<S, false> };
    for (x, y) in x.chunks(MAX_ROWS * k).zip(y.chunks_mut(MAX_ROWS * n)) {
        products(w, x, k, bias, y);
    }
}

/// Of each 8 rows of x (M, K) the k-th numbers side by side.
fn interleave(x: &[f32], k: usize, out: &mut [f32]) {
    for (x, out) in x.chunks(MAX_ROWS * k).zip(out.chunks_mut(MAX_ROWS * k)) {
        let rows = x.len() / k;
        if rows == 1 {
            out[..k].copy_from_slice(x);
            continue;
        }
        for (row, x) in x.chunks_exact(k).enumerate() {
            out[row..].iter_mut().step_by(rows).zip(x).for_each(|(out, x)| *out = *x);
        }
    }
}

/// How many of `outputs` a thread should take at once when all threads share them: whole panels, in groups if there are
/// enough.
pub(crate) fn chunk_of(outputs: usize) -> usize {
    let panels = outputs.div_ceil(PANEL);
    let each = panels.div_ceil(4 * parallel::threads());
    let grouped = if panels.div_ceil(parallel::threads()) >= GROUP { each.next_multiple_of(GROUP) } else { each };
    grouped * PANEL
}

/// The panels of a matrix.
fn encode<S: Step>(outputs: usize, inputs: usize, gather: impl Fn(usize, usize) -> [f32; PANEL] + Sync) -> Steps<S> {
    let mut steps = Steps::zeroed(outputs.div_ceil(PANEL) * inputs);
    parallel::chunks_mut(&mut steps, inputs, |panel, steps: &mut [S]| {
        steps.iter_mut().enumerate().for_each(|(k, step)| *step = S::of(&gather(panel * PANEL, k)));
    });
    steps
}

/// The sums of P panels for M rows of x.
#[inline(always)]
fn block<S: Step, const P: usize, const M: usize>(w: &[S], x: &[f32], start: &[[Lanes; 2]; P]) -> [[[Lanes; 2]; P]; M] {
    let x = x.as_chunks::<M>().0;
    let k = x.len();
    let panels: [&[S]; P] = std::array::from_fn(|p| &w[p * k..][..k]);
    let mut sums = [*start; M];
    for i in 0..k {
        let mut values = [[[0.0; HALF]; 2]; P];
        for p in 0..P {
            values[p] = panels[p][i].values();
        }
        // Written out: of a loop over eight rows LLVM makes vectors across the rows.
        macro_rules! rows {
            ($($m:literal)*) => {
                $(if $m < M {
                    for p in 0..P {
                        for half in 0..2 {
                            for l in 0..HALF {
                                sums[$m][p][half][l] = values[p][half][l].mul_add(x[i][$m], sums[$m][p][half][l]);
                            }
                        }
                    }
                })*
            };
        }
        rows!(0 1 2 3 4 5 6 7);
    }
    sums
}

/// [`block`], written to the columns of y from `at` on.
#[inline(always)]
fn blocks<S: Step, const P: usize, const M: usize>(
    w: &[S],
    x: &[f32],
    bias: &[f32],
    y: &mut [f32],
    n: usize,
    at: usize,
) {
    let width = (P * PANEL).min(n - at);
    let mut start = [[[0.0; HALF]; 2]; P];
    if !bias.is_empty() {
        start.as_flattened_mut().as_flattened_mut()[..width].copy_from_slice(&bias[at..at + width]);
    }
    let sums = block::<S, P, M>(w, x, &start);
    for m in 0..M {
        y[m * n + at..][..width].copy_from_slice(&sums[m].as_flattened().as_flattened()[..width]);
    }
}

/// Some panels times M rows, as many panels at a time as the registers hold sums of.
#[inline(always)]
fn rows<S: Step, const P: usize, const M: usize>(w: &[S], x: &[f32], bias: &[f32], y: &mut [f32]) {
    let (k, n) = (x.len() / M, y.len() / M);
    let mut at = 0;
    while n - at > (P - 1) * PANEL {
        blocks::<S, P, M>(&w[at / PANEL * k..], x, bias, y, n, at);
        at = n.min(at + P * PANEL);
    }
    while at < n {
        blocks::<S, 1, M>(&w[at / PANEL * k..], x, bias, y, n, at);
        at = n.min(at + PANEL);
    }
}

vectorise! {
    /// y_mj = bias_j + Σ_k w_jk·x_mk, in order, for the outputs of some panels; up to 8 rows.
    fn products<S: Step; const WIDE: bool>(w: &[S], x: &[f32], k: usize, bias: &[f32], y: &mut [f32]) {
        match x.len() / k {
            1 if WIDE => rows::<S, 4, 1>(w, x, bias, y),
            1 => rows::<S, 2, 1>(w, x, bias, y),
            2 => rows::<S, 4, 2>(w, x, bias, y),
            3 => rows::<S, 2, 3>(w, x, bias, y),
            4 => rows::<S, 2, 4>(w, x, bias, y),
            5 => rows::<S, 1, 5>(w, x, bias, y),
            6 => rows::<S, 1, 6>(w, x, bias, y),
            7 => rows::<S, 1, 7>(w, x, bias, y),
            _ => rows::<S, 1, 8>(w, x, bias, y),
        }
    }
}

/// y (M, N) = x (M, K)·Wᵀ + bias (N).
///
/// # Panics
/// If a slice has not the length that the shapes give it.
#[track_caller]
pub fn matmul_panels(x: &[f32], w: &Panels, bias: Option<&[f32]>, y: &mut [f32]) {
    let [n, k] = w.shape();
    let m = x.len() / k;
    assert!(x.len() == area(m, k), "matmul_panels: {} inputs are not rows of {k}", x.len());
    assert!(y.len() == area(m, n), "matmul_panels: {} outputs are not {m} rows of {n}", y.len());
    assert!(bias.is_none_or(|b| b.len() == n), "matmul_panels: the bias has not {n} elements");
    if m > MAX_ROWS {
        // Restored once, for a product that uses each weight many times.
        with_scratch(n * k, |full| {
            w.restore(full);
            gemm(Layout::NT, m, n, k, x, full, y, bias.map_or(Init::Zero, Init::Bias));
        });
        return;
    }
    let chunk = if n * k * m >= 1 << 15 { chunk_of(n) } else { n };
    let y = SharedMut::new(y);
    parallel::for_each_chunk(n.div_ceil(chunk), |i| {
        let (from, width) = (i * chunk, chunk.min(n - i * chunk));
        with_scratch(input_len(m, k) + m * width, |scratch| {
            let (rows, part) = scratch.split_at_mut(input_len(m, k));
            w.lay(x, rows);
            w.outputs(m, rows, bias, from, part);
            for (row, part) in part.chunks_exact(width).enumerate() {
                // SAFETY: each chunk has its own columns of y.
                unsafe { y.slice(row * n + from, width) }.copy_from_slice(part);
            }
        });
    });
}
