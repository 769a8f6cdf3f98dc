use super::weights::INDEX;
use super::*;
use crate::embeddings::PositionKind;
use crate::nn::{NormKind, Pass};
use crate::transformer::{Activation, NormOrder};
use crate::utils::fs::tests::killed_after;
use motamot_kernels::rng::Rng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dev/golden/hf").join(name)
}

/// A copy of a fixture, to be damaged.
fn copy(name: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(fixture(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    dir
}

fn edit(dir: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(dir.join(file)).unwrap()).unwrap();
    change(&mut value);
    fs::write(dir.join(file), value.to_string()).unwrap();
}

/// Why a folder is refused; every error says at least in which folder.
fn why(dir: &Path) -> String {
    let error = load_model(dir).err().expect("must be refused");
    assert_eq!(error.exit_code(), 1);
    let text = error.to_string();
    assert!(text.contains(dir.to_str().unwrap()), "{text}");
    text
}

fn why_config(field: &str, value: Value) -> String {
    let llama =
        ["hidden_act", "rope_parameters", "rope_scaling", "num_key_value_heads", "rms_norm_eps"].contains(&field);
    let dir = copy(if llama { "llama-default" } else { "gpt2-default" });
    edit(dir.path(), "config.json", |c| c[field] = value);
    let text = why(dir.path());
    assert!(text.contains("config.json"), "{text}");
    text
}

fn logits(gpt: &Gpt, ids: &[u32]) -> Vec<f32> {
    gpt.forward(ids, 1, &mut Pass::eval()).data().to_vec()
}

/// A model whose every weight is random, biases and norms too.
fn random(config: &GptConfig) -> Gpt {
    let mut rng = Rng::new(7);
    let mut gpt = Gpt::new(config, &mut rng).unwrap();
    gpt.visit_mut("", &mut |_, p| motamot_kernels::rng::fill_normal(&mut rng, 0.1, 0.3, p.data_mut()));
    gpt
}

fn bits(gpt: &Gpt) -> Vec<(String, Vec<usize>, Vec<u32>)> {
    let mut all = Vec::new();
    gpt.visit("", &mut |path, p| {
        all.push((path.to_owned(), p.shape().to_vec(), p.data().iter().map(|x| x.to_bits()).collect()))
    });
    all
}

fn configs() -> Vec<(GptConfig, &'static str)> {
    let small = GptConfig { vocab_size: 31, context: 10, width: 12, layers: 2, heads: 3, ..GptConfig::default() };
    let llama = GptConfig {
        positions: PositionKind::Rope,
        norm: NormKind::Rms,
        activation: Activation::Swiglu,
        bias: false,
        ..small.clone()
    };
    let s = || small.clone();
    let l = || llama.clone();
    vec![
        (s(), "gpt2"),
        (
            GptConfig { tied: false, activation: Activation::Gelu, mlp_width: 20, norm_eps: 1e-3, dropout: 0.2, ..s() },
            "gpt2",
        ),
        (GptConfig { bias: false, activation: Activation::Relu, ..s() }, "gpt2"),
        (l(), "llama"),
        (
            GptConfig { heads: 4, kv_heads: 2, head_dim: 6, tied: false, rope_theta: 500.5, mlp_width: 20, ..l() },
            "llama",
        ),
        (GptConfig { bias: true, kv_heads: 1, ..l() }, "llama"),
        (GptConfig { positions: PositionKind::Rope, head_dim: 2, ..s() }, "motamot"),
        (GptConfig { positions: PositionKind::Alibi, norm: NormKind::Rms, kv_heads: 1, ..s() }, "motamot"),
        (GptConfig { norm_order: NormOrder::Post, positions: PositionKind::Sinusoidal, ..s() }, "motamot"),
        (GptConfig { activation: Activation::Swiglu, positions: PositionKind::None, tied: false, ..s() }, "motamot"),
    ]
}

#[test]
fn what_is_saved_comes_back_bit_for_bit() {
    for (config, family) in configs() {
        let dir = tempfile::tempdir().unwrap();
        let gpt = random(&config);
        save_model(dir.path(), &gpt, &SpecialIds { eos: Some(3), ..SpecialIds::default() }).unwrap();
        let json: Value = serde_json::from_slice(&fs::read(dir.path().join("config.json")).unwrap()).unwrap();
        assert_eq!(
            (json["model_type"].as_str().unwrap(), json["eos_token_id"].as_u64()),
            (family, Some(3)),
            "{config:?}"
        );
        let back = load_model(dir.path()).unwrap();
        assert_eq!(*back.config(), config);
        assert_eq!(read_config(dir.path()).unwrap(), config);
        assert_eq!(bits(&back), bits(&gpt), "{config:?}");
        assert_eq!(logits(&back, &[1, 5, 30, 0]), logits(&gpt, &[1, 5, 30, 0]));
        // Saved again, the files are the same bytes.
        let again = tempfile::tempdir().unwrap();
        save_model(again.path(), &back, &SpecialIds { eos: Some(3), ..SpecialIds::default() }).unwrap();
        for file in ["config.json", "model.safetensors", "generation_config.json"] {
            assert_eq!(fs::read(dir.path().join(file)).unwrap(), fs::read(again.path().join(file)).unwrap());
        }
    }
}

/// Loads each model in a folder, compares with the logits beside it, and again after saving it → how many there were.
fn check_models(dir: &Path, tolerance: f32) -> usize {
    let mut seen = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let dir = entry.unwrap().path();
        let gpt = load_model(&dir).unwrap_or_else(|e| panic!("{e}"));
        let expected: Value = serde_json::from_slice(&fs::read(dir.join("expected.json")).unwrap()).unwrap();
        let ids: Vec<Vec<u32>> = serde_json::from_value(expected["ids"].clone()).unwrap();
        let rows: Vec<Vec<f32>> = serde_json::from_value(expected["logits"].clone()).unwrap();
        let check = |gpt: &Gpt| {
            let mut worst = 0f32;
            for (ids, row) in ids.iter().zip(&rows) {
                let ours = logits(gpt, ids);
                assert_eq!(ours.len(), row.len());
                worst = ours.iter().zip(row).fold(worst, |w, (a, b)| w.max((a - b).abs()));
            }
            assert!(worst < tolerance, "{}: the logits differ by {worst}", dir.display());
            worst
        };
        println!("{:e} {}", check(&gpt), dir.display());
        // Exported again, whatever the source's variant was: still the same function.
        let out = tempfile::tempdir().unwrap();
        save_model(out.path(), &gpt, &SpecialIds::default()).unwrap();
        check(&load_model(out.path()).unwrap());
        seen += 1;
    }
    seen
}

