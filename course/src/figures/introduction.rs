//! Pictures of notebook 00: three architectures.

use crate::plot::{Arrow, Diagram, HeatMap, Item, Panels};
use crate::tr;

/// An encoder that reads all of a source, and a decoder that writes a target: it gets the target shifted by one place (▶
/// marks the beginning), and looks at what the encoder made.
///
/// ```
/// use motamot_course::{figures, show, tr};
///
/// show(&figures::encoder_decoder(&tr(["le", "chat"], ["the", "cat"]), &tr(["the", "cat"], ["le", "chat"])));
/// ```
pub fn encoder_decoder(source: &[&str], target: &[&str]) -> Diagram {
    let (read, written) = (source.len().max(1), target.len().max(1));
    let id = |side: &str, i: usize| format!("{side}{i}");
    let words = |side: &'static str, words: &[&str]| -> Vec<Item> {
        words.iter().enumerate().map(|(i, word)| Item::text(*word).id(id(side, i))).collect()
    };
    let shifted: Vec<&str> = std::iter::once("▶").chain(target.iter().copied()).take(target.len()).collect();
    let blocks = [
        Item::new(tr("encodeur : voit tout", "encoder: sees all")).id("encoder").wide(read).color(0),
        Item::new(tr("décodeur : voit le passé", "decoder: sees the past")).id("decoder").wide(written).color(1),
    ];
    let up = |side: &'static str, n: usize, to: &'static str| (0..n).map(move |i| (format!("{side}{i}"), to));
    Diagram::new(tr("Encodeur et décodeur", "Encoder and decoder"))
        .row([Item::gap().wide(read)].into_iter().chain(words("out", target)))
        .row(blocks)
        .row(words("source", source).into_iter().chain(words("in", &shifted)))
        .arrows(up("source", source.len(), "encoder"))
        .arrows(up("in", target.len(), "decoder"))
        .arrows((0..target.len()).map(|i| ("decoder", id("out", i))))
        .arrows([Arrow::new("encoder", "decoder").label("K, V").color(0)])
}

/// What each position may look at: in GPT the past, in BERT everything, in T5 the encoder sees all of its text, and the
/// decoder all of it and its own past. `text` is for the first two.
///
/// ```
/// use motamot_course::{figures, show};
///
/// show(&figures::what_each_sees(&["what", "light", "thro."], &["what", "⟨X⟩"], &["▶", "⟨X⟩", "light"]));
/// ```
pub fn what_each_sees(text: &[&str], source: &[&str], target: &[&str]) -> Panels {
    let mask = |title: &str, words: &[&str], sees: &dyn Fn(usize, usize) -> bool| {
        let n = words.len();
        HeatMap::new(title, n, n, (0..n * n).map(|i| f64::from(u8::from(sees(i / n, i % n)))))
            .yes_no()
            .row_labels(words.to_vec())
            .column_labels(words.to_vec())
            .y_label(tr("qui regarde ↓", "who looks ↓"))
            .x_label(tr("ce qui est regardé", "what is looked at"))
    };
    let both: Vec<&str> = source.iter().chain(target).copied().collect();
    let s = source.len();
    let t5 = mask(tr("T5 : encodeur, décodeur", "T5: encoder, decoder"), &both, &|row, column| {
        column < s || (row >= s && column <= row)
    });
    Panels::new(3)
        .add(mask(tr("GPT : le passé", "GPT: the past"), text, &|row, column| column <= row))
        .add(mask(tr("BERT : tout", "BERT: everything"), text, &|_, _| true))
        .add(t5.divided(s, s).x_label(tr("encodeur | décodeur", "encoder | decoder")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::Picture;

    #[test]
    fn the_decoder_gets_the_target_one_place_late() {
        let svg = encoder_decoder(&["le", "chat"], &["the", "cat"]).to_svg();
        let count = |word: &str| svg.matches(&format!(">{word}<")).count();
        assert_eq!(["le", "chat", "▶", "the", "cat", "K, V"].map(count), [1, 1, 1, 2, 1, 1], "{svg}");
        assert!(!svg.contains("? ") && encoder_decoder(&[], &[]).to_svg().ends_with("</svg>\n"));
    }

    #[test]
    fn each_sees_what_it_may() {
        let svg = what_each_sees(&["a", "b", "c"], &["x", "y"], &["▶", "z"]).to_svg();
        let blocks: Vec<usize> = svg
            .lines()
            .filter(|l| l.starts_with("<path fill=\"#") && l.contains("crispEdges"))
            .map(|l| l.matches('z').count())
            .collect();
        // GPT: 3 no, 6 yes; BERT: 9 yes; T5: 5 no (the decoder to the encoder, and the future), 11 yes.
        assert_eq!(blocks, [3, 6, 9, 5, 11], "{svg}");
    }
}
