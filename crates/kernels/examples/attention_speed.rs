//! How fast attention is: forward, backward and decoding, against the readable version and the GEMM.
//!
//! Run: `cargo run --release -p motamot-kernels --example attention_speed`; `MOTAMOT_ISA` and `MOTAMOT_THREADS` apply.
//! Times are the minimum of several rounds, in which the contestants take turns. GFLOP/s count 2 per multiply-add that
//! the mask leaves: 2 products forward, 5 backward, over the keys that are seen.

use motamot_kernels::attention::{AttentionGrads, Backward, Forward, Mask, Options, Shape, View, ViewMut, simple};
use motamot_kernels::attention::{attention, attention_backward, attention_backward_bf16, attention_bf16};
use motamot_kernels::bf16::{self, Element};
use motamot_kernels::buffer::AlignedBuf;
use motamot_kernels::gemm::{Init, Layout, gemm};
use motamot_kernels::{isa, parallel};
use std::cell::RefCell;
use std::time::Instant;

/// The more, the better on a busy machine.
const ROUNDS: usize = 15;

fn seconds(f: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64()
}

/// The minimum of each over interleaved rounds.
fn race(rounds: usize, contestants: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; contestants.len()];
    for _ in 0..rounds {
        for (best, f) in best.iter_mut().zip(contestants.iter_mut()) {
            *best = best.min(seconds(f));
        }
    }
    best
}

/// In huge pages, as tensors are: rows of a head are so far apart that each would need a page of its own.
fn noise(n: usize) -> AlignedBuf {
    let mut x = 1u64;
    let mut next = || {
        x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (x >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let mut x = AlignedBuf::zeroed(n);
    x.fill_with(|| next() * 2.0);
    x
}

/// One layer's attention, with numbers of a type.
struct Layer<'a, T> {
    shape: Shape,
    options: Options<'a>,
    qkv: AlignedBuf,
    out: AlignedBuf,
    d_out: AlignedBuf,
    d_qkv: AlignedBuf,
    lse: Vec<f32>,
    forward: Forward<T>,
    backward: Backward<T>,
    numbers: fn(&[f32]) -> &[T],
    numbers_mut: fn(&mut [f32]) -> &mut [T],
}

impl<T: Element> Layer<'_, T> {
    fn row(&self) -> usize {
        (self.shape.heads + 2 * self.shape.kv_heads) * self.shape.head_dim
    }

    fn width(&self) -> usize {
        self.shape.heads * self.shape.head_dim
    }

    fn parts<'b>(&self, data: &'b [T]) -> [View<'b, T>; 3] {
        let (row, time) = (self.row(), self.shape.queries);
        let kv = self.shape.kv_heads * self.shape.head_dim;
        [0, self.width(), self.width() + kv].map(|offset| View {
            data,
            offset,
            row_stride: row,
            batch_stride: time * row,
        })
    }

    fn forward(&mut self) {
        let (time, width) = (self.shape.queries, self.width());
        let [q, k, v] = self.parts((self.numbers)(&self.qkv));
        let out = ViewMut::dense((self.numbers_mut)(&mut self.out), time, width);
        (self.forward)(self.shape, self.options, q, k, v, out, &mut self.lse);
    }

    fn backward(&mut self) {
        let (time, width, row) = (self.shape.queries, self.width(), self.row());
        let kv = self.shape.kv_heads * self.shape.head_dim;
        let [q, k, v] = self.parts((self.numbers)(&self.qkv));
        let grads = AttentionGrads::Packed {
            data: (self.numbers_mut)(&mut self.d_qkv),
            dq: 0,
            dk: width,
            dv: width + kv,
            row_stride: row,
            batch_stride: time * row,
            accumulate: false,
        };
        let [out, d_out] = [&self.out, &self.d_out].map(|x| View::dense((self.numbers)(x), time, width));
        (self.backward)(self.shape, self.options, q, k, v, out, &self.lse, d_out, grads);
    }
}

