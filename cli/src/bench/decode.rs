//! Decoding at batch 1: tokens per second of one sequence that fills the context, sampling included.

use super::args::BenchArgs;
use super::clock::median;
use crate::info::Cost;
use crate::output::print;
use motamot::generation::{Request, SamplingOptions, generate};
use motamot::model::Gpt;
use motamot::utils::Result;
use motamot_kernels::{bf16::Precision, panels::Format};
use serde_json::{Value, json};
use std::ops::ControlFlow;

pub(super) fn run(gpt: &mut Gpt, args: &BenchArgs, report: &mut Value) -> Result<()> {
    for (format, name, key) in [
        (Format::F32, "f32", "decode_tokens_per_s"),
        (Format::Bf16, "bf16", "decode_bf16_tokens_per_s"),
        (Format::Int8, "int8", "decode_int8_tokens_per_s"),
    ] {
        gpt.quantise(Some(format));
        let speed = tokens_per_second(gpt)?;
        if !args.json {
            print(format_args!(
                "decode  {speed:>9.0} tokens/s   ({name} weights, one sequence, {} tokens, sampling included)\n",
                gpt.config().context - 1
            ))?;
        }
        report[key] = json!(speed);
    }
    let cost = Cost::of(gpt.config(), &gpt.config().parts(), 1, Precision::F32);
    report["decode_flop_per_token"] = json!(cost.flop);
    // All f32 weights, and on average half of the cache.
    report["decode_bytes_per_token"] = json!(cost.weights + cost.cache / 2);
    Ok(())
}

/// The median of three.
fn tokens_per_second(gpt: &Gpt) -> Result<f64> {
    let sampling = SamplingOptions { seed: 1, ..SamplingOptions::default() };
    let request = Request { max_tokens: gpt.config().context - 1, ..Request::new(gpt, &[0], &sampling) };
    let once = |_| Ok(generate(gpt, &request, |_, _| Ok(ControlFlow::Continue(())))?.stats.tokens_per_second());
    Ok(median((0..3).map(once).collect::<Result<_>>()?))
}
