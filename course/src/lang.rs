//! French or English.

use std::path::Path;
use std::sync::OnceLock;

/// A language of the course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// French, the first language.
    Fr,
    /// English.
    En,
}

impl Lang {
    /// Both, the first one first.
    pub const ALL: [Lang; 2] = [Lang::Fr, Lang::En];

    /// `fr` or `en`.
    pub fn code(self) -> &'static str {
        match self {
            Lang::Fr => "fr",
            Lang::En => "en",
        }
    }

    /// The language of a code such as `en` or `en_GB.UTF-8`.
    pub fn parse(code: &str) -> Option<Lang> {
        Lang::ALL.into_iter().find(|lang| {
            let rest = code.strip_prefix(lang.code());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['_', '-', '.']))
        })
    }

    /// One of two texts.
    pub fn pick<T>(self, fr: T, en: T) -> T {
        match self {
            Lang::Fr => fr,
            Lang::En => en,
        }
    }
}

/// The language of this process: `MOTAMOT_LANG` (`fr`, `en`); else English in the folder `notebooks/en`, where the
/// English notebooks run; else French.
pub fn lang() -> Lang {
    static LANG: OnceLock<Lang> = OnceLock::new();
    *LANG.get_or_init(|| {
        let set = std::env::var("MOTAMOT_LANG").ok();
        let folder = std::env::current_dir().unwrap_or_default();
        set.and_then(|code| Lang::parse(&code)).unwrap_or_else(|| of_folder(&folder))
    })
}

fn of_folder(folder: &Path) -> Lang {
    if folder.ends_with("notebooks/en") { Lang::En } else { Lang::Fr }
}

/// A text in the language of this process; see [`lang`].
pub fn tr<T>(fr: T, en: T) -> T {
    lang().pick(fr, en)
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
}
