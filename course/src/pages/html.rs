//! Chapters as HTML: their cells, what is folded of them, and the table of contents of their headings.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::chapter::{Body as Content, Cell, Chapter, Output, Part};
use super::fold::unfolded;
use super::page::{Body, Fold, Page};
use super::prose::code_block;
use crate::html::{escaped, unescaped};
use motamot::utils::Result;

/// Renders a chapter. `known` says which chapters a link may lead to.
pub(super) fn body(chapter: &Chapter, known: &[&str]) -> Result<Body> {
    let body = Body { html: String::new(), sections: Vec::new(), predictions: 0 };
    let taken = BTreeSet::from(["text".to_owned()]);
    let mut page = Page { chapter, known, taken, titled: false, picture: 0, fold: None, asked: false, body };
    for (i, cell) in chapter.cells.iter().enumerate() {
        page.cell(cell).map_err(|e| e.at(format!("{} ({}): cell {i}", chapter.name, chapter.lang.code())))?;
    }
    page.close();
    Ok(page.body)
}

impl Page<'_> {
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
            cell.options > 0 && run.is_some_and(|run| run.iter().all(item))
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Lang;
    use crate::pages::Tag;

    pub(crate) fn render(bodies: Vec<Content>) -> Result<Body> {
        render_cells(bodies.into_iter().map(Cell::from).collect())
    }

    pub(crate) fn render_cells(cells: Vec<Cell>) -> Result<Body> {
        body(&Chapter { name: "00_x".into(), lang: Lang::En, cells }, &["00_x", "01_y"])
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
