//! Numbers as a reader writes them: 1,234.5 in English, 1 234,5 in French.
//!
//! Pictures and tables write many numbers, so which marks they use is not told to each: [`with_marks`] sets it for all
//! that is drawn within, on this thread.

use std::cell::Cell;

/// The marks in a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Between groups of three digits of the whole part.
    pub thousands: char,
    /// Before the decimals.
    pub decimal: char,
}

thread_local! {
    static MARKS: Cell<Marks> = const { Cell::new(Marks { thousands: ',', decimal: '.' }) };
}

/// Runs this with these marks in every number that it writes.
pub fn with_marks<T>(marks: Marks, f: impl FnOnce() -> T) -> T {
    /// Puts the marks back, even after a panic.
    struct Before(Marks);
    impl Drop for Before {
        fn drop(&mut self) {
            MARKS.set(self.0);
        }
    }
    let _before = Before(MARKS.replace(marks));
    f()
}

/// A number with its thousands apart, and a true minus sign.
pub fn number(value: f64, decimals: usize) -> String {
    let digits = marked(&format!("{:.decimals$}", value.abs()));
    if value < 0.0 && digits.bytes().any(|b| (b'1'..=b'9').contains(&b)) { format!("−{digits}") } else { digits }
}

/// A whole number with its thousands apart: 6084608 → 6,084,608.
pub fn group(n: usize) -> String {
    marked(&n.to_string())
}

/// A time in its two largest units: 75 → "1 min 15 s".
pub fn duration(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match (s / 3600, s / 60 % 60, s % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

/// The digits of a number as Rust prints it, with our marks: its whole part is cut into thousands.
fn marked(digits: &str) -> String {
    let marks = MARKS.get();
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(marks.thousands);
        }
        out.push(digit);
    }
    out.extend(rest.chars().map(|c| if c == '.' { marks.decimal } else { c }));
    out
}

/// A number that Rust printed with a point, such as `1.5e-3`, with our decimal mark.
pub fn pointed(text: &str) -> String {
    text.replace('.', &MARKS.get().decimal.to_string())
}

/// A cell of a table with our marks. A cell that holds a number (`is_number`) may have a sign and a unit, and whole
/// numbers from five digits on are cut into thousands; in any other text only a lone number with two decimals or more
/// is taken for one, for "Llama 3.1" is a name.
pub fn cell(text: &str, is_number: bool) -> String {
    let digit = |c: char| c.is_ascii_digit();
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(digit) {
        let before = rest[..start].chars().next_back().or(out.chars().next_back());
        let tail = &rest[start..];
        let whole = tail.find(|c| !digit(c)).unwrap_or(tail.len());
        let decimals = tail[whole..].strip_prefix('.').map_or(0, |d| d.find(|c| !digit(c)).unwrap_or(d.len()));
        let end = whole + if decimals > 0 { decimals + 1 } else { 0 };
        let after = tail[end..].chars().next();
        // Digits that go on after a mark, a letter or a hyphen belong to a name or are cut up already.
        let lone = !before.is_some_and(|c| c.is_alphanumeric() || ".,_\u{202F}".contains(c))
            && !after.is_some_and(|c| c.is_alphabetic() && c != 'e' || c == '_' || c == '\u{202F}')
            && !tail[end..].strip_prefix([',', '.']).is_some_and(|next| next.starts_with(digit));
        out.push_str(&rest[..start]);
        match lone {
            true if is_number && whole >= 5 => out.push_str(&marked(&tail[..end])),
            true if is_number || decimals >= 2 => out.push_str(&pointed(&tail[..end])),
            _ => out.push_str(&tail[..end]),
        }
        rest = &tail[end..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRENCH: Marks = Marks { thousands: '\u{202F}', decimal: ',' };

    #[test]
    fn numbers_have_the_marks_of_their_language_and_then_the_old_ones_again() {
        let both = |value, decimals| (number(value, decimals), with_marks(FRENCH, || number(value, decimals)));
        assert_eq!(both(1234.5, 1), ("1,234.5".into(), "1\u{202F}234,5".into()));
        assert_eq!(both(-0.25, 2), ("−0.25".into(), "−0,25".into()));
        assert_eq!(both(-0.001, 2), ("0.00".into(), "0,00".into()));
        assert_eq!(both(1e6, 0), ("1,000,000".into(), "1\u{202F}000\u{202F}000".into()));
        let _ = std::panic::catch_unwind(|| with_marks(FRENCH, || panic!("inside")));
        assert_eq!(number(0.5, 1), "0.5");
    }

    #[test]
    fn counts_and_times_are_easy_to_read() {
        assert_eq!([0, 999, 1000, 6_084_608].map(group), ["0", "999", "1,000", "6,084,608"]);
        assert_eq!(with_marks(crate::Lang::Fr.marks(), || group(1000)), "1\u{202F}000");
        assert_eq!([7.4, 75.0, 3660.0].map(duration), ["7 s", "1 min 15 s", "1 h 01 min"]);
    }

    #[test]
    fn cells_are_rewritten_where_they_hold_numbers() {
        let french = |text: &str, is_number| with_marks(FRENCH, || cell(text, is_number));
        for (text, written) in [
            ("2.607", "2,607"),
            ("−10.1", "−10,1"),
            ("12.5 MB", "12,5 MB"),
            ("119250", "119\u{202F}250"),
            ("1000", "1000"),
            ("1.5e-3", "1,5e-3"),
            ("0.123456", "0,123456"),
            ("1\u{202F}024", "1\u{202F}024"),
            ("2,5", "2,5"),
            ("100 %", "100 %"),
            ("", ""),
        ] {
            assert_eq!(french(text, true), written, "{text}");
        }
        for same in ["Llama 3.1", "v0.22", "3 blind mice", "GPT-2", "F0 9F 99 82", "1.2.3", "10000 mots"] {
            assert_eq!(french(same, false), same);
        }
        assert_eq!(french("art 0.77, hast 0.66", false), "art 0,77, hast 0,66");
        assert_eq!((cell("119250", true), cell("2.607", true)), ("119,250".into(), "2.607".into()));
    }
}
