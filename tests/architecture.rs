//! The shape of the project: imports only go down, files import each other in no circle. Prints the size table, too:
//! `cargo test --test architecture -- --nocapture`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of each package, from the ground up. What stands later may import what stands earlier, never the reverse.
///
/// `utils` and `tokenizer` come first: they stand on no floor of the engine.
const FLOORS: [(&str, &[&str]); 5] = [
    (
        "crates/kernels/src",
        &[
            "lib",
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
            "elementwise",
            "activation",
            "softmax",
            "loss",
            "rope",
            "gemm",
            "norm",
            "embedding",
            "adamw",
            "attention",
            "panels",
            "fused",
            "decode",
        ],
    ),
    ("crates/tensor/src", &["lib", "buf", "shape", "profile", "node", "tensor", "tape", "ops", "gradcheck"]),
    (
        "src",
        &[
            "lib",
            "utils",
            "tokenizer",
            "nn",
            "embeddings",
            "attention",
            "transformer",
            "model",
            "checkpoint",
            "data",
            "evaluation",
            "generation",
            "training",
        ],
    ),
    (
        "course/src",
        &[
            "lib",
            "numbers",
            "lang",
            "catalogue",
            "html",
            "plot",
            "show",
            "models",
            "next_byte",
            "texts",
            "figures",
            "curve",
            "check",
            "pages",
            "toys",
        ],
    ),
    (
        "cli/src",
        &[
            "toys",
            "output",
            "signals",
            "chapters",
            "session",
            "model_dir",
            "load",
            "info",
            "machine",
            "sampling",
            "download",
            "baseline",
            "data",
            "tokenizer",
            "eval",
            "models",
            "generate",
            "chat",
            "cours",
            "bench",
            "train",
            "main",
        ],
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of a package as a module: "attention/mod.rs" is [attention], "cli/chat.rs" is [cli, chat], "lib.rs" is [].
type Module = Vec<String>;

/// The modules of a package: their code without comments and tests.
struct Package {
    source: &'static str,
    floors: &'static [&'static str],
    files: BTreeMap<Module, PathBuf>,
    code: BTreeMap<Module, String>,
}

impl Package {
    fn read(source: &'static str, floors: &'static [&'static str]) -> Package {
        let (mut files, mut code) = (BTreeMap::new(), BTreeMap::new());
        let mut paths = Vec::new();
        rust_files(&root().join(source), &mut paths);
        let of_tests = test_files(&paths);
        for path in paths.into_iter().filter(|path| !of_tests.contains(path)) {
            let module = module_path(path.strip_prefix(root().join(source)).unwrap());
            code.insert(module.clone(), code_of(&fs::read_to_string(&path).unwrap()));
            files.insert(module, path);
        }
        Package { source, floors, files, code }
    }

    /// The module that a path means, seen from `from`: the file where its last module is, or where what is re-exported
    /// from there comes from. `None` for a path that leaves the package.
    fn resolve(&self, from: &Module, path: &[String]) -> Option<Module> {
        let mut at: Module = Vec::new();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => rest = &path[1..],
            "super" => {
                at = from.clone();
                while rest.first().is_some_and(|part| part == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
            }
            "self" => {
                at = from.clone();
                rest = &path[1..];
            }
            // A child of this module, as in `mod child; use child::X`.
            first => {
                at = from.clone();
                at.push(first.to_owned());
                if !self.files.contains_key(&at) {
                    return None;
                }
                rest = &path[1..];
            }
        }
        while let Some(part) = rest.first() {
            let child: Module = at.iter().chain([part]).cloned().collect();
            if self.files.contains_key(&child) {
                at = child;
                rest = &rest[1..];
                continue;
            }
            // An item: defined here, or handed on from elsewhere.
            return Some(self.reexported(&at, part).unwrap_or(at));
        }
        Some(at)
    }

    /// Where an item comes from that a module hands on with `pub use`.
    fn reexported(&self, module: &Module, item: &str) -> Option<Module> {
        let code = self.code.get(module)?;
        let found = split_uses(code)
            .0
            .into_iter()
            .find(|(public, path)| *public && path.last().is_some_and(|last| last == item))?;
        let target = self.resolve(module, &found.1)?;
        (target != *module).then_some(target)
    }

    /// The modules that a file imports: by `use`, or by a path in its code. Handing on is no import.
    fn imports(&self, module: &Module) -> BTreeSet<Module> {
        let (uses, code) = split_uses(&self.code[module]);
        let mut found = BTreeSet::new();
        for (public, path) in uses {
            if !public {
                found.extend(self.resolve(module, &path));
            }
        }
        for path in paths(&code) {
            found.extend(self.resolve(module, &path));
        }
        found.remove(module);
        found
    }

    fn height(&self, module: &Module) -> usize {
        let top = module.first().map_or_else(|| if self.source == "cli/src" { "main" } else { "lib" }, String::as_str);
        let at = self.floors.iter().position(|&floor| floor == top);
        at.unwrap_or_else(|| panic!("{}: {top} has no floor: add it to FLOORS", self.source))
    }
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

/// The files whose `mod` line stands behind `#[cfg(test)]`, and all below them.
fn test_files(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2).filter(|pair| pair[0].starts_with("#[cfg(") && pair[0].contains("test")) {
            let Some((_, name)) = pair[1].split_once("mod ") else { continue };
            let Some(name) = name.strip_suffix(';') else { continue };
            let stem = file.file_stem().unwrap();
            let is_root = ["mod", "lib", "main"].iter().any(|root| stem == *root);
            let dir = if is_root { file.parent().unwrap().to_owned() } else { file.with_extension("") };
            let (one, many) = (dir.join(format!("{name}.rs")), dir.join(name));
            found.extend(files.iter().filter(|f| **f == one || f.starts_with(&many)).cloned());
        }
    }
    found
}

fn module_path(file: &Path) -> Module {
    let mut path: Module = file.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if path.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        path.pop();
    }
    path
}