#[test]
fn models_from_transformers_give_their_logits() {
    assert_eq!(check_models(&fixture(""), 1e-5), 10);
}

/// The same for as many as one likes; see dev/golden/hf_models.py.
#[test]
#[ignore = "needs models made by a Python script"]
fn random_models() {
    let Some(dir) = std::env::var_os("MOTAMOT_MODELS") else { panic!("MOTAMOT_MODELS: the folder of the models") };
    assert!(check_models(Path::new(&dir), 1e-4) > 0);
}

#[test]
fn settings_that_we_do_not_have_are_refused() {
    assert!(why_config("activation_function", json!("silu")).contains("activation_function: \"silu\""));
    assert!(why_config("activation_function", json!(3)).contains("activation_function:"));
    assert!(why_config("add_cross_attention", json!(true)).contains("add_cross_attention:"));
    assert!(why_config("quantization_config", json!({"bits": 4})).contains("quantization_config:"));
    assert!(why_config("model_type", json!("bloom")).contains("model_type: \"bloom\""));
    assert!(why_config("model_type", json!(null)).contains("model_type: missing"));
    assert!(why_config("model_type", json!("motamot")).contains("context: missing"));
    assert!(why_config("motamot", json!({"depth": 2})).contains("motamot: depth"));
    assert!(why_config("hidden_act", json!("gelu")).contains("hidden_act:"));
    assert!(why_config("rope_scaling", json!({"type": "linear", "factor": 2.0})).contains("rope_scaling: type: "));
    let llama3 = json!({"rope_type": "llama3", "factor": 8.0, "rope_theta": 10000.0});
    assert!(why_config("rope_parameters", llama3).contains("rope_parameters: rope_type"));
    assert!(
        why_config("rope_parameters", json!({"rope_theta": 1.0, "partial_rotary_factor": 0.5}))
            .contains("partial_rotary")
    );
    assert!(why_config("rope_parameters", json!({"full_attention": {"rope_theta": 1.0}})).contains("full_attention"));
}

