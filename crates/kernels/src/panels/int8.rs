//! Products with int8 weights, in whole numbers.
//!
//! Turned into f32 before they are multiplied, weights cost three operations for each register of 16. As they are,
//! `vpdpbusd` multiplies 64 of them in one and adds up products of four. Its other factor must be bytes as well; so that
//! nothing worth speaking of is lost, an input becomes a number of 16 bits times a scale of its row (error: at most half a
//! scale, which is max|inputs| / 32,639) and then two bytes, q = 256·high + low, with a product each. llama.cpp's q8_0
//! keeps one byte of it.
//!
//! Whole numbers have no order of addition: y_j = (Σ_k w_jk·q_k)·(scales) + bias_j has the same bits on every
//! instruction set. The sum of [`BLOCK`] quads fits in 32 bits, and what is added on the way may wrap around; the sums
//! of blocks are added in f32, in order.

use super::steps::{PANEL, Steps, Stored};
use crate::isa::{Isa, isa, vectorise};
use crate::math::ROUND;
use crate::parallel;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Four weights of each output of a panel, 128 more than they are: `vpdpbusd` takes one factor without a sign.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Quad([[u8; 4]; PANEL]);

// SAFETY: an array of numbers.
unsafe impl Stored for Quad {}

/// The offset of what is stored.
const OFFSET: i32 = 128;
/// The largest input: its high byte is 127 and its low byte, which has a sign, too.
const LARGEST: f32 = 32_639.0;
/// Quads whose sum fits in 32 bits: 4·127·32,639·128 < 2³¹.
const BLOCK: usize = 128;

/// The weights of a matrix, and a scale per output.
pub(super) struct Int8 {
    /// Panel by panel; the last quad of a panel is filled up.
    quads: Steps<Quad>,
    scales: Vec<f32>,
}

impl Int8 {
    /// `gather` as in [`super::Panels`]. The scale of an output with a NaN or an infinity among its weights is NaN.
    pub fn encode(outputs: usize, inputs: usize, gather: impl Fn(usize, usize) -> [f32; PANEL] + Sync) -> Int8 {
        let panels = outputs.div_ceil(PANEL);
        let (mut quads, mut scales) = (Steps::zeroed(panels * inputs.div_ceil(4)), vec![1.0; panels * PANEL]);
        parallel::chunks2_mut((&mut quads, inputs.div_ceil(4)), (&mut scales, PANEL), |panel, quads, scales| {
            let (mut per, mut poison) = ([0.0f32; PANEL], [0.0f32; PANEL]);
            for k in 0..inputs {
                for (l, w) in gather(panel * PANEL, k).into_iter().enumerate() {
                    per[l] = per[l].max(w.abs());
                    poison[l] += w * 0.0;
                }
            }
            for l in 0..PANEL {
                scales[l] = per[l] / 127.0 + poison[l];
                per[l] = if scales[l] > f32::MIN_POSITIVE { 1.0 / scales[l] } else { 0.0 };
            }
            for (i, quad) in quads.iter_mut().enumerate() {
                let steps = std::array::from_fn(|k| {
                    if 4 * i + k < inputs { gather(panel * PANEL, 4 * i + k) } else { [0.0; PANEL] }
                });
                fill(&steps, &per, quad);
            }
        });
        Int8 { quads, scales }
    }

    pub fn bytes(&self) -> usize {
        size_of_val(&self.quads[..]) + size_of_val(&self.scales[..])
    }

    /// A panel as the products see it, rows of `inputs`.
    pub fn restore(&self, panel: usize, inputs: usize, out: &mut [f32]) {
        let quads = &self.quads[panel * inputs.div_ceil(4)..];
        for (l, row) in out.chunks_exact_mut(inputs).enumerate() {
            for (k, w) in row.iter_mut().enumerate() {
                *w = (i32::from(quads[k / 4].0[l][k % 4]) - OFFSET) as f32 * self.scales[panel * PANEL + l];
            }
        }
    }

