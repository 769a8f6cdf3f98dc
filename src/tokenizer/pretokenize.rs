//! GPT-2's pre-tokenisation: text is cut into words before byte pairs are merged, so that no token crosses a word.
//!
//! The rule is the regular expression
//! `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+` (Radford et al. 2019),
//! scanned here by hand, over bytes: a byte that is not valid UTF-8 counts as a one-byte symbol, so that any byte
//! sequence can be cut, and valid text is cut exactly where the expression cuts it.

use std::sync::atomic::{AtomicUsize, Ordering};
use unicode_general_category::{GeneralCategory, get_general_category};

/// What the expression asks of a character.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
    /// Not ASCII: the character has to be decoded.
    Wide,
}

const CLASS: [Class; 256] = {
    let mut table = [Class::Other; 256];
    let mut b = 0;
    while b < 256 {
        let byte = b as u8;
        if byte.is_ascii_alphabetic() {
            table[b] = Class::Letter;
        } else if byte.is_ascii_digit() {
            table[b] = Class::Number;
        } else if matches!(byte, b'\t'..=b'\r' | b' ') {
            table[b] = Class::Space;
        } else if byte >= 0x80 {
            table[b] = Class::Wide;
        }
        b += 1;
    }
    table
};

/// The end of the pre-token that starts at `start` (`start < text.len()`).
#[inline]
pub(super) fn next_end(text: &[u8], start: usize) -> usize {
    let first = text[start];
    let mut i = start;
    match CLASS[first as usize] {
        Class::Letter => return run_end(text, start + 1, Class::Letter),
        Class::Space if first == b' ' && start + 1 < text.len() => {
            // ' ' joins the run that follows it, unless that is white space.
            i = start + 1;
            if CLASS[text[i] as usize] == Class::Letter {
                return run_end(text, i + 1, Class::Letter);
            }
        }
        Class::Other if first == b'\'' => {
            if let Some(end) = contraction(text, start) {
                return end;
            }
        }
        _ => {}
    }
    let (class, len) = class_at(text, i);
    if class == Class::Space { space_end(text, start) } else { run_end(text, i + len, class) }
}

/// The end of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` at `start`, where a quote stands.
fn contraction(text: &[u8], start: usize) -> Option<usize> {
    match (text.get(start + 1), text.get(start + 2)) {
        (Some(b's' | b't' | b'm' | b'd'), _) => Some(start + 2),
        (Some(b'r' | b'v'), Some(b'e')) | (Some(b'l'), Some(b'l')) => Some(start + 3),
        _ => None,
    }
}

/// The end of the run of characters of `class` that goes on at `i`.
#[inline]
fn run_end(text: &[u8], mut i: usize, class: Class) -> usize {
    while i < text.len() {
        let here = CLASS[text[i] as usize];
        if here == class {
            i += 1;
        } else if here == Class::Wide {
            let (wide, len) = wide_at(text, i);
            if wide != class {
                break;
            }
            i += len;
        } else {
            break;
        }
    }
    i
}

/// White space gives its last character to the word that follows: `\s+(?!\S)|\s+`.
fn space_end(text: &[u8], start: usize) -> usize {
    let (mut i, mut last) = (start, start);
    while i < text.len() {
        let (class, len) = class_at(text, i);
        if class != Class::Space {
            return if last > start { last } else { i };
        }
        last = i;
        i += len;
    }
    i
}

#[inline]
fn class_at(text: &[u8], i: usize) -> (Class, usize) {
    match CLASS[text[i] as usize] {
        Class::Wide => wide_at(text, i),
        class => (class, 1),
    }
}

fn wide_at(text: &[u8], i: usize) -> (Class, usize) {
    let Some((c, len)) = decode(text, i) else { return (Class::Other, 1) };
    // The blocks that most non-English text is made of, before the general table.
    let class = match c as u32 {
        0xC0..=0xD6 | 0xD8..=0xF6 | 0xF8..=0x2C1 | 0xAC00..=0xD7A3 | 0x4E00..=0x9FFF => Class::Letter,
        _ if c.is_whitespace() => Class::Space,
        _ => match get_general_category(c) {
            GeneralCategory::UppercaseLetter
            | GeneralCategory::LowercaseLetter
            | GeneralCategory::TitlecaseLetter
            | GeneralCategory::ModifierLetter
            | GeneralCategory::OtherLetter => Class::Letter,
            GeneralCategory::DecimalNumber | GeneralCategory::LetterNumber | GeneralCategory::OtherNumber => {
                Class::Number
            }
            _ => Class::Other,
        },
    };
    (class, len)
}

/// The character of more than one byte that starts at `i`, and its length; `None` if these bytes are not UTF-8.
fn decode(text: &[u8], i: usize) -> Option<(char, usize)> {
    let more = |k: usize| text.get(i + k).filter(|b| **b & 0xC0 == 0x80).map(|b| (*b & 0x3F) as u32);
    let lead = text[i] as u32;
    let (code, len, least) = match lead {
        0xC2..=0xDF => ((lead & 0x1F) << 6 | more(1)?, 2, 0x80),
        0xE0..=0xEF => ((lead & 0x0F) << 12 | more(1)? << 6 | more(2)?, 3, 0x800),
        0xF0..=0xF4 => ((lead & 0x07) << 18 | more(1)? << 12 | more(2)? << 6 | more(3)?, 4, 0x10000),
        _ => return None,
    };
    if code < least { None } else { char::from_u32(code).map(|c| (c, len)) }
}

