//! Records the notebooks: `cargo xtask notebooks [--check] [NN …]`.
#![forbid(unsafe_code)]

mod comments;
mod front;
mod ipynb;
mod links;
mod record;
mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use front::Front;
use links::Course;
use motamot::Lang;
use source::{Body, Cell};

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
    let mut tell = |name: &str, problems: &[String]| {
        problems.iter().for_each(|why| eprintln!("error: {name}: {why}"));
        errors += problems.len();
    };
    let mut notebooks = Vec::new();
    for (name, _) in NOTEBOOKS {
        match Notebook::read(&root, name) {
            Ok(notebook) => notebooks.push(notebook),
            Err(why) => tell(name, &[why]),
        }
    }
    let mut course = Course::default();
    notebooks.iter().for_each(|notebook| course.add(&notebook.name, &notebook.cells));
    for notebook in &notebooks {
        let name = &notebook.name;
        if !wanted.is_empty() && !wanted.iter().any(|w| name.starts_with(w.as_str())) {
            continue;
        }
        // Tolerance: a source without [front] is recorded as it is. To be an error once all are converted.
        if notebook.front.is_none() {
            eprintln!("warning: {name}: not converted: it has no [front]");
        }
        for lang in notebook.languages() {
            let clock = std::time::Instant::now();
            let path = root.join(lang.folder()).join(format!("{name}.ipynb"));
            let made = make(&root, notebook, &course, lang);
            match made.and_then(|text| if check { compare(&path, &text) } else { write(&path, &text) }) {
                Ok(()) => println!("{name} ({}): ok in {:.1} s", lang.code(), clock.elapsed().as_secs_f32()),
                Err(why) => tell(&format!("{name} ({})", lang.code()), &[why]),
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

/// A notebook as its source has it.
pub struct Notebook {
    /// Such as `03_attention_mechanism`.
    pub name: String,
    /// What its first cell says; none if it has not the form of today.
    pub front: Option<Front>,
    /// All of its cells.
    pub cells: Vec<Cell>,
}

impl Notebook {
    /// Reads a source; its prose is in languages of the course alone.
    fn read(root: &Path, name: &str) -> Result<Notebook, String> {
        let text = fs::read_to_string(root.join("src").join(format!("{name}.rs"))).map_err(|e| e.to_string())?;
        let cells = source::parse(&text)?;
        let mut codes = cells.iter().filter_map(Cell::prose).flatten().map(|(code, _)| code);
        if let Some(code) = codes.find(|code| Lang::parse(code).is_none()) {
            return Err(format!("[markdown] {code}: course/src/lang.rs has no such language"));
        }
        let front = match &cells[0].body {
            Body::Front(front) => Some(Front::read(front, name)?),
            _ => None,
        };
        Ok(Notebook { name: name.to_owned(), front, cells })
    }

    /// `03`, or a letter.
    pub fn id(&self) -> &str {
        self.name.split('_').next().unwrap_or(&self.name)
    }

    /// The languages in which it has prose.
    fn languages(&self) -> impl Iterator<Item = Lang> {
        let codes: Vec<&String> = self.cells.iter().filter_map(Cell::prose).flatten().map(|(code, _)| code).collect();
        Lang::ALL.into_iter().filter(move |lang| codes.iter().any(|code| *code == lang.code()))
    }
}

/// Runs a notebook and makes its file.
fn make(root: &Path, notebook: &Notebook, course: &Course, lang: Lang) -> Result<String, String> {
    let codes = notebook.cells.iter().filter(|cell| cell.is_code()).count();
    let outputs = record::run(&root.join(lang.folder()), &notebook.name, lang, codes)?;
    ipynb::render(notebook, course, &outputs, lang)
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
