//! The program as its users meet it: commands, files, exit codes, and what it says to nonsense.

mod program;

use program::{Place, TINY, command, run, stderr};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

/// A folder with a model in `m`, trained once for all tests, which only read it.
fn model() -> &'static PathBuf {
    static MODEL: OnceLock<PathBuf> = OnceLock::new();
    MODEL.get_or_init(|| {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cli");
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("text.txt"), program::text()).unwrap();
        let line = format!("train {TINY} --data text.txt --steps 20 --set eval_every=10 --out m");
        let output = run(command(&dir, &line), b"");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains("motamot generate --model m") && output.stdout.is_empty());
        dir
    })
}

fn ask(line: &str, stdin: &str) -> String {
    let output = run(command(model(), line), stdin.as_bytes());
    assert_eq!(output.status.code(), Some(0), "{line}\n{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn json(line: &str) -> Value {
    let text = ask(line, "");
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn training_leaves_a_whole_folder() {
    let m = model().join("m");
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "training.json"] {
        assert!(m.join(name).is_file(), "{name}");
    }
    assert!(m.join("optimizer.safetensors").is_file());
    assert!(std::fs::read_to_string(m.join("loss.svg")).unwrap().contains("<svg"));
    let metrics = std::fs::read_to_string(m.join("metrics.jsonl")).unwrap();
    assert_eq!(metrics.lines().count(), 20);
    let documented =
        ["step", "tokens", "train_loss", "val_loss", "val_bpb", "lr", "grad_norm", "tokens_per_s", "elapsed_s"];
    for (i, line) in metrics.lines().enumerate() {
        let row: Value = serde_json::from_str(line).unwrap();
        assert_eq!(keys(&row), documented);
        assert_eq!((row["step"].as_u64(), row["val_loss"].is_number()), (Some(i as u64 + 1), i % 10 == 9));
    }
}

#[test]
fn generating() {
    let text = ask("generate --model m --prompt ROMEO: --seed 3 --max-tokens 20", "");
    assert!(text.starts_with("ROMEO:") && text.ends_with('\n'));
    assert_eq!(text, ask("generate --model m --prompt ROMEO: --seed 3 --max-tokens 20", ""));
    assert_eq!(text, ask("generate --model m --seed 3 --max-tokens 20", "ROMEO:"));
    let file = model().join("prompt.txt");
    std::fs::write(&file, "ROMEO:").unwrap();
    assert_eq!(text, ask("generate --model m --prompt-file prompt.txt --seed 3 --max-tokens 20", ""));
    assert_ne!(text, ask("generate --model m --prompt ROMEO: --seed 4 --max-tokens 20", ""));
    let greedy = ask("generate --model m --prompt ROMEO: --greedy --max-tokens 8", "");
    assert_eq!(greedy, ask("generate --model m --prompt ROMEO: --temperature 0 --max-tokens 8 --seed 9", ""));
    assert!(ask("generate --model m --prompt A --num 3 --max-tokens 4", "").contains("--- 3/3 ---"));
    assert!(ask("generate --model m --prompt A --beam 3 --length-penalty 0.5 --max-tokens 4", "").starts_with('A'));
    assert!(!ask("generate --model m --prompt A --stop e --seed 1 --max-tokens 60", "").contains('e'));
    let one = json("generate --model m --prompt A --json --seed 5 --num 2 --max-tokens 5");
    assert_eq!(
        keys(&one),
        ["model", "prompt", "prompt_tokens", "prompt_tokens_used", "samples", "seed", "tokens_per_s"]
    );
    assert_eq!((one["samples"].as_array().unwrap().len(), one["seed"].as_u64()), (2, Some(5)));
    assert_eq!(keys(&one["samples"][0]), ["text", "tokens", "finish_reason"]);
}

#[test]
fn chatting_through_a_pipe() {
    let line = "chat --model m --as JULIET --you ROMEO --seed 1 --max-tokens 12";
    let answers = ask(line, "Good morrow.\nHow now?\n");
    assert!(answers.contains("\n\n") && !answers.contains('\u{1b}'), "{answers:?}");
    assert_eq!(answers, ask(line, "Good morrow.\nHow now?\n/quit\nmore\n"));
    let output = run(command(model(), line), b"/help\n/nonsense\n");
    assert!(output.stdout.is_empty() && stderr(&output).contains("/temperature"));
}

#[test]
fn evaluating_agrees_with_training() {
    let mut result = json("eval --model m --json");
    assert_eq!(result.as_object_mut().unwrap().remove("model").unwrap(), "m");
    assert_eq!(keys(&result), ["nats_per_token", "bits_per_byte", "perplexity", "tokens", "bytes"]);
    let training: Value = serde_json::from_slice(&std::fs::read(model().join("m/training.json")).unwrap()).unwrap();
    assert_eq!(result, training["best"]);
    let fair = json("eval --model m --stride 4 --json");
    assert_eq!(fair["tokens"], result["tokens"]);
    // Of the text that it has learned from, only what was held out.
    assert_eq!(json("eval --model m --data text.txt --json")["bytes"], 1_200);
    assert_eq!(json("eval --model m --data m/config.json --json")["tokens"].as_u64().map(|n| n > 100), Some(true));
    assert!(ask("eval --model m", "").contains("bits per byte"));
}

#[test]
fn tokenizers_there_and_back() {
    let place = Place::new();
    for kind in ["bpe", "char"] {
        let vocab = if kind == "bpe" { "--vocab 300" } else { "" };
        place.ok(&format!("tokenizer train --data text.txt --kind {kind} {vocab} --out new/{kind}.json"));
        let ids = place.ok(&format!("tokenizer encode --tokenizer new/{kind}.json 'What, ho!'"));
        let back = place.ok(&format!("tokenizer decode --tokenizer new/{kind}.json {}", ids.trim()));
        assert_eq!(back, "What, ho!\n");
        assert!(place.ok(&format!("tokenizer show --tokenizer new/{kind}.json")).contains(kind));
    }
}

#[test]
fn baselines_data_and_sizes() {
    let place = Place::new();
    let report: Value = serde_json::from_str(&place.ok("baseline --data text.txt --order 3 --json")).unwrap();
    let bits: Vec<f64> =
        report["baselines"].as_array().unwrap().iter().map(|b| b["bits_per_byte"].as_f64().unwrap()).collect();
    assert!(bits.len() == 3 && bits[1] < bits[0] && bits.iter().all(|b| (1.0..8.0).contains(b)), "{bits:?}");
    assert!(place.ok("data list").contains("tiny-shakespeare"));
    let info: Value = serde_json::from_str(&place.ok("info --preset gpt2 --json")).unwrap();
    assert_eq!(info["parameters"], 124_439_808);
    let all: Value = serde_json::from_str(&place.ok("info --json")).unwrap();
    assert!(all.as_array().unwrap().len() >= 5);
    assert!(place.ok("info --preset mini").contains("parameters"));
    for line in ["--help", "--version", "train --help", "generate --help"] {
        assert!(!place.ok(line).is_empty());
    }
}

#[test]
fn a_second_run_sets_the_first_aside_and_the_newest_is_the_default() {
    let place = Place::new();
    let tiny = format!("train {TINY} --data text.txt --steps 2 --quiet");
    assert_eq!(place.ok(&tiny), "");
    let first = std::fs::read(place.path("models/checkpoints/nano/model.safetensors")).unwrap();
    place.ok(&format!("{tiny} --seed 2"));
    assert_eq!(std::fs::read(place.path("models/checkpoints/nano.1/model.safetensors")).unwrap(), first);
    place.ok(&format!("{tiny} --seed 3 --out models/checkpoints/other"));
    let newest = place.ok("generate --prompt A --max-tokens 1 --json");
    assert!(newest.contains("models/checkpoints/other"), "{newest}");
    // A changed text is not the run's text any more.
    std::fs::write(place.path("text.txt"), &program::text()[..11_000]).unwrap();
    let output = place.run("train --preset nano --resume");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("is not the text"), "{}", stderr(&output));
}

