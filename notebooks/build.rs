//! Makes a module of each notebook for the tool that records it: the same code, with a mark where each cell begins.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

#[path = "tool/source.rs"]
#[allow(dead_code, reason = "the tool needs all of it")]
mod source;

fn main() {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=tool/source.rs");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let mut names: Vec<String> = fs::read_dir("src")
        .expect("notebooks/src")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    names.sort();
    let mut all = String::new();
    let mut table =
        String::from("/// The notebooks, in order: name, program.\npub const NOTEBOOKS: &[(&str, fn())] = &[\n");
    for name in &names {
        let path = format!("src/{name}.rs");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let program = source::parse(&text).and_then(|_| instrument(&text)).unwrap_or_else(|e| panic!("{path}: {e}"));
        let file = Path::new(&out).join(format!("{name}.rs"));
        fs::write(&file, program).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let module = format!("nb_{}", name.to_lowercase());
        let _ = writeln!(all, "mod {module} {{\n    include!(concat!(env!(\"OUT_DIR\"), \"/{name}.rs\"));\n}}");
        let _ = writeln!(table, "    (\"{name}\", {module}::main),");
    }
    fs::write(Path::new(&out).join("all.rs"), format!("{all}\n{table}];\n")).expect("OUT_DIR can be written");
}

/// The program of a source, public, with a mark where each cell begins.
fn instrument(text: &str) -> Result<String, String> {
    let (_, body) = text.split_once(source::START).ok_or("no \"fn main() {\"")?;
    let mut program = String::from("pub fn main() {");
    let mut number = 0;
    for line in body.lines() {
        let code = line.trim_start().strip_prefix(source::MARK).is_some_and(|mark| !mark.trim().starts_with('['));
        program += line;
        program.push('\n');
        if code {
            program += &format!("    motamot::cell({number});\n");
            number += 1;
        }
    }
    Ok(program)
}
