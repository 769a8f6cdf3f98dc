//! Softmax and its logarithm over rows.

use crate::elementwise::largest;
use crate::isa::vectorise;
use crate::map::{LANES, Step, fold, join_sum, rows_per_chunk, same_length, whole};
use crate::{Grad, math, parallel};

/// Adds e^(x − max). Not a closure: it is too large to be sure that each instruction set gets its own copy.
#[derive(Clone, Copy)]
struct ExpSum {
    max: f32,
}

impl Step<1> for ExpSum {
    #[inline(always)]
    fn at(self, sum: f32, [x]: [f32; 1]) -> f32 {
        sum + math::exp(x - self.max)
    }
}

/// ln Σ e^x of a row.
#[inline(always)]
pub(crate) fn log_sum_exp(x: &[f32]) -> f32 {
    let max = largest(x);
    max + math::ln(join_sum(fold(ExpSum { max }, 0.0, [x])))
}

vectorise! {
    fn softmax_rows(x: &[f32], cols: usize, y: &mut [f32]) {
        for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
            let max = largest(x);
            // e^(x − max) and its sum, in one pass.
            let mut sum = [0.0f32; LANES];
            let (xs, x_tail) = x.as_chunks::<LANES>();
            let (ys, y_tail) = y.as_chunks_mut::<LANES>();
            for (y, x) in ys.iter_mut().zip(xs) {
                for l in 0..LANES {
                    y[l] = math::exp(x[l] - max);
                    sum[l] += y[l];
                }
            }
            let mut sum = whole(sum);
            for (l, (y, x)) in y_tail.iter_mut().zip(x_tail).enumerate() {
                *y = math::exp(*x - max);
                sum[l] += *y;
            }
            let scale = 1.0 / join_sum(sum);
            for y in y {
                *y *= scale;
            }
        }
    }

    fn softmax_backward_rows<const ADD: bool>(y: &[f32], dy: &[f32], cols: usize, dx: &mut [f32]) {
        for ((y, dy), dx) in y.chunks_exact(cols).zip(dy.chunks_exact(cols)).zip(dx.chunks_exact_mut(cols)) {
            let mean = join_sum(fold(|sum: f32, [y, dy]: [f32; 2]| y.mul_add(dy, sum), 0.0, [y, dy]));
            for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
                let g = y * (dy - mean);
                *dx = if ADD { *dx + g } else { g };
            }
        }
    }

    fn log_softmax_rows(x: &[f32], cols: usize, y: &mut [f32]) {
        for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
            let lse = log_sum_exp(x);
            for (y, x) in y.iter_mut().zip(x) {
                *y = x - lse;
            }
        }
    }

    fn log_softmax_backward_rows<const ADD: bool>(y: &[f32], dy: &[f32], cols: usize, dx: &mut [f32]) {
        for ((y, dy), dx) in y.chunks_exact(cols).zip(dy.chunks_exact(cols)).zip(dx.chunks_exact_mut(cols)) {
            let total = join_sum(fold(|sum: f32, [dy]: [f32; 1]| sum + dy, 0.0, [dy]));
            for ((dx, y), dy) in dx.iter_mut().zip(y).zip(dy) {
                let g = math::exp(*y).mul_add(-total, *dy);
                *dx = if ADD { *dx + g } else { g };
            }
        }
    }
}

/// Elements per chunk of whole rows.
#[track_caller]
fn chunk_of_rows(name: &str, len: usize, cols: usize) -> usize {
    assert!(cols > 0 && len.is_multiple_of(cols), "{name}: {len} elements are not rows of {cols}");
    rows_per_chunk(cols) * cols
}

/// y = e^(x − max)/Σ e^(x − max) over each row of `cols` elements.
///
/// A row without a finite or −∞ maximum (a NaN, a +∞, or nothing but −∞) gives NaN.
#[track_caller]
pub fn softmax(x: &[f32], cols: usize, y: &mut [f32]) {
    same_length("softmax", y.len(), &[x.len()]);
    let chunk = chunk_of_rows("softmax", x.len(), cols);
    parallel::chunks_mut(y, chunk, |i, y| softmax_rows(&x[i * chunk..][..y.len()], cols, y));
}

