//! One exercise and how it is checked.
//!
//! A new checker is an [`Exercise`] (the inputs, the reference, the named mistakes, the hints) and a public function that
//! hands the learner's function to [`Exercise::check`]. That runs it on all inputs, finds what is wrong, and looks for a
//! mistake that explains *every* answer given; the more special ones stand first in the list. Exercises with two results
//! are two of them, one after the other ([`Report::and`]): the first thing that is wrong is told first.

use super::answer::Answer;
use super::report::Report;
use super::trial::{Outcome, trial};

/// The same in French and in English.
pub(super) type Words = (String, String);

/// How an exercise is checked.
pub(super) struct Exercise<'a, I, O> {
    /// `"03.2"`: notebook, then number.
    pub id: &'static str,
    /// What the learner's function is tried on, the edges of the domain included.
    pub inputs: Vec<I>,
    /// The reference.
    pub solution: Box<dyn Fn(&I) -> O + 'a>,
    /// An input in words.
    pub tell: fn(&I) -> Words,
    /// Where to look if no mistake is recognised: the input, the wrong answer.
    pub hint: fn(&I, &O) -> Words,
    /// What was checked.
    pub passed: (&'static str, &'static str),
    /// The usual mistakes, the more special ones first.
    pub mistakes: Vec<Mistake<'a, I, O>>,
}

/// A usual mistake: its name, what to say in French and in English, and how it is recognised.
pub(super) struct Mistake<'a, I, O> {
    pub name: &'static str,
    fr: &'static str,
    en: &'static str,
    sign: Sign<'a, I, O>,
}

/// A look at all the answers.
type Look<'a, I, O> = Box<dyn Fn(&Tries<I, O>) -> bool + 'a>;

enum Sign<'a, I, O> {
    Gives(Box<dyn Fn(&I) -> O + 'a>),
    Seen(Look<'a, I, O>),
}

impl<'a, I, O> Mistake<'a, I, O> {
    /// Recognised by what it computes.
    pub fn new(name: &'static str, fr: &'static str, en: &'static str, gives: impl Fn(&I) -> O + 'a) -> Self {
        Mistake { name, fr, en, sign: Sign::Gives(Box::new(gives)) }
    }

    /// Recognised by a look at all the answers: at where they are wrong, at a shape, at a panic.
    pub fn seen(
        name: &'static str,
        fr: &'static str,
        en: &'static str,
        sign: impl Fn(&Tries<I, O>) -> bool + 'a,
    ) -> Self {
        Mistake { name, fr, en, sign: Sign::Seen(Box::new(sign)) }
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
        // The shortest input that goes wrong is the easiest to follow by hand.
        let Some(example) = tries.wrong().min_by_key(|(input, ..)| (self.tell)(input).0.len()) else {
            return Report::passed(self.id, self.passed.0, self.passed.1);
        };
        match self.mistakes.iter().find(|m| m.explains(&tries)).or_else(|| self.likeliest(&tries)) {
            Some(m) => self.named(m, &tries, example),
            None => self.unnamed(example),
        }
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
        let (mut fr, mut en) = (m.fr.to_owned(), m.en.to_owned());
        if let Some((input, message)) = tries.panics().min_by_key(|(input, _)| (self.tell)(input).0.len()) {
            let (at, at_en) = (self.tell)(input);
            fr += &format!(". Et elle panique sur {at} : « {message} »");
            en += &format!(". And it panics on {at_en}: \"{message}\"");
        } else if let (Sign::Seen(_), (input, Outcome::Value(got), right)) = (&m.sign, example) {
            let ((at, at_en), (right, got)) = ((self.tell)(input), (right.shown(), got.shown()));
            fr += &format!(". Par exemple, sur {at}, il faut {right}, et tu donnes {got}");
            en += &format!(". For example, on {at_en} the answer is {right}, and you give {got}");
        }
        Report::mistake(self.id, m.name, fr, en)
    }

    fn unnamed(&self, (input, answer, right): (&I, &Outcome<O>, &O)) -> Report {
        let (at, at_en) = (self.tell)(input);
        match answer {
            Outcome::Value(got) => {
                let (place, place_en) = got.differs(right).unwrap_or_default();
                let (hint, hint_en) = (self.hint)(input, got);
                let (right, got) = (right.shown(), got.shown());
                Report::wrong(
                    self.id,
                    format!("sur {at}, il faut {right}, mais ta fonction donne {got}{place}. {hint}"),
                    format!("on {at_en}, the answer is {right}, but your function gives {got}{place_en}. {hint_en}"),
                )
            }
            Outcome::Panic(message) => Report::panicked(self.id, (&at, &at_en), message),
            Outcome::Unfinished => Report::unfinished(self.id),
        }
    }
}

/// Checks of the checkers.
#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::Lang;
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
            Verdict::Wrong { fr, .. } if fr.starts_with("ta fonction a paniqué sur ") => vec![],
            Verdict::Wrong { fr, en } => vec![
                fr.contains("il faut ") && fr.contains(", mais ta fonction donne "),
                en.contains("the answer is ") && en.contains(", but your function gives "),
            ],
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
                if let Sign::Gives(gives) = &m.sign {
                    named(&self.check(gives), m.name);
                }
            }
        }
    }
}
