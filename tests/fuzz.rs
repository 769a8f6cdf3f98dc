//! Files that nobody meant, by the thousand: no panic, an error that names the file, and where a file is taken, what the
//! crates `safetensors` and `tokenizers` make of it. `MOTAMOT_FUZZ_SECONDS=60` looks longer than a moment; a find is
//! repeated by the number that its message tells (`MOTAMOT_FUZZ_SEED`).

use motamot::checkpoint::{Item, SpecialIds, TensorFile, load_model, save_model, write_tensors};
use motamot::model::{Gpt, GptConfig, preset};
use motamot::nn::Module;
use motamot::tokenizer::{BpeOptions, Tokenizer, WordPieceOptions};
use motamot::training::state;
use motamot_kernels::rng::Rng;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// Calls `try_one` with one generator after another until the time is over; it returns whether the file was taken.
fn fuzz(name: &str, try_one: impl Fn(&mut Rng) -> bool) {
    let variable = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (seconds, seed) = (variable("MOTAMOT_FUZZ_SECONDS").unwrap_or(1), variable("MOTAMOT_FUZZ_SEED"));
    let (clock, mut tried, mut taken) = (Instant::now(), 0u64, 0u64);
    while clock.elapsed() < Duration::from_secs(seconds) {
        let number = seed.unwrap_or(tried);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| try_one(&mut Rng::new(number))));
        match outcome {
            Ok(fine) => taken += u64::from(fine),
            Err(panic) => {
                eprintln!("{name}: MOTAMOT_FUZZ_SEED={number}");
                std::panic::resume_unwind(panic);
            }
        }
        tried += 1;
    }
    eprintln!("{name}: {tried} files, {taken} taken");
    assert!(seed.is_some() || (taken > 0 && taken < tried), "{name}: {taken} of {tried} taken: one side was not seen");
}

/// A value that somebody may have put there.
fn odd(rng: &mut Rng) -> Value {
    let words =
        ["", "gpt2", "F32", "F16", "I64", "gelu", "rope", "\u{1b}]0;x\u{7}", "../../x", "<|endoftext|>", "##s", "Ġ"];
    match rng.below(12) {
        0 => Value::Null,
        1 => json!(rng.below(2) == 0),
        2 => json!(0),
        3 => json!(-1),
        4 => json!(rng.below(70)),
        5 => json!(u64::MAX - rng.below(3) as u64),
        6 => json!(1u64 << rng.below(64)),
        7 => json!(1e300),
        8 => json!([]),
        9 => json!({}),
        10 => json!("x".repeat(rng.below(300))),
        _ => json!(words[rng.below(words.len())]),
    }
}

/// Changes a few places of a document.
fn mutate(value: &mut Value, rng: &mut Rng) {
    for _ in 0..1 + rng.below(3) {
        let mut at = &mut *value;
        // Down to some depth, then a change there.
        for _ in 0..rng.below(6) {
            let size = at.as_object().map_or(0, |map| map.len()) + at.as_array().map_or(0, |list| list.len());
            if size == 0 {
                break;
            }
            let place = rng.below(size);
            at = match at {
                Value::Object(map) => map.iter_mut().nth(place).unwrap().1,
                Value::Array(list) => &mut list[place],
                _ => unreachable!(),
            };
        }
        match at {
            Value::Object(map) if rng.below(2) == 0 && !map.is_empty() => {
                let key = map.keys().nth(rng.below(map.len())).unwrap().clone();
                let removed = map.remove(&key).unwrap();
                if rng.below(2) == 0 {
                    map.insert(odd(rng).to_string(), removed);
                }
            }
            Value::Array(list) if rng.below(2) == 0 && !list.is_empty() => {
                let (i, j) = (rng.below(list.len()), rng.below(list.len()));
                if rng.below(2) == 0 { list.swap(i, j) } else { drop(list.remove(i)) }
            }
            at => *at = odd(rng),
        }
    }
}

