//! Arithmetic element by element, sums over all elements or over rows, dropout, and transposition.

use crate::bf16::Element;
use crate::isa::vectorise;
use crate::map::{self, Add, CHUNK, LANES, fold, identity, join, join_sum, same_length};
use crate::{Grad, parallel, rng};

/// y = a + b
#[track_caller]
pub fn add(a: &[f32], b: &[f32], y: &mut [f32]) {
    map::map("add", [a, b], y, |[a, b]| a + b);
}

/// y = a − b
#[track_caller]
pub fn sub(a: &[f32], b: &[f32], y: &mut [f32]) {
    map::map("sub", [a, b], y, |[a, b]| a - b);
}

/// y = a ⊙ b
#[track_caller]
pub fn mul(a: &[f32], b: &[f32], y: &mut [f32]) {
    map::map("mul", [a, b], y, |[a, b]| a * b);
}

/// y = s·a
#[track_caller]
pub fn scale(a: &[f32], s: f32, y: &mut [f32]) {
    map::map("scale", [a], y, move |[a]| a * s);
}

/// y += a
#[track_caller]
pub fn add_assign(y: &mut [f32], a: &[f32]) {
    map::update("add_assign", y, [a], Add(identity));
}

/// y += a ⊙ b, fused
#[track_caller]
pub fn mul_add_assign(y: &mut [f32], a: &[f32], b: &[f32]) {
    map::update("mul_add_assign", y, [a, b], |y: f32, [a, b]: [f32; 2]| a.mul_add(b, y));
}

/// y += s·a, fused
#[track_caller]
pub fn axpy(y: &mut [f32], s: f32, a: &[f32]) {
    map::update("axpy", y, [a], move |y: f32, [a]: [f32; 1]| s.mul_add(a, y));
}

/// dst = or += dy
#[track_caller]
pub fn copy_grad(dy: &[f32], dst: Grad) {
    map::grad("copy_grad", [dy], dst, identity);
}

/// dst = or += dy ⊙ other
#[track_caller]
pub fn mul_grad(dy: &[f32], other: &[f32], dst: Grad) {
    if dst.accumulate {
        mul_add_assign(dst.data, dy, other);
    } else {
        mul(dy, other, dst.data);
    }
}

/// dst = or += s·dy
#[track_caller]
pub fn scale_grad(dy: &[f32], s: f32, dst: Grad) {
    if dst.accumulate {
        axpy(dst.data, s, dy);
    } else {
        scale(dy, s, dst.data);
    }
}

vectorise! {
    fn add_row_to_each(x: &[f32], row: &[f32], y: &mut [f32]) {
        for (x, y) in x.chunks_exact(row.len()).zip(y.chunks_exact_mut(row.len())) {
            for ((y, x), r) in y.iter_mut().zip(x).zip(row) {
                *y = x + r;
            }
        }
    }

    fn add_each_row<T: Element>(x: &[T], sums: &mut [f32]) {
        for x in x.chunks_exact(sums.len()) {
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum += x.get();
            }
        }
    }

    fn sum_chunk(a: &[f32]) -> f32 {
        join_sum(fold(|sum: f32, [a]: [f32; 1]| sum + a, 0.0, [a]))
    }

    fn dot_chunk(a: &[f32], b: &[f32]) -> f32 {
        join_sum(fold(|sum: f32, [a, b]: [f32; 2]| a.mul_add(b, sum), 0.0, [a, b]))
    }

    fn squares_chunk(a: &[f32]) -> f64 {
        let mut sum = [0.0f64; LANES];
        let (chunks, tail) = a.as_chunks::<LANES>();
        for a in chunks {
            for l in 0..LANES {
                let a = f64::from(a[l]);
                sum[l] = a.mul_add(a, sum[l]);
            }
        }
        for (l, a) in tail.iter().enumerate() {
            let a = f64::from(*a);
            sum[l] = a.mul_add(a, sum[l]);
        }
        join(sum, |a, b| a + b)
    }
}

/// y = x + row, for each row of x (N, C); row (C).
#[track_caller]
pub fn add_rows(x: &[f32], row: &[f32], y: &mut [f32]) {
    same_length("add_rows", y.len(), &[x.len()]);
    let cols = row.len();
    assert!(cols > 0 && x.len().is_multiple_of(cols), "add_rows: {} elements are not rows of {cols}", x.len());
    let chunk = map::rows_per_chunk(cols) * cols;
    parallel::chunks_mut(y, chunk, |i, y| add_row_to_each(&x[i * chunk..][..y.len()], row, y));
}

