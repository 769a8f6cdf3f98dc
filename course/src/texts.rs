//! Small texts for experiments: one text in ten languages, a French novel, some of GPT-2's merges, how a model of ours
//! guessed, and words that belong together.
//!
//! Where they come from is in the `README.md` of `data/udhr/`, `data/french/`, `data/gpt2/` and `data/guesses/`.

/// The Universal Declaration of Human Rights in one language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// ISO 639-3: `fra`.
    pub code: &'static str,
    /// The language's name in French.
    pub fr: &'static str,
    /// The language's name in English.
    pub en: &'static str,
    /// Titles and paragraphs, one a line.
    pub text: &'static str,
}

/// Every language that is compiled in, English first.
pub const DECLARATIONS: [Declaration; 10] = [
    Declaration { code: "eng", fr: "anglais", en: "English", text: include_str!("../../data/udhr/eng.txt") },
    Declaration { code: "fra", fr: "français", en: "French", text: include_str!("../../data/udhr/fra.txt") },
    Declaration { code: "deu", fr: "allemand", en: "German", text: include_str!("../../data/udhr/deu.txt") },
    Declaration { code: "spa", fr: "espagnol", en: "Spanish", text: include_str!("../../data/udhr/spa.txt") },
    Declaration { code: "ell", fr: "grec", en: "Greek", text: include_str!("../../data/udhr/ell.txt") },
    Declaration { code: "rus", fr: "russe", en: "Russian", text: include_str!("../../data/udhr/rus.txt") },
    Declaration { code: "arb", fr: "arabe", en: "Arabic", text: include_str!("../../data/udhr/arb.txt") },
    Declaration { code: "hin", fr: "hindi", en: "Hindi", text: include_str!("../../data/udhr/hin.txt") },
    Declaration { code: "cmn", fr: "chinois", en: "Chinese", text: include_str!("../../data/udhr/cmn.txt") },
    Declaration { code: "kor", fr: "coréen", en: "Korean", text: include_str!("../../data/udhr/kor.txt") },
];

/// The Universal Declaration of Human Rights: the same text in many languages, so that what a tokenizer costs each of
/// them can be compared. `None` for a language that is not compiled in.
///
/// ```
/// use motamot_course::texts::declaration;
/// let french = declaration("fra").unwrap();
/// assert!(french.starts_with("Déclaration universelle des droits de l’homme\n"));
/// assert_eq!(declaration("lat"), None);
/// ```
pub fn declaration(code: &str) -> Option<&'static str> {
    DECLARATIONS.iter().find(|d| d.code == code).map(|d| d.text)
}

/// The beginning of Flaubert's "Madame Bovary" (1857): 226 kB of French, a paragraph a line.
pub const BOVARY: &str = include_str!("../../data/french/bovary.txt");

/// One of GPT-2's merges: its rank, and the two parts in GPT-2's spelling of bytes ("Ġ" is a space).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpt2Merge {
    /// From 0; the token that it makes is 256 + rank.
    pub rank: u32,
    /// What stands left.
    pub left: &'static str,
    /// What stands right.
    pub right: &'static str,
}

/// Those of GPT-2's 50,000 merges that [`gpt2_sentences`] need, lowest rank first.
pub fn gpt2_merges() -> Vec<Gpt2Merge> {
    let merge = |line: &'static str| {
        let mut parts = line.split(' ');
        let rank = parts.next()?.parse().ok()?;
        Some(Gpt2Merge { rank, left: parts.next()?, right: parts.next()? })
    };
    include_str!("../../data/gpt2/merges.txt").lines().filter_map(merge).collect()
}

/// A few sentences and their ids in GPT-2's own vocabulary.
pub fn gpt2_sentences() -> Vec<(String, Vec<u32>)> {
    let sentence = |line: &str| {
        let (text, ids) = line.split_once('\t')?;
        let ids: Result<Vec<u32>, _> = ids.split(' ').map(str::parse).collect();
        Some((serde_json::from_str(text).ok()?, ids.ok()?))
    };
    include_str!("../../data/gpt2/ids.txt").lines().filter_map(sentence).collect()
}

