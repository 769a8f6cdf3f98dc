//! Pictures of notebook 03: recurrence and attention.

use crate::numbers::{number, with_marks};
use crate::plot::{Arrow, Bars, Diagram, Frames, HeatMap, Item, Panels, Vectors};
use crate::{lang, tr};

/// `h` with a small number below it: h₁₂.
fn indexed(name: &str, i: usize) -> String {
    let digit = |d: char| char::from_u32(0x2080 + d.to_digit(10).unwrap_or(0)).unwrap_or(d);
    format!("{name}{}", i.to_string().chars().map(digit).collect::<String>())
}

/// A recurrent network along a text: each state comes from the one before and from a word, by the same weights.
///
/// ```
/// use motamot_course::{figures, show, tr};
///
/// show(&figures::unrolled_rnn(&tr(["Marie", "lit", "un", "roman"], ["Mary", "reads", "a", "novel"])));
/// ```
pub fn unrolled_rnn(words: &[&str]) -> Diagram {
    let n = words.len();
    let (h, x, y) = (|t| indexed("h", t), |t| indexed("x", t), |t| indexed("y", t));
    Diagram::new(tr("Un RNN déroulé dans le temps", "An RNN unrolled in time"))
        .row([Item::gap()].into_iter().chain((1..=n).map(|t| Item::new(y(t)))))
        .row((0..=n).map(|t| Item::new(h(t)).color(0)))
        .row([Item::gap()].into_iter().chain((1..=n).map(|t| Item::new(x(t)))))
        .row([Item::gap()].into_iter().chain(words.iter().enumerate().map(|(t, w)| Item::text(*w).id(format!("w{t}")))))
        .arrows((1..=n).map(|t| (h(t - 1), h(t), "W")))
        .arrows((1..=n).map(|t| (x(t), h(t), "U")))
        .arrows((1..=n).map(|t| (h(t), y(t), "V")))
        .arrows((1..=n).map(|t| Arrow::new(format!("w{}", t - 1), x(t)).dashed()))
}

/// One head of attention with the shapes of its matrices: queries, keys and values from the same `X`, scores, weights,
/// mixtures.
///
/// ```
/// use motamot_course::{figures, show};
///
/// show(&figures::query_key_value());
/// ```
pub fn query_key_value() -> Diagram {
    let (t, wide, d) = (4, 5, 3);
    let projected = |name: &str, color: usize| Item::matrix(name, t, d).shape("(T, d)").color(color);
    Diagram::new(tr("Requêtes, clés, valeurs", "Queries, keys, values"))
        .row([Item::gap(), projected("Q", 0)])
        .row([
            Item::matrix("X", t, wide).shape("(T, D)"),
            projected("K", 2),
            Item::matrix("Q·Kᵀ/√d", t, t).shape("(T, T)").id("S"),
            Item::matrix("P", t, t).shape("(T, T)").color(1),
            projected("P·V", 3).id("Y"),
        ])
        .row([Item::gap(), projected("V", 3)])
        .arrows([("X", "Q", "W_Q"), ("X", "K", "W_K"), ("X", "V", "W_V")])
        .arrows([("Q", "S", ""), ("K", "S", ""), ("S", "P", "softmax"), ("P", "Y", "")])
        .arrows([Arrow::new("V", "Y").elbow()])
}

/// One query worked out: its score with each word's key, the weights, and the mixture of the values. `keys` and `values`
/// hold a row for each word.
///
/// ```
/// use motamot_course::{figures, show};
///
/// let (keys, values) = ([[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 4.0]]);
/// show(&figures::one_query(&["Mary", "she"], &[2.0, 0.0], &keys, &[2.0, 0.0], &[0.88, 0.12], &values, &[1.76, 0.48]));
/// ```
pub fn one_query<K: AsRef<[f64]>, V: AsRef<[f64]>>(
    words: &[&str],
    query: &[f64],
    keys: &[K],
    scores: &[f64],
    weights: &[f64],
    values: &[V],
    mixture: &[f64],
) -> Diagram {
    let n = words.len();
    let flat = |name: &str, rows: Vec<f64>, decimals| {
        Item::matrix(name, n, rows.len() / n.max(1)).numbers(rows, decimals).row_names(words.to_vec())
    };
    let keys: Vec<f64> = keys.iter().flat_map(|k| k.as_ref().iter().copied()).collect();
    let values: Vec<f64> = values.iter().flat_map(|v| v.as_ref().iter().copied()).collect();
    let line = |name: &str, numbers: &[f64], decimals| {
        Item::matrix(name, 1, numbers.len()).numbers(numbers.iter().copied(), decimals)
    };
    let column =
        |name: &str, numbers: &[f64], decimals| Item::matrix(name, n, 1).numbers(numbers.iter().copied(), decimals);
    Diagram::new(tr("Une seule requête, en nombres", "A single query, in numbers"))
        .row([
            line(tr("requête q", "query q"), query, 1).id("q").color(0),
            Item::gap(),
            Item::gap(),
            flat(tr("valeurs V", "values V"), values, 1).id("v").color(3),
        ])
        .row([
            flat(tr("clés K", "keys K"), keys, 1).id("k").color(2),
            column("scores", scores, 1),
            column(tr("poids", "weights"), weights, 2).id("p").color(1),
            line(tr("mélange", "mixture"), mixture, 2).id("y").color(3),
        ])
        .arrows([
            ("q", "scores", ""),
            ("k", "scores", "q · k"),
            ("scores", "p", "softmax"),
            ("p", "y", "Σ p·v"),
            ("v", "y", ""),
        ])
}

