//! The library in one page: a tokenizer, a tiny model, a few steps of training, a text.
//!
//! Run: `cargo run --release --example quickstart [STEPS]`. With the default of 100 steps it has barely begun to learn.

use motamot::data::{Corpus, TokenizerSource, prepare};
use motamot::evaluation::evaluate;
use motamot::generation::{Request, SamplingOptions, generate, start_tokens};
use motamot::training::{RunConfig, Trainer};
use motamot::utils::{Error, Result};
use std::ops::ControlFlow;

fn main() -> Result<()> {
    let steps = std::env::args().nth(1).map_or(Ok(100), |n| n.parse());
    let steps = steps.map_err(|_| Error::usage("usage: quickstart [STEPS]"))?;

    // The recipe of the smallest preset, for fewer steps.
    let mut config = RunConfig::preset("nano")?;
    config.train.steps = steps;

    // The embedded Shakespeare: its first 90 % teach the tokenizer and the model, the rest is for checking.
    let source = TokenizerSource::Train { kind: config.train.tokenizer, vocab_size: config.model.vocab_size };
    let data = prepare(&Corpus::embedded(), source)?;

    let mut trainer = Trainer::new(&config)?;
    while !trainer.is_finished() {
        let report = trainer.step(&data.train)?;
        if trainer.progress.step % 20 == 0 {
            println!("step {:>4}: {:.3} nats per token", trainer.progress.step, report.loss);
        }
    }
    let score = evaluate(&trainer.gpt, &data.val, data.val_bytes, config.model.context)?;
    println!("validation: {:.3} bits per byte", score.bits_per_byte);

    // The model goes on from a prompt; each token is shown to the closure, which may stop it.
    let prompt = start_tokens(&data.tokenizer, "ROMEO:\n")?;
    let sampling = SamplingOptions { temperature: 0.8, seed: 1, ..SamplingOptions::default() };
    let request = Request { max_tokens: 80, ..Request::new(&trainer.gpt, &prompt, &sampling) };
    let generated = generate(&trainer.gpt, &request, |_, _| Ok(ControlFlow::Continue(())))?;
    println!("ROMEO:\n{}", data.tokenizer.decode(&generated.samples[0].tokens));
    Ok(())
}
