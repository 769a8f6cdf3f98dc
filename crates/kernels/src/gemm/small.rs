//! Products with up to a few hundred rows: B is read about once, so that packing all of it would not pay.

use super::micro::{Block, Kernel};
use super::micro_kernel::{MicroKernel, Source};
use super::product::{Layout, Product};
use super::scratch::Scratch;
use crate::parallel;
use std::cell::RefCell;

/// Is [`multiply`] faster than packing B for all threads? As long as A stays in the second-level cache, if there are
/// enough panels for all.
pub(super) fn wins(kernel: &Kernel, g: &Product) -> bool {
    let rows = if g.layout == Layout::TN { 128 } else { 256 };
    let busy = g.n.div_ceil(kernel.cols) >= 2 * parallel::threads();
    g.m <= if busy { rows } else { 36 }
}

/// Each panel of B is used where it is, or transposed into a buffer that stays in the cache.
pub(super) fn multiply(kernel: &Kernel, g: &Product) {
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
                        kernel.pack_panel(&Source { b: g.b, transposed: true, n, k }, j, p..p + depth, panel);
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