/// dst = or += y ⊙ (dy − Σ dy ⊙ y) over each row; takes the result y.
#[track_caller]
pub fn softmax_backward(y: &[f32], dy: &[f32], cols: usize, dst: Grad) {
    let Grad { data, accumulate } = dst;
    same_length("softmax_backward", data.len(), &[y.len(), dy.len()]);
    let chunk = chunk_of_rows("softmax_backward", y.len(), cols);
    let run = if accumulate { softmax_backward_rows::<true> } else { softmax_backward_rows::<false> };
    parallel::chunks_mut(data, chunk, |i, dx| {
        run(&y[i * chunk..][..dx.len()], &dy[i * chunk..][..dx.len()], cols, dx);
    });
}

/// y = x − ln Σ e^x over each row of `cols` elements.
#[track_caller]
pub fn log_softmax(x: &[f32], cols: usize, y: &mut [f32]) {
    same_length("log_softmax", y.len(), &[x.len()]);
    let chunk = chunk_of_rows("log_softmax", x.len(), cols);
    parallel::chunks_mut(y, chunk, |i, y| log_softmax_rows(&x[i * chunk..][..y.len()], cols, y));
}

/// dst = or += dy − e^y·Σ dy over each row; takes the result y.
#[track_caller]
pub fn log_softmax_backward(y: &[f32], dy: &[f32], cols: usize, dst: Grad) {
    let Grad { data, accumulate } = dst;
    same_length("log_softmax_backward", data.len(), &[y.len(), dy.len()]);
    let chunk = chunk_of_rows("log_softmax_backward", y.len(), cols);
    let run = if accumulate { log_softmax_backward_rows::<true> } else { log_softmax_backward_rows::<false> };
    parallel::chunks_mut(data, chunk, |i, dx| {
        run(&y[i * chunk..][..dx.len()], &dy[i * chunk..][..dx.len()], cols, dx);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LENGTHS, both_ways, check_gradient, close, normals, same_everywhere, special, wide};

    fn reference(x: &[f64], cols: usize, log: bool) -> Vec<f64> {
        let row = |x: &[f64]| -> Vec<f64> {
            let lse = x.iter().map(|x| x.exp()).sum::<f64>().ln();
            x.iter().map(|x| if log { x - lse } else { (x - lse).exp() }).collect()
        };
        x.chunks(cols).flat_map(row).collect()
    }

    #[track_caller]
    fn run(f: fn(&[f32], usize, &mut [f32]), x: &[f32], cols: usize) -> Vec<f32> {
        same_everywhere(|| {
            let mut y = vec![f32::NAN; x.len()];
            f(x, cols, &mut y);
            y
        })
    }

    #[test]
    fn both_forwards_and_backwards() {
        for (rows, cols) in LENGTHS[1..].iter().map(|cols| (3, *cols)).chain([(0, 4), (700, 50), (2, 20_000)]) {
            let (x, dy) = (normals(1, rows * cols), normals(2, rows * cols));
            for log in [false, true] {
                let f = if log { log_softmax } else { softmax };
                let backward = if log { log_softmax_backward } else { softmax_backward };
                let y = run(f, &x, cols);
                close(&y, &reference(&wide(&x), cols, log), 1e-6);
                let dx = both_ways(x.len(), |dst| backward(&y, &dy, cols, dst));
                if cols < 100 {
                    check_gradient(&x, &dy, &dx, |x| reference(x, cols, log));
                }
                run(f, &special(1, rows * cols), cols);
                both_ways(x.len(), |dst| backward(&special(1, rows * cols), &dy, cols, dst));
            }
        }
    }

    #[test]
    fn large_and_masked_scores() {
        let inf = f32::INFINITY;
        assert_eq!(run(softmax, &[1e30, -1e30, 1e30, -inf], 4), [0.5, 0.0, 0.5, 0.0]);
        assert_eq!(run(softmax, &[-1000.0, -1000.0], 2), [0.5, 0.5]);
        assert_eq!(run(log_softmax, &[1000.0, -inf], 2), [0.0, -inf]);
        assert!(run(softmax, &[-inf, -inf], 2).iter().all(|y| y.is_nan()));
        assert!(run(softmax, &[0.0, f32::NAN], 2).iter().all(|y| y.is_nan()));
    }
}
