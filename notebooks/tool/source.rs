//! A notebook's source: percent format inside `fn main`.
//!
//! ```text
//! //! Notebook 03: attention.
//! fn main() {
//!     // %% [front]
//!     // id = "03"
//!     // minutes = 90
//!     // …
//!     // %% [markdown] fr
//!     // ## Le masque {#masque}
//!     // Vois [[02#cosinus]].
//!     // %% [markdown] en
//!     // ## The mask {#masque}
//!     // See [[02#cosinus]].
//!     // %% concept
//!     println!("cell of code"); //fr un commentaire //en a comment
//! }
//! ```
//!
//! A prose cell stands twice, French first. Other languages may follow, `[markdown] nl` say; English stands in where
//! there is none. After the language may stand one of [`PROSE_TAGS`], the same in each language; after the mark of a cell
//! of code any of [`TAGS`], `exercise` and `solution` with a number behind them: `exercise 03.2`. An exercise or a
//! solution in braces of its own loses them in the notebook, so that both may define the same function.
//!
//! What the front matter may say is in `front.rs`, links and anchors in `links.rs`, comments in `comments.rs`.

/// What a cell of code may be called.
pub const TAGS: [&str; 8] = ["concept", "library", "agreement", "golden", "figure", "deeper", "exercise", "solution"];

/// What a cell of prose may be called.
pub const PROSE_TAGS: [&str; 3] = ["deeper", "predict", "answer"];

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The line of the file where it begins, from 1.
    pub line: usize,
    /// Of [`TAGS`] or [`PROSE_TAGS`].
    pub tags: Vec<String>,
    /// Of an exercise or a solution: its number, such as `03.2`.
    pub exercise: Option<String>,
    /// What it holds.
    pub body: Body,
}

/// What a cell holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// The front matter, in TOML.
    Front(String),
    /// The code of each language and its markdown, French and English first.
    Prose(Vec<(String, String)>),
    /// Code, without the indentation of `fn main`.
    Code(String),
}

impl Cell {
    /// Whether it is called this.
    pub fn is(&self, tag: &str) -> bool {
        self.tags.iter().any(|t| t == tag)
    }

    /// Whether it is code.
    pub fn is_code(&self) -> bool {
        matches!(self.body, Body::Code(_))
    }

    /// Its texts, if it is prose.
    pub fn prose(&self) -> Option<&[(String, String)]> {
        if let Body::Prose(texts) = &self.body { Some(texts) } else { None }
    }

    fn new(line: usize, tags: &[&str], body: Body) -> Cell {
        Cell { line, tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), exercise: None, body }
    }
}

/// Whether a source has front matter, and so the form of today.
pub fn has_front(cells: &[Cell]) -> bool {
    matches!(cells.first(), Some(Cell { body: Body::Front(_), .. }))
}

/// The line after which cells stand.
pub const START: &str = "fn main() {";
/// What begins a cell.
pub const MARK: &str = "// %%";

/// The cells of a source.
pub fn parse(text: &str) -> Result<Vec<Cell>, String> {
    let mut cells: Vec<Cell> = Vec::new();
    let mut french: Option<(usize, Vec<&str>, String)> = None;
    let raw = raw_cells(text)?;
    for (line, mark, body) in &raw {
        let at = |why: String| format!("line {line}: {why}");
        let words: Vec<&str> = mark.split_whitespace().collect();
        match (words.as_slice(), french.take()) {
            (["[markdown]", "fr", tags @ ..], None) => {
                prose_tags(tags).map_err(at)?;
                french = Some((*line, tags.to_vec(), prose(body).map_err(at)?));
            }
            (["[markdown]", "en", tags @ ..], Some((first, of_french, fr))) => {
                if tags != of_french {
                    return Err(at(format!("{tags:?}: the French prose before it is {of_french:?}")));
                }
                let texts = [("fr", fr), ("en", prose(body).map_err(at)?)];
                let texts = texts.map(|(code, text)| (code.to_owned(), text)).into();
                cells.push(Cell::new(first, tags, Body::Prose(texts)));
            }
            (["[markdown]", "en", ..], None) => {
                return Err(at("English prose without French prose before it".into()));
            }
            (_, Some((line, ..))) => return Err(format!("line {line}: French prose without English prose after it")),
            (["[markdown]", code, tags @ ..], None) if code.len() == 2 && *code != "fr" => match cells.last_mut() {
                Some(Cell { body: Body::Prose(texts), tags: known, .. })
                    if texts.iter().all(|(known, _)| known != code) && tags == known.as_slice() =>
                {
                    texts.push(((*code).to_owned(), prose(body).map_err(at)?));
                }
                _ => return Err(at(format!("\"{mark}\": write [markdown] fr, [markdown] en, then other languages"))),
            },
            (["[markdown]", ..], None) => return Err(at(format!("\"{mark}\": write [markdown] fr or [markdown] en"))),
            (["[front]"], None) if cells.is_empty() => {
                cells.push(Cell::new(*line, &[], Body::Front(prose(body).map_err(at)?)));
            }
            (["[front]", ..], None) => return Err(at("[front] stands once, first, and alone in its line".into())),
            (tags, None) => cells.push(code_cell(*line, tags, body).map_err(at)?),
        }
    }
    match french {
        Some((line, ..)) => Err(format!("line {line}: French prose without English prose after it")),
        None if cells.is_empty() => Err("no cells".into()),
        None => Ok(cells),
    }
}

