//! How long a notebook is, and how long it takes.

use motamot::Lang;

use crate::comments;
use crate::links::Course;
use crate::notebook::Notebook;
use crate::record::Output;
use crate::source::Body;

/// The most that a notebook may have.
const CELLS: usize = 60;
const WORDS: usize = 3000;
const LINES: usize = 250;
const MEDIAN: usize = 10;
const LINES_OF_A_CELL: usize = 20;
const COLUMNS: usize = 90;

/// How long things take.
const WORDS_A_MINUTE: f64 = 180.0;
const SECONDS_A_CONCEPT_LINE: f64 = 8.0;
const SECONDS_A_LINE: f64 = 3.0;
const SECONDS_AN_OUTPUT: f64 = 15.0;
const SECONDS_A_PREDICTION: f64 = 30.0;
const MINUTES_AN_EXERCISE: f64 = 10.0;
/// How far the planned time may be from that, as a part of it.
const TOLERANCE: f64 = 0.25;

/// What was counted of a notebook in a language. What is `deeper` is in none of it, nor is what stands in `<details>`.
#[derive(Debug, Default, PartialEq)]
pub struct Measure {
    /// All others.
    pub cells: usize,
    /// Of prose.
    pub words: usize,
    /// Of code that is not folded, empty ones aside.
    pub lines: usize,
    /// Of the lines of a cell.
    pub median: usize,
    /// Of the lines of a cell, and the line of the source where it begins.
    pub most: (usize, usize),
    /// Of a line of code, folded or not, and the line of the source where its cell begins.
    pub columns: (usize, usize),
    /// That reading and doing it takes.
    pub minutes: f64,
}

impl Measure {
    /// Counts a notebook that gave these outputs.
    pub fn of(notebook: &Notebook, course: &Course, outputs: &[Output], lang: Lang) -> Result<Measure, String> {
        let mut measure = Measure::default();
        let mut sizes = Vec::new();
        let mut seconds = 0.0;
        let mut outputs = outputs.iter();
        for cell in &notebook.cells {
            let output = cell.is_code().then(|| outputs.next()).flatten();
            if let Body::Code(code) = &cell.body {
                let code = comments::of(code, lang.code())?;
                let widest = code.lines().map(|line| line.chars().count()).max().unwrap_or(0);
                measure.columns = measure.columns.max((widest, cell.line));
                if !cell.is("deeper") && !cell.is("figure") && !cell.is("solution") {
                    let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
                    sizes.push(lines);
                    measure.most = measure.most.max((lines, cell.line));
                    seconds += lines as f64 * if cell.is("concept") { SECONDS_A_CONCEPT_LINE } else { SECONDS_A_LINE };
                }
            }
            if cell.is("deeper") {
                continue;
            }
            measure.cells += 1;
            measure.words += match &cell.body {
                Body::Front(_) => notebook.opening(course, lang).map(|text| words(&text))?,
                Body::Prose(_) => words(&notebook.text(cell, course, lang)),
                Body::Code(_) => 0,
            };
            let shown = output.is_some_and(|output| *output != Output::default()) && !cell.is("solution");
            seconds += if shown { SECONDS_AN_OUTPUT } else { 0.0 };
            seconds += if cell.is("predict") { SECONDS_A_PREDICTION } else { 0.0 };
            seconds += if cell.is("exercise") { 60.0 * MINUTES_AN_EXERCISE } else { 0.0 };
        }
        sizes.sort_unstable();
        measure.lines = sizes.iter().sum();
        measure.median = sizes.get(sizes.len() / 2).copied().unwrap_or(0);
        measure.minutes = seconds / 60.0 + measure.words as f64 / WORDS_A_MINUTE;
        Ok(measure)
    }

    /// What is over the budget, and whether the planned minutes are those that it takes.
    pub fn problems(&self, planned: u32) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut at_most = |what: &str, found: usize, limit: usize, at: usize| {
            if found > limit {
                let at = if at > 0 { format!("line {at}: ") } else { String::new() };
                wrong.push(format!("{at}{found} {what}, at most {limit}"));
            }
        };
        at_most("cells", self.cells, CELLS, 0);
        at_most("words", self.words, WORDS, 0);
        at_most("visible lines of code", self.lines, LINES, 0);
        at_most("lines in the median cell of code", self.median, MEDIAN, 0);
        at_most("lines in a cell", self.most.0, LINES_OF_A_CELL, self.most.1);
        at_most("columns", self.columns.0, COLUMNS, self.columns.1);
        if (f64::from(planned) - self.minutes).abs() > TOLERANCE * self.minutes {
            wrong.push(format!("minutes = {planned}, but it takes {:.0}", self.minutes));
        }
        wrong
    }

    /// The heading of the table of which [`Measure::row`] is a row.
    pub const HEADING: &str = "notebook    words  cells  lines  median  max  columns  minutes  planned";

    /// A row of the table.
    pub fn row(&self, id: &str, lang: Lang, planned: u32) -> String {
        format!(
            "{:<8} {:>8} {:>6} {:>6} {:>7} {:>4} {:>8} {:>8.0} {:>8}",
            format!("{id} ({})", lang.code()),
            self.words,
            self.cells,
            self.lines,
            self.median,
            self.most.0,
            self.columns.0,
            self.minutes,
            planned
        )
    }
}

