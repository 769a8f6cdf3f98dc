//! Chapters as HTML: their cells, and the table of contents of their headings.

use pulldown_cmark::{Event, HeadingLevel, Tag as Md, TagEnd};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use super::chapter::{Body as Content, Cell, Chapter, Output, Part};
use super::fold::unfolded;
use super::markdown::{Piece, content, no_lost_dollar, pieces, unbroken};
use super::{highlight, math};
use crate::Lang;
use crate::html::{escaped, unescaped};
use motamot::utils::{Error, Result};

/// A chapter's cells as HTML, and its sections.
pub(super) struct Body {
    pub html: String,
    /// Anchor and text of each section.
    pub sections: Vec<(String, String)>,
    /// How many questions wait for a choice.
    pub predictions: usize,
}

/// The chapters that a link may lead to: by name, the anchors of their headings, by the headings' own.
pub(super) type Known = HashMap<String, HashMap<String, String>>;

/// What [`Known`] holds of some chapters.
pub(super) fn known<'c>(chapters: impl IntoIterator<Item = &'c Chapter>) -> Known {
    let anchors = |chapter: &Chapter| {
        let all = chapter.cells.iter().flat_map(|cell| &cell.anchors);
        all.map(|(id, anchor)| (slug(id), anchor.clone())).collect()
    };
    chapters.into_iter().map(|chapter| (chapter.name.clone(), anchors(chapter))).collect()
}

/// Renders a chapter.
pub(super) fn body(chapter: &Chapter, known: &Known) -> Result<Body> {
    let body = Body { html: String::new(), sections: Vec::new(), predictions: 0 };
    let taken = BTreeSet::from(["text".to_owned()]);
    let mut page = Page { chapter, known, taken, titled: false, picture: 0, fold: None, asked: false, body };
    for (i, cell) in chapter.cells.iter().enumerate() {
        page.cell(cell).map_err(|e| e.at(format!("{} ({}): cell {i}", chapter.name, chapter.lang.code())))?;
    }
    page.close();
    Ok(page.body)
}

/// What is open while cells are put into it.
#[derive(PartialEq)]
enum Fold {
    /// A detour.
    Deeper,
    /// What a question waits for.
    Answer,
}

struct Page<'a> {
    chapter: &'a Chapter,
    known: &'a Known,
    /// Anchors given so far.
    taken: BTreeSet<String>,
    /// Whether the title has been seen; a page has one.
    titled: bool,
    picture: usize,
    fold: Option<Fold>,
    /// Whether the output of the next cell of code answers a question.
    asked: bool,
    body: Body,
}

