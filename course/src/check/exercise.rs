//! One exercise and how it is checked.
//!
//! A new checker is an [`Exercise`] (the inputs, the reference, the named mistakes, the hints), a public function that
//! hands the learner's function to [`Exercise::check`]; what it says stands in the catalogues (`course/texts/`), in a table
//! named after its id. The check runs the function on all inputs, finds what is wrong, and looks for a mistake that explains
//! *every* answer given; the more special ones stand first in the list. Exercises with two results are two of them, one
//! after the other ([`Report::and`]): the first thing that is wrong is told first.

use super::answer::Answer;
use super::report::Report;
use super::trial::{Outcome, trial};
use crate::Lang;
use crate::catalogue::{Text, text};

/// How an exercise is checked.
pub(super) struct Exercise<'a, I, O> {
    /// `"03.2"`: notebook, then number; its table in the catalogues, where `passed` says what was checked.
    pub id: &'static str,
    /// What the learner's function is tried on, the edges of the domain included.
    pub inputs: Vec<I>,
    /// The reference.
    pub solution: Box<dyn Fn(&I) -> O + 'a>,
    /// An input in words.
    pub tell: fn(&I) -> Text,
    /// Where to look if no mistake is recognised: the input, the wrong answer.
    pub hint: fn(&I, &O) -> Text,
    /// The usual mistakes, the more special ones first.
    pub mistakes: Vec<Mistake<'a, I, O>>,
}

/// A usual mistake and how it is recognised.
pub(super) struct Mistake<'a, I, O> {
    /// Its name, which is the key of what is said about it. A mistake that is explained in several ways has a text for
    /// each, with a dot between the name and the way: `norm-squared.row`.
    pub key: &'static str,
    sign: Sign<'a, I, O>,
}

/// The name of a mistake: `norm-squared` of the key `norm-squared.row`.
pub(super) fn name_of(key: &'static str) -> &'static str {
    key.split('.').next().unwrap_or(key)
}

/// A look at all the answers.
type Look<'a, I, O> = Box<dyn Fn(&Tries<I, O>) -> bool + 'a>;

enum Sign<'a, I, O> {
    Gives(Box<dyn Fn(&I) -> O + 'a>),
    Seen(Look<'a, I, O>),
}

impl<'a, I, O> Mistake<'a, I, O> {
    /// Recognised by what it computes.
    pub fn new(key: &'static str, gives: impl Fn(&I) -> O + 'a) -> Self {
        Mistake { key, sign: Sign::Gives(Box::new(gives)) }
    }

    /// Recognised by a look at all the answers: at where they are wrong, at a shape, at a panic.
    pub fn seen(key: &'static str, sign: impl Fn(&Tries<I, O>) -> bool + 'a) -> Self {
        Mistake { key, sign: Sign::Seen(Box::new(sign)) }
    }
}

/// What the learner's function did on each input, and what the reference gives.
pub(super) struct Tries<'t, I, O> {
    inputs: &'t [I],
    answers: &'t [Outcome<O>],
    right: &'t [O],
}

impl<'t, I, O: Answer> Tries<'t, I, O> {
    pub fn each(&self) -> impl Iterator<Item = (&'t I, &'t Outcome<O>, &'t O)> {
        self.inputs.iter().zip(self.answers).zip(self.right).map(|((input, answer), right)| (input, answer, right))
    }

    /// Wrong answers and panics.
    pub fn wrong(&self) -> impl Iterator<Item = (&'t I, &'t Outcome<O>, &'t O)> {
        self.each().filter(|(_, answer, right)| !matches!(answer, Outcome::Value(value) if value.same(right)))
    }

    /// Right everywhere else.
    pub fn only_wrong_where(&self, special: impl Fn(&I) -> bool) -> bool {
        self.wrong().all(|(input, ..)| special(input))
    }

    /// Some wrong answer, and each of them like this: the input, the answer, the right one.
    pub fn each_wrong(&self, like: impl Fn(&I, &O, &O) -> bool) -> bool {
        let mut values = self.values().filter(|(_, got, right)| !got.same(right)).peekable();
        values.peek().is_some() && values.all(|(input, got, right)| like(input, got, right))
    }

    /// Each answer that came.
    pub fn values(&self) -> impl Iterator<Item = (&'t I, &'t O, &'t O)> {
        self.each().filter_map(|(input, answer, right)| match answer {
            Outcome::Value(value) => Some((input, value, right)),
            _ => None,
        })
    }

    /// Each panic and its message.
    pub fn panics(&self) -> impl Iterator<Item = (&'t I, &'t str)> {
        self.each().filter_map(|(input, answer, _)| match answer {
            Outcome::Panic(message) => Some((input, message.as_str())),
            _ => None,
        })
    }

    /// An index left a list, and no answer that came is wrong.
    pub fn out_of_bounds(&self) -> bool {
        let outside = |m: &str| ["out of bounds", "out of range", "with overflow"].iter().any(|word| m.contains(word));
        self.values().all(|(_, got, right)| got.same(right)) && self.panics().any(|(_, message)| outside(message))
    }
}

impl<I, O: Answer> Mistake<'_, I, O> {
    /// How many wrong answers this mistake explains, and how many answers it contradicts.
    ///
    /// Where the mistake itself panics, the learner may do anything.
    fn evidence(&self, tries: &Tries<I, O>) -> (usize, usize) {
        let Sign::Gives(gives) = &self.sign else { return (0, usize::MAX) };
        let (mut proofs, mut against) = (0, 0);
        for (input, got, right) in tries.values() {
            if let Outcome::Value(known) = trial(|| gives(input)) {
                match got.fits(&known, right) {
                    Some(proof) => proofs += usize::from(proof),
                    None => against += 1,
                }
            }
        }
        (proofs, against)
    }

    fn explains(&self, tries: &Tries<I, O>) -> bool {
        match &self.sign {
            Sign::Gives(_) => matches!(self.evidence(tries), (1.., 0)),
            Sign::Seen(sign) => sign(tries),
        }
    }
}

