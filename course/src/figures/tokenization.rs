//! Pictures of notebook 01: merges.

use crate::html::{Table, Tokens, visible};
use crate::plot::{Diagram, Frames, Item};
use crate::tr;

/// What a token stands for: a byte, or its two halves.
fn spelled(id: u32, merges: &[(u32, u32)]) -> Vec<u8> {
    match id.checked_sub(256).and_then(|i| merges.get(i as usize)) {
        // A merge is of tokens made before it.
        Some(&(left, right)) if left < id && right < id => [spelled(left, merges), spelled(right, merges)].concat(),
        _ => vec![id as u8],
    }
}

fn text(id: u32, merges: &[(u32, u32)]) -> String {
    String::from_utf8_lossy(&spelled(id, merges)).into_owned()
}

/// A text after each merge, with the newest token in colour. `stages[k]` is the text after `k` merges, of bytes and of
/// tokens whose ids begin at 256; `shown` says which of them.
///
/// ```
/// use motamot_course::{figures, show};
///
/// let stages = vec![b"abab".map(u32::from).to_vec(), vec![256, 256]];
/// show(&figures::merges(&stages, &[(97, 98)], 0..=1));
/// ```
pub fn merges(stages: &[Vec<u32>], merges: &[(u32, u32)], shown: impl IntoIterator<Item = usize>) -> Frames {
    let shown = shown.into_iter().filter_map(|k| Some((k, stages.get(k)?)));
    shown.fold(Frames::new(), |frames, (k, ids)| {
        let newest = (k > 0).then_some(255 + k as u32);
        let piece = |id: &u32| (text(*id, merges), id.to_string());
        let count = format!("{} {}", ids.len(), tr("jetons", "tokens"));
        let caption = match k.checked_sub(1).and_then(|i| merges.get(i)) {
            None => format!("{}, {count}", tr("les octets", "the bytes")),
            Some(&(left, right)) => {
                let [left, right] = [left, right].map(|id| visible(&text(id, merges)));
                format!("{k}. {left} + {right} → {left}{right}, {count}")
            }
        };
        let tokens = Tokens::new(ids.iter().map(piece));
        frames.html(tokens.highlight(|i| Some(ids[i]) == newest), caption)
    })
}

/// A row for each merge: its halves, how often it was seen, what it makes, how many tokens are left. `counts` says how
/// often each pair was seen; the rest is as in [`merges`].
///
/// ```
/// use motamot_course::{figures, show};
///
/// let stages = vec![b"abab".map(u32::from).to_vec(), vec![256, 256]];
/// show(&figures::merge_table(&stages, &[(97, 98)], &[2]));
/// ```
pub fn merge_table(stages: &[Vec<u32>], merges: &[(u32, u32)], counts: &[usize]) -> Table {
    let table = Table::of([
        ("fusion", "merge"),
        ("gauche", "left"),
        ("droite", "right"),
        ("vue", "seen"),
        ("donne", "makes"),
        ("numéro", "id"),
        ("jetons restants", "tokens left"),
    ]);
    let rows = merges.iter().zip(counts).zip(stages.iter().skip(1)).enumerate();
    rows.fold(table, |table, (k, ((&(left, right), seen), ids))| {
        let id = 256 + k;
        let [left, right, made] = [left, right, id as u32].map(|id| visible(&text(id, merges)));
        table.row([(k + 1).to_string(), left, right, seen.to_string(), made, id.to_string(), ids.len().to_string()])
    })
}

/// What a token was made of: its two halves below it, theirs below them, down to the bytes.
///
/// ```
/// use motamot_course::{figures, show};
///
/// // b e t t e r: t + t, e + r, tt + er.
/// let merges = [(116, 116), (101, 114), (256, 257)];
/// show(&figures::merge_tree(258, &merges));
/// ```
pub fn merge_tree(token: u32, merges: &[(u32, u32)]) -> Diagram {
    let mut diagram = Diagram::new("");
    // A row at a time, from left to right: the tokens of this depth, and gaps under what is not divided any more.
    let mut row: Vec<(Option<u32>, String)> = vec![(Some(token), "t".into())];
    let mut arrows = Vec::new();
    while row.iter().any(|node| node.0.is_some()) {
        let mut below = Vec::new();
        let mut items = Vec::new();
        for (id, name) in &row {
            let Some(id) = *id else {
                items.push(Item::gap());
                below.push((None, String::new()));
                continue;
            };
            let leaves = spelled(id, merges).len();
            let halves = id.checked_sub(256).and_then(|i| merges.get(i as usize)).filter(|_| leaves > 1);
            let label = visible(&text(id, merges));
            let item = if halves.is_some() { Item::new(format!("{label} {id}")).color(0) } else { Item::new(label) };
            // Narrow: in the middle of its bytes, not as wide as they are.
            items.push(item.id(name.clone()).wide(leaves).fitted());
            match halves {
                Some(&(left, right)) => {
                    for (half, side) in [(left, "l"), (right, "r")] {
                        arrows.push((name.clone(), format!("{name}{side}")));
                        below.push((Some(half), format!("{name}{side}")));
                    }
                }
                None => below.push((None, String::new())),
            }
        }
        diagram = diagram.row(items);
        row = below;
    }
    diagram.arrows(arrows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rich;
    use crate::plot::Picture;

    const MERGES: [(u32, u32); 3] = [(116, 116), (101, 114), (256, 257)];

    #[test]
    fn the_newest_token_is_in_colour() {
        let stages = vec![b" tter".map(u32::from).to_vec(), vec![32, 256, 101, 114], vec![32, 256, 257], vec![32, 258]];
        let frames = merges(&stages, &MERGES, [0, 1, 3, 99]);
        let html = frames.content();
        assert_eq!(html.matches("font-weight:bold\">").count(), 2, "{html}");
        assert!(html.contains("font-weight:bold\">tt<") && html.contains("font-weight:bold\">tter<"));
        assert!(html.contains("1. t + t → tt, 4 ") && html.contains("3. tt + er → tter, 2 ") && html.contains(">␣<"));
    }

    #[test]
    fn a_row_says_what_a_merge_does() {
        let stages = vec![b" tter".map(u32::from).to_vec(), vec![32, 256, 101, 114], vec![32, 256, 257], vec![32, 258]];
        let text = merge_table(&stages, &MERGES, &[1, 7, 1]).text();
        let row: Vec<&str> = text.lines().nth(3).unwrap().split_whitespace().collect();
        assert_eq!(row, ["2", "e", "r", "7", "er", "257", "3"], "{text}");
        assert_eq!(text.lines().count(), 5);
    }

    #[test]
    fn a_tree_has_each_byte_and_each_merge() {
        let svg = merge_tree(258, &MERGES).to_svg();
        for (text, times) in [(">tter 258<", 1), (">tt 256<", 1), (">er 257<", 1), (">t<", 2), (">e<", 1), (">r<", 1)] {
            assert_eq!(svg.matches(text).count(), times, "{text} in {svg}");
        }
        assert_eq!(svg.lines().filter(|l| l.starts_with("<path fill=\"none\"")).count(), 6, "arrows");
        assert!(merge_tree(97, &[]).to_svg().contains(">a<"));
        assert!(merge_tree(256, &[(256, 256)]).to_svg().ends_with("</svg>\n"), "a merge of itself is none");
    }
}
