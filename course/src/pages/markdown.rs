//! Markdown as the course writes it, cut into pieces for every kind of page.

use std::borrow::Cow;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::math;
use crate::Lang;
use motamot::utils::{Error, Result};

const OPTIONS: Options = Options::ENABLE_TABLES.union(Options::ENABLE_MATH);

/// A piece of a text.
pub(super) enum Piece<'t> {
    /// A whole block of code.
    Code { language: String, code: String },
    /// Anything else.
    Event(Event<'t>),
}

/// The pieces of a text, in order.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut events = Parser::new_ext(text, OPTIONS);
    std::iter::from_fn(move || {
        let language = match events.next()? {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => language.into_string(),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)) => String::new(),
            event => return Some(Piece::Event(event)),
        };
        let inside = events.by_ref().take_while(|e| !matches!(e, Event::End(TagEnd::CodeBlock)));
        Some(Piece::Code { language, code: inside.map(|event| content(&event).into_owned()).collect() })
    })
}

/// A text without its marks, its formulas as readable text.
pub(super) fn plain(text: &str) -> String {
    Parser::new_ext(text, OPTIONS).map(|event| content(&event).into_owned()).collect()
}

/// The text of an event, without its marks.
pub(super) fn content<'e>(event: &'e Event) -> Cow<'e, str> {
    match event {
        Event::Text(text) | Event::Code(text) => (&**text).into(),
        Event::InlineMath(latex) | Event::DisplayMath(latex) => math::text(latex).into(),
        Event::SoftBreak | Event::HardBreak => " ".into(),
        _ => "".into(),
    }
}

/// Signs that have a space beside them never begin or end a line alone, and in French 1 234 stays in one piece.
pub(super) fn unbroken(text: &str, lang: Lang) -> String {
    if !lang.spaced_signs() {
        return text.replace(" %", "\u{a0}%");
    }
    let mut text = text.replace("« ", "«\u{a0}");
    for sign in [':', ';', '!', '?', '»', '%'] {
        text = text.replace(&format!(" {sign}"), &format!("\u{a0}{sign}"));
    }
    let chars: Vec<char> = text.chars().collect();
    let digits = |places: std::ops::Range<usize>| chars.get(places).is_some_and(|d| d.iter().all(char::is_ascii_digit));
    let thousands = |i: usize| i > 0 && digits(i - 1..i) && digits(i + 1..i + 4) && !digits(i + 4..i + 5);
    chars.iter().enumerate().map(|(i, &c)| if c == ' ' && thousands(i) { '\u{a0}' } else { c }).collect()
}

/// A `$` that stands in the text is what is left of a formula that is not one, unless a backslash says otherwise.
pub(super) fn no_lost_dollar(text: &str) -> Result<()> {
    let mut code = false;
    for (event, range) in Parser::new_ext(text, OPTIONS).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(_)) => code = true,
            Event::End(TagEnd::CodeBlock) => code = false,
            Event::Text(part) if !code && part.contains('$') && !text[..range.start].ends_with('\\') => {
                return Err(Error::new(format!("\"{part}\": a $ without its formula; the sign itself is \\$")));
            }
            _ => {}
        }
    }
    Ok(())
}
