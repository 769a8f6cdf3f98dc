//! Texts of the course by key, in every language.
//!
//! A catalogue is a TOML file: a table for each exercise or page, and in it a text for each key. `{name}` in a text is a
//! place for an argument. A text that a language lacks is taken from English. The idea is that of Fluent
//! (<https://projectfluent.org>): the code names what is to be said, the catalogue says it.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;

use crate::lang::Lang;

/// Something to say, in whatever language is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Text {
    /// The same in every language: a number, a list, a piece of code.
    Same(String),
    /// A text of the catalogues.
    Keyed {
        /// Its table and its name in it: `03.2.hint`.
        key: String,
        /// What stands in its places.
        arguments: Vec<(&'static str, Text)>,
    },
}

/// The text of a key, such as `03.2.hint`; [`Text::with`] gives it arguments.
pub fn text(key: impl Into<String>) -> Text {
    Text::Keyed { key: key.into(), arguments: Vec::new() }
}

impl<T: Display> From<T> for Text {
    fn from(value: T) -> Text {
        Text::Same(value.to_string())
    }
}

impl Text {
    /// With this argument at `{name}`: a text, or a value that is shown as it is.
    pub fn with(mut self, name: &'static str, argument: impl Into<Text>) -> Text {
        if let Text::Keyed { arguments, .. } = &mut self {
            arguments.push((name, argument.into()));
        }
        self
    }

    /// In this language.
    pub fn in_lang(&self, lang: Lang) -> String {
        let (key, arguments) = match self {
            Text::Same(text) => return text.clone(),
            Text::Keyed { key, arguments } => (key, arguments),
        };
        let (mut out, mut rest) = (String::new(), lang.text(key));
        while let Some((before, after)) = rest.split_once('{') {
            out += before;
            let place = after.split_once('}');
            match place.and_then(|(name, rest)| Some((arguments.iter().find(|(n, _)| *n == name)?, rest))) {
                Some(((_, argument), after)) => {
                    out += &argument.in_lang(lang);
                    rest = after;
                }
                // A brace that is no place.
                None => {
                    out.push('{');
                    rest = after;
                }
            }
        }
        out + rest
    }
}

/// The texts of each language, by their keys.
static CATALOGUES: LazyLock<[HashMap<String, String>; Lang::ALL.len()]> = LazyLock::new(|| {
    Lang::ALL.map(|lang| {
        let mut texts = HashMap::new();
        // A test reads every catalogue.
        flatten("", toml::from_str(lang.catalogue()).unwrap_or_default(), &mut texts);
        texts
    })
});

/// Puts the texts of a table and of those in it under their whole keys.
fn flatten(table: &str, entries: toml::Table, texts: &mut HashMap<String, String>) {
    for (name, value) in entries {
        let key = if table.is_empty() { name } else { format!("{table}.{name}") };
        match value {
            toml::Value::Table(entries) => flatten(&key, entries, texts),
            value => drop(texts.insert(key, value.as_str().unwrap_or_default().to_owned())),
        }
    }
}

impl Lang {
    /// The text of a key as it stands in the catalogue: in this language, else in English, else the key itself.
    pub fn text(self, key: &str) -> &str {
        let find = |lang: Lang| CATALOGUES[lang as usize].get(key);
        find(self).or_else(|| find(Lang::En)).map_or(key, String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    #[test]
    fn arguments_stand_in_their_places() {
        let inner = text("check.length").with("n", 3).with("wanted", "{n}");
        let said = text("check.panicked").with("message", "a {b").with("why", inner).with("input", 1.5);
        let english = "your function panicked on 1.5: \"a {b\" (3 elements instead of {n})";
        assert_eq!(said.in_lang(Lang::En), english);
        assert!(said.in_lang(Lang::Fr).contains("« a {b » (3 éléments"));
        assert_eq!(text("no.such {key} {").with("key", 1).in_lang(Lang::Fr), "no.such 1 {");
    }

    /// What stands in braces.
    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)).collect()
    }

    #[test]
    fn every_language_has_texts_of_english_with_the_same_places() {
        let english = &CATALOGUES[Lang::En as usize];
        for lang in Lang::ALL {
            assert!(toml::from_str::<toml::Table>(lang.catalogue()).is_ok(), "{lang:?}");
            for (key, text) in &CATALOGUES[lang as usize] {
                let other = english.get(key).unwrap_or_else(|| panic!("{lang:?}: English has no {key}"));
                assert!(!text.is_empty() && places(text) == places(other), "{lang:?}: {key}: {text}");
            }
        }
        // The course was written in these two, which lack nothing.
        assert_eq!(CATALOGUES[Lang::Fr as usize].len(), english.len());
    }

    /// The Rust files that say something, without their extension, and their text.
    fn sources() -> Vec<(PathBuf, String)> {
        let mut paths = ["src", "../cli/src/cours.rs", "../notebooks/tool"].map(PathBuf::from).to_vec();
        let mut found = Vec::new();
        while let Some(path) = paths.pop() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            if path.is_dir() {
                paths.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("src/catalogue.rs") {
                found.push((path.with_extension(""), std::fs::read_to_string(&path).unwrap()));
            }
        }
        found
    }

    #[test]
    fn the_code_has_each_key_and_the_catalogue_each_key_of_the_code() {
        let sources = sources();
        let english = &CATALOGUES[Lang::En as usize];
        for (path, code) in &sources {
            for key in code.split("text(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(english.contains_key(key), "{}: texts/en.toml has no {key}", path.display());
            }
        }
        // In the files of its exercise, the key of a mistake stands without the number before it.
        let within = |exercise: &str, name: &str| {
            let id = format!("id: \"{exercise}\"");
            let (file, _) = sources.iter().find(|(_, code)| code.contains(&id))?;
            let quoted = format!("\"{name}\"");
            Some(
                name == "passed" || sources.iter().any(|(path, code)| path.starts_with(file) && code.contains(&quoted)),
            )
        };
        for key in english.keys() {
            let mut dots = key.match_indices('.').map(|(at, _)| at).skip(1);
            let short = dots.next().and_then(|at| within(&key[..at], &key[at + 1..]));
            let whole = format!("\"{key}\"");
            let used = short == Some(true) || sources.iter().any(|(_, code)| code.contains(&whole));
            assert!(used, "texts/en.toml: nothing says {key}");
        }
    }
}
