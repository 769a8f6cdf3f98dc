//! Layer normalisation and root-mean-square normalisation over rows.

use crate::bf16::Element;
use crate::isa::vectorise;
use crate::map::{self, LANES, fold1, join_sum, padded, rows_per_chunk, same_length, whole};
use crate::parallel::{self, SharedMut};
use crate::{Grad, map::put};

vectorise! {
    fn layer_norm_rows<T: Element; const BIAS: bool>(
        x: &[f32], w: &[f32], b: &[f32], eps: f32, y: &mut [T], means: &mut [f32], rstds: &mut [f32]
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
            let squares = join_sum(fold1(|sum: f32, x: f32, _: f32| x.mul_add(x, sum), 0.0, x));
            let rstd = 1.0 / (squares / cols as f32 + eps).sqrt();
            rstds[i] = rstd;
            for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
                *y = T::of(x * rstd * w);
            }
        }
    }

    /// The backward of some rows: of layer norm with `CENTRE`, else of RMS norm (whose means are 0 and not read).
    /// dw and db (only with `CENTRE`) are added to; `DX` says what becomes of dx.
    fn backward_rows<T: Element; const CENTRE: bool, const DX: u8>(
        x: &[f32], w: &[f32], means: &[f32], rstds: &[f32], dy: &[T], base: &[f32], dx: &mut [f32], dw: &mut [f32],
        db: &mut [f32]
    ) {
        let cols = w.len();
        let n = cols as f32;
        let full = cols / LANES * LANES;
        for (i, (x, dy)) in x.chunks_exact(cols).zip(dy.chunks_exact(cols)).enumerate() {
            let (mean, rstd) = (if CENTRE { means[i] } else { 0.0 }, rstds[i]);
            // Sums of g and of g ⊙ (x − mean), g = dy ⊙ w, and what the row adds to dw and db, in one pass.
            let (mut g_sum, mut gx_sum) = ([0.0f32; LANES], [0.0f32; LANES]);
            let (dws, dw_tail) = dw.as_chunks_mut::<LANES>();
            let (dbs, db_tail) = db.as_chunks_mut::<LANES>();
            let rows = x.as_chunks::<LANES>().0.iter().zip(dy.as_chunks::<LANES>().0).zip(w.as_chunks::<LANES>().0);
            for (k, ((x, dy), w)) in rows.enumerate() {
                for l in 0..LANES {
                    let centred = x[l] - mean;
                    let dy = dy[l].get();
                    g_sum[l] = dy.mul_add(w[l], g_sum[l]);
                    gx_sum[l] = (dy * w[l]).mul_add(centred, gx_sum[l]);
                    dws[k][l] = dy.mul_add(centred * rstd, dws[k][l]);
                }
                if CENTRE {
                    for l in 0..LANES {
                        dbs[k][l] += dy[l].get();
                    }
                }
            }
            (g_sum, gx_sum) = (whole(g_sum), whole(gx_sum));
            if full < cols {
                let (x, dy, w) = (padded(&x[full..]), padded(&dy[full..]).map(T::get), padded(&w[full..]));
                let mut dw = padded(dw_tail);
                for l in 0..LANES {
                    let centred = x[l] - mean;
                    let (g, gx) = (dy[l].mul_add(w[l], g_sum[l]), (dy[l] * w[l]).mul_add(centred, gx_sum[l]));
                    let used = l < cols - full;
                    (g_sum[l], gx_sum[l]) = (if used { g } else { g_sum[l] }, if used { gx } else { gx_sum[l] });
                    dw[l] = dy[l].mul_add(centred * rstd, dw[l]);
                }
                dw_tail.copy_from_slice(&dw[..cols - full]);
                if CENTRE {
                    for (db, dy) in db_tail.iter_mut().zip(dy) {
                        *db += dy;
                    }
                }
            }
            if DX != SKIP {
                let g_mean = if CENTRE { join_sum(g_sum) / n } else { 0.0 };
                let slope = join_sum(gx_sum) * rstd * rstd / n;
                let row = i * cols..(i + 1) * cols;
                let dx = &mut dx[row.clone()];
                let g = |x: f32, w: f32, dy: T| rstd * (x - mean).mul_add(-slope, dy.get().mul_add(w, -g_mean));
                if DX == ONTO {
                    for ((((dx, x), w), dy), base) in dx.iter_mut().zip(x).zip(w).zip(dy).zip(&base[row]) {
                        *dx = base + g(*x, *w, *dy);
                    }
                } else {
                    for (((dx, x), w), dy) in dx.iter_mut().zip(x).zip(w).zip(dy) {
                        *dx = if DX == ADD { *dx + g(*x, *w, *dy) } else { g(*x, *w, *dy) };
                    }
                }
            }
        }
    }
}

