//! The languages of the course.
//!
//! A new language is a variant of [`Lang`], a row of the table below it, and a catalogue in `texts/`. What a catalogue
//! does not have is said in English.

use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

use crate::numbers::Marks;

/// A language of the course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// French, the language in which the course was written.
    Fr,
    /// English, which stands in for what another language lacks.
    En,
}

/// What the course must know of a language.
struct Language {
    lang: Lang,
    code: &'static str,
    name: &'static str,
    catalogue: &'static str,
    marks: Marks,
    spaced_signs: bool,
}

/// Every language, in the order of [`Lang`]; the first one is the default.
const LANGUAGES: [Language; 2] = [
    Language {
        lang: Lang::Fr,
        code: "fr",
        name: "Français",
        catalogue: include_str!("../texts/fr.toml"),
        // The space is narrow and does not break.
        marks: Marks { thousands: '\u{202F}', decimal: ',' },
        spaced_signs: true,
    },
    Language {
        lang: Lang::En,
        code: "en",
        name: "English",
        catalogue: include_str!("../texts/en.toml"),
        marks: Marks { thousands: ',', decimal: '.' },
        spaced_signs: false,
    },
];

impl Lang {
    /// Every language, the default one first.
    pub const ALL: [Lang; LANGUAGES.len()] = {
        let mut all = [Lang::Fr; LANGUAGES.len()];
        let mut i = 0;
        while i < all.len() {
            all[i] = LANGUAGES[i].lang;
            i += 1;
        }
        all
    };

    fn language(self) -> &'static Language {
        &LANGUAGES[self as usize]
    }

    /// Its code, such as `fr`.
    pub fn code(self) -> &'static str {
        self.language().code
    }

    /// Its own name for itself.
    pub fn name(self) -> &'static str {
        self.language().name
    }

    /// Its texts, in TOML.
    pub(crate) fn catalogue(self) -> &'static str {
        self.language().catalogue
    }

    /// The marks in its numbers.
    pub fn marks(self) -> Marks {
        self.language().marks
    }

    /// Whether `: ; ! ? %` and `« »` stand apart from their word, by a space that must not break.
    pub fn spaced_signs(self) -> bool {
        self.language().spaced_signs
    }

    /// The folder of its notebooks within `notebooks/`: its code; empty for the default language.
    pub fn folder(self) -> &'static str {
        if self == Lang::ALL[0] { "" } else { self.code() }
    }

    /// The language of a code such as `en` or `en_GB.UTF-8`.
    pub fn parse(code: &str) -> Option<Lang> {
        Lang::ALL.into_iter().find(|lang| {
            let rest = code.strip_prefix(lang.code());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '-', '.']))
        })
    }
}

/// The language of this process: that of `MOTAMOT_LANG` (a code such as `en`); else that of the folder, which is
/// `notebooks/en` for English notebooks; else the default.
pub fn lang() -> Lang {
    static LANG: OnceLock<Lang> = OnceLock::new();
    *LANG.get_or_init(|| {
        let set = std::env::var("MOTAMOT_LANG").ok();
        let folder = std::env::current_dir().unwrap_or_default();
        let lang = set.and_then(|code| Lang::parse(&code)).unwrap_or_else(|| of_folder(&folder));
        // Each notebook asks for its language in its first cell.
        if std::env::var_os("EVCXR_IS_RUNTIME").is_some() {
            short_panics(lang);
        }
        lang
    })
}

/// In Jupyter's kernel a panic ends the process, with two backtraces of dozens of lines: what a learner needs of it is the
/// message, and what to do now.
fn short_panics(lang: Lang) {
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or_default();
        // The kernel's own end, after the first one.
        if !text.contains("cannot unwind") {
            let place = panic.location().map_or(String::new(), |at| format!(" ({}:{})", at.file(), at.line()));
            let _ = writeln!(
                std::io::stderr(),
                "{}{place}\n{text}\n{}",
                lang.text("show.panic"),
                lang.text("show.panic-help")
            );
        }
    }));
}

fn of_folder(folder: &Path) -> Lang {
    let is = |lang: &Lang| folder.ends_with(Path::new("notebooks").join(lang.code()));
    Lang::ALL.into_iter().find(is).unwrap_or(Lang::ALL[0])
}

/// One of two texts, for the cells of a notebook: the French one in French, else the English one.
pub fn tr<T>(fr: T, en: T) -> T {
    if lang() == Lang::Fr { fr } else { en }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_folders_name_a_language() {
        assert_eq!(Lang::parse("en_GB.UTF-8"), Some(Lang::En));
        assert_eq!(Lang::parse("fr"), Some(Lang::Fr));
        assert_eq!(Lang::parse("french"), None);
        assert_eq!(of_folder(Path::new("x/notebooks/en")), Lang::En);
        assert_eq!(of_folder(Path::new("x/notebooks")), Lang::Fr);
    }

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for lang in Lang::ALL {
            assert_eq!((lang.language().lang, Lang::parse(lang.code())), (lang, Some(lang)));
        }
    }
}
