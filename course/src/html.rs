//! Text in colours and tables: HTML for notebooks, plain text for a terminal.

use std::fmt::Write as _;

use unicode_general_category::{GeneralCategory, get_general_category};

use super::numbers;
use crate::tr;
use motamot::tokenizer::Tokenizer;

/// Makes a text safe between tags and in quotes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML has no place for other control characters.
            c if c.is_control() && !"\t\n\r".contains(c) => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

/// The text that [`escaped`] made safe.
pub fn unescaped(html: &str) -> String {
    let signs = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")];
    signs.iter().fold(html.to_owned(), |text, (escaped, sign)| text.replace(escaped, sign))
}

/// How many columns of a terminal a text takes: two for a wide character, none for a mark on the one before, nor for the
/// codes of colours.
pub fn columns(text: &str) -> usize {
    let mut parts = text.split("\x1b[");
    let plain = parts.next().unwrap_or("").chars();
    plain.chain(parts.flat_map(|part| part.split_once('m').map_or("", |p| p.1).chars())).map(char_columns).sum()
}

fn char_columns(c: char) -> usize {
    use GeneralCategory::{EnclosingMark, Format, NonspacingMark};
    if c.is_ascii() {
        return usize::from(!c.is_control());
    }
    match c as u32 {
        0x1100..=0x115F | 0x2E80..=0x303E | 0x3041..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F => 2,
        0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1F64F | 0x1F680..=0x1F6FF | 0x1F900..=0x1F9FF => 2,
        0x20000..=0x3FFFD => 2,
        _ => usize::from(!matches!(get_general_category(c), NonspacingMark | EnclosingMark | Format)),
    }
}

/// A text cut into pieces, each in a colour of its own: what a tokenizer made of it.
#[derive(Clone, Debug)]
pub struct Tokens {
    pieces: Vec<(String, String)>,
    ids: bool,
    /// Which pieces have a colour, if not all.
    marked: Option<Vec<bool>>,
}

/// The ground of a piece without a colour.
const PLAIN: &str = "#EDEFF1";

/// Soft grounds on which dark ink can be read, on a light page and on a dark one.
const GROUNDS: [&str; 5] = ["#CFE8F7", "#FBE0C4", "#CDEBDD", "#F3D9E8", "#FAF0B5"];

/// Pieces on a line of a terminal take at most so many columns.
const LINE: usize = 96;

impl Tokens {
    /// Pieces (visible text, tooltip), such as `("the", "id 262")`, shown as [`visible`] shows them.
    pub fn new(pieces: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Tokens {
        let pieces = pieces.into_iter().map(|(text, tip)| (text.into(), tip.into())).collect();
        Tokens { pieces, ids: false, marked: None }
    }

    /// What a tokenizer makes of a text, with the ids as tooltips. Pieces that are not text alone are shown by their
    /// bytes: `⟨F0⟩⟨9F⟩`.
    pub fn of(tokenizer: &Tokenizer, text: &str) -> motamot::utils::Result<Tokens> {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("⟨{b:02X}⟩")).collect::<String>();
        let piece = |bytes: &[u8]| std::str::from_utf8(bytes).map_or_else(|_| hex(bytes), str::to_owned);
        let ids = tokenizer.encode(text)?;
        Ok(Tokens::new(ids.into_iter().map(|id| (piece(tokenizer.token_bytes(id)), format!("id {id}")))))
    }

    /// Colours only the pieces of which this is true of their number from 0; the others are grey.
    pub fn highlight(self, which: impl FnMut(usize) -> bool) -> Tokens {
        Tokens { marked: Some((0..self.pieces.len()).map(which).collect()), ..self }
    }

    /// Shows the tooltip in small print under each piece, too.
    pub fn ids(self) -> Tokens {
        Tokens { ids: true, ..self }
    }

    /// The pieces as HTML. Where a page strips the styles, `|` stands between the pieces.
    pub fn html(&self) -> String {
        let mut html =
            String::from("<div style=\"font-family:ui-monospace,monospace;line-height:1.9;overflow-wrap:anywhere\">");
        let last = self.pieces.len().saturating_sub(1);
        for (i, (text, tip)) in self.pieces.iter().enumerate() {
            let edge = ";box-shadow:inset 0 0 0 1px #CBD1D7";
            let (ground, edge) = match self.marked.as_ref().map(|marked| marked[i]) {
                None => (GROUNDS[i % GROUNDS.len()], ""),
                Some(false) => (PLAIN, edge),
                Some(true) => ("#FFC98A", ";font-weight:bold"),
            };
            let (shown, tip) = (escaped(&visible(text)), escaped(tip));
            let title = if tip.is_empty() { String::new() } else { format!(" title=\"{tip}\"") };
            let style = format!("background:{ground};color:#222;border-radius:3px;padding:2px 1px{edge}");
            if self.ids {
                let _ = write!(
                    html,
                    "<span style=\"display:inline-block;vertical-align:top;text-align:center;line-height:1.4;\
                     margin:2px 1px\"><span{title} style=\"display:block;{style}\">{shown}</span> \
                     <small style=\"display:block;font-size:70%;opacity:0.75\">{tip}</small></span>"
                );
            } else {
                let _ = write!(html, "<span{title} style=\"{style}\">{shown}</span>");
            }
            if i < last {
                html.push_str("<span style=\"display:none\">|</span>");
            }
            html.push_str(if text.ends_with('\n') { "<br>" } else { "<wbr>" });
        }
        html + "</div>"
    }