/// How a trained GPT played Shannon's game on the embedded validation text; `data/guesses/README.md` says which, and
/// `runs/shannon.sh` makes it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Guesses {
    /// The model's loss on the whole text, read character by character.
    pub bits_per_byte: f64,
    /// One for each fifth character, from the first: how many characters it found likelier than the right one.
    pub wrong: Vec<usize>,
}

/// The recorded game.
pub fn guesses() -> Guesses {
    let (loss, signs) = include_str!("../../data/guesses/mini-1200.txt").split_once('\n').unwrap_or_default();
    let bits_per_byte = loss.split(' ').next().and_then(|bits| bits.parse().ok()).unwrap_or(f64::NAN);
    Guesses { bits_per_byte, wrong: signs.lines().flat_map(str::bytes).map(|sign| usize::from(sign - b'A')).collect() }
}

/// Pairs of words in Shakespeare, written down before any model was trained: a good one finds the second of each near the
/// first.
pub const WORD_PAIRS: [(&str, &str); 30] = [
    ("romeo", "juliet"),
    ("thou", "thee"),
    ("thy", "thine"),
    ("king", "queen"),
    ("father", "son"),
    ("mother", "father"),
    ("brother", "sister"),
    ("lord", "lady"),
    ("love", "hate"),
    ("day", "night"),
    ("life", "death"),
    ("husband", "wife"),
    ("sun", "moon"),
    ("heaven", "earth"),
    ("good", "bad"),
    ("sword", "dagger"),
    ("eyes", "ears"),
    ("hand", "foot"),
    ("man", "woman"),
    ("hast", "art"),
    ("dead", "alive"),
    ("friend", "enemy"),
    ("lancaster", "york"),
    ("edward", "warwick"),
    ("tybalt", "mercutio"),
    ("sea", "ship"),
    ("black", "white"),
    ("priest", "church"),
    ("england", "france"),
    ("tears", "weep"),
];

/// Analogies in Shakespeare's words: the first is to the second as the third is to the fourth.
pub const ANALOGIES: [(&str, &str, &str, &str); 8] = [
    ("man", "king", "woman", "queen"),
    ("king", "queen", "lord", "lady"),
    ("man", "husband", "woman", "wife"),
    ("father", "son", "mother", "daughter"),
    ("brother", "sister", "son", "daughter"),
    ("thou", "art", "you", "are"),
    ("day", "night", "sun", "moon"),
    ("good", "better", "bad", "worse"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use motamot::utils::hash::{hex, sha256};

    #[test]
    fn texts_are_the_documented_ones() {
        let udhr = include_str!("../../data/udhr/README.md");
        for d in DECLARATIONS {
            let sum = hex(&sha256(d.text.as_bytes()));
            assert!(udhr.contains(&format!("{} | {} | `{sum}`", d.code, d.text.len())), "{} {sum}", d.code);
            assert!(d.text.ends_with('\n') && d.text.lines().all(|line| line == line.trim() && !line.is_empty()));
        }
        let french = include_str!("../../data/french/README.md");
        assert!(french.contains(&hex(&sha256(BOVARY.as_bytes()))));
    }

    #[test]
    fn the_recorded_game_was_played_on_the_embedded_text() {
        let text = motamot::data::split(motamot::data::corpus::EMBEDDED.as_bytes()).unwrap().val;
        let game = guesses();
        assert_eq!(game.wrong.len(), text.len().div_ceil(5));
        assert!(game.wrong.iter().all(|&wrong| wrong < 62));
        assert!((2.0..3.0).contains(&game.bits_per_byte));
        let readme = include_str!("../../data/guesses/README.md");
        assert!(readme.contains(&hex(&sha256(include_bytes!("../../data/guesses/mini-1200.txt")))));
    }

    #[test]
    fn gpt2s_merges_are_whole() {
        let merges = gpt2_merges();
        assert_eq!(merges.len(), include_str!("../../data/gpt2/merges.txt").lines().count());
        assert!(merges.is_sorted_by_key(|m| m.rank));
        assert_eq!(merges[0], Gpt2Merge { rank: 0, left: "Ġ", right: "t" });
        let sentences = gpt2_sentences();
        assert_eq!(sentences.len(), 8);
        assert_eq!(sentences[0], ("Hello world".to_owned(), vec![15496, 995]));
    }
}
