//! A notebook's source: percent format inside `fn main`.
//!
//! ```text
//! //! Title of the notebook.
//! fn main() {
//!     // %% [markdown] fr
//!     // # Un titre
//!     // %% [markdown] en
//!     // # A title
//!     // %% concept
//!     println!("cell of code");
//! }
//! ```
//!
//! A prose cell stands twice, French first. Other languages may follow, `[markdown] nl` say; English stands in where
//! there is none. A cell of code may have one tag of [`TAGS`]; a `solution` is run, but shown folded away.

/// What a cell of code may be called.
pub const TAGS: [&str; 6] = ["concept", "library", "agreement", "golden", "exercise", "solution"];

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Prose: the code of each language and its markdown, French and English first.
    Prose(Vec<(String, String)>),
    /// Code, with its tag, if it has one.
    Code {
        /// One of [`TAGS`], or empty.
        tag: String,
        /// The code, without the indentation of `fn main`.
        code: String,
        /// The line of the file where it begins, from 1.
        line: usize,
    },
}

/// The line after which cells stand.
pub const START: &str = "fn main() {";
/// What begins a cell.
pub const MARK: &str = "// %%";

/// The cells of a source.
pub fn parse(text: &str) -> Result<Vec<Cell>, String> {
    let mut cells: Vec<Cell> = Vec::new();
    let mut french: Option<(usize, String)> = None;
    for (line, mark, body) in raw_cells(text)? {
        let at = |why: String| format!("line {line}: {why}");
        let words: Vec<&str> = mark.split_whitespace().collect();
        match (words.as_slice(), french.take()) {
            (["[markdown]", "fr"], None) => french = Some((line, prose(&body).map_err(at)?)),
            (["[markdown]", "en"], Some((_, fr))) => {
                let texts = [("fr", fr), ("en", prose(&body).map_err(at)?)];
                cells.push(Cell::Prose(texts.map(|(code, text)| (code.to_owned(), text)).into()));
            }
            (["[markdown]", "en"], None) => return Err(at("English prose without French prose before it".into())),
            (_, Some((line, _))) => return Err(format!("line {line}: French prose without English prose after it")),
            (["[markdown]", code], None) if code.len() == 2 && *code != "fr" => match cells.last_mut() {
                Some(Cell::Prose(texts)) if texts.iter().all(|(known, _)| known != code) => {
                    texts.push(((*code).to_owned(), prose(&body).map_err(at)?));
                }
                _ => return Err(at(format!("\"{mark}\": write [markdown] fr, [markdown] en, then other languages"))),
            },
            (["[markdown]", ..], None) => return Err(at(format!("\"{mark}\": write [markdown] fr or [markdown] en"))),
            (tag, None) if tag.is_empty() || (tag.len() == 1 && TAGS.contains(&tag[0])) => {
                let code = code(&body);
                if code.is_empty() {
                    return Err(at("a cell without code".into()));
                }
                cells.push(Cell::Code { tag: tag.concat(), code, line });
            }
            _ => return Err(at(format!("\"{mark}\": the tags of a cell are {}", TAGS.join(", ")))),
        }
    }
    match french {
        Some((line, _)) => Err(format!("line {line}: French prose without English prose after it")),
        None if cells.is_empty() => Err("no cells".into()),
        None => Ok(cells),
    }
}

/// Line, rest of the mark and lines of a cell.
type RawCell<'a> = (usize, String, Vec<&'a str>);

fn raw_cells(text: &str) -> Result<Vec<RawCell<'_>>, String> {
    let start = text.lines().position(|line| line == START).ok_or("no line \"fn main() {\"")?;
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.iter().rposition(|line| *line == "}").filter(|&end| end > start).ok_or("no last line \"}\"")?;
    let mut cells: Vec<RawCell> = Vec::new();
    for (i, &line) in lines[start + 1..end].iter().enumerate() {
        if let Some(mark) = line.trim_start().strip_prefix(MARK) {
            cells.push((start + i + 2, mark.trim().to_owned(), Vec::new()));
        } else if let Some(cell) = cells.last_mut() {
            cell.2.push(line);
        } else if !line.trim().is_empty() {
            return Err(format!("line {}: code before the first \"// %%\"", start + i + 2));
        }
    }
    Ok(cells)
}