    /// The pieces for a terminal, `|` between them.
    pub fn text(&self) -> String {
        let mut lines: Vec<(String, String)> = vec![Default::default()];
        let mut used = 0;
        for (text, tip) in &self.pieces {
            let shown = visible(text);
            let wide = if self.ids { columns(&shown).max(columns(tip)) } else { columns(&shown) };
            if used > 0 && used + 1 + wide > LINE {
                lines.push(Default::default());
                used = 0;
            }
            let bar = if used > 0 || lines.last().is_some_and(|l| !l.0.is_empty()) { "|" } else { "" };
            if let Some((upper, lower)) = lines.last_mut() {
                for (line, part) in [(upper, shown.as_str()), (lower, tip.as_str())] {
                    line.push_str(bar);
                    line.push_str(part);
                    if self.ids {
                        line.extend(std::iter::repeat_n(' ', wide - columns(part)));
                    }
                }
            }
            used += bar.len() + wide;
            if text.ends_with('\n') {
                lines.push(Default::default());
                used = 0;
            }
        }
        let line = |(upper, lower): &(String, String)| match self.ids {
            true => format!("{}\n{}", upper.trim_end(), lower.trim_end()),
            false => upper.clone(),
        };
        let full = lines.iter().filter(|l| !l.0.is_empty());
        full.map(line).collect::<Vec<_>>().join("\n")
    }
}

/// A text with marks for what cannot be seen: `␣` for a space, `↵` for a new line, `→` for a tab, `∅` for no text at all.
pub fn visible(text: &str) -> String {
    if text.is_empty() {
        return "∅".into();
    }
    let mark = |c: char| match c {
        ' ' => '␣',
        '\n' => '↵',
        '\r' => '␍',
        '\t' => '→',
        c if c.is_control() => '\u{FFFD}',
        c => c,
    };
    text.chars().map(mark).collect()
}

/// A table of texts.
#[derive(Clone, Debug)]
pub struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
    caption: String,
}

impl Table {
    /// A table without rows.
    pub fn new(headers: impl IntoIterator<Item = impl Into<String>>) -> Table {
        Table { headers: headers.into_iter().map(Into::into).collect(), rows: Vec::new(), caption: String::new() }
    }

    /// A table without rows whose headers are in French and in English: that of the course's language is shown.
    pub fn of<const N: usize>(headers: [(&str, &str); N]) -> Table {
        Table::new(headers.map(|(fr, en)| tr(fr, en)))
    }

