//! The whole course: its chapters in every language, and its HTML edition.
//!
//! The edition is a folder of plain files: `index.html`, `style.css`, `book.js`, `frames.js`, `fr/NN_name.html`,
//! `en/NN_name.html`. It needs no network and no server, and can be read without the scripts: one remembers and shows where
//! the reader is, the other makes sliders of frames.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::chapter::{Chapter, Source, Tag};
use super::html;
use super::markdown::{plain, unbroken};
use crate::Lang;
use crate::html::escaped;
use motamot::utils::fs::write_atomic;
use motamot::utils::{Error, Result};

const STYLE: &str = include_str!("book/style.css");
const SCRIPT: &str = include_str!("book/book.js");
const FRAMES: &str = include_str!("book/frames.js");
const PAGE: &str = include_str!("book/page.html");

/// The chapters of the course, in order.
#[derive(Debug)]
pub struct Book {
    /// Each in the languages that it has.
    chapters: Vec<Vec<Chapter>>,
}

impl Book {
    /// Reads the notebooks' files.
    pub fn read(sources: &[Source]) -> Result<Book> {
        let read = |source: &Source| {
            source.files.iter().map(|(lang, text)| Chapter::read(source.name, *lang, text)).collect::<Result<_>>()
        };
        Ok(Book { chapters: sources.iter().map(read).collect::<Result<_>>()? })
    }

    /// The chapters in one language; in English where it does not have one.
    pub fn chapters(&self, lang: Lang) -> impl Iterator<Item = &Chapter> {
        self.chapters.iter().filter_map(move |all| {
            let find = |lang: Lang| all.iter().find(|chapter| chapter.lang == lang);
            find(lang).or_else(|| find(Lang::En))
        })
    }

    /// The languages that have a chapter.
    fn languages(&self) -> impl Iterator<Item = Lang> {
        Lang::ALL.into_iter().filter(|lang| self.chapters.iter().flatten().any(|chapter| chapter.lang == *lang))
    }

    /// The chapter of a number or name: `3`, `03`, `a`, `03_attention_mechanism`.
    pub fn chapter(&self, wanted: &str, lang: Lang) -> Result<&Chapter> {
        let wanted = wanted.trim().to_lowercase();
        let padded = format!("{wanted:0>2}");
        let is = |c: &&Chapter| {
            let number = c.number().to_lowercase();
            number == wanted || number == padded || c.name.to_lowercase() == wanted
        };
        self.chapters(lang).find(is).ok_or_else(|| {
            let numbers: Vec<&str> = self.chapters(lang).map(Chapter::number).collect();
            Error::usage(format!("no chapter {wanted:?}")).help(format!("the chapters are {}", numbers.join(", ")))
        })
    }

    /// Writes the HTML edition into a folder; the path of its first page.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        for (name, content) in self.pages()? {
            write_atomic(&folder.join(name), content.as_bytes())?;
        }
        Ok(folder.join("index.html"))
    }

    /// The files of the HTML edition: path in its folder, and content.
    pub fn pages(&self) -> Result<Vec<(String, String)>> {
        let files = [("style.css", STYLE), ("book.js", SCRIPT), ("frames.js", FRAMES)]
            .map(|(name, text)| (name.to_owned(), text.to_owned()));
        let mut pages = Vec::from(files);
        pages.push(("index.html".to_owned(), self.index()));
        let languages: Vec<Lang> = self.languages().collect();
        for &lang in &languages {
            let chapters: Vec<&Chapter> = self.chapters(lang).collect();
            for i in 0..chapters.len() {
                let path = format!("{}/{}.html", lang.code(), chapters[i].name);
                pages.push((path, chapter_page(&chapters, i, lang, &languages)?));
            }
        }
        Ok(pages)
    }

    fn index(&self) -> String {
        let mut main = String::from("<main id=\"text\">\n<h1>motamot</h1>\n");
        for lang in self.languages() {
            let code = lang.code();
            let _ = write!(
                main,
                "<section class=\"lang\" id=\"{code}\" lang=\"{code}\">\n<h2>{}</h2>\n<p>{}</p>\n<p>{}</p>\n<ol class=\"chapters\">\n",
                lang.text("book.heading"),
                lang.text("book.about"),
                lang.text("book.numbers"),
            );
            for chapter in self.chapters(lang) {
                let time =
                    chapter.time().map(|t| format!("<span class=\"time\">{}</span>", escaped(t))).unwrap_or_default();
                let _ = writeln!(
                    main,
                    "<li data-name=\"{0}\"><span class=\"number\">{1}</span> <a href=\"{code}/{0}.html\">{2}</a> {time}</li>",
                    chapter.name,
                    escaped(chapter.number()),
                    title(chapter)
                );
            }
            let _ = write!(main, "</ol>\n<p>{}</p>\n<ul class=\"legend\">\n", lang.text("book.labels"));
            for tag in Tag::ALL {
                let (name, meaning) = (tag.name(lang), tag.meaning(lang));
                let _ =
                    writeln!(main, "<li><span class=\"badge {}\">{name}</span> {}</li>", tag.code(), escaped(meaning));
            }
            main += "</ul>\n</section>\n";
        }
        main += "</main>";
        let link = |lang: Lang| format!("<a href=\"#{0}\" lang=\"{0}\">{1}</a>", lang.code(), lang.name());
        let links: Vec<String> = self.languages().map(link).collect();
        let titles: Vec<&str> = self.languages().map(|lang| lang.text("book.title")).collect();
        page(Lang::ALL[0], &format!("motamot: {}", titles.join(" · ")), "", &links.join("\n"), &main)
    }
}

