//! Records the notebooks: `cargo xtask notebooks [--check] [NN …]`.
#![forbid(unsafe_code)]

mod ipynb;
mod record;
mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use motamot::Lang;

mod all {
    //! Each notebook as a module; `build.rs` writes them.
    #![allow(missing_docs)]
    include!(concat!(env!("OUT_DIR"), "/all.rs"));
}
use all::NOTEBOOKS;

const USAGE: &str = "usage: cargo xtask notebooks [--check] [NN …]
  without --check   runs the notebooks and writes notebooks/NN_name.ipynb and notebooks/en/NN_name.ipynb
  --check           runs them and fails if a file differs from what it should be (times marked with ⏱ excepted)";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [command, name] = args.as_slice()
        && command == "exec"
    {
        return match NOTEBOOKS.iter().find(|(known, _)| known == name) {
            Some((_, run)) => {
                run();
                ExitCode::SUCCESS
            }
            None => fail(2, &format!("{name}: no such notebook")),
        };
    }
    let check = args.iter().any(|arg| arg == "--check");
    let wanted: Vec<&String> = args.iter().filter(|arg| *arg != "--check").collect();
    if let Some(odd) = wanted.iter().find(|w| !NOTEBOOKS.iter().any(|(name, _)| name.starts_with(w.as_str()))) {
        return fail(2, &format!("{odd}: no such notebook\n{USAGE}"));
    }
    let root = root();
    let mut errors = 0;
    for (name, _) in NOTEBOOKS {
        if !wanted.is_empty() && !wanted.iter().any(|w| name.starts_with(w.as_str())) {
            continue;
        }
        for lang in Lang::ALL {
            let clock = std::time::Instant::now();
            let path = root.join(lang.pick("", "en")).join(format!("{name}.ipynb"));
            match make(&root, name, lang)
                .and_then(|text| if check { compare(&path, &text) } else { write(&path, &text) })
            {
                Ok(()) => println!("{name} ({}): ok in {:.1} s", lang.code(), clock.elapsed().as_secs_f32()),
                Err(why) => {
                    eprintln!("error: {name} ({}): {why}", lang.code());
                    errors += 1;
                }
            }
        }
    }
    if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(code)
}

/// The folder `notebooks/`.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a notebook and makes its file.
fn make(root: &Path, name: &str, lang: Lang) -> Result<String, String> {
    let text = fs::read_to_string(root.join("src").join(format!("{name}.rs"))).map_err(|e| e.to_string())?;
    let cells = source::parse(&text)?;
    let codes = cells.iter().filter(|cell| matches!(cell, source::Cell::Code { .. })).count();
    let outputs = record::run(&root.join(lang.pick("", "en")), name, lang, codes)?;
    ipynb::render(&cells, &outputs, lang)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    motamot::utils::fs::write_atomic(path, text.as_bytes()).map_err(|e| e.to_string())
}

/// Fails with the first line that differs.
fn compare(path: &Path, text: &str) -> Result<(), String> {
    let file = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let (old, new) = (record::without_times(&file), record::without_times(text));
    let mut lines = old.lines().zip(new.lines()).enumerate();
    let Some((i, (old, new))) = lines.find(|(_, (old, new))| old != new) else {
        if old.lines().count() == new.lines().count() {
            return Ok(());
        }
        return Err("stale: cells were added or removed; run: cargo xtask notebooks".into());
    };
    let from = old.bytes().zip(new.bytes()).position(|(a, b)| a != b).unwrap_or(0).saturating_sub(60);
    let part =
        |line: &str| line.chars().skip(line.floor_char_boundary(from).min(line.len())).take(200).collect::<String>();
    Err(format!(
        "{}, line {}: stale\n  in the file: {}\n  now:         {}\nrun: cargo xtask notebooks {}",
        path.display(),
        i + 1,
        part(old),
        part(new),
        path.file_name().map_or("", |name| name.to_str().unwrap_or("")).split('_').next().unwrap_or("")
    ))
}
