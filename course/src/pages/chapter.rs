//! A chapter: what a notebook's file says, without Jupyter.

use serde_json::Value;

use crate::Lang;
use motamot::utils::{Error, Result};

/// A notebook as it stands in the program: its name and the text of its files.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Such as `03_attention_mechanism`.
    pub name: &'static str,
    /// The .ipynb file of each language that has one; English must be among them, and stands in for the others.
    pub files: &'static [(Lang, &'static str)],
}

/// What a cell of code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// The idea from scratch.
    Concept,
    /// The same through the library.
    Library,
    /// Both give the same numbers.
    Agreement,
    /// The number that is the same on every machine.
    Golden,
    /// The learner's turn.
    Exercise,
}

impl Tag {
    /// All of them.
    pub const ALL: [Tag; 5] = [Tag::Concept, Tag::Library, Tag::Agreement, Tag::Golden, Tag::Exercise];

    /// Its name in a notebook's file.
    pub fn code(self) -> &'static str {
        match self {
            Tag::Concept => "concept",
            Tag::Library => "library",
            Tag::Agreement => "agreement",
            Tag::Golden => "golden",
            Tag::Exercise => "exercise",
        }
    }

    /// Its name for a reader.
    pub fn name(self, lang: Lang) -> &'static str {
        lang.text(match self {
            Tag::Concept => "tag.name.concept",
            Tag::Library => "tag.name.library",
            Tag::Agreement => "tag.name.agreement",
            Tag::Golden => "tag.name.golden",
            Tag::Exercise => "tag.name.exercise",
        })
    }

    /// What it promises.
    pub fn meaning(self, lang: Lang) -> &'static str {
        lang.text(match self {
            Tag::Concept => "tag.meaning.concept",
            Tag::Library => "tag.meaning.library",
            Tag::Agreement => "tag.meaning.agreement",
            Tag::Golden => "tag.meaning.golden",
            Tag::Exercise => "tag.meaning.exercise",
        })
    }
}

/// How a cell is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// As it is.
    #[default]
    Open,
    /// A detour, folded with its neighbours.
    Deeper,
    /// A question; what answers it waits until the reader has chosen.
    Predict,
    /// Prose that answers it.
    Answer,
    /// Code of a picture, folded; the picture is not.
    Figure,
    /// A solution, folded.
    Solution,
}

/// A cell of a chapter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// How it is shown.
    pub part: Part,
    /// What it holds.
    pub body: Body,
    /// Of its headings that have an anchor: their line, and the anchor.
    pub anchors: Vec<(String, String)>,
    /// How many options a question has; they are items of a list.
    pub options: usize,
    /// The number of an exercise or a solution: `03.2`.
    pub exercise: Option<String>,
}

/// What a cell holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Markdown.
    Prose(String),
    /// Rust, and what it printed and showed.
    Code {
        /// What it is for, if it says so.
        tag: Option<Tag>,
        /// The code.
        code: String,
        /// In order.
        outputs: Vec<Output>,
    },
}

impl Default for Body {
    fn default() -> Body {
        Body::Prose(String::new())
    }
}

impl From<Body> for Cell {
    fn from(body: Body) -> Cell {
        Cell { body, ..Cell::default() }
    }
}

/// What a cell gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Printed text.
    Text(String),
    /// A picture.
    Svg(String),
    /// A table or coloured tokens.
    Html(String),
}

/// A chapter in one language.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// Such as `03_attention_mechanism`.
    pub name: String,
    /// Its language.
    pub lang: Lang,
    /// Its cells.
    pub cells: Vec<Cell>,
}

impl Chapter {
    /// Reads the text of an .ipynb file.
    pub fn read(name: &str, lang: Lang, text: &str) -> Result<Chapter> {
        let place = format!("{name} ({})", lang.code());
        let file: Value = serde_json::from_str(text).map_err(|e| Error::new(format!("{place}: {e}")))?;
        let cells = file["cells"].as_array().ok_or_else(|| Error::new(format!("{place}: no list of cells")))?;
        let read = |(i, value): (usize, &Value)| cell(value).map_err(|e| e.at(format!("{place}: cell {i}")));
        let cells = cells.iter().enumerate().map(read).collect::<Result<_>>()?;
        Ok(Chapter { name: name.to_owned(), lang, cells })
    }

    /// `03` or `A`: the name up to its first underscore.
    pub fn number(&self) -> &str {
        self.name.split('_').next().unwrap_or(&self.name)
    }

