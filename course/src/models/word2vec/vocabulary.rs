//! Words, how often each occurs, and how often each is drawn.

use std::collections::HashMap;

/// The words of a text in lower case: letters with apostrophes inside ("o'er"), nothing else.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphabetic() && c != '\'' && c != '’')
        .map(|word| word.trim_matches(['\'', '’']))
        .filter(|word| !word.is_empty())
        .map(|word| word.to_lowercase().replace('’', "'"))
}

/// The words of a corpus, the most frequent first.
#[derive(Clone, Debug, PartialEq)]
pub struct Vocabulary {
    words: Vec<String>,
    counts: Vec<u64>,
    ids: HashMap<String, u32>,
}

impl Vocabulary {
    /// The words that occur at least `min_count` times; equally frequent ones in the order of their characters.
    pub fn new<S: AsRef<str>>(corpus: impl IntoIterator<Item = S>, min_count: u64) -> Vocabulary {
        let mut count: HashMap<String, u64> = HashMap::new();
        for word in corpus {
            match count.get_mut(word.as_ref()) {
                Some(n) => *n += 1,
                None => drop(count.insert(word.as_ref().to_owned(), 1)),
            }
        }
        let mut sorted: Vec<(String, u64)> = count.into_iter().filter(|(_, n)| *n >= min_count).collect();
        sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let ids = sorted.iter().enumerate().map(|(id, (word, _))| (word.clone(), id as u32)).collect();
        let (words, counts) = sorted.into_iter().unzip();
        Vocabulary { words, counts, ids }
    }

    /// How many words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The word of an id. Panics if there is none.
    #[track_caller]
    pub fn word(&self, id: u32) -> &str {
        &self.words[id as usize]
    }

    /// The id of a word, if it is known.
    pub fn id(&self, word: &str) -> Option<u32> {
        self.ids.get(word).copied()
    }

    /// How often each word occurs.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The ids of a text's words. Unknown words are left out, so that their neighbours move together.
    pub fn encode<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Vec<u32> {
        words.into_iter().filter_map(|word| self.id(word.as_ref())).collect()
    }

    /// P(keep a word) = min(1, √(t/f)), f its share of the corpus: "the" and "and" teach little.
    ///
    /// The paper's formula (Mikolov et al. 2013b, equation 5); word2vec.c keeps a little more, √(t/f) + t/f.
    pub(super) fn keep(&self, t: f32) -> Vec<f32> {
        let total: u64 = self.counts.iter().sum();
        let share = |n: &u64| *n as f64 / total as f64;
        self.counts
            .iter()
            .map(|n| if t > 0.0 { (f64::from(t) / share(n)).sqrt().min(1.0) as f32 } else { 1.0 })
            .collect()
    }
}

/// Draws i with probability w_i / Σ w by one random number and one comparison.
///
/// Column i holds i with probability `share[i]`, else `other[i]`. Source: Walker 1977; Vose 1991.
#[derive(Clone, Debug)]
pub(super) struct Alias {
    share: Vec<f64>,
    other: Vec<u32>,
}

impl Alias {
    pub(super) fn new(weights: impl Iterator<Item = f64>) -> Alias {
        let weights: Vec<f64> = weights.collect();
        let (n, total) = (weights.len(), weights.iter().sum::<f64>());
        let mut share: Vec<f64> = weights.iter().map(|w| w * n as f64 / total).collect();
        let mut other: Vec<u32> = (0..n as u32).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..n).partition(|&i| share[i] < 1.0);
        while let (Some(&s), Some(&l)) = (small.last(), large.last()) {
            small.pop();
            other[s] = l as u32;
            share[l] -= 1.0 - share[s];
            if share[l] < 1.0 {
                large.pop();
                small.push(l);
            }
        }
        // What is left over differs from 1 by rounding alone.
        small.into_iter().chain(large).for_each(|i| share[i] = 1.0);
        Alias { share, other }
    }

    pub(super) fn draw(&self, rng: &mut motamot_kernels::rng::Rng) -> u32 {
        let column = rng.below(self.share.len());
        if rng.uniform_f64() < self.share[column] { column as u32 } else { self.other[column] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motamot_kernels::rng::Rng;

    #[test]
    fn words_of_a_line() {
        let text = "Wherefore art thou Romeo? O'er 'tis the lovers’ l’été -- 42!";
        let got: Vec<String> = words(text).collect();
        assert_eq!(got, ["wherefore", "art", "thou", "romeo", "o'er", "tis", "the", "lovers", "l'été"]);
    }

    #[test]
    fn frequent_words_come_first() {
        let vocabulary = Vocabulary::new("b a c a b d a".split(' '), 2);
        assert_eq!((vocabulary.word(0), vocabulary.word(1), vocabulary.len()), ("a", "b", 2));
        assert_eq!(vocabulary.counts(), [3, 2]);
        assert_eq!(vocabulary.encode(["a", "zebra", "b"]), [0, 1]);
        assert!(Vocabulary::new([] as [&str; 0], 1).is_empty());
    }

    #[test]
    fn subsampling_keeps_by_the_root_of_rarity() {
        let corpus = std::iter::repeat_n("the", 99).chain(["romeo"]);
        let keep = Vocabulary::new(corpus, 1).keep(0.01);
        assert!((keep[0] - (0.01f32 / 0.99).sqrt()).abs() < 1e-6);
        assert_eq!(keep[1], 1.0);
        assert_eq!(Vocabulary::new(["x"], 1).keep(0.0), [1.0]);
    }

    #[test]
    fn the_alias_table_draws_each_as_often_as_it_should() {
        let weights = [4.0, 1.0, 0.0, 2.5, 0.5];
        let alias = Alias::new(weights.into_iter());
        let (mut rng, mut drawn) = (Rng::new(3), [0u32; 5]);
        for _ in 0..80_000 {
            drawn[alias.draw(&mut rng) as usize] += 1;
        }
        for (n, w) in drawn.iter().zip(weights) {
            // Four standard deviations.
            let (expected, p) = (10_000.0 * w, w / 8.0);
            assert!((f64::from(*n) - expected).abs() <= 4.0 * (80_000.0 * p * (1.0 - p)).sqrt(), "{drawn:?}");
        }
    }
}
