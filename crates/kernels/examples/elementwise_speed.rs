//! Time per element of the kernels that are not matrix products, for each instruction set and number of threads.
//!
//! ```text
//! cargo run --release -p motamot-kernels --example elementwise_speed [name part] [columns]
//! ```
//!
//! Each number is the fastest of 9 runs (2 for portable) over 8192 rows, taken in turns. GB/s counts what the
//! kernel must read and write at least, with the last instruction set and all threads.

use motamot_kernels::{Grad, activation, adamw, elementwise, embedding, isa, loss, norm, parallel, rng, rope, softmax};
use std::time::Instant;

/// A kernel's name, the bytes it must move per element, and one run of it.
struct Case<'a> {
    name: &'static str,
    bytes: usize,
    run: Box<dyn FnMut() + 'a>,
}

fn set(data: &mut [f32]) -> Grad<'_> {
    Grad { data, accumulate: false }
}

fn plus(data: &mut [f32]) -> Grad<'_> {
    Grad { data, accumulate: true }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let wanted = args.next().unwrap_or_default();
    let cols: usize = args.next().and_then(|c| c.parse().ok()).unwrap_or(512);
    let rows = 8192.min((1 << 26) / cols);
    let n = rows * cols;

    let mut random = rng::Rng::new(1);
    let mut normals = |n: usize| {
        let mut x = vec![0.0; n];
        rng::fill_normal(&mut random, 0.0, 1.0, &mut x);
        x
    };
    let (a, b, c) = (normals(n), normals(n), normals(n));
    let (w, bias) = (normals(cols), normals(cols));
    let ids: Vec<u32> = (0..rows).map(|i| (i * 7919 % cols) as u32).collect();
    let table = normals(cols * cols);
    let positions: Vec<u32> = (0..rows).map(|i| (i % 1024) as u32).collect();
    let dnll = vec![1.0 / rows as f32; rows];

    let threads = parallel::threads();
    println!("{rows} rows × {cols} columns, nanoseconds per element");
    print!("{:<26}", "kernel");
    let columns: Vec<(isa::Isa, usize)> =
        isa::available().into_iter().map(|isa| (isa, 1)).chain((threads > 1).then(|| (isa::isa(), threads))).collect();
    for (isa, threads) in &columns {
        print!("{:>14}", format!("{isa}×{threads}"));
    }
    println!("{:>10}", "GB/s");

    macro_rules! cases {
        ($($name:literal $bytes:literal [$($buffer:ident: $len:expr),*] $run:expr;)*) => {$(
            if $name.contains(&wanted) {
                $(#[allow(unused_mut)] // some are only read
 let mut $buffer = vec![0.5f32; $len];)*
                report(Case { name: $name, bytes: $bytes, run: Box::new(|| $run) }, n, &columns);
            }
        )*};
    }
    cases! {
        "add" 12 [y: n] elementwise::add(&a, &b, &mut y);
        "scale" 8 [y: n] elementwise::scale(&a, 0.5, &mut y);
        "axpy" 12 [y: n] elementwise::axpy(&mut y, 0.5, &a);
        "add_rows" 8 [y: n] elementwise::add_rows(&a, &bias, &mut y);
        "sum_rows" 4 [y: cols] elementwise::sum_rows(&a, cols, set(&mut y));
        "sum" 4 [y: 1] y[0] = elementwise::sum(&a);
        "dot" 8 [y: 1] y[0] = elementwise::dot(&a, &b);
        "sum_squares" 4 [y: 1] y[0] = elementwise::sum_squares(&a) as f32;
        "copy_grad" 8 [y: n] elementwise::copy_grad(&a, set(&mut y));
        "copy_grad, adding" 12 [y: n] elementwise::copy_grad(&a, plus(&mut y));
        "dropout" 8 [y: n] elementwise::dropout(&a, 0.1, (1, 2), &mut y);
        "transpose_2d" 8 [y: n] elementwise::transpose_2d(&a, rows, cols, &mut y);
        "fill_uniform" 4 [y: n] rng::fill_uniform(&mut rng::Rng::new(1), &mut y, -1.0, 1.0);
        "fill_normal" 4 [y: n] rng::fill_normal(&mut rng::Rng::new(1), 0.0, 1.0, &mut y);
        "exp" 8 [y: n] activation::exp(&a, &mut y);
        "ln" 8 [y: n] activation::ln(&a, &mut y);
        "tanh" 8 [y: n] activation::tanh(&a, &mut y);
        "sigmoid" 8 [y: n] activation::sigmoid(&a, &mut y);
        "relu" 8 [y: n] activation::relu(&a, &mut y);
        "gelu" 8 [y: n] activation::gelu(&a, &mut y);
        "gelu_backward" 12 [y: n] activation::gelu_backward(&a, &b, set(&mut y));
        "gelu_tanh" 8 [y: n] activation::gelu_tanh(&a, &mut y);
        "gelu_tanh_backward" 12 [y: n] activation::gelu_tanh_backward(&a, &b, set(&mut y));
        "silu" 8 [y: n] activation::silu(&a, &mut y);
        "swiglu" 12 [y: n] activation::swiglu(&a, &b, &mut y);
        "swiglu_backward" 20 [y: n, z: n]
            activation::swiglu_backward(&a, &b, &c, Some(set(&mut y)), Some(set(&mut z)));
        "log_sigmoid" 8 [y: n] activation::log_sigmoid(&a, &mut y);
        "layer_norm" 8 [y: n, mean: rows, rstd: rows]
            norm::layer_norm(&a, &w, Some(&bias), 1e-5, &mut y, &mut mean, &mut rstd);
        "layer_norm_backward" 12 [y: n, mean: rows, rstd: rows, dw: cols, db: cols]
            norm::layer_norm_backward(
                &a, &w, &mean, &rstd, &b, Some(set(&mut y)), Some(plus(&mut dw)), Some(plus(&mut db)));
        "rms_norm" 8 [y: n, rstd: rows] norm::rms_norm(&a, &w, 1e-5, &mut y, &mut rstd);
        "rms_norm_backward" 12 [y: n, rstd: rows, dw: cols]
            norm::rms_norm_backward(&a, &w, &rstd, &b, Some(set(&mut y)), Some(plus(&mut dw)));
        "softmax" 8 [y: n] softmax::softmax(&a, cols, &mut y);
        "softmax_backward" 12 [y: n] softmax::softmax_backward(&a, &b, cols, set(&mut y));
        "log_softmax" 8 [y: n] softmax::log_softmax(&a, cols, &mut y);
        "cross_entropy" 4 [nll: rows, lse: rows] loss::cross_entropy(&a, &ids, cols, &mut nll, &mut lse);
        "cross_entropy_backward" 8 [y: n, lse: rows]
            loss::cross_entropy_backward(&a, &ids, cols, &lse, &dnll, set(&mut y));
        "gather" 8 [y: n] embedding::gather(&table, &ids, cols, &mut y);
        "scatter_add" 8 [y: cols * cols] embedding::scatter_add(&a, &ids, cols, &mut y);
        "rope" 8 [y: n] rope::rope(&mut y, cols, cols / 32, 32, &positions, 10_000.0, false);
        "adamw" 28 [x: n, m: n, v: n] adamw::adamw(
            &adamw::AdamW {
                lr: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, bias1: 0.5, bias2: 0.3, clip: 1.0 },
            &mut x, &a, &mut m, &mut v);
    }
}

fn report(mut case: Case, n: usize, columns: &[(isa::Isa, usize)]) {
    let mut best = vec![f64::INFINITY; columns.len()];
    for round in 0..9 {
        for (best, (isa, threads)) in best.iter_mut().zip(columns) {
            // Without vectors some kernels take a hundred times as long: two runs will do.
            if *isa == isa::Isa::Portable && round >= 2 {
                continue;
            }
            let start = Instant::now();
            isa::with(*isa, || parallel::with_threads(*threads, &mut case.run));
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    print!("{:<26}", case.name);
    for best in &best {
        print!("{:>14.3}", best / n as f64 * 1e9);
    }
    println!("{:>10.1}", (case.bytes * n) as f64 / best[best.len() - 1] / 1e9);
}
