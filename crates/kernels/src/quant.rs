//! Products with weights in fewer bits, for decoding.
//!
//! One token's product reads each weight once and uses it once, so its time is that of the bytes: half of them in bf16,
//! a quarter in int8. Inputs, sums and outputs stay f32. The same bits on every instruction set and number of threads.

use crate::gemm::{Init, Layout, gemm};
use crate::isa::vectorise;
use crate::map::{LANES, with_scratch};
use crate::parallel::{self, SharedMut};

/// How a weight is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The upper half of an f32, rounded to nearest even: relative error at most 2⁻⁸.
    Bf16,
    /// A number from −127 to 127, times a scale per row: error at most half a scale, which is max|row| / 127.
    Int8,
}

/// A weight that becomes an f32 on its way into a register.
trait Weight: Copy + Sync {
    fn value(self) -> f32;
}

#[derive(Clone, Copy)]
struct Bf16(u16);

impl Weight for Bf16 {
    #[inline(always)]
    fn value(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

impl Weight for i8 {
    #[inline(always)]
    fn value(self) -> f32 {
        f32::from(self)
    }
}

impl Bf16 {
    fn round(x: f32) -> Bf16 {
        let bits = x.to_bits();
        if x.is_nan() {
            return Bf16((bits >> 16) as u16 | 0x40);
        }
        Bf16((bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16) as u16)
    }
}

/// Both in panels of 16 rows: the k-th weights of all of them side by side. So a product needs no sums across lanes.
enum Values {
    Bf16(Vec<Bf16>),
    Int8(Vec<i8>, Vec<f32>),
}

/// A matrix W (N, K) in fewer bits, a row for each output; the last panel is filled up with rows of zeros.
pub struct Quantised {
    rows: usize,
    cols: usize,
    values: Values,
}

impl Quantised {
    /// Of W (N, K), as an embedding table is stored.
    ///
    /// # Panics
    /// If the length is not a multiple of K.
    #[track_caller]
    pub fn of_rows(format: Format, w: &[f32], cols: usize) -> Quantised {
        assert!(cols > 0 && w.len().is_multiple_of(cols), "quant: {} weights are not rows of {cols}", w.len());
        let rows = w.len() / cols;
        let values = match format {
            Format::Bf16 => Values::Bf16(in_panels(w, cols, Bf16(0), |_, x| Bf16::round(x))),
            Format::Int8 => {
                let largest = |row: &[f32]| row.iter().fold(0.0f32, |max, x| max.max(x.abs()));
                let scales: Vec<f32> = w.chunks_exact(cols).map(|row| largest(row) / 127.0).collect();
                let per = |row: usize| if scales[row] > 0.0 { 1.0 / scales[row] } else { 0.0 };
                let round = |row, x: f32| (x * per(row)).round().clamp(-127.0, 127.0) as i8;
                Values::Int8(in_panels(w, cols, 0, round), scales)
            }
        };
        Quantised { rows, cols, values }
    }

    /// Of Wᵀ (K, N), as a linear layer is stored: a row of the result is a column.
    ///
    /// # Panics
    /// If the length is not a multiple of N.
    #[track_caller]
    pub fn of_columns(format: Format, w: &[f32], columns: usize) -> Quantised {
        assert!(columns > 0 && w.len().is_multiple_of(columns), "quant: {} weights, {columns} columns", w.len());
        let k = w.len() / columns;
        let mut turned = vec![0.0; w.len()];
        crate::elementwise::transpose_2d(w, k, columns, &mut turned);
        Quantised::of_rows(format, &turned, k)
    }

    /// N and K.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.cols]
    }

    /// What a product reads.
    pub fn bytes(&self) -> usize {
        match &self.values {
            Values::Bf16(values) => 2 * values.len(),
            Values::Int8(values, scales) => values.len() + 4 * scales.len(),
        }
    }

    /// The matrix as the products see it, (N, K).
    #[track_caller]
    pub fn restore(&self, out: &mut [f32]) {
        assert_eq!(out.len(), self.rows * self.cols, "quant: {} elements for {:?}", out.len(), self.shape());
        let k = self.cols;
        parallel::chunks_mut(out, k, |row, out| {
            let first = row / LANES * LANES * k + row % LANES;
            match &self.values {
                Values::Bf16(values) => widen(&values[first..], 1.0, out),
                Values::Int8(values, scales) => widen(&values[first..], scales[row], out),
            }
        });
    }
}

fn in_panels<W: Weight>(w: &[f32], k: usize, zero: W, round: impl Fn(usize, f32) -> W) -> Vec<W> {
    let rows = w.len() / k;
    let mut panels = vec![zero; rows.next_multiple_of(LANES) * k];
    for (row, weights) in w.chunks_exact(k).enumerate() {
        let panel = &mut panels[row / LANES * LANES * k..];
        for (p, x) in weights.iter().enumerate() {
            panel[p * LANES + row % LANES] = round(row, *x);
        }
    }
    panels
}

/// One row of a panel.
fn widen<W: Weight>(w: &[W], scale: f32, out: &mut [f32]) {
    for (out, w) in out.iter_mut().zip(w.iter().step_by(LANES)) {
        *out = w.value() * scale;
    }
}

/// The sums of P panels, whose chains do not wait for each other.
#[inline(always)]
fn block<const P: usize, W: Weight>(w: &[W], x: &[f32]) -> [[f32; LANES]; P] {
    let k = x.len();
    let panels: [&[[W; LANES]]; P] = std::array::from_fn(|p| &w[p * k * LANES..].as_chunks::<LANES>().0[..k]);
    let mut sums = [[0.0f32; LANES]; P];
    for i in 0..k {
        for p in 0..P {
            let w: [f32; LANES] = std::array::from_fn(|l| panels[p][i][l].value());
            for l in 0..LANES {
                sums[p][l] = w[l].mul_add(x[i], sums[p][l]);
            }
        }
    }
    sums
}

vectorise! {
    /// y_j = Σ_k w_jk·x_k, in order, for the rows of some panels.
    fn panels<W: Weight>(w: &[W], x: &[f32], y: &mut [f32]) {
        let panel = LANES * x.len();
        let mut from = 0;
        while from < y.len() {
            let rows = (y.len() - from).min(4 * LANES);
            let w = &w[from * x.len()..];
            if rows > 3 * LANES {
                let sums = block::<4, W>(w, x);
                y[from..from + rows].copy_from_slice(&sums.as_flattened()[..rows]);
            } else {
                for (w, y) in w.chunks_exact(panel).zip(y[from..].chunks_mut(LANES)) {
                    y.copy_from_slice(&block::<1, W>(w, x)[0][..y.len()]);
                }
            }
            from += rows;
        }
    }
}

/// Up to this many rows of x each is a product of its own; for more, the weights are restored once.
const FEW_ROWS: usize = 8;

/// y (M, N) = x (M, K)·Wᵀ + bias (N), for weights in fewer bits.
///
/// # Panics
/// If a slice has not the length that the shapes give it.
#[track_caller]
pub fn matmul_quantised(x: &[f32], w: &Quantised, bias: Option<&[f32]>, y: &mut [f32]) {
    let [n, k] = w.shape();
    let m = x.len() / k;
    assert!(x.len() == m * k, "matmul_quantised: {} inputs are not rows of {k}", x.len());
    assert!(y.len() == m * n, "matmul_quantised: {} outputs are not {m} rows of {n}", y.len());
    assert!(bias.is_none_or(|b| b.len() == n), "matmul_quantised: the bias has not {n} elements");
    if m > FEW_ROWS {
        with_scratch(n * k, |full| {
            w.restore(full);
            gemm(Layout::NT, m, n, k, x, full, y, bias.map_or(Init::Zero, Init::Bias));
        });
        return;
    }
    let chunk =
        if n * k * m >= 1 << 15 { n.div_ceil(4 * parallel::threads()).next_multiple_of(4 * LANES) } else { n.max(1) };
    let y = SharedMut::new(y);
    parallel::for_each_chunk(n.div_ceil(chunk), |i| {
        let rows = i * chunk..n.min((i + 1) * chunk);
        let at = rows.start * k..;
        for (i, x) in x.chunks_exact(k).enumerate() {
            // SAFETY: each chunk has its own columns of y.
            let y = unsafe { y.slice(i * n + rows.start, rows.len()) };
            match &w.values {
                Values::Bf16(values) => panels(&values[at.clone()], x, y),
                Values::Int8(values, scales) => {
                    panels(&values[at.clone()], x, y);
                    y.iter_mut().zip(&scales[rows.clone()]).for_each(|(y, scale)| *y *= scale);
                }
            }
            if let Some(bias) = bias {
                y.iter_mut().zip(&bias[rows.clone()]).for_each(|(y, b)| *y += b);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::testing::{close, normals, same_everywhere};

    const FORMATS: [Format; 2] = [Format::Bf16, Format::Int8];

    #[test]
    fn rounding_is_to_the_nearest() {
        let half = |x: f32| Bf16::round(x).value();
        assert_eq!([1.0, -2.5, 0.0, f32::INFINITY].map(half), [1.0, -2.5, 0.0, f32::INFINITY]);
        assert_eq!(half(1.0 + 1.0 / 256.0), 1.0, "a tie goes to the even neighbour");
        assert_eq!(half(1.0 + 3.0 / 256.0), 1.0 + 4.0 / 256.0);
        assert!(half(f32::NAN).is_nan() && half(f32::from_bits(0x7F80_0001)).is_nan());
        let w = normals(1, 40 * 17);
        for format in FORMATS {
            let q = Quantised::of_rows(format, &w, 17);
            let mut back = vec![f32::NAN; w.len()];
            q.restore(&mut back);
            for (row, back) in w.chunks(17).zip(back.chunks(17)) {
                let max = row.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                for (x, y) in row.iter().zip(back) {
                    let bound = if format == Format::Bf16 { x.abs() / 256.0 } else { max / 254.0 * 1.0001 };
                    assert!((x - y).abs() <= bound, "{format:?}: {x} became {y}");
                }
            }
        }
        assert_eq!(Quantised::of_rows(Format::Int8, &w, 17).bytes(), 48 * 17 + 4 * 40);
        let mut zeros = [1.0; 3];
        Quantised::of_rows(Format::Int8, &[0.0; 3], 3).restore(&mut zeros);
        assert_eq!(zeros, [0.0; 3]);
    }

    /// Few rows and many, lengths around the lanes and the groups of four, with and without a bias.
    #[test]
    fn products_are_those_of_the_restored_matrix_everywhere() {
        for format in FORMATS {
            for (m, n, k) in [(1, 1, 1), (1, 5, 15), (2, 3, 16), (1, 70, 17), (8, 9, 64), (1, 600, 65), (9, 33, 48)] {
                let (x, w, b) = (normals(1, m * k), normals(2, n * k), normals(3, n));
                let q = Quantised::of_rows(format, &w, k);
                let mut full = vec![0.0; n * k];
                q.restore(&mut full);
                for bias in [None, Some(&b[..])] {
                    let y = same_everywhere(|| {
                        let mut y = vec![f32::NAN; m * n];
                        matmul_quantised(&x, &q, bias, &mut y);
                        y
                    });
                    let want: Vec<f64> = (0..m * n)
                        .map(|i| {
                            let dot = |p| f64::from(x[i / n * k + p]) * f64::from(full[i % n * k + p]);
                            bias.map_or(0.0, |b| f64::from(b[i % n])) + (0..k).map(dot).sum::<f64>()
                        })
                        .collect();
                    close(&y, &want, 2e-6);
                }
            }
        }
    }

    #[test]
    fn columns_of_a_layer_are_rows_here() {
        let w = normals(4, 6 * 10); // (K 6, N 10)
        let turned: Vec<f32> = (0..60).map(|i| w[i % 6 * 10 + i / 6]).collect();
        let [mut a, mut b] = [vec![0.0; 60], vec![0.0; 60]];
        let q = Quantised::of_columns(Format::Int8, &w, 10);
        assert_eq!(q.shape(), [10, 6]);
        q.restore(&mut a);
        Quantised::of_rows(Format::Int8, &turned, 6).restore(&mut b);
        assert_eq!(a, b);
    }

    #[test]
    #[should_panic(expected = "matmul_quantised: 3 outputs are not 1 rows of 4")]
    fn lengths_are_checked() {
        matmul_quantised(&[1.0; 2], &Quantised::of_rows(Format::Bf16, &[0.0; 8], 2), None, &mut [0.0; 3]);
    }
}