    /// See [`super::Panels::outputs`]; x as [`lay`] lays it.
    pub fn outputs(&self, rows: usize, x: &[f32], k: usize, bias: &[f32], from: usize, y: &mut [f32]) {
        let product = Product { weights: self, rows, x, k, bias, from, isa: isa(), vnni: has_vnni() };
        // The more rows, the fewer panels, so that the sums fit in the registers.
        let most = [4, 2, 2, 1][rows.min(4) - 1];
        let (n, mut at) = (y.len() / rows, 0);
        while at < n {
            let panels = if at + most * PANEL <= n.next_multiple_of(PANEL) { most } else { 1 };
            let mut row = 0;
            while row < rows {
                let together = [1, 2, 2, 4][(rows - row).min(4) - 1].min(4 / panels);
                match (panels, together) {
                    (4, _) => product.tile::<4, 1>(at, row, y),
                    (2, 2) => product.tile::<2, 2>(at, row, y),
                    (2, _) => product.tile::<2, 1>(at, row, y),
                    (_, 4) => product.tile::<1, 4>(at, row, y),
                    (_, 2) => product.tile::<1, 2>(at, row, y),
                    _ => product.tile::<1, 1>(at, row, y),
                }
                row += together;
            }
            at += panels * PANEL;
        }
    }
}

struct Product<'a> {
    weights: &'a Int8,
    rows: usize,
    x: &'a [f32],
    k: usize,
    bias: &'a [f32],
    from: usize,
    isa: Isa,
    vnni: bool,
}

impl Product<'_> {
    /// P panels of outputs from column `at` of y on, for M rows.
    fn tile<const P: usize, const M: usize>(&self, at: usize, row: usize, y: &mut [f32]) {
        let (quads, n, from) = (self.k.div_ceil(4), y.len() / self.rows, self.from + at);
        let w = &self.weights.quads[from / PANEL * quads..][..P * quads];
        let x: [Input; M] = std::array::from_fn(|m| Input::of(&self.x[(row + m) * input_len(self.k)..], quads));
        let mut sums = [[[0.0; PANEL]; P]; M];
        self.add_up(w, &x, &mut sums);
        let width = (P * PANEL).min(n - at);
        let bias = if self.bias.is_empty() { &[][..] } else { &self.bias[at..][..width] };
        for m in 0..M {
            let y = &mut y[(row + m) * n + at..][..width];
            finish(sums[m].as_flattened(), x[m].scale, &self.weights.scales[from..], bias, y);
        }
    }

    /// The sums of products of P panels for M rows.
    fn add_up<const P: usize, const M: usize>(&self, w: &[Quad], x: &[Input; M], sums: &mut [[[f32; PANEL]; P]; M]) {
        #[cfg(target_arch = "x86_64")]
        if self.vnni {
            // SAFETY: the machine has the instructions.
            return unsafe { vnni(w, x, sums) };
        }
        for (x, sums) in x.iter().zip(sums) {
            for (w, sums) in w.chunks_exact(w.len() / P).zip(sums) {
                match self.isa {
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    isa if isa >= Isa::Avx2 => unsafe { avx2(w, x, sums) },
                    _ => plain(w, x, sums),
                }
            }
        }
    }
}

/// Whether this thread may use `vpdpbusd`, for a byte at a time.
fn has_vnni() -> bool {
    #[cfg(target_arch = "x86_64")]
    return isa() >= Isa::Avx512 && is_x86_feature_detected!("avx512vnni");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// A row of inputs, laid out in an array of f32: its scale, −128·Σq of each block, the low bytes of q and the high ones.
#[derive(Clone, Copy)]
struct Input<'a> {
    scale: f32,
    /// What takes the offset of the weights out of a sum.
    corrections: &'a [f32],
    /// Quad by quad.
    low: &'a [f32],
    high: &'a [f32],
}

impl Input<'_> {
    fn of(row: &[f32], quads: usize) -> Input<'_> {
        let (corrections, bytes) = row[1..].split_at(quads.div_ceil(BLOCK));
        let (low, high) = bytes[..2 * quads].split_at(quads);
        Input { scale: row[0], corrections, low, high }
    }
}

/// Elements of a row of K inputs.
pub(super) fn input_len(k: usize) -> usize {
    let quads = k.div_ceil(4);
    1 + quads.div_ceil(BLOCK) + 2 * quads
}

