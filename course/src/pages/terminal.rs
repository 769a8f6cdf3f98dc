//! A chapter as text for a terminal.

use pulldown_cmark::{Event, HeadingLevel, Tag as Md, TagEnd};
use std::fmt::Write;

use super::chapter::{Body, Chapter, Output, Part, Tag};
use super::html::picture_title;
use super::markdown::{Piece, pieces, unbroken};
use super::{highlight, math};
use crate::Lang;
use crate::html::{columns, grid, unescaped};
use motamot::utils::Result;

/// Columns of the text.
const WIDTH: usize = 80;

const BOLD: &str = "1";
const ITALIC: &str = "3";
const FAINT: &str = "2";
const CYAN: &str = "36";

/// How a chapter is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    /// With colours and bold type.
    pub colour: bool,
    /// With what is folded away: hints and solutions.
    pub answers: bool,
}

/// Renders a chapter. `picture` takes the number of a picture and its SVG, and says where it is.
pub fn render(chapter: &Chapter, view: View, mut picture: impl FnMut(usize, &str) -> Result<String>) -> Result<String> {
    let mut page = Page { view, ..Page::default() };
    let mut pictures = 0;
    for cell in &chapter.cells {
        match &cell.body {
            Body::Prose(text) => page.prose(text, chapter.lang),
            Body::Code { .. } if !view.answers && matches!(cell.part, Part::Deeper | Part::Solution) => {
                page.hidden = true;
            }
            Body::Code { tag, code, outputs } => {
                let folded = !view.answers && cell.part == Part::Figure;
                page.hidden |= folded;
                if let Some(tag) = tag.filter(|_| !folded) {
                    let badge = paint(view, colour(tag), &format!("[{}]", tag.name(chapter.lang)));
                    let _ = writeln!(page.out, "  {badge}");
                }
                if !folded {
                    page.code("rust", code);
                }
                for output in outputs {
                    let text = match output {
                        Output::Text(text) => text.trim_end().to_owned(),
                        Output::Html(html) => plain(html),
                        Output::Svg(svg) => {
                            pictures += 1;
                            let title = picture_title(svg).unwrap_or_default();
                            format!("🖼 {title}\n  {}", picture(pictures, svg)?)
                        }
                    };
                    let bar = paint(view, FAINT, "│");
                    for line in text.lines() {
                        let _ = writeln!(page.out, "  {bar} {line}");
                    }
                }
                page.out.push('\n');
            }
        }
    }
    if page.hidden {
        let _ = writeln!(page.out, "{}", chapter.lang.text("page.folded"));
    }
    Ok(page.out)
}

fn colour(tag: Tag) -> &'static str {
    match tag {
        Tag::Concept => "1;34",
        Tag::Library => "1;32",
        Tag::Agreement => "1;35",
        Tag::Golden => "1;33",
        Tag::Exercise => "1;31",
    }
}

