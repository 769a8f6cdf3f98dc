//! Trains a preset for a few steps and writes down all that PyTorch needs to do the same: the initial model, the batches,
//! and the losses to compare with. `dev/golden/parity.py` is the other side.
//!
//!     cargo run --release --example parity -- OUT [STEPS] [BATCH] [TEXT] [PRESET]

use motamot::checkpoint::{SpecialIds, save_model};
use motamot::data::{Corpus, TokenizerSource, prepare};
use motamot::training::RunConfig;
use motamot::utils::{Error, Result};
use motamot_kernels::rng::Rng;
use std::path::Path;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize| args.get(i).map(String::as_str);
    let number = |i: usize, default: usize| arg(i).and_then(|a| a.parse().ok()).unwrap_or(default);
    let out = Path::new(arg(0).ok_or_else(|| Error::usage("parity OUT [STEPS] [BATCH] [TEXT] [PRESET]"))?);
    let (steps, batch) = (number(1, 10), number(2, 8));
    let corpus = Corpus::open(arg(3).filter(|text| *text != "-").as_slice())?;

    let mut config = RunConfig::preset(arg(4).unwrap_or("char"))?;
    // Masks of two libraries cannot be the same; the schedule is that of the whole run.
    config.model.dropout = 0.0;
    config.train.batch = batch;
    let source = TokenizerSource::Train { kind: config.train.tokenizer, vocab_size: config.model.vocab_size };
    let data = prepare(&corpus, source)?;
    config.model.vocab_size = data.tokenizer.vocab_size();
    let mut trainer = config.trainer()?;
    save_model(out, &trainer.model, &SpecialIds::default())?;

    let mut batches = Rng::from_state(trainer.progress.batches);
    let batches: Vec<_> = (0..steps)
        .map(|_| {
            let b = data.train.sample(batch, config.model.context, |n| batches.below(n));
            serde_json::json!({"inputs": b.inputs, "targets": b.targets})
        })
        .collect();
    let mut losses = Vec::new();
    for step in 0..steps {
        let report = trainer.step(&config.objective(&data.train))?;
        losses.push(report.loss);
        println!("step {} loss {:.6} gradient norm {:.5}", step + 1, report.loss, report.grad_norm);
    }
    let report = serde_json::json!({"config": config, "batches": batches, "losses": losses});
    motamot::utils::fs::write_atomic(&out.join("parity.json"), report.to_string().as_bytes())
}