#[test]
fn absurd_sizes_are_refused_before_anything_is_allocated() {
    assert!(why_config("n_embd", json!(-1)).contains("n_embd: -1"));
    assert!(why_config("n_embd", json!(1e30)).contains("n_embd:"));
    assert!(why_config("n_embd", json!(13)).contains("n_head:"));
    assert!(why_config("num_key_value_heads", json!(2)).contains("num_key_value_heads:"));
    assert!(why_config("n_layer", json!(0)).contains("n_layer: 0"));
    assert!(why_config("rms_norm_eps", json!(-1.0)).contains("norm_eps:"));
    assert!(why_config("n_inner", json!(16_000_000)).contains("its sizes make at least"));
    assert!(why_config("n_positions", json!(16_000_000)).contains("its sizes make at least"));
    let table = |field: &str, value: Value| {
        let dir = copy("gpt2-default");
        edit(dir.path(), "config.json", |c| c[field] = value);
        why(dir.path())
    };
    assert!(table("vocab_size", json!(16_000_000)).contains("wte.weight: shape [31, 12]"));
    assert!(table("n_embd", json!(12_000)).contains("wte.weight: shape [31, 12]"));
    assert!(table("n_layer", json!(1_000_000)).contains("transformer.h.2.ln_1.weight: missing"));
    assert!(table("n_layer", json!(1)).contains("transformer.h.1.attn.c_attn.bias: unexpected"));
    assert!(table("n_inner", json!(47)).contains("h.0.mlp.c_fc.weight: shape"));
    assert!(table("tie_word_embeddings", json!(false)).contains("lm_head.weight: missing"));
    let dir = tempfile::tempdir().unwrap();
    let sines = GptConfig { positions: PositionKind::Sinusoidal, ..configs()[0].0.clone() };
    save_model(dir.path(), &random(&sines), &SpecialIds::default()).unwrap();
    edit(dir.path(), "config.json", |c| c["context"] = json!(16_000_000));
    assert!(why(dir.path()).contains("context: 16000000 sinusoids"));
}