/// The text of a document, now and then damaged as text.
fn written(value: &Value, rng: &mut Rng) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    if rng.below(8) == 0 && !bytes.is_empty() {
        let at = rng.below(bytes.len());
        match rng.below(3) {
            0 => bytes.truncate(at),
            1 => bytes[at] = rng.below(256) as u8,
            _ => {
                let part: Vec<u8> = bytes[at..bytes.len().min(at + 1 + rng.below(20))].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

/// The message of an error names the file, and is no longer than a few lines.
fn check_error(error: &motamot::utils::Error, file: &str) {
    let text = error.to_string();
    assert!(
        text.contains(file) && text.len() < 2000,
        "{} bytes: {}",
        text.len(),
        text.chars().take(500).collect::<String>()
    );
}

#[test]
fn tensors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    let data: Vec<f32> = (0..24).map(|i| i as f32 - 3.5).collect();
    let mut good = Vec::new();
    let items = vec![Item::slice("a", [2, 3], &data[..6]), Item::slice("b.weight", [18], &data[6..])];
    write_tensors(&mut good, Path::new("x"), items, &[("format", "pt")]).unwrap();
    let length = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&good[8..length]).unwrap();
    fuzz("safetensors", |rng| {
        let mut header = header.clone();
        if rng.below(10) > 0 {
            mutate(&mut header, rng);
        }
        let text = written(&header, rng);
        let mut file = [&(text.len() as u64).to_le_bytes(), &text[..], &good[length..]].concat();
        if rng.below(8) == 0 {
            file.truncate(rng.below(file.len() + 1));
        }
        std::fs::write(&path, &file).unwrap();
        let ours = match TensorFile::open(&path) {
            Ok(ours) => ours,
            Err(error) => {
                check_error(&error, "x.safetensors");
                return false;
            }
        };
        let theirs = safetensors::SafeTensors::deserialize(&file).expect("we take it, they do not");
        assert_eq!(ours.entries().len(), theirs.len());
        for (name, entry) in ours.entries() {
            let view = theirs.tensor(name).expect(name);
            assert_eq!(view.shape(), entry.shape);
            if let Ok(numbers) = ours.tensor(name, &entry.shape)
                && view.dtype() == safetensors::Dtype::F32
            {
                let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
                assert!(bytes == view.data(), "{name}");
            }
        }
        true
    });
}

#[test]
fn tokenizers_of_others() {
    let text = "to be, or not to be: that is the question.\nWhether 'tis nobler in the mind, été 한국 12 345";
    let bpe =
        Tokenizer::train_bpe([text], &BpeOptions { vocab_size: 290, min_frequency: 1, ..Default::default() }).unwrap();
    let pieces = WordPieceOptions { vocab_size: 90, min_frequency: 1, ..Default::default() };
    let files =
        [bpe, Tokenizer::train_wordpiece([text], &pieces).unwrap(), Tokenizer::chars(text, &["<|end|>"]).unwrap()];
    let files = files.map(|tokenizer| tokenizer.to_json());
    fuzz("tokenizer.json", |rng| {
        let mut file = files[rng.below(files.len())].clone();
        mutate(&mut file, rng);
        let bytes = written(&file, rng);
        let Ok(ours) = Tokenizer::from_json_bytes(&bytes) else { return false };
        // What they refuse and we take is at least no other ids.
        let Ok(theirs) = tokenizers::Tokenizer::from_bytes(&bytes) else { return true };
        for part in [text, "to be", "nobler <|end|> mind", "  12\n", ""] {
            if let (Ok(ours), Ok(theirs)) = (ours.encode_prompt(part), theirs.encode(part, true))
                && !part.contains("<|")
            {
                assert_eq!(ours, theirs.get_ids(), "{part:?} {file}");
            }
        }
        true
    });
}

#[test]
fn models() {
    let small = GptConfig { vocab_size: 20, context: 8, width: 8, layers: 1, heads: 2, ..preset("nano").unwrap() };
    let (good, bad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    save_model(good.path(), &Gpt::new(&small, &mut Rng::new(1)).unwrap(), &SpecialIds::default()).unwrap();
    std::fs::copy(good.path().join("model.safetensors"), bad.path().join("model.safetensors")).unwrap();
    let config: Value = serde_json::from_slice(&std::fs::read(good.path().join("config.json")).unwrap()).unwrap();
    fuzz("config.json", |rng| {
        let mut config = config.clone();
        mutate(&mut config, rng);
        std::fs::write(bad.path().join("config.json"), written(&config, rng)).unwrap();
        match load_model(bad.path()) {
            Ok(gpt) => {
                assert!(gpt.parameter_count() < 10_000);
                true
            }
            Err(error) => {
                let text = error.to_string();
                check_error(&error, if text.contains("safetensors") { "model.safetensors" } else { "config.json" });
                false
            }
        }
    });
}

#[test]
fn runs() {
    use motamot::data::{Corpus, TokenizerSource, prepare};
    use motamot::tokenizer::TokenizerKind;
    use motamot::training::{Run, RunConfig};
    let dir = tempfile::tempdir().unwrap();
    let text = "to be or not to be ".repeat(12).into_bytes();
    let source = TokenizerSource::Train { kind: TokenizerKind::Char, vocab_size: 0 };
    let data = prepare(&Corpus::from_bytes("a text", text), source).unwrap();
    let mut config = RunConfig::preset("nano").unwrap();
    for setting in ["context=8", "width=8", "layers=1", "heads=1", "batch=1", "sample_tokens=0"] {
        config.set(setting).unwrap();
    }
    config.model.vocab_size = data.tokenizer.vocab_size();
    let id = state::TextId::of(&data, &[], None);
    drop(Run::new(&config, data, id, Vec::new(), dir.path()).unwrap());
    let path = dir.path().join("training.json");
    let training: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let commit = dir.path().join(".motamot-commit.json");
    fuzz("training.json", |rng| {
        let mut training = training.clone();
        if rng.below(10) > 0 {
            mutate(&mut training, rng);
        }
        std::fs::write(&path, written(&training, rng)).unwrap();
        let _ = std::fs::remove_file(&commit);
        if rng.below(6) == 0 {
            let mut list =
                json!({"x.json": ".motamot-new.1.x.json", "model.safetensors": ".motamot-new.1.model.safetensors"});
            mutate(&mut list, rng);
            std::fs::write(&commit, written(&list, rng)).unwrap();
        }
        state::load(dir.path()).is_ok()
    });
}
