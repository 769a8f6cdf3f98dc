//! `motamot bench`: how fast this machine trains and decodes.

use super::load::Weights;
use super::output::print;
use crate::data::TokenDataset;
use crate::generation::{Request, SamplingOptions, generate};
use crate::model::Gpt;
use crate::training::{Precision, RunConfig, Trainer};
use crate::utils::Result;
use clap::{Args, ValueEnum};
use motamot_kernels::{gemm, isa, parallel, rng::Rng};
use motamot_tensor::profile::{self, Row};
use serde_json::json;
use std::ops::ControlFlow;
use std::time::Instant;

/// Measure training, decoding and matrix products on this machine
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// The model that is trained and decoded with
    #[arg(long, default_value = "mini")]
    preset: String,
    /// Sequences per training step
    #[arg(long, value_name = "N", default_value_t = 32)]
    batch: usize,
    /// Training steps to time; the median counts
    #[arg(long, value_name = "N", default_value_t = 5)]
    steps: usize,
    /// How products of the training step are computed
    #[arg(long, value_enum, default_value = "f32")]
    precision: Precision,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print where the time of a training step goes, op by op
    #[arg(long)]
    profile: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

fn time(mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    let clock = Instant::now();
    f()?;
    Ok(clock.elapsed().as_secs_f64())
}

/// Tokens per second of one sequence that fills the context, sampling included: the median of three.
fn decoding(gpt: &Gpt) -> Result<f64> {
    let sampling = SamplingOptions { seed: 1, ..SamplingOptions::default() };
    let request = Request { max_tokens: gpt.config().context - 1, ..Request::new(gpt, &[0], &sampling) };
    let once = |_| Ok(generate(gpt, &request, |_, _| Ok(ControlFlow::Continue(())))?.stats.tokens_per_second());
    Ok(median((0..3).map(once).collect::<Result<_>>()?))
}

/// Forward and backward of a part, per step.
fn milliseconds(row: &Row, steps: usize) -> [f64; 2] {
    [row.forward, row.backward].map(|time| time.as_secs_f64() * 1e3 / steps.max(1) as f64)
}

/// A table of the parts of a step, the longest first.
fn print_profile(mut parts: Vec<Row>, steps: usize) -> Result<()> {
    let Some(total) = parts.iter().map(|row| row.forward + row.backward).reduce(|a, b| a + b) else { return Ok(()) };
    parts.sort_by_key(|row| std::cmp::Reverse(row.forward + row.backward));
    print(format_args!(
        "\n{:<22}{:>8}{:>14}{:>15}{:>9}\n",
        "part of a step", "calls", "forward, ms", "backward, ms", "share"
    ))?;
    for row in &parts {
        let [forward, backward] = milliseconds(row, steps);
        let share = 100.0 * (row.forward + row.backward).as_secs_f64() / total.as_secs_f64();
        let calls = row.calls / steps.max(1);
        print(format_args!("{:<22}{calls:>8}{forward:>14.2}{backward:>15.2}{share:>8.1} %\n", row.name))?;
    }
    print(format_args!("{:<22}{:>46.2} ms\n", "a step", total.as_secs_f64() * 1e3 / steps.max(1) as f64))
}

/// Runs `motamot bench`.
pub fn run(args: &BenchArgs) -> Result<()> {
    super::set_threads(args.threads)?;
    let mut config = RunConfig::preset(&args.preset)?;
    config.model.dropout = 0.0;
    config.train.batch = args.batch;
    config.train.precision = args.precision;
    super::warn_of_precision(args.precision);
    config.check()?;
    super::check_memory(&config)?;
    let (v, context) = (config.model.vocab_size, config.model.context);
    let mut rng = Rng::new(1);
    let text = TokenDataset::new((0..8 * context + 1).map(|_| rng.below(v) as u32).collect());

    let mut trainer = Trainer::new(&config)?;
    // The first steps fetch memory.
    for _ in 0..2 {
        trainer.step(&text)?;
    }
    if args.profile {
        profile::start();
    }
    let steps: Result<Vec<f64>> = (0..args.steps.max(1)).map(|_| time(|| trainer.step(&text).map(|_| ()))).collect();
    let train = config.tokens_per_step() as f64 / median(steps?);
    let parts = profile::stop();

    let mut decode = [0.0; 3];
    for (weights, speed) in Weights::value_variants().iter().zip(&mut decode) {
        trainer.gpt.quantise(weights.format());
        *speed = decoding(&trainer.gpt)?;
    }

    let (m, c, f) = (config.train.batch * context, config.model.width, config.model.mlp_width());
    let [a, b] = [m * c, c * f].map(|n| vec![0.5f32; n]);
    let mut y = vec![0.0; m * f];
    let product = |y: &mut [f32]| gemm::gemm(gemm::Layout::NN, m, f, c, &a, &b, y, gemm::Init::Zero);
    product(&mut y);
    let seconds: Result<Vec<f64>> = (0..9)
        .map(|_| {
            time(|| {
                product(&mut y);
                Ok(())
            })
        })
        .collect();
    let gflops = 2.0 * (m * f * c) as f64 / median(seconds?) / 1e9;

    if args.json {
        let mut report = json!({
            "preset": args.preset, "isa": isa::isa().to_string(), "threads": parallel::threads(), "batch": args.batch,
            "context": context, "train_tokens_per_s": train, "decode_tokens_per_s": decode[0],
            "decode_bf16_tokens_per_s": decode[1], "decode_int8_tokens_per_s": decode[2], "gemm_gflops": gflops,
        });
        if args.profile {
            let part = |row: &Row| {
                let [forward, backward] = milliseconds(row, args.steps);
                json!({ "name": row.name, "forward_ms": forward, "backward_ms": backward })
            };
            report["profile"] = parts.iter().map(part).collect();
        }
        print(format_args!("{report}\n"))?;
    } else {
        print(format_args!("{}, {}, {}\n", args.preset, super::threads(), isa::isa()))?;
        print(format_args!(
            "train   {train:>9.0} tokens/s   (batch {} × {context}, f32, median of {} steps)\n",
            args.batch,
            args.steps.max(1)
        ))?;
        for (weights, speed) in ["f32 weights", "bf16 weights", "int8 weights"].iter().zip(decode) {
            print(format_args!(
                "decode  {speed:>9.0} tokens/s   ({weights}, one sequence, {} tokens, sampling included)\n",
                context - 1
            ))?;
        }
        print(format_args!("gemm    {gflops:>9.0} GFLOP/s    ({m}×{c} · {c}×{f})\n"))?;
        print_profile(parts, args.steps)?;
    }
    Ok(())
}