/// Markdown from comment lines.
fn prose(lines: &[&str]) -> Result<String, String> {
    let mut text = Vec::new();
    for line in lines {
        let line = line.trim_start();
        match line.strip_prefix("//") {
            Some(rest) => text.push(rest.strip_prefix(' ').unwrap_or(rest).trim_end()),
            None if line.is_empty() => text.push(""),
            None => return Err(format!("a line of prose that is no comment: {line}")),
        }
    }
    let text = text.join("\n").trim().to_owned();
    if text.is_empty() { Err("prose without text".into()) } else { Ok(text) }
}

/// Code without the indentation of `fn main`. The kernel prints the `()` of a last loop; a semicolon keeps it quiet.
fn code(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.strip_prefix("    ").unwrap_or(line.trim_start())).collect();
    let mut code = lines.join("\n").trim().to_owned();
    if code.ends_with("\n}") || (code.ends_with('}') && !code.contains('\n')) {
        let opening =
            code.lines().rfind(|line| !line.starts_with([' ', '}', ']', ')']) && !line.is_empty()).unwrap_or("");
        if ["for ", "while ", "loop ", "if ", "match ", "{"].iter().any(|word| opening.starts_with(word)) {
            code.push(';');
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(cells: &str) -> String {
        format!("//! A notebook.\n\nfn main() {{\n{cells}}}\n")
    }

    const PROSE: &str =
        "    // %% [markdown] fr\n    // # Un\n    //\n    // deux\n    // %% [markdown] en\n    // # One\n";

    #[test]
    fn prose_stands_twice_and_code_loses_its_indentation() {
        let code = "    // %% concept\n    let x = [1,\n        2];\n    println!(\"{x:?}\");\n";
        let cells = parse(&source(&format!("{PROSE}{code}"))).unwrap();
        let texts = [("fr", "# Un\n\ndeux"), ("en", "# One")].map(|(code, text)| (code.to_owned(), text.to_owned()));
        assert_eq!(cells[0], Cell::Prose(texts.into()));
        let code = "let x = [1,\n    2];\nprintln!(\"{x:?}\");".into();
        assert_eq!(cells[1], Cell::Code { tag: "concept".into(), code, line: 10 });
    }

    #[test]
    fn a_last_loop_is_quiet_in_the_kernel_and_a_last_function_is_left_alone() {
        let code = |body: &str| match &parse(&source(&format!("    // %%\n{body}"))).unwrap()[0] {
            Cell::Code { code, .. } => code.clone(),
            prose => panic!("{prose:?}"),
        };
        assert!(code("    for i in 0..3 {\n        f(i);\n    }\n").ends_with("};"));
        assert!(code("    if a {\n        f();\n    } else {\n        g();\n    }\n").ends_with("};"));
        assert!(code("    {\n        f();\n    }\n").ends_with("};"));
        assert!(code("    for x in [\n        1,\n    ] {\n        f(x);\n    }\n").ends_with("};"));
        assert!(code("    fn f() {\n        g();\n    }\n").ends_with("\n}"));
        assert!(code("    fn f(\n        a: u8,\n    ) {\n        g();\n    }\n").ends_with("\n}"));
        assert!(code("    struct S {\n        a: u8,\n    }\n").ends_with("\n}"));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let wrong = |cells: &str, why: &str| {
            let e = parse(&source(cells)).unwrap_err();
            assert!(e.contains(why), "{e}");
        };
        wrong("", "no cells");
        wrong("    let x = 1;\n", "line 4: code before the first");
        wrong("    // %% [markdown] fr\n    // a\n", "line 4: French prose without English");
        wrong("    // %% [markdown] fr\n    // a\n    // %%\n    f();\n", "line 4: French prose without English");
        wrong("    // %% [markdown] en\n    // a\n", "English prose without French");
        wrong("    // %% [markdown] fr\n    // %% [markdown] en\n    // a\n", "line 4: prose without text");
        wrong("    // %% [markdown] de\n    // a\n", "write [markdown] fr");
        let third = "    // %% [markdown] nl\n    // a\n";
        wrong(
            &format!("{PROSE}{third}{third}"),
            "line 12: \"[markdown] nl\": write [markdown] fr, [markdown] en, then",
        );
        wrong("    // %% concpet\n    f();\n", "the tags of a cell are concept");
        wrong("    // %%\n", "a cell without code");
        wrong("    // %% [markdown] fr\n    // a\n    f();\n", "no comment: f();");
        assert!(parse("fn main() {}\n").unwrap_err().contains("no line"));
    }
}
