//! Comments in cells of code: in pairs, of which a language takes its own.
//!
//! ```text
//! //fr Chaque ligne somme à 1.
//! //en Each row sums to 1.
//! let x = f(y); //fr le masque //en the mask
//! let z = x @ y; // (T, D)
//! ```
//!
//! The last one, without words, is the same in every language.

use motamot::pages::highlight;

/// The code as a reader of `lang` sees it; `Err` says what is wrong with a comment, and in which line of the cell.
/// A language other than French reads English.
pub fn of(code: &str, lang: &str) -> Result<String, String> {
    let mut out: Vec<String> = Vec::new();
    let mut before = Line::Other;
    for (i, (line, comment)) in code.lines().zip(starts(code)).enumerate() {
        let at = |why: &str| Err(format!("line {} of the cell: {why}: {}", i + 1, line.trim()));
        let (start, comment) = line.split_at(comment.unwrap_or(line.len()));
        let whole = start.trim().is_empty();
        let mut now = Line::Other;
        match part(comment) {
            Some((Line::French, text)) if whole && !text.contains(EN) => {
                now = Line::French;
                out.extend((lang == "fr").then(|| format!("{start}//{text}")));
            }
            Some((Line::English, text)) if whole => {
                if before == Line::Other {
                    return at("//en without //fr before it");
                }
                now = Line::English;
                out.extend((lang != "fr").then(|| format!("{start}//{text}")));
            }
            Some((Line::French, text)) => {
                let Some((fr, en)) = text.split_once(EN) else { return at("//fr without //en behind it") };
                out.push(format!("{start}//{}", if lang == "fr" { fr.trim_end() } else { en }));
            }
            Some(_) => return at("//en without //fr before it"),
            None if has_words(comment) => return at("a comment in one language; write //fr … and //en …"),
            None => out.push(line.to_owned()),
        }
        if before == Line::French && now == Line::Other {
            return at("//fr without //en behind it, before");
        }
        before = now;
    }
    match before {
        Line::French => Err("the last line of the cell: //fr without //en behind it".into()),
        _ => Ok(out.join("\n")),
    }
}

const FR: &str = "//fr";
const EN: &str = "//en";

/// What a line is: a comment of a language that has it to itself, or another one.
#[derive(Clone, Copy, PartialEq)]
enum Line {
    French,
    English,
    Other,
}

/// The language of a comment and its text, with the space before it.
fn part(comment: &str) -> Option<(Line, &str)> {
    let of = |mark: &str| comment.strip_prefix(mark).filter(|rest| rest.starts_with(' ') || rest.is_empty());
    of(FR).map(|text| (Line::French, text)).or_else(|| of(EN).map(|text| (Line::English, text)))
}

/// Whether a comment says something in a language: it has three letters in a row that are no name in backticks.
fn has_words(comment: &str) -> bool {
    let outside = comment.split('`').step_by(2);
    outside.flat_map(|part| part.split(|c: char| !c.is_alphabetic())).any(|word| word.chars().count() >= 3)
}

/// Where the comment of each line begins, if it has one: outside of texts.
fn starts(code: &str) -> Vec<Option<usize>> {
    let mut found = Vec::new();
    let (mut line, mut column) = (None, 0);
    for (kind, piece) in highlight::rust(code) {
        if kind == highlight::Kind::Comment && line.is_none() {
            line = Some(column);
        }
        for part in piece.split_inclusive('\n') {
            column += part.len();
            if part.ends_with('\n') {
                found.push(line.take());
                column = 0;
            }
        }
    }
    found.push(line);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_takes_its_own() {
        let code = "//fr Un.\n//fr Deux.\n//en One.\nlet x = \"//fr a\"; //fr le masque //en the mask\n\
                    fn f() {\n    //fr a\n    //en b\n    //fr c\n    //en d\n    y // (T, D), `softmax`\n}";
        let fr = "// Un.\n// Deux.\nlet x = \"//fr a\"; // le masque\nfn f() {\n    // a\n    // c\n    y // (T, D), `softmax`\n}";
        let en =
            "// One.\nlet x = \"//fr a\"; // the mask\nfn f() {\n    // b\n    // d\n    y // (T, D), `softmax`\n}";
        assert_eq!(of(code, "fr").unwrap(), fr);
        assert_eq!(of(code, "en").unwrap(), en);
        assert_eq!(of(code, "nl").unwrap(), en);
        assert_eq!(of("let u = \"http://a\"; /* T\n D */ f()", "en").unwrap(), "let u = \"http://a\"; /* T\n D */ f()");
    }

    #[test]
    fn what_is_not_in_pairs_is_refused() {
        let refused = |code: &str, why: &str| {
            let error = of(code, "fr").unwrap_err();
            assert!(error.contains(why), "{code}: {error}");
        };
        refused("f();\n// the mask", "line 2 of the cell: a comment in one language");
        refused("f(); // le masque", "in one language");
        refused("/// Says it.\nfn f() {}", "in one language");
        refused("//fr un\nf();", "line 2 of the cell: //fr without //en");
        refused("//fr un", "//fr without //en");
        refused("f();\n//en one\n//fr un", "line 2 of the cell: //en without //fr");
        refused("f(); //fr un", "//fr without //en");
        refused("f(); //en one", "//en without //fr");
    }
}
