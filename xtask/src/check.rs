//! What neither the compiler nor a test sees: that the documents say what is there, and that nothing is where it should not be.
//!
//! Each check returns its complaints, one a line, each with the place. No complaint, no trouble.

use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

type Complaints = Vec<String>;

/// A tracked text file.
struct File {
    /// Its path from the root, with forward slashes.
    path: String,
    text: String,
}

/// This file names what it looks for.
const SELF: &str = "xtask/src/check.rs";

/// Documents whose commands must exist.
const WITH_COMMANDS: [&str; 6] =
    ["README.md", "README.fr.md", "GUIDE.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "data/README.md"];

/// Runs every check; exit code 1 if one complains.
pub fn run() -> ExitCode {
    let files = match tracked() {
        Ok(files) => files,
        Err(e) => {
            eprintln!("error: {e}");
            return ExitCode::FAILURE;
        }
    };
    type Check = fn(&[File]) -> Complaints;
    let checks: [(&str, Check); 12] = [
        ("nothing is left to do in the code", unfinished),
        ("no path of one machine, no private registry", machine_paths),
        ("unsafe code only in crates/kernels", unsafe_code),
        ("long files say why", long_files),
        ("the embedded corpus is the documented one", corpus),
        ("each golden fixture has its script", goldens),
        ("each example is in ARCHITECTURE.md", examples),
        ("relative links lead somewhere", links),
        ("README.md and README.fr.md agree", translations),
        ("the presets' table is what motamot info prints", presets),
        ("documented commands and options exist", commands),
        ("deny.toml allows all of Cargo.lock, and THIRD-PARTY.md tells of it", |_| crate::licences::complaints()),
    ];
    let mut failed = 0;
    for (name, check) in checks {
        let complaints = check(&files);
        println!("{} {name}", if complaints.is_empty() { "ok  " } else { "FAIL" });
        complaints.iter().for_each(|c| println!("       {c}"));
        failed += usize::from(!complaints.is_empty());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The folder of the project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// The text files that git knows; binary ones are left out.
fn tracked() -> Result<Vec<File>, String> {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let output = output.map_err(|e| format!("git ls-files: {e}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let paths = String::from_utf8_lossy(&output.stdout).into_owned();
    let read =
        |path: &str| Some(File { path: path.to_owned(), text: std::fs::read_to_string(root().join(path)).ok()? });
    Ok(paths.split_terminator('\0').filter_map(read).collect())
}

fn rust(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|f| f.path.ends_with(".rs") && f.path != SELF)
}

fn find<'a>(files: &'a [File], path: &str) -> Option<&'a File> {
    files.iter().find(|f| f.path == path)
}

/// "path:line: why" for each line of which `wrong` finds something to say.
fn lines(file: &File, wrong: impl Fn(&str) -> Option<String>) -> Complaints {
    let numbered = file.text.lines().enumerate();
    numbered.filter_map(|(i, line)| Some(format!("{}:{}: {}", file.path, i + 1, wrong(line)?))).collect()
}

fn unfinished(files: &[File]) -> Complaints {
    const MARKS: [&str; 5] = ["TODO", "FIXME", "XXX", "todo!", "unimplemented!"];
    let wrong = |line: &str| MARKS.iter().find(|m| line.contains(**m)).map(|m| m.to_string());
    // The checks of exercises know what an exercise is that nobody has begun.
    rust(files).filter(|f| !f.path.starts_with("course/src/check/")).flat_map(|f| lines(f, wrong)).collect()
}

fn machine_paths(files: &[File]) -> Complaints {
    const FOLDERS: [&str; 5] = ["/work/", "/root/", "/home/", "/tmp/", "/Users/"];
    const REGISTRIES: [&str; 4] = ["index-url", "replace-with", "[registries", "artifactory"];
    let absolute = |line: &str, folder: &str| {
        // "src/work/x" is no absolute path: before one stands no part of a name.
        line.match_indices(folder)
            .any(|(i, _)| !line[..i].ends_with(|c: char| c.is_alphanumeric() || "_.-/}".contains(c)))
    };
    let wrong = |line: &str| {
        let registry = REGISTRIES.iter().find(|r| line.contains(**r));
        FOLDERS.iter().find(|f| absolute(line, f)).or(registry).map(|found| format!("{found:?}"))
    };
    let written =
        files.iter().filter(|f| f.path != SELF && f.path != "Cargo.lock" && f.path != "data/tiny_shakespeare.txt");
    let mut complaints: Complaints = written.flat_map(|f| lines(f, wrong)).collect();
    if let Some(lock) = find(files, "Cargo.lock") {
        let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
        complaints.extend(lines(lock, |l| (l.starts_with("source = ") && l != public).then(|| l.to_owned())));
    }
    complaints
}

fn unsafe_code(files: &[File]) -> Complaints {
    let word = |line: &str| {
        // The keyword as a text of its own is what a highlighter looks for.
        let code = line.split("//").next().unwrap_or(line).replace("\"unsafe\"", "");
        code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == "unsafe").then(|| "unsafe".to_owned())
    };
    let elsewhere = rust(files).filter(|f| !f.path.starts_with("crates/kernels/"));
    let mut complaints: Complaints = elsewhere.flat_map(|f| lines(f, word)).collect();
    for path in ["src/lib.rs", "cli/src/main.rs", "course/src/lib.rs", "crates/tensor/src/lib.rs", "xtask/src/main.rs"]
    {
        if !find(files, path).is_some_and(|f| f.text.contains("#![forbid(unsafe_code)]")) {
            complaints.push(format!("{path}: no #![forbid(unsafe_code)]"));
        }
    }
    complaints
}

/// A file over 500 lines says "500 lines", and why, in the comment that it begins with. A notebook is as long as its
/// chapter, twice.
fn long_files(files: &[File]) -> Complaints {
    let says_why = |f: &File| f.text.lines().take_while(|l| l.starts_with("//")).any(|l| l.contains("500 lines"));
    let long =
        rust(files).filter(|f| f.text.lines().count() > 500 && !f.path.starts_with("notebooks/src/") && !says_why(f));
    long.map(|f| format!("{}: {} lines; say in its header why it is over 500 lines", f.path, f.text.lines().count()))
        .collect()
}

fn corpus(files: &[File]) -> Complaints {
    let (Some(corpus), Some(readme)) = (find(files, "data/tiny_shakespeare.txt"), find(files, "data/README.md")) else {
        return vec!["data/tiny_shakespeare.txt or data/README.md is missing".to_owned()];
    };
    let sum: String = Sha256::digest(corpus.text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    if readme.text.contains(&sum) {
        vec![]
    } else {
        vec![format!("its sha256 is {sum}, which data/README.md does not say")]
    }
}

/// What lies in dev/golden must be named by a script there: the file, or the folder that it is in.
fn goldens(files: &[File]) -> Complaints {
    // Binary fixtures are not among `files`.
    let mut fixtures = Vec::new();
    let golden = root().join("dev/golden");
    for entry in std::fs::read_dir(&golden).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let inner = std::fs::read_dir(entry.path()).into_iter().flatten().flatten();
        let inner: Vec<String> = inner.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        fixtures.push((name.clone(), name.clone()));
        fixtures.extend(inner.into_iter().map(|n| (format!("{name}/{n}"), n)));
    }
    let scripts: String = files
        .iter()
        .filter(|f| f.path.starts_with("dev/golden/") && f.path.ends_with(".py"))
        .map(|f| f.text.as_str())
        .collect();
    let is_fixture = |name: &str| !name.ends_with(".py") && !name.ends_with(".md") && !name.starts_with(['_', '.']);
    fixtures.sort();
    let orphans = fixtures.iter().filter(|(_, name)| is_fixture(name) && !scripts.contains(name.as_str()));
    orphans.map(|(path, _)| format!("dev/golden/{path}: no script of dev/golden names it")).collect()
}

fn examples(files: &[File]) -> Complaints {
    let known = find(files, "ARCHITECTURE.md").map(|f| f.text.as_str()).unwrap_or_default();
    let name = |f: &File| Some(f.path.split_once("examples/")?.1.trim_end_matches(".rs").to_owned());
    let names = rust(files).filter_map(name);
    names.filter(|n| !known.contains(n.as_str())).map(|n| format!("{n} is not mentioned")).collect()
}

fn links(files: &[File]) -> Complaints {
    let mut complaints = Vec::new();
    for file in files.iter().filter(|f| f.path.ends_with(".md")) {
        let folder = root().join(&file.path).parent().map(Path::to_owned).unwrap_or_default();
        for (i, _) in file.text.match_indices("](") {
            let target = file.text[i + 2..].split([')', ' ', '\n']).next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            let elsewhere = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !elsewhere && !folder.join(target).exists() {
                complaints.push(format!("{}: {target} does not exist", file.path));
            }
        }
    }
    complaints
}

/// Both languages have the same headings (by level) and the same numbers in their tables, however they write them.
fn translations(files: &[File]) -> Complaints {
    let (Some(en), Some(fr)) = (find(files, "README.md"), find(files, "README.fr.md")) else {
        return vec!["README.md or README.fr.md is missing".to_owned()];
    };
    let outside_code = |f: &File| -> Vec<String> {
        let mut inside = false;
        let mut keep = |line: &&str| {
            inside ^= line.starts_with("```");
            !inside
        };
        f.text.lines().filter(|l| keep(l)).map(str::to_owned).collect()
    };
    let (en, fr) = (outside_code(en), outside_code(fr));
    let headings = |text: &[String]| -> Vec<usize> {
        let level = |line: &String| line.chars().take_while(|&c| c == '#').count();
        text.iter().map(level).filter(|&level| level > 0).collect()
    };
    // 6,084,608 and 6 084 608, 2.20 and 2,20: only the digits count.
    let numbers = |text: &[String]| -> Vec<String> {
        let cells = text.iter().filter(|l| l.starts_with('|')).flat_map(|l| l.split('|'));
        cells.map(|c| c.chars().filter(char::is_ascii_digit).collect::<String>()).filter(|c| !c.is_empty()).collect()
    };
    let mut complaints = Vec::new();
    if headings(&en) != headings(&fr) {
        complaints.push(format!("levels of headings: {:?} and {:?}", headings(&en), headings(&fr)));
    }
    let (en, fr) = (numbers(&en), numbers(&fr));
    if let Some(i) = (0..en.len().max(fr.len())).find(|&i| en.get(i) != fr.get(i)) {
        complaints.push(format!("numbers in tables: {:?} and {:?}", en.get(i), fr.get(i)));
    }
    complaints
}

/// The output of the command itself, from the same build as the tests'.
fn motamot(args: &[&str]) -> Result<String, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let command = ["run", "--quiet", "--package", "motamot-cli", "--"];
    let output = Command::new(cargo).args(command).args(args).current_dir(root()).output();
    let output = output.map_err(|e| format!("cargo run: {e}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

fn presets(files: &[File]) -> Complaints {
    let readme = find(files, "README.md").map(|f| f.text.as_str()).unwrap_or_default();
    let table = match motamot(&["info"]) {
        Ok(table) => table,
        Err(e) => return vec![e],
    };
    let rows = table.lines().skip(1).take_while(|l| !l.is_empty());
    // Of each row: the name and what follows it up to the heads; memory is an estimate that may change.
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split_whitespace().take(7).collect()).collect();
    if rows.is_empty() {
        return vec!["motamot info prints no table".to_owned()];
    }
    let documented = |row: &[&str]| {
        let cells =
            |line: &str| -> Vec<String> { line.split('|').map(|c| c.trim().trim_matches('`').to_owned()).collect() };
        readme.lines().map(cells).any(|line| line.len() > row.len() && line[1..=row.len()] == *row)
    };
    rows.iter().filter(|row| !documented(row)).map(|row| format!("README.md lacks: {}", row.join(" | "))).collect()
}

/// Command lines in a document: lines of code blocks, and code in the text, that begin with the command's name.
fn command_lines(text: &str) -> Vec<String> {
    const NAMES: [&str; 2] = ["motamot ", "cargo run --release -- "];
    let after_name = |s: &str| NAMES.iter().find_map(|name| s.trim_start().strip_prefix(name)).map(str::to_owned);
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if inside || line.starts_with("    ") {
            // A pipe's last part may be the command, too.
            found.extend(line.split(" | ").filter_map(after_name));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).filter_map(after_name));
        }
    }
    found
}

