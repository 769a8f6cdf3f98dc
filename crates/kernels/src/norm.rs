//! Layer normalisation and root-mean-square normalisation over rows.

use crate::bf16::Element;
use crate::isa::vectorise;
use crate::map::{self, LANES, fold, join_sum, padded, rows_per_chunk, same_length, whole};
use crate::parallel::{self, SharedMut};
use crate::{Grad, map::put};
use std::ops::Range;

vectorise! {
    fn layer_norm_rows<T: Element; const BIAS: bool>(
        x: &[f32], w: &[f32], b: &[f32], eps: f32, y: &mut [T], means: &mut [f32], rstds: &mut [f32]
    ) {
        let cols = w.len();
        for (i, (x, y)) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)).enumerate() {
            let mean = join_sum(fold(|sum: f32, [x]: [f32; 1]| sum + x, 0.0, [x])) / cols as f32;
            let squares = |sum: f32, [x]: [f32; 1]| (x - mean).mul_add(x - mean, sum);
            let variance = join_sum(fold(squares, 0.0, [x])) / cols as f32;
            let rstd = 1.0 / (variance + eps).sqrt();
            (means[i], rstds[i]) = (mean, rstd);
            if BIAS {
                for (((y, x), w), b) in y.iter_mut().zip(x).zip(w).zip(b) {
                    *y = T::of(((x - mean) * rstd).mul_add(*w, *b));
                }
            } else {
                for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                    *y = T::of((x - mean) * rstd * w);
                }
            }
        }
    }

    fn rms_norm_rows<T: Element>(x: &[f32], w: &[f32], eps: f32, y: &mut [T], rstds: &mut [f32]) {
        let cols = w.len();
        for (i, (x, y)) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)).enumerate() {
            let squares = join_sum(fold(|sum: f32, [x]: [f32; 1]| x.mul_add(x, sum), 0.0, [x]));
            let rstd = 1.0 / (squares / cols as f32 + eps).sqrt();
            rstds[i] = rstd;
            for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                *y = T::of(x * rstd * w);
            }
        }
    }

    /// The backward of some rows. dw and db are added to; db is empty if it is not wanted. dx, unless it is empty, is
    /// `base` (unless that is empty) plus what comes through the norm; or that is, with `add`, added to dx.
    fn backward_rows<T: Element>(
        rows: &Rows<T>, base: &[f32], add: bool, dx: &mut [f32], dw: &mut [f32], db: &mut [f32],
    ) {
        let cols = rows.w.len();
        let n = cols as f32;
        let (ws, w_tail) = rows.w.as_chunks::<LANES>();
        let (dws, dw_tail) = dw.as_chunks_mut::<LANES>();
        for (i, (x, dy)) in rows.x.chunks_exact(cols).zip(rows.dy.chunks_exact(cols)).enumerate() {
            let stats = (rows.mean.map_or(0.0, |mean| mean[i]), rows.rstd[i]);
            let ((xs, x_tail), (dys, dy_tail)) = (x.as_chunks::<LANES>(), dy.as_chunks::<LANES>());
            let mut sums = [[0.0f32; LANES]; 2];
            for (((x, dy), w), dw) in xs.iter().zip(dys).zip(ws).zip(dws.iter_mut()) {
                add_lanes(x, dy, w, stats, &mut sums, dw);
            }
            let mut sums = sums.map(whole);
            if !x_tail.is_empty() {
                let mut dw = padded(dw_tail);
                add_lanes(&padded(x_tail), &padded(dy_tail), &padded(w_tail), stats, &mut sums, &mut dw);
                dw_tail.copy_from_slice(&dw[..dw_tail.len()]);
            }
            for (db, dy) in db.iter_mut().zip(dy) {
                *db += dy.get();
            }
            if dx.is_empty() {
                continue;
            }
            // With x̂ = (x − μ)·r and g = dy ⊙ w the gradient of x̂, dx would be r·g if μ and r were constants. But μ grows
            // by 1/n with each x, which takes r·mean(g) off, and r by −r²·x̂/n, which takes r·x̂·mean(g ⊙ x̂) off:
            // dx = r·(g − mean(g) − x̂·mean(g ⊙ x̂)), that is, r·g without its parts along (1, …, 1) and x̂. A step along
            // either only shifts or stretches the row, and the norm undoes both. (RMS norm has no μ, so no mean(g).)
            let (mean, rstd) = stats;
            let g_mean = rows.mean.map_or(0.0, |_| join_sum(sums[0]) / n);
            let slope = join_sum(sums[1]) * rstd * rstd / n;
            let dx = &mut dx[i * cols..][..cols];
            let d = |x: f32, w: f32, dy: T| rstd * (x - mean).mul_add(-slope, dy.get().mul_add(w, -g_mean));
            if !base.is_empty() {
                let base = &base[i * cols..][..cols];
                for ((((dx, x), w), dy), base) in dx.iter_mut().zip(x).zip(rows.w).zip(dy).zip(base) {
                    *dx = base + d(*x, *w, *dy);
                }
            } else if add {
                for (((dx, x), w), dy) in dx.iter_mut().zip(x).zip(rows.w).zip(dy) {
                    *dx += d(*x, *w, *dy);
                }
            } else {
                for (((dx, x), w), dy) in dx.iter_mut().zip(x).zip(rows.w).zip(dy) {
                    *dx = d(*x, *w, *dy);
                }
            }
        }
    }
}