/// A chapter's title, safe for HTML.
fn title(chapter: &Chapter) -> String {
    // A title is markdown.
    escaped(&unbroken(&plain(chapter.title()), chapter.lang))
}

fn chapter_page(chapters: &[&Chapter], i: usize, lang: Lang, languages: &[Lang]) -> Result<String> {
    let chapter = chapters[i];
    let known: Vec<&str> = chapters.iter().map(|c| c.name.as_str()).collect();
    let body = html::body(chapter, &known)?;
    let sections: String = body
        .sections
        .iter()
        .map(|(anchor, text)| format!("<li><a href=\"#{}\">{}</a></li>\n", escaped(anchor), escaped(text)))
        .collect();
    let say = |key: &str| escaped(lang.text(key));
    let contents = say("book.in-this-chapter");
    let mut main = format!(
        "<nav class=\"bar\" hidden aria-label=\"{}\">\n<a class=\"where\" href=\"#text\"></a>\n",
        say("book.where")
    );
    if body.predictions > 0 {
        let _ = writeln!(
            main,
            "<button type=\"button\" class=\"show-all\" aria-pressed=\"false\">{}</button>",
            say("book.show-all")
        );
    }
    let _ = write!(
        main,
        "<a class=\"top\" href=\"#text\" title=\"{0}\" aria-label=\"{0}\">↑</a>\n<div class=\"progress\"></div>\n</nav>\n\
         <main id=\"text\" class=\"chapter\" data-name=\"{1}\" data-read=\"{2}\" data-resume=\"{3}\">\n",
        say("book.top"),
        chapter.name,
        say("book.read"),
        say("book.resume")
    );
    if !sections.is_empty() {
        let _ = write!(
            main,
            "<nav class=\"contents side\" aria-label=\"{contents}\">\n<strong>{contents}</strong>\n<ul>\n{sections}</ul>\n</nav>\n\
             <details class=\"contents folded\">\n<summary>{contents}</summary>\n<ul>\n{sections}</ul>\n</details>\n"
        );
    }
    main += &body.html;
    let _ = writeln!(main, "<nav class=\"pager\" aria-label=\"{}\">", lang.text("book.neighbours"));
    let mut neighbour = |other: &Chapter, class: &str, before: &str, after: &str| {
        let (number, title) = (escaped(other.number()), title(other));
        let _ =
            writeln!(main, "<a class=\"{class}\" href=\"{}.html\">{before}{number} · {title}{after}</a>", other.name);
    };
    if let Some(previous) = i.checked_sub(1).and_then(|i| chapters.get(i)) {
        neighbour(previous, "previous", "← ", "");
    }
    if let Some(next) = chapters.get(i + 1) {
        neighbour(next, "next", "", " →");
    }
    main += "</nav>\n</main>";
    let mut links = format!("<a href=\"../index.html#{}\">{}</a>", lang.code(), lang.text("book.contents"));
    for other in languages.iter().filter(|other| **other != lang) {
        let (code, page, name) = (other.code(), &chapter.name, other.name());
        let _ = write!(links, "\n<a href=\"../{code}/{page}.html\" lang=\"{code}\" hreflang=\"{code}\">{name}</a>");
    }
    let name = format!("{} · {} · motamot", escaped(chapter.number()), title(chapter));
    Ok(page(chapter.lang, &name, "../", &links, &main))
}