/// The code without comments and without the tests at its end: tests may look anywhere.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// The `use` statements, one path for each name, and whether they hand it on; and the code without them.
fn split_uses(code: &str) -> (Vec<(bool, Vec<String>)>, String) {
    let (mut found, mut rest) = (Vec::new(), String::new());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let begins = |begin: &&&str| line.trim_start().starts_with(**begin);
        let Some(begin) = ["use ", "pub use ", "pub(crate) use ", "pub(super) use "].iter().find(begins) else {
            rest.push_str(line);
            rest.push('\n');
            continue;
        };
        let mut statement = line.trim_start()[begin.len()..].to_owned();
        while !statement.contains(';') {
            let Some(more) = lines.next() else { break };
            statement.push_str(more);
        }
        let path = statement.split(';').next().unwrap_or_default();
        found.extend(expand(path.trim()).into_iter().map(|path| (begin.starts_with("pub"), path)));
    }
    (found, rest)
}

/// `a::{b, c::{d, self}}` → [a, b], [a, c, d], [a, c].
fn expand(path: &str) -> Vec<Vec<String>> {
    let Some(open) = path.find('{') else {
        let path = path.split(" as ").next().unwrap_or(path);
        let mut parts: Vec<String> = path.split("::").map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect();
        if parts.len() > 1 && parts.last().is_some_and(|last| last == "self" || last == "*") {
            parts.pop();
        }
        return vec![parts];
    };
    let (before, inside) = (&path[..open], &path[open + 1..path.rfind('}').unwrap_or(path.len())]);
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (i, c) in inside.char_indices().chain([(inside.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let item = inside[start..i].trim();
                if !item.is_empty() {
                    found.extend(expand(&format!("{before}{item}")));
                }
                start = i + 1;
            }
            _ => {}
        }
    }
    found
}

/// The paths in code without its `use` statements: `crate::a::b`, `super::c`, and `name::x`, which may be a child.
fn paths(code: &str) -> Vec<Vec<String>> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (i, _) in code.match_indices("::") {
        let start =
            code[..i].rfind(|c| !is_name(c)).map_or(0, |j| j + code[j..].chars().next().map_or(1, char::len_utf8));
        if start == i || code[..start].ends_with("::") || code[..start].ends_with('.') {
            continue;
        }
        let end = code[i..].find(|c: char| !is_name(c) && c != ':').map_or(code.len(), |j| i + j);
        let path: Vec<String> = code[start..end].split("::").filter(|p| !p.is_empty()).map(str::to_owned).collect();
        found.push(path);
    }
    found
}

fn packages() -> Vec<Package> {
    FLOORS.iter().map(|&(source, floors)| Package::read(source, floors)).collect()
}

fn shown(module: &Module) -> String {
    if module.is_empty() { "the root".to_owned() } else { module.join("/") }
}

#[test]
fn imports_only_go_down() {
    let mut upward = Vec::new();
    for package in packages() {
        assert!(package.files.len() >= package.floors.len() - 2, "{}: {} files", package.source, package.files.len());
        for module in package.files.keys() {
            let here = package.height(module);
            for import in package.imports(module).iter().filter(|import| package.height(import) > here) {
                upward.push(format!("{}/{} imports {}", package.source, shown(module), shown(import)));
            }
        }
    }
    assert!(upward.is_empty(), "imports must go down:\n  {}", upward.join("\n  "));
}

/// Modules that import each other, directly or by a detour, are one module in several files.
#[test]
fn files_import_each_other_in_no_circle() {
    let mut circles = Vec::new();
    for package in packages() {
        let arrows: BTreeMap<&Module, BTreeSet<Module>> =
            package.files.keys().map(|module| (module, package.imports(module))).collect();
        let reached = |from: &Module| {
            let (mut found, mut open) = (BTreeSet::new(), vec![from]);
            while let Some(module) = open.pop() {
                open.extend(arrows[module].iter().filter(|import| found.insert((*import).clone())));
            }
            found
        };
        let reach: BTreeMap<&Module, BTreeSet<Module>> =
            arrows.keys().map(|module| (*module, reached(module))).collect();
        for (module, imports) in &arrows {
            let back: Vec<String> =
                imports.iter().filter(|import| reach[import].contains(*module)).map(shown).collect();
            if !back.is_empty() {
                circles.push(format!("{}/{} imports {}", package.source, shown(module), back.join(", ")));
            }
        }
    }
    assert!(circles.is_empty(), "files import each other in a circle:\n  {}", circles.join("\n  "));
}