/// What 16 elements of a row, of mean μ and 1/deviation r, add to the sums of g and of g ⊙ (x − μ), g = dy ⊙ w, and to dw.
#[inline(always)]
fn add_lanes<T: Element>(
    x: &[f32; LANES],
    dy: &[T; LANES],
    w: &[f32; LANES],
    (mean, rstd): (f32, f32),
    [g, gx]: &mut [[f32; LANES]; 2],
    dw: &mut [f32; LANES],
) {
    for l in 0..LANES {
        let (centred, dy) = (x[l] - mean, dy[l].get());
        g[l] = dy.mul_add(w[l], g[l]);
        gx[l] = (dy * w[l]).mul_add(centred, gx[l]);
        dw[l] = dy.mul_add(centred * rstd, dw[l]);
    }
}

/// What a backward reads: x and dy (N, C), w (C), and the forward's mean and rstd (N); no mean if it was an RMS norm.
#[derive(Clone, Copy)]
struct Rows<'a, T> {
    x: &'a [f32],
    w: &'a [f32],
    mean: Option<&'a [f32]>,
    rstd: &'a [f32],
    dy: &'a [T],
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
pub fn layer_norm<T: Element>(
    x: &[f32],
    w: &[f32],
    b: Option<&[f32]>,
    eps: f32,
    y: &mut [T],
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
            Some(b) => layer_norm_rows::<T, true>(x, w, b, eps, y, mean, rstd),
            None => layer_norm_rows::<T, false>(x, w, &[], eps, y, mean, rstd),
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
    let name = "layer_norm_backward";
    same_length(name, rows_of(name, x.len(), w.len()), &[mean.len()]);
    backward(name, Rows { x, w, mean: Some(mean), rstd, dy }, &[], dx, dw, db);
}

/// The backward of x + f(norm(x)) in one pass: dx = base + that of the norm, where dy arrives at the norm and base at the
/// sum. Of a layer norm if there are means, else of an RMS norm.
#[track_caller]
pub fn norm_backward_onto<T: Element>(
    x: &[f32],
    w: &[f32],
    mean: Option<&[f32]>,
    rstd: &[f32],
    dy: &[T],
    base: &[f32],
    dx: &mut [f32],
    dw: Option<Grad>,
    db: Option<Grad>,
) {
    let name = "norm_backward_onto";
    same_length(name, x.len(), &[base.len(), dx.len()]);
    if let Some(mean) = mean {
        same_length(name, rows_of(name, x.len(), w.len()), &[mean.len()]);
    }
    let db = db.filter(|_| mean.is_some());
    backward(name, Rows { x, w, mean, rstd, dy }, base, Some(Grad { data: dx, accumulate: false }), dw, db);
}

/// y = x·r ⊙ w over each row, r = 1/√(mean(x²) + ε).
///
/// Shapes: x, y (N, C), w (C); rstd (N) receives r. The same as torch.nn.functional.rms_norm.
/// Source: Zhang & Sennrich 2019, arXiv:1910.07467.
#[track_caller]
pub fn rms_norm<T: Element>(x: &[f32], w: &[f32], eps: f32, y: &mut [T], rstd: &mut [f32]) {
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
    backward("rms_norm_backward", Rows { x, w, mean: None, rstd, dy }, &[], dx, dw, None);
}