const SKIP: u8 = 0;
const SET: u8 = 1;
const ADD: u8 = 2;
const ONTO: u8 = 3;

/// Where dx goes.
enum Dx<'a> {
    Nowhere,
    To(Grad<'a>),
    /// The sum with what comes through the residual connection, (base, dx).
    Onto(&'a [f32], &'a mut [f32]),
}

impl<'a> From<Option<Grad<'a>>> for Dx<'a> {
    fn from(dx: Option<Grad<'a>>) -> Dx<'a> {
        dx.map_or(Dx::Nowhere, Dx::To)
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
    let n = rows_of("layer_norm_backward", x.len(), w.len());
    same_length("layer_norm_backward", n, &[mean.len()]);
    backward::<f32, true>("layer_norm_backward", x, w, mean, rstd, dy, dx.into(), dw, db);
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
    match mean {
        Some(mean) => {
            same_length(name, rows_of(name, x.len(), w.len()), &[mean.len()]);
            backward::<T, true>(name, x, w, mean, rstd, dy, Dx::Onto(base, dx), dw, db);
        }
        None => backward::<T, false>(name, x, w, &[], rstd, dy, Dx::Onto(base, dx), dw, None),
    }
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
    backward::<f32, false>("rms_norm_backward", x, w, &[], rstd, dy, dx.into(), dw, None);
}

/// Both backwards: one pass over the rows for all three gradients.
#[track_caller]
fn backward<T: Element, const CENTRE: bool>(
    name: &str,
    x: &[f32],
    w: &[f32],
    mean: &[f32],
    rstd: &[f32],
    dy: &[T],
    dx: Dx,
    dw: Option<Grad>,
    db: Option<Grad>,
) {
    let cols = w.len();
    let n = rows_of(name, x.len(), cols);
    same_length(name, x.len(), &[dy.len()]);
    same_length(name, n, &[rstd.len()]);
    let (dx, base, mode) = match dx {
        Dx::Nowhere => (None, None, SKIP),
        Dx::To(Grad { data, accumulate }) => (Some(data), None, if accumulate { ADD } else { SET }),
        Dx::Onto(base, data) => (Some(data), Some(base), ONTO),
    };
    if let Some(dx) = &dx {
        same_length(name, x.len(), &[dx.len()]);
    }
    for d in [&dw, &db].into_iter().flatten() {
        same_length(name, cols, &[d.data.len()]);
    }
    let dx = dx.map(SharedMut::new);
    let db_width = if CENTRE { cols } else { 0 };

    let rows = |rows: std::ops::Range<usize>, sums: &mut [f32]| {
        let (dw, db) = sums.split_at_mut(cols);
        let (from, len) = (rows.start * cols, rows.len() * cols);
        let (x, dy) = (&x[from..][..len], &dy[from..][..len]);
        let (mean, rstd) = (if CENTRE { &mean[rows.clone()] } else { &[] }, &rstd[rows]);
        // SAFETY: each row belongs to one range, and each range is run once.
        let dx = dx.as_ref().map_or(&mut [][..], |dx| unsafe { dx.slice(from, len) });
        let base = base.map_or(&[][..], |base| &base[from..][..len]);
        let run = match mode {
            SKIP => backward_rows::<T, CENTRE, SKIP>,
            SET => backward_rows::<T, CENTRE, SET>,
            ADD => backward_rows::<T, CENTRE, ADD>,
            _ => backward_rows::<T, CENTRE, ONTO>,
        };
        run(x, w, mean, rstd, dy, base, dx, dw, db);
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
    use crate::map::testing::{LENGTHS, both_ways, check_gradient, close, normals, same_everywhere, special, wide};

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
