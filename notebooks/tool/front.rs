//! The front matter of a notebook: what it is called, how long it takes, what comes before it and what comes of it.
//!
//! ```toml
//! id = "03"
//! minutes = 90
//! needs = ["00", "02", "B"]
//! exercises = "late"     # where the first one need not stand in the first third
//!
//! [fr]
//! title = "Le mécanisme d'attention"
//! aims = ["…"]
//! questions = ["…", "…", "…"]
//!
//! [en]
//! # the same
//! ```

use std::collections::BTreeMap;

use motamot::Lang;
use serde::Deserialize;

use crate::links::Course;

/// The front matter.
#[derive(Clone, Debug, Deserialize)]
pub struct Front {
    /// `03`, or a letter: what the name of the file begins with.
    pub id: String,
    /// The planned time.
    pub minutes: u32,
    /// The notebooks that come before it.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Where the first exercise stands.
    #[serde(default)]
    pub exercises: Exercises,
    /// What it says in each language. A name that is none of the above is not a table like these, and so an error.
    #[serde(flatten)]
    pub texts: BTreeMap<String, Texts>,
}

/// Where the first exercise stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exercises {
    /// In the first third.
    #[default]
    Early,
    /// Anywhere, or nowhere.
    Late,
}

/// What the front matter says in a language.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// Without the number.
    pub title: String,
    /// What the learner will be able to do.
    pub aims: Vec<String>,
    /// Three.
    pub questions: Vec<String>,
}

impl Front {
    /// Reads the front matter of the notebook of this name.
    pub fn read(text: &str, name: &str) -> Result<Front, String> {
        let front: Front = toml::from_str(text).map_err(|e| format!("[front]: {e}"))?;
        let refuse = |why: String| Err(format!("[front]: {why}"));
        if name.split('_').next() != Some(&front.id) {
            return refuse(format!("id = \"{}\" in the file {name}", front.id));
        }
        for lang in ["fr", "en"] {
            if !front.texts.contains_key(lang) {
                return refuse(format!("no table [{lang}]"));
            }
        }
        for (code, texts) in &front.texts {
            if Lang::parse(code).is_none() {
                return refuse(format!("[{code}]: course/src/lang.rs has no such language"));
            }
            if texts.questions.len() != 3 || texts.aims.is_empty() || texts.title.is_empty() {
                return refuse(format!("[{code}] needs a title, aims, and three questions"));
            }
        }
        Ok(front)
    }

    /// What it says in a language; in English where it does not have that.
    pub fn texts(&self, lang: Lang) -> Result<&Texts, String> {
        let texts = self.texts.get(lang.code()).or_else(|| self.texts.get("en"));
        texts.ok_or_else(|| "[front]: no table [en]".to_owned())
    }

    /// The opening cell.
    pub fn render(&self, course: &Course, lang: Lang) -> Result<String, String> {
        let texts = self.texts(lang)?;
        let say = |key| lang.text(key);
        let mut text = format!("# {} · {}\n\n", self.id, texts.title);
        text += &format!("**{}** {}", say("front.time"), duration(self.minutes));
        if !self.needs.is_empty() {
            let needs: Vec<String> =
                self.needs.iter().map(|id| course.link(&self.id, &format!("[[{id}]]"), lang)).collect();
            text += &format!(" · **{}** {}", say("front.needs"), needs.join(", "));
        }
        text += &format!("\n\n{}\n\n", say("front.aims"));
        text.extend(texts.aims.iter().map(|aim| format!("- {}\n", course.link(&self.id, aim, lang))));
        text += &format!("\n{}\n\n", say("front.questions"));
        let questions = texts.questions.iter().enumerate();
        text.extend(questions.map(|(i, q)| format!("{}. {}\n", i + 1, course.link(&self.id, q, lang))));
        Ok(text.trim_end().to_owned())
    }
}

/// `45 min`, `1 h`, `1 h 30`.
pub fn duration(minutes: u32) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT: &str = "id = \"03\"\nminutes = 90\nneeds = [\"00\", \"B\"]\n[fr]\ntitle = \"Été\"\naims = [\"lire [[#a]]\"]\n\
                         questions = [\"a ?\", \"b ?\", \"c ?\"]\n[en]\ntitle = \"Summer\"\naims = [\"read\"]\nquestions = [\"a\", \"b\", \"c\"]\n";

    #[test]
    fn the_opening_cell_says_what_the_front_matter_says() {
        let front = Front::read(FRONT, "03_x").unwrap();
        assert_eq!(front.exercises, Exercises::Early);
        let text = front.render(&Course::default(), Lang::Fr).unwrap();
        assert_eq!(
            text,
            "# 03 · Été\n\n**Durée :** 1 h 30 · **Il te faut :** carnet\u{a0}00, annexe\u{a0}B\n\nÀ la fin, tu sauras :\n\n- lire \n\n\
             Trois questions pour commencer :\n\n1. a ?\n2. b ?\n3. c ?"
        );
        assert!(front.render(&Course::default(), Lang::En).unwrap().starts_with("# 03 · Summer\n\n**Time:** 1 h 30"));
        assert_eq!([45, 60, 65].map(duration), ["45 min", "1 h", "1 h 05"]);
    }

    #[test]
    fn what_is_missing_or_odd_is_refused() {
        let refused = |text: &str, name: &str, why: &str| {
            let error = Front::read(text, name).unwrap_err();
            assert!(error.contains(why), "{error}");
        };
        refused(FRONT, "04_x", "id = \"03\" in the file 04_x");
        refused(&FRONT.replace("minutes", "minute"), "03_x", "minute");
        refused(FRONT.split("[en]").next().unwrap(), "03_x", "no table [en]");
        refused(&FRONT.replace("\"c\"]", "]"), "03_x", "three questions");
        refused(&FRONT.replace("[en]", "[xx]"), "03_x", "no table [en]");
        refused(&format!("exercises = \"never\"\n{FRONT}"), "03_x", "never");
    }
}