fn prose_tags(tags: &[&str]) -> Result<(), String> {
    match tags {
        [] => Ok(()),
        [tag] if PROSE_TAGS.contains(tag) => Ok(()),
        _ => Err(format!("{tags:?}: prose may have one tag: {}", PROSE_TAGS.join(", "))),
    }
}

fn code_cell(line: usize, words: &[&str], body: &[&str]) -> Result<Cell, String> {
    let mut cell = Cell::new(line, &[], Body::Code(code(body)));
    for (i, word) in words.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|i| words.get(i));
        if TAGS.contains(word) && !cell.is(word) {
            cell.tags.push((*word).to_owned());
        } else if matches!(before, Some(&"exercise" | &"solution")) && word.contains('.') {
            cell.exercise = Some((*word).to_owned());
        } else {
            return Err(format!("{word:?}: the tags of a cell are {}", TAGS.join(", ")));
        }
    }
    if cell.body == Body::Code(String::new()) {
        return Err("a cell without code".into());
    }
    if cell.is("exercise") || cell.is("solution") {
        cell.body = Body::Code(without_braces(&code(body)));
    }
    Ok(cell)
}

/// The code inside of braces, where they are around all of it.
fn without_braces(code: &str) -> String {
    let inner = code.trim_end_matches(';').strip_prefix("{\n").and_then(|code| code.strip_suffix("\n}"));
    // A brace that closes at the margin before the end is another one.
    let inner = inner.filter(|inner| inner.lines().all(|line| line.is_empty() || line.starts_with(' ')));
    match inner {
        Some(inner) => {
            code_of(&inner.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect::<Vec<_>>())
        }
        None => code.to_owned(),
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

/// Code without the indentation of `fn main`.
fn code(lines: &[&str]) -> String {
    code_of(&lines.iter().map(|line| line.strip_prefix("    ").unwrap_or(line.trim_start())).collect::<Vec<_>>())
}

/// Lines of code as a cell. The kernel prints the `()` of a last loop; a semicolon keeps it quiet.
fn code_of(lines: &[&str]) -> String {
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

    /// The code of the first cell.
    fn code(cells: &str) -> String {
        match &parse(&source(cells)).unwrap()[0].body {
            Body::Code(code) => code.clone(),
            other => panic!("{other:?}"),
        }
    }

    const PROSE: &str =
        "    // %% [markdown] fr\n    // # Un\n    //\n    // deux\n    // %% [markdown] en\n    // # One\n";

    #[test]
    fn prose_stands_twice_and_code_loses_its_indentation() {
        let code = "    // %% concept\n    let x = [1,\n        2];\n    println!(\"{x:?}\");\n";
        let cells = parse(&source(&format!("{PROSE}{code}"))).unwrap();
        let texts = [("fr", "# Un\n\ndeux"), ("en", "# One")].map(|(code, text)| (code.to_owned(), text.to_owned()));
        assert_eq!((cells[0].line, cells[0].prose()), (4, Some(texts.as_slice())));
        let code = "let x = [1,\n    2];\nprintln!(\"{x:?}\");".into();
        assert_eq!(cells[1], Cell::new(10, &["concept"], Body::Code(code)));
    }

    #[test]
    fn cells_have_front_matter_tags_and_numbers() {
        let text = "    // %% [front]\n    // id = \"03\"\n    // %% [markdown] fr predict\n    // a\n    \
                    // %% [markdown] en predict\n    // b\n    // %% concept deeper\n    f();\n    \
                    // %% exercise 03.2\n    {\n        fn f() {}\n\n        f();\n    }\n    // %% solution 03.2\n    g();\n";
        let cells = parse(&source(text)).unwrap();
        assert!(has_front(&cells) && cells[0].body == Body::Front("id = \"03\"".into()));
        assert!(cells[1].is("predict") && cells[2].is("concept") && cells[2].is("deeper"));
        let Cell { exercise: Some(number), body: Body::Code(code), .. } = &cells[3] else { panic!("{:?}", cells[3]) };
        assert_eq!((number.as_str(), code.as_str()), ("03.2", "fn f() {}\n\nf();"));
        assert!(cells[4].is("solution") && cells[4].exercise.as_deref() == Some("03.2"));
        assert!(!has_front(&cells[1..]));
        assert_eq!(without_braces("{\n    a\n}\nb();\n{\n    c\n}").lines().count(), 7);
    }

    #[test]
    fn a_last_loop_is_quiet_in_the_kernel_and_a_last_function_is_left_alone() {
        let code = |body: &str| code(&format!("    // %%\n{body}"));
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
        wrong("    // %% concept 03.1\n    f();\n", "\"03.1\": the tags of a cell are");
        wrong("    // %% concept concept\n    f();\n", "the tags of a cell are");
        wrong("    // %% [markdown] fr figure\n    // a\n", "line 4: [\"figure\"]: prose may have one tag");
        let untagged = "    // %% [markdown] fr deeper\n    // a\n    // %% [markdown] en\n    // b\n";
        wrong(untagged, "line 6: []: the French prose before it is [\"deeper\"]");
        wrong(&format!("{PROSE}    // %% [front]\n    // a = 1\n"), "line 10: [front] stands once, first");
        wrong("    // %%\n", "a cell without code");
        wrong("    // %% [markdown] fr\n    // a\n    f();\n", "no comment: f();");
        assert!(parse("fn main() {}\n").unwrap_err().contains("no line"));
    }
}