#[test]
fn what_is_no_folder_or_no_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(why(&dir.path().join("none")).starts_with("cannot open"));
    assert!(why(dir.path()).contains("config.json"));
    fs::write(dir.path().join("file"), "").unwrap();
    assert!(why(&dir.path().join("file")).contains("is not a folder"));
    fs::create_dir(dir.path().join("config.json")).unwrap();
    assert!(why(dir.path()).contains("config.json is not a file"));
    for file in ["config.json", "model.safetensors"] {
        let dir = copy("gpt2-default");
        fs::write(dir.path().join(file), "").unwrap();
        assert!(why(dir.path()).contains(file));
        fs::write(dir.path().join(file), [0xff; 100]).unwrap();
        assert!(why(dir.path()).contains(file));
        fs::remove_file(dir.path().join(file)).unwrap();
        assert!(why(dir.path()).contains(file));
        fs::create_dir(dir.path().join(file)).unwrap();
        assert!(why(dir.path()).contains(file));
    }
    let dir = copy("gpt2-default");
    fs::rename(dir.path().join(MODEL), dir.path().join("pytorch_model.bin")).unwrap();
    assert!(load_model(dir.path()).err().unwrap().help_line().unwrap().contains("safetensors"));
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Rewrites the weights of a fixture.
fn rewrite(dir: &Path, change: impl FnOnce(&mut Tensors)) {
    let path = dir.join(MODEL);
    let file = TensorFile::open(&path).unwrap();
    let entries = file.entries().clone();
    let mut all: Tensors = entries
        .iter()
        .map(|(n, e)| (n.clone(), (e.shape.clone(), file.tensor(n, &e.shape).unwrap().to_vec())))
        .collect();
    change(&mut all);
    // The crate, not our writer: that would refuse a NaN.
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> =
        all.into_iter().map(|(n, (s, d))| (n, s, d.iter().flat_map(|x| x.to_le_bytes()).collect())).collect();
    let view = |s: &Vec<usize>, d| safetensors::tensor::TensorView::new(safetensors::Dtype::F32, s.clone(), d).unwrap();
    let bytes = safetensors::serialize(bytes.iter().map(|(n, s, d)| (n, view(s, d))), None).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let with = |change: &dyn Fn(&mut Tensors)| {
        let dir = copy("gpt2-default");
        rewrite(dir.path(), change);
        why(dir.path())
    };
    let bias = "transformer.h.1.mlp.c_fc.bias";
    assert!(with(&|t| t.get_mut(bias).unwrap().1[5] = f32::NAN).ends_with(&format!("{bias}: element 5 is NaN")));
    assert!(with(&|t| t.get_mut(bias).unwrap().1[0] = f32::NEG_INFINITY).ends_with("element 0 is -inf"));
    assert!(with(&|t| drop(t.remove(bias))).ends_with(&format!("{bias}: missing")));
    assert!(with(&|t| t.get_mut(bias).unwrap().0 = vec![1, 48]).contains("shape [1, 48], where [48] belongs"));
    assert!(
        with(&|t| drop(t.insert("transformer.h.0.extra".into(), (vec![1], vec![0.0]))))
            .contains("h.0.extra: unexpected")
    );
    assert!(
        with(&|t| drop(t.insert("wte.weight".into(), t["transformer.wte.weight"].clone())))
            .contains("wte.weight: unexpected")
    );
    let head = |by: f32| {
        move |t: &mut Tensors| {
            let mut table = t["transformer.wte.weight"].clone();
            table.1[0] += by;
            t.insert("lm_head.weight".into(), table);
        }
    };
    assert!(with(&head(1.0)).contains("lm_head.weight: differs"));
    let dir = copy("gpt2-default");
    rewrite(dir.path(), head(0.0));
    load_model(dir.path()).unwrap();
    // A model of ours without biases, whose zeros are none any more.
    let dir = tempfile::tempdir().unwrap();
    save_model(dir.path(), &random(&configs()[2].0), &SpecialIds::default()).unwrap();
    rewrite(dir.path(), |t| t.get_mut("transformer.ln_f.bias").unwrap().1[2] = 1.0);
    assert!(why(dir.path()).contains("transformer.ln_f.bias: element 2 is not 0"));
}

#[test]
fn truncated_anywhere_it_is_refused() {
    for (name, file) in [("gpt2-default", MODEL), ("gpt2-default", "config.json"), ("gpt2-sharded", INDEX)] {
        let dir = copy(name);
        let whole = fs::read(dir.path().join(file)).unwrap();
        for cut in (0..whole.len() - 2).step_by(1 + whole.len() / 97) {
            fs::write(dir.path().join(file), &whole[..cut]).unwrap();
            assert!(why(dir.path()).contains(file), "{file} cut at {cut}");
        }
    }
}

