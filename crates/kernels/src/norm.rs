//! Layer normalisation and root-mean-square normalisation over rows.

use crate::isa::vectorise;
use crate::map::{self, fold1, fold2, join_sum, rows_per_chunk, same_length};
use crate::parallel::{self, SharedMut};
use crate::{Grad, map::put};

vectorise! {
    fn layer_norm_rows<const BIAS: bool>(
        x: &[f32], w: &[f32], b: &[f32], eps: f32, y: &mut [f32], means: &mut [f32], rstds: &mut [f32]
    ) {
        let cols = w.len();
        for (i, (x, y)) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)).enumerate() {
            let mean = join_sum(fold1(|sum: f32, x: f32, _: f32| sum + x, 0.0, x)) / cols as f32;
            let squares = |sum: f32, x: f32, _: f32| (x - mean).mul_add(x - mean, sum);
            let variance = join_sum(fold1(squares, 0.0, x)) / cols as f32;
            let rstd = 1.0 / (variance + eps).sqrt();
            (means[i], rstds[i]) = (mean, rstd);
            if BIAS {
                for (((y, x), w), b) in y.iter_mut().zip(x).zip(w).zip(b) {
                    *y = ((x - mean) * rstd).mul_add(*w, *b);
                }
            } else {
                for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                    *y = (x - mean) * rstd * w;
                }
            }
        }
    }

    fn rms_norm_rows(x: &[f32], w: &[f32], eps: f32, y: &mut [f32], rstds: &mut [f32]) {
        let cols = w.len();
        for (i, (x, y)) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)).enumerate() {
            let squares = join_sum(fold1(|sum: f32, x: f32, _: f32| x.mul_add(x, sum), 0.0, x));
            let rstd = 1.0 / (squares / cols as f32 + eps).sqrt();
            rstds[i] = rstd;
            for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                *y = x * rstd * w;
            }
        }
    }

    /// dx of one row; with `CENTRE`, of layer norm, else of RMS norm (whose mean is 0).
    fn norm_backward_row<const CENTRE: bool, const ADD: bool>(
        x: &[f32], w: &[f32], mean: f32, rstd: f32, dy: &[f32], dx: &mut [f32]
    ) {
        let n = w.len() as f32;
        // mean(g) and mean(g ⊙ x̂) with g = dy ⊙ w, the sum of x̂ kept without its factor rstd.
        let g_mean = if CENTRE {
            join_sum(fold2(|sum: f32, dy: f32, w: f32| dy.mul_add(w, sum), 0.0, dy, w)) / n
        } else {
            0.0
        };
        let mut lanes = [0.0f32; map::LANES];
        let (xs, x_tail) = x.as_chunks::<{ map::LANES }>();
        let (ws, w_tail) = w.as_chunks::<{ map::LANES }>();
        let (dys, dy_tail) = dy.as_chunks::<{ map::LANES }>();
        for ((x, w), dy) in xs.iter().zip(ws).zip(dys) {
            for l in 0..map::LANES {
                lanes[l] = (dy[l] * w[l]).mul_add(x[l] - mean, lanes[l]);
            }
        }
        for (l, ((x, w), dy)) in x_tail.iter().zip(w_tail).zip(dy_tail).enumerate() {
            lanes[l] = (dy * w).mul_add(x - mean, lanes[l]);
        }
        let slope = join_sum(lanes) * rstd * rstd / n;
        for (((dx, x), w), dy) in dx.iter_mut().zip(x).zip(w).zip(dy) {
            let g = rstd * (x - mean).mul_add(-slope, dy.mul_add(*w, -g_mean));
            *dx = if ADD { *dx + g } else { g };
        }
    }

    /// dw += dy ⊙ x̂
    fn add_dw(x: &[f32], mean: f32, rstd: f32, dy: &[f32], dw: &mut [f32]) {
        for ((dw, x), dy) in dw.iter_mut().zip(x).zip(dy) {
            *dw = dy.mul_add((x - mean) * rstd, *dw);
        }
    }

    fn add_to(sum: &mut [f32], x: &[f32]) {
        for (sum, x) in sum.iter_mut().zip(x) {
            *sum += x;
        }
    }
}

#[track_caller]
fn rows_of(name: &str, x: usize, cols: usize) -> usize {
    assert!(cols > 0 && x.is_multiple_of(cols), "{name}: {x} elements are not rows of {cols}");
    x / cols
}

/// y = (x − μ)·r ⊙ w + b over each row, μ = mean(x), r = 1/√(var(x) + ε), var = mean((x − μ)²).
///
/// Shapes: x, y (N, C), w, b (C); mean and rstd (N) receive μ and r. The same as torch.nn.functional.layer_norm.
/// Source: Ba et al. 2016, arXiv:1607.06450.
#[track_caller]
pub fn layer_norm(
    x: &[f32],
    w: &[f32],
    b: Option<&[f32]>,
    eps: f32,
    y: &mut [f32],
    mean: &mut [f32],
    rstd: &mut [f32],
) {
    let cols = w.len();
    let n = rows_of("layer_norm", x.len(), cols);
    same_length("layer_norm", x.len(), &[y.len()]);
    same_length("layer_norm", cols, &[b.map_or(cols, <[f32]>::len)]);
    same_length("layer_norm", n, &[mean.len(), rstd.len()]);
    let rows = rows_per_chunk(cols);
    parallel::chunks3_mut((y, rows * cols), (mean, rows), (rstd, rows), |i, y, mean, rstd| {
        let x = &x[i * rows * cols..][..y.len()];
        match b {
            Some(b) => layer_norm_rows::<true>(x, w, b, eps, y, mean, rstd),
            None => layer_norm_rows::<false>(x, w, &[], eps, y, mean, rstd),
        }
    });
}

