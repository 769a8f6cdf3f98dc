//! `motamot bench`: how fast this machine trains, decodes, tokenizes and multiplies.

mod args;
mod clock;
mod decode;
mod kernels;
mod memory;
mod tokenizer;
mod train;

pub use args::BenchArgs;

use super::{machine, output::print};
use args::Part;
use motamot::utils::Result;
use motamot_kernels::{isa, parallel};
use serde_json::json;

/// Runs `motamot bench`.
pub fn run(args: &BenchArgs) -> Result<()> {
    machine::set_threads(args.threads)?;
    let config = args.run_config()?;
    machine::warn_of_precision(config.train.precision);
    let mut report = json!({
        "preset": args.preset, "isa": isa::isa().to_string(), "threads": parallel::threads(),
        "batch": config.train.batch, "context": config.model.context,
    });
    if !args.json {
        print(format_args!("{}, {}, {}\n", args.preset, machine::threads(), isa::isa()))?;
    }
    if args.wants(Part::Train) || args.wants(Part::Decode) {
        machine::check_memory(&config)?;
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
