//! Adapters: nothing changes at first, training changes them alone, merging changes nothing, PEFT reads and writes them.

use motamot::checkpoint::{Folder, Save, SpecialIds, load_adapter, load_model, save_adapter, save_model};
use motamot::data::TokenDataset;
use motamot::embeddings::PositionKind;
use motamot::generation::{Request, SamplingOptions, generate};
use motamot::model::{Gpt, GptConfig};
use motamot::nn::{LoraConfig, Module, NormKind, Pass};
use motamot::training::state::OPTIMIZER;
use motamot::training::{AdamW, Decay, Precision, Pretraining, Progress, Schedule, Settings, Trainer};
use motamot::transformer::Activation;
use motamot_kernels::panels::Format;
use motamot_kernels::rng::{Rng, fill_normal};
use motamot_tensor::Tensor;
use std::ops::ControlFlow;
use std::path::Path;

fn gpt2() -> GptConfig {
    GptConfig { vocab_size: 40, context: 12, width: 16, layers: 2, heads: 4, ..GptConfig::default() }
}

fn llama() -> GptConfig {
    let (norm, positions, activation) = (NormKind::Rms, PositionKind::Rope, Activation::Swiglu);
    GptConfig { norm, positions, activation, kv_heads: 2, bias: false, ..gpt2() }
}

fn adapters(targets: &[&str]) -> LoraConfig {
    LoraConfig { rank: 4, alpha: 8.0, targets: targets.iter().map(|t| (*t).to_owned()).collect() }
}

const ALL: [&str; 3] = ["c_attn", "c_proj", "c_fc"];

fn model(config: &GptConfig) -> Gpt {
    Gpt::new(config, &mut Rng::new(1)).unwrap()
}

/// A model with adapters that change something.
fn adapted(config: &GptConfig, targets: &[&str]) -> Gpt {
    let mut gpt = model(config);
    gpt.add_lora(&adapters(targets), &mut Rng::new(2)).unwrap();
    let mut rng = Rng::new(3);
    gpt.visit_mut("", &mut |path, p| {
        if path.ends_with(".lora.b") {
            fill_normal(&mut rng, 0.0, 0.3, p.data_mut());
        }
    });
    gpt
}

fn ids() -> Vec<u32> {
    (0..24).map(|i| i * 7 % 40).collect()
}

fn logits(gpt: &Gpt) -> Tensor {
    gpt.forward(&ids(), 2, &mut Pass::eval())
}

#[track_caller]
fn close(a: &[f32], b: &[f32], most: f32) {
    let far = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(a.len() == b.len() && far <= most, "{far} apart");
}

fn objective(data: &TokenDataset) -> Pretraining<'_> {
    Pretraining { data, batch: 4, context: 12 }
}

fn text() -> TokenDataset {
    TokenDataset::new((0..500).map(|i| (i * i + 3 * i) % 40).collect())
}

fn trainer(gpt: Gpt, steps: usize, precision: Precision) -> Trainer<Gpt> {
    resumed(gpt, steps, precision, Progress::new(5))
}

fn resumed(gpt: Gpt, steps: usize, precision: Precision, progress: Progress) -> Trainer<Gpt> {
    let schedule = Schedule { first: 0, lr: 3e-2, min_lr: 3e-2, warmup: 0, steps, decay: Decay::Constant };
    let settings = Settings { schedule, accumulate: 1, clip: 1.0, precision };
    Trainer::new(gpt, Box::new(AdamW::default()), settings, progress)
}

#[test]
fn a_fresh_adapter_changes_no_bit() {
    for config in [gpt2(), llama()] {
        let (mut plain, mut fresh) = (model(&config), model(&config).frozen().unwrap());
        fresh.add_lora(&adapters(&ALL), &mut Rng::new(2)).unwrap();
        assert_eq!(logits(&plain).data(), logits(&fresh).data());
        // Read in fewer bits, decoded token by token, trained in bf16.
        for format in [Format::Bf16, Format::Int8] {
            plain.quantise(Some(format));
            fresh.quantise(Some(format));
            assert_eq!(logits(&plain).data(), logits(&fresh).data(), "{format:?}");
        }
        plain.quantise(None);
        fresh.quantise(None);
        let sampling = SamplingOptions::default();
        let text = |gpt: &Gpt| {
            let request = Request { max_tokens: 9, ..Request::new(gpt, &[1, 2, 3], &sampling) };
            generate(gpt, &request, |_, _| Ok(ControlFlow::Continue(()))).unwrap().samples
        };
        assert_eq!(text(&plain), text(&fresh));
    }
}