#[test]
fn an_index_may_only_name_files_beside_it() {
    let first = "model-00001-of-00005.safetensors";
    for trick in ["../x.safetensors", "/etc/passwd", "a/b", "..", "", "C:\\x"] {
        let dir = copy("gpt2-sharded");
        edit(dir.path(), INDEX, |i| i["weight_map"]["transformer.wte.weight"] = json!(trick));
        let text = why(dir.path());
        assert!(
            text.contains("weight_map: transformer.wte.weight") && text.contains("not the name of a file"),
            "{text}"
        );
    }
    let with = |change: &dyn Fn(&mut Value)| {
        let dir = copy("gpt2-sharded");
        edit(dir.path(), INDEX, |i| change(&mut i["weight_map"]));
        let text = why(dir.path());
        assert!(text.contains(INDEX), "{text}");
        text
    };
    assert!(with(&|m| m["transformer.wte.weight"] = json!(7)).contains("7 is not a text"));
    assert!(with(&|m| m["transformer.wte.weight"] = json!("none.safetensors")).contains("none.safetensors"));
    assert!(with(&|m| m["transformer.ln_f.bias"] = json!(first)).contains("is not in model-00001"));
    assert!(with(&|m| m["ghost"] = json!(first)).contains("ghost"));
    assert!(with(&|m| drop(m.as_object_mut().unwrap().remove("transformer.ln_f.bias"))).contains("lists"));
    assert!(with(&|m| *m = json!({})).contains("weight_map"));
    assert!(with(&|m| *m = json!([])).contains("weight_map"));
    let dir = copy("gpt2-sharded");
    fs::copy(dir.path().join(first), dir.path().join("model-00002-of-00005.safetensors")).unwrap();
    assert!(why(dir.path()).contains("safetensors"));
}

#[test]
fn flipped_bytes_never_panic() {
    let dir = copy("gpt2-default");
    let mut refused = 0;
    for file in [MODEL, "config.json"] {
        let whole = fs::read(dir.path().join(file)).unwrap();
        for i in (0..whole.len()).step_by(1 + whole.len() / 400) {
            for flip in [0x01, 0x10, 0x80] {
                let mut bytes = whole.clone();
                bytes[i] ^= flip;
                fs::write(dir.path().join(file), &bytes).unwrap();
                if let Err(error) = load_model(dir.path()) {
                    assert_eq!(error.exit_code(), 1);
                    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
                    refused += 1;
                }
            }
        }
        fs::write(dir.path().join(file), &whole).unwrap();
    }
    assert!(refused > 500, "{refused}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_and_a_read_only_folder_are_told_plainly() {
    let mut full = fs::File::options().write(true).open("/dev/full").unwrap();
    let item = Item::slice("w", [4], &[0.0; 4]);
    let error = write_tensors(&mut full, Path::new("out/model.safetensors"), vec![item], &[]).err().unwrap();
    assert!(error.to_string().starts_with("cannot write out/model.safetensors: No space left"), "{error}");
    let error = Save::begin("/proc/motamot").err().unwrap();
    assert!(error.to_string().contains("/proc/motamot") && error.help_line().is_some(), "{error}");
}

#[test]
#[cfg(unix)]
fn links_are_followed_as_in_a_download_cache() {
    let (cache, dir) = (copy("gpt2-default"), tempfile::tempdir().unwrap());
    for file in ["config.json", MODEL] {
        std::os::unix::fs::symlink(cache.path().join(file), dir.path().join(file)).unwrap();
    }
    let gpt = load_model(dir.path()).unwrap();
    // Saving there replaces the links, and leaves alone what they point to.
    let before = fs::read(cache.path().join(MODEL)).unwrap();
    save_model(dir.path(), &random(gpt.config()), &SpecialIds::default()).unwrap();
    assert_eq!(fs::read(cache.path().join(MODEL)).unwrap(), before);
    fs::remove_file(dir.path().join(MODEL)).unwrap();
    std::os::unix::fs::symlink("/dev/zero", dir.path().join(MODEL)).unwrap();
    assert!(why(dir.path()).contains("is not a file"));
}

#[test]
fn a_diverged_model_does_not_replace_a_good_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut gpt = random(&configs()[0].0);
    save_model(dir.path(), &gpt, &SpecialIds::default()).unwrap();
    let good = bits(&gpt);
    gpt.wte.weight.data_mut()[4] = f32::NAN;
    let error = save_model(dir.path(), &gpt, &SpecialIds::default()).err().unwrap();
    assert!(error.to_string().contains("transformer.wte.weight: element 4 is NaN"), "{error}");
    assert_eq!(bits(&load_model(dir.path()).unwrap()), good);
}