/// dst = or += Σ over rows of x (N, C); dst (C).
#[track_caller]
pub fn sum_rows<T: Element>(x: &[T], cols: usize, dst: Grad) {
    assert!(cols > 0 && x.len().is_multiple_of(cols), "sum_rows: {} elements are not rows of {cols}", x.len());
    same_length("sum_rows", dst.data.len(), &[cols]);
    let each = |rows: std::ops::Range<usize>, sums: &mut [f32]| {
        add_each_row(&x[rows.start * cols..rows.end * cols], sums);
    };
    map::sum_over_rows(x.len() / cols, cols, each, |sums| map::put(sums, dst));
}

/// One number per chunk of a long slice, computed over the threads, then handed to `finish` in order.
fn per_chunk<T: Copy + Default + Send, R>(
    n: usize,
    f: impl Fn(std::ops::Range<usize>) -> T + Sync,
    finish: impl FnOnce(&[T]) -> R,
) -> R {
    if n <= CHUNK {
        return finish(&[f(0..n)]);
    }
    let mut parts = vec![T::default(); n.div_ceil(CHUNK)];
    parallel::chunks_mut(&mut parts, 1, |i, part| part[0] = f(i * CHUNK..((i + 1) * CHUNK).min(n)));
    finish(&parts)
}

/// Σ x
pub fn sum(x: &[f32]) -> f32 {
    per_chunk(x.len(), |range| sum_chunk(&x[range]), sum_chunk)
}

/// Σ a ⊙ b
#[track_caller]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    same_length("dot", a.len(), &[b.len()]);
    per_chunk(a.len(), |range| dot_chunk(&a[range.clone()], &b[range]), sum_chunk)
}

/// Σ x², in f64
pub fn sum_squares(x: &[f32]) -> f64 {
    per_chunk(x.len(), |range| squares_chunk(&x[range]), |parts: &[f64]| parts.iter().sum())
}

/// Elements that 16 blocks of Philox decide about: 8 times 16 bits a block.
const MASK_GROUP: usize = 8 * LANES;

vectorise! {
    fn mask_half<const HIGH: bool, const ADD: bool>(words: &[u32], threshold: u32, scale: f32, x: &[f32], y: &mut [f32]) {
        for ((y, x), word) in y.iter_mut().zip(x).zip(words) {
            let number = if HIGH { word >> 16 } else { word & 0xffff };
            // Selected, not multiplied: a dropped infinity is 0.
            let value = if number >= threshold { x * scale } else { 0.0 };
            *y = if ADD { *y + value } else { value };
        }
    }
}

/// What all directions of dropout do: y = start + x·keep/(1 − p), where start is nothing, what y holds, or `residual`.
#[track_caller]
fn dropout_into(
    name: &str,
    x: &[f32],
    residual: Option<&[f32]>,
    p: f32,
    (seed, stream): (u64, u64),
    Grad { data, accumulate }: Grad,
) {
    assert!((0.0..1.0).contains(&p), "{name}: p = {p} is not in [0, 1)");
    same_length(name, data.len(), &[x.len(), residual.map_or(x.len(), <[f32]>::len)]);
    let add = accumulate || residual.is_some();
    let (threshold, scale) = ((p * 65536.0 + 0.5) as u32, 1.0 / (1.0 - p));
    parallel::chunks_mut(data, CHUNK, |i, y| {
        let x = &x[i * CHUNK..][..y.len()];
        let mut words = [[0; LANES]; 4];
        for (half, (x, y)) in x.chunks(MASK_GROUP / 2).zip(y.chunks_mut(MASK_GROUP / 2)).enumerate() {
            if let Some(residual) = residual {
                y.copy_from_slice(&residual[i * CHUNK + half * MASK_GROUP / 2..][..y.len()]);
            }
            if half % 2 == 0 {
                rng::group(seed, stream, (i * CHUNK / 8 + half / 2 * LANES) as u64, &mut words);
            }
            let run = match (half % 2 == 1, add) {
                (false, false) => mask_half::<false, false>,
                (false, true) => mask_half::<false, true>,
                (true, false) => mask_half::<true, false>,
                (true, true) => mask_half::<true, true>,
            };
            run(words.as_flattened(), threshold, scale, x, y);
        }
    });
}

/// y = x·keep/(1 − p), each element kept with probability 1 − p, p in [0, 1).
///
/// Element e is kept if a 16-bit number of Philox stream `key` = (seed, stream) is at least p·2¹⁶ (so p is rounded to a
/// multiple of 2⁻¹⁶): with e = 128·g + 64·h + 16·w + l, the half h (0: low) of word w of block 16·g + l.
#[track_caller]
pub fn dropout(x: &[f32], p: f32, key: (u64, u64), y: &mut [f32]) {
    let dst = Grad { data: y, accumulate: false };
    if p == 0.0 { copy_grad(x, dst) } else { dropout_into("dropout", x, None, p, key, dst) }
}

