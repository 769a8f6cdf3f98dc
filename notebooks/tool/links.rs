//! Links and anchors.
//!
//! A heading may end with an anchor, the same in each language: `## Le masque {#masque}`. A link names a notebook, an
//! anchor or both, and may have a text of its own: `[[03]]`, `[[#masque]]`, `[[03#masque]]`, `[[A#closures|fermetures]]`.
//! In the notebook an anchor is `<a id="masque"></a>` before its heading: the id that Jupyter makes of a heading's text is
//! not found by a link if it has an accent.
//!
//! Sections are headings of the second level outside of what is `deeper`; they are numbered here.

use std::collections::HashMap;

use motamot::Lang;

use crate::source::{self, Body, Cell};

/// The notebooks, by their ids, for links between them.
#[derive(Default)]
pub struct Course {
    notebooks: HashMap<String, Notebook>,
}

/// What a link must know of a notebook.
struct Notebook {
    /// The file, without its extension.
    name: String,
    /// The anchors of each language.
    places: HashMap<String, HashMap<String, Place>>,
}

/// Where an anchor leads.
struct Place {
    /// The heading as it stands in the notebook, with its number.
    heading: String,
    /// The number of its section; none before the first and in what is `deeper`.
    section: Option<usize>,
    /// Whether it is the heading of a section, and not one within it.
    is_section: bool,
}

impl Course {
    /// Adds a notebook.
    pub fn add(&mut self, name: &str, cells: &[Cell]) {
        let mut places: HashMap<String, HashMap<String, Place>> = HashMap::new();
        for lang in cells.iter().filter_map(Cell::prose).flatten().map(|(code, _)| code) {
            if places.contains_key(lang) {
                continue;
            }
            let found = places.entry(lang.clone()).or_default();
            let mut section = 0;
            for cell in cells {
                let deeper = cell.is("deeper");
                let numbered = source::has_front(cells) && !deeper;
                for (level, text, anchor) in texts(cell, lang).flat_map(headings) {
                    let is_section = level == 2 && numbered;
                    section += usize::from(is_section);
                    let heading = if is_section { format!("{section} · {text}") } else { text.to_owned() };
                    if let Some(anchor) = anchor {
                        let section = (section > 0 && !deeper).then_some(section);
                        found.insert(anchor.to_owned(), Place { heading, section, is_section });
                    }
                }
            }
        }
        let id = name.split('_').next().unwrap_or(name);
        self.notebooks.insert(id.to_owned(), Notebook { name: name.to_owned(), places });
    }

    /// The text with its links as Markdown has them, in the notebook `id`. Of a link that leads nowhere its text is left.
    pub fn link(&self, id: &str, text: &str, lang: Lang) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((start, end)) = next_link(rest) {
            out += &rest[..start];
            let link = &rest[start + 2..end];
            let (target, own) = link.split_once('|').map_or((link, None), |(target, own)| (target, Some(own)));
            let (there, anchor) = target.split_once('#').map_or((target, None), |(there, a)| (there, Some(a)));
            let notebook = if there.is_empty() { id } else { there };
            let place = anchor.and_then(|anchor| self.place(notebook, anchor, lang));
            let shown = own.map_or_else(|| name(there, place, lang), str::to_owned);
            out += &match (self.notebooks.get(notebook), anchor) {
                (Some(_), Some(anchor)) if place.is_some() && there.is_empty() => format!("[{shown}](#{anchor})"),
                (Some(to), Some(anchor)) if place.is_some() => format!("[{shown}]({}.ipynb#{anchor})", to.name),
                (Some(to), None) => format!("[{shown}]({}.ipynb)", to.name),
                _ => shown,
            };
            rest = &rest[end + 2..];
        }
        out + rest
    }

    /// What is wrong with the links of a text.
    pub fn dangling(&self, id: &str, text: &str, lang: Lang) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut rest = text;
        while let Some((start, end)) = next_link(rest) {
            let link = &rest[start + 2..end];
            let target = link.split('|').next().unwrap_or(link);
            let (there, anchor) = target.split_once('#').map_or((target, None), |(there, a)| (there, Some(a)));
            let notebook = if there.is_empty() { id } else { there };
            let leads = match anchor {
                Some(anchor) => self.place(notebook, anchor, lang).is_some(),
                None => !there.is_empty() && self.notebooks.contains_key(there),
            };
            if !leads {
                wrong.push(format!("[[{link}]] leads nowhere"));
            }
            rest = &rest[end + 2..];
        }
        wrong
    }

    fn place(&self, id: &str, anchor: &str, lang: Lang) -> Option<&Place> {
        let places = &self.notebooks.get(id)?.places;
        places.get(lang.code()).or_else(|| places.get("en"))?.get(anchor)
    }
}

/// What a link is called that has no text of its own: "notebook 03, § 4".
fn name(there: &str, place: Option<&Place>, lang: Lang) -> String {
    let notebook = match there {
        "" => None,
        id if id.starts_with(|c: char| c.is_ascii_digit()) => Some(lang.text("link.notebook").replace("{id}", id)),
        id => Some(lang.text("link.appendix").replace("{id}", id)),
    };
    let place = place.map(|place| match place.section {
        Some(number) if place.is_section => format!("§\u{a0}{number}"),
        _ => place.heading.clone(),
    });
    notebook.into_iter().chain(place).collect::<Vec<_>>().join(", ")
}