impl Page<'_> {
    fn lang(&self) -> Lang {
        self.chapter.lang
    }

    fn cell(&mut self, cell: &Cell) -> Result<()> {
        let goes_on = match cell.part {
            Part::Deeper => self.fold == Some(Fold::Deeper),
            Part::Answer => self.fold == Some(Fold::Answer),
            _ => false,
        };
        if !goes_on {
            self.close();
        }
        match (&cell.body, cell.part) {
            (Content::Prose(text), Part::Deeper) => self.deeper(text, cell),
            (Content::Prose(text), Part::Predict) => self.question(text, cell),
            (Content::Prose(text), Part::Answer) => {
                self.answer();
                self.asked = false;
                self.prose(text, cell)
            }
            (Content::Prose(text), _) => self.prose(text, cell),
            (Content::Code { .. }, _) => {
                self.code(cell);
                Ok(())
            }
        }
    }

    /// Ends what is open.
    fn close(&mut self) {
        if self.fold.take().is_some() {
            self.body.html += "</details>\n";
        }
    }

    /// A cell of a detour; the heading of the first one is what is seen of it.
    fn deeper(&mut self, text: &str, cell: &Cell) -> Result<()> {
        let text = unfolded(text);
        if self.fold.is_some() {
            return self.prose(&text, cell);
        }
        let (heading, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let label = self.lang().text("notebook.deeper");
        let _ = write!(self.body.html, "<details class=\"deeper\">\n<summary><span>{label}</span> ");
        // Its heading is no section.
        let sections = self.body.sections.len();
        self.prose(heading, cell)?;
        self.body.sections.truncate(sections);
        self.body.html += "</summary>\n";
        self.fold = Some(Fold::Deeper);
        self.prose(rest, cell)
    }

    /// A question: its options can be picked, and what answers it waits.
    fn question(&mut self, text: &str, cell: &Cell) -> Result<()> {
        self.body.predictions += 1;
        self.asked = true;
        let n = self.body.predictions;
        let badge = self.lang().text("page.predict");
        let _ = writeln!(
            self.body.html,
            "<section class=\"predict\" id=\"predict-{n}\" data-prediction=\"{n}\">\n<p class=\"badge\">{badge}</p>"
        );
        let lines: Vec<&str> = text.lines().collect();
        let item = |line: &&str| line.strip_prefix("- ").is_some();
        let first = (0..lines.len()).rev().find(|&i| {
            let run = lines.get(i..i + cell.options);
            cell.options > 0 && run.is_some_and(|run| run.iter().all(|line| item(&line)))
        });
        let (before, options, after) = match first {
            Some(i) => (&lines[..i], &lines[i..i + cell.options], &lines[i + cell.options..]),
            None => (lines.as_slice(), &[][..], &[][..]),
        };
        self.prose(&before.join("\n"), cell)?;
        if !options.is_empty() {
            self.body.html += "<div class=\"options\" role=\"group\">\n";
            for option in options {
                let start = self.body.html.len();
                self.prose(&option[2..], cell)?;
                let inside = self.body.html.split_off(start);
                let inside = inside.trim().trim_start_matches("<p>").trim_end_matches("</p>");
                let _ = writeln!(
                    self.body.html,
                    "<button type=\"button\" class=\"option\" aria-pressed=\"false\">{inside}</button>"
                );
            }
            self.body.html += "</div>\n";
        }
        self.prose(&after.join("\n"), cell)?;
        self.body.html += "</section>\n";
        Ok(())
    }

    /// Opens what the last question waits for.
    fn answer(&mut self) {
        if self.fold.is_none() {
            let (n, see) = (self.body.predictions, self.lang().text("page.see"));
            let _ = writeln!(
                self.body.html,
                "<details class=\"answer\" data-prediction=\"{n}\">\n<summary>{see}</summary>"
            );
            self.fold = Some(Fold::Answer);
        }
    }

    fn code(&mut self, cell: &Cell) {
        let Content::Code { tag, code, outputs } = &cell.body else { return };
        let lang = self.lang();
        let (class, badge) = match tag {
            Some(tag) => {
                let number = cell.exercise.as_ref().map(|n| format!(" {}", escaped(n))).unwrap_or_default();
                let (name, meaning) = (tag.name(lang), escaped(tag.meaning(lang)));
                (tag.code(), format!("<p class=\"badge\" title=\"{meaning}\">{name}{number}</p>\n"))
            }
            None => ("untagged", String::new()),
        };
        let id = match (&cell.exercise, cell.part) {
            (Some(number), Part::Open) => format!(" id=\"exercise-{}\"", escaped(number)),
            _ => String::new(),
        };
        let folded = match cell.part {
            Part::Figure => Some(lang.text("page.figure-code")),
            Part::Solution => Some(lang.text("notebook.solution")),
            _ => None,
        };
        let block = code_block("rust", code);
        let shown: String = outputs.iter().map(|output| self.output(output)).collect();
        let waits = self.asked && cell.part != Part::Deeper && cell.part != Part::Solution;
        let html = &mut self.body.html;
        let _ = write!(html, "<section class=\"cell {class}\"{id}>\n{badge}");
        match folded {
            // With a solution its output is folded, too.
            Some(summary) if cell.part == Part::Solution => {
                let _ = writeln!(
                    html,
                    "<details class=\"code-fold\">\n<summary>{summary}</summary>\n{block}\n{shown}</details>"
                );
            }
            Some(summary) => {
                let _ =
                    writeln!(html, "<details class=\"code-fold\">\n<summary>{summary}</summary>\n{block}\n</details>");
            }
            None => {
                let _ = writeln!(html, "{block}");
            }
        }
        if !waits && cell.part != Part::Solution {
            *html += &shown;
        }
        *html += "</section>\n";
        if waits {
            self.asked = false;
            self.answer();
            self.body.html += &shown;
        }
    }

    fn prose(&mut self, text: &str, cell: &Cell) -> Result<()> {
        if text.matches("<details").count() != text.matches("</details>").count() {
            return Err(Error::new("a <details> that is not closed in its cell"));
        }
        no_lost_dollar(text)?;
        let mut events: Vec<Event> = Vec::new();
        let mut links = Vec::new();
        let mut source = pieces(text);
        while let Some(piece) = source.next() {
            let event = match piece {
                Piece::Event(event) => event,
                Piece::Code { language, code } => {
                    events.push(Event::Html((code_block(&language, code.trim_end_matches('\n')) + "\n").into()));
                    continue;
                }
            };
            match event {
                Event::InlineMath(latex) => events.push(Event::InlineHtml(formula(&latex, false)?.into())),
                Event::DisplayMath(latex) => {
                    let html = format!("<span class=\"formula\" tabindex=\"0\">{}</span>", formula(&latex, true)?);
                    events.push(Event::InlineHtml(html.into()));
                }
                Event::Start(Md::Heading { level, .. }) => {
                    let inside = source.by_ref().map_while(|piece| match piece {
                        Piece::Event(event) if !matches!(event, Event::End(TagEnd::Heading(_))) => Some(event),
                        _ => None,
                    });
                    self.heading(level, inside.collect(), &mut events, cell)?;
                }
                Event::Start(Md::Link { dest_url, .. }) => {
                    let target = self.target(&dest_url);
                    links.push(target.is_some());
                    events
                        .extend(target.map(|url| Event::InlineHtml(format!("<a href=\"{}\">", escaped(&url)).into())));
                }
                Event::End(TagEnd::Link) => {
                    events.extend(links.pop().filter(|&led| led).map(|_| Event::InlineHtml("</a>".into())));
                }
                Event::Start(Md::Table(columns)) => {
                    events.push(Event::Html("<div class=\"scroll\" tabindex=\"0\">".into()));
                    events.push(Event::Start(Md::Table(columns)));
                }
                Event::End(TagEnd::Table) => {
                    events.push(Event::End(TagEnd::Table));
                    events.push(Event::Html("</div>\n".into()));
                }
                Event::Text(text) => events.push(self.text(&text)),
                event => events.push(event),
            }
        }
        pulldown_cmark::html::push_html(&mut self.body.html, with_their_signs(events).into_iter());
        Ok(())
    }

    fn text<'e>(&self, text: &str) -> Event<'e> {
        Event::Text(unbroken(text, self.lang()).into())
    }

    /// A heading with an anchor. Only the first of the first level keeps its level: a page has one title.
    fn heading<'e>(
        &mut self,
        level: HeadingLevel,
        inside: Vec<Event<'e>>,
        events: &mut Vec<Event<'e>>,
        cell: &Cell,
    ) -> Result<()> {
        let title = level == HeadingLevel::H1 && !std::mem::replace(&mut self.titled, true);
        let level = if title { level } else { level.max(HeadingLevel::H2) };
        let text: String = inside.iter().map(content).collect();
        // Its own anchor is the same in every language; else it has that of its text.
        let own = cell.anchors.iter().find(|(id, _)| slug(id) == slug(&text)).map(|(_, anchor)| anchor.clone());
        let first = own.unwrap_or_else(|| slug(&text));
        let mut anchor = first.clone();
        for n in 2.. {
            if self.taken.insert(anchor.clone()) {
                break;
            }
            anchor = format!("{first}-{n}");
        }
        if level == HeadingLevel::H2 {
            self.body.sections.push((anchor.clone(), text));
        }
        events.push(Event::Start(Md::Heading { level, id: Some(anchor.into()), classes: vec![], attrs: vec![] }));
        for event in inside {
            events.push(match event {
                Event::InlineMath(latex) | Event::DisplayMath(latex) => {
                    Event::InlineHtml(formula(&latex, false)?.into())
                }
                Event::Text(text) => self.text(&text),
                event => event,
            });
        }
        events.push(Event::End(TagEnd::Heading(level)));
        Ok(())
    }

    /// Where a link leads in the book: to a page of it, to an anchor, to the net; nowhere if to a file of the project.
    fn target(&self, url: &str) -> Option<String> {
        if url.starts_with("https://") || url.starts_with("http://") {
            return Some(url.to_owned());
        }
        let (path, anchor) = url.split_once('#').map_or((url, None), |(path, anchor)| (path, Some(anchor)));
        let name = match path.rsplit('/').next()?.strip_suffix(".ipynb") {
            _ if path.is_empty() => &self.chapter.name,
            Some(name) => name,
            None => return None,
        };
        let anchors = self.known.get(name);
        let anchor = anchor.map(|anchor| {
            let slug = slug(&without_escapes(anchor));
            format!("#{}", anchors.and_then(|known| known.get(&slug)).unwrap_or(&slug))
        });
        let anchor = anchor.unwrap_or_default();
        match anchors {
            _ if path.is_empty() => Some(anchor),
            Some(_) => Some(format!("{name}.html{anchor}")),
            None => None,
        }
    }

    fn output(&mut self, output: &Output) -> String {
        let chapter = self.chapter;
        let label = chapter.lang.text("page.output");
        match output {
            Output::Text(text) => format!(
                "<pre class=\"output\" tabindex=\"0\" aria-label=\"{label}\"><samp>{}</samp></pre>\n",
                escaped(text.trim_end_matches('\n'))
            ),
            Output::Html(html) => {
                // The style says it, too; the attribute is for sites that drop styles, and no longer HTML.
                let html = html.replace(" align=\"left\"", "").replace(" align=\"right\"", "");
                format!("<div class=\"output rich\" tabindex=\"0\">\n{html}\n</div>\n")
            }
            Output::Svg(svg) => {
                self.picture += 1;
                let title = picture_title(svg)
                    .unwrap_or_else(|| format!("{} {}", chapter.lang.text("page.picture"), self.picture));
                let svg = svg.find("<svg").map_or(svg.as_str(), |start| &svg[start..]);
                let labelled =
                    svg.replacen("<svg", &format!("<svg role=\"img\" aria-label=\"{}\"", escaped(&title)), 1);
                let svg = if svg.split('>').next().is_some_and(|tag| tag.contains("role=")) { svg } else { &labelled };
                format!("<div class=\"output picture\" tabindex=\"0\">\n{svg}\n</div>\n")
            }
        }
    }
}