/// Both backwards: one pass over the rows for all three gradients.
#[track_caller]
fn backward<T: Element>(name: &str, all: Rows<T>, base: &[f32], dx: Option<Grad>, dw: Option<Grad>, db: Option<Grad>) {
    let cols = all.w.len();
    let n = rows_of(name, all.x.len(), cols);
    same_length(name, all.x.len(), &[all.dy.len()]);
    same_length(name, n, &[all.rstd.len()]);
    if let Some(dx) = &dx {
        same_length(name, all.x.len(), &[dx.data.len()]);
    }
    for d in [&dw, &db].into_iter().flatten() {
        same_length(name, cols, &[d.data.len()]);
    }
    let add = dx.as_ref().is_some_and(|dx| dx.accumulate);
    let dx = dx.map(|dx| SharedMut::new(dx.data));
    let db_width = all.mean.map_or(0, |_| cols);

    let rows = |rows: Range<usize>, sums: &mut [f32]| {
        let (dw, db) = sums.split_at_mut(cols);
        let at = rows.start * cols..rows.end * cols;
        let (x, dy) = (&all.x[at.clone()], &all.dy[at.clone()]);
        let mean = all.mean.map(|mean| &mean[rows.clone()]);
        let part = Rows { x, dy, mean, rstd: &all.rstd[rows], ..all };
        // SAFETY: each row belongs to one range, and each range is run once.
        let dx = dx.as_ref().map_or(&mut [][..], |dx| unsafe { dx.slice(at.start, at.len()) });
        backward_rows(&part, base.get(at).unwrap_or_default(), add, dx, dw, db);
    };
    map::sum_over_rows(n, cols + db_width, rows, |sums| {
        let (dw_sum, db_sum) = sums.split_at(cols);
        if let Some(dw) = dw {
            put(dw_sum, dw);
        }
        if let Some(db) = db {
            put(db_sum, db);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bf16::Bf16;
    use crate::testing::{LENGTHS, both_ways, check_gradient, close, normals, same_everywhere, special, wide};

    /// y, mean and rstd of either norm.
    #[track_caller]
    fn run(x: &[f32], w: &[f32], b: Option<&[f32]>, centre: bool) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let n = x.len() / w.len();
        let mut y = same_everywhere(|| {
            let (mut y, mut mean, mut rstd) = (vec![f32::NAN; x.len()], vec![f32::NAN; n], vec![f32::NAN; n]);
            if centre {
                layer_norm(x, w, b, 1e-5, &mut y, &mut mean, &mut rstd);
            } else {
                rms_norm(x, w, 1e-5, &mut y, &mut rstd);
                mean.fill(0.0);
            }
            [y, mean, rstd].concat()
        });
        let rstd = y.split_off(x.len() + n);
        let mean = y.split_off(x.len());
        (y, mean, rstd)
    }

    fn to(data: &mut [f32]) -> Option<Grad<'_>> {
        Some(Grad { data, accumulate: false })
    }

    fn reference(x: &[f64], w: &[f64], b: &[f64], centre: bool) -> Vec<f64> {
        let n = w.len() as f64;
        let row = |x: &[f64]| -> Vec<f64> {
            let mean = if centre { x.iter().sum::<f64>() / n } else { 0.0 };
            let rstd = 1.0 / (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n + f64::from(1e-5f32)).sqrt();
            x.iter().zip(w).zip(b).map(|((x, w), b)| (x - mean) * rstd * w + b).collect()
        };
        x.chunks(w.len()).flat_map(row).collect()
    }

    #[test]
    fn forward_and_backward_agree_with_f64() {
        for (n, cols) in LENGTHS[1..].iter().map(|c| (3, *c)).chain([(0, 4), (300, 70), (2, 20_000)]) {
            let x: Vec<f32> = normals(1, n * cols).iter().map(|x| 2.0 * x + 0.5).collect();
            let (w, b, dy) = (normals(2, cols), normals(3, cols), normals(4, n * cols));
            let zeros = vec![0.0; cols];
            for (centre, bias) in [(true, true), (true, false), (false, false)] {
                let shift = if bias { &b } else { &zeros };
                let (y, mean, rstd) = run(&x, &w, bias.then_some(&b[..]), centre);
                let (wx, ww, wb) = (wide(&x), wide(&w), wide(shift));
                close(&y, &reference(&wx, &ww, &wb, centre), 2e-6);

                let backward = |dx: Option<Grad>, dw: Option<Grad>, db: Option<Grad>| {
                    if centre {
                        layer_norm_backward(&x, &w, &mean, &rstd, &dy, dx, dw, db);
                    } else {
                        rms_norm_backward(&x, &w, &rstd, &dy, dx, dw);
                    }
                };
                let dx = both_ways(x.len(), |dst| backward(Some(dst), None, None));
                let dw = both_ways(cols, |dst| backward(None, Some(dst), None));
                // All at once: the same bits as one by one.
                let (mut dx2, mut dw2, mut db2) = (dx.clone(), dw.clone(), vec![f32::NAN; cols]);
                for part in [&mut dx2, &mut dw2] {
                    part.fill(f32::NAN);
                }
                let set = |data| Some(Grad { data, accumulate: false });
                backward(set(&mut dx2), set(&mut dw2), set(&mut db2));
                assert!(dx2 == dx && dw2 == dw);
                // A centred row of one element is constant: nothing but rounding to compare.
                if (2..100).contains(&cols) {
                    check_gradient(&x, &dy, &dx, |x| reference(x, &ww, &wb, centre));
                    check_gradient(&w, &dy, &dw, |w| reference(&wx, w, &wb, centre));
                    if centre {
                        check_gradient(shift, &dy, &db2, |b| reference(&wx, &ww, b, centre));
                        assert_eq!(db2, both_ways(cols, |dst| backward(None, None, Some(dst))));
                    }
                }
                // Past the norm, too: the same bits as adding afterwards.
                let dy: Vec<Bf16> = dy.iter().map(|x| Bf16::of(*x)).collect();
                let dy_f32: Vec<f32> = dy.iter().map(|x| x.get()).collect();
                let base = normals(5, n * cols);
                let [mut dx, mut sum] = [(); 2].map(|()| vec![f32::NAN; n * cols]);
                let [mut dw, mut dw2] = [(); 2].map(|()| vec![f32::NAN; cols]);
                if centre {
                    layer_norm_backward(&x, &w, &mean, &rstd, &dy_f32, to(&mut dx), to(&mut dw), None);
                } else {
                    rms_norm_backward(&x, &w, &rstd, &dy_f32, to(&mut dx), to(&mut dw));
                }
                let mean = centre.then_some(&mean[..]);
                norm_backward_onto(&x, &w, mean, &rstd, &dy, &base, &mut sum, to(&mut dw2), None);
                assert!(dw == dw2 && sum.iter().zip(base.iter().zip(&dx)).all(|(sum, (base, dx))| *sum == base + dx));
                run(&special(1, n * cols), &w, bias.then_some(&b[..]), centre);
            }
        }
    }

    /// Values that PyTorch prints: dev/golden/kernel_literals.py.
    #[test]
    fn the_same_as_pytorch() {
        let x = [1.0, 2.0, -1.0, 0.5, 0.1, -0.2, 3.0, 4.0];
        let (w, b) = ([1.0, -0.5, 2.0, 0.25], [0.1, 0.2, -0.3, 0.0]);
        let dy = [1.0, -1.0, 0.5, 2.0, 0.3, 0.7, -0.2, 1.0];
        let (y, mean, rstd) = run(&x, &w, Some(&b), true);
        let want =
            [0.446408659, -0.435082555, -3.30220842, -0.0288673881, -0.796315789, 0.730894744, 1.10652661, 0.31371057];
        close(&y, &want, 3e-7);
        let backward = |dx: Option<Grad>, dw: Option<Grad>, db: Option<Grad>| {
            layer_norm_backward(&x, &w, &mean, &rstd, &dy, dx, dw, db);
        };
        let want = [
            0.277126551,
            -0.0615852475,
            0.0307936072,
            -0.24633491,
            0.209755182,
            -0.145687625,
            -0.206157714,
            0.142090142,
        ];
        close(&both_ways(8, |dst| backward(Some(dst), None, None)), &want, 3e-7);
        let want = [0.0775139034, -2.01341772, -0.891204715, 1.02390313];
        close(&both_ways(4, |dst| backward(None, Some(dst), None)), &want, 3e-7);
        close(&both_ways(4, |dst| backward(None, None, Some(dst))), &[1.3, -0.3, 0.3, 3.0], 3e-7);

        let (mut y, mut rstd) = ([f32::NAN; 8], [f32::NAN; 2]);
        rms_norm(&x, &w, 1e-6, &mut y, &mut rstd);
        let want =
            [0.799999774, -0.799999774, -1.59999955, 0.0999999717, 0.0399600603, 0.0399600603, 2.39760351, 0.399600595];
        close(&y, &want, 3e-7);
        let want =
            [0.639999926, 0.0800001621, 0.959999621, 0.319999963, 0.120039709, -0.140179262, -0.155054599, 0.106280997];
        close(&both_ways(8, |dst| rms_norm_backward(&x, &w, &rstd, &dy, Some(dst), None)), &want, 3e-7);
        let want = [0.811987817, -1.65594363, -0.639760256, 2.39840221];
        close(&both_ways(4, |dst| rms_norm_backward(&x, &w, &rstd, &dy, None, Some(dst))), &want, 3e-7);
    }

    #[test]
    fn a_constant_row_is_its_bias() {
        let (y, ..) = run(&[1e4; 33], &[1.0; 33], Some(&[0.25; 33]), true);
        assert_eq!(y, [0.25; 33]);
    }
}