/// y = residual + [`dropout`]\(x), in one pass.
#[track_caller]
pub fn dropout_add(x: &[f32], residual: &[f32], p: f32, key: (u64, u64), y: &mut [f32]) {
    if p == 0.0 {
        add(residual, x, y);
    } else {
        dropout_into("dropout_add", x, Some(residual), p, key, Grad { data: y, accumulate: false });
    }
}

/// dst = or += dy·keep/(1 − p), with the same elements kept as by [`dropout`] with the same key.
#[track_caller]
pub fn dropout_grad(dy: &[f32], p: f32, key: (u64, u64), dst: Grad) {
    if p == 0.0 { copy_grad(dy, dst) } else { dropout_into("dropout_grad", dy, None, p, key, dst) }
}

/// y (cols, rows) = the transpose of x (rows, cols).
#[track_caller]
pub fn transpose_2d(x: &[f32], rows: usize, cols: usize, y: &mut [f32]) {
    same_length("transpose_2d", rows * cols, &[x.len(), y.len()]);
    // Squares of 64 × 64 by way of a buffer: both sides then move 256 bytes at a time, and a length that is a power of
    // two does not bring all lines of a column to the same few places of the cache.
    const SIDE: usize = 64;
    if rows == 0 {
        return;
    }
    parallel::chunks_mut(y, SIDE * rows, |strip, y| {
        let (c0, width) = (strip * SIDE, y.len() / rows);
        let mut square = [[0.0f32; SIDE]; SIDE];
        for r0 in (0..rows).step_by(SIDE) {
            let height = SIDE.min(rows - r0);
            for r in 0..height {
                square[r][..width].copy_from_slice(&x[(r0 + r) * cols + c0..][..width]);
            }
            for c in 0..width {
                let y = &mut y[c * rows + r0..][..height];
                for (y, row) in y.iter_mut().zip(&square) {
                    *y = row[c];
                }
            }
        }
    });
}

