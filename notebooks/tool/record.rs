//! Runs a notebook in a process of its own and cuts what it prints into the outputs of its cells.

use std::path::Path;
use std::process::{Command, Stdio};

use motamot::{CELL_MARK, Lang};

/// What a cell printed and showed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Its text.
    pub text: String,
    /// MIME type and content of what it showed; a type at most once, as in the kernel.
    pub rich: Vec<(String, String)>,
}

const BEGIN: &str = "EVCXR_BEGIN_CONTENT ";
const END: &str = "EVCXR_END_CONTENT";

/// What stands before a wall time.
const TIME: char = '⏱';

/// Runs it where the kernel would, in `folder`; anything on the standard error is an error.
pub fn run(folder: &Path, name: &str, lang: Lang, cells: usize) -> Result<Vec<Output>, String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let ran = Command::new(program)
        .args(["exec", name])
        .current_dir(folder)
        .env("MOTAMOT_NOTEBOOK", "1")
        .env("MOTAMOT_LANG", lang.code())
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    let (text, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    if !ran.status.success() || !errors.trim().is_empty() {
        let last: Vec<&str> = text.lines().rev().take(5).collect();
        let last: Vec<&str> = last.into_iter().rev().map(|line| line.get(..200).unwrap_or(line)).collect();
        return Err(format!("{}\n{}\nafter it printed:\n{}", ran.status, errors.trim(), last.join("\n")));
    }
    cut(&text, cells)
}

fn cut(text: &str, cells: usize) -> Result<Vec<Output>, String> {
    let mut outputs: Vec<Output> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(number) = line.strip_prefix(CELL_MARK) {
            if number != outputs.len().to_string() {
                return Err(format!("cell {number} after {} cells: a mark inside a loop?", outputs.len()));
            }
            outputs.push(Output::default());
            continue;
        }
        let number = outputs.len();
        let output = outputs.last_mut().ok_or_else(|| format!("text before the first cell: {line}"))?;
        if let Some(mime) = line.strip_prefix(BEGIN) {
            let content: Vec<&str> = lines.by_ref().take_while(|line| *line != END).collect();
            if output.rich.iter().any(|(known, _)| known == mime) {
                return Err(format!("cell of code {number} shows two of {mime}: the kernel keeps only the last"));
            }
            output.rich.push((mime.to_owned(), content.join("\n")));
        } else {
            output.text += line;
            output.text.push('\n');
        }
    }
    if outputs.len() == cells { Ok(outputs) } else { Err(format!("{} of {cells} cells ran", outputs.len())) }
}

/// The same with every number after a ⏱ in its line replaced by `#`.
pub fn without_times(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (before, after) = line.split_at(line.find(TIME).unwrap_or(line.len()));
        out += before;
        let mut in_number = false;
        for c in after.chars() {
            let digit = c.is_ascii_digit() || (in_number && (c == '.' || c == ','));
            if !digit {
                out.push(c);
            } else if !in_number {
                out.push('#');
            }
            in_number = digit;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_cut_at_the_marks_and_rich_content_is_taken_out() {
        let text = format!("{CELL_MARK}0\na\n{BEGIN}image/svg+xml\n<svg>\n</svg>\n{END}\nb\n{CELL_MARK}1\n");
        let outputs = cut(&text, 2).unwrap();
        assert_eq!(outputs[0].text, "a\nb\n");
        assert_eq!(outputs[0].rich, [("image/svg+xml".to_owned(), "<svg>\n</svg>".to_owned())]);
        assert_eq!(outputs[1], Output::default());
        assert!(cut(&text, 3).unwrap_err().contains("2 of 3"));
        assert!(cut("a\n", 0).is_err());
        let twice = format!("{CELL_MARK}0\n{0}{0}", format_args!("{BEGIN}text/html\nx\n{END}\n"));
        assert!(cut(&twice, 1).unwrap_err().contains("two of text/html"));
    }

    #[test]
    fn only_times_are_forgotten() {
        assert_eq!(without_times("loss 1.5\n⏱ 12.25 s, 3 of 4\nx 2"), "loss 1.5\n⏱ # s, # of #\nx 2");
        assert_ne!(without_times("loss 1.5"), without_times("loss 1.6"));
    }
}