/// (exit code, command line). In the folder: text.txt, empty.txt, one.txt (1 byte), latin.txt (not UTF-8), folder/,
/// bad.toml, and no model.
const NONSENSE: [(i32, &str); 88] = [
    (2, ""),
    (2, "fly"),
    (2, "train --fly"),
    (2, "train extra"),
    (2, "train --preset huge"),
    (2, "train --preset"),
    (2, "train --steps"),
    (2, "train --steps -1"),
    (2, "train --steps many"),
    (2, "train --steps 99999999999999999999999"),
    (2, "train --steps 5 --minutes 1"),
    (2, "train --minutes 0"),
    (2, "train --minutes -1"),
    (2, "train --minutes nan"),
    (2, "train --minutes inf"),
    (2, "train --batch 0"),
    (2, "train --batch 99999999999"),
    (2, "train --seed -1"),
    (2, "train --threads 0"),
    (2, "train --threads 99999"),
    (2, "train --precision f16"),
    (2, "train --tokenizer words"),
    (2, "train --tokenizer char --vocab 300"),
    (2, "train --data text.txt --vocab 3"),
    (2, "train --data text.txt --vocab 99999999999"),
    (2, "train --set garbage"),
    (2, "train --set =1"),
    (2, "train --set lr=fast"),
    (2, "train --set lr=nan"),
    (2, "train --set speed=1"),
    (2, "train --set heads=0"),
    (2, "train --set heads=7"),
    (2, "train --set dropout=2"),
    (2, "train --set context=-5"),
    (2, "train --set beta1=1"),
    (1, "train --config missing.toml"),
    (1, "train --config folder"),
    (2, "train --config bad.toml"),
    (1, "train --data missing.txt"),
    (1, "train --data empty.txt"),
    (1, "train --data one.txt"),
    (1, "train --data folder"),
    (1, "train --data latin.txt --tokenizer char"),
    (1, "train --preset nano --data text.txt --vocab 280 --set context=20000"),
    (1, "train --preset nano --data text.txt --vocab 280 --steps 1 --out text.txt"),
    (1, "train --preset nano --data text.txt --vocab 280 --steps 1 --out text.txt/run"),
    (1, "train --resume --out nowhere"),
    (1, "train --resume --steps 5"),
    (1, "generate --prompt A"),
    (1, "generate --model nowhere --prompt A"),
    (1, "generate --model text.txt --prompt A"),
    (1, "generate --model folder --prompt A"),
    (2, "generate --temperature -1"),
    (2, "generate --top-p 2"),
    (2, "generate --greedy --num 2"),
    (2, "generate --beam 0"),
    (1, "eval --model folder"),
    (1, "baseline --data empty.txt"),
    (2, "baseline --order 0"),
    (2, "info --preset none"),
    (2, "data get nothing"),
    (2, "train --steps 0"),
    (2, "train mini --preset nano"),
    (2, "train --lr -1"),
    (2, "train --lr fast"),
    (2, "train --tokenizer missing.json"),
    (1, "train --tokenizer text.txt"),
    (1, "train --tokenizer folder"),
    (2, "train --val text.txt"),
    (1, "train --data text.txt --val missing.txt"),
    (1, "train --init-from nowhere"),
    (2, "train --init-from nowhere --vocab 300"),
    (1, "train --data noise.bin"),
    (1, "train --data utf16.txt"),
    (1, "train --data broken.jsonl"),
    (1, "train --preset nano --data text.txt --vocab 280 --steps 1 --out busy"),
    (2, "tokenizer train --kind bpe --lowercase"),
    (2, "tokenizer train --kind char --vocab 9"),
    (2, "tokenizer encode --tokenizer text.txt --model folder x"),
    (1, "verify"),
    (1, "verify folder"),
    (2, "generate --temperature 0,8 A"),
    (2, "generate A --prompt B"),
    (2, "generate -n many A"),
    (2, "bench train --steps 0"),
    (2, "bench train --set lr=3"),
    (2, "info mini --batch 100000000000"),
    (2, "info mini --batch 0"),
];