/// dx = or += r·(g − mean(g) − x̂·mean(g ⊙ x̂)), dw = or += Σ dy ⊙ x̂, db = or += Σ dy; x̂ = (x − μ)·r, g = dy ⊙ w.
#[track_caller]
pub fn layer_norm_backward(
    x: &[f32],
    w: &[f32],
    mean: &[f32],
    rstd: &[f32],
    dy: &[f32],
    dx: Option<Grad>,
    dw: Option<Grad>,
    db: Option<Grad>,
) {
    let n = rows_of("layer_norm_backward", x.len(), w.len());
    same_length("layer_norm_backward", n, &[mean.len()]);
    backward::<true>("layer_norm_backward", x, w, mean, rstd, dy, dx, dw, db);
}

/// y = x·r ⊙ w over each row, r = 1/√(mean(x²) + ε).
///
/// Shapes: x, y (N, C), w (C); rstd (N) receives r. The same as torch.nn.functional.rms_norm.
/// Source: Zhang & Sennrich 2019, arXiv:1910.07467.
#[track_caller]
pub fn rms_norm(x: &[f32], w: &[f32], eps: f32, y: &mut [f32], rstd: &mut [f32]) {
    let cols = w.len();
    let n = rows_of("rms_norm", x.len(), cols);
    same_length("rms_norm", x.len(), &[y.len()]);
    same_length("rms_norm", n, &[rstd.len()]);
    let rows = rows_per_chunk(cols);
    parallel::chunks2_mut((y, rows * cols), (rstd, rows), |i, y, rstd| {
        rms_norm_rows(&x[i * rows * cols..][..y.len()], w, eps, y, rstd);
    });
}

/// dx = or += r·(g − x̂·mean(g ⊙ x̂)), dw = or += Σ dy ⊙ x̂; x̂ = x·r, g = dy ⊙ w.
#[track_caller]
pub fn rms_norm_backward(x: &[f32], w: &[f32], rstd: &[f32], dy: &[f32], dx: Option<Grad>, dw: Option<Grad>) {
    backward::<false>("rms_norm_backward", x, w, &[], rstd, dy, dx, dw, None);
}

/// Both backwards: one pass over the rows for all three gradients.
#[track_caller]
fn backward<const CENTRE: bool>(
    name: &str,
    x: &[f32],
    w: &[f32],
    mean: &[f32],
    rstd: &[f32],
    dy: &[f32],
    dx: Option<Grad>,
    dw: Option<Grad>,
    db: Option<Grad>,
) {
    let cols = w.len();
    let n = rows_of(name, x.len(), cols);
    same_length(name, x.len(), &[dy.len()]);
    same_length(name, n, &[rstd.len()]);
    if let Some(dx) = &dx {
        same_length(name, x.len(), &[dx.data.len()]);
    }
    for d in [&dw, &db].into_iter().flatten() {
        same_length(name, cols, &[d.data.len()]);
    }
    let (dw_width, db_width) = (if dw.is_some() { cols } else { 0 }, if db.is_some() { cols } else { 0 });
    let dx = dx.map(|dx| (SharedMut::new(dx.data), dx.accumulate));

    let rows = |rows: std::ops::Range<usize>, sums: &mut [f32]| {
        let (dw, db) = sums.split_at_mut(dw_width);
        for i in rows {
            let (x, dy) = (&x[i * cols..][..cols], &dy[i * cols..][..cols]);
            let (mean, rstd) = (if CENTRE { mean[i] } else { 0.0 }, rstd[i]);
            if let Some((dx, accumulate)) = &dx {
                // SAFETY: each row belongs to one range, and each range is run once.
                let dx = unsafe { dx.slice(i * cols, cols) };
                if *accumulate {
                    norm_backward_row::<CENTRE, true>(x, w, mean, rstd, dy, dx);
                } else {
                    norm_backward_row::<CENTRE, false>(x, w, mean, rstd, dy, dx);
                }
            }
            if !dw.is_empty() {
                add_dw(x, mean, rstd, dy, dw);
            }
            if !db.is_empty() {
                add_to(db, dy);
            }
        }
    };
    map::sum_over_rows(n, dw_width + db_width, rows, |sums| {
        let (dw_sum, db_sum) = sums.split_at(dw_width);
        if let Some(dw) = dw {
            put(dw_sum, dw);
        }
        if let Some(db) = db {
            put(db_sum, db);
        }
    });
}