/// The largest element that is a number, −∞ if there is none.
#[inline(always)]
pub(crate) fn largest(x: &[f32]) -> f32 {
    let max = |a: f32, b: f32| if b > a { b } else { a };
    join(fold(move |m: f32, [a]: [f32; 1]| max(m, a), f32::NEG_INFINITY, [x]), max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::testing::{LENGTHS, bits, both_ways, close, normals, same_everywhere, special, wide};

    /// More than two chunks.
    const LONG: usize = 2 * CHUNK + 77;

    /// Results of a kernel that fills y.
    #[track_caller]
    fn filled(n: usize, kernel: impl Fn(&mut [f32])) -> Vec<f32> {
        same_everywhere(|| {
            let mut y = vec![f32::NAN; n];
            kernel(&mut y);
            y
        })
    }

    #[test]
    fn arithmetic_is_ieee() {
        for n in LENGTHS.into_iter().chain([LONG]) {
            let (a, b, y0) = (special(1, n), special(2, n), special(3, n));
            let check = |got: Vec<f32>, f: fn(f32, f32, f32) -> f32| {
                for i in 0..n {
                    let want = f(a[i], b[i], y0[i]);
                    assert!(got[i].to_bits() == want.to_bits() || (got[i].is_nan() && want.is_nan()));
                }
            };
            let changed = |kernel: &dyn Fn(&mut [f32])| {
                same_everywhere(|| {
                    let mut y = y0.clone();
                    kernel(&mut y);
                    y
                })
            };
            check(filled(n, |y| add(&a, &b, y)), |a, b, _| a + b);
            check(filled(n, |y| sub(&a, &b, y)), |a, b, _| a - b);
            check(filled(n, |y| mul(&a, &b, y)), |a, b, _| a * b);
            check(filled(n, |y| scale(&a, 0.3, y)), |a, _, _| a * 0.3);
            check(changed(&|y| add_assign(y, &a)), |a, _, y| y + a);
            check(changed(&|y| mul_add_assign(y, &a, &b)), |a, b, y| a.mul_add(b, y));
            check(changed(&|y| axpy(y, 0.3, &a)), |a, _, y| a.mul_add(0.3, y));
            check(both_ways(n, |dst| copy_grad(&a, dst)), |a, _, _| a);
            check(both_ways(n, |dst| mul_grad(&a, &b, dst)), |a, b, _| a * b);
            check(both_ways(n, |dst| scale_grad(&a, 0.3, dst)), |a, _, _| a * 0.3);
        }
    }

    #[test]
    fn rows_are_added_and_summed() {
        for (rows, cols) in [(1, 1), (3, 15), (5, 16), (2, 65), (0, 7), (1000, 70), (2, 40_000)] {
            let (x, row) = (normals(1, rows * cols), normals(2, cols));
            let y = filled(rows * cols, |y| add_rows(&x, &row, y));
            assert!((0..rows * cols).all(|i| y[i] == x[i] + row[i % cols]));
            let got = both_ways(cols, |dst| sum_rows(&x, cols, dst));
            let want: Vec<f64> = (0..cols).map(|c| wide(&x).iter().skip(c).step_by(cols).sum()).collect();
            close(&got, &want, 3e-6);
        }
    }

    #[test]
    fn totals_agree_with_f64() {
        for n in LENGTHS.into_iter().chain([LONG]) {
            let (a, b) = (normals(1, n), normals(2, n));
            let (wa, wb) = (wide(&a), wide(&b));
            let tolerance = 1e-5 * (n as f64).sqrt().max(1.0);
            let got = same_everywhere(|| vec![sum(&a), dot(&a, &b), sum_squares(&a) as f32]);
            assert!((f64::from(got[0]) - wa.iter().sum::<f64>()).abs() < tolerance);
            assert!((f64::from(got[1]) - wa.iter().zip(&wb).map(|(a, b)| a * b).sum::<f64>()).abs() < tolerance);
            let squares: f64 = wa.iter().map(|a| a * a).sum();
            assert!((sum_squares(&a) - squares).abs() <= 1e-12 * squares);
            same_everywhere(|| vec![sum(&special(1, n)), dot(&special(1, n), &b)]);
        }
        assert_eq!(sum_squares(&[1e30, 1e30]), 2.0 * f64::from(1e30f32) * f64::from(1e30f32));
    }

    #[test]
    fn dropout_keeps_the_right_share_and_backward_the_same_elements() {
        for n in LENGTHS.into_iter().chain([127, 128, 129, LONG]) {
            let x = normals(1, n);
            for (p, key) in [(0.1, (7, 0)), (0.5, (7, 1)), (0.9, (u64::MAX, 1 << 40))] {
                let y = filled(n, |y| dropout(&x, p, key, y));
                let kept = y.iter().filter(|y| **y != 0.0).count() as f64;
                let (share, n_) = (f64::from(1.0 - p), n as f64);
                assert!((kept - share * n_).abs() <= 4.0 * (n_ * share * (1.0 - share)).sqrt(), "{n} {p}: {kept}");
                assert!(y.iter().zip(&x).all(|(y, x)| *y == 0.0 || *y == x * (1.0 / (1.0 - p))));
                let residual = special(2, n);
                let sum = same_everywhere(|| filled(n, |y| dropout_add(&x, &residual, p, key, y)));
                assert_eq!(bits(&sum), bits(&filled(n, |s| add(&residual, &y, s))), "the bits of two passes");
                let dx = both_ways(n, |dst| dropout_grad(&vec![1.0; n], p, key, dst));
                assert!(dx.iter().zip(&y).all(|(dx, y)| (*dx == 0.0) == (*y == 0.0)));
            }
            assert_eq!(filled(n, |y| dropout(&x, 0.0, (1, 2), y)), x);
        }
        let y = filled(65, |y| dropout(&[f32::INFINITY; 65], 0.5, (3, 0), y));
        assert!(y.contains(&0.0) && y.contains(&f32::INFINITY) && !y.iter().any(|y| y.is_nan()));
    }

    #[test]
    fn dropout_masks_follow_their_definition() {
        let n = 300;
        let y = filled(n, |y| dropout(&vec![1.0; n], 0.25, (5, 9), y));
        for e in 0..n {
            let (g, h, w, l) = (e / 128, e / 64 % 2, e / 16 % 4, e % 16);
            let mut rng = Rng::from_state([5, 9, ((16 * g + l) * 4 + w) as u64]);
            let number = rng.next_u32() >> (16 * h) & 0xffff;
            assert_eq!(y[e] != 0.0, number >= 65536 / 4, "element {e}");
        }
        let other = filled(n, |y| dropout(&vec![1.0; n], 0.25, (5, 10), y));
        assert_ne!(y, other);
    }

    #[test]
    fn transposing_moves_every_element() {
        for (rows, cols) in [(1, 1), (0, 5), (5, 0), (15, 17), (16, 16), (33, 48), (1, 100), (200, 130)] {
            let x = normals(1, rows * cols);
            let y = filled(rows * cols, |y| transpose_2d(&x, rows, cols, y));
            assert!((0..rows * cols).all(|i| y[(i % cols) * rows + i / cols] == x[i]));
        }
    }

    #[test]
    #[should_panic(expected = "add: an operand has 3 elements, the destination 4")]
    fn lengths_must_agree() {
        add(&[0.0; 4], &[0.0; 3], &mut [0.0; 4]);
    }
}
