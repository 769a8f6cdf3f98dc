//! Rotary position embedding.

use crate::area;
use crate::bf16::Element;
use crate::isa::vectorise;
use crate::{map, math, parallel};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// cos and sin for positions 0, 1, …: each position has D/2 cosines, then D/2 sines.
type Table = Arc<Vec<f32>>;

/// Positions stay under this, so that a wrong one cannot ask for an endless table.
const MAX_POSITIONS: usize = 1 << 22;

/// The table for at least `positions` positions. It is computed in f64, once, and kept.
fn table(head_dim: usize, theta: f32, positions: usize) -> Table {
    static TABLES: Mutex<Option<HashMap<(usize, u32), Table>>> = Mutex::new(None);
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = tables.get_or_insert_default().entry((head_dim, theta.to_bits())).or_default();
    if kept.len() < positions * head_dim {
        let half = head_dim / 2;
        let ln_theta = math::ln_f64(f64::from(theta));
        let frequency = |i: usize| math::exp_f64(-2.0 * i as f64 / head_dim as f64 * ln_theta);
        let frequencies: Vec<f64> = (0..half).map(frequency).collect();
        let mut values = vec![0.0; positions.next_power_of_two().max(64) * head_dim];
        for (position, row) in values.chunks_exact_mut(head_dim).enumerate() {
            let (cos, sin) = row.split_at_mut(half);
            for i in 0..half {
                let (s, c) = math::sin_cos_f64(position as f64 * frequencies[i]);
                (cos[i], sin[i]) = (c as f32, s as f32);
            }
        }
        *kept = Arc::new(values);
    }
    Arc::clone(kept)
}

vectorise! {
    /// Heads in place.
    fn rotate<T: Element; const INVERSE: bool>(x: &mut [T], head_dim: usize, cos_sin: &[f32]) {
        let half = head_dim / 2;
        let (cos, sin) = cos_sin.split_at(half);
        for head in x.chunks_exact_mut(head_dim) {
            let (a, b) = head.split_at_mut(half);
            for (((a, b), c), s) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                let s = if INVERSE { -s } else { *s };
                (*a, *b) = turned(a.get(), b.get(), *c, s);
            }
        }
    }

    /// The first `width` elements of a row turned, the others as they are.
    fn turn_row<T: Element>(x: &[f32], y: &mut [T], width: usize, head_dim: usize, cos_sin: &[f32]) {
        let half = head_dim / 2;
        let (cos, sin) = cos_sin.split_at(half);
        let (y, rest) = y.split_at_mut(width);
        for (x, y) in x.chunks_exact(head_dim).zip(y.chunks_exact_mut(head_dim)) {
            let ((xa, xb), (ya, yb)) = (x.split_at(half), y.split_at_mut(half));
            for i in 0..half {
                (ya[i], yb[i]) = turned(xa[i], xb[i], cos[i], sin[i]);
            }
        }
        rest.iter_mut().zip(&x[width..]).for_each(|(y, x)| *y = T::of(*x));
    }
}

/// (a, b) turned by the angle of this cosine and sine.
#[inline(always)]
fn turned<T: Element>(a: f32, b: f32, cos: f32, sin: f32) -> (T, T) {
    (T::of(a.mul_add(cos, -(b * sin))), T::of(b.mul_add(cos, a * sin)))
}

#[track_caller]
fn check(name: &str, head_dim: usize, theta: f32) {
    assert!(head_dim.is_multiple_of(2), "{name}: a head of {head_dim} elements has no halves");
    assert!(theta >= 1.0 && theta.is_finite(), "{name}: theta = {theta} is not a number from 1");
}

/// Rotates, in place, each of the first `heads` heads of each row: the pair (i, i + D/2) by position·θ^(−2i/D).
///
/// `positions` has one number per row; row t starts at t·row_stride (the last row may end after its heads). `inverse`
/// rotates back, which is the backward. This is the half-split order of Llama and NeoX.
/// Source: Su et al. 2021, arXiv:2104.09864.
#[track_caller]
pub fn rope<T: Element>(
    x: &mut [T],
    row_stride: usize,
    heads: usize,
    head_dim: usize,
    positions: &[u32],
    theta: f32,
    inverse: bool,
) {
    let (n, width) = (positions.len(), area(heads, head_dim));
    check("rope", head_dim, theta);
    assert!(width <= row_stride, "rope: {heads} heads of {head_dim} do not fit in rows of {row_stride}");
    let Some(last) = positions.iter().max() else { return };
    if width == 0 {
        return;
    }
    let fits = x.len() <= area(n, row_stride) && x.len() >= area(n - 1, row_stride).saturating_add(width);
    assert!(fits, "rope: {} elements are not {n} rows of {row_stride}", x.len());
    assert!((*last as usize) < MAX_POSITIONS, "rope: position {last} is not under {MAX_POSITIONS}");

    let table = table(head_dim, theta, *last as usize + 1);
    let run = if inverse { rotate::<T, true> } else { rotate::<T, false> };
    let rows = map::rows_per_chunk(width);
    parallel::chunks_mut(x, rows * row_stride, |i, x| {
        for (row, position) in x.chunks_mut(row_stride).zip(&positions[i * rows..]) {
            run(&mut row[..width], head_dim, &table[*position as usize * head_dim..][..head_dim]);
        }
    });
}