/// Lays rows of inputs (M, K) for [`Int8::outputs`]. The scale of a row with a NaN or an infinity is NaN.
pub(super) fn lay(x: &[f32], k: usize, out: &mut [f32]) {
    let quads = k.div_ceil(4);
    for (x, out) in x.chunks_exact(k).zip(out.chunks_exact_mut(input_len(k))) {
        let [max, poison] = largest(x);
        out[0] = max / LARGEST + poison;
        // Of what is so small that this overflows nothing is left.
        let per = if max > LARGEST / f32::MAX { LARGEST / max } else { 0.0 };
        let (corrections, bytes) = out[1..].split_at_mut(quads.div_ceil(BLOCK));
        // SAFETY: an f32 may have any bits, and bytes need no alignment.
        let bytes = unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast::<u8>(), size_of_val(bytes)) };
        let (low, high) = bytes.split_at_mut(4 * quads);
        low[k..].fill(0);
        high[k..].fill(0);
        let blocks = x.chunks(4 * BLOCK).zip(low.chunks_mut(4 * BLOCK)).zip(high.chunks_mut(4 * BLOCK));
        for (((x, low), high), correction) in blocks.zip(corrections) {
            *correction = f32::from_bits((-OFFSET).wrapping_mul(bytes_of(x, per, low, high)) as u32);
        }
    }
}

vectorise! {
    /// The largest |x|, and a NaN if one is not a finite number (otherwise 0).
    fn largest(x: &[f32]) -> [f32; 2] {
        const LANES: usize = 16;
        let (mut max, mut poison) = ([0.0f32; LANES], [0.0f32; LANES]);
        let (rows, tail) = x.as_chunks::<LANES>();
        let mut last = [0.0; LANES];
        last[..tail.len()].copy_from_slice(tail);
        for row in rows.iter().chain([&last]) {
            for l in 0..LANES {
                max[l] = if row[l].abs() > max[l] { row[l].abs() } else { max[l] };
                poison[l] += row[l] * 0.0;
            }
        }
        [max.iter().fold(0.0, |max, x| max.max(*x)), poison.iter().sum()]
    }

    /// Four steps of weights, times what makes the largest 127.
    fn fill(steps: &[[f32; PANEL]; 4], per: &[f32; PANEL], quad: &mut Quad) {
        for l in 0..PANEL {
            for k in 0..4 {
                quad.0[l][k] = (whole(steps[k][l] * per[l]).clamp(-127, 127) + OFFSET) as u8;
            }
        }
    }

    /// q = round(x·per) as two bytes each, and Σq.
    fn bytes_of(x: &[f32], per: f32, low: &mut [u8], high: &mut [u8]) -> i32 {
        let mut sum = 0i32;
        for ((x, low), high) in x.iter().zip(low).zip(high) {
            let q = whole(x * per);
            *low = q as u8;
            *high = (q.wrapping_add(128) >> 8) as u8;
            sum = sum.wrapping_add(q);
        }
        sum
    }

    /// y = sums·(scale·scales) + bias.
    fn finish(sums: &[f32], scale: f32, scales: &[f32], bias: &[f32], y: &mut [f32]) {
        for ((y, sum), of_output) in y.iter_mut().zip(sums).zip(scales) {
            *y = sum * (scale * of_output);
        }
        y.iter_mut().zip(bias).for_each(|(y, b)| *y += b);
    }
}