impl<I, O: Answer> Exercise<'_, I, O> {
    /// Tries the learner's function on everything.
    pub fn check(&self, f: impl Fn(&I) -> O) -> Report {
        let mut answers = Vec::new();
        for input in &self.inputs {
            match trial(|| f(input)) {
                Outcome::Unfinished => return Report::unfinished(self.id),
                outcome => answers.push(outcome),
            }
        }
        let right: Vec<O> = self.inputs.iter().map(&self.solution).collect();
        let tries = Tries { inputs: &self.inputs, answers: &answers, right: &right };
        let Some(example) = tries.wrong().min_by_key(|(input, ..)| self.length(input)) else {
            return Report::passed(self.id, self.own("passed"));
        };
        match self.mistakes.iter().find(|m| m.explains(&tries)).or_else(|| self.likeliest(&tries)) {
            Some(m) => self.named(m, &tries, example),
            None => self.unnamed(example),
        }
    }

    /// A text of its own table.
    fn own(&self, key: &str) -> Text {
        text(format!("{}.{key}", self.id))
    }

    /// How long it is to tell: the shortest input that goes wrong is the easiest to follow by hand. One language
    /// decides, so that all of them show the same input.
    fn length(&self, input: &I) -> usize {
        (self.tell)(input).in_lang(Lang::ALL[0]).len()
    }

    /// A second mistake may hide the first. Real numbers hardly agree by chance: the mistake that explains most of the wrong
    /// answers, at least half of them.
    fn likeliest(&self, tries: &Tries<I, O>) -> Option<&Mistake<'_, I, O>> {
        let wrong = tries.wrong().count();
        let all = self.mistakes.iter().map(|m| (m.evidence(tries).0, m)).filter(|_| O::REAL);
        // Of equals the first.
        let best = all.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
        (best.0 >= 2 && best.0 * 2 >= wrong).then_some(best.1)
    }

    fn named(&self, m: &Mistake<I, O>, tries: &Tries<I, O>, example: (&I, &Outcome<O>, &O)) -> Report {
        let mut said = self.own(m.key);
        if let Some((input, message)) = tries.panics().min_by_key(|(input, _)| self.length(input)) {
            said = text("check.and-panics").with("mistake", said);
            said = said.with("input", (self.tell)(input)).with("message", message);
        } else if let (Sign::Seen(_), (input, Outcome::Value(got), right)) = (&m.sign, example) {
            said = text("check.for-example").with("mistake", said).with("input", (self.tell)(input));
            said = said.with("right", right.shown()).with("got", got.shown());
        }
        Report::mistake(self.id, name_of(m.key), said)
    }

    fn unnamed(&self, (input, answer, right): (&I, &Outcome<O>, &O)) -> Report {
        let at = (self.tell)(input);
        match answer {
            Outcome::Value(got) => {
                let said = text("check.wrong").with("input", at).with("right", right.shown());
                let said = said.with("got", got.shown()).with("place", got.differs(right).unwrap_or("".into()));
                Report::wrong(self.id, said.with("hint", (self.hint)(input, got)))
            }
            Outcome::Panic(message) => Report::panicked(self.id, at, message),
            Outcome::Unfinished => Report::unfinished(self.id),
        }
    }
}

