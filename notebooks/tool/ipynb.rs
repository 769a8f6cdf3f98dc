//! A notebook file: nbformat 4.5.

use std::fmt::Write;

use motamot::Lang;
use motamot::pages::folded;
use serde_json::{Map, Value, json};

use crate::comments;
use crate::links::{self, Course};
use crate::notebook::{Notebook, prose};
use crate::record::Output;
use crate::source::{Body, Cell};

/// The file of one language.
pub fn render(notebook: &Notebook, course: &Course, outputs: &[Output], lang: Lang) -> Result<String, String> {
    let mut outputs = outputs.iter();
    let mut count = 0;
    let mut list = Vec::new();
    let mut page = Page { notebook, course, lang, section: notebook.front.as_ref().map(|_| 0), deeper: None };
    for (i, cell) in notebook.cells.iter().enumerate() {
        let id = format!("cell-{i:03}");
        if !cell.is("deeper") {
            page.deeper = None;
        }
        match &cell.body {
            Body::Front(_) => {
                let text = notebook.opening(course, lang)?;
                list.push(markdown(&id, &text, json!({ "tags": ["front"] })));
            }
            Body::Prose(_) => {
                let (text, metadata) = page.prose(cell);
                list.push(markdown(&id, &text, metadata));
            }
            Body::Code(code) => {
                let output = outputs.next().ok_or("fewer outputs than cells")?;
                if notebook.front.is_none() && cell.is("solution") {
                    list.push(markdown(&id, &solution(code, output, lang), json!({ "tags": ["solution"] })));
                    continue;
                }
                let code = match notebook.front {
                    Some(_) => comments::of(code, lang.code()).map_err(|why| format!("line {}: {why}", cell.line))?,
                    None => code.clone(),
                };
                count += 1;
                list.push(json!({
                    "cell_type": "code",
                    "execution_count": count,
                    "id": id,
                    "metadata": metadata(cell),
                    "outputs": shown(output),
                    "source": lines(&code),
                }));
            }
        }
    }
    let mut about = json!({ "lang": lang.code() });
    if let Some(front) = &notebook.front {
        about["minutes"] = front.minutes.into();
    }
    let file = json!({
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
            "motamot": about
        },
        "nbformat": 4,
        "nbformat_minor": 5
    });
    let text = serde_json::to_string_pretty(&file).map_err(|e| e.to_string())?;
    Ok(text + "\n")
}

/// Where the rendering of a notebook stands.
struct Page<'a> {
    notebook: &'a Notebook,
    course: &'a Course,
    lang: Lang,
    /// The number of the last section; none in a notebook without front matter, which numbers its own.
    section: Option<usize>,
    /// The title of the detour that is open.
    deeper: Option<String>,
}

impl Page<'_> {
    /// The text of a cell of prose, and its metadata.
    fn prose(&mut self, cell: &Cell) -> (String, Value) {
        let mut metadata = metadata(cell);
        if self.notebook.front.is_none() {
            return (prose(cell.prose().unwrap_or_default(), self.lang).to_owned(), metadata);
        }
        let text = self.notebook.text(cell, self.course, self.lang);
        if cell.is("deeper") {
            return (self.detour(&text), metadata);
        }
        let mut text = links::number(&text, &mut self.section);
        if cell.is("predict") {
            let options = text.lines().filter(|line| line.starts_with(OPTION)).count();
            metadata["motamot"]["options"] = options.into();
            text = text.replace(OPTION, "- ");
        }
        (text, metadata)
    }

    /// A cell of a detour: its heading, which the contents list, and the rest folded.
    fn detour(&mut self, text: &str) -> String {
        let (heading, rest) = match &self.deeper {
            Some(_) => (None, text),
            None => text.split_once('\n').map_or((Some(text), ""), |(heading, rest)| (Some(heading), rest)),
        };
        if let Some(heading) = heading {
            self.deeper = links::headings(heading).next().map(|(_, title, _)| title.to_owned());
        }
        let (heading, rest) = (heading.map(|text| links::number(text, &mut None)), links::number(rest, &mut None));
        let title = self.deeper.as_deref().unwrap_or_default();
        let summary = match heading {
            Some(_) => self.lang.text("notebook.deeper").to_owned(),
            None => self.lang.text("notebook.deeper-goes-on").replace("{title}", title),
        };
        let fold = if rest.trim().is_empty() { String::new() } else { folded(&summary, rest.trim()) };
        match heading {
            Some(heading) => format!("{heading}\n\n{fold}").trim_end().to_owned(),
            None => fold,
        }
    }
}

