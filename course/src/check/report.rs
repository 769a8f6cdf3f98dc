//! What a check answers.

use std::fmt;

use crate::catalogue::{Text, text};
use crate::{Lang, lang};

/// The answer of a check, in every language; `Display` speaks the one of the process.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    exercise: &'static str,
    verdict: Verdict,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// All is right: what was checked.
    Passed(Text),
    /// The learner has not begun.
    Unfinished,
    /// A usual mistake, recognised by what it computes.
    Mistake {
        /// Its short name, such as `missing-scale`; tests and the course's index use it.
        name: &'static str,
        /// What happened, and where to look.
        said: Text,
    },
    /// Wrong in a way that no fingerprint knows: the input, what was expected, what came.
    Wrong(Text),
}

impl Report {
    /// The exercise, such as `"03.2"` (notebook, then number), and its verdict.
    pub fn new(exercise: &'static str, verdict: Verdict) -> Report {
        Report { exercise, verdict }
    }

    /// All is right.
    pub fn passed(exercise: &'static str, checked: Text) -> Report {
        Report::new(exercise, Verdict::Passed(checked))
    }

    /// A usual mistake.
    pub fn mistake(exercise: &'static str, name: &'static str, said: Text) -> Report {
        Report::new(exercise, Verdict::Mistake { name, said })
    }

    /// Wrong in another way.
    pub fn wrong(exercise: &'static str, said: Text) -> Report {
        Report::new(exercise, Verdict::Wrong(said))
    }

    /// The learner's function panicked on this input.
    pub(super) fn panicked(exercise: &'static str, input: Text, message: &str) -> Report {
        let said = text("check.panicked").with("input", input).with("message", message);
        Report::wrong(exercise, said.with("why", why(message)))
    }

    /// This report, unless all is right: then what the next check finds, if anything.
    pub(super) fn and(self, next: impl FnOnce() -> Option<Report>) -> Report {
        if self.is_passed() { next().unwrap_or(self) } else { self }
    }

    /// Not begun.
    pub fn unfinished(exercise: &'static str) -> Report {
        Report::new(exercise, Verdict::Unfinished)
    }

    /// Whether all is right.
    pub fn is_passed(&self) -> bool {
        matches!(self.verdict, Verdict::Passed(_))
    }

    /// The name of the mistake that was recognised.
    pub fn mistake_name(&self) -> Option<&'static str> {
        match self.verdict {
            Verdict::Mistake { name, .. } => Some(name),
            _ => None,
        }
    }

    /// What was found.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// The answer in a language.
    pub fn text(&self, lang: Lang) -> String {
        let report = match &self.verdict {
            Verdict::Passed(checked) => text("report.passed").with("said", checked.clone()),
            Verdict::Unfinished => text("report.unfinished"),
            Verdict::Mistake { said, .. } | Verdict::Wrong(said) => text("report.wrong").with("said", said.clone()),
        };
        let report = report.with("exercise", self.exercise).in_lang(lang);
        if lang.spaced_signs() { report.replace(" : ", "\u{a0}: ") } else { report }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(lang()))
    }
}

/// What the usual messages of a panic mean.
fn why(message: &str) -> Text {
    let starts = |start: &str| message.starts_with(start);
    if starts("attempt to subtract with overflow") {
        text("panic.below-zero")
    } else if starts("index out of bounds") || starts("range ") {
        text("panic.index")
    } else if starts("window size must be non-zero") {
        text("panic.no-window")
    } else if message.contains("Utf8Error") {
        text("panic.utf8")
    } else if starts("called `Option::unwrap()` on a `None`") {
        text("panic.nothing")
    } else {
        "".into()
    }
}
