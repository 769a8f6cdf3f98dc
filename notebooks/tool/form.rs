//! The form of a notebook: what its cells must be, one beside the other. Each refusal is a line with its place.

use std::collections::BTreeSet;

use motamot::Lang;

use crate::comments;
use crate::front::Exercises;
use crate::ipynb::OPTION;
use crate::links::{Course, headings};
use crate::notebook::{Notebook, prose};
use crate::source::{Body, Cell};

/// What is wrong with a notebook that has front matter.
pub fn problems(notebook: &Notebook, course: &Course) -> Vec<String> {
    let mut wrong = Vec::new();
    for lang in notebook.languages() {
        front(notebook, course, lang, &mut wrong);
        for cell in &notebook.cells {
            let mut tell = |why: String| wrong.push(format!("line {} ({}): {why}", cell.line, lang.code()));
            match &cell.body {
                Body::Front(_) => {}
                Body::Prose(texts) => {
                    let text = prose(texts, lang);
                    course.dangling(notebook.id(), text, lang).into_iter().for_each(&mut tell);
                    options(cell, text).into_iter().for_each(&mut tell);
                    numbers(text).into_iter().for_each(&mut tell);
                }
                Body::Code(code) => comments::of(code, lang.code()).err().into_iter().for_each(&mut tell),
            }
        }
    }
    anchors(notebook, &mut wrong);
    detours(notebook, &mut wrong);
    predictions(notebook, &mut wrong);
    exercises(notebook, &mut wrong);
    // What is wrong in the same way in both languages is told once.
    let mut told = BTreeSet::new();
    wrong.retain(|why| told.insert(why.replacen(" (en)", " (fr)", 1)));
    wrong
}

fn front(notebook: &Notebook, course: &Course, lang: Lang, wrong: &mut Vec<String>) {
    let Some(front) = &notebook.front else { return };
    let Ok(texts) = front.texts(lang) else { return };
    let needs = front.needs.iter().map(|id| format!("[[{id}]]"));
    for text in needs.chain(texts.aims.iter().cloned()).chain(texts.questions.iter().cloned()) {
        wrong.extend(course.dangling(&front.id, &text, lang).into_iter().map(|why| format!("[front]: {why}")));
    }
}

/// Headings that number themselves.
fn numbers(text: &str) -> Vec<String> {
    let second = headings(text).filter(|(level, ..)| *level == 2);
    let numbered = second.filter(|(_, title, _)| {
        let rest = title.trim_start_matches(|c: char| c.is_ascii_digit());
        rest.len() < title.len() && rest.trim_start().starts_with(['.', '·', ')'])
    });
    numbered.map(|(_, title, _)| format!("\"## {title}\": sections are numbered by the tool")).collect()
}

/// Options stand together, and only in a prediction.
fn options(cell: &Cell, text: &str) -> Option<String> {
    let lines: Vec<bool> = text.lines().map(|line| line.starts_with(OPTION)).collect();
    let first = lines.iter().position(|option| *option)?;
    let count = lines.iter().filter(|option| **option).count();
    if !cell.is("predict") {
        return Some("options (- [ ] …) belong to a cell that is called predict".into());
    }
    let together = lines[first..].iter().take(count).all(|option| *option) && count > 1;
    (!together).then(|| "the options (- [ ] …) are two or more lines that stand together".into())
}

/// Anchors are the same in each language, and each stands once.
fn anchors(notebook: &Notebook, wrong: &mut Vec<String>) {
    let mut known = BTreeSet::new();
    for cell in &notebook.cells {
        let of = |text: &str| headings(text).filter_map(|(.., a)| a.map(str::to_owned)).collect::<Vec<String>>();
        let mut texts = cell.prose().unwrap_or_default().iter().map(|(code, text)| (code, of(text)));
        let Some((_, french)) = texts.next() else { continue };
        for (code, other) in texts.filter(|(_, other)| *other != french) {
            wrong.push(format!("line {}: anchors {french:?}, but in {code} {other:?}", cell.line));
        }
        for anchor in french {
            if !anchor.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
                wrong.push(format!("line {}: the anchor {anchor}: small letters, digits and hyphens", cell.line));
            }
            if !known.insert(anchor.clone()) {
                wrong.push(format!("line {}: the anchor {anchor} stands twice", cell.line));
            }
        }
    }
}

