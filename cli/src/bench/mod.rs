//! `motamot bench`: how fast this machine trains, decodes, tokenizes and multiplies.

mod decode;
mod kernels;
mod memory;
mod tokenizer;
mod train;

use super::output::print;
use clap::{Args, ValueEnum};
use motamot::training::{Precision, RunConfig};
use motamot::utils::Result;
use motamot_kernels::{isa, parallel};
use serde_json::json;
use std::time::Instant;

/// Measure training, decoding, the tokenizer and the kernels on this machine
///
/// Each part prints a few lines, or goes into one JSON object. The model is random and so are its tokens: neither matters
/// to the speed. The tokenizer is measured on the embedded Shakespeare.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// What to measure; several may be named [default: all]
    #[arg(value_enum, value_name = "PART")]
    parts: Vec<Part>,
    /// The model that is trained and decoded with
    #[arg(long, default_value = "mini")]
    preset: String,
    /// Sequences per training step
    #[arg(long, value_name = "N", default_value_t = 32)]
    batch: usize,
    /// Training steps to time; the median counts
    #[arg(long, value_name = "N", default_value_t = 5)]
    steps: usize,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// How training computes matrix products
    #[arg(long, value_parser = crate::precision(), default_value = "f32")]
    precision: Precision,
    /// One setting of the model, for example --set context=1024 or --set layers=12; may be repeated
    #[arg(long, value_name = "KEY=VALUE", num_args = 1)]
    set: Vec<String>,
    /// Print where the time of a training step goes, op by op
    #[arg(long)]
    profile: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Tokens per second and peak memory of training steps
    Train,
    /// Tokens per second of one sequence, with weights in f32, bf16 and int8
    Decode,
    /// Training of a vocabulary of 5,000, encoding and decoding
    Tokenizer,
    /// Matrix products and attention of the model, multiply-adds between registers, memory bandwidth
    Kernels,
    /// All of these
    All,
}

impl BenchArgs {
    fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part) || self.parts.contains(&Part::All)
    }

    /// The preset without dropout, then `--batch`, then `--set`: what comes later wins.
    fn run_config(&self) -> Result<RunConfig> {
        let mut config = RunConfig::preset(&self.preset)?;
        config.model.dropout = 0.0;
        config.train.batch = self.batch;
        config.train.precision = self.precision;
        for assignment in &self.set {
            config.set(assignment)?;
        }
        config.check()?;
        Ok(config)
    }
}

/// Runs `motamot bench`.
pub fn run(args: &BenchArgs) -> Result<()> {
    super::set_threads(args.threads)?;
    let config = args.run_config()?;
    super::warn_of_precision(config.train.precision);
    let mut report = json!({
        "preset": args.preset, "isa": isa::isa().to_string(), "threads": parallel::threads(),
        "batch": config.train.batch, "context": config.model.context,
    });
    if !args.json {
        print(format_args!("{}, {}, {}\n", args.preset, super::threads(), isa::isa()))?;
    }
    if args.wants(Part::Train) || args.wants(Part::Decode) {
        super::check_memory(&config)?;
        let mut trainer = config.trainer()?;
        // Training comes first, so that the peak of memory is its own.
        if args.wants(Part::Train) {
            train::run(&mut trainer, &config, args, &mut report)?;
        }
        if args.wants(Part::Decode) {
            decode::run(&mut trainer.model, args, &mut report)?;
        }
    }
    if args.wants(Part::Tokenizer) {
        tokenizer::run(args, &mut report)?;
    }
    if args.wants(Part::Kernels) {
        kernels::run(&config, args, &mut report)?;
    }
    if args.json {
        print(format_args!("{report}\n"))?;
    }
    Ok(())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

fn time<T>(f: impl FnOnce() -> Result<T>) -> Result<f64> {
    let clock = Instant::now();
    f()?;
    Ok(clock.elapsed().as_secs_f64())
}

/// The shortest time of a call, of at least three and some tenths of a second of them.
fn best(mut f: impl FnMut()) -> f64 {
    const BUDGET: f64 = 0.25;
    let (clock, mut best, mut runs) = (Instant::now(), f64::INFINITY, 0);
    while runs < 3 || clock.elapsed().as_secs_f64() < BUDGET {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64());
        runs += 1;
    }
    best
}