fn page(lang: Lang, title: &str, root: &str, links: &str, main: &str) -> String {
    PAGE.replace("{lang}", lang.code())
        .replace("{root}", root)
        .replace("{title}", title)
        .replace("{links}", links)
        .replace("{skip}", lang.text("book.skip"))
        .replace("{theme}", lang.text("book.theme"))
        // Last: what it holds is not a template.
        .replace("{main}", main)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn notebook(text: &str) -> &'static str {
        let cell = serde_json::json!({ "cell_type": "markdown", "metadata": {}, "source": text });
        Box::leak(serde_json::json!({ "cells": [cell] }).to_string().into_boxed_str())
    }

    fn sources() -> [Source; 2] {
        let fr = "# 00 · L'*été* & $x_1$\nDurée : 1 h\n\n## Une {main}\n[suite](01_b.ipynb#fin)";
        let files = |fr, en| -> &'static [(Lang, &'static str)] {
            Box::leak(Box::new([(Lang::Fr, notebook(fr)), (Lang::En, notebook(en))]))
        };
        [
            Source { name: "00_a", files: files(fr, "# 00 · Summer\n## One\n[here](#one)") },
            Source { name: "01_b", files: files("# 01 · B\n## Fin", "# 01 · B") },
        ]
    }

    /// Attributes of a page: all values of `name="…"`.
    fn values<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
        let before = format!(" {name}=\"");
        let parts = page.split(before.as_str()).skip(1);
        parts.filter_map(|part| part.split('"').next()).collect()
    }

    /// Links within the book that lead nowhere, and anchors given twice.
    fn broken(pages: &[(String, String)]) -> Vec<String> {
        let anchors: BTreeMap<&str, Vec<&str>> =
            pages.iter().map(|(p, text)| (p.as_str(), values(text, "id"))).collect();
        let mut wrong = Vec::new();
        for (path, text) in pages.iter().filter(|(path, _)| path.ends_with(".html")) {
            if anchors[path.as_str()].iter().collect::<BTreeSet<_>>().len() != anchors[path.as_str()].len() {
                wrong.push(format!("{path}: an id twice"));
            }
            for url in values(text, "href").into_iter().chain(values(text, "src")) {
                if url.starts_with("http") || url.starts_with("data:") {
                    continue;
                }
                let (file, anchor) = url.split_once('#').unwrap_or((url, ""));
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                let file = match file.strip_prefix("../") {
                    _ if file.is_empty() => path.clone(),
                    Some(file) => file.to_owned(),
                    None if folder.is_empty() => file.to_owned(),
                    None => format!("{folder}/{file}"),
                };
                let there = anchors.get(file.as_str());
                if !there.is_some_and(|ids| anchor.is_empty() || ids.contains(&anchor)) {
                    wrong.push(format!("{path}: {url} leads nowhere"));
                }
            }
        }
        wrong
    }

    #[test]
    fn a_book_has_its_pages_and_each_link_leads_somewhere() {
        let book = Book::read(&sources()).unwrap();
        let mut pages = book.pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|page| page.0.as_str()).collect();
        assert_eq!(
            names,
            [
                "style.css",
                "book.js",
                "frames.js",
                "index.html",
                "fr/00_a.html",
                "fr/01_b.html",
                "en/00_a.html",
                "en/01_b.html"
            ]
        );
        assert_eq!(broken(&pages), [""; 0]);
        assert!(pages[4].1.contains("<html lang=\"fr\">") && pages[4].1.contains("Une {main}"));
        assert!(pages[3].1.contains("L&#39;été &amp; x₁") && pages[3].1.contains("<span class=\"time\">1 h</span>"));
        assert!(!pages.iter().any(|(_, text)| text.contains("{root}") || text.contains("https://")));
        pages.retain(|(name, _)| name != "en/01_b.html");
        pages[5].1 += "<a href=\"#nothing\"><b id=\"text\">";
        assert_eq!(broken(&pages).len(), 5, "{:?}", broken(&pages));
    }

    /// The notebooks as they are now, not only those of the program.
    #[test]
    fn the_course_has_no_broken_link_and_no_unknown_formula() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../notebooks");
        let text = |path: PathBuf| -> &'static str {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            Box::leak(text.into_boxed_str())
        };
        let mut sources: Vec<Source> = std::fs::read_dir(&root)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".ipynb").map(str::to_owned))
            .map(|name| {
                let path = |lang: &Lang| root.join(lang.folder()).join(format!("{name}.ipynb"));
                let there = Lang::ALL.into_iter().filter(|lang| path(lang).exists());
                let files: Vec<_> = there.map(|lang| (lang, text(path(&lang)))).collect();
                Source { files: files.leak(), name: name.leak() }
            })
            .collect();
        sources.sort_by_key(|source| source.name);
        assert!(!sources.is_empty());
        let pages = Book::read(&sources).unwrap().pages().unwrap();
        assert_eq!(broken(&pages), [""; 0]);
    }

    #[test]
    fn chapters_are_found_by_number_and_name() {
        let book = Book::read(&sources()).unwrap();
        for wanted in ["1", "01", "01_B"] {
            assert_eq!(book.chapter(wanted, Lang::En).unwrap().name, "01_b");
        }
        let error = book.chapter("7", Lang::Fr).unwrap_err();
        assert!(error.exit_code() == 2 && error.help_line().unwrap().contains("00, 01"));
    }
}
