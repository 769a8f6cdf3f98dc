//! The training loop as a library: the same bits whatever happens, the right numbers, no memory asked for twice.

#![allow(clippy::excessive_precision)] // numbers as PyTorch prints them

use motamot::checkpoint::load_model;
use motamot::data::{Corpus, Prepared, TokenDataset, TokenizerSource, prepare};
use motamot::evaluation::evaluate;
use motamot::model::{Gpt, GptConfig};
use motamot::nn::{Module, Param, Pass};
use motamot::tokenizer::TokenizerKind;
use motamot::training::state::{self, TextId};
use motamot::training::{AdamW, Event, Metrics, Outcome, Precision, Run, RunConfig, Updater, available};
use motamot::utils::hash::{hex, sha256};
use motamot_kernels::{isa, parallel, rng::Rng};
use motamot_tensor::{Buf, Gradients, Tensor, fresh_allocations, ops};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

fn config(settings: &[&str]) -> RunConfig {
    let mut config = RunConfig::preset("nano").unwrap();
    let tiny = ["vocab_size=280", "context=16", "width=32", "layers=2", "heads=2", "batch=4", "sample_tokens=0"];
    tiny.iter().chain(settings).for_each(|setting| config.set(setting).unwrap());
    config
}

fn data() -> Prepared {
    let text = motamot::data::corpus::EMBEDDED.as_bytes()[..12_000].to_vec();
    let source = TokenizerSource::Train { kind: TokenizerKind::Bpe, vocab_size: 280 };
    prepare(&Corpus::from_bytes("a text", text), source).unwrap()
}

/// Trains in `dir`, going on with the run there if there is one, to the end or to the end of step `until`.
fn train(dir: &Path, config: &RunConfig, until: usize) -> motamot::utils::Result<Outcome> {
    let data = data();
    let mut run = if dir.join("training.json").exists() {
        Run::resume(state::load(dir)?, data, Vec::new(), dir)?
    } else {
        let text = TextId::of(&data, &[], None);
        Run::new(config, data, text, Vec::new(), dir)?
    };
    let stop = AtomicBool::new(false);
    run.train(&stop, &mut |event| {
        if matches!(event, Event::Step(row) if row.step == until) {
            stop.store(true, Ordering::Relaxed);
        }
    })
}

/// The rows of a run without what a clock told.
fn rows(dir: &Path) -> Vec<Metrics> {
    let text = std::fs::read_to_string(dir.join("metrics.jsonl")).unwrap();
    let row = |line| Metrics { tokens_per_s: 0.0, elapsed_s: 0.0, ..serde_json::from_str(line).unwrap() };
    text.lines().map(row).collect()
}

fn bytes(dir: &Path, name: &str) -> Vec<u8> {
    std::fs::read(dir.join(name)).unwrap()
}

#[test]
fn resuming_gives_the_bits_of_never_having_stopped() {
    for settings in [
        &["steps=12", "eval_every=5"][..],
        &["steps=9", "eval_every=4", "dropout=0.2", "accumulate=3"],
        &["steps=9", "eval_every=4", "precision=bf16"],
    ] {
        let config = config(settings);
        let root = tempfile::tempdir().unwrap();
        let whole = root.path().join("whole");
        assert_eq!(train(&whole, &config, 0).unwrap(), Outcome::Finished);
        assert_eq!(rows(&whole).len(), config.train.steps);
        for stops in [&[1][..], &[5], &[4, 7], &[2, 3, 8]] {
            let parts = root.path().join(format!("{stops:?}"));
            for &stop in stops {
                assert_eq!(train(&parts, &config, stop).unwrap(), Outcome::Interrupted);
                assert_eq!(rows(&parts).len(), stop);
            }
            assert_eq!(train(&parts, &config, 0).unwrap(), Outcome::Finished);
            // The latest weights, both moments, and the best weights.
            assert!(bytes(&whole, "optimizer.safetensors") == bytes(&parts, "optimizer.safetensors"), "{stops:?}");
            assert!(bytes(&whole, "model.safetensors") == bytes(&parts, "model.safetensors"), "{stops:?}");
            assert_eq!(rows(&whole), rows(&parts));
        }
    }
}

/// SHA-256 of the weights after 20 steps, and the bits of the last loss.
const GOLDEN: (&str, u32) = ("dda92bf5afbc0e44a9a41856aa30eb413de70eefb4a95e0957ab164a35a528ea", 1_085_540_272);

