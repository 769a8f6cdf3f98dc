//! Chapters as HTML: their cells, and the table of contents of their headings.

use pulldown_cmark::{Event, HeadingLevel, Tag as Md, TagEnd};
use std::collections::BTreeSet;
use std::fmt::Write;

use super::chapter::{Cell, Chapter, Output};
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
}

/// Renders a chapter. `known` says which chapters a link may lead to.
pub(super) fn body(chapter: &Chapter, known: &[&str]) -> Result<Body> {
    let mut body = Body { html: String::new(), sections: Vec::new() };
    let mut page =
        Page { lang: chapter.lang, known, taken: BTreeSet::from(["text".to_owned()]), titled: false, picture: 0 };
    for (i, cell) in chapter.cells.iter().enumerate() {
        let rendered = match cell {
            Cell::Prose(text) => page.prose(text, &mut body),
            Cell::Code { tag, code, outputs } => {
                let (class, badge) = match tag {
                    Some(tag) => {
                        let meaning = escaped(tag.meaning(chapter.lang));
                        let name = tag.name(chapter.lang);
                        (tag.code(), format!("<p class=\"badge\" title=\"{meaning}\">{name}</p>\n"))
                    }
                    None => ("untagged", String::new()),
                };
                let _ = writeln!(body.html, "<section class=\"cell {class}\">\n{badge}{}", code_block("rust", code));
                outputs.iter().for_each(|output| body.html += &page.output(output, chapter));
                body.html += "</section>\n";
                Ok(())
            }
        };
        rendered.map_err(|e| e.at(format!("{} ({}): cell {i}", chapter.name, chapter.lang.code())))?;
    }
    Ok(body)
}

struct Page<'a> {
    lang: Lang,
    known: &'a [&'a str],
    /// Anchors given so far.
    taken: BTreeSet<String>,
    /// Whether the title has been seen; a page has one.
    titled: bool,
    picture: usize,
}

impl Page<'_> {
    fn prose(&mut self, text: &str, body: &mut Body) -> Result<()> {
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
                    self.heading(level, inside.collect(), &mut events, body)?;
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
        pulldown_cmark::html::push_html(&mut body.html, with_their_signs(events).into_iter());
        Ok(())
    }

    fn text<'e>(&self, text: &str) -> Event<'e> {
        Event::Text(unbroken(text, self.lang).into())
    }

    /// A heading with an anchor. Only the first of the first level keeps its level: a page has one title.
    fn heading<'e>(
        &mut self,
        level: HeadingLevel,
        inside: Vec<Event<'e>>,
        events: &mut Vec<Event<'e>>,
        body: &mut Body,
    ) -> Result<()> {
        let title = level == HeadingLevel::H1 && !std::mem::replace(&mut self.titled, true);
        let level = if title { level } else { level.max(HeadingLevel::H2) };
        let text: String = inside.iter().map(content).collect();
        let mut anchor = slug(&text);
        for n in 2.. {
            if self.taken.insert(anchor.clone()) {
                break;
            }
            anchor = format!("{}-{n}", slug(&text));
        }
        if level == HeadingLevel::H2 {
            body.sections.push((anchor.clone(), text));
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

    fn output(&mut self, output: &Output, chapter: &Chapter) -> String {
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

    fn render(cells: Vec<Cell>) -> Result<Body> {
        body(&Chapter { name: "00_x".into(), lang: Lang::En, cells }, &["00_x", "01_y"])
    }

    #[test]
    fn prose_becomes_a_page() {
        let text = "# 00 · T\n## A & $x_1$\n## A & $x_1$\n# B\n[next](../01_y.ipynb#Été-2) [gone](../src/lib.rs) \
                    [here](#a-x₁) [net](https://example.org)\n\n|a|b|\n|-|-|\n|`x<y`|$\\frac12$|\n\n<details>\n\
                    <summary>S</summary>\n\n```rust\nlet x = \"<\";\n```\n\n</details>\n";
        let body = render(vec![Cell::Prose(text.into())]).unwrap();
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
        let cells = vec![Cell::Prose("« *a* » : `b ?` $1$ ; 12 % : 1 192 492, 5 1999, fin".into())];
        let html = body(&Chapter { name: "00_x".into(), lang: Lang::Fr, cells: cells.clone() }, &[]).unwrap().html;
        assert!(
            html.contains("«\u{a0}<em>a</em>\u{a0}»\u{a0}: <code>b ?</code>") && html.contains("12\u{a0}%"),
            "{html}"
        );
        assert!(html.contains("1\u{a0}192\u{a0}492, 5 1999,"), "{html}");
        assert_eq!(render(cells).unwrap().html.split('\u{a0}').count(), 2, "that of 12 %");
    }

    #[test]
    fn formulas_stay_with_the_signs_that_touch_them() {
        let html = render(vec![Cell::Prose("a ($x$), $y$. b $z$ c [d](#e), <b>f</b>.".into())]).unwrap().html;
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
        let cell = Cell::Code { tag: Some(Tag::Golden), code: "1".into(), outputs };
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
        let error = |text: &str| render(vec![Cell::Prose("ok".into()), Cell::Prose(text.into())]).err().unwrap();
        let unknown = error(r"the $\foo{x}$").to_string();
        assert!(
            unknown.starts_with(r"00_x (en): cell 1: the formula \foo{x}: ") && unknown.contains("Unknown"),
            "{unknown}"
        );
        assert!(error("## $$x_1_2$$").to_string().contains("x_1_2"));
        assert!(error("so $$x_{$$ is").to_string().contains("without its formula"));
        assert!(render(vec![Cell::Prose("it costs \\$5, `$`\n\n```sh\necho $x\n```".into())]).is_ok());
        assert!(error("<details>\n\nx").to_string().contains("<details>"));
    }
}