/// `judge`: the readable version runs, too, once (it takes seconds).
fn training(name: &str, [batch, heads, kv_heads, time, head_dim]: [usize; 5], dropout: bool, judge: bool) {
    let shape = Shape { batch, heads, kv_heads, head_dim, queries: time, keys: time };
    let (c, row) = (heads * head_dim, (heads + 2 * kv_heads) * head_dim);
    let dropout = dropout.then_some((0.2, (1, 2)));
    let options = Options { scale: 1.0 / (head_dim as f32).sqrt(), mask: Mask::Causal, alibi: None, dropout };
    let (qkv, d_out) = (noise(batch * time * row), noise(batch * time * c));
    let zeros = |n: usize| AlignedBuf::zeroed(n);
    let half = |x: &[f32]| {
        let mut y = zeros(x.len() / 2);
        bf16::copy(x, bf16::halves_mut(&mut y));
        y
    };
    let mut pairs = Layer {
        shape,
        options,
        qkv: half(&qkv),
        out: zeros(batch * time * c / 2),
        d_out: half(&d_out),
        d_qkv: zeros(batch * time * row / 2),
        lse: vec![0.0; batch * heads * time],
        forward: attention_bf16,
        backward: attention_backward_bf16,
        numbers: bf16::halves,
        numbers_mut: bf16::halves_mut,
    };
    let mut f32s = Layer {
        shape,
        options,
        qkv,
        out: zeros(batch * time * c),
        d_out,
        d_qkv: zeros(batch * time * row),
        lse: vec![0.0; batch * heads * time],
        forward: attention,
        backward: attention_backward,
        numbers: |x| x,
        numbers_mut: |x| x,
    };
    f32s.forward();
    pairs.forward();
    // A GEMM of the size of the layer's own (B·T rows), to compare the speed with.
    let (m, n, depth) = (batch * time, c, c);
    let (a, b) = (noise(m * depth), noise(depth * n));
    let mut product = vec![0.0; m * n];
    let (f32s, pairs) = (RefCell::new(f32s), RefCell::new(pairs));
    let best = race(
        ROUNDS,
        &mut [
            &mut || f32s.borrow_mut().forward(),
            &mut || f32s.borrow_mut().backward(),
            &mut || gemm(Layout::NN, m, n, depth, &a, &b, &mut product, Init::Zero),
            &mut || pairs.borrow_mut().forward(),
            &mut || pairs.borrow_mut().backward(),
        ],
    );
    let seen = (batch * heads * time * (time + 1) / 2) as f64;
    let gflop = |products: f64| products * 2.0 * seen * head_dim as f64 / 1e9;
    let speed = 2.0 * (m * n * depth) as f64 / 1e9 / best[2];
    println!("{name}: B {batch}, H {heads} ({kv_heads}), T {time}, D {head_dim}, causal, dropout {dropout:?}");
    println!("  gemm ({m}, {depth})·({depth}, {n}) in f32: {speed:.1} GFLOP/s");
    for (what, forward, backward) in [("f32", best[0], best[1]), ("bf16", best[3], best[4])] {
        if what == "bf16" && !isa::isa().has_bf16() {
            println!("  bf16      no instructions for it here");
            continue;
        }
        println!(
            "  {what:<5} forward {:7.2} ms {:6.1} GFLOP/s   backward {:7.2} ms {:6.1} GFLOP/s   together {:7.2} ms",
            forward * 1e3,
            gflop(2.0) / forward,
            backward * 1e3,
            gflop(5.0) / backward,
            (forward + backward) * 1e3
        );
    }
    if judge {
        let (q, kv) = (noise(batch * time * c), noise(batch * time * kv_heads * head_dim));
        let (mut out, mut lse) = (Vec::new(), Vec::new());
        let f = seconds(&mut || (out, lse) = simple::attention(shape, options, &q, &kv, &kv));
        let b = seconds(&mut || {
            simple::attention_backward(shape, options, &q, &kv, &kv, &out, &lse, &out);
        });
        println!("  readable {:6.0} ms forward, {:.0} ms backward", f * 1e3, b * 1e3);
    }
}

fn decoding(heads: usize, kv_heads: usize, keys: usize, head_dim: usize) {
    let shape = Shape { batch: 1, heads, kv_heads, head_dim, queries: 1, keys };
    let (c, row) = (heads * head_dim, kv_heads * head_dim);
    let (q, k, v) = (noise(c), noise(keys * row), noise(keys * row));
    let opts = Options { scale: 0.2, mask: Mask::Causal, alibi: None, dropout: None };
    let (mut out, mut lse) = (vec![0.0; c], vec![0.0; heads]);
    let (qv, kv, vv) = (View::dense(&q, 1, c), View::dense(&k, keys, row), View::dense(&v, keys, row));
    let best = race(
        50,
        &mut [&mut || attention(shape, opts, qv, kv, vv, ViewMut::dense(&mut out, 1, c), &mut lse), &mut || {
            simple::attention(shape, opts, &q, &k, &v);
        }],
    );
    let bytes = (2 * keys * row * 4) as f64;
    println!(
        "decode: H {heads} ({kv_heads}), {keys} keys, D {head_dim}: {:.1} µs ({:.1} GB/s of cache), readable {:.1} µs",
        best[0] * 1e6,
        bytes / 1e9 / best[0],
        best[1] * 1e6
    );
}

fn main() {
    println!("{} threads, {}", parallel::threads(), isa::isa());
    training("mini", [32, 8, 8, 256, 32], false, true);
    training("char", [64, 6, 6, 256, 64], false, false);
    training("char", [64, 6, 6, 256, 64], true, false);
    training("grouped", [4, 12, 4, 1024, 64], false, false);
    decoding(8, 8, 256, 32);
    decoding(6, 6, 256, 64);
    decoding(12, 12, 1024, 64);
    decoding(12, 4, 1024, 64);
}