fn twenty_steps(precision: &str) -> (String, u32) {
    let config = config(&["steps=20", "dropout=0.1", precision]);
    let mut rng = Rng::new(5);
    let data = TokenDataset::new((0..2000).map(|_| rng.below(280) as u32).collect());
    let mut trainer = config.trainer().unwrap();
    let mut loss = 0.0;
    while !trainer.is_finished() {
        loss = trainer.step(&config.objective(&data)).unwrap().loss;
    }
    let mut bytes = Vec::new();
    trainer.model.visit("", &mut |_, p| bytes.extend(p.data().iter().flat_map(|w| w.to_le_bytes())));
    (hex(&sha256(&bytes)), loss.to_bits())
}

#[test]
fn threads_and_instructions_do_not_change_a_bit() {
    for isa in isa::available() {
        for threads in [1, 2, 3] {
            let (hash, loss) = isa::with(isa, || parallel::with_threads(threads, || twenty_steps("precision=f32")));
            assert_eq!((hash.as_str(), loss), GOLDEN, "{isa}, {threads} threads");
        }
    }
}

#[test]
fn threads_do_not_change_a_bit_in_bf16() {
    for isa in isa::available() {
        let run = |threads| isa::with(isa, || parallel::with_threads(threads, || twenty_steps("precision=bf16")));
        let (hash, loss) = run(1);
        for threads in [2, 3] {
            assert_eq!(run(threads), (hash.clone(), loss), "{isa}, {threads} threads");
        }
        let in_bf16 = isa::with(isa, || available(Precision::Bf16) == Precision::Bf16);
        assert_eq!(in_bf16, hash != GOLDEN.0, "{isa}: bf16 where there is bf16, f32 elsewhere");
    }
}

#[test]
fn a_run_says_what_it_computes_in_and_goes_on_in_it_or_not_at_all() {
    let config = config(&["steps=4", "eval_every=4", "precision=bf16"]);
    for isa in isa::available() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("run");
        let computed = isa::with(isa, || {
            assert_eq!(train(&dir, &config, 2).unwrap(), Outcome::Interrupted);
            available(Precision::Bf16)
        });
        let loaded = isa::with(isa, || state::load(&dir)).unwrap();
        assert_eq!(loaded.config.train.precision, computed, "{isa}");
        // Elsewhere: what is in f32 goes on, what is in bf16 is refused and left as it is.
        let before = bytes(&dir, "training.json");
        match isa::with(isa::Isa::Portable, || state::load(&dir)) {
            Ok(loaded) => assert_eq!((loaded.config.train.precision, computed), (Precision::F32, Precision::F32)),
            Err(e) => {
                assert!(e.help_line().unwrap().contains("MOTAMOT_ISA") && computed == Precision::Bf16, "{isa}: {e}")
            }
        }
        assert!(bytes(&dir, "training.json") == before);
        // A run of another machine.
        let text = String::from_utf8(before).unwrap().replace("\"precision\": \"f32\"", "\"precision\": \"bf16\"");
        assert!(text.contains("\"precision\": \"bf16\""), "{text}");
        std::fs::write(dir.join("training.json"), text).unwrap();
        let error = isa::with(isa::Isa::Portable, || state::load(&dir)).err().unwrap();
        assert!(error.to_string().contains("train.precision: bf16") && error.exit_code() == 1, "{error}");
    }
}

#[test]
fn the_loss_in_bf16_is_that_in_f32() {
    // GPT-2's blocks, and Llama's.
    for blocks in [&[][..], &["model.positions=rope", "model.activation=swiglu", "model.norm=rms"]] {
        let losses = |precision: &str| -> Vec<f32> {
            let data = data();
            let config = config(&[&["steps=80", precision], blocks].concat());
            let mut trainer = config.trainer().unwrap();
            (0..80).map(|_| trainer.step(&config.objective(&data.train)).unwrap().loss).collect()
        };
        let (exact, near) = (losses("precision=f32"), losses("precision=bf16"));
        for (step, (a, b)) in exact.iter().zip(&near).enumerate() {
            assert!((a / b - 1.0).abs() < 0.01, "{blocks:?}, step {step}: {a} in f32, {b} in bf16");
        }
        assert!(near[79] < 0.9 * near[0], "{blocks:?} learns: {} after {}", near[79], near[0]);
    }
}