    /// The first heading, without the number before it; the name where there is none.
    pub fn title(&self) -> &str {
        let heading = self.prose().flat_map(str::lines).find_map(|line| line.strip_prefix("# "));
        let title = heading.unwrap_or(&self.name).trim();
        match title.split_once('·') {
            Some((before, rest)) if before.trim_end().ends_with(self.number()) => rest.trim(),
            _ => title,
        }
    }

    /// The time it takes, such as "1 h 30", where its first cell of prose says so.
    pub fn time(&self) -> Option<&str> {
        let said = |line: &&str| {
            let line = line.to_lowercase();
            ["durée", "temps", "time", "⏱"].iter().any(|word| line.contains(word))
        };
        self.prose().next()?.lines().filter(said).find_map(duration)
    }

    fn prose(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().filter_map(|cell| match &cell.body {
            Body::Prose(text) => Some(text.as_str()),
            Body::Code { .. } => None,
        })
    }
}

/// The first "30 min", "2 h", "1 h 30 min" or "one hour" of a line.
fn duration(line: &str) -> Option<&str> {
    let mut in_words = ["une heure", "deux heures", "one hour", "two hours"].into_iter();
    if let Some((start, words)) = in_words.find_map(|words| Some((line.find(words)?, words))) {
        return line.get(start..start + words.len());
    }
    let digits = |s: &str| s.len() - s.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let unit = |s: &str| {
        let rest = s.trim_start_matches([' ', '\u{a0}', '\u{202f}']);
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let known = ["min", "minutes", "h", "hour", "hours", "heure", "heures"].contains(&&rest[..letters]);
        known.then(|| (s.len() - rest.len() + letters, rest.starts_with('h')))
    };
    for (start, _) in line.match_indices(|c: char| c.is_ascii_digit()) {
        let number = digits(&line[start..]);
        let Some((length, hours)) = unit(&line[start + number..]) else { continue };
        let mut end = start + number + length;
        let rest = &line[end..];
        let space = rest.len() - rest.trim_start_matches([' ', '\u{a0}', '\u{202f}']).len();
        let minutes = digits(&rest[space..]);
        if hours && minutes > 0 {
            end += space + minutes;
            end += unit(&line[end..]).map_or(0, |(length, _)| length);
        }
        return Some(&line[start..end]);
    }
    None
}

fn cell(value: &Value) -> Result<Cell> {
    let (text, anchors) = without_anchors(&text(&value["source"])?);
    let (metadata, about) = (&value["metadata"], &value["metadata"]["motamot"]);
    let tags: Vec<&str> = metadata["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let body = match value["cell_type"].as_str() {
        Some("markdown") => Body::Prose(text),
        Some("code") => {
            let tag = Tag::ALL.into_iter().find(|tag| tags.contains(&tag.code()));
            let mut outputs = Vec::new();
            for output in value["outputs"].as_array().into_iter().flatten() {
                read_output(output, &mut outputs)?;
            }
            Body::Code { tag, code: text, outputs }
        }
        other => return Err(Error::new(format!("cell_type is {other:?}, not markdown or code"))),
    };
    // In this order: a figure of a detour is part of the detour.
    let parts = [
        ("deeper", Part::Deeper),
        ("predict", Part::Predict),
        ("answer", Part::Answer),
        ("figure", Part::Figure),
        // A solution in prose folds itself.
        ("solution", if matches!(body, Body::Code { .. }) { Part::Solution } else { Part::Open }),
    ];
    let part = parts.into_iter().find(|(tag, _)| tags.contains(tag)).map_or(Part::Open, |(_, part)| part);
    let options = about["options"].as_u64().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    Ok(Cell { part, body, anchors, options, exercise: about["exercise"].as_str().map(str::to_owned) })
}

/// A text without the anchors before its headings: `<a id="masque"></a>`; and each such heading with its anchor.
fn without_anchors(text: &str) -> (String, Vec<(String, String)>) {
    let (mut kept, mut anchors, mut open) = (String::with_capacity(text.len()), Vec::new(), None);
    for line in text.split_inclusive('\n') {
        let anchor = line.trim_end().strip_prefix("<a id=\"").and_then(|rest| rest.strip_suffix("\"></a>"));
        if let Some(anchor) = anchor {
            open = Some(anchor.to_owned());
        } else if open.is_none() || !line.trim().is_empty() {
            anchors.extend(open.take().map(|anchor| (line.trim_end().to_owned(), anchor)));
            kept += line;
        }
    }
    (kept, anchors)
}