/// The words of a text, without blocks of code, folds and the addresses of links.
pub fn words(text: &str) -> usize {
    let mut count = 0;
    let (mut code, mut folds) = (false, 0usize);
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        folds += line.matches("<details").count();
        let folded = folds > 0;
        folds = folds.saturating_sub(line.matches("</details>").count());
        if code || fence || folded {
            continue;
        }
        let mut rest = line;
        let mut shown = String::new();
        while let Some((before, after)) = rest.split_once("](") {
            shown += before;
            rest = after.split_once(')').map_or("", |(_, rest)| rest);
        }
        shown += rest;
        let anchor = |word: &&str| word.starts_with("{#");
        let shown = shown.split_whitespace().filter(|word| !anchor(word));
        count += shown.filter(|word| word.contains(char::is_alphanumeric)).count();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::parse;

    #[test]
    fn words_are_those_that_one_reads() {
        assert_eq!(words("## 1 · L'été : *b* `c d`. {#e}\n```\nno no\n```\n[e f](g h.ipynb) : i\n"), 8);
        assert_eq!(words("a\n<details>\n<summary>b</summary>\n\nc\n\n</details>\nd"), 2);
    }

    fn measure(cells: &str, outputs: &[&str]) -> Measure {
        let cells = parse(&format!("fn main() {{\n{cells}}}\n")).unwrap();
        let notebook = Notebook { name: "03_x".into(), front: None, cells };
        let outputs: Vec<Output> = outputs.iter().map(|text| Output { text: (*text).into(), rich: vec![] }).collect();
        Measure::of(&notebook, &Course::default(), &outputs, Lang::Fr).unwrap()
    }

    fn prose(tag: &str, fr: &str) -> String {
        format!("// %% [markdown] fr{tag}\n// {fr}\n// %% [markdown] en{tag}\n// x\n")
    }

    #[test]
    fn what_is_folded_does_not_count() {
        let text = prose("", "un deux")
            + "// %% concept\n//fr un\n//en one\na();\n\nb();\n// %%\nc();\n// %% figure\nd();\ne();\n"
            + &prose(" deeper", "### trois quatre")
            + "// %% concept deeper\nf();\n"
            + &prose(" predict", "cinq")
            + "// %% exercise 03.1\ng();\n// %% solution 03.1\nh();\n";
        let seconds = 3.0 * 8.0 + 3.0 + 3.0 + 2.0 * 15.0 + 30.0 + 600.0;
        let wanted = Measure {
            cells: 7,
            words: 3,
            lines: 5,
            median: 1,
            most: (3, 6),
            columns: (5, 6),
            minutes: seconds / 60.0 + 3.0 / 180.0,
        };
        assert_eq!(measure(&text, &["x", "", "x", "x", "", "x"]), wanted);
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let right =
            Measure { cells: 60, words: 3000, lines: 250, median: 10, most: (20, 1), columns: (90, 1), minutes: 80.0 };
        assert_eq!((right.problems(60), right.problems(100)), (vec![], vec![]));
        for (odd, why) in [
            (Measure { cells: 61, ..right_like() }, "61 cells, at most 60"),
            (Measure { words: 3001, ..right_like() }, "3001 words, at most 3000"),
            (Measure { lines: 251, ..right_like() }, "251 visible lines of code, at most 250"),
            (Measure { median: 11, ..right_like() }, "11 lines in the median cell of code, at most 10"),
            (Measure { most: (21, 7), ..right_like() }, "line 7: 21 lines in a cell, at most 20"),
            (Measure { columns: (91, 7), ..right_like() }, "line 7: 91 columns, at most 90"),
            (Measure { minutes: 81.0, ..right_like() }, "minutes = 60, but it takes 81"),
            (Measure { minutes: 47.9, ..right_like() }, "minutes = 60, but it takes 48"),
        ] {
            assert_eq!(odd.problems(60), [why]);
        }
    }

    fn right_like() -> Measure {
        Measure { minutes: 60.0, ..Measure::default() }
    }
}
