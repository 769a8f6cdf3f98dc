//! The options of `motamot bench`.

use crate::machine;
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use motamot::training::{Precision, RunConfig};
use motamot::utils::{Error, Result};

/// Measure training, decoding, the tokenizer and the kernels on this machine
///
/// Each part prints a few lines, or goes into one JSON object. The model is random and so are its tokens: neither matters
/// to the speed. The tokenizer is measured on the embedded Shakespeare.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// What to measure; several may be named [default: all]
    #[arg(value_enum, value_name = "PART")]
    pub parts: Vec<Part>,
    /// The model that is trained and decoded with
    #[arg(long, default_value = "mini")]
    pub preset: String,
    /// Sequences per training step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one())]
    pub batch: usize,
    /// Training steps to time; the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one())]
    pub steps: usize,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// How training computes matrix products
    #[arg(long, value_parser = machine::precision(), default_value = "f32")]
    pub precision: Precision,
    /// One setting of the model, for example --set context=1024 or --set layers=12; may be repeated
    #[arg(long, value_name = "KEY=VALUE", num_args = 1)]
    pub set: Vec<String>,
    /// Print where the time of a training step goes, op by op
    #[arg(long)]
    pub profile: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
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
    pub fn wants(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part) || self.parts.contains(&Part::All)
    }

    /// The preset without dropout, then `--batch`, then `--set`: what comes later wins.
    pub fn run_config(&self) -> Result<RunConfig> {
        let mut config = RunConfig::preset(&self.preset)?;
        config.model.dropout = 0.0;
        config.train.batch = self.batch;
        config.train.precision = self.precision;
        let recipe = config.train.clone();
        for assignment in &self.set {
            config.set(assignment)?;
            if config.train != recipe {
                return Err(Error::usage(format!("--set {assignment}: has no effect on a speed"))
                    .help("set the model; --batch, --steps and --precision are options of their own"));
            }
        }
        config.check()?;
        Ok(config)
    }
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=1 << 20)
}
