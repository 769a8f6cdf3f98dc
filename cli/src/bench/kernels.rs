//! The kernels at the sizes that the model gives them, and the two limits of the machine: multiply-adds and memory.

use super::args::BenchArgs;
use super::clock::best;
use crate::output::print;
use motamot::training::{RunConfig, available};
use motamot::utils::Result;
use motamot_kernels::attention::{self, AttentionGrads, Backward, Forward, Mask, Options, Shape, View, ViewMut};
use motamot_kernels::bf16::{Element, Precision};
use motamot_kernels::gemm::{Init, Layout, bf16::gemm_bf16, gemm};
use motamot_kernels::{parallel, peak};
use serde_json::{Value, json};
use std::hint::black_box;

pub(super) fn run(config: &RunConfig, args: &BenchArgs, report: &mut Value) -> Result<()> {
    let mut flop = 0.0;
    let seconds = best(|| flop = peak::multiply_adds());
    let limit = flop / seconds / 1e9;
    let (read, copy) = bandwidth();
    let precision = available(config.train.precision);
    let products: Vec<Product> = products(config).into_iter().map(|p| p.measured(precision)).collect();
    let attention = measure_attention(config);
    let fastest = products.iter().map(|p| p.gflops).fold(0.0, f64::max);
    if !args.json {
        print(format_args!("fma     {limit:>9.0} GFLOP/s    (between registers, f32)\n"))?;
        print(format_args!("memory  {read:>9.1} GB/s       (reading; copying {copy:.1}, both ways counted)\n"))?;
        for p in &products {
            print(format_args!(
                "gemm    {:>9.0} GFLOP/s    ({}: {:?} {}×{}×{}, {:.0} % of the f32 limit)\n",
                p.gflops,
                p.name,
                p.layout,
                p.m,
                p.n,
                p.k,
                100.0 * p.gflops / limit
            ))?;
        }
        for (name, ms, gflops) in attention {
            print(format_args!("attend  {gflops:>9.0} GFLOP/s    ({name}, {ms:.2} ms a layer)\n"))?;
        }
        return Ok(());
    }
    report["gemm_gflops"] = json!(fastest);
    report["kernels"] = json!({
        "fma_peak_gflops": limit, "read_gb_per_s": read, "copy_gb_per_s": copy,
        "gemm": products.iter().map(|p| json!({
            "name": p.name, "layout": format!("{:?}", p.layout), "m": p.m, "n": p.n, "k": p.k, "gflops": p.gflops,
        })).collect::<Vec<_>>(),
        "attention": attention.map(|(name, ms, gflops)| json!({ "name": name, "ms": ms, "gflops": gflops })),
    });
    Ok(())
}

/// One of the model's matrix products.
struct Product {
    name: &'static str,
    layout: Layout,
    m: usize,
    n: usize,
    k: usize,
    gflops: f64,
}

/// Forward, gradient of the input and gradient of the weights.
fn products(config: &RunConfig) -> [Product; 5] {
    let model = &config.model;
    let (m, c, f, v) = (config.train.batch * model.context, model.width, model.mlp_width(), model.vocab_size);
    // The head is computed some hundred rows at a time.
    let rows = m.min(1024);
    [
        ("attention in", Layout::NN, m, (model.heads + 2 * model.kv_heads()) * model.head_dim(), c),
        ("MLP up", Layout::NN, m, f, c),
        ("MLP up, dx", Layout::NT, m, c, f),
        ("MLP up, dw", Layout::TN, c, f, m),
        ("head", Layout::NT, rows, v, c),
    ]
    .map(|(name, layout, m, n, k)| Product { name, layout, m, n, k, gflops: 0.0 })
}

