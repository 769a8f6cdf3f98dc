//! Pictures of notebook 02: word2vec, and words in the plane.

use crate::html::Table;
use crate::models::word2vec::Word2Vec;
use crate::plot::{Diagram, Item, Scatter};
use crate::tr;

/// The words in the window around the one at `center`, with their places.
fn window<'w>(words: &[&'w str], center: usize, reach: usize) -> Vec<(usize, &'w str)> {
    let near = center.saturating_sub(reach)..(center + reach + 1).min(words.len());
    near.filter(|&i| i != center).map(|i| (i, words[i])).collect()
}

/// Skip-gram: the word in the middle predicts each word of its window.
///
/// ```
/// use motamot_course::plot::Panels;
/// use motamot_course::{figures, show};
///
/// let words = ["the", "cat", "sat", "on", "mat"];
/// show(&Panels::new(2).add(figures::skip_gram(&words, 2, 2)).add(figures::cbow(&words, 2, 2)));
/// ```
pub fn skip_gram(words: &[&str], center: usize, reach: usize) -> Diagram {
    let around = window(words, center, reach);
    let tall = around.len().max(1);
    let mut middle = vec![
        Item::new(words.get(center).copied().unwrap_or("")).id("center").tall(tall).color(0),
        Item::matrix("v", 1, 4).shape(tr("sa ligne de V", "its row of V")).tall(tall).color(0),
    ];
    let mut diagram = Diagram::new(tr("Skip-gram : devine le contexte", "Skip-gram: guess the context"));
    for (i, word) in &around {
        let row = middle.drain(..).chain([Item::new(*word).id(format!("near{i}")).color(1)]);
        diagram = diagram.row(row.collect::<Vec<_>>());
    }
    let arrows =
        around.iter().map(|(i, _)| ("v".to_owned(), format!("near{i}"), if *i == around[0].0 { "v · u" } else { "" }));
    diagram.arrows([("center", "v")]).arrows(arrows)
}

/// CBOW: the mean of the words of the window predicts the word in the middle.
pub fn cbow(words: &[&str], center: usize, reach: usize) -> Diagram {
    let around = window(words, center, reach);
    let tall = around.len().max(1);
    let mut middle = vec![
        Item::matrix(tr("moyenne", "mean"), 1, 4).id("mean").tall(tall).color(1),
        Item::new(words.get(center).copied().unwrap_or("")).id("center").tall(tall).color(0),
    ];
    let mut diagram = Diagram::new(tr("CBOW : devine le mot du milieu", "CBOW: guess the word in the middle"));
    for (i, word) in &around {
        let row = [Item::new(*word).id(format!("near{i}")).color(1)].into_iter().chain(middle.drain(..));
        diagram = diagram.row(row.collect::<Vec<_>>());
    }
    let arrows = around.iter().map(|(i, _)| (format!("near{i}"), "mean"));
    diagram.arrows(arrows).arrows([("mean", "center", "v · u")])
}

/// The nearest words of some words, with their cosines. A word that the model does not know has none.
///
/// ```
/// use motamot_course::models::word2vec::Word2Vec;
/// use motamot_course::{figures, show};
///
/// fn table(model: &Word2Vec) {
///     show(&figures::neighbours(model, &["king", "love"], 6).caption("skip-gram"));
/// }
/// ```
pub fn neighbours(model: &Word2Vec, words: &[&str], n: usize) -> Table {
    let table = Table::of([("mot", "word"), ("voisins (cosinus)", "neighbours (cosine)")]);
    words.iter().fold(table, |table, word| {
        let near = model.neighbours(word, n).unwrap_or_default();
        // \u{a0} is a space at which no line breaks.
        let names: Vec<String> = near.iter().map(|(near, cosine)| format!("{near}\u{a0}{cosine:.2}")).collect();
        table.row([(*word).to_owned(), if names.is_empty() { "—".into() } else { names.join(tr("\u{a0}; ", "; ")) }])
    })
}

/// Words in the plane, a colour for each group; `places` has the words' places in the same order.
///
/// ```
/// use motamot_course::{figures, show, tr};
///
/// let groups = [(tr("rois", "kings"), vec!["henry", "richard"]), (tr("corps", "body"), vec!["eyes"])];
/// let places = [(0.1, 0.2), (0.0, 0.3), (-0.5, 0.0)]; // pca(&rows)
/// show(&figures::word_map(tr("PCA des mots", "PCA of words"), &groups, &places));
/// ```
pub fn word_map(title: &str, groups: &[(&str, Vec<&str>)], places: &[(f64, f64)]) -> Scatter {
    let mut places = places.iter();
    let map = Scatter::new(title, tr("axe 1", "axis 1"), tr("axe 2", "axis 2"));
    let map = groups.iter().fold(map, |map, (name, words)| {
        let points: Vec<_> = words.iter().zip(places.by_ref()).map(|(word, at)| (at.0, at.1, *word)).collect();
        map.group(*name, points)
    });
    map.size(800, 560)
}