#[test]
fn the_check_sees_what_it_is_for() {
    let path = |s: &str| module_path(Path::new(s));
    assert_eq!(path("cli/mod.rs"), ["cli"]);
    assert_eq!(code_of("a // crate::cli\n#[cfg(test)]\nmod tests { use crate::cli; }"), "a ");
    let parts =
        |found: Vec<(bool, Vec<String>)>| found.into_iter().map(|(p, path)| (p, path.join("::"))).collect::<Vec<_>>();
    assert_eq!(
        parts(
            split_uses(
                "#![x]\nuse crate::{cli, model::{Gpt, data::self}};\npub use tape::{Node as N, record};\nfn f() {}"
            )
            .0
        ),
        [
            (false, "crate::cli"),
            (false, "crate::model::Gpt"),
            (false, "crate::model::data"),
            (true, "tape::Node"),
            (true, "tape::record")
        ]
        .map(|(p, s)| (p, s.to_owned()))
    );
    assert_eq!(
        paths("let x = super::cli::run(a.b::<T>(), Vec::new());"),
        [vec!["super", "cli", "run"], vec!["Vec", "new"]]
    );
    // A package of four files: names that the root hands on belong to the file that has them.
    let files = [
        ("lib", "mod shape;\nmod tape;\npub use tape::{Tensor, record};\n"),
        ("shape", "use crate::Tensor;\nfn f() { crate::record(); }\n"),
        ("tape", "mod node;\nuse super::shape::Shape;\nuse node::Node;\n"),
        ("tape/node", "use super::Made;\n"),
    ];
    let code: BTreeMap<Module, String> =
        files.iter().map(|(name, text)| (path(&format!("{name}.rs")), (*text).to_owned())).collect();
    let files = code.keys().map(|module| (module.clone(), PathBuf::new())).collect();
    let package = Package { source: "x", floors: &["lib", "shape", "tape"], files, code };
    let imports = |name: &str| package.imports(&path(name)).iter().map(shown).collect::<Vec<_>>();
    assert_eq!(imports("shape.rs"), ["tape"]);
    assert_eq!(imports("tape.rs"), ["shape", "tape/node"]);
    assert_eq!(imports("tape/node.rs"), ["tape"]);
    assert_eq!(imports("lib.rs"), [""; 0]);
    assert!(package.height(&path("shape.rs")) < package.height(&path("tape.rs")));
}

#[test]
fn each_package_stands_on_those_below_it() {
    let ours = |package: &str| -> Vec<String> {
        let text = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        let table: toml::Table = toml::from_str(&text).unwrap();
        let section = table.get("dependencies").and_then(|d| d.as_table()).cloned().unwrap_or_default();
        section.keys().filter(|name| package.starts_with("crates") || name.starts_with("motamot")).cloned().collect()
    };
    assert_eq!(ours("crates/kernels"), [""; 0]);
    assert_eq!(ours("crates/tensor"), ["motamot-kernels"]);
    assert_eq!(ours("."), ["motamot-kernels", "motamot-tensor"]);
    assert_eq!(ours("course"), ["motamot", "motamot-kernels", "motamot-tensor"]);
}

/// Lines of code and comments without tests, by module. Not a limit: a table to look at.
#[test]
fn size_table() {
    println!("{:<28}{:>7}{:>8}{:>8}", "module", "files", "lines", "tests");
    let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
    for (source, floors) in FLOORS {
        let mut sizes: BTreeMap<String, [usize; 3]> = BTreeMap::new();
        let mut files = Vec::new();
        rust_files(&root().join(source), &mut files);
        let of_tests = test_files(&files);
        for file in files {
            let module = module_path(file.strip_prefix(root().join(source)).unwrap());
            let text = fs::read_to_string(&file).unwrap();
            let lines = text.lines().count();
            let code = if of_tests.contains(&file) {
                0
            } else {
                text.split("#[cfg(test)]\nmod tests {").next().unwrap().lines().count()
            };
            let size = sizes.entry(module.first().cloned().unwrap_or("lib".to_owned())).or_default();
            for (sum, n) in size.iter_mut().zip([1, code, lines - code]) {
                *sum += n;
            }
            *sums.entry(source).or_default() += code;
        }
        for name in floors {
            let Some(size) = sizes.get(*name) else { continue };
            println!("{:<28}{:>7}{:>8}{:>8}", format!("{source}/{name}"), size[0], size[1], size[2]);
        }
    }
    for (source, lines) in &sums {
        println!("{source:<35}{lines:>8}");
        assert!(*lines > 1000, "{source}: the table is empty");
    }
}
