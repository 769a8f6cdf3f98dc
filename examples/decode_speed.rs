//! How fast a model decodes: tokens per second and µs per step, for each format of the weights and 1, 4 and 8 samples.
//!
//! ```text
//! cargo run --release --example decode_speed [preset] [rounds] [prompts]
//! ```
//!
//! With a number of prompts: so many of different lengths side by side, against one after another, in f32.
//!
//! A sequence fills the context. Each number is the fastest of some rounds (3 unless said otherwise), the formats in
//! turns: "model" decodes and draws nothing, "sampled" is `generate` with temperature 1, "top-k, top-p" with 40 and 0.95.

use motamot::generation::{Request, SamplingOptions, generate};
use motamot::model::{Gpt, preset as shape_of};
use motamot::utils::Result;
use motamot_kernels::{isa, panels::Format, parallel, rng::Rng};
use std::ops::ControlFlow;
use std::time::Instant;

const ROWS: [usize; 3] = [1, 4, 8];

/// Seconds for a sequence that fills the context.
fn decode(gpt: &Gpt, rows: usize) -> f64 {
    let (mut cache, mut logits) = (gpt.new_cache(rows), Vec::new());
    let all: Vec<usize> = (0..rows).collect();
    gpt.decode_token(&all, &vec![0; rows], &mut cache, &mut logits);
    let clock = Instant::now();
    for i in 1..gpt.config().context {
        gpt.decode_token(&all, &vec![i as u32; rows], &mut cache, &mut logits);
    }
    clock.elapsed().as_secs_f64()
}

fn sample(gpt: &Gpt, num: usize, sampling: &SamplingOptions) -> Result<f64> {
    let request = Request { num, max_tokens: gpt.config().context - 1, ..Request::new(gpt, &[0], sampling) };
    let clock = Instant::now();
    generate(gpt, &request, |_, _| Ok(ControlFlow::Continue(())))?;
    Ok(clock.elapsed().as_secs_f64())
}

/// The same samples of some prompts, of up to a quarter of the context, side by side and one after another.
fn compare(gpt: &Gpt, prompts: usize, rounds: usize, sampling: &SamplingOptions) -> Result<()> {
    let quarter = gpt.config().context / 4;
    let prompts: Vec<Vec<u32>> =
        (1..=prompts).map(|p| (0..quarter * p / prompts).map(|i| (i * p) as u32 % 256).collect()).collect();
    let request = Request { max_tokens: 2 * quarter, ..Request::new(gpt, &[], sampling) };
    let run = |prompts: &[Vec<u32>]| {
        let request = Request { prompts: prompts.iter().map(|prompt| &prompt[..]).collect(), ..request.clone() };
        generate(gpt, &request, |_, _| Ok(ControlFlow::Continue(())))
    };
    println!("{} prompts     apart, tokens/s   together, tokens/s      ratio", prompts.len());
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let clock = Instant::now();
        let apart = prompts.chunks(1).map(run).collect::<Result<Vec<_>>>()?;
        let apart_seconds = clock.elapsed().as_secs_f64();
        let together = run(&prompts)?;
        assert!(
            together.samples.iter().eq(apart.iter().flat_map(|one| &one.samples)),
            "a prompt depends on the others"
        );
        let (tokens, seconds) = (together.stats.generated as f64, together.stats.seconds);
        println!("{:>25.0} {:>20.0} {:>10.2}", tokens / apart_seconds, tokens / seconds, apart_seconds / seconds);
        ratios.push(apart_seconds / seconds);
    }
    ratios.sort_by(f64::total_cmp);
    println!("best ratio {:.2}, median {:.2}", ratios[rounds - 1], ratios[rounds / 2]);
    Ok(())
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let preset = args.next().unwrap_or("mini".into());
    let rounds: usize = args.next().and_then(|n| n.parse().ok()).unwrap_or(3);
    let mut gpt = Gpt::new(&shape_of(&preset)?, &mut Rng::new(1))?;
    println!("{preset}, {}, {} threads", isa::isa(), parallel::threads());
    let plain = SamplingOptions { seed: 1, ..SamplingOptions::default() };
    if let Some(prompts) = args.next().and_then(|n| n.parse().ok()) {
        return compare(&gpt, prompts, rounds, &plain);
    }
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