/// Checks of the checkers.
#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::check::{Verdict, unfinished};

    /// Both languages say something, and the mistake has this name.
    #[track_caller]
    pub fn named(report: &Report, name: &str) {
        assert_eq!(report.mistake_name(), Some(name), "{report:?}");
        let (fr, en) = (report.text(Lang::Fr), report.text(Lang::En));
        assert!(fr.len() > 40 && en.len() > 40 && fr != en, "{fr}\n{en}");
    }

    /// No pass: a name, or the input beside both answers, or the panic; in both languages.
    #[track_caller]
    pub fn helpful(what: &str, report: &Report) {
        let parts = match report.verdict() {
            Verdict::Mistake { .. } => vec![],
            Verdict::Wrong(text) if text.in_lang(Lang::Fr).starts_with("ta fonction a paniqué sur ") => vec![],
            Verdict::Wrong(text) => {
                let [fr, en] = [Lang::Fr, Lang::En].map(|lang| text.in_lang(lang));
                vec![
                    fr.contains("il faut ") && fr.contains(", mais ta fonction donne "),
                    en.contains("the answer is ") && en.contains(", but your function gives "),
                ]
            }
            _ => panic!("{what}: {report:?}"),
        };
        assert!(parts.iter().all(|&part| part), "{what}: {report:?}");
        assert!(
            Lang::ALL.iter().all(|&l| report.text(l).len() > 50 && !report.text(l).contains("assertion")),
            "{what}"
        );
        if std::env::var_os("MOTAMOT_SHOW").is_some() {
            println!("{what}: {}", report.text(Lang::Fr));
        }
    }

    impl<I, O: Answer + Default> Exercise<'_, I, O> {
        /// The reference passes, what is not begun says so, each computed mistake is recognised by its name.
        #[track_caller]
        pub fn assert_both_sides(&self) {
            let report = self.check(&self.solution);
            assert!(report.is_passed(), "{report:?}");
            assert!(Lang::ALL.iter().all(|&lang| report.text(lang).len() > 30));
            assert_eq!(self.check(|_| unfinished()), Report::unfinished(self.id));
            assert_eq!(self.check(|_| todo!()), Report::unfinished(self.id));
            for m in &self.mistakes {
                let key = format!("{}.{}", self.id, m.key);
                assert_ne!(Lang::En.text(&key), key, "texts/en.toml does not have it");
                if let Sign::Gives(gives) = &m.sign {
                    named(&self.check(gives), name_of(m.key));
                }
            }
        }
    }
}
