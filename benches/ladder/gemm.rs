//! C (m×n) = A (m×k) · B (k×n), row-major: from the definition to the library's product.

use super::{Rung, noise};
use motamot_kernels::gemm::{Init, Layout, bf16::gemm_bf16, gemm};
use motamot_kernels::isa::{self, Isa};
use std::sync::Arc;

/// The first matrix of the MLP of `mini`, for a batch of 4 × 256 tokens.
const M: usize = 1024;
const N: usize = 1024;
const K: usize = 256;

/// Title, elements of C, FLOP, rungs.
pub fn ladder() -> (String, usize, f64, Vec<Rung>) {
    let a: Arc<[f32]> = noise(M * K, 1).into();
    let b: Arc<[f32]> = noise(K * N, 2).into();
    let rung = |name: &str, idea, f: fn(&[f32], &[f32], &mut [f32])| {
        let (a, b) = (a.clone(), b.clone());
        Rung { name: name.into(), idea, threads: 1, tolerance: 1e-5, run: Box::new(move |c| f(&a, &b, c)) }
    };
    let mut rungs = vec![
        rung("naive", "the definition: a row of A times a column of B", naive),
        rung("rows", "B along its rows: no jumps in memory, and several columns an instruction", rows),
        rung("blocked", "a tile of C stays in registers while k runs: fewer loads per multiply-add", blocked),
    ];
    // From here on the library: the tile is made for the register file, B is packed into panels in the order in which
    // the tile reads it, and the multiply-adds are fused.
    let ideas = [
        (Isa::Neon, "128-bit vectors, packed panels, fused multiply-adds"),
        (Isa::Avx2, "256-bit vectors, packed panels, fused multiply-adds"),
        (Isa::Avx512, "512-bit vectors and twice the registers"),
        (Isa::Avx512Bf16, "two neighbours along k as one pair of bf16: two multiply-adds per lane, factors rounded"),
        (Isa::Amx, "pairs in tiles of 16 rows: 8,192 multiply-adds an instruction, factors rounded"),
    ];
    let available = isa::available();
    for (isa, idea) in ideas.into_iter().filter(|(isa, _)| available.contains(isa)) {
        let (a, b) = (a.clone(), b.clone());
        // Eight bits of each factor are kept.
        let (f, tolerance): (Product, f32) = if isa.has_bf16() { (rounded, 1.0 / 256.0) } else { (product, 1e-5) };
        let run = Box::new(move |c: &mut [f32]| isa::with(isa, || f(&a, &b, c)));
        rungs.push(Rung { name: isa.to_string(), idea, threads: 1, tolerance, run });
    }
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let best = isa::isa();
    rungs.push(Rung {
        threads,
        name: format!("{threads} threads"),
        idea: "f32 again: tiles of C are handed out to all cores",
        ..rung("", "", if best >= Isa::Neon { product } else { blocked })
    });
    (format!("gemm {M}×{N}×{K}"), M * N, 2.0 * (M * N * K) as f64, rungs)
}

/// c_ij = Σ_p a_ip · b_pj. Each step of p jumps a whole row ahead in B: a cache line is fetched for one number of it.
fn naive(a: &[f32], b: &[f32], c: &mut [f32]) {
    for i in 0..M {
        for j in 0..N {
            let mut sum = 0.0;
            for p in 0..K {
                sum += a[i * K + p] * b[p * N + j];
            }
            c[i * N + j] = sum;
        }
    }
}

/// The same sums with the loops over p and j exchanged. The inner loop now runs along a row of B and a row of C, and the
/// compiler makes vectors of it. But C is loaded and stored at every step: two loads and a store for each multiply-add.
fn rows(a: &[f32], b: &[f32], c: &mut [f32]) {
    for (a, c) in a.chunks_exact(K).zip(c.chunks_exact_mut(N)) {
        c.fill(0.0);
        for (a, b) in a.iter().zip(b.chunks_exact(N)) {
            for (c, b) in c.iter_mut().zip(b) {
                *c += a * b;
            }
        }
    }
}

/// A tile of 4 rows by 8 columns of C is summed in registers: per step of p, 4 + 8 numbers are loaded for 32
/// multiply-adds. The tiles go down a strip of B 8 columns wide, 8 KB for k = 256, which stays in the first cache.
fn blocked(a: &[f32], b: &[f32], c: &mut [f32]) {
    const ROWS: usize = 4;
    const COLUMNS: usize = 8;
    for j in (0..N).step_by(COLUMNS) {
        for i in (0..M).step_by(ROWS) {
            let mut tile = [[0.0f32; COLUMNS]; ROWS];
            let rows: [&[f32]; ROWS] = std::array::from_fn(|r| &a[(i + r) * K..][..K]);
            for p in 0..K {
                let b: &[f32; COLUMNS] = b[p * N + j..].first_chunk().expect("COLUMNS divides N");
                for r in 0..ROWS {
                    for l in 0..COLUMNS {
                        tile[r][l] += rows[r][p] * b[l];
                    }
                }
            }
            for (r, row) in tile.iter().enumerate() {
                c[(i + r) * N + j..][..COLUMNS].copy_from_slice(row);
            }
        }
    }
}

type Product = fn(&[f32], &[f32], &mut [f32]);

/// The library's, in bf16.
fn rounded(a: &[f32], b: &[f32], c: &mut [f32]) {
    gemm_bf16(Layout::NN, M, N, K, a, b, c, Init::Zero);
}

/// The library's.
fn product(a: &[f32], b: &[f32], c: &mut [f32]) {
    gemm(Layout::NN, M, N, K, a, b, c, Init::Zero);
}
