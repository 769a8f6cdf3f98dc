//! Training steps: tokens per second, FLOP/s, peak memory, and where the time goes.

use super::args::BenchArgs;
use super::clock::{median, time};
use super::memory;
use crate::info::Cost;
use crate::output::print;
use motamot::data::TokenDataset;
use motamot::model::Gpt;
use motamot::training::{RunConfig, Trainer, available};
use motamot::utils::Result;
use motamot::utils::by_name::Named;
use motamot_kernels::rng::Rng;
use motamot_tensor::profile::{self, Row};
use serde_json::{Value, json};

/// Random tokens to train on.
fn tokens(config: &RunConfig) -> TokenDataset {
    let mut rng = Rng::new(1);
    let ids = 0..8 * config.model.context + 1;
    TokenDataset::new(ids.map(|_| rng.below(config.model.vocab_size) as u32).collect())
}

pub(super) fn run(trainer: &mut Trainer<Gpt>, config: &RunConfig, args: &BenchArgs, report: &mut Value) -> Result<()> {
    let (text, steps) = (tokens(config), args.steps.max(1));
    let objective = config.objective(&text);
    // The first steps fetch memory.
    for _ in 0..2 {
        trainer.step(&objective)?;
    }
    if args.profile {
        profile::start();
    }
    let seconds: Result<Vec<f64>> = (0..steps).map(|_| time(|| trainer.step(&objective))).collect();
    let parts = profile::stop();
    let speed = config.tokens_per_step() as f64 / median(seconds?);
    let peak = memory::peak_mb();

    let precision = available(config.train.precision);
    let cost = Cost::of(&config.model, &config.model.parts(), config.train.batch, precision);
    let flop = 3 * cost.flop;
    let gflops = speed * flop as f64 / 1e9;
    let precision = precision.name();
    if !args.json {
        print(format_args!(
            "train   {speed:>9.0} tokens/s   (batch {} × {}, {precision}, median of {steps} steps; {gflops:.0} GFLOP/s{})\n",
            config.train.batch,
            config.model.context,
            peak.map_or(String::new(), |mb| format!(", peak memory {mb:.0} MB"))
        ))?;
        return print_profile(parts, steps);
    }
    report["precision"] = json!(precision);
    report["train_tokens_per_s"] = json!(speed);
    report["train_gflops"] = json!(gflops);
    report["train_peak_mb"] = json!(peak);
    report["train_flop_per_token"] = json!(flop);
    report["train_bytes_per_step"] = json!(bytes_per_step(&cost, config.train.accumulate));
    if args.profile {
        let part = |row: &Row| {
            let [forward, backward] = milliseconds(row, steps);
            json!({ "name": row.name, "calls": row.calls / steps, "forward_ms": forward, "backward_ms": backward })
        };
        report["profile"] = parts.iter().map(part).collect();
    }
    Ok(())
}

/// The least that a step moves to and from memory, if nothing stays in a cache: each activation is written once and read
/// once; forward and backward read the weights; AdamW reads weights, gradients and two moments and writes three of them.
fn bytes_per_step(cost: &Cost, accumulate: usize) -> usize {
    accumulate * (2 * cost.activations + 3 * cost.weights) + 7 * cost.weights
}

/// Forward and backward of a part, per step.
fn milliseconds(row: &Row, steps: usize) -> [f64; 2] {
    [row.forward, row.backward].map(|time| time.as_secs_f64() * 1e3 / steps as f64)
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
        let calls = row.calls / steps;
        print(format_args!("{:<22}{calls:>8}{forward:>14.2}{backward:>15.2}{share:>8.1} %\n", row.name))?;
    }
    print(format_args!("{:<22}{:>46.2} ms\n\n", "a step", total.as_secs_f64() * 1e3 / steps as f64))
}