    /// Adds a row; cells that are missing at its end stay empty.
    pub fn row(mut self, cells: impl IntoIterator<Item = impl Into<String>>) -> Table {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    /// A line above the table.
    pub fn caption(self, caption: impl Into<String>) -> Table {
        Table { caption: caption.into(), ..self }
    }

    fn width(&self) -> usize {
        self.rows.iter().map(Vec::len).fold(self.headers.len(), usize::max)
    }

    /// Columns of numbers stand to the right, so that their digits can be compared; the first column names the rows.
    fn to_the_right(&self) -> Vec<bool> {
        let numbers = |column: usize| {
            let mut cells = self.rows.iter().filter_map(|r| r.get(column)).filter(|c| !c.trim().is_empty()).peekable();
            column > 0 && cells.peek().is_some() && cells.all(|c| is_number(c))
        };
        (0..self.width()).map(numbers).collect()
    }

    /// The table as HTML.
    pub fn html(&self) -> String {
        let right = self.to_the_right();
        let mut html = String::from("<table>\n");
        if !self.caption.is_empty() {
            let _ = writeln!(html, "<caption>{}</caption>", escaped(&self.caption));
        }
        let row = |html: &mut String, tag: &str, cells: &[String]| {
            html.push_str("<tr>");
            for (i, &right) in right.iter().enumerate() {
                let side = if right { "right" } else { "left" };
                let cell = escaped(&written(cells.get(i).map_or("", String::as_str))).replace('\n', "<br>");
                // Where a page strips the styles, the old attribute is often left.
                let _ = write!(html, "<{tag} align=\"{side}\" style=\"text-align:{side}\">{cell}</{tag}>");
            }
            html.push_str("</tr>\n");
        };
        if self.headers.iter().any(|h| !h.is_empty()) {
            html.push_str("<thead>\n");
            row(&mut html, "th", &self.headers);
            html.push_str("</thead>\n");
        }
        html.push_str("<tbody>\n");
        for cells in &self.rows {
            row(&mut html, "td", cells);
        }
        html + "</tbody>\n</table>"
    }

    /// The table for a terminal, its columns aligned.
    pub fn text(&self) -> String {
        let right = self.to_the_right();
        // A cell is one line here.
        let flat = |cell: Option<&String>| {
            cell.map_or(String::new(), |c| written(c).split_ascii_whitespace().collect::<Vec<_>>().join(" "))
        };
        let headed = self.headers.iter().any(|h| !h.is_empty());
        let rows = std::iter::once(&self.headers).filter(|_| headed).chain(&self.rows);
        let rows: Vec<Vec<String>> = rows.map(|cells| (0..right.len()).map(|i| flat(cells.get(i))).collect()).collect();
        let caption = Some(self.caption.clone()).filter(|caption| !caption.is_empty());
        caption.into_iter().chain(grid(&rows, &right, headed)).collect::<Vec<_>>().join("\n")
    }
}

/// The lines of a table for a terminal: columns as wide as they need, some of them aligned to the right, and a rule under
/// the first row if it is `headed`.
pub(crate) fn grid(rows: &[Vec<String>], right: &[bool], headed: bool) -> Vec<String> {
    let wide = |i: usize| rows.iter().filter_map(|row| row.get(i)).map(|cell| columns(cell)).max().unwrap_or(0);
    let wide: Vec<usize> = (0..right.len()).map(wide).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().enumerate().map(|(i, cell)| {
            let free = " ".repeat(wide[i] - columns(cell));
            if right[i] { free + cell } else { cell.clone() + &free }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    if headed {
        lines.insert(1, wide.iter().map(|&w| "─".repeat(w)).collect::<Vec<_>>().join("  "));
    }
    lines
}

/// A cell with the marks of the language in its numbers.
fn written(cell: &str) -> String {
    numbers::cell(cell, is_number(cell))
}

/// Whether a cell holds a number, perhaps with a sign before it and a unit behind it, or says that there is none.
fn is_number(cell: &str) -> bool {
    let cell = cell.trim();
    let digits = cell.trim_start_matches(['+', '-', '−', '±', '×', '≈', '~', '<', '>', '≤', '≥', '⏱', '$', '.', ' ']);
    let none = ["", "—", "–", "∞", "NaN", "nan", "inf", "n/a", "?"].contains(&digits);
    // A number, and at most one word after it: "3.2 MB", "12 %", but not "3 blind mice" nor "2nd of May".
    none || digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.split_whitespace().filter(|w| w.chars().all(char::is_alphabetic)).count() <= 1
}

/// Something that a notebook can show as more than text.
pub trait Rich {
    /// The type of [`Rich::content`]: `image/svg+xml` or `text/html`.
    fn mime(&self) -> &'static str;

    /// The picture or the page.
    fn content(&self) -> String;

    /// The same for a terminal; `None` where nothing but the file will do.
    fn text(&self) -> Option<String> {
        None
    }
}

impl Rich for Tokens {
    fn mime(&self) -> &'static str {
        "text/html"
    }

    fn content(&self) -> String {
        self.html()
    }

    fn text(&self) -> Option<String> {
        Some(Tokens::text(self))
    }
}

impl Rich for Table {
    fn mime(&self) -> &'static str {
        "text/html"
    }

    fn content(&self) -> String {
        self.html()
    }

    fn text(&self) -> Option<String> {
        Some(Table::text(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motamot::tokenizer::BpeOptions;

    #[test]
    fn tokens_are_coloured_marked_and_separated() {
        let tokens = Tokens::new([("The", "id 464"), (" <cat>", "id \"9\""), ("\n", ""), ("", "x")]);
        let html = tokens.html();
        for text in [">The</span>", "title=\"id 464\"", "␣&lt;cat&gt;", "id &quot;9&quot;", "↵</span>", "∅", "<br>"]
        {
            assert!(html.contains(text), "{text} in {html}");
        }
        assert_eq!(html.matches("<span style=\"display:none\">|</span>").count(), 3);
        assert!(html.contains("background:#CFE8F7;color:#222") && html.contains("background:#FBE0C4;color:#222"));
        assert!(!html.contains("<small"));
        let with_ids = tokens.clone().ids().html();
        assert!(with_ids.contains("opacity:0.75\">id 464</small>"), "{with_ids}");
        assert_eq!(tokens.text(), "The|␣<cat>|↵\n∅");
        assert_eq!(Tokens::new([("The", "464"), (" a", "1")]).ids().text(), "The|␣a\n464|1");
        assert_eq!(Tokens::new([("", ""); 0]).text(), "");
    }

    #[test]
    fn highlighted_tokens_stand_out_of_grey_ones() {
        let html = Tokens::new([("a", ""), ("b", ""), ("c", "")]).highlight(|i| i == 1).html();
        assert_eq!((html.matches(PLAIN).count(), html.matches("font-weight:bold\">b<").count()), (2, 1), "{html}");
        assert!(!GROUNDS.iter().any(|ground| html.contains(ground)));
    }

    #[test]
    fn a_tokenizer_says_what_it_makes_of_a_text() {
        let options = BpeOptions { vocab_size: 256, special_tokens: vec![], ..BpeOptions::default() };
        let bytes = Tokenizer::train_bpe([""], &options).unwrap();
        let tokens = Tokens::of(&bytes, "a é").unwrap();
        assert_eq!(tokens.text(), "a|␣|⟨C3⟩|⟨A9⟩");
        assert!(tokens.html().contains(&format!("title=\"id {}\"", bytes.encode("a").unwrap()[0])));
    }

    #[test]
    fn headers_are_in_the_language_of_the_course() {
        assert_eq!(Table::of([("mot", "word")]).row(["x"]).text(), Table::new([tr("mot", "word")]).row(["x"]).text());
    }

    #[test]
    fn many_tokens_take_several_lines_of_a_terminal() {
        let text = Tokens::new((0..100).map(|i| (format!("word{i}"), ""))).text();
        assert!(text.lines().count() > 5 && text.lines().all(|l| columns(l) <= LINE), "{text}");
        assert_eq!(text.matches("word").count(), 100);
    }

    #[test]
    fn a_table_aligns_its_columns() {
        let table = Table::new(["modèle", "loss", "taille"])
            .caption("Two & three")
            .row(["bigram", "2.45", "12 MB"])
            .row(["日本", "−10.1", "3.5 MB"])
            .row(["<x>"]);
        let text = "Two & three\n\
                    modèle   loss  taille\n\
                    ──────  ─────  ──────\n\
                    bigram   2.45   12 MB\n\
                    日本    −10.1  3.5 MB\n\
                    <x>";
        assert_eq!(table.text(), text);
        let html = table.html();
        for part in [
            "<caption>Two &amp; three</caption>",
            "<th align=\"left\" style=\"text-align:left\">modèle</th>",
            "<td align=\"right\" style=\"text-align:right\">2.45</td>",
            "&lt;x&gt;",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert_eq!((html.matches("<tr>").count(), html.matches("<td").count()), (4, 9));
    }

    #[test]
    fn numbers_in_a_table_have_the_marks_of_the_language() {
        let table = Table::new(["loss", "tokens"]).row(["2.45", "119250"]);
        let french = || (table.html(), table.text());
        let (html, text) = numbers::with_marks(crate::Lang::Fr.marks(), french);
        assert!(html.contains(">2,45<") && html.contains(">119\u{202F}250<"), "{html}");
        assert!(text.ends_with("2,45  119\u{202F}250"), "{text}");
        assert!(table.text().ends_with("2.45  119,250"));
    }

    #[test]
    fn tables_of_any_shape_can_be_shown() {
        let none: [&str; 0] = [];
        assert_eq!(Table::new(none).text(), "");
        let ragged = Table::new(["a"]).row(["1", "2", "3"]).row(none);
        assert_eq!(ragged.text(), "a\n─  ─  ─\n1  2  3\n");
        assert!(ragged.html().contains("</table>"));
    }

    #[test]
    fn numbers_are_told_from_words() {
        for cell in ["3", "−2.5", "1,024", "12 %", "3.2 MB", "×4", "—", "1e-3", "< 0.01", "⏱ 3 s"] {
            assert!(is_number(cell), "{cell}");
        }
        for cell in ["word", "3 blind mice", "a1"] {
            assert!(!is_number(cell), "{cell}");
        }
    }

    #[test]
    fn wide_characters_and_marks_are_counted() {
        assert_eq!(["abc", "é", "e\u{301}", "日本", "🦀", "…"].map(columns), [3, 1, 1, 4, 2, 1]);
    }
}
