//! A notebook as its source has it.

use std::fs;
use std::path::Path;

use motamot::Lang;

use crate::front::Front;
use crate::links::Course;
use crate::source::{self, Body, Cell};

/// A notebook as its source has it.
pub struct Notebook {
    /// Such as `03_attention_mechanism`.
    pub name: String,
    /// What its first cell says; none if it has not the form of today.
    pub front: Option<Front>,
    /// All of its cells.
    pub cells: Vec<Cell>,
}

impl Notebook {
    /// Reads a source; its prose is in languages of the course alone.
    pub fn read(root: &Path, name: &str) -> Result<Notebook, String> {
        let text = fs::read_to_string(root.join("src").join(format!("{name}.rs"))).map_err(|e| e.to_string())?;
        let cells = source::parse(&text)?;
        let mut codes = cells.iter().filter_map(Cell::prose).flatten().map(|(code, _)| code);
        if let Some(code) = codes.find(|code| Lang::parse(code).is_none()) {
            return Err(format!("[markdown] {code}: course/src/lang.rs has no such language"));
        }
        let front = match &cells[0].body {
            Body::Front(front) => Some(Front::read(front, name)?),
            _ => None,
        };
        Ok(Notebook { name: name.to_owned(), front, cells })
    }

    /// `03`, or a letter.
    pub fn id(&self) -> &str {
        self.name.split('_').next().unwrap_or(&self.name)
    }

    /// Its opening cell, which the front matter makes.
    pub fn opening(&self, course: &Course, lang: Lang) -> Result<String, String> {
        self.front.as_ref().ok_or("[front] was not read")?.render(course, lang)
    }

    /// The prose of a cell in a language, with its links as Markdown has them.
    pub fn text(&self, cell: &Cell, course: &Course, lang: Lang) -> String {
        course.link(self.id(), cell.prose().map_or("", |texts| prose(texts, lang)), lang)
    }

    /// The languages in which it has prose.
    pub fn languages(&self) -> impl Iterator<Item = Lang> {
        let codes: Vec<&String> = self.cells.iter().filter_map(Cell::prose).flatten().map(|(code, _)| code).collect();
        Lang::ALL.into_iter().filter(move |lang| codes.iter().any(|code| *code == lang.code()))
    }
}

/// The text of a language; the English one where it has none.
pub fn prose(texts: &[(String, String)], lang: Lang) -> &str {
    let find = |lang: Lang| texts.iter().find(|(code, _)| code == lang.code());
    find(lang).or_else(|| find(Lang::En)).map_or("", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_stands_in_for_a_language_without_prose() {
        let texts = [("fr", "Bonjour"), ("en", "Hello"), ("nl", "Hallo")];
        let texts = texts.map(|(code, text)| (code.to_owned(), text.to_owned()));
        assert_eq!((prose(&texts, Lang::Fr), prose(&texts[1..], Lang::Fr)), ("Bonjour", "Hello"));
    }
}
