//! GFLOP/s of matrix products, by shape and instruction set.
//!
//! `cargo run --release -p motamot-kernels --example gemm_speed [-- FILTER]`: only shapes whose line contains FILTER,
//! such as `TN` or `8192×768`; or one shape of your own: `-- NN 100 200 300` (m n k). `MOTAMOT_THREADS` sets the
//! threads. The best of many short repetitions is printed, the instruction sets taking turns, so that a busy machine
//! disturbs them alike. Instruction sets with products in bf16 (`avx512bf16`, `amx`) use these.

use motamot_kernels::buffer::AlignedBuf;
use motamot_kernels::gemm::{Init, Layout, bf16::gemm_bf16, gemm};
use motamot_kernels::isa::{self, Isa};
use motamot_kernels::parallel;
use std::time::{Duration, Instant};

/// Tokens in a training batch.
const M: usize = 8192;

#[rustfmt::skip]
const SHAPES: [(&str, Layout, usize, usize, usize); 29] = [
    ("attention in",        Layout::NN, M, 768, 256),
    ("attention out",       Layout::NN, M, 256, 256),
    ("MLP up",              Layout::NN, M, 1024, 256),
    ("MLP down",            Layout::NN, M, 256, 1024),
    ("head",                Layout::NT, M, 5000, 256),
    ("attention in, dx",    Layout::NT, M, 256, 768),
    ("attention out, dx",   Layout::NT, M, 256, 256),
    ("MLP up, dx",          Layout::NT, M, 256, 1024),
    ("MLP down, dx",        Layout::NT, M, 1024, 256),
    ("head, dx",            Layout::NN, M, 256, 5000),
    ("attention in, dw",    Layout::TN, 256, 768, M),
    ("attention out, dw",   Layout::TN, 256, 256, M),
    ("MLP up, dw",          Layout::TN, 256, 1024, M),
    ("MLP down, dw",        Layout::TN, 1024, 256, M),
    ("head, dw",            Layout::TN, 5000, 256, M),
    ("char: attention in",  Layout::NN, M, 1152, 384),
    ("char: MLP down",      Layout::NN, M, 384, 1536),
    ("char: MLP up, dw",    Layout::TN, 384, 1536, M),
    ("square",              Layout::NN, 1024, 1024, 1024),
    ("square",              Layout::NN, 256, 256, 256),
    ("square",              Layout::NT, 64, 64, 64),
    ("prompt, 32 tokens",   Layout::NN, 32, 768, 256),
    ("prompt, 64 tokens",   Layout::NN, 64, 768, 256),
    ("prompt, 32, head",    Layout::NT, 32, 5000, 256),
    ("decode 1",            Layout::NN, 1, 768, 256),
    ("decode 1, MLP down",  Layout::NN, 1, 256, 1024),
    ("decode 1, head",      Layout::NT, 1, 5000, 256),
    ("decode 8",            Layout::NN, 8, 768, 256),
    ("decode 8, head",      Layout::NT, 8, 5000, 256),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut shapes = SHAPES.to_vec();
    if let [layout, sizes @ ..] = &args[..]
        && let [m, n, k] = sizes.iter().filter_map(|size| size.parse().ok()).collect::<Vec<usize>>()[..]
    {
        let layout = match layout.as_str() {
            "NT" => Layout::NT,
            "TN" => Layout::TN,
            _ => Layout::NN,
        };
        shapes = vec![("yours", layout, m, n, k)];
    }
    let filter = if args.len() == 1 { &args[0] } else { "" };
    // Without fused multiply-adds in hardware (x86-64) the portable version is for comparing bits, not for speed.
    let isas: Vec<Isa> =
        isa::available().into_iter().filter(|&isa| isa != Isa::Portable || cfg!(not(target_arch = "x86_64"))).collect();
    println!("{} threads; GFLOP/s, and GB/s of A, B and C together", parallel::threads());
    print!("{:20} {:24}", "", "layout m×n×k");
    isas.iter().for_each(|isa| print!("{isa:>18}"));
    println!();
    for (name, layout, m, n, k) in shapes {
        let shape = format!("{layout:?} {m}×{n}×{k}");
        if !format!("{name} {shape}").contains(filter) {
            continue;
        }
        // In memory as tensors have it: large pages matter.
        let filled = |len: usize, prime: usize| {
            let mut buf = AlignedBuf::zeroed(len);
            buf.iter_mut().enumerate().for_each(|(i, x)| *x = (i % prime) as f32 / prime as f32 - 0.5);
            buf
        };
        let (a, b, mut c) = (filled(m * k, 1013), filled(k * n, 1019), AlignedBuf::zeroed(m * n));
        let flop = 2.0 * (m * n * k) as f64;
        let bytes = 4.0 * (m * k + k * n + m * n) as f64;
        let mut best = vec![f64::INFINITY; isas.len()];
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(700) {
            for (&isa, best) in isas.iter().zip(&mut best) {
                isa::with(isa, || {
                    for _ in 0..(1e7 / flop).ceil() as usize {
                        let start = Instant::now();
                        let product = if isa.has_bf16() { gemm_bf16 } else { gemm };
                        product(layout, m, n, k, &a, &b, &mut c, Init::Zero);
                        *best = best.min(start.elapsed().as_secs_f64());
                    }
                });
            }
        }
        print!("{name:20} {shape:24}");
        best.iter().for_each(|s| print!("{:>9.1} {:>8.1}", flop / s / 1e9, bytes / s / 1e9));
        println!();
    }
}