#[test]
fn every_executor_honours_adapters() {
    for config in [gpt2(), llama()] {
        let (tuned, mut merged) = (adapted(&config, &ALL), adapted(&config, &ALL));
        let plain = logits(&model(&config));
        merged.merge_lora();
        assert!(!merged.has_lora() && tuned.has_lora());
        let (a, b) = (logits(&tuned), logits(&merged));
        close(a.data(), b.data(), 1e-5);
        let moved = plain.data().iter().zip(a.data()).any(|(x, y)| (x - y).abs() > 0.05);
        assert!(moved, "the adapters change something");
        // One token at a time, and read in fewer bits.
        let (mut alone, mut together) = (Vec::new(), Vec::new());
        for gpt in [&tuned, &merged] {
            let out = if std::ptr::eq(gpt, &tuned) { &mut alone } else { &mut together };
            let mut cache = gpt.new_cache(1);
            for id in ids().into_iter().take(9) {
                gpt.decode_token(&[0], &[id], &mut cache, out);
            }
        }
        close(&alone, &together, 1e-5);
        close(&alone, &a.data()[8 * 40..9 * 40], 1e-5);
        for format in [Format::Bf16, Format::Int8] {
            let mut few = adapted(&config, &ALL);
            few.quantise(Some(format));
            close(logits(&few).data(), a.data(), 0.05);
        }
        // In bf16: the composed ops with adapters, whose loss is that of the merged model.
        let loss = |gpt: &mut Gpt| {
            gpt.pack();
            let mut rng = Rng::new(0);
            let mut pass = Pass::train(&mut rng).with_precision(Precision::Bf16);
            gpt.loss(&ids(), &ids(), 2, &mut pass).data().iter().sum::<f32>()
        };
        let (mut tuned, mut plain) = (tuned, model(&config));
        assert!((loss(&mut tuned) / loss(&mut merged) - 1.0).abs() < 0.01);
        assert!((loss(&mut plain) / loss(&mut merged) - 1.0).abs() > 0.01);
    }
}

#[test]
fn training_changes_the_adapters_alone_and_the_base_is_shared() {
    let base = model(&gpt2());
    for precision in [Precision::F32, Precision::Bf16] {
        let mut tuned = base.frozen().unwrap();
        tuned.add_lora(&adapters(&["c_attn", "mlp.c_proj"]), &mut Rng::new(2)).unwrap();
        let data = text();
        let mut trainer = trainer(tuned, 60, precision);
        let first = trainer.step(&objective(&data)).unwrap().loss;
        let mut last = first;
        while !trainer.is_finished() {
            last = trainer.step(&objective(&data)).unwrap().loss;
        }
        assert!(last < 0.98 * first, "it learns: {first} → {last}");
        let mut pointers = Vec::new();
        base.visit("", &mut |_, p| pointers.push(p.data().as_ptr()));
        let (mut pointers, mut adapter_weights, mut remembered) = (pointers.into_iter(), 0, 0);
        let Trainer { model, updater, .. } = &trainer;
        model.visit("", &mut |path, p| {
            let memory: usize = updater.remembered(path, p).map(|(_, m)| m.len()).sum();
            if path.contains(".lora.") {
                adapter_weights += p.len();
                remembered += memory;
            } else {
                assert_eq!(pointers.next().unwrap(), p.data().as_ptr(), "{path} is the base's");
                assert_eq!(memory, 0, "{path}");
            }
        });
        assert_eq!(remembered, 2 * adapter_weights, "moments for the adapters only");
    }
}