fn paint(view: View, style: &str, text: &str) -> String {
    if view.colour { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}

#[derive(Default)]
struct Page {
    out: String,
    view: View,
    /// The paragraph so far.
    inline: String,
    /// What stands before its first line, where that is not the indentation: the mark of a list's item.
    mark: Option<String>,
    indent: String,
    /// Next number of each list that is open; `None` for bullets.
    lists: Vec<Option<u64>>,
    table: Vec<Vec<String>>,
    links: Vec<String>,
    html: String,
    /// How many `<details>` are open.
    folds: usize,
    /// Whether something was left out.
    hidden: bool,
}

impl Page {
    fn shown(&self) -> bool {
        self.folds == 0 || self.view.answers
    }

    fn line(&mut self, line: &str) {
        if self.shown() {
            self.out += line.trim_end();
            self.out.push('\n');
        } else {
            self.hidden = true;
        }
    }

    fn blank(&mut self) {
        if self.shown() && !self.out.ends_with("\n\n") && !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    fn prose(&mut self, text: &str, lang: Lang) {
        let view = self.view;
        for piece in pieces(text) {
            let event = match piece {
                Piece::Event(event) => event,
                Piece::Code { language, code } => {
                    self.paragraph();
                    match self.shown() {
                        true => self.code(&language, code.trim_end()),
                        false => self.hidden = true,
                    }
                    self.blank();
                    continue;
                }
            };
            match event {
                Event::Text(text) => self.inline += &unbroken(&text, lang),
                Event::Code(text) if view.colour => self.inline += &paint(view, CYAN, &text),
                Event::Code(text) => self.inline += &format!("`{text}`"),
                Event::InlineMath(latex) => self.inline += &paint(view, ITALIC, &math::text(&latex)),
                Event::DisplayMath(latex) => {
                    self.paragraph();
                    self.blank();
                    let indent = self.indent.clone();
                    math::text(&latex).lines().for_each(|line| self.line(&format!("{indent}      {line}")));
                    self.blank();
                }
                Event::SoftBreak => self.inline.push(' '),
                Event::HardBreak => self.paragraph(),
                Event::Html(text) => self.html += &text,
                Event::InlineHtml(tag) if tag.starts_with("<br") => self.paragraph(),
                Event::End(TagEnd::HtmlBlock) => self.html_block(),
                Event::Rule => {
                    self.line(&"─".repeat(WIDTH));
                    self.blank();
                }
                Event::Start(Md::Strong) => self.mark_up(BOLD),
                Event::Start(Md::Emphasis) => self.mark_up(ITALIC),
                Event::End(TagEnd::Strong | TagEnd::Emphasis) => self.mark_up("0"),
                Event::Start(Md::Link { dest_url, .. }) => self.links.push(dest_url.into_string()),
                Event::End(TagEnd::Link) => {
                    let url = self.links.pop().unwrap_or_default();
                    if url.starts_with("http") {
                        self.inline += &paint(view, FAINT, &format!(" <{url}>"));
                    }
                }
                Event::Start(Md::Heading { .. }) => self.blank(),
                Event::End(TagEnd::Heading(level)) => self.heading(level),
                Event::End(TagEnd::Paragraph) => {
                    self.paragraph();
                    self.blank();
                }
                Event::Start(Md::BlockQuote(_)) => self.indent += "│ ",
                Event::End(TagEnd::BlockQuote(_)) => self.outdent(2),
                Event::Start(Md::List(first)) => {
                    self.paragraph();
                    self.lists.push(first);
                }
                Event::End(TagEnd::List(_)) => {
                    self.lists.pop();
                    if self.lists.is_empty() {
                        self.blank();
                    }
                }
                Event::Start(Md::Item) => {
                    let mark = match self.lists.last_mut() {
                        Some(Some(number)) => {
                            *number += 1;
                            format!("{:>2}. ", *number - 1)
                        }
                        _ => "  • ".to_owned(),
                    };
                    self.mark = Some(format!("{}{mark}", self.indent));
                    self.indent += "    ";
                }
                Event::End(TagEnd::Item) => {
                    self.paragraph();
                    self.outdent(4);
                }
                Event::Start(Md::TableHead | Md::TableRow) => self.table.push(Vec::new()),
                Event::End(TagEnd::TableCell) => {
                    let cell = std::mem::take(&mut self.inline);
                    self.table.last_mut().into_iter().for_each(|row| row.push(cell.clone()));
                }
                Event::End(TagEnd::Table) => {
                    let rows = std::mem::take(&mut self.table);
                    let indent = self.indent.clone();
                    left_grid(&rows).iter().for_each(|line| self.line(&format!("{indent}  {line}")));
                    self.blank();
                }
                _ => {}
            }
        }
        self.paragraph();
        self.folds = 0;
        self.blank();
    }

    fn mark_up(&mut self, style: &str) {
        if self.view.colour {
            let _ = write!(self.inline, "\x1b[{style}m");
        }
    }

    fn outdent(&mut self, by: usize) {
        for _ in 0..by {
            self.indent.pop();
        }
    }

    /// Ends the paragraph, broken into lines.
    fn paragraph(&mut self) {
        let text = std::mem::take(&mut self.inline);
        if text.trim().is_empty() {
            return;
        }
        let mut line = self.mark.take().unwrap_or_else(|| self.indent.clone());
        let mut empty = true;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            if !empty && columns(&line) + 1 + columns(word) > WIDTH {
                self.line(&line);
                line = self.indent.clone();
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line += word;
            empty = false;
        }
        self.line(&line);
    }

    fn heading(&mut self, level: HeadingLevel) {
        let text = std::mem::take(&mut self.inline);
        let rule = match level {
            HeadingLevel::H1 => "═",
            HeadingLevel::H2 => "─",
            _ => "",
        };
        self.line(&paint(self.view, BOLD, &text));
        if !rule.is_empty() {
            self.line(&rule.repeat(columns(&text)));
        }
        self.blank();
    }

    /// `<details>` folds what follows; its `<summary>` stays. Other tags are not for a terminal.
    fn html_block(&mut self) {
        let html = std::mem::take(&mut self.html);
        for (start, _) in html.match_indices('<') {
            let tag = &html[start..];
            if tag.starts_with("<details") {
                self.folds += 1;
            } else if tag.starts_with("</details") {
                self.folds = self.folds.saturating_sub(1);
                self.blank();
            } else if let Some((_, rest)) = tag.strip_prefix("<summary").and_then(|tag| tag.split_once('>')) {
                let summary = rest.split("</summary").next().unwrap_or(rest);
                let line = paint(self.view, BOLD, &format!("  ▸ {}", plain(summary)));
                // The summary of an outer fold is seen even while its content is not.
                let folds = std::mem::take(&mut self.folds);
                if folds <= 1 || self.view.answers {
                    self.line(&line);
                    self.blank();
                }
                self.folds = folds;
            }
        }
    }

    fn code(&mut self, language: &str, code: &str) {
        let pieces = if language == "rust" { highlight::rust(code) } else { vec![(highlight::Kind::Plain, code)] };
        let mut text = String::new();
        for (kind, piece) in pieces {
            let style = match kind {
                highlight::Kind::Plain => "",
                highlight::Kind::Keyword => "35",
                highlight::Kind::Type | highlight::Kind::Macro => CYAN,
                highlight::Kind::Text => "32",
                highlight::Kind::Number => "33",
                highlight::Kind::Comment => FAINT,
            };
            // Each line closes its colours, for what is put before it.
            for part in piece.split_inclusive('\n') {
                let (inside, end) = part.strip_suffix('\n').map_or((part, ""), |inside| (inside, "\n"));
                text += &if style.is_empty() { inside.to_owned() } else { paint(self.view, style, inside) };
                text += end;
            }
        }
        for line in text.lines() {
            let _ = writeln!(self.out, "{}", format!("    {line}").trim_end());
        }
    }
}

/// The lines of a table whose first row is its heading.
fn left_grid(rows: &[Vec<String>]) -> Vec<String> {
    grid(rows, &vec![false; rows.iter().map(Vec::len).max().unwrap_or(0)], !rows.is_empty())
}

/// The text of some HTML: tables in columns, everything else one after the other.
fn plain(html: &str) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut out = String::new();
    let mut text = String::new();
    for part in html.split('<') {
        let (tag, rest) = part.split_once('>').unwrap_or(("", part));
        match tag.split_whitespace().next().unwrap_or("") {
            "tr" => rows.push(Vec::new()),
            "/td" | "/th" => {
                let cell = std::mem::take(&mut text).trim().to_owned();
                rows.last_mut().into_iter().for_each(|row| row.push(cell.clone()));
            }
            "/table" => {
                left_grid(&std::mem::take(&mut rows)).iter().for_each(|line| out += &format!("{line}\n"));
                text.clear();
            }
            "br" | "br/" | "/p" | "/div" | "/caption" | "/figcaption" => {
                out += text.trim();
                out.push('\n');
                text.clear();
            }
            "/style" | "/title" => text.clear(),
            _ => {}
        }
        text += &unescaped(&rest.replace('\n', " "));
    }
    out += text.trim();
    out.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::pages::Cell;

    fn show(bodies: Vec<Body>, view: View) -> String {
        show_cells(bodies.into_iter().map(Cell::from).collect(), view)
    }

    fn show_cells(cells: Vec<Cell>, view: View) -> String {
        let chapter = Chapter { name: "00_x".into(), lang: Lang::En, cells };
        render(&chapter, view, |number, svg| Ok(format!("file {number} of {} bytes", svg.len()))).unwrap()
    }

    const PLAIN: View = View { colour: false, answers: false };

    #[test]
    fn prose_is_wrapped_and_laid_out() {
        let long = "word ".repeat(30);
        let text = format!(
            "# T & $x_1$\n{long}**bold** `code`.\n\n1. one\n2. two\n   - inner $a_i$\n\n> quoted\n\n\
             $$\\frac{{a}}{{b}}$$\n\n|n|value|\n|-|-|\n|é|1.5|\n\nsee [it](https://example.org)"
        );
        let page = show(vec![Body::Prose(text)], PLAIN);
        assert!(page.lines().all(|line| columns(line) <= WIDTH) && !page.contains('\x1b'));
        for part in [
            "T & x₁\n══════\n\nword word",
            "bold\n`code`.\n",
            " 1. one\n 2. two\n      • inner aᵢ\n\n│ quoted",
            "\n      a/b\n",
            "  n  value\n  ─  ─────\n  é  1.5\n",
            "see it <https://example.org>",
        ] {
            assert!(page.contains(part), "{part:?} in\n{page}");
        }
        let coloured = show(vec![Body::Prose("**b** `c`".into())], View { colour: true, answers: false });
        assert_eq!(coloured, "\x1b[1mb\x1b[0m \x1b[36mc\x1b[0m\n\n");
    }

    #[test]
    fn answers_are_folded_until_asked_for() {
        let hint =
            "Task\n\n<details><summary>Hint 1</summary>\n\nsecret\n\n```rust\nlet x = 1;\n```\n\n</details>\n\nafter";
        let page = show(vec![Body::Prose(hint.into())], PLAIN);
        assert!(page.contains("▸ Hint 1") && page.contains("after") && page.contains("--answers"), "{page}");
        assert!(!page.contains("secret") && !page.contains("let x"), "{page}");
        let page = show(vec![Body::Prose(hint.into())], View { colour: false, answers: true });
        assert!(page.contains("secret\n\n    let x = 1;\n") && !page.contains("--answers"), "{page}");
    }

    #[test]
    fn code_and_outputs() {
        let table = "<table><caption>Losses</caption><tr><th>n</th><th>loss</th></tr><tr><td>1 &lt; 2</td><td>3.5</td></tr><tr><td>it&#39;s</td></tr></table>";
        let outputs = vec![
            Output::Text("a\nb\n".into()),
            Output::Svg("<svg><text>Loss</text></svg>".into()),
            Output::Html(table.into()),
        ];
        let page = show(vec![Body::Code { tag: Some(Tag::Library), code: "f();\n// é".into(), outputs }], PLAIN);
        assert_eq!(
            page,
            "  [library]\n    f();\n    // é\n  │ a\n  │ b\n  │ 🖼 Loss\n  │   file 1 of 28 bytes\n  │ Losses\n  │ n      loss\
             \n  │ ─────  ────\n  │ 1 < 2  3.5\n  │ it's\n\n"
        );
    }

    #[test]
    fn code_that_is_folded_is_not_shown_until_asked_for() {
        let code = |part, code: &str| {
            let body = Body::Code { tag: None, code: code.into(), outputs: vec![Output::Text("out".into())] };
            Cell { part, body, ..Cell::default() }
        };
        let cells = vec![code(Part::Figure, "draw();"), code(Part::Deeper, "far();"), code(Part::Solution, "solve();")];
        let page = show_cells(cells.clone(), PLAIN);
        assert!(page.starts_with("  │ out\n\n") && page.matches("out").count() == 1, "{page}");
        assert!(page.contains("--answers") && !page.contains("();"), "{page}");
        let page = show_cells(cells, View { colour: false, answers: true });
        assert!(page.contains("draw();") && page.contains("far();") && page.contains("solve();"), "{page}");
    }
}
