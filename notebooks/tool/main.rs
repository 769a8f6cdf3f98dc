//! Records the notebooks: `cargo xtask notebooks [--check] [NN …]`.
#![forbid(unsafe_code)]

mod budget;
mod comments;
mod constructs;
mod form;
mod front;
mod ipynb;
mod links;
mod notebook;
mod record;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use budget::Measure;
use links::Course;
use motamot::Lang;
use notebook::Notebook;
use record::Output;

mod all {
    //! Each notebook as a module; `build.rs` writes them.
    #![allow(missing_docs)]
    include!(concat!(env!("OUT_DIR"), "/all.rs"));
}
use all::NOTEBOOKS;

const USAGE: &str = "usage: cargo xtask notebooks [--check] [NN …]
  without --check   runs the notebooks and writes notebooks/NN_name.ipynb and notebooks/en/NN_name.ipynb,
                    and as much in each further language in which it has prose
  --check           runs them and fails if a file differs from what it should be (times marked with ⏱ excepted),
                    or if a notebook has not the form that notebooks/README.md describes
Both print a table of their lengths.";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [command, name] = args.as_slice()
        && command == "exec"
    {
        return match NOTEBOOKS.iter().find(|(known, _)| known == name) {
            Some((_, program)) => {
                program();
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
    let mut tell = |kind: &str, name: &str, problems: &[String]| {
        problems.iter().for_each(|why| eprintln!("{kind}: {name}: {why}"));
        errors += if kind == "error" { problems.len() } else { 0 };
    };
    let mut notebooks = Vec::new();
    for (name, _) in NOTEBOOKS {
        match Notebook::read(&root, name) {
            Ok(notebook) => notebooks.push(notebook),
            Err(why) => tell("error", name, &[why]),
        }
    }
    let mut course = Course::default();
    notebooks.iter().for_each(|notebook| course.add(&notebook.name, &notebook.cells));
    let mut table = Vec::new();
    for notebook in &notebooks {
        let name = &notebook.name;
        if !wanted.is_empty() && !wanted.iter().any(|w| name.starts_with(w.as_str())) {
            continue;
        }
        // Who writes a notebook records it long before it has its form.
        let kind = if check { "error" } else { "warning" };
        match &notebook.front {
            Some(_) => {
                tell(kind, name, &[form::problems(notebook, &course), unexplained(notebook, &notebooks)].concat())
            }
            // Tolerance: a source without [front] is recorded as it is. To be an error once all are converted.
            None => tell("warning", name, &["not converted: it has no [front]".to_owned()]),
        }
        for lang in notebook.languages() {
            let clock = std::time::Instant::now();
            let name = format!("{name} ({})", lang.code());
            let path = root.join(lang.folder()).join(format!("{}.ipynb", notebook.name));
            let made = run(&root, notebook, lang).and_then(|outputs| {
                let text = ipynb::render(notebook, &course, &outputs, lang)?;
                if check {
                    compare(&path, &text)?
                } else {
                    write(&path, &text)?
                }
                Ok(outputs)
            });
            match made {
                Ok(outputs) => {
                    println!("{name}: ok in {:.1} s", clock.elapsed().as_secs_f32());
                    let Some(front) = &notebook.front else { continue };
                    match Measure::of(notebook, &course, &outputs, lang) {
                        Ok(measure) => {
                            table.push(measure.row(&front.id, lang, front.minutes));
                            tell(kind, &name, &measure.problems(front.minutes));
                        }
                        Err(why) => tell("error", &name, &[why]),
                    }
                }
                Err(why) => tell("error", &name, &[why]),
            }
        }
    }
    if !table.is_empty() {
        println!("\n{}\n{}", Measure::HEADING, table.join("\n"));
    }
    if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// First uses of Rust that neither a notebook nor one that comes before it explains.
fn unexplained(notebook: &Notebook, all: &[Notebook]) -> Vec<String> {
    // The appendix is where they are explained.
    if notebook.id() == "A" {
        return Vec::new();
    }
    let by_id: BTreeMap<&str, &Notebook> = all.iter().map(|notebook| (notebook.id(), notebook)).collect();
    let mut before = BTreeSet::new();
    let number = |id: &str| id.starts_with(|c: char| c.is_ascii_digit());
    let mut open: Vec<&str> = by_id.keys().copied().filter(|id| number(id) && *id < notebook.id()).collect();
    open.extend(notebook.front.iter().flat_map(|front| front.needs.iter().map(String::as_str)));
    while let Some(id) = open.pop() {
        if id != notebook.id()
            && id != "A"
            && before.insert(id)
            && let Some(front) = by_id.get(id).and_then(|notebook| notebook.front.as_ref())
        {
            open.extend(front.needs.iter().map(String::as_str));
        }
    }
    let known = before.iter().filter_map(|id| by_id.get(id));
    let known = known.flat_map(|notebook| constructs::read(notebook, &BTreeSet::new()).0).collect();
    constructs::read(notebook, &known).1
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(code)
}

/// The folder `notebooks/`.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a notebook.
fn run(root: &Path, notebook: &Notebook, lang: Lang) -> Result<Vec<Output>, String> {
    let codes = notebook.cells.iter().filter(|cell| cell.is_code()).count();
    record::run(&root.join(lang.folder()), &notebook.name, lang, codes)
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
