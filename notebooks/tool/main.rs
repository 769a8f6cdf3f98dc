//! Records the notebooks: `cargo xtask notebooks [--check] [NN …]`.
#![forbid(unsafe_code)]

mod ipynb;
mod record;
mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use motamot::Lang;
use source::Cell;

mod all {
    //! Each notebook as a module; `build.rs` writes them.
    #![allow(missing_docs)]
    include!(concat!(env!("OUT_DIR"), "/all.rs"));
}
use all::NOTEBOOKS;

const USAGE: &str = "usage: cargo xtask notebooks [--check] [NN …]
  without --check   runs the notebooks and writes notebooks/NN_name.ipynb and notebooks/en/NN_name.ipynb,
                    and as much in each further language in which it has prose
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
        let cells = match read(&root, name) {
            Ok(cells) => cells,
            Err(why) => {
                eprintln!("error: {name}: {why}");
                errors += 1;
                continue;
            }
        };
        for lang in languages(&cells) {
            let clock = std::time::Instant::now();
            let path = root.join(lang.folder()).join(format!("{name}.ipynb"));
            match make(&root, name, &cells, lang)
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

/// The cells of a notebook, with prose in languages of the course alone.
fn read(root: &Path, name: &str) -> Result<Vec<Cell>, String> {
    let text = fs::read_to_string(root.join("src").join(format!("{name}.rs"))).map_err(|e| e.to_string())?;
    let cells = source::parse(&text)?;
    if let Some(code) = codes(&cells).find(|code| Lang::parse(code).is_none()) {
        return Err(format!("[markdown] {code}: course/src/lang.rs has no such language"));
    }
    Ok(cells)
}

/// The code of the language of each prose.
fn codes(cells: &[Cell]) -> impl Iterator<Item = &str> {
    let texts = cells.iter().filter_map(|cell| if let Cell::Prose(texts) = cell { Some(texts) } else { None });
    texts.flatten().map(|(code, _)| code.as_str())
}

/// The languages in which a notebook has prose.
fn languages(cells: &[Cell]) -> impl Iterator<Item = Lang> {
    Lang::ALL.into_iter().filter(|lang| codes(cells).any(|code| code == lang.code()))
}

/// Runs a notebook and makes its file.
fn make(root: &Path, name: &str, cells: &[Cell], lang: Lang) -> Result<String, String> {
    let codes = cells.iter().filter(|cell| matches!(cell, Cell::Code { .. })).count();
    let outputs = record::run(&root.join(lang.folder()), name, lang, codes)?;
    ipynb::render(cells, &outputs, lang)
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