fn read_output(value: &Value, outputs: &mut Vec<Output>) -> Result<()> {
    if value["output_type"] == "stream" {
        outputs.push(Output::Text(text(&value["text"])?));
        return Ok(());
    }
    let Some(data) = value["data"].as_object() else {
        return Err(Error::new(format!("output_type {} is not shown", value["output_type"])));
    };
    for (mime, content) in data {
        let content = text(content)?;
        outputs.push(match mime.as_str() {
            "text/plain" => Output::Text(content),
            "image/svg+xml" => Output::Svg(content),
            "text/html" => Output::Html(content),
            _ => return Err(Error::new(format!("an output of type {mime} is not shown"))),
        });
    }
    Ok(())
}

/// nbformat keeps a text as one string or as a list of lines.
fn text(value: &Value) -> Result<String> {
    let wrong = || Error::new("a text that is neither a string nor a list of strings");
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Array(lines) => lines.iter().map(|line| line.as_str().ok_or_else(wrong)).collect(),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_becomes_cells() {
        let text = r##"{"cells": [
            {"cell_type": "markdown", "metadata": {}, "source": ["# 03 · Title\n", "**Time needed**: 1 h 30 min, or so"]},
            {"cell_type": "code", "metadata": {"tags": ["golden"]}, "source": "let x = 1;", "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["a\n", "b\n"]},
                {"output_type": "display_data", "data": {"image/svg+xml": ["<svg/>"], "text/html": "<p>x</p>"}}]}]}"##;
        let chapter = Chapter::read("03_x", Lang::En, text).unwrap();
        assert_eq!((chapter.number(), chapter.title(), chapter.time()), ("03", "Title", Some("1 h 30 min")));
        let outputs =
            vec![Output::Text("a\nb\n".into()), Output::Svg("<svg/>".into()), Output::Html("<p>x</p>".into())];
        let code = Body::Code { tag: Some(Tag::Golden), code: "let x = 1;".into(), outputs };
        assert_eq!(chapter.cells[1], Cell::from(code));
        let error = Chapter::read("03_x", Lang::En, &text.replace("text/html", "image/gif")).unwrap_err();
        assert_eq!(error.to_string(), "03_x (en): cell 1: an output of type image/gif is not shown");
        assert!(Chapter::read("03_x", Lang::Fr, "{}").is_err() && Chapter::read("03_x", Lang::Fr, "").is_err());
    }

    #[test]
    fn cells_say_how_they_are_shown() {
        let cell = |text: &str| cell(&serde_json::from_str(text).unwrap()).unwrap();
        let prose = cell(
            r###"{"cell_type": "markdown", "source": "x\n\n<a id=\"a\"></a>\n\n## 1 · A\n\ny", "metadata":
                {"tags": ["predict"], "motamot": {"options": 3}}}"###,
        );
        assert_eq!((prose.part, prose.options), (Part::Predict, 3));
        assert_eq!(prose.anchors, [("## 1 · A".to_owned(), "a".to_owned())]);
        assert_eq!(prose.body, Body::Prose("x\n\n## 1 · A\n\ny".into()));
        let code = |tags: &str| {
            cell(&format!(
                r#"{{"cell_type": "code", "source": "f()", "outputs": [], "metadata": {{"tags": {tags},
                "motamot": {{"exercise": "03.1"}}}}}}"#
            ))
        };
        assert_eq!(code(r#"["solution"]"#).part, Part::Solution);
        assert_eq!(code(r#"["solution"]"#).exercise.as_deref(), Some("03.1"));
        let figure = code(r#"["figure", "concept", "deeper"]"#);
        assert!(figure.part == Part::Deeper && matches!(figure.body, Body::Code { tag: Some(Tag::Concept), .. }));
        let folded = cell(r#"{"cell_type": "markdown", "source": "x", "metadata": {"tags": ["solution"]}}"#);
        assert_eq!(folded.part, Part::Open);
    }

    #[test]
    fn times_are_found_and_not_invented() {
        assert_eq!(duration("*Durée : 1 h 30*, 3 exercices"), Some("1 h 30"));
        assert_eq!(duration("about 30 minutes; 2 parts"), Some("30 minutes"));
        assert_eq!(duration("Temps : 45\u{a0}min."), Some("45\u{a0}min"));
        assert_eq!(duration("**Durée : une heure.** Un modèle"), Some("une heure"));
        assert_eq!(duration("2 hours, 3 exercises"), Some("2 hours"));
        assert_eq!(duration("3 exercises in 2 parts"), None);
        let chapter =
            |text: &str| Chapter { name: "00_x".into(), lang: Lang::Fr, cells: vec![Body::Prose(text.into()).into()] };
        assert_eq!(chapter("# T\nit ran for 3 h").time(), None);
        assert_eq!(chapter("text").title(), "00_x");
        assert_eq!(chapter("# Annexe 00 · A · B").title(), "A · B");
        assert_eq!(chapter("# A · B").title(), "A · B");
    }
}