/// Rotary positions of packed rows whose row r stands at place r mod `time`: of each row the first `heads` heads turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotary {
    /// The heads that turn.
    pub heads: usize,
    /// D, even.
    pub head_dim: usize,
    /// T.
    pub time: usize,
    /// θ.
    pub theta: f32,
}

/// A table of [`Rotary`], for rows one by one.
pub(crate) struct Turns {
    table: Table,
    rotary: Rotary,
}

impl Turns {
    #[track_caller]
    pub(crate) fn new(name: &str, rotary: Rotary, width: usize) -> Turns {
        let Rotary { heads, head_dim, time, theta } = rotary;
        check(name, head_dim, theta);
        assert!(head_dim > 0, "{name}: heads without elements");
        assert!(area(heads, head_dim) <= width, "{name}: {heads} heads of {head_dim} do not fit in rows of {width}");
        assert!(time > 0 && time <= MAX_POSITIONS, "{name}: {time} places are not from 1 to {MAX_POSITIONS}");
        Turns { table: table(head_dim, theta, time), rotary }
    }

    /// y = row `row`, whose elements are x, turned.
    pub(crate) fn turn<T: Element>(&self, row: usize, x: &[f32], y: &mut [T]) {
        let Rotary { heads, head_dim, time, .. } = self.rotary;
        turn_row(x, y, heads * head_dim, head_dim, &self.table[row % time * head_dim..][..head_dim]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bf16::Bf16;
    use crate::testing::{close, normals, same_everywhere};

    #[test]
    fn pairs_turn_by_their_angle_and_back() {
        for (n, heads, head_dim, extra) in [(1, 1, 2, 0), (3, 2, 16, 5), (5, 3, 34, 0), (0, 2, 4, 0), (400, 4, 64, 128)]
        {
            let stride = heads * head_dim + extra;
            let x = normals(1, n * stride);
            let positions: Vec<u32> = (0..n).map(|i| (i * 37 % 1009) as u32).collect();
            let turned = |inverse: bool, x: &[f32]| {
                same_everywhere(|| {
                    let mut x = x.to_vec();
                    rope(&mut x, stride, heads, head_dim, &positions, 10_000.0, inverse);
                    x
                })
            };
            let y = turned(false, &x);
            let mut want: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
            for (row, position) in want.chunks_mut(stride.max(1)).zip(&positions) {
                for head in row[..heads * head_dim].chunks_mut(head_dim) {
                    for i in 0..head_dim / 2 {
                        let angle = f64::from(*position) * 10_000f64.powf(-2.0 * i as f64 / head_dim as f64);
                        let (a, b) = (head[i], head[i + head_dim / 2]);
                        head[i] = a * angle.cos() - b * angle.sin();
                        head[i + head_dim / 2] = b * angle.cos() + a * angle.sin();
                    }
                }
            }
            close(&y, &want, 3e-7);
            // In bf16: the same numbers, rounded.
            let rounded = |x: &[f32]| x.iter().map(|x| Bf16::of(*x)).collect::<Vec<_>>();
            let mut short = rounded(&x);
            let mut exact: Vec<f32> = short.iter().map(|x| x.get()).collect();
            rope(&mut short, stride, heads, head_dim, &positions, 10_000.0, false);
            rope(&mut exact, stride, heads, head_dim, &positions, 10_000.0, false);
            assert_eq!(short, rounded(&exact));
            // Its transpose is its inverse, which is what the backward relies on.
            let back: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
            close(&turned(true, &y), &back, 5e-7);
        }
    }

    #[test]
    fn the_last_row_may_end_after_its_heads() {
        let x = normals(1, 2 * 10 + 4);
        let mut y = x.clone();
        rope(&mut y, 10, 1, 4, &[0, 1, 2], 500.0, false);
        assert_eq!(y[..10], x[..10]);
        assert_eq!(y[14..20], x[14..20]);
        assert!(y[20..] != x[20..]);
    }

    #[test]
    #[should_panic(expected = "rope: position 4194304 is not under 4194304")]
    fn a_wrong_position_does_not_take_all_memory() {
        rope(&mut [0.0f32; 2], 2, 1, 2, &[1 << 22], 10_000.0, false);
    }
}