/// What a picture calls itself: its `<title>`; else the first of its texts, with those of the same size, which are the
/// titles of the other panels.
pub(super) fn picture_title(svg: &str) -> Option<String> {
    let inside = |part: &str| Some(part.split_once('>')?.1.split_once('<')?.0.trim().to_owned());
    let size = |part: &str| Some(part.split_once('>')?.0.split_once("font-size=\"")?.1.split_once('"')?.0.to_owned());
    let texts: Vec<&str> = svg.split("<text").skip(1).collect();
    let first = texts.first()?;
    let alike = texts.iter().filter(|text| size(text).is_some() && size(text) == size(first));
    let titles: Vec<String> = alike.filter_map(|text| inside(text)).collect();
    let title = match svg.split_once("<title").and_then(|(_, rest)| inside(rest)) {
        Some(title) => title,
        None if (1..=6).contains(&titles.len()) => titles.join(" · "),
        None => inside(first)?,
    };
    Some(unescaped(&title)).filter(|title| !title.is_empty())
}

fn formula(latex: &str, display: bool) -> Result<String> {
    math::mathml(latex, display).map_err(|why| Error::new(format!("the formula {}: {why}", latex.trim())))
}

/// Formulas with the signs that touch them: a browser breaks the line beside a formula, even before a full stop.
fn with_their_signs(events: Vec<Event<'_>>) -> Vec<Event<'_>> {
    const OPEN: [char; 4] = ['(', '[', '«', '\u{a0}'];
    const CLOSE: [char; 14] = ['.', ',', ';', ':', '!', '?', ')', ']', '»', '…', '%', '-', '\'', '\u{a0}'];
    const WHOLE: &str = "<span class=\"whole\">";
    let mut out: Vec<Event> = Vec::with_capacity(events.len());
    for event in events {
        let event = match (event, out.last_mut()) {
            (Event::InlineHtml(math), Some(Event::Text(text))) if math.starts_with("<math") && text.ends_with(OPEN) => {
                let kept = text.trim_end_matches(OPEN).len();
                let whole = format!("{WHOLE}{}{math}</span>", &text[kept..]);
                *text = text[..kept].to_owned().into();
                Event::InlineHtml(whole.into())
            }
            (Event::Text(text), Some(Event::InlineHtml(html))) if text.starts_with(CLOSE) => {
                let rest = text.trim_start_matches(CLOSE);
                let signs = &text[..text.len() - rest.len()];
                if html.starts_with("<math") {
                    *html = format!("{WHOLE}{html}{signs}</span>").into();
                } else if let Some(open) = html.strip_prefix(WHOLE).and_then(|rest| rest.strip_suffix("</span>")) {
                    *html = format!("{WHOLE}{open}{signs}</span>").into();
                } else {
                    out.push(Event::Text(text));
                    continue;
                }
                Event::Text(rest.to_owned().into())
            }
            (event, _) => event,
        };
        out.push(event);
    }
    out
}

fn code_block(language: &str, code: &str) -> String {
    let mut html = String::from("<pre class=\"code\" tabindex=\"0\"><code>");
    if language == "rust" {
        for (kind, piece) in highlight::rust(code) {
            let class = match kind {
                highlight::Kind::Plain => {
                    html += &escaped(piece);
                    continue;
                }
                highlight::Kind::Keyword => "k",
                highlight::Kind::Type => "t",
                highlight::Kind::Macro => "m",
                highlight::Kind::Text => "s",
                highlight::Kind::Number => "n",
                highlight::Kind::Comment => "c",
            };
            let _ = write!(html, "<span class=\"{class}\">{}</span>", escaped(piece));
        }
    } else {
        html += &escaped(code);
    }
    html + "</code></pre>"
}

/// An address without its `%28`.
fn without_escapes(url: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let code = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(b'%'));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An anchor: letters and digits in lower case, the rest as single hyphens.
fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lang;
    use crate::pages::Tag;

    fn render(bodies: Vec<Content>) -> Result<Body> {
        render_cells(bodies.into_iter().map(Cell::from).collect())
    }

    fn render_cells(cells: Vec<Cell>) -> Result<Body> {
        let chapter = |name: &str, cells| Chapter { name: name.into(), lang: Lang::En, cells };
        let other = Cell { anchors: vec![("2-·-B-(c)".into(), "b".into())], ..Cell::default() };
        let (here, there) = (chapter("00_x", cells), chapter("01_y", vec![other]));
        body(&here, &known([&here, &there]))
    }

    #[test]
    fn prose_becomes_a_page() {
        let text = "# 00 · T\n## A & $x_1$\n## A & $x_1$\n# B\n[next](../01_y.ipynb#Été-2) [gone](../src/lib.rs) \
                    [here](#a-x₁) [net](https://example.org)\n\n|a|b|\n|-|-|\n|`x<y`|$\\frac12$|\n\n<details>\n\
                    <summary>S</summary>\n\n```rust\nlet x = \"<\";\n```\n\n</details>\n";
        let body = render(vec![Content::Prose(text.into())]).unwrap();
        let anchors: Vec<&str> = body.sections.iter().map(|s| s.0.as_str()).collect();
        assert_eq!(anchors, ["a-x₁", "a-x₁-2", "b"]);
        for part in [
            "<h1 id=\"00-t\">00 · T</h1>",
            "<h2 id=\"b\">B</h2>",
            "<a href=\"01_y.html#été-2\">next</a> gone <a href=\"#a-x₁\">here</a> <a href=\"https://example.org\">",
            "<code>x&lt;y</code>",
            "<mfrac>",
            "<span class=\"k\">let</span> x = <span class=\"s\">&quot;&lt;&quot;</span>;",
        ] {
            assert!(body.html.contains(part), "{part} in\n{}", body.html);
        }
    }

    #[test]
    fn french_signs_stay_with_their_word() {
        let cells = vec![Content::Prose("« *a* » : `b ?` $1$ ; 12 % : 1 192 492, 5 1999, fin".into())];
        let of = |body: &Content| Cell::from(body.clone());
        let french = Chapter { name: "00_x".into(), lang: Lang::Fr, cells: cells.iter().map(of).collect() };
        let html = body(&french, &Known::new()).unwrap().html;
        assert!(
            html.contains("«\u{a0}<em>a</em>\u{a0}»\u{a0}: <code>b ?</code>") && html.contains("12\u{a0}%"),
            "{html}"
        );
        assert!(html.contains("1\u{a0}192\u{a0}492, 5 1999,"), "{html}");
        assert_eq!(render(cells).unwrap().html.split('\u{a0}').count(), 2, "that of 12 %");
    }

    #[test]
    fn formulas_stay_with_the_signs_that_touch_them() {
        let html = render(vec![Content::Prose("a ($x$), $y$. b $z$ c [d](#e), <b>f</b>.".into())]).unwrap().html;
        for (start, end) in [
            ("a <span class=\"whole\">(<math", "</math>),</span> "),
            ("</span> b <math", "</math> c <a href=\"#e\">d</a>, <b>"),
        ] {
            assert!(html.contains(start) && html.contains(end), "{start} … {end} in {html}");
        }
        assert!(html.contains("</math>.</span> b"), "{html}");
    }

    #[test]
    fn outputs_are_shown_and_pictures_have_a_name() {
        let svg = "<?xml version=\"1.0\"?>\n<svg width=\"1\">\n<text x=\"1\">\na &lt; b\n</text></svg>";
        let outputs = vec![Output::Text("1 < 2\n".into()), Output::Svg(svg.into()), Output::Html("<b>x</b>".into())];
        let cell = Content::Code { tag: Some(Tag::Golden), code: "1".into(), outputs };
        let html = render(vec![cell]).unwrap().html;
        for part in [
            "class=\"cell golden\"",
            ">golden number</p>",
            "<samp>1 &lt; 2</samp>",
            "<svg role=\"img\" aria-label=\"a &lt; b\" width=\"1\">",
            "<b>x</b>",
        ] {
            assert!(html.contains(part), "{part} in\n{html}");
        }
        assert!(!html.contains("<?xml"));
    }

    #[test]
    fn pictures_of_several_panels_name_them_all() {
        let svg = "<svg><text font-size=\"15\">A &amp; B</text><text font-size=\"9\">0</text><text x=\"1\" font-size=\"15\">C</text>";
        assert_eq!(picture_title(svg).unwrap(), "A & B · C");
        assert_eq!(picture_title(&svg.replace("<svg>", "<svg><title>T</title>")).unwrap(), "T");
        assert_eq!(picture_title("<svg/>"), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let error = |text: &str| render(vec![Content::Prose("ok".into()), Content::Prose(text.into())]).err().unwrap();
        let unknown = error(r"the $\foo{x}$").to_string();
        assert!(
            unknown.starts_with(r"00_x (en): cell 1: the formula \foo{x}: ") && unknown.contains("Unknown"),
            "{unknown}"
        );
        assert!(error("## $$x_1_2$$").to_string().contains("x_1_2"));
        assert!(error("so $$x_{$$ is").to_string().contains("without its formula"));
        assert!(render(vec![Content::Prose("it costs \\$5, `$`\n\n```sh\necho $x\n```".into())]).is_ok());
        assert!(error("<details>\n\nx").to_string().contains("<details>"));
    }

    #[test]
    fn anchors_of_headings_are_those_of_links() {
        let own = vec![("1-·-A-`b`".to_owned(), "a".to_owned())];
        let text = "## 1 · A `b`\n[here](#1-·-A-`b`) [there](01_y.ipynb#2-·-B-%28c%29) [odd](#5%)";
        let cell = Cell { anchors: own, ..Content::Prose(text.into()).into() };
        let body = render_cells(vec![cell]).unwrap();
        assert_eq!(body.sections, [("a".to_owned(), "1 · A b".to_owned())]);
        for part in ["<h2 id=\"a\">", "<a href=\"#a\">here</a>", "<a href=\"01_y.html#b\">there</a>", "href=\"#5\">"] {
            assert!(body.html.contains(part), "{part} in {}", body.html);
        }
    }

    #[test]
    fn what_is_folded_is_folded() {
        let prose = |part, text: &str| Cell { part, ..Content::Prose(text.into()).into() };
        let code = |part, code: &str, tag| {
            let outputs = vec![Output::Text(format!("{code} prints"))];
            Cell { part, ..Content::Code { tag, code: code.into(), outputs }.into() }
        };
        let mut question = prose(Part::Predict, "How many?\n\n- *one*\n- two\n\nChoose.");
        question.options = 2;
        let mut exercise = code(Part::Open, "e", Some(Tag::Exercise));
        exercise.exercise = Some("00.1".into());
        let cells = vec![
            prose(Part::Deeper, "### More\n\n<details>\n<summary>x</summary>\n\nfar\n\n</details>"),
            code(Part::Deeper, "d", None),
            prose(Part::Deeper, "<details>\n<summary>x</summary>\n\nfarther\n\n</details>"),
            question,
            code(Part::Figure, "f", None),
            prose(Part::Answer, "Two."),
            exercise,
            code(Part::Solution, "s", None),
        ];
        let body = render_cells(cells).unwrap();
        let bare: String =
            body.html.replace(" tabindex=\"0\"", "").replace(" aria-label=\"Output\"", "").replace('\n', "");
        let output = |code: &str| format!("<pre class=\"output\"><samp>{code} prints</samp></pre>");
        let block = |code: &str| format!("<pre class=\"code\"><code>{code}</code></pre>");
        for part in [
            format!(
                "<details class=\"deeper\"><summary><span>Going deeper</span> <h3 id=\"more\">More</h3></summary><p>far</p>\
                 <section class=\"cell untagged\">{}{}</section><p>farther</p></details>",
                block("d"),
                output("d")
            ),
            "<p>How many?</p><div class=\"options\" role=\"group\"><button type=\"button\" class=\"option\" \
             aria-pressed=\"false\"><em>one</em></button>"
                .into(),
            format!(
                "<section class=\"cell untagged\"><details class=\"code-fold\"><summary>Code of the picture</summary>{}\
                 </details></section><details class=\"answer\" data-prediction=\"1\"><summary>See the result</summary>{}\
                 <p>Two.</p></details>",
                block("f"),
                output("f")
            ),
            "id=\"exercise-00.1\"><p class=\"badge\" title=\"your turn, checked automatically\">exercise 00.1</p>"
                .into(),
            format!("<summary>A solution (try first!)</summary>{}{}</details></section>", block("s"), output("s")),
        ] {
            assert!(bare.contains(&part), "{part}\nin\n{bare}");
        }
        assert!(body.sections.is_empty() && body.predictions == 1);
        assert_eq!(bare.matches("<details").count(), bare.matches("</details>").count());
    }
}