#[test]
fn nonsense_is_answered_in_one_line_and_leaves_nothing() {
    let place = Place::new();
    for (name, content) in [("empty.txt", &b""[..]), ("one.txt", b"a"), ("bad.toml", b"[train]\nlr = {{{\n")] {
        std::fs::write(place.path(name), content).unwrap();
    }
    std::fs::write(place.path("latin.txt"), b"caf\xe9 au lait, ".repeat(200)).unwrap();
    std::fs::create_dir(place.path("folder")).unwrap();
    std::fs::create_dir(place.path("busy")).unwrap();
    std::fs::write(place.path("busy/thesis.txt"), "mine").unwrap();
    std::fs::write(place.path("noise.bin"), (0..3000u32).map(|i| ((i * i * 37) >> 4) as u8 | 1).collect::<Vec<_>>())
        .unwrap();
    std::fs::write(place.path("utf16.txt"), "To be".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>())
        .unwrap();
    std::fs::write(place.path("broken.jsonl"), "{\"text\": \"a\"}\n{\"story\": \"b\"}\n").unwrap();
    let listing = || -> BTreeSet<String> {
        let names = std::fs::read_dir(place.dir.path()).unwrap();
        names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    };
    let before = listing();
    let mut wrong = Vec::new();
    for (code, line) in NONSENSE {
        let output = place.run(line);
        let said = stderr(&output);
        let errors = said.lines().filter(|l| l.starts_with("error:")).count();
        let advice = ["help:", "Usage:", "usage:", "--help", "possible values"].iter().any(|a| said.contains(a));
        // Without a word the program shows its help.
        let errors_fit = errors == 1 || line.is_empty();
        let clean = listing().difference(&before).all(|name| name == "data");
        if output.status.code() != Some(code) || !errors_fit || !advice || said.contains("panicked") || !clean {
            wrong.push(format!("{line}: {:?}, expected {code}; rubbish: {}\n{said}", output.status.code(), !clean));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), NONSENSE.len(), wrong.join("\n"));
}

