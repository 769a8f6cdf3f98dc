//! The floors of the project: a module imports only what stands before it. Prints the size table, too:
//! `cargo test --test architecture -- --nocapture`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of each package, from the ground up. What stands later may import what stands earlier, never the reverse.
///
/// `utils` and `tokenizer` come first: they stand on no floor of the engine.
const FLOORS: [(&str, &[&str]); 3] = [
    (
        "crates/kernels/src",
        &[
            "allocations",
            "file_map",
            "buffer",
            "isa",
            "parallel",
            "team",
            "peak",
            "math",
            "rng",
            "map",
            "bf16",
            "gemm",
            "elementwise",
            "activation",
            "softmax",
            "loss",
            "rope",
            "fused",
            "norm",
            "embedding",
            "adamw",
            "attention",
            "panels",
            "decode",
        ],
    ),
    ("crates/tensor/src", &["buf", "shape", "profile", "tape", "tensor", "ops", "gradcheck"]),
    (
        "src",
        &[
            "utils",
            "tokenizer",
            "nn",
            "embeddings",
            "attention",
            "transformer",
            "model",
            "data",
            "generation",
            "training",
            "course",
            "check",
            "cli",
        ],
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files under a folder, sorted.
fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// "attention/mod.rs" → [attention], "cli/chat.rs" → [cli, chat].
fn module_path(file: &Path) -> Vec<String> {
    let mut path: Vec<String> = file.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if path.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        path.pop();
    }
    path
}

/// The code without comments and without the tests at its end: tests may look anywhere.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// The first names of what follows `crate::`: one, or those of a group `{a, b::{c, d}}`.
fn heads(rest: &str) -> Vec<String> {
    let name = |s: &str| s.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut depth = 1;
    let mut found = vec![name(group)];
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => found.push(name(&group[i + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// The top modules of its own package that a file imports, whether by `crate::` or by a chain of `super::`.
fn imports(module: &[String], code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (i, _) in code.match_indices("crate::") {
        found.extend(heads(&code[i + "crate::".len()..]));
    }
    for (i, _) in code.match_indices("super::") {
        let mut rest = &code[i..];
        let chained = code[..i].ends_with("super::");
        let mut up = 0;
        while let Some(shorter) = rest.strip_prefix("super::") {
            rest = shorter;
            up += 1;
        }
        if !chained && up == module.len() {
            found.extend(heads(rest));
        }
    }
    found
}

/// Whether a file is only there for tests: `tests.rs`, and a module whose `mod` line directly follows `#[cfg(test)]`, with
/// all that is in its folder.
fn is_test(file: &Path) -> bool {
    file.ancestors().any(|path| {
        let (Some(name), Some(dir)) = (path.file_stem().and_then(|n| n.to_str()), path.parent()) else { return false };
        let parents = [dir.join("mod.rs"), dir.join("lib.rs"), dir.join("main.rs"), dir.with_extension("rs")];
        let declared = ["", "pub(crate) "].map(|public| format!("#[cfg(test)]\n{public}mod {name};"));
        path.starts_with(root())
            && parents.iter().any(|p| fs::read_to_string(p).is_ok_and(|t| declared.iter().any(|d| t.contains(d))))
    })
}

#[test]
fn imports_only_go_down() {
    let mut upward = Vec::new();
    for (source, floors) in FLOORS {
        let height = |name: &str| floors.iter().position(|&floor| floor == name);
        let mut files = Vec::new();
        rust_files(&root().join(source), &mut files);
        assert!(files.len() >= floors.len(), "{source}: only {} files", files.len());
        for file in files {
            let module = module_path(file.strip_prefix(root().join(source)).unwrap());
            let (Some(top), false) = (module.first(), is_test(&file)) else { continue };
            let here = height(top).unwrap_or_else(|| panic!("{source}: {top} has no floor: add it to FLOORS"));
            for import in imports(&module, &code(&fs::read_to_string(&file).unwrap())) {
                if height(&import).is_some_and(|there| there > here) {
                    upward.push(format!("{} imports {import}, which stands above {top}", file.display()));
                }
            }
        }
    }
    assert!(upward.is_empty(), "imports must go down:\n  {}", upward.join("\n  "));
}

#[test]
fn the_check_sees_what_it_is_for() {
    let path = |s: &str| module_path(Path::new(s));
    assert_eq!(path("cli/mod.rs"), ["cli"]);
    assert_eq!(imports(&path("nn/mod.rs"), "use crate::{cli, model::{Gpt, data}, utils};"), ["cli", "model", "utils"]);
    assert_eq!(imports(&path("nn.rs"), "let x = super::cli::run();"), ["cli"]);
    assert_eq!(imports(&path("nn/cache.rs"), "use super::super::cli; use super::param;"), ["cli"]);
    assert_eq!(code("a // crate::cli\n#[cfg(test)]\nmod tests { use crate::cli; }"), "a ");
}

#[test]
fn kernels_stand_on_nothing_and_tensors_on_kernels() {
    let dependencies = |package: &str| -> Vec<String> {
        let text = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        let table: toml::Table = toml::from_str(&text).unwrap();
        let section = table.get("dependencies").and_then(|d| d.as_table()).cloned().unwrap_or_default();
        section.keys().cloned().collect()
    };
    assert_eq!(dependencies("crates/kernels"), [""; 0]);
    assert_eq!(dependencies("crates/tensor"), ["motamot-kernels"]);
}

/// Not a limit: a table to look at.
#[test]
fn size_table() {
    println!("{:<28}{:>7}{:>8}{:>8}", "module", "files", "lines", "tests");
    let mut all = [0; 3];
    for (source, floors) in FLOORS {
        let mut sizes: BTreeMap<String, [usize; 3]> = BTreeMap::new();
        let mut files = Vec::new();
        rust_files(&root().join(source), &mut files);
        for file in files {
            let module = module_path(file.strip_prefix(root().join(source)).unwrap());
            let text = fs::read_to_string(&file).unwrap();
            let lines = text.lines().count();
            let code = if is_test(&file) {
                0
            } else {
                text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines().count()
            };
            let size = sizes.entry(module.first().cloned().unwrap_or_default()).or_default();
            for (sum, n) in size.iter_mut().zip([1, code, lines - code]) {
                *sum += n;
            }
        }
        for name in floors.iter().copied().chain([""]) {
            let Some(size) = sizes.get(name) else { continue };
            let name = if name.is_empty() { "(lib)" } else { name };
            println!("{:<28}{:>7}{:>8}{:>8}", format!("{source}/{name}"), size[0], size[1], size[2]);
            for (sum, n) in all.iter_mut().zip(size) {
                *sum += n;
            }
        }
    }
    println!("{:<28}{:>7}{:>8}{:>8}", "all", all[0], all[1], all[2]);
    assert!(all[1] > 1000, "the table is empty");
}