/// The texts of a cell in a language, or in English.
fn texts<'c>(cell: &'c Cell, lang: &str) -> impl Iterator<Item = &'c str> {
    let texts = match &cell.body {
        Body::Prose(texts) => texts.as_slice(),
        _ => &[],
    };
    let find = |lang: &str| texts.iter().find(|(code, _)| code == lang);
    find(lang).or_else(|| find("en")).map(|(_, text)| text.as_str()).into_iter()
}

/// The headings of a text: level, text and anchor.
pub fn headings(text: &str) -> impl Iterator<Item = (usize, &str, Option<&str>)> {
    outside_code(text).filter_map(|(_, line)| heading(line))
}

/// The lines of a text that are not in a block of code, with where they begin.
fn outside_code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut code, mut at) = (false, 0);
    text.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        (!code && !fence).then(|| (start, line.trim_end()))
    })
}

fn heading(line: &str) -> Option<(usize, &str, Option<&str>)> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    let text = text.strip_prefix(' ').filter(|_| (1..=6).contains(&level))?.trim();
    let anchor = text.strip_suffix('}').and_then(|text| text.rsplit_once("{#"));
    match anchor {
        Some((text, anchor)) => Some((level, text.trim_end(), Some(anchor))),
        None => Some((level, text, None)),
    }
}

/// The text with its sections numbered from `section` on, and its anchors as HTML.
pub fn number(text: &str, section: &mut Option<usize>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (start, line) in outside_code(text) {
        let Some((level, title, anchor)) = heading(line) else { continue };
        out += &text[at..start];
        out += &anchor.map(|anchor| format!("<a id=\"{anchor}\"></a>\n\n")).unwrap_or_default();
        out += &"#".repeat(level);
        if let Some(section) = section.as_mut().filter(|_| level == 2) {
            *section += 1;
            out += &format!(" {section} ·");
        }
        out += &format!(" {title}");
        at = start + line.len();
    }
    out + &text[at..]
}

/// Where the next link begins, with its brackets, and where they close; code is passed over.
fn next_link(text: &str) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some(found) = text[at..].find(['`', '[']) {
        let start = at + found;
        let rest = &text[start..];
        if rest.starts_with('`') {
            let ticks = rest.len() - rest.trim_start_matches('`').len();
            let close = rest[ticks..].find(&rest[..ticks]);
            at = start + ticks + close.map_or(0, |close| close + ticks);
        } else if rest.starts_with("[[")
            && let Some(close) = rest.find("]]")
            && !rest[..close].contains('\n')
        {
            return Some((start, start + close));
        } else {
            at = start + 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::parse;

    fn course() -> Course {
        let cells = |text: &str| parse(&format!("fn main() {{\n{text}}}\n")).unwrap();
        let two = |fr: &str, en: &str| format!("// %% [markdown] fr\n// {fr}\n// %% [markdown] en\n// {en}\n");
        let front = "// %% [front]\n// id = \"03\"\n".to_owned();
        let mut course = Course::default();
        course.add(
            "03_attention",
            &cells(
                &(front
                    + &two("## Un", "## One")
                    + &two("## Le *masque* (c) {#masque}", "## Mask {#masque}")
                    + &two("### Vite {#vite}", "### Fast {#vite}")),
            ),
        );
        course.add("A_rust", &cells(&two("## 1. Fermetures {#closures}", "## 1. Closures {#closures}")));
        course
    }

    #[test]
    fn links_lead_to_anchors() {
        let course = course();
        let link = |text: &str| course.link("03", text, Lang::Fr);
        assert_eq!(link("vois [[#masque]]."), "vois [§\u{a0}2](#masque).");
        assert_eq!(link("[[03]] [[A|b c]]"), "[carnet\u{a0}03](03_attention.ipynb) [b c](A_rust.ipynb)");
        assert_eq!(link("[[03#vite]]"), "[carnet\u{a0}03, Vite](03_attention.ipynb#vite)");
        assert_eq!(link("[[A#closures]]"), "[annexe\u{a0}A, 1. Fermetures](A_rust.ipynb#closures)");
        assert_eq!(
            course.link("A", "[[03#masque]]", Lang::En),
            "[notebook\u{a0}03, §\u{a0}2](03_attention.ipynb#masque)"
        );
        let code = "`[[1], [2]]` [x] ``a[[`` \n```\n[[03]]\n```\n";
        assert_eq!(link(code), code);
        assert_eq!(link("[[09]] [[#x|y]]"), "carnet\u{a0}09 y");
    }

    #[test]
    fn links_that_lead_nowhere_are_told() {
        let wrong = |text: &str| course().dangling("03", text, Lang::En);
        assert_eq!(wrong("[[03#masque]] [[#vite]] [[A]]"), [""; 0]);
        assert_eq!(wrong("[[04]] [[#closures]] [[A#closure|x]] [[ 03]] [[]]").len(), 5);
    }

    #[test]
    fn sections_are_numbered_and_anchors_are_html() {
        let mut section = Some(3);
        let text = number("## A {#a}\nx\n```\n## no\n```\n### B {#b}\n## C", &mut section);
        let wanted = "<a id=\"a\"></a>\n\n## 4 · A\nx\n```\n## no\n```\n<a id=\"b\"></a>\n\n### B\n## 5 · C";
        assert_eq!((text.as_str(), section), (wanted, Some(5)));
        assert_eq!(number("## A", &mut None), "## A");
    }
}