/// What begins an answer that can be picked.
pub const OPTION: &str = "- [ ] ";

/// The tags of a cell, and what Jupyter folds of it.
fn metadata(cell: &Cell) -> Value {
    let mut metadata = json!({});
    if !cell.tags.is_empty() {
        metadata["tags"] = cell.tags.clone().into();
    }
    if cell.is_code() && ["figure", "deeper", "solution"].iter().any(|tag| cell.is(tag)) {
        metadata["jupyter"] = json!({ "source_hidden": true });
        if !cell.is("figure") {
            metadata["jupyter"]["outputs_hidden"] = true.into();
        }
    }
    if let Some(exercise) = &cell.exercise {
        metadata["motamot"]["exercise"] = exercise.clone().into();
    }
    metadata
}

fn markdown(id: &str, text: &str, metadata: Value) -> Value {
    json!({ "cell_type": "markdown", "id": id, "metadata": metadata, "source": lines(text) })
}

/// Text first, then what was shown, as the kernel does it.
fn shown(output: &Output) -> Vec<Value> {
    let mut list = Vec::new();
    if !output.text.is_empty() {
        list.push(json!({ "name": "stdout", "output_type": "stream", "text": lines(&output.text) }));
    }
    if !output.rich.is_empty() {
        let data: Map<String, Value> =
            output.rich.iter().map(|(mime, content)| (mime.clone(), lines(content))).collect();
        list.push(json!({ "data": data, "metadata": {}, "output_type": "display_data" }));
    }
    list
}

/// A solution that is folded away, and what it prints.
fn solution(code: &str, output: &Output, lang: Lang) -> String {
    let mut text = format!("```rust\n{code}\n```");
    if !output.text.is_empty() {
        let _ = write!(text, "\n\n```text\n{}\n```", output.text.trim_end());
    }
    folded(lang.text("notebook.solution"), &text)
}