/// The nearest whole number, of ties the even one, if |x| is less than 2²²; otherwise anything.
#[inline(always)]
fn whole(x: f32) -> i32 {
    (x + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i32
}

/// The sums of a panel, with nothing but whole numbers: the judge of the others.
fn plain(w: &[Quad], x: &Input, sums: &mut [f32; PANEL]) {
    let blocks = w.chunks(BLOCK).zip(x.low.chunks(BLOCK)).zip(x.high.chunks(BLOCK));
    for (((w, low), high), correction) in blocks.zip(x.corrections) {
        let mut block = [correction.to_bits() as i32; PANEL];
        for ((w, low), high) in w.iter().zip(low).zip(high) {
            let [low, high] = [low, high].map(|x| x.to_bits().to_ne_bytes().map(|byte| i32::from(byte as i8)));
            for l in 0..PANEL {
                for i in 0..4 {
                    block[l] = block[l].wrapping_add(i32::from(w.0[l][i]) * (256 * high[i] + low[i]));
                }
            }
        }
        sums.iter_mut().zip(block).for_each(|(sum, block)| *sum += block as f32);
    }
}

/// The same.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(w: &[Quad], x: &Input, sums: &mut [f32; PANEL]) {
    let blocks = w.chunks(BLOCK).zip(x.low.chunks(BLOCK)).zip(x.high.chunks(BLOCK));
    for (((w, low), high), correction) in blocks.zip(x.corrections) {
        // Of each output two sums side by side, of products of even and of odd pairs.
        let mut pairs = [_mm256_setzero_si256(); PANEL / 4];
        for ((w, low), high) in w.iter().zip(low).zip(high) {
            let low = _mm_cvtepi8_epi16(_mm_cvtsi32_si128(low.to_bits() as i32));
            let high = _mm_cvtepi8_epi16(_mm_cvtsi32_si128(high.to_bits() as i32));
            let q = _mm256_broadcastq_epi64(_mm_add_epi16(_mm_slli_epi16::<8>(high), low));
            for (pairs, w) in pairs.iter_mut().zip(w.0.as_chunks::<4>().0) {
                // SAFETY: 16 bytes are there, and the load needs no alignment.
                let w = _mm256_cvtepu8_epi16(unsafe { _mm_loadu_si128(w.as_ptr().cast()) });
                *pairs = _mm256_add_epi32(*pairs, _mm256_madd_epi16(w, q));
            }
        }
        for (pairs, sums) in pairs.iter().zip(sums.as_chunks_mut::<4>().0) {
            let mut lanes = [0i32; 8];
            // SAFETY: eight numbers have room there.
            unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), *pairs) };
            for (sum, pair) in sums.iter_mut().zip(lanes.as_chunks::<2>().0) {
                *sum += pair[0].wrapping_add(pair[1]).wrapping_add(correction.to_bits() as i32) as f32;
            }
        }
    }
}

/// The same for P panels and M rows; P·M = 4 keeps 16 sums going.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vnni")]
fn vnni<const P: usize, const M: usize>(w: &[Quad], x: &[Input; M], sums: &mut [[[f32; PANEL]; P]; M]) {
    let quads = w.len() / P;
    for block in 0..quads.div_ceil(BLOCK) {
        let (from, to) = (block * BLOCK, quads.min((block + 1) * BLOCK));
        let mut low = [[[_mm512_setzero_si512(); 2]; P]; M];
        let mut high = low;
        for i in from..to {
            for p in 0..P {
                for half in 0..2 {
                    let w = &w[p * quads + i].0[half * PANEL / 2..][..PANEL / 2];
                    // SAFETY: half a panel is there, 64 bytes.
                    let w = unsafe { _mm512_loadu_si512(w.as_ptr().cast()) };
                    for m in 0..M {
                        let low_x = _mm512_set1_epi32(x[m].low[i].to_bits() as i32);
                        let high_x = _mm512_set1_epi32(x[m].high[i].to_bits() as i32);
                        low[m][p][half] = _mm512_dpbusd_epi32(low[m][p][half], w, low_x);
                        high[m][p][half] = _mm512_dpbusd_epi32(high[m][p][half], w, high_x);
                    }
                }
            }
        }
        for m in 0..M {
            let correction = _mm512_set1_epi32(x[m].corrections[block].to_bits() as i32);
            for p in 0..P {
                for (half, sums) in sums[m][p].as_chunks_mut::<{ PANEL / 2 }>().0.iter_mut().enumerate() {
                    let low = _mm512_add_epi32(low[m][p][half], correction);
                    let whole = _mm512_add_epi32(_mm512_slli_epi32::<8>(high[m][p][half]), low);
                    // SAFETY: half a panel of sums is there, and neither access needs an alignment.
                    unsafe {
                        let sum = _mm512_add_ps(_mm512_loadu_ps(sums.as_ptr()), _mm512_cvtepi32_ps(whole));
                        _mm512_storeu_ps(sums.as_mut_ptr(), sum);
                    }
                }
            }
        }
    }
}
