//! What a check answers.

use std::fmt;

use crate::course::{Lang, lang};

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
