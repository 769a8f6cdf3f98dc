//! The last tenth of a text is for validation.

use crate::utils::{Error, Result};

/// A text in two parts: what is learned from, and what is only ever scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split<'a> {
    /// The first 90 % of the bytes.
    pub train: &'a [u8],
    /// The last 10 %.
    pub val: &'a [u8],
}

/// Cuts at byte ⌊0.9·n⌋, moved back to the start of a UTF-8 character; nothing is lost: train ‖ val is the text.
///
/// The cut is made before any tokenizer is trained, so that no part of one has seen the validation text.
pub fn split(text: &[u8]) -> Result<Split<'_>> {
    let cut = (text.len() as f64 * 0.9) as usize;
    // A character has at most three continuation bytes; more of them are no UTF-8, and any cut will do.
    let back = (0..=cut.min(3)).find(|back| !is_continuation(text.get(cut - back)));
    let cut = cut - back.unwrap_or(0);
    let (train, val) = text.split_at(cut);
    if train.is_empty() || val.is_empty() {
        let (n, bytes) = (text.len(), if text.len() == 1 { "byte" } else { "bytes" });
        return Err(Error::new(format!("the text has {n} {bytes}: too short to keep the last 10 % for validation"))
            .help("use a longer text: a few thousand characters for a first try, a megabyte to learn something"));
    }
    Ok(Split { train, val })
}

fn is_continuation(byte: Option<&u8>) -> bool {
    byte.is_some_and(|b| b & 0b1100_0000 == 0b1000_0000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cut_is_at_nine_tenths_of_the_bytes() {
        let text: Vec<u8> = (0..115).map(|i| b'a' + i % 26).collect();
        let s = split(&text).unwrap();
        assert_eq!((s.train.len(), s.val.len()), (103, 12));
        assert_eq!(split(b"ab").unwrap(), Split { train: b"a", val: b"b" });
    }

    #[test]
    fn no_character_is_cut_in_two() {
        for text in ["é".repeat(37), "한국어 ".repeat(11), "🎭".repeat(13), "a🎭é한".repeat(9)] {
            for n in text.char_indices().map(|(i, _)| i).skip(3) {
                let text = &text.as_bytes()[..n];
                let s = split(text).unwrap();
                assert!(std::str::from_utf8(s.train).is_ok() && std::str::from_utf8(s.val).is_ok());
                assert_eq!([s.train, s.val].concat(), text);
                assert!((text.len() as f64 * 0.9) as usize - s.train.len() <= 3);
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_cut_all_the_same() {
        let s = split(&[0x80; 100]).unwrap();
        assert_eq!(s.train.len(), 90);
    }

    #[test]
    fn a_text_that_cannot_be_cut_is_refused() {
        for text in ["", "a", "é", "🎭"] {
            let err = split(text.as_bytes()).unwrap_err();
            assert!(err.to_string().contains(&format!("{} byte", text.len())) && err.help_line().is_some());
        }
    }
}
