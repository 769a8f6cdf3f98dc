//! The usual mistakes of a test of causality.

use super::super::Slip;
use super::{Input, PANEL, SHAPE};
use crate::check::exercise::{Mistake, Tries};

type Known = Mistake<'static, Input, bool>;

/// How a mistake is recognised.
type Sign = fn(&Answers) -> bool;

pub(super) fn all() -> Vec<Known> {
    let exchanged = Known::seen(
        "t-and-d-exchanged",
        "tu appelles la couche avec t et d échangés : `layer(&x, t, d)`, t lignes de d nombres",
        "you call the layer with t and d exchanged: `layer(&x, t, d)`, t rows of d numbers",
        |_| SHAPE.get().2,
    );
    let by_answers = SLIPS.iter().map(|&(sign, name, fr, en)| {
        Known::seen(name, fr, en, move |tries| Answers::of(tries).is_some_and(|answers| sign(&answers)))
    });
    [exchanged].into_iter().chain(by_answers).collect()
}

/// What is recognised: by the answers, in this order.
const SLIPS: [Slip<Sign>; 14] = [
    (
        |a| a.all(true),
        "always-true",
        "ton test répond toujours oui, même pour une couche sans masque : fais bouger x_j et compare les sorties i < j, pour tous les j (`all`, pas `any`)",
        "your test always says yes, even for a layer without a mask: move x_j and compare the outputs i < j, for all j (`all`, not `any`)",
    ),
    (
        |a| a.all(false),
        "always-false",
        "ton test répond toujours non, même pour la couche identité : compares-tu bien les sorties i < j, et elles seules ? compares-tu deux calculs qui partent de la même entrée ?",
        "your test always says no, even for the identity layer: do you compare the outputs i < j, and only them? do you compare two runs that start from the same input?",
    ),
    (
        |a| a.inverted(),
        "inverted",
        "ta réponse est inversée : rends `true` quand la couche est causale",
        "your answer is inverted: return `true` when the layer is causal",
    ),
    (
        |a| !a.says("causal attention") && a.says("reversed"),
        "wrong-direction",
        "tu compares les sorties i > j : ce sont les sorties d'avant (i < j) qui ne doivent pas bouger quand x_j bouge",
        "you compare the outputs i > j: it is the outputs before (i < j) that must not move when x_j moves",
    ),
    (
        |a| !a.says("causal attention") && a.says("shifted"),
        "includes-itself",
        "tu compares aussi la sortie i = j : elle a le droit de bouger avec x_j (une position se voit elle-même). Les lignes d'avant sont les `j * d` premiers nombres",
        "you compare the output i = j, too: it may move with x_j (a position sees itself). The rows before are the first `j * d` numbers",
    ),
    (
        |a| a.says("causal attention") && !a.says("shifted"),
        "demands-change",
        "tu exiges que la sortie j bouge : une couche qui ignore x_j est causale, elle aussi",
        "you demand that output j moves: a layer that ignores x_j is causal, too",
    ),
    (
        |a| a.only_misses(&["masked after softmax"]),
        "input-hides-the-leak",
        "ton entrée cache une fuite (avec des zéros partout, tous les scores valent 0) : pars de valeurs au hasard",
        "your input hides a leak (all zeros make all scores 0): start from random values",
    ),
    (
        |a| a.misses("1 → 0") && !a.misses("last → 0"),
        "only-last-token",
        "tu ne fais bouger que le dernier mot : une fuite de x_1 vers y_0 t'échappe. Essaie chaque j",
        "you only move the last token: a leak from x_1 to y_0 escapes you. Try each j",
    ),
    (
        |a| a.misses("last → 0") && !a.misses("last → last but one"),
        "only-neighbours",
        "tu ne compares que la sortie juste avant (i = j − 1) : une fuite du dernier mot vers y_0 t'échappe. Compare tous les i < j",
        "you only compare the output just before (i = j − 1): a leak from the last token to y_0 escapes you. Compare all i < j",
    ),
    (
        |a| a.misses("last → last but one") && !a.misses("last → 0"),
        "only-first-output",
        "tu ne compares que la première sortie : une fuite vers l'avant-dernière t'échappe. Compare tous les i < j (les `j * d` premiers nombres, pas les `j` premiers)",
        "you only compare the first output: a leak to the last but one escapes you. Compare all i < j (the first `j * d` numbers, not the first `j`)",
    ),
    (
        |a| a.misses("last → 0") && a.misses("last → last but one") && !a.misses("1 → 0"),
        "last-token-not-moved",
        "tu ne fais jamais bouger le dernier mot : la boucle sur j doit aller jusqu'à t − 1 compris",
        "you never move the last token: the loop over j must go up to t − 1, included",
    ),
    (
        |a| a.misses("channel out") && !a.misses("last → last but one"),
        "one-channel-compared",
        "tu ne compares qu'une composante de chaque sortie : compare les d nombres de la ligne",
        "you only compare one component of each output: compare all d numbers of the row",
    ),
    (
        |a| a.misses("channel in") && !a.misses("last → last but one"),
        "one-channel-moved",
        "tu ne fais bouger qu'une composante de x_j : une fuite par une autre t'échappe, bouge les d nombres",
        "you only move one component of x_j: a leak through another one escapes you, move all d numbers",
    ),
    (
        |a| a.only_misses(&["small", "1 → 0, small channel"]),
        "tolerance-too-large",
        "ta tolérance est trop grande, ou ton mouvement trop petit : une fuite de 0,0001 est une fuite. Bouge x_j d'environ 1 ; les lignes i < j doivent rester les mêmes à l'arrondi près (1e-9)",
        "your tolerance is too large, or your move too small: a leak of 0.0001 is a leak. Move x_j by about 1; the rows i < j must stay the same up to rounding (1e-9)",
    ),
];

/// What the learner's test said of each layer of the panel.
struct Answers(Vec<bool>);

impl Answers {
    /// At the first size where one is wrong.
    fn of(tries: &Tries<Input, bool>) -> Option<Answers> {
        let &(_, t, d) = tries.wrong().next()?.0;
        let there = tries.values().filter(|(input, ..)| (input.1, input.2) == (t, d));
        Some(Answers(there.map(|(_, answer, _)| *answer).collect())).filter(|answers| answers.0.len() == PANEL.len())
    }

    fn says(&self, name: &str) -> bool {
        PANEL.iter().zip(&self.0).any(|((known, ..), answer)| *known == name && *answer)
    }

    /// A leak that was taken for causal.
    fn misses(&self, name: &str) -> bool {
        self.says(name)
    }

    /// Wrong answers are about some of these leaks, and nothing else.
    fn only_misses(&self, names: &[&str]) -> bool {
        self.wrong().all(|i| names.contains(&PANEL[i].0))
    }

    fn all(&self, answer: bool) -> bool {
        self.0.iter().all(|&a| a == answer)
    }

    fn inverted(&self) -> bool {
        self.wrong().count() == PANEL.len()
    }

    fn wrong(&self) -> impl Iterator<Item = usize> {
        (0..PANEL.len()).filter(|&i| self.0[i] != PANEL[i].2)
    }
}