/// A run of cells that are `deeper` begins with a heading, and has that one alone of its level or above.
fn detours(notebook: &Notebook, wrong: &mut Vec<String>) {
    let mut inside = false;
    for cell in &notebook.cells {
        let begins = cell.is("deeper") && !inside;
        inside = cell.is("deeper");
        let headed = cell.prose().is_some_and(|texts| texts.iter().all(|(_, text)| text.starts_with("##")));
        if begins && !headed {
            wrong.push(format!("line {}: what is deeper begins with prose and its heading, \"### …\"", cell.line));
        }
    }
}

/// A prediction is followed by code or by its answer; an answer by nobody's question is none.
fn predictions(notebook: &Notebook, wrong: &mut Vec<String>) {
    let (mut open, mut asked) = (None, false);
    let mut unanswered = |line: Option<usize>| {
        wrong.extend(line.map(|line| format!("line {line}: no code and no answer follow what is to be predicted")));
    };
    let mut orphans = Vec::new();
    for cell in &notebook.cells {
        if cell.is("predict") {
            unanswered(open.replace(cell.line));
            asked = true;
        } else if cell.is("answer") {
            if !asked {
                orphans.push(format!("line {}: an answer, but nothing was to be predicted", cell.line));
            }
            open = None;
        } else if cell.is_code() {
            open = None;
        }
    }
    unanswered(open);
    wrong.extend(orphans);
}

