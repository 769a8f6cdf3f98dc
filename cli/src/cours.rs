//! `motamot cours`: the course for those without Jupyter, in the terminal or in a browser.

use super::output::print;
use clap::Args;
use motamot::utils::fs::write_atomic;
use motamot::utils::{Error, Result};
use motamot_course::pages::{Book, Chapter, Source, View, render};
use motamot_course::{Lang, lang, user_folder};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Read the course: list its chapters, show one here, or write it as HTML pages
#[derive(Args, Clone, Debug)]
pub struct CoursArgs {
    /// Chapter to read, by its number: 00, 3, A [default: the list of them]
    chapter: Option<String>,
    /// Code of the language, such as en [default: $MOTAMOT_LANG, or fr]
    #[arg(long, value_name = "LANG")]
    lang: Option<String>,
    /// Show hints and solutions, too
    #[arg(long)]
    answers: bool,
    /// Write the HTML edition, and print where its page is
    #[arg(long)]
    html: bool,
    /// Write the HTML edition, and open it in the browser
    #[arg(long)]
    open: bool,
    /// Folder for pages and pictures [default: motamot/course in the user's cache]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs `motamot cours`.
pub fn run(args: &CoursArgs, sources: &[Source]) -> Result<()> {
    let lang = match &args.lang {
        Some(code) => Lang::parse(code).ok_or_else(|| {
            let codes = Lang::ALL.map(Lang::code).join(" and ");
            Error::usage(format!("--lang {code}: no such language")).help(format!("the languages are {codes}"))
        })?,
        None => lang(),
    };
    let book = Book::read(sources)?;
    let chapter = args.chapter.as_deref().map(|wanted| book.chapter(wanted, lang)).transpose()?;
    let folder = args.out.clone().unwrap_or_else(|| user_folder("course"));
    if args.html || args.open {
        let index = book.write(&folder)?;
        let page = chapter.map(|chapter| folder.join(chapter.lang.code()).join(format!("{}.html", chapter.name)));
        let page = page.unwrap_or(index);
        print(format_args!("{}\n", page.display()))?;
        return if args.open { open(&page) } else { Ok(()) };
    }
    match chapter {
        Some(chapter) => show(chapter, args.answers, &folder),
        None => print(format_args!("{}", list(&book, lang))),
    }
}

fn list(book: &Book, lang: Lang) -> String {
    let mut text = format!("{}\n\n", lang.text("course.title"));
    let wide = book.chapters(lang).map(|c| c.title().chars().count()).max().unwrap_or(0);
    for chapter in book.chapters(lang) {
        let (number, title, time) = (chapter.number(), chapter.title(), chapter.time().unwrap_or(""));
        text += format!("  {number:<3} {title:<wide$}  {time}").trim_end();
        text.push('\n');
    }
    text + "\n" + lang.text("course.usage")
}

/// Shows a chapter: page by page on a terminal, all at once elsewhere.
fn show(chapter: &Chapter, answers: bool, folder: &Path) -> Result<()> {
    let terminal = std::io::stdout().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let text = render(chapter, View { colour, answers }, |number, svg| {
        let path = folder.join("pictures").join(format!("{}-{number}.svg", chapter.name));
        // The text is worth reading without its pictures.
        Ok(match write_atomic(&path, svg.as_bytes()) {
            Ok(()) => path.display().to_string(),
            Err(e) => format!("({e})"),
        })
    })?;
    if terminal && page(&text) { Ok(()) } else { print(format_args!("{text}")) }
}

/// Hands a text to `$PAGER` or `less`; whether that worked.
fn page(text: &str) -> bool {
    let pager = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty());
    let mut words = pager.as_deref().unwrap_or("less -R").split_whitespace();
    let Some(program) = words.next() else { return false };
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        // Colours; no pager for what fits the screen, and what was read stays on it.
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else { return false };
    // A reader who leaves early closes the pipe.
    child.stdin.take().into_iter().for_each(|mut input| drop(input.write_all(text.as_bytes())));
    child.wait().is_ok()
}

/// Opens a page with the system's own program for that.
fn open(page: &Path) -> Result<()> {
    let (program, args): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/C", "start", ""]),
        _ => ("xdg-open", &[]),
    };
    let quiet = |c: &mut Command| c.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let why = match quiet(Command::new(program).args(args).arg(page)) {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => status.to_string(),
        Err(e) => e.to_string(),
    };
    Err(Error::new(format!("cannot open a browser: {program}: {why}")).help("open the page above in one yourself"))
}