/// Characters in the plane: vowels, consonants, capitals and others in a colour each.
pub fn letter_map(title: &str, letters: &[String], places: &[(f64, f64)]) -> Scatter {
    let kinds =
        [tr("voyelles", "vowels"), tr("consonnes", "consonants"), tr("majuscules", "capitals"), tr("autres", "others")];
    let kind = |letter: &str| match letter.chars().next() {
        Some('a' | 'e' | 'i' | 'o' | 'u' | 'y') => 0,
        Some(c) if c.is_lowercase() => 1,
        Some(c) if c.is_uppercase() => 2,
        _ => 3,
    };
    let label = |letter: &str| match letter {
        "\n" => tr("fin de ligne", "newline").to_owned(),
        " " => tr("espace", "space").to_owned(),
        other => other.to_owned(),
    };
    let map = Scatter::new(title, tr("axe 1", "axis 1"), tr("axe 2", "axis 2"));
    let map = kinds.iter().enumerate().fold(map, |map, (k, name)| {
        let members = letters.iter().zip(places).filter(|(letter, _)| kind(letter) == k);
        map.group(*name, members.map(|(letter, at)| (at.0, at.1, label(letter))))
    });
    map.size(800, 520)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::word2vec::{Vocabulary, Word2VecConfig};
    use crate::plot::Picture;
    use motamot_kernels::rng::Rng;

    const WORDS: [&str; 5] = ["the", "cat", "sat", "on", "the"];

    fn arrows(svg: &str) -> usize {
        svg.lines().filter(|l| l.starts_with("<path fill=\"none\"") && l.contains("#5A5A5A")).count()
    }

    #[test]
    fn a_window_ends_with_the_text() {
        assert_eq!(window(&WORDS, 0, 2), [(1, "cat"), (2, "sat")]);
        assert_eq!(window(&WORDS, 2, 1), [(1, "cat"), (3, "on")]);
        assert_eq!(window(&[], 3, 1), []);
    }

    #[test]
    fn both_models_join_the_middle_and_its_window() {
        for (diagram, lines) in [(skip_gram(&WORDS, 2, 2), 5), (cbow(&WORDS, 2, 2), 5), (cbow(&WORDS, 0, 1), 2)] {
            let svg = diagram.to_svg();
            assert!(arrows(&svg) == lines && !svg.contains(">? "), "{svg}");
        }
        assert!(skip_gram(&[], 0, 0).to_svg().ends_with("</svg>\n"));
    }

    #[test]
    fn neighbours_have_their_cosines() {
        let text: Vec<String> = "a b a b c".split(' ').map(String::from).collect();
        let vocabulary = Vocabulary::new(&text, 1);
        let config = Word2VecConfig { width: 4, ..Word2VecConfig::default() };
        let model = Word2Vec::new(&config, vocabulary, &mut Rng::new(1)).unwrap();
        let table = neighbours(&model, &["a", "zebra"], 2).text();
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert!(rows[0].starts_with("a ") && rows[0].contains("b\u{a0}") && rows[0].contains("c\u{a0}"), "{table}");
        assert!(rows[1].starts_with("zebra") && rows[1].ends_with('—'), "{table}");
    }

    #[test]
    fn words_and_letters_have_the_colour_of_their_group() {
        let svg = word_map("", &[("x", vec!["one", "two"]), ("y", vec!["six"])], &[(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]);
        let svg = svg.to_svg();
        let dots = |svg: &str, color: &str| svg.matches(&format!("fill=\"{color}\" fill-opacity")).count();
        assert_eq!((dots(&svg, "#0072B2"), dots(&svg, "#D55E00")), (2, 1), "{svg}");
        let letters = ["a", "b", "A", "\n", "e"].map(String::from);
        let svg = letter_map("", &letters, &[(0.0, 0.0); 5]).to_svg();
        assert_eq!((dots(&svg, "#0072B2"), dots(&svg, "#009E73"), dots(&svg, "#CC79A7")), (2, 1, 1), "{svg}");
    }
}
