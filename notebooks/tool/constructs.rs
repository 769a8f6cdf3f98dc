//! Constructs of Rust that a cell must not use before they are explained.
//!
//! One is explained by a link into appendix A in the prose right before or right behind the cell, or by its name in
//! backticks in any prose up to there; or in a notebook that comes before. Folded code is passed over: nobody must read
//! it. The list has what the appendix explains and a learner who knows another language would not guess.

use std::collections::BTreeSet;

use motamot::Lang;
use motamot::pages::highlight::{self, Kind};

use crate::notebook::{Notebook, prose};
use crate::source::{Body, Cell};

/// What a construct looks like in code without texts, comments and needless spaces.
enum Look {
    /// Has this in it.
    Has(&'static str),
    /// Has both, the second one behind the first and before the next `{` or `;`.
    Then(&'static str, &'static str),
    /// Has the parameters of a closure: a `|` behind `(`, `,`, `=` or `move`.
    Closure,
    /// Ends an expression with `?`.
    Question,
    /// Takes the rest of a structure: `..` behind `,` or `{`, and a name.
    Rest,
}
use Look::{Closure, Has, Question, Rest, Then};

/// A construct: its name, as a remark writes it in backticks, and its look.
const CONSTRUCTS: [(&str, Look); 41] = [
    ("let … else", Then("let ", " else {")),
    ("if let", Has("if let ")),
    ("while let", Has("while let ")),
    ("match", Has("match ")),
    ("matches!", Has("matches!(")),
    ("?", Question),
    ("..", Rest),
    ("|x|", Closure),
    ("move", Has("move |")),
    ("impl Fn", Has("impl Fn")),
    ("dyn", Has("dyn ")),
    ("fn(", Has(": fn(")),
    ("where", Has(" where ")),
    ("trait", Has("trait ")),
    ("impl … for", Then("impl ", " for ")),
    ("struct", Has("struct ")),
    ("enum", Has("enum ")),
    ("#[derive]", Has("#[derive(")),
    ("'a", Has("<'a")),
    ("::<", Has("::<")),
    ("Option", Has("Option<")),
    ("unwrap", Has(".unwrap()")),
    ("loop", Has("loop {")),
    ("map", Has(".map(")),
    ("filter", Has(".filter(")),
    ("filter_map", Has(".filter_map(")),
    ("flat_map", Has(".flat_map(")),
    ("fold", Has(".fold(")),
    ("scan", Has(".scan(")),
    ("zip", Has(".zip(")),
    ("enumerate", Has(".enumerate(")),
    ("windows", Has(".windows(")),
    ("chunks", Has(".chunks(")),
    ("chain", Has(".chain(")),
    ("once", Has("once(")),
    ("from_fn", Has("from_fn(")),
    ("split_at_mut", Has(".split_at_mut(")),
    ("iter_mut", Has(".iter_mut(")),
    ("entry", Has(".entry(")),
    ("collect", Has(".collect")),
    ("sum", Has(".sum")),
];

impl Look {
    fn is_in(&self, code: &str) -> bool {
        let behind = |mark: &str, before: &[&str], after: fn(&str) -> bool| {
            let mut found = code.match_indices(mark);
            found.any(|(at, _)| {
                let start = code[..at].trim_end();
                before.iter().any(|b| start.ends_with(b)) && after(&code[at + mark.len()..])
            })
        };
        match self {
            Has(part) => code.match_indices(part).any(|(at, _)| {
                // A word begins where it begins: "once(" is not in "at_once(".
                !part.starts_with(char::is_alphabetic)
                    || !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            }),
            Then(first, second) => code.match_indices(first).any(|(at, _)| {
                let before_a_block = code[at + first.len()..].split_once(second).map(|(between, _)| between);
                before_a_block.is_some_and(|between| !between.contains(['{', ';']))
            }),
            Closure => behind("|", &["(", ",", "=", "move"], |rest| !rest.starts_with('=')),
            Question => code.match_indices('?').any(|(at, _)| !code[at..].starts_with("?Sized")),
            Rest => behind("..", &[",", "{"], |rest| rest.starts_with(|c: char| c.is_alphabetic())),
        }
    }
}

/// The constructs that a cell uses.
fn used(code: &str) -> impl Iterator<Item = &'static str> {
    let pieces = highlight::rust(code).into_iter();
    let kept: String = pieces
        .map(|(kind, piece)| match kind {
            Kind::Comment => "",
            Kind::Text => "\"\"",
            _ => piece,
        })
        .collect();
    let joined = kept.split_whitespace().collect::<Vec<_>>().join(" ");
    CONSTRUCTS.iter().filter(move |(_, look)| look.is_in(&joined)).map(|(name, _)| *name)
}