/// nbformat keeps a text as a list of lines, each with its newline but the last.
fn lines(text: &str) -> Value {
    text.split_inclusive('\n').map(Value::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::Front;
    use crate::source::parse;

    const SOURCE: &str =
        "//! N.\n\nfn main() {\n    // %% [markdown] fr\n    // Bonjour\n    // %% [markdown] en\n    // Hello
    // %% golden\n    f();\n    g();\n    // %% solution\n    {\n        h();\n    }\n}\n";

    const FRONT: &str = "id = \"03\"\nminutes = 90\n[fr]\ntitle = \"Été\"\naims = [\"a\"]\nquestions = [\"a\", \"b\", \"c\"]\n\
                         [en]\ntitle = \"Summer\"\naims = [\"a\"]\nquestions = [\"a\", \"b\", \"c\"]\n";

    fn notebook(text: &str) -> Notebook {
        let cells = parse(text).unwrap();
        let front = crate::source::has_front(&cells).then(|| Front::read(FRONT, "03_x").unwrap());
        Notebook { name: "03_x".into(), front, cells }
    }

    fn file(notebook: &Notebook, outputs: &[Output], lang: Lang) -> Value {
        let mut course = Course::default();
        course.add(&notebook.name, &notebook.cells);
        serde_json::from_str(&render(notebook, &course, outputs, lang).unwrap()).unwrap()
    }

    fn source(cell: &Value) -> String {
        cell["source"].as_array().unwrap().iter().filter_map(|line| line.as_str()).collect()
    }

    #[test]
    fn a_file_has_the_prose_of_its_language_the_outputs_and_the_solution_folded_away() {
        let notebook = notebook(SOURCE);
        let shown = Output { text: "a\nb\n".into(), rich: vec![("text/html".into(), "<p>".into())] };
        let solved = Output { text: "fine\n".into(), rich: vec![] };
        let outputs = [shown.clone(), solved];
        let (fr, en) = (file(&notebook, &outputs, Lang::Fr), file(&notebook, &outputs, Lang::En));
        assert_eq!(fr["cells"][0]["source"], json!(["Bonjour"]));
        assert_eq!(en["cells"][0]["source"], json!(["Hello"]));
        assert_eq!(fr["cells"][1], en["cells"][1]);
        assert_eq!(en["cells"][1]["source"], json!(["f();\n", "g();"]));
        assert_eq!(en["cells"][1]["metadata"], json!({ "tags": ["golden"] }));
        assert_eq!(en["cells"][1]["outputs"][0]["text"], json!(["a\n", "b\n"]));
        assert_eq!(en["cells"][1]["outputs"][1]["data"], json!({ "text/html": ["<p>"] }));
        assert_eq!(en["cells"][2]["cell_type"], "markdown");
        let folded = source(&en["cells"][2]);
        assert!(folded.contains("```rust\nh();\n```") && folded.contains("fine"), "{folded}");
        assert_eq!((&en["nbformat"], &en["nbformat_minor"]), (&json!(4), &json!(5)));
        assert!(render(&notebook, &Course::default(), std::slice::from_ref(&shown), Lang::Fr).is_err());
    }

    #[test]
    fn the_form_of_today_is_rendered() {
        let prose = |tag: &str, fr: &str, en: &str| {
            let lines = |text: &str| text.lines().map(|line| format!("// {line}\n")).collect::<String>();
            format!("// %% [markdown] fr{tag}\n{}// %% [markdown] en{tag}\n{}", lines(fr), lines(en))
        };
        let text = format!(
            "fn main() {{\n// %% [front]\n// id = \"03\"\n{}{}// %% figure\nf(); //fr un //en one\n{}// %% deeper\nf();\n{}\
             // %% solution 03.1\ng();\n}}\n",
            prose("", "## Le masque {#m}\nVois [[#m]].", "## The mask {#m}\nSee [[03]]."),
            prose(" predict", "Combien ?\n\n- [ ] un\n- [ ] deux", "How many?\n\n- [ ] one\n- [ ] two"),
            prose(" deeper", "### Plus {#p}\nloin", "### On {#p}\nfurther"),
            prose(" deeper", "fin", "end"),
        );
        let file = file(&notebook(&text), &vec![Output::default(); 3], Lang::En);
        let cells = &file["cells"];
        assert!(source(&cells[0]).starts_with("# 03 · Summer\n"));
        assert_eq!(source(&cells[1]), "<a id=\"m\"></a>\n\n## 1 · The mask\nSee [notebook\u{a0}03](03_x.ipynb).");
        assert_eq!(source(&cells[2]), "How many?\n\n- one\n- two");
        assert_eq!(cells[2]["metadata"], json!({ "tags": ["predict"], "motamot": { "options": 2 } }));
        assert_eq!(source(&cells[3]), "f(); // one");
        assert_eq!(cells[3]["metadata"]["jupyter"], json!({ "source_hidden": true }));
        assert_eq!(
            source(&cells[4]),
            "<a id=\"p\"></a>\n\n### On\n\n<details>\n<summary>Going deeper</summary>\n\nfurther\n\n</details>"
        );
        let hidden = json!({ "source_hidden": true, "outputs_hidden": true });
        assert_eq!(cells[5]["metadata"]["jupyter"], hidden);
        assert_eq!(source(&cells[6]), "<details>\n<summary>On (continued)</summary>\n\nend\n\n</details>");
        let solution = json!({ "tags": ["solution"], "jupyter": hidden, "motamot": { "exercise": "03.1" } });
        assert_eq!((&cells[7]["cell_type"], &cells[7]["metadata"]), (&json!("code"), &solution));
        assert_eq!(file["metadata"]["motamot"], json!({ "lang": "en", "minutes": 90 }));
    }
}