/// The weights of attention: a row for each word that looks, a column for each that is looked at.
///
/// ```
/// use motamot_course::{figures, show, tr};
///
/// let words = tr(["Marie", "rit"], ["Mary", "laughs"]);
/// show(&figures::who_looks(tr("Qui regarde qui", "Who looks at whom"), &words, &[1.0, 0.0, 0.8, 0.2]));
/// ```
pub fn who_looks(title: &str, words: &[&str], weights: &[f64]) -> HeatMap {
    HeatMap::new(title, words.len(), words.len(), weights.iter().copied())
        .row_labels(words.to_vec())
        .column_labels(words.to_vec())
        .y_label(tr("requête", "query"))
        .x_label(tr("clé", "key"))
        .range(0.0, 1.0)
        .digits(2)
}

/// A query that turns and grows among fixed keys: each step is the query, its weights and its answer. Left the query and
/// the keys in the plane, right the weights.
///
/// ```
/// use motamot_course::{figures, show, tr};
///
/// let keys = [[3.0, 0.0], [0.0, 3.0]];
/// let names = tr(["clé est", "clé nord"], ["key east", "key north"]);
/// let steps = [0.0f64, 45.0, 90.0].map(|angle| {
///     let query = [angle.to_radians().cos(), angle.to_radians().sin()];
///     (query, vec![0.5, 0.5], 12.5) // soft_lookup(&query, &keys, &values)
/// });
/// show(&figures::turning_query(&names, &keys, &steps));
/// ```
pub fn turning_query(names: &[&str], keys: &[[f64; 2]], steps: &[([f64; 2], Vec<f64>, f64)]) -> Frames {
    let longest = |v: &[f64; 2]| v[0].hypot(v[1]);
    let reach = 1.15 * keys.iter().chain(steps.iter().map(|s| &s.0)).map(longest).fold(0.0, f64::max);
    steps.iter().fold(Frames::new(), |frames, (query, weights, answer)| {
        let plane = keys
            .iter()
            .zip(names)
            .fold(Vectors::new("").reach(reach), |plane, (key, name)| plane.arrow(key[0], key[1], *name, 0));
        let bars = Bars::new("", "", tr("poids", "weight"), names.to_vec()).group("", weights.clone());
        let picture = Panels::new(2)
            .add(plane.arrow(query[0], query[1], "q", 1).size(190, 210))
            .add(bars.digits(2).reference(1.0, "").size(200, 210));
        let (angle, length) = (query[1].atan2(query[0]).to_degrees().rem_euclid(360.0), longest(query));
        let written = |value: f64, decimals| with_marks(lang().marks(), || number(value, decimals));
        let caption = format!(
            "{} {}°, {} {} → {}",
            tr("angle", "angle"),
            written(angle, 0),
            tr("longueur", "length"),
            written(length, 1),
            written(*answer, 1)
        );
        frames.picture(picture, caption)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rich;
    use crate::plot::Picture;

    #[test]
    fn each_state_of_an_rnn_comes_from_the_one_before() {
        let svg = unrolled_rnn(&["a"; 12]).to_svg();
        assert!(svg.contains("h₀ → h₁ (W)") && svg.contains("h₁₁ → h₁₂ (W)") && svg.contains("x₁₂ → h₁₂ (U)"), "{svg}");
        assert!(!svg.contains(">? ") && unrolled_rnn(&[]).to_svg().ends_with("</svg>\n"));
    }

    #[test]
    fn attention_shows_its_shapes() {
        let svg = query_key_value().to_svg();
        assert_eq!((svg.matches(">(T, d)<").count(), svg.matches(">(T, T)<").count()), (4, 2));
        assert!(svg.contains("X (T, D) → Q (T, d) (W_Q)") && !svg.contains(">? "), "{svg}");
    }

    #[test]
    fn a_query_is_worked_out_in_numbers() {
        let (keys, values) = ([[1.0, 0.5], [0.0, 1.0]], [[2.0], [4.0]]);
        let svg =
            one_query(&["Mary", "she"], &[2.0, 0.0], &keys, &[2.0, 0.0], &[0.88, 0.12], &values, &[2.24]).to_svg();
        for part in [">0.5<", ">0.88<", ">0.12<", ">2.24<", ">4.0<", ">Mary<"] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
        assert!(!svg.contains(">? "));
        assert!(one_query::<[f64; 1], [f64; 1]>(&[], &[], &[], &[], &[], &[], &[]).to_svg().ends_with("</svg>\n"));
    }

    #[test]
    fn weights_have_their_words() {
        let svg = who_looks("", &["Mary", "laughs"], &[1.0, 0.0, 0.75, 0.25]).to_svg();
        assert_eq!([">Mary<", ">laughs<", ">0.75<"].map(|text| svg.matches(text).count()), [2, 2, 1], "{svg}");
    }

    #[test]
    fn a_query_turns_from_frame_to_frame() {
        let steps = [([0.0, 1.0], vec![0.25, 0.75], 7.5), ([-2.0, 0.0], vec![1.0, 0.0], 3.5)];
        let frames = turning_query(&["east", "north"], &[[3.0, 0.0], [0.0, 3.0]], &steps);
        let svg = with_marks(lang().marks(), || frames.content());
        let [one, two, seven, three, weight] = [(1.0, 1), (2.0, 1), (7.5, 1), (3.5, 1), (0.75, 2)]
            .map(|(v, n)| with_marks(lang().marks(), || number(v, n)));
        assert_eq!(frames.len(), 2);
        for part in [
            format!(" 90°, {} {one} → {seven}<", tr("longueur", "length")),
            format!(" {two} → {three}<"),
            format!(">{weight}<"),
        ] {
            assert!(svg.contains(&part), "{part} in {svg}");
        }
    }
}