/// The names in backticks in a text.
fn named(text: &str) -> BTreeSet<&'static str> {
    let spans: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let is = |name: &str, span: &str| match name {
        "|x|" => span.contains('|'),
        "?" | ".." => span.contains(name),
        _ => span.contains(name.trim_end_matches('(')),
    };
    CONSTRUCTS.iter().map(|(name, _)| *name).filter(|name| spans.iter().any(|span| is(name, span))).collect()
}

/// What a notebook explains, and the first uses of what nobody has explained, given what was `known` before.
pub fn read(notebook: &Notebook, known: &BTreeSet<&'static str>) -> (BTreeSet<&'static str>, Vec<String>) {
    let (mut explained, mut wrong) = (BTreeSet::new(), Vec::new());
    let text = |cell: &'_ Cell| cell.prose().map(|texts| prose(texts, Lang::Fr).to_owned());
    let cells = &notebook.cells;
    for (i, cell) in cells.iter().enumerate() {
        let Body::Code(code) = &cell.body else {
            explained.extend(text(cell).iter().flat_map(|text| named(text)));
            continue;
        };
        if ["figure", "deeper", "solution"].iter().any(|tag| cell.is(tag)) {
            continue;
        }
        let before = cells[..i].iter().rev().find_map(text);
        let behind = cells.get(i + 1).and_then(text);
        let linked = before.iter().chain(&behind).any(|text| text.contains("[[A"));
        let behind = behind.as_deref().map(named).unwrap_or_default();
        for name in used(code) {
            if linked || behind.contains(name) {
                explained.insert(name);
            } else if !known.contains(name) && explained.insert(name) {
                wrong.push(format!(
                    "line {}: the first `{name}`: explain it beside the cell, or link into appendix A ([[A#…]])",
                    cell.line
                ));
            }
        }
    }
    (explained, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::parse;

    #[test]
    fn constructs_are_seen_and_not_imagined() {
        let uses = |code: &str| used(code).collect::<Vec<_>>();
        assert_eq!(uses("let Some(x) = y else { return };"), ["let … else"]);
        assert_eq!(uses("let Some(x) = f(\n    y,\n) else {\n    return;\n};"), ["let … else"]);
        assert_eq!(uses("let z = if a { b } else { c };"), [""; 0]);
        assert_eq!(uses("f(|x| x + 1, a || b, c | d)"), ["|x|"]);
        assert_eq!(uses("a(move || b)"), ["|x|", "move"]);
        assert_eq!(uses("C { a: 1, ..C::new() }; &x[..n]; 0..N"), [".."]);
        assert_eq!(uses("f()?; \"?\"; // match x"), ["?"]);
        assert_eq!(uses("impl Rich for X {}"), ["impl … for"]);
        assert_eq!(uses("at_once(x).windows(2)"), ["windows"]);
        assert_eq!(uses("fn f(g: impl Fn(u8) -> u8) {}"), ["impl Fn"]);
    }

    #[test]
    fn a_first_use_needs_a_remark_or_a_link() {
        let notebook = |cells: &str| {
            let cells = parse(&format!("fn main() {{\n{cells}}}\n")).unwrap();
            Notebook { name: "00_x".into(), front: None, cells }
        };
        let two = |text: &str| format!("// %% [markdown] fr\n// {text}\n// %% [markdown] en\n// {text}\n");
        let code = "// %%\nx.windows(2);\n";
        let wrong = |cells: String| read(&notebook(&cells), &BTreeSet::new()).1;
        let refused = wrong(two("a") + code + code);
        assert!(refused.len() == 1 && refused[0].starts_with("line 6: the first `windows`"), "{refused:?}");
        assert_eq!(wrong(two("the `windows` of a list") + &two("a") + code), [""; 0]);
        assert_eq!(wrong(two("a") + code + &two("`.windows(2)` gives pairs")), [""; 0]);
        assert_eq!(wrong(two("see [[A#listes]]") + code + code), [""; 0]);
        assert_eq!(wrong(two("see [[A#listes]]") + &two("a") + code).len(), 1);
        assert_eq!(wrong(two("a") + "// %% figure\nx.windows(2);\n"), [""; 0]);
        assert_eq!(read(&notebook(&(two("a") + code)), &BTreeSet::from(["windows"])).1, [""; 0]);
        assert!(read(&notebook(&(two("see `windows`") + code)), &BTreeSet::new()).0.contains("windows"));
    }
}