/// Calls `f` with every pre-token of `text`, in order; together they are the whole text.
pub fn for_each_pre_token<'a>(text: &'a [u8], mut f: impl FnMut(&'a [u8])) {
    let mut start = 0;
    while start < text.len() {
        let end = next_end(text, start);
        f(&text[start..end]);
        start = end;
    }
}

/// The pre-tokens of `text`: `["The", " king", "'s", " men"]`.
pub fn pre_tokens(text: &[u8]) -> Vec<&[u8]> {
    let mut words = Vec::new();
    for_each_pre_token(text, |word| words.push(word));
    words
}

/// Cuts `text` into at most `parts` pieces of similar length, each of which can be pre-tokenised on its own.
///
/// White space after something else always starts a pre-token, and the expression never looks back: such places are
/// safe. Text without any stays in one piece.
pub(super) fn safe_pieces(text: &[u8], parts: usize) -> Vec<&[u8]> {
    let mut pieces = Vec::with_capacity(parts);
    let mut start = 0;
    for k in 1..parts {
        let goal = (text.len() / parts * k).max(start + 1);
        let cut = (goal..text.len()).find(|&i| {
            // ASCII on both sides: no need to decode the character before.
            CLASS[text[i] as usize] == Class::Space
                && !matches!(CLASS[text[i - 1] as usize], Class::Space)
                && (text[i - 1] < 0x80 || !wide_space_ends_at(text, i))
        });
        let Some(cut) = cut else { break };
        pieces.push(&text[start..cut]);
        start = cut;
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

/// Whether the character that ends just before `i` is white space beyond ASCII.
fn wide_space_ends_at(text: &[u8], i: usize) -> bool {
    (2..=4).any(|len| {
        i >= len && text[i - len] >= 0xC0 && decode(text, i - len).is_some_and(|(c, l)| l == len && c.is_whitespace())
    })
}

/// As many threads as the machine offers, within reason.
pub(super) fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(16))
}

/// `safe_pieces` handed out to `threads`; what `work` made of each comes back in the order of the text.
///
/// There are more pieces than threads, so that a thread that is held up does not hold up all.
pub(super) fn in_parallel<'a, R: Send>(text: &'a [u8], threads: usize, work: impl Fn(&'a [u8]) -> R + Sync) -> Vec<R> {
    /// Below this a thread costs more than it saves.
    const LEAST_PER_THREAD: usize = 128 << 10;
    /// Below this a piece more costs more than it saves.
    const LEAST_PER_PIECE: usize = 1 << 20;
    const PIECES_PER_THREAD: usize = 8;
    let threads = threads.min(text.len() / LEAST_PER_THREAD).max(1);
    if threads == 1 {
        return vec![work(text)];
    }
    let pieces = safe_pieces(text, (text.len() / LEAST_PER_PIECE).clamp(threads, PIECES_PER_THREAD * threads));
    let next = AtomicUsize::new(0);
    let run = || {
        let taken = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|i| *i < pieces.len()));
        taken.map(|i| (i, work(pieces[i]))).collect::<Vec<_>>()
    };
    let mut done = std::thread::scope(|scope| {
        let handles: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut done = run();
        for handle in handles {
            done.extend(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        pre_tokens(text.as_bytes()).into_iter().map(|w| std::str::from_utf8(w).unwrap()).collect()
    }

    #[test]
    fn cuts_like_gpt2() {
        assert_eq!(words("The king's men, 1599!?"), ["The", " king", "'s", " men", ",", " 1599", "!?"]);
        assert_eq!(words("a  b\n\n c \n"), ["a", " ", " b", "\n\n", " c", " \n"]);
        assert_eq!(words("'tis we'll 'LL"), ["'t", "is", " we", "'ll", " '", "LL"]);
        assert_eq!(words("l'été ½ 한국어"), ["l", "'", "été", " ½", " 한국어"]);
        assert_eq!(words("x\u{a0}\u{a0}y \u{3000}z"), ["x", "\u{a0}", "\u{a0}", "y", " ", "\u{3000}", "z"]);
        assert!(words("").is_empty());
    }

    #[test]
    fn any_bytes_are_covered() {
        let bytes: Vec<u8> = (0..=255).rev().chain(0..=255).collect();
        assert_eq!(pre_tokens(&bytes).concat(), bytes);
        assert_eq!(pre_tokens(b"a\xff\xfe b\xe2\x82"), [&b"a"[..], b"\xff\xfe", b" b", b"\xe2\x82"]);
    }

    #[test]
    fn safe_pieces_change_no_word() {
        let text = "First Citizen:\n\n  We're here. été\u{a0}\u{2003} 한국 \t x'll  \n\n\nok 12 ".repeat(9);
        let text = text.as_bytes();
        for parts in 1..40 {
            let apart: Vec<&[u8]> = safe_pieces(text, parts).into_iter().flat_map(pre_tokens).collect();
            assert_eq!(apart, pre_tokens(text), "{parts} parts");
        }
    }

    #[test]
    fn threads_hand_back_the_pieces_in_order() {
        // Large enough for more pieces than threads.
        let text = "First Citizen:\n  We're here, été 12. ".repeat(80_000);
        for threads in [1, 2, 3, 5] {
            let pieces = in_parallel(text.as_bytes(), threads, |piece| piece);
            assert!(pieces.len() >= threads, "{threads}");
            assert_eq!(pieces.concat(), text.as_bytes(), "{threads}");
        }
    }
}