#[test]
fn reading_the_course() {
    let place = Place::new();
    let list = place.ok("cours --lang fr");
    let number = list.lines().find(|line| line.starts_with("  00 ")).expect("a line of chapter 00");
    assert!(number.len() > 6 && list.contains("--open"), "{list}");
    assert_ne!(list, place.ok("course --lang en"));
    let chapter = place.ok("cours 0 --lang en --out here");
    assert!(chapter.contains("═══") && chapter.contains("  │ ") && !chapter.contains('\u{1b}'), "{chapter}");
    let picture = chapter.lines().find_map(|line| line.trim_start_matches([' ', '│']).strip_prefix("here")).unwrap();
    assert!(std::fs::read_to_string(place.path("here").join(&picture[1..])).unwrap().contains("<svg"));
    let page = place.ok("cours 00 --lang en --html --out book");
    let html = std::fs::read_to_string(place.path(page.trim())).unwrap();
    assert!(html.contains("<html lang=\"en\">") && place.path("book/fr").is_dir(), "{page}");
    for (line, code, help) in [
        ("cours 77", 2, "the chapters are 00"),
        ("cours --lang de", 2, "fr and en"),
        ("cours --html --out text.txt/x", 1, "help:"),
    ] {
        let output = place.run(line);
        assert_eq!(output.status.code(), Some(code), "{line}");
        assert!(stderr(&output).contains(help), "{}", stderr(&output));
    }
}

/// Without a browser the path is still there, and the reader is told.
#[cfg(target_os = "linux")]
#[test]
fn no_browser_is_said() {
    let place = Place::new();
    let mut command = place.command("cours --open --out book");
    command.env("PATH", "");
    let output = run(command, b"");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), b"book/index.html\n".as_slice()));
    assert!(stderr(&output).contains("cannot open a browser") && stderr(&output).contains("help: open the page above"));
}

#[test]
fn prompts_are_positional_and_what_is_not_seen_is_said() {
    assert_eq!(ask("generate -m m -n 3 --seed 1 ROMEO:", ""), ask("generate -m m -p ROMEO: -n 3 --seed 1", ""));
    let long = "to be or not to be ".repeat(30);
    let output = run(command(model(), &format!("generate -m m -n 2 --seed 1 --json '{long}'")), b"");
    let object = program::json(&String::from_utf8(output.stdout.clone()).unwrap());
    let (all, used) = (object["prompt_tokens"].as_u64().unwrap(), object["prompt_tokens_used"].as_u64().unwrap());
    assert!(used <= 64 && used < all, "{object}");
    assert!(stderr(&output).contains(&format!("of the {all} tokens of the prompt the model sees the last {used}")));
}

#[test]
fn a_conversation_is_taken_back_and_loaded() {
    let place = Place::new();
    std::fs::create_dir(place.path("m")).unwrap();
    for entry in std::fs::read_dir(model().join("m")).unwrap().map(|entry| entry.unwrap()) {
        std::fs::copy(entry.path(), place.path("m").join(entry.file_name())).unwrap();
    }
    let line = "chat -m m --seed 1 -n 8";
    let said = |lines: &str| {
        let output = run(place.command(line), lines.as_bytes());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        (String::from_utf8(output.stdout.clone()).unwrap(), stderr(&output))
    };
    let (answers, _) = said("Good morrow.\n/retry\n");
    let parts: Vec<&str> = answers.split("\n\n").collect();
    assert!(parts.len() == 2 && parts[0].trim() != parts[1].trim(), "another answer: {answers:?}");
    let (_, notes) = said(
        "One.\nTwo.\n/undo\n/save talk.json\n/undo\n/undo\n/retry\n/load talk.json\n/temperature\n/save no/where.txt\n",
    );
    for part in [
        "taken back: Two.",
        "1 turn written",
        "taken back: One.",
        "nothing to take back",
        "1 turn read",
        "temperature 0.8",
        "no folder no",
    ] {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    std::fs::write(place.path("odd.json"), r#"[{"role": "assistant", "content": "x"}]"#).unwrap();
    assert!(said("/load odd.json\n").1.contains("message 1: out of turn"));
}
