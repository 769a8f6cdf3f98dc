//! What a check answers.

use std::fmt;

use crate::{Lang, lang};

/// The answer of a check, in both languages; `Display` speaks the one of the process.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    exercise: &'static str,
    verdict: Verdict,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// All is right: what was checked.
    Passed {
        /// In French.
        fr: String,
        /// In English.
        en: String,
    },
    /// The learner has not begun.
    Unfinished,
    /// A usual mistake, recognised by what it computes.
    Mistake {
        /// Its short name, such as `missing-scale`; tests and the course's index use it.
        name: &'static str,
        /// In French: what happened, and where to look.
        fr: String,
        /// In English.
        en: String,
    },
    /// Wrong in a way that no fingerprint knows: the input, what was expected, what came.
    Wrong {
        /// In French.
        fr: String,
        /// In English.
        en: String,
    },
}

impl Report {
    /// The exercise, such as `"03.2"` (notebook, then number), and its verdict.
    pub fn new(exercise: &'static str, verdict: Verdict) -> Report {
        Report { exercise, verdict }
    }

    /// All is right.
    pub fn passed(exercise: &'static str, fr: impl Into<String>, en: impl Into<String>) -> Report {
        Report::new(exercise, Verdict::Passed { fr: fr.into(), en: en.into() })
    }

    /// A usual mistake.
    pub fn mistake(exercise: &'static str, name: &'static str, fr: impl Into<String>, en: impl Into<String>) -> Report {
        Report::new(exercise, Verdict::Mistake { name, fr: fr.into(), en: en.into() })
    }

    /// Wrong in another way.
    pub fn wrong(exercise: &'static str, fr: impl Into<String>, en: impl Into<String>) -> Report {
        Report::new(exercise, Verdict::Wrong { fr: fr.into(), en: en.into() })
    }

    /// The learner's function panicked. `input` says, in French and English, what it was given.
    pub(super) fn panicked(exercise: &'static str, input: (&str, &str), message: &str) -> Report {
        let (fr, en) = why(message);
        Report::wrong(
            exercise,
            format!("ta fonction a paniqué sur {} : « {message} »{fr}", input.0),
            format!("your function panicked on {}: \"{message}\"{en}", input.1),
        )
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
        matches!(self.verdict, Verdict::Passed { .. })
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
        let title = format!("{} {}", lang.pick("Exercice", "Exercise"), self.exercise);
        match &self.verdict {
            Verdict::Passed { fr, en } => format!("✔ {title} : {}", lang.pick(fr, en)),
            Verdict::Unfinished => {
                let next = lang.pick("à toi de jouer : complète la fonction", "your turn: complete the function");
                format!("… {title} : {next}")
            }
            Verdict::Mistake { fr, en, .. } | Verdict::Wrong { fr, en } => format!("✘ {title} : {}", lang.pick(fr, en)),
        }
        .replace(" : ", lang.pick("\u{a0}: ", ": "))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(lang()))
    }
}

/// What the usual messages of a panic mean, in French and English.
fn why(message: &str) -> (&'static str, &'static str) {
    let starts = |start: &str| message.starts_with(start);
    if starts("attempt to subtract with overflow") {
        (
            ". Un `usize` ne descend pas sous 0 : écris `i + 1 < len` et non `i < len - 1`, ou `saturating_sub`",
            ". A `usize` does not go below 0: write `i + 1 < len`, not `i < len - 1`, or `saturating_sub`",
        )
    } else if starts("index out of bounds") || starts("range ") {
        (
            ". Un indice sort de la liste : y a-t-il un voisin (`i + 1 < len`) ? et si elle est vide, ou plus courte ?",
            ". An index leaves the list: is there a neighbour (`i + 1 < len`)? and what if it is empty, or shorter?",
        )
    } else if starts("window size must be non-zero") {
        (
            ". `windows(0)` n'existe pas : un contexte vide est permis",
            ". There is no `windows(0)`: an empty context is allowed",
        )
    } else if message.contains("Utf8Error") {
        (
            ". Des octets quelconques ne sont pas toujours de l'UTF-8 : travaille sur les octets eux-mêmes",
            ". Any bytes are not always UTF-8: work on the bytes themselves",
        )
    } else if starts("called `Option::unwrap()` on a `None`") {
        (
            ". Un `unwrap` n'a rien trouvé : cette entrée n'a peut-être rien à donner (vide ? nom inexact ?)",
            ". An `unwrap` found nothing: this input may have nothing to give (empty? a name that is not exact?)",
        )
    } else {
        ("", "")
    }
}