#[test]
fn a_kill_at_any_step_leaves_an_old_or_a_new_checkpoint() {
    let (old, new) = (random(&configs()[0].0), random(&configs()[1].0));
    let (old_bits, new_bits) = (bits(&old), bits(&new));
    let save = |dir: &Path, gpt: &Gpt, step: u64| -> Result<()> {
        let mut save = Save::begin(dir)?;
        save.model(gpt, &SpecialIds::default())?;
        save.tensors("optimizer.safetensors", vec![Item::slice("m.wte.weight", [2], &[step as f32, 0.5])], &[])?;
        save.json("training.json", &json!({"step": step}))?;
        save.commit()
    };
    let mut seen = [0, 0];
    for steps in 0.. {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), &old, 1).unwrap();
        let done = killed_after(steps, || save(dir.path(), &new, 2)).is_ok();
        let folder = Folder::open(dir.path()).unwrap();
        let step = folder.json::<Value>("training.json").unwrap()["step"].as_u64().unwrap();
        seen[step as usize - 1] += 1;
        assert_eq!(bits(&load_model(dir.path()).unwrap()), if step == 1 { old_bits.clone() } else { new_bits.clone() });
        let state = folder.tensors("optimizer.safetensors").unwrap().tensor("m.wte.weight", &[2]).unwrap();
        assert_eq!(*state, [step as f32, 0.5]);
        if done {
            break;
        }
    }
    assert!(seen[0] > 15 && seen[1] > 5, "{seen:?}");
}

/// Not a test by itself: writes models and their logits for dev/golden/check_export.py.
#[test]
#[ignore = "writes files for a Python script"]
fn export() {
    let Some(out) = std::env::var_os("MOTAMOT_EXPORT") else { panic!("MOTAMOT_EXPORT: the folder to write to") };
    let nano = crate::model::preset("nano").unwrap();
    let modern = GptConfig {
        positions: PositionKind::Rope,
        norm: NormKind::Rms,
        activation: Activation::Swiglu,
        bias: false,
        kv_heads: 2,
        ..nano.clone()
    };
    let char = GptConfig { layers: 2, ..crate::model::preset("char").unwrap() };
    let more = [(nano, "gpt2"), (modern, "llama"), (char, "gpt2")];
    for (i, (config, family)) in configs().into_iter().chain(more).enumerate().filter(|(_, (_, f))| *f != "motamot") {
        let (gpt, dir) = (random(&config), Path::new(&out).join(format!("{i}-{family}")));
        save_model(&dir, &gpt, &SpecialIds { bos: Some(0), eos: Some(0), pad: None }).unwrap();
        let ids: Vec<Vec<u32>> =
            (0..2).map(|r| (0..10).map(|i| (i * 7 + r * 3) % config.vocab_size as u32).collect()).collect();
        let rows: Vec<Vec<f32>> = ids.iter().map(|ids| logits(&gpt, ids)).collect();
        fs::write(dir.join("logits.json"), json!({"ids": ids, "logits": rows}).to_string()).unwrap();
    }
}

#[test]
fn the_tokens_that_begin_and_end_a_text_are_those_of_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let roles = |config: &str, generation: Option<&str>| {
        std::fs::write(dir.path().join(CONFIG), config).unwrap();
        let path = dir.path().join(GENERATION);
        let _ = std::fs::remove_file(&path);
        generation.iter().for_each(|text| std::fs::write(&path, text).unwrap());
        let roles = token_roles(&Folder::open(dir.path()).unwrap())?;
        Ok::<_, Error>((roles.bos, roles.eos))
    };
    let both = r#"{"bos_token_id": 1, "eos_token_id": 2}"#;
    assert_eq!(roles(both, None).unwrap(), (Some(1), vec![2]));
    assert_eq!(roles(both, Some(r#"{"eos_token_id": [4, 7]}"#)).unwrap(), (Some(1), vec![4, 7]));
    assert_eq!(roles("{}", Some(r#"{"bos_token_id": 3, "eos_token_id": null}"#)).unwrap(), (Some(3), vec![]));
    let error = roles(r#"{"eos_token_id": "</s>"}"#, None).unwrap_err().to_string();
    assert!(error.contains("config.json: eos_token_id:"), "{error}");
}