impl Product {
    fn measured(self, precision: Precision) -> Product {
        let Product { layout, m, n, k, .. } = self;
        let (a, b, mut c) = (noise(m * k), noise(k * n), vec![0.0; m * n]);
        let seconds = best(|| match precision {
            Precision::F32 => gemm(layout, m, n, k, &a, &b, &mut c, Init::Zero),
            Precision::Bf16 => gemm_bf16(layout, m, n, k, &a[..], &b[..], &mut c, Init::Zero),
        });
        Product { gflops: 2.0 * (m * n * k) as f64 / seconds / 1e9, ..self }
    }
}

/// Name, milliseconds and GFLOP/s of one layer's causal attention, forward and backward.
///
/// The FLOP are those of 2 products forward and 5 backward, over the keys that are seen.
fn measure_attention(config: &RunConfig) -> [(&'static str, f64, f64); 2] {
    match available(config.train.precision) {
        Precision::F32 => time_attention(config, attention::attention, attention::attention_backward),
        Precision::Bf16 => time_attention(config, attention::attention_bf16, attention::attention_backward_bf16),
    }
}

fn time_attention<T: Element>(
    config: &RunConfig,
    forward: Forward<T>,
    backward: Backward<T>,
) -> [(&'static str, f64, f64); 2] {
    let model = &config.model;
    let noise = |n: usize| noise(n).into_iter().map(T::of).collect::<Vec<T>>();
    let (batch, time, d) = (config.train.batch, model.context, model.head_dim());
    let (c, kv) = (model.heads * d, model.kv_heads() * d);
    let shape = Shape { batch, heads: model.heads, kv_heads: model.kv_heads(), head_dim: d, queries: time, keys: time };
    let options = Options { scale: 1.0 / (d as f32).sqrt(), mask: Mask::Causal, alibi: None, dropout: None };
    let row = c + 2 * kv;
    let (qkv, d_out) = (noise(batch * time * row), noise(batch * time * c));
    let view = |offset| View { data: &qkv, offset, row_stride: row, batch_stride: time * row };
    let (q, k, v) = (view(0), view(c), view(c + kv));
    let (mut out, mut lse) = (vec![T::default(); batch * time * c], vec![0.0; batch * model.heads * time]);
    let forward = best(|| forward(shape, options, q, k, v, ViewMut::dense(&mut out, time, c), &mut lse));
    let mut dqkv = vec![T::default(); qkv.len()];
    let backward = best(|| {
        let grads = AttentionGrads::Packed {
            data: &mut dqkv,
            dq: 0,
            dk: c,
            dv: c + kv,
            row_stride: row,
            batch_stride: time * row,
            accumulate: false,
        };
        let (out, d_out) = (View::dense(&out, time, c), View::dense(&d_out, time, c));
        backward(shape, options, q, k, v, out, &lse, d_out, grads);
    });
    let product = (2 * d * batch * model.heads * time * (time + 1) / 2) as f64 / 1e9;
    [("attention", forward, 2.0), ("attention, backward", backward, 5.0)]
        .map(|(name, seconds, products)| (name, seconds * 1e3, products * product / seconds))
}

/// GB/s of reading a buffer that no cache holds, and of copying one (bytes read and bytes written).
fn bandwidth() -> (f64, f64) {
    const WORDS: usize = 32 << 20;
    const CHUNK: usize = 1 << 18;
    let from = vec![1u64; WORDS];
    let mut to = vec![0u64; WORDS];
    let bytes = (8 * WORDS) as f64;
    let read = best(|| {
        parallel::for_each_chunk(WORDS / CHUNK, |i| {
            black_box(from[i * CHUNK..][..CHUNK].iter().fold(0u64, |sum, x| sum.wrapping_add(*x)));
        });
    });
    let copy =
        best(|| parallel::chunks_mut(&mut to, CHUNK, |i, to| to.copy_from_slice(&from[i * CHUNK..][..to.len()])));
    (bytes / read / 1e9, 2.0 * bytes / copy / 1e9)
}

/// Numbers from −½ to ½.
fn noise(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i % 1013) as f32 / 1013.0 - 0.5).collect()
}
