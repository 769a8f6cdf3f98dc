//! How fast panels of weights are read: GB/s and µs of all matrices of the preset `mini`, which is one token's products.
//!
//! ```text
//! cargo run --release -p motamot-kernels --example panels_speed [threads]
//! ```
//!
//! Each number is the fastest of 60 runs, for 1, 4 and 8 rows.

use motamot_kernels::gemm::{Init, Layout, gemm};
use motamot_kernels::panels::{Format, Panels, matmul_panels};
use motamot_kernels::{isa, parallel, rng};
use std::time::Instant;

/// Inputs and outputs: six blocks of width 256, and the head.
fn shapes() -> Vec<(usize, usize)> {
    let block = [(256, 768), (256, 256), (256, 1024), (1024, 256)];
    block.into_iter().cycle().take(24).chain([(256, 5000)]).collect()
}

fn fastest(mut f: impl FnMut()) -> f64 {
    (0..60)
        .map(|_| {
            let clock = Instant::now();
            f();
            clock.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn main() {
    if let Some(threads) = std::env::args().nth(1).and_then(|n| n.parse().ok()) {
        parallel::set_threads(threads);
    }
    println!("{}, {} threads", isa::isa(), parallel::threads());
    let mut random = rng::Rng::new(1);
    let weights: Vec<Vec<f32>> = shapes()
        .iter()
        .map(|(k, n)| {
            let mut w = vec![0.0; k * n];
            rng::fill_normal(&mut random, 0.0, 0.02, &mut w);
            w
        })
        .collect();
    let x = vec![0.5; 8 * 1024];
    let mut y = vec![0.0; 8 * 5000];
    for rows in [1, 4, 8] {
        let time = fastest(|| {
            for ((k, n), w) in shapes().into_iter().zip(&weights) {
                let layout = if n == 5000 { Layout::NT } else { Layout::NN };
                gemm(layout, rows, n, k, &x[..rows * k], w, &mut y[..rows * n], Init::Zero);
            }
        });
        println!("gemm   {rows} rows: {:7.1} µs", time * 1e6);
        for format in [Format::F32, Format::Bf16, Format::Int8] {
            let panels: Vec<Panels> =
                shapes().iter().zip(&weights).map(|(&(_, n), w)| Panels::of_columns(format, w, n)).collect();
            let bytes: usize = panels.iter().map(Panels::bytes).sum();
            let time = fastest(|| {
                for (w, (k, n)) in panels.iter().zip(shapes()) {
                    matmul_panels(&x[..rows * k], w, None, &mut y[..rows * n]);
                }
            });
            println!("{format:<6?} {rows} rows: {:7.1} µs, {:6.1} GB/s", time * 1e6, bytes as f64 / time / 1e9);
        }
    }
}