#[test]
fn accumulating_is_a_larger_batch() {
    let (whole, parts) = (config(&["batch=32"]), config(&["batch=8", "accumulate=4"]));
    let (mut large, mut small) = (whole.trainer().unwrap(), parts.trainer().unwrap());
    let data = data();
    for _ in 0..5 {
        let a = large.step(&whole.objective(&data.train)).unwrap();
        let b = small.step(&parts.objective(&data.train)).unwrap();
        assert!((a.loss - b.loss).abs() < 1e-4 && (a.grad_norm / b.grad_norm - 1.0).abs() < 1e-3, "{a:?} {b:?}");
    }
    assert_eq!(large.progress.batches, small.progress.batches);
}

// From dev/golden/optimizer_literals.py.
const MATRIX: [f32; 6] = [-0.657090306, 0.166461557, -0.776858211, 0.0633873343, 0.883017063, -0.548897505];
const BIAS: [f32; 3] = [0.120394602, 1.08040106, -0.640067458];
const MATRIX_M: [f32; 6] = [-0.0150555149, 0.0639503151, 0.0296850167, -0.0091828797, -0.0434481874, -0.012193406];
const BIAS_V: [f32; 3] = [0.00436622603, 0.00523994537, 0.00323115778];
const NORMS: [f32; 5] = [1.98824668, 1.68170297, 0.251945555, 1.69558251, 1.80277562];

#[test]
fn adamw_is_that_of_pytorch() {
    let values = |n: usize, step: usize| -> Vec<f32> {
        (0..n).map(|i| ((7 * i + 5 * step + 3) % 17) as f32 / 8.0 - 1.0).collect()
    };
    let param = |values: &[f32], shape: &[usize]| {
        let mut data = Buf::zeros(values.len());
        data.copy_from_slice(values);
        Param::new(data, shape)
    };
    let mut model = vec![param(&values(6, 0), &[2, 3]), param(&values(3, 1), &[3])];
    let mut optimizer = Updater::new(AdamW { weight_decay: 0.5, ..AdamW::default() });
    for step in 1..=5 {
        let scale = if step == 3 { 0.125 } else { 1.0 };
        let mut gradients = Gradients::new();
        for (p, g) in model.iter().zip([values(6, 2 * step), values(3, 2 * step + 1)]) {
            // d(Σ w·g)/dw = g
            let w = Pass::train(&mut Rng::new(0)).param(p);
            let g: Vec<f32> = g.iter().map(|x| scale * x).collect();
            ops::sum(&ops::mul(&w, &Tensor::new(&g, p.shape()))).backward(&mut gradients);
        }
        let norm = optimizer.step(&mut model, &gradients, 0.1, 1.0);
        assert!((norm - NORMS[step - 1]).abs() < 1e-5, "{norm}");
    }
    let close = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 2e-6);
    assert!(close(model[0].data(), &MATRIX) && close(model[1].data(), &BIAS));
    let names = |optimizer: &Updater, p: &Param| optimizer.remembered("", p).map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(&optimizer, &model[0]), ["m", "v"]);
    let remembered = |p: &Param, i: usize| optimizer.remembered("", p).nth(i).unwrap().1.to_vec();
    assert!(close(&remembered(&model[0], 0), &MATRIX_M) && close(&remembered(&model[1], 1), &BIAS_V));
}

#[test]
fn an_evaluation_equals_a_naive_loop_for_any_stride() {
    let config = GptConfig { vocab_size: 20, context: 8, width: 16, layers: 1, heads: 2, ..GptConfig::default() };
    let gpt = Gpt::new(&config, &mut Rng::new(3)).unwrap();
    let mut rng = Rng::new(4);
    for n in [2, 8, 9, 10, 33, 2100] {
        let ids: Vec<u32> = (0..n).map(|_| rng.below(20) as u32).collect();
        for stride in [1, 3, 8] {
            if n > 100 && stride == 1 {
                continue;
            }
            let result = evaluate(&gpt, &TokenDataset::new(ids.clone()), 3 * n, stride).unwrap();
            let mut nats = 0.0;
            for t in 1..n {
                // The first window that reaches token t.
                let start = (t - 1).saturating_sub(config.context - 1).div_ceil(stride) * stride;
                let logits = gpt.forward(&ids[start..t], 1, &mut Pass::eval());
                let last = &logits.data()[(t - start - 1) * 20..];
                let sum: f64 = last.iter().map(|&x| f64::from(x).exp()).sum();
                nats += sum.ln() - f64::from(last[ids[t] as usize]);
            }
            assert_eq!((result.tokens, result.bytes), (n - 1, 3 * n));
            assert!((result.nats_per_token - nats / (n - 1) as f64).abs() < 1e-5, "{n} {stride} {result:?}");
            let bits = nats / std::f64::consts::LN_2 / (3 * n) as f64;
            assert!((result.bits_per_byte - bits).abs() < 1e-5);
            assert!((result.perplexity - result.nats_per_token.exp()).abs() < 1e-9);
        }
    }
}

