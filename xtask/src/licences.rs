//! Whose work the program holds, by `Cargo.lock`: whether `deny.toml` allows it, and the notices that go with it.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::check::root;

/// The file of the notices.
const NOTICES: &str = "THIRD-PARTY.md";

/// A package of others that the command is built from.
struct Package {
    name: String,
    version: String,
    licence: String,
    repository: String,
    /// The texts of its licences and notices, by file name.
    texts: BTreeMap<String, String>,
}

/// What is wrong with the packages of the workspace, tests and tools included.
pub fn complaints() -> Vec<String> {
    match check() {
        Ok(wrong) => wrong,
        Err(e) => vec![e],
    }
}

fn check() -> Result<Vec<String>, String> {
    let rules = std::fs::read_to_string(root().join("deny.toml")).map_err(|e| format!("deny.toml: {e}"))?;
    let rules: toml::Table = rules.parse().map_err(|e| format!("deny.toml: {e}"))?;
    let list = |section: &str, key: &str| -> Vec<String> {
        let list = rules.get(section).and_then(|s| s.get(key)).and_then(|l| l.as_array());
        list.into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let (allowed, banned) = (list("licenses", "allow"), list("bans", "deny"));
    let metadata = metadata()?;
    let mut wrong = Vec::new();
    let built = names_of_command(&metadata);
    for package in foreign(&metadata) {
        let (name, licence) = (text(package, "name"), text(package, "license"));
        if !allows(&allowed, &licence) {
            wrong.push(format!("{name}: its licence \"{licence}\" is not among those of deny.toml"));
        }
        // What only tests use may be older.
        if banned.contains(&name) && built.contains(&text(package, "id")) {
            wrong.push(format!("{name}: banned by deny.toml"));
        }
        if !text(package, "source").starts_with("registry+") {
            wrong.push(format!("{name}: from {}, not from a registry", text(package, "source")));
        }
    }
    let there = std::fs::read_to_string(root().join(NOTICES)).unwrap_or_default();
    if there != notices(&metadata)? {
        wrong.push(format!("{NOTICES}: not that of Cargo.lock; run: cargo xtask notices"));
    }
    Ok(wrong)
}

/// `cargo xtask notices`.
pub fn write() -> ExitCode {
    let written = metadata()
        .and_then(|m| notices(&m))
        .and_then(|text| std::fs::write(root().join(NOTICES), text).map_err(|e| format!("{NOTICES}: {e}")));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

fn metadata() -> Result<Value, String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let arguments = ["metadata", "--locked", "--format-version", "1"];
    let output = Command::new(cargo).args(arguments).current_dir(root()).output();
    let output = output.map_err(|e| format!("cargo metadata: {e}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// Packages that are not of this workspace.
fn foreign(metadata: &Value) -> impl Iterator<Item = &Value> {
    items(metadata, "packages").filter(|package| package["source"].is_string())
}

/// The ids of the packages that the command holds: normal dependencies, of all systems.
fn names_of_command(metadata: &Value) -> BTreeSet<String> {
    let nodes: BTreeMap<String, &Value> =
        items(&metadata["resolve"], "nodes").map(|node| (text(node, "id"), node)).collect();
    let is_command = |package: &&Value| text(package, "name") == "motamot-cli";
    let mut left: Vec<String> =
        items(metadata, "packages").filter(is_command).map(|package| text(package, "id")).collect();
    let mut found = BTreeSet::new();
    while let Some(id) = left.pop() {
        let Some(node) = nodes.get(&id).filter(|_| found.insert(id.clone())) else { continue };
        let normal = |dep: &&Value| items(dep, "dep_kinds").any(|kind| kind["kind"].is_null());
        left.extend(items(node, "deps").filter(normal).map(|dep| text(dep, "pkg")));
    }
    found
}

/// Whether a licence, in the words of SPDX, may be chosen from those that are allowed.
fn allows(allowed: &[String], licence: &str) -> bool {
    let spaced = licence.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut words = words.as_slice();
    !words.is_empty() && either(allowed, &mut words) && words.is_empty()
}

/// a OR b
fn either(allowed: &[String], words: &mut &[&str]) -> bool {
    let mut fine = both(allowed, words);
    while let [first, rest @ ..] = words
        && *first == "OR"
    {
        *words = rest;
        fine |= both(allowed, words);
    }
    fine
}

/// a AND b
fn both(allowed: &[String], words: &mut &[&str]) -> bool {
    let mut fine = one(allowed, words);
    while let [first, rest @ ..] = words
        && *first == "AND"
    {
        *words = rest;
        fine &= one(allowed, words);
    }
    fine
}

fn one(allowed: &[String], words: &mut &[&str]) -> bool {
    match words {
        ["(", rest @ ..] => {
            *words = rest;
            let fine = either(allowed, words);
            *words = words.strip_prefix(&[")"]).unwrap_or_default();
            fine
        }
        [name, "WITH", exception, rest @ ..] => {
            *words = rest;
            allowed.contains(&format!("{name} WITH {exception}"))
        }
        [name, rest @ ..] => {
            *words = rest;
            allowed.iter().any(|a| a == name)
        }
        [] => false,
    }
}

/// The text of [`NOTICES`].
fn notices(metadata: &Value) -> Result<String, String> {
    let built = names_of_command(metadata);
    let mut packages = Vec::new();
    for package in foreign(metadata).filter(|package| built.contains(&text(package, "id"))) {
        let folder = Path::new(&text(package, "manifest_path")).parent().map(Path::to_owned).unwrap_or_default();
        packages.push(Package {
            name: text(package, "name"),
            version: text(package, "version"),
            licence: text(package, "license"),
            repository: text(package, "repository"),
            texts: texts(&folder)?,
        });
    }
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    let mut out = String::from(HEAD);
    for Package { name, version, licence, repository, .. } in &packages {
        let name = if repository.is_empty() { name.clone() } else { format!("[{name}]({repository})") };
        let _ = writeln!(out, "| {name} | {version} | {licence} |");
    }
    // A text that several have stands once.
    let mut texts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &packages {
        for text in package.texts.values() {
            texts.entry(text).or_default().insert(&package.name);
        }
    }
    let mut texts: Vec<(Vec<&str>, &str)> =
        texts.into_iter().map(|(t, names)| (names.into_iter().collect(), t)).collect();
    texts.sort();
    out += "\n## Texts\n";
    for (names, text) in texts {
        let _ = write!(out, "\n### {}\n\n~~~text\n{text}\n~~~\n", names.join(", "));
    }
    Ok(out)
}

const HEAD: &str = "# Third-party notices

The program `motamot` holds the work of others, under the licences below; the texts follow. Made from `Cargo.lock` by
`cargo xtask notices`, for all systems. What else it holds (the plays, the French and the multilingual texts of the course, GPT-2's
merges) is told with its licence in [data/README.md](data/README.md).

| package | version | licence |
|---|---|---|
";

/// The files of a package that are licences or notices.
fn texts(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut texts = BTreeMap::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let upper = name.to_uppercase();
        let is_notice = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
        if is_notice.iter().any(|word| upper.starts_with(word))
            && let Ok(text) = std::fs::read_to_string(entry.path())
        {
            let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
            texts.insert(name, lines.join("\n").trim().to_owned());
        }
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::allows;

    #[test]
    fn licences_are_read_as_spdx_means_them() {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(String::from);
        for fine in
            ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "(MIT OR GPL-2.0) AND ISC", "Apache-2.0 WITH LLVM-exception"]
        {
            assert!(allows(&allowed, fine), "{fine}");
        }
        for not in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR ISC) AND GPL-2.0",
            "Apache-2.0",
            "MIT WITH LLVM-exception",
            "MIT ISC",
        ] {
            assert!(!allows(&allowed, not), "{not}");
        }
    }
}