/// Exercises have numbers and solutions, and the first one stands early.
fn exercises(notebook: &Notebook, wrong: &mut Vec<String>) {
    let Some(front) = &notebook.front else { return };
    let (mut open, mut all) = (Vec::new(), BTreeSet::new());
    for cell in notebook.cells.iter().filter(|cell| cell.is("exercise") || cell.is("solution")) {
        let line = cell.line;
        let number = cell.exercise.as_deref();
        let Some(number) = number.filter(|n| n.split('.').next() == Some(&front.id)) else {
            wrong.push(format!("line {line}: its number is {number:?}; write exercise {}.1 or so", front.id));
            continue;
        };
        if cell.is("exercise") {
            if !all.insert(number) {
                wrong.push(format!("line {line}: exercise {number} stands twice"));
            }
            open.push((line, number));
        } else if let Some(i) = open.iter().position(|(_, n)| *n == number) {
            open.remove(i);
        } else {
            wrong.push(format!("line {line}: a solution without exercise {number} before it"));
        }
    }
    wrong.extend(open.iter().map(|(line, number)| format!("line {line}: exercise {number} has no solution behind it")));
    let read: Vec<&Cell> = notebook.cells.iter().filter(|cell| !cell.is("deeper")).collect();
    let first = read.iter().position(|cell| cell.is("exercise"));
    if front.exercises == Exercises::Early && first.is_none_or(|first| 3 * first > read.len()) {
        let place = first.map_or("there is none".to_owned(), |first| format!("it is cell {first} of {}", read.len()));
        wrong.push(format!("the first exercise is not in the first third ({place}): exercises = \"late\"?"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::Front;
    use crate::source::parse;

    const FRONT: &str = "id = \"03\"\nminutes = 1\nneeds = [\"03\"]\n[fr]\ntitle = \"T\"\naims = [\"a\"]\nquestions = [\"a\", \"b\", \"c\"]\n\
                         [en]\ntitle = \"T\"\naims = [\"a\"]\nquestions = [\"a\", \"b\", \"c\"]\n";

    const CELLS: &str = "
// %% [markdown] fr
// ## Un {#un}
// %% [markdown] en
// ## One {#un}
// %% exercise 03.1
f();
// %% solution 03.1
g();
// %% [markdown] fr predict
// Combien ?
// - [ ] un
// - [ ] deux
// %% [markdown] en predict
// How many?
// - [ ] one
// - [ ] two
// %% concept
//fr quoi
//en what
f();
// %% [markdown] fr answer
// Deux, [[#un]].
// %% [markdown] en answer
// Two, [[#un]].
// %% [markdown] fr deeper
// ### Plus
// %% [markdown] en deeper
// ### More
// %% deeper
f();
";

    fn wrong(front: &str, cells: &str) -> Vec<String> {
        let cells = parse(&format!("fn main() {{\n// %% [front]\n// x\n{cells}}}\n")).unwrap();
        let notebook = Notebook { name: "03_x".into(), front: Some(Front::read(front, "03_x").unwrap()), cells };
        let mut course = Course::default();
        course.add(&notebook.name, &notebook.cells);
        problems(&notebook, &course)
    }

    #[test]
    fn what_is_not_of_the_form_is_refused() {
        assert_eq!(wrong(FRONT, CELLS), [""; 0]);
        let refused = |from: &str, to: &str, why: &str| {
            assert!(CELLS.contains(from), "{from}");
            let found = wrong(FRONT, &CELLS.replacen(from, to, 1));
            assert!(found.len() < 3 && found.iter().any(|found| found.contains(why)), "{to}: {found:?}");
        };
        refused("[[#un]]", "[[#deux]]", "line 25 (fr): [[#deux]] leads nowhere");
        refused("Two, [[#un]]", "[[04]]", "(en): [[04]] leads nowhere");
        refused("## One {#un}", "## One {#one}", "line 5: anchors [\"un\"], but in en [\"one\"]");
        refused(
            "{#un}\n// %% [markdown] en\n// ## One {#un}",
            "{#été}\n// %% [markdown] en\n// ## One {#été}",
            "the anchor été",
        );
        refused("## Un {", "## 1. Un {", "\"## 1. Un\": sections are numbered");
        refused("Deux,", "- [ ] deux\n//", "options (- [ ] …) belong to a cell");
        refused("// - [ ] deux\n", "//\n// - [ ] deux\n", "stand together");
        refused("// - [ ] deux\n", "", "two or more");
        refused("//fr quoi\n//en what", "// what", "line 21 (fr): line 1 of the cell: a comment in one language");
        refused("// ### Plus", "// Plus", "line 29: what is deeper begins with prose and its heading");
        refused("// %% exercise 03.1", "// %% exercise", "line 9: its number is None; write exercise 03.1 or so");
        refused("// %% solution 03.1", "// %% solution 03.2", "line 11: a solution without exercise 03.2");
    }

    #[test]
    fn what_stands_where_it_should_not_is_refused() {
        let refused = |front: &str, cells: &str, why: &str| {
            let found = wrong(front, cells);
            assert!(found.iter().any(|found| found.contains(why)), "{found:?}");
        };
        refused(&FRONT.replace("\"03\"]", "\"B\"]"), CELLS, "[front]: [[B]] leads nowhere");
        refused(&FRONT.replace("aims = [\"a\"]", "aims = [\"[[#x]]\"]"), CELLS, "[front]: [[#x]] leads nowhere");
        let (before, exercise) = CELLS.split_once("// %% exercise").unwrap();
        let (exercise, after) = exercise.split_once("// %% [markdown] fr predict").unwrap();
        let (exercise, after) = (format!("// %% exercise{exercise}"), format!("// %% [markdown] fr predict{after}"));
        let late = format!("{before}{after}{exercise}");
        refused(FRONT, &late, "not in the first third (it is cell 5 of 7)");
        assert_eq!(wrong(&format!("exercises = \"late\"\n{FRONT}"), &late), [""; 0]);
        refused(FRONT, &format!("{before}{after}"), "not in the first third (there is none)");
        refused(FRONT, &format!("{CELLS}{exercise}"), "exercise 03.1 stands twice");
        let unsolved = exercise.split("// %% solution").next().unwrap();
        refused(FRONT, &format!("{before}{unsolved}{after}"), "exercise 03.1 has no solution behind it");
        refused(FRONT, &format!("{CELLS}{before}"), "the anchor un stands twice");
        let question = "// %% [markdown] fr predict\n// a\n// %% [markdown] en predict\n// b\n";
        refused(FRONT, &format!("{CELLS}{question}"), "no code and no answer follow");
        refused(FRONT, &format!("{question}{question}{CELLS}"), "line 4: no code and no answer follow");
        refused(FRONT, &format!("{}{CELLS}", question.replace("predict", "answer")), "an answer, but nothing");
    }
}
