//! Prose as HTML: Markdown with formulas, anchors, and links within the book.

use std::fmt::Write;

use pulldown_cmark::{Event, HeadingLevel, Tag as Md, TagEnd};

use super::chapter::Cell;
use super::markdown::{Piece, content, no_lost_dollar, pieces, plain, unbroken};
use super::page::Page;
use super::{highlight, math};
use crate::html::escaped;
use motamot::utils::{Error, Result};

impl Page<'_> {
    pub(super) fn prose(&mut self, text: &str, cell: &Cell) -> Result<()> {
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
        let own =
            cell.anchors.iter().find(|(line, _)| slug(&plain(line)) == slug(&text)).map(|(_, anchor)| anchor.clone());
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
        let (path, anchor) =
            url.split_once('#').map_or((url, String::new()), |(path, a)| (path, format!("#{}", slug(a))));
        let name = path.rsplit('/').next()?.strip_suffix(".ipynb");
        match name {
            _ if path.is_empty() => Some(anchor),
            Some(name) if self.known.contains(&name) => Some(format!("{name}.html{anchor}")),
            _ => None,
        }
    }
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

pub(super) fn code_block(language: &str, code: &str) -> String {
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

/// An anchor: letters and digits in lower case, the rest as single hyphens.
pub(super) fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use crate::Lang;
    use crate::pages::html::body;
    use crate::pages::html::tests::{render, render_cells};
    use crate::pages::{Body as Content, Cell, Chapter};

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
        let html = body(&french, &[]).unwrap().html;
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
        let own = vec![("## 1 · A `b`".to_owned(), "a".to_owned())];
        let text = "## 1 · A `b`\n[here](#a) [there](01_y.ipynb#b-2)";
        let cell = Cell { anchors: own, ..Content::Prose(text.into()).into() };
        let body = render_cells(vec![cell]).unwrap();
        assert_eq!(body.sections, [("a".to_owned(), "1 · A b".to_owned())]);
        for part in ["<h2 id=\"a\">", "<a href=\"#a\">here</a>", "<a href=\"01_y.html#b-2\">there</a>"] {
            assert!(body.html.contains(part), "{part} in {}", body.html);
        }
    }
}
