//! How fast a model decodes: tokens per second and µs per step, for each format of the weights and 1, 4 and 8 samples.
//!
//! ```text
//! cargo run --release --example decode_speed [preset] [rounds]
//! ```
//!
//! A sequence fills the context. Each number is the fastest of some rounds (3 unless said otherwise), the formats in
//! turns: "model" decodes and draws nothing, "sampled" is `generate` with temperature 1, "top-k, top-p" with 40 and 0.95.

use motamot::generation::{CausalModel, Request, SamplingOptions, generate};
use motamot::model::{Gpt, preset as shape_of};
use motamot::utils::Result;
use motamot_kernels::{isa, panels::Format, parallel, rng::Rng};
use std::ops::ControlFlow;
use std::time::Instant;

const ROWS: [usize; 3] = [1, 4, 8];

/// Seconds for a sequence that fills the context.
fn decode(gpt: &Gpt, rows: usize) -> f64 {
    let (mut cache, mut logits) = (gpt.new_cache(rows), Vec::new());
    gpt.step(&vec![0; rows], &mut cache);
    let clock = Instant::now();
    for i in 1..gpt.config().context {
        CausalModel::step(gpt, &vec![i as u32; rows], &mut cache, &mut logits);
    }
    clock.elapsed().as_secs_f64()
}

fn sample(gpt: &Gpt, num: usize, sampling: &SamplingOptions) -> Result<f64> {
    let request = Request { num, max_tokens: gpt.config().context - 1, ..Request::new(gpt, &[0], sampling) };
    let clock = Instant::now();
    generate(gpt, &request, |_, _| Ok(ControlFlow::Continue(())))?;
    Ok(clock.elapsed().as_secs_f64())
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let preset = args.next().unwrap_or("mini".into());
    let rounds: usize = args.next().and_then(|n| n.parse().ok()).unwrap_or(3);
    let mut gpt = Gpt::new(&shape_of(&preset)?, &mut Rng::new(1))?;
    println!("{preset}, {}, {} threads", isa::isa(), parallel::threads());
    let plain = SamplingOptions { seed: 1, ..SamplingOptions::default() };
    let filtered = SamplingOptions { top_k: 40, top_p: 0.95, ..plain.clone() };
    let formats = [Format::F32, Format::Bf16, Format::Int8];
    let mut best = [[[f64::INFINITY; 3]; ROWS.len()]; 3];
    for _ in 0..rounds {
        for (format, best) in formats.iter().zip(&mut best) {
            gpt.quantise(Some(*format));
            for (&rows, best) in ROWS.iter().zip(best) {
                let times = [decode(&gpt, rows), sample(&gpt, rows, &plain)?, sample(&gpt, rows, &filtered)?];
                best.iter_mut().zip(times).for_each(|(best, time)| *best = best.min(time));
            }
        }
    }
    println!("weights samples      model, µs a step    sampled, tokens/s    top-k, top-p, tokens/s");
    let steps = (gpt.config().context - 1) as f64;
    for (format, best) in formats.iter().zip(best) {
        for (rows, [model, plain, filtered]) in ROWS.into_iter().zip(best) {
            let speed = |seconds: f64| rows as f64 * steps / seconds;
            println!(
                "{:<7} {rows:>7} {:>10.0} ({:>6.0}) {:>20.0} {:>25.0}",
                format!("{format:?}"),
                speed(model),
                model / steps * 1e6,
                speed(plain),
                speed(filtered)
            );
        }
    }
    Ok(())
}
