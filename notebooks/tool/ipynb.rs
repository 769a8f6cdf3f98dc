//! A notebook file: nbformat 4.5.

use std::fmt::Write;

use motamot::Lang;
use serde_json::{Value, json};

use crate::record::Output;
use crate::source::Cell;

/// The file of one language.
pub fn render(cells: &[Cell], outputs: &[Output], lang: Lang) -> Result<String, String> {
    let mut outputs = outputs.iter();
    let mut count = 0;
    let mut list = Vec::new();
    for (i, cell) in cells.iter().enumerate() {
        let id = format!("cell-{i:03}");
        match cell {
            Cell::Prose(texts) => list.push(markdown(&id, prose(texts, lang), &[])),
            Cell::Code { tag, code, .. } => {
                let output = outputs.next().ok_or("fewer outputs than cells")?;
                if tag == "solution" {
                    list.push(markdown(&id, &folded(code, output, lang), &["solution"]));
                    continue;
                }
                count += 1;
                list.push(json!({
                    "cell_type": "code",
                    "execution_count": count,
                    "id": id,
                    "metadata": tags(if tag.is_empty() { vec![] } else { vec![tag.as_str()] }),
                    "outputs": shown(output),
                    "source": lines(code),
                }));
            }
        }
    }
    let notebook = json!({
        "cells": list,
        "metadata": {
            "kernelspec": { "display_name": "Rust", "language": "rust", "name": "rust" },
            "language_info": {
                "codemirror_mode": "rust",
                "file_extension": ".rs",
                "mimetype": "text/rust",
                "name": "Rust",
                "pygments_lexer": "rust",
                "version": ""
            },
            "motamot": { "lang": lang.code() }
        },
        "nbformat": 4,
        "nbformat_minor": 5
    });
    let text = serde_json::to_string_pretty(&notebook).map_err(|e| e.to_string())?;
    Ok(text + "\n")
}

/// The text of a language; the English one where it has none.
fn prose(texts: &[(String, String)], lang: Lang) -> &str {
    let find = |lang: Lang| texts.iter().find(|(code, _)| code == lang.code());
    find(lang).or_else(|| find(Lang::En)).map_or("", |(_, text)| text)
}

fn tags(tags: Vec<&str>) -> Value {
    if tags.is_empty() { json!({}) } else { json!({ "tags": tags }) }
}

fn markdown(id: &str, text: &str, tag: &[&str]) -> Value {
    json!({ "cell_type": "markdown", "id": id, "metadata": tags(tag.to_vec()), "source": lines(text) })
}

/// Text first, then what was shown, as the kernel does it.
fn shown(output: &Output) -> Vec<Value> {
    let mut list = Vec::new();
    if !output.text.is_empty() {
        list.push(json!({ "name": "stdout", "output_type": "stream", "text": lines(&output.text) }));
    }
    if !output.rich.is_empty() {
        let data: serde_json::Map<String, Value> =
            output.rich.iter().map(|(mime, content)| (mime.clone(), lines(content))).collect();
        list.push(json!({ "data": data, "metadata": {}, "output_type": "display_data" }));
    }
    list
}

/// A solution that is folded away: the code without its outer braces, and what it prints.
fn folded(code: &str, output: &Output, lang: Lang) -> String {
    let inner = code.trim_end_matches(';').strip_prefix("{\n").and_then(|code| code.strip_suffix("\n}"));
    let code = match inner {
        Some(inner) => {
            let lines: Vec<&str> = inner.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
            lines.join("\n")
        }
        None => code.to_owned(),
    };
    let mut text =
        format!("<details>\n<summary>{}</summary>\n\n```rust\n{code}\n```\n", lang.text("notebook.solution"));
    if !output.text.is_empty() {
        let _ = write!(text, "\n```text\n{}\n```\n", output.text.trim_end());
    }
    text + "\n</details>"
}

/// nbformat keeps a text as a list of lines, each with its newline but the last.
fn lines(text: &str) -> Value {
    text.split_inclusive('\n').map(Value::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::parse;

    const SOURCE: &str =
        "//! N.\n\nfn main() {\n    // %% [markdown] fr\n    // Bonjour\n    // %% [markdown] en\n    // Hello
    // %% golden\n    f();\n    g();\n    // %% solution\n    {\n        h();\n    }\n}\n";

    #[test]
    fn a_file_has_the_prose_of_its_language_the_outputs_and_the_solution_folded_away() {
        let cells = parse(SOURCE).unwrap();
        let shown = Output { text: "a\nb\n".into(), rich: vec![("text/html".into(), "<p>".into())] };
        let solved = Output { text: "fine\n".into(), rich: vec![] };
        let file = |lang| -> Value {
            serde_json::from_str(&render(&cells, &[shown.clone(), solved.clone()], lang).unwrap()).unwrap()
        };
        let (fr, en) = (file(Lang::Fr), file(Lang::En));
        assert_eq!(fr["cells"][0]["source"], json!(["Bonjour"]));
        assert_eq!(en["cells"][0]["source"], json!(["Hello"]));
        assert_eq!(fr["cells"][1], en["cells"][1]);
        assert_eq!(en["cells"][1]["source"], json!(["f();\n", "g();"]));
        assert_eq!(en["cells"][1]["metadata"], json!({ "tags": ["golden"] }));
        assert_eq!(en["cells"][1]["outputs"][0]["text"], json!(["a\n", "b\n"]));
        assert_eq!(en["cells"][1]["outputs"][1]["data"], json!({ "text/html": ["<p>"] }));
        assert_eq!(en["cells"][2]["cell_type"], "markdown");
        let folded: String =
            en["cells"][2]["source"].as_array().unwrap().iter().filter_map(|line| line.as_str()).collect();
        assert!(folded.contains("```rust\nh();\n```") && folded.contains("fine"), "{folded}");
        assert_eq!((&en["nbformat"], &en["nbformat_minor"]), (&json!(4), &json!(5)));
        assert!(render(&cells, std::slice::from_ref(&shown), Lang::Fr).is_err());
    }

    #[test]
    fn english_stands_in_for_a_language_without_prose() {
        let third = SOURCE.replace("// Hello", "// Hello\n    // %% [markdown] nl\n    // Hallo");
        let Cell::Prose(texts) = &parse(&third).unwrap()[0] else { panic!("no prose") };
        assert_eq!(texts.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(), ["fr", "en", "nl"]);
        assert_eq!((prose(texts, Lang::Fr), prose(&texts[1..], Lang::Fr)), ("Bonjour", "Hello"));
    }
}
