//! Products with few rows, such as one token's in decoding: reading B takes longer than multiplying by it.

use super::micro::{Block, Kernel};
use super::{Init, Layout, Product, Scratch};
use crate::isa::vectorise;
use crate::parallel;
use std::cell::RefCell;

/// Up to this many rows [`rows`] is faster than [`panels`].
pub(super) const NN_ROWS: usize = 2;
/// Up to this many rows [`dots`] is faster than [`panels`], and possible.
pub(super) const NT_ROWS: usize = 4;

/// Is [`panels`] faster than packing B for all threads? As long as A stays in the second-level cache, if there are
/// enough panels for all.
pub(super) fn panels_win(kernel: &Kernel, g: &Product) -> bool {
    let rows = if g.layout == Layout::TN { 128 } else { 256 };
    let busy = g.n.div_ceil(kernel.cols) >= 2 * parallel::threads();
    g.m <= if busy { rows } else { 36 }
}

/// Up to [`NN_ROWS`] rows where the rows of B are contiguous (NN): B streams by once, C stays in cache.
pub(super) fn rows(g: &Product) {
    let (m, n, k) = (g.m, g.n, g.k);
    let chunk = if g.is_large() { (n.div_ceil(parallel::threads())).next_multiple_of(64) } else { n };
    parallel::for_each_chunk(n.div_ceil(chunk), |i| {
        let j = i * chunk;
        let cols = chunk.min(n - j);
        for r in 0..m {
            // SAFETY: each chunk has its own columns of C.
            let c = unsafe { g.c.slice(r * n + j, cols) };
            match g.init {
                Init::Zero => c.fill(0.0),
                Init::Accumulate => (),
                Init::Bias(bias) => c.copy_from_slice(&bias[j..j + cols]),
            }
        }
        for p in (0..k).step_by(STEPS) {
            for r in 0..m {
                // SAFETY: as above.
                let c = unsafe { g.c.slice(r * n + j, cols) };
                steps(c, &g.a[r * k + p..(r + 1) * k], &g.b[p * n + j..], n);
            }
        }
    });
}

/// Up to [`NT_ROWS`] rows where B is stored transposed: its rows are transposed on the way through the registers.
pub(super) fn dots(kernel: &Kernel, g: &Product) {
    let (m, n, k) = (g.m, g.n, g.k);
    let chunk = if g.is_large() { n.div_ceil(4 * parallel::threads()).next_multiple_of(16) } else { n };
    parallel::for_each_chunk(n.div_ceil(chunk), |i| {
        let j = i * chunk;
        let block = Block {
            a: g.a.as_ptr(),
            a_row: k,
            a_k: 1,
            b: g.b[j * k..].as_ptr(),
            b_k: k,
            k,
            c: g.c.as_ptr().wrapping_add(j),
            c_row: n,
            rows: m,
            cols: chunk.min(n - j),
            start: g.start(j, 0),
        };
        // SAFETY: the lengths were checked by `gemm`; each chunk has its own columns of C.
        unsafe { kernel.dots(&block) };
    });
}

/// How many rows of B [`steps`] takes at once.
const STEPS: usize = 8;

vectorise! {
    /// c += a (up to 8 elements) · rows of b, that start `stride` apart
    fn steps(c: &mut [f32], a: &[f32], b: &[f32], stride: usize) {
        if a.len() >= STEPS {
            let a: [f32; STEPS] = std::array::from_fn(|p| a[p]);
            let b: [&[f32]; STEPS] = std::array::from_fn(|p| &b[p * stride..][..c.len()]);
            for j in 0..c.len() {
                let mut sum = c[j];
                for p in 0..STEPS {
                    sum = a[p].mul_add(b[p][j], sum);
                }
                c[j] = sum;
            }
        } else {
            for p in 0..a.len() {
                for (c, b) in c.iter_mut().zip(&b[p * stride..]) {
                    *c = a[p].mul_add(*b, *c);
                }
            }
        }
    }
}

/// Few rows: each panel of B is used where it is, or transposed into a buffer that stays in the cache.
pub(super) fn panels(kernel: &Kernel, g: &Product) {
    let (m, n, k) = (g.m, g.n, g.k);
    let (a_row, a_k) = g.a_strides();
    let panels = n.div_ceil(kernel.cols);
    let chunk = if g.is_large() { panels.div_ceil(4 * parallel::threads()) } else { panels };
    parallel::for_each_chunk(panels.div_ceil(chunk), |i| {
        PANEL.with_borrow_mut(|scratch| {
            let end = panels.min((i + 1) * chunk);
            for j in (i * chunk..end).map(|panel| panel * kernel.cols) {
                let cols = kernel.cols.min(n - j);
                for p in (0..k).step_by(DEPTH) {
                    let depth = DEPTH.min(k - p);
                    let (b, b_k) = if g.layout == Layout::NT {
                        let panel = scratch.get(DEPTH * kernel.cols);
                        let src = &g.b[j * k + p..];
                        assert!(src.len() >= (cols - 1) * k + depth);
                        // SAFETY: the assertion, and the size of the buffer.
                        unsafe { kernel.pack_transposed(src.as_ptr(), k, depth, cols, panel.as_mut_ptr()) };
                        (panel.as_ptr(), kernel.cols)
                    } else {
                        (g.b[p * n + j..].as_ptr(), n)
                    };
                    for i in (0..m).step_by(kernel.rows) {
                        let rows = kernel.rows.min(m - i);
                        let a = g.a[i * a_row + p * a_k..].as_ptr();
                        let c = g.c.as_ptr().wrapping_add(i * n + j);
                        let start = g.start(j, p);
                        // SAFETY: rows, columns and depth are inside the matrices whose lengths `gemm` checked (or the
                        // panel), and each panel of C is written by one chunk.
                        unsafe {
                            kernel.block(&Block { a, a_row, a_k, b, b_k, k: depth, c, c_row: n, rows, cols, start });
                        }
                    }
                }
            }
        });
    });
}

/// Steps of k per panel: with this many the transposed panel (32 columns) fits the first-level cache.
const DEPTH: usize = 256;

thread_local! {
    static PANEL: RefCell<Scratch> = RefCell::default();
}