#[test]
fn a_run_of_adapters_is_saved_by_name_and_goes_on_with_the_same_bits() {
    let base = model(&gpt2());
    let fresh = || {
        let mut tuned = base.frozen().unwrap();
        tuned.add_lora(&adapters(&["c_attn"]), &mut Rng::new(2)).unwrap();
        tuned
    };
    let data = text();
    let mut whole = trainer(fresh(), 8, Precision::F32);
    (0..8).for_each(|_| _ = whole.step(&objective(&data)).unwrap());
    let mut part = trainer(fresh(), 8, Precision::F32);
    (0..3).for_each(|_| _ = part.step(&objective(&data)).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut save = Save::begin(dir.path()).unwrap();
    part.write(&mut save).unwrap();
    save.commit().unwrap();
    let folder = Folder::open(dir.path()).unwrap();
    let names: Vec<String> = folder.tensors(OPTIMIZER).unwrap().entries().keys().cloned().collect();
    assert_eq!(names.len(), 2 * 2 * 3, "weights, m and v of A and B in two blocks: {names:?}");
    let mut resumed = resumed(fresh(), 8, Precision::F32, part.progress.clone());
    resumed.read(&folder.tensors(OPTIMIZER).unwrap()).unwrap();
    (3..8).for_each(|_| _ = resumed.step(&objective(&data)).unwrap());
    assert_eq!(logits(&whole.model).data(), logits(&resumed.model).data());
}

#[test]
fn what_was_frozen_can_be_trained_later() {
    let data = text();
    let mut trainer = trainer(adapted(&gpt2(), &["c_attn"]), 4, Precision::F32);
    let _ = trainer.step(&objective(&data)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut save = Save::begin(dir.path()).unwrap();
    trainer.write(&mut save).unwrap();
    drop(save);
    trainer.model.visit_mut("", &mut |_, p| p.set_trainable(true));
    let before = trainer.model.wte.weight.data().to_vec();
    let _ = trainer.step(&objective(&data)).unwrap();
    assert!(trainer.model.wte.weight.data() != before);
}

#[test]
fn a_peft_folder_brings_the_same_model_back() {
    for (config, targets) in [(gpt2(), &ALL[..]), (gpt2(), &["h.1.attn.c_attn"]), (llama(), &["c_attn", "c_gate"])] {
        let mut tuned = adapted(&config, targets);
        let dir = tempfile::tempdir().unwrap();
        save_adapter(dir.path(), &mut tuned, "base").unwrap();
        let mut again = model(&config);
        load_adapter(dir.path(), &mut again).unwrap();
        close(logits(&tuned).data(), logits(&again).data(), 1e-6);
        let mut trainable = 0;
        again.visit("", &mut |path, p| trainable += usize::from(p.is_trainable() != path.contains(".lora.")));
        assert_eq!(trainable, 0);
        // Another model's adapters, and a second set, are refused.
        let mut other = model(&GptConfig { layers: 1, ..config.clone() });
        let error = load_adapter(dir.path(), &mut other).err();
        let one_block = targets == ["h.1.attn.c_attn"] || config.layers == 2;
        assert!(one_block && error.unwrap().help_line().unwrap().contains("another model") && !other.has_lora());
        assert!(load_adapter(dir.path(), &mut again).is_err());
    }
}

/// From dev/golden/lora.py: models and adapters that `transformers` and `peft` saved, and what they compute.
#[test]
fn adapters_of_peft_give_its_logits() {
    for name in ["gpt2", "llama"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("dev/golden/lora").join(name);
        let mut gpt = load_model(root.join("base")).unwrap();
        load_adapter(root.join("adapter"), &mut gpt).unwrap();
        let golden: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(root.join("logits.json")).unwrap()).unwrap();
        let numbers =
            |key: &str| golden[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
        let ids: Vec<u32> = numbers("ids").iter().map(|x| *x as u32).collect();
        let want: Vec<f32> = numbers("logits").iter().map(|x| *x as f32).collect();
        close(gpt.forward(&ids, 1, &mut Pass::eval()).data(), &want, 2e-5);
        gpt.merge_lora();
        close(gpt.forward(&ids, 1, &mut Pass::eval()).data(), &want, 2e-5);
    }
}

/// Not a test by itself: writes models with adapters for `dev/golden/lora.py --check`.
#[test]
#[ignore = "writes files for a Python script"]
fn export() {
    let Some(out) = std::env::var_os("MOTAMOT_EXPORT") else { panic!("MOTAMOT_EXPORT: the folder to write to") };
    for (name, config, targets) in [("gpt2", gpt2(), &ALL[..]), ("llama", llama(), &["c_attn", "c_gate", "mlp.c_proj"])]
    {
        let (mut tuned, dir) = (adapted(&config, targets), Path::new(&out).join(name));
        save_model(dir.join("base"), &model(&config), &SpecialIds::default()).unwrap();
        save_adapter(dir.join("adapter"), &mut tuned, "../base").unwrap();
        let row: Vec<u32> = ids().into_iter().take(12).collect();
        let logits = tuned.forward(&row, 1, &mut Pass::eval());
        let json = serde_json::json!({"ids": row, "logits": logits.data()});
        std::fs::write(dir.join("logits.json"), json.to_string()).unwrap();
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let why = |config: LoraConfig| model(&gpt2()).add_lora(&config, &mut Rng::new(0)).err().unwrap();
    assert!(why(LoraConfig { rank: 0, ..adapters(&ALL) }).to_string().contains("rank 0"));
    assert!(why(LoraConfig { rank: 17, ..adapters(&ALL) }).to_string().contains("between 1 and 16"));
    assert!(why(LoraConfig { alpha: f32::NAN, ..adapters(&ALL) }).to_string().contains("alpha"));
    assert!(why(adapters(&["q_proj"])).help_line().unwrap().contains("attn.c_attn, attn.c_proj, mlp.c_fc, mlp.c_proj"));
    let mut tuned = adapted(&gpt2(), &ALL);
    assert!(tuned.add_lora(&adapters(&ALL), &mut Rng::new(0)).is_err() && tuned.frozen().is_err());
    let dir = tempfile::tempdir().unwrap();
    assert!(save_adapter(dir.path(), &mut model(&gpt2()), "base").is_err());
    let error = save_model(dir.path(), &tuned, &SpecialIds::default()).err().unwrap();
    assert!(error.help_line().unwrap().contains("save_adapter"), "{error}");
}