fn commands(files: &[File]) -> Complaints {
    let mut helps: HashMap<Vec<String>, Result<String, String>> = HashMap::new();
    let mut complaints = Vec::new();
    for file in WITH_COMMANDS.iter().filter_map(|path| find(files, path)) {
        for line in command_lines(&file.text) {
            let words: Vec<&str> = line.split_whitespace().take_while(|w| !w.starts_with(['#', '>', '…'])).collect();
            let is_name = |w: &&&str| w.chars().all(|c| c.is_ascii_lowercase());
            let nested = ["tokenizer", "data"].contains(words.first().unwrap_or(&""));
            let names: Vec<String> =
                words.iter().take(1 + usize::from(nested)).take_while(is_name).map(|w| w.to_string()).collect();
            let mut args: Vec<&str> = names.iter().map(String::as_str).collect();
            args.push("--help");
            let help = helps.entry(names.clone()).or_insert_with(|| motamot(&args));
            match help {
                Err(e) => {
                    complaints.push(format!("{}: motamot {line}: {}", file.path, e.lines().next().unwrap_or_default()))
                }
                Ok(help) => {
                    let options = words.iter().filter(|w| w.starts_with("--") && w.len() > 2);
                    let options = options.map(|w| w.split('=').next().unwrap_or(w).trim_end_matches([',', '.', ']']));
                    let known: Vec<&str> = help.split([' ', '\n', ',']).collect();
                    for option in options.filter(|o| !known.contains(o)) {
                        complaints.push(format!("{}: motamot {} has no {option}", file.path, names.join(" ")));
                    }
                }
            }
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn checks_see_what_they_are_for() {
        let bad = file("src/a.rs", "// TODO: later\nunsafe { f(\"/root/x\") }\nlet unsafe_code = \"src/work/\";\n");
        assert_eq!(unfinished(std::slice::from_ref(&bad)), ["src/a.rs:1: TODO"]);
        assert_eq!(machine_paths(std::slice::from_ref(&bad)), ["src/a.rs:2: \"/root/\""]);
        assert!(unsafe_code(std::slice::from_ref(&bad)).contains(&"src/a.rs:2: unsafe".to_owned()));
        let long = "//! Why: see below.\n".to_owned() + &"x\n".repeat(500);
        assert_eq!(long_files(&[file("a.rs", &long)]).len(), 1);
        assert_eq!(long_files(&[file("a.rs", &long.replacen("Why", "Over 500 lines", 1))]).len(), 0);
        assert_eq!(links(&[file("README.md", "[a](no/such/file.md#x) [b](https://a.b/c) [c](Cargo.toml)")]).len(), 1);
    }

    #[test]
    fn translations_are_compared_by_levels_and_digits() {
        let pair = |en: &str, fr: &str| translations(&[file("README.md", en), file("README.fr.md", fr)]);
        assert!(pair("# A\n| 6,084,608 | 2.20 |\n", "# B\n| 6 084 608 | 2,20 |\n").is_empty());
        assert_eq!(pair("# A\n## B\n", "# A\n# B\n").len(), 1);
        assert_eq!(pair("| 1 |\n", "| 2 |\n").len(), 1);
        assert!(pair("```sh\n# no heading\n```\n", "").is_empty());
    }

    #[test]
    fn command_lines_are_found() {
        let text = "Run `motamot info --json`.\n```sh\necho a | motamot generate --num 2\ncargo run --release -- train # go\n```\n";
        assert_eq!(command_lines(text), ["info --json", "generate --num 2", "train # go"]);
    }
}