#[test]
fn memory_is_asked_for_in_the_first_two_steps_only() {
    for precision in ["precision=f32", "precision=bf16"] {
        let config = config(&["dropout=0.1", "accumulate=2", precision]);
        let mut trainer = config.trainer().unwrap();
        let data = data();
        let objective = config.objective(&data.train);
        (0..2).for_each(|_| _ = trainer.step(&objective).unwrap());
        let before = fresh_allocations();
        (0..5).for_each(|_| _ = trainer.step(&objective).unwrap());
        assert_eq!(fresh_allocations(), before, "{precision}");
    }
}

#[test]
fn divergence_is_an_error_and_the_last_good_state_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("run");
    let error = train(&dir, &config(&["lr=1e6", "steps=60", "eval_every=50", "warmup=0"]), 0).unwrap_err();
    assert!(error.to_string().contains("diverged") && error.help_line().unwrap().contains("--set lr="), "{error}");
    let trainer = state::load(&dir).unwrap().trainer;
    assert_eq!(trainer.progress.step, 0);
    let mut weights = 0;
    load_model(&dir).unwrap().visit("", &mut |_, p| weights += p.data().iter().filter(|w| w.is_finite()).count());
    assert_eq!(weights, trainer.model.parameter_count());
}

#[test]
fn between_evaluations_the_state_is_saved_by_the_clock() {
    let root = tempfile::tempdir().unwrap();
    for (save_seconds, saved) in [(0.0, 6), (f64::INFINITY, 0)] {
        let dir = root.path().join(saved.to_string());
        let data = data();
        let text = TextId::of(&data, &[], None);
        let mut run = Run::new(&config(&["steps=9", "eval_every=8"]), data, text, Vec::new(), &dir).unwrap();
        run.save_seconds = save_seconds;
        run.train(&AtomicBool::new(false), &mut |event| {
            // As a kill in the middle of step 7 would leave it.
            if matches!(event, Event::Step(row) if row.step == 7) {
                assert_eq!(state::load(&dir).unwrap().trainer.progress.step, saved);
            }
        })
        .unwrap();
    }
}

#[test]
fn patience_ends_a_run_and_the_best_model_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("run");
    // A rate that overfits at once.
    let config = config(&["lr=3e-2", "steps=400", "eval_every=10", "patience=3", "warmup=5", "decay=constant"]);
    assert_eq!(train(&dir, &config, 0).unwrap(), Outcome::Stopped);
    let rows = rows(&dir);
    let scored: Vec<(usize, f64)> = rows.iter().filter_map(|r| Some((r.step, r.val_loss?))).collect();
    let best = scored.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert_eq!(rows.last().unwrap().step, best.0 + 3 * 10);
    let state::Loaded { trainer, best: evaluation, .. } = state::load(&dir).unwrap();
    assert_eq!((trainer.progress.best, evaluation.unwrap().nats_per_token), (Some((best.1, best.0)), best.1));
    let data = data();
    let kept = evaluate(&load_model(&dir).unwrap(), &data.val, data.val_bytes, 16).unwrap();
    assert_eq!(kept, evaluation.unwrap());
    let latest = evaluate(&trainer.model, &data.val, data.val_bytes, 16).unwrap();
    assert!(latest.nats_per_token > kept.nats_per_token);
}

#[test]
fn an_evaluation_can_score_a_part() {
    let root = tempfile::tempdir().unwrap();
    let (part, whole) = (config(&["eval_tokens=100"]), config(&[]));
    let open = |config: &RunConfig, name: &str| {
        let data = data();
        let text = TextId::of(&data, &[], None);
        Run::new(config, data, text, Vec::new(), &root.path().join(name)).unwrap()
    };
    let (part, whole) = (open(&part, "part"), open(&whole, "whole"));
    assert!(part.evaluates_a_part() && !whole.evaluates_a_part());
    let (a, b) = (part.evaluate().unwrap(), whole.evaluate().unwrap());
    assert_eq!((a.tokens, b.tokens, b.bytes), (100, whole.data.val.len() - 1, whole.data.val_bytes));
    let read = &part.data.val.tokens()[..101];
    assert_eq!(a.bytes, part.data.tokenizer.decode_bytes(read).len());
}
