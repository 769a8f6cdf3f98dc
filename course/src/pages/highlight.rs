//! Rust code cut into what deserves a colour of its own. Every byte of the code is in exactly one piece.

/// What a piece of code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Names, operators, spaces.
    Plain,
    /// `fn`, `let`, …
    Keyword,
    /// `f32`, `Vec`, `String`, …
    Type,
    /// `println!`, …
    Macro,
    /// Texts and characters.
    Text,
    /// Numbers.
    Number,
    /// Comments.
    Comment,
}

const KEYWORDS: [&str; 37] = [
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern", "false", "fn",
    "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "type", "unsafe", "use", "where", "while",
];
const TYPES: [&str; 17] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16", "u32", "u64", "u128",
    "usize",
];

/// The pieces of some Rust code, in order.
pub fn rust(code: &str) -> Vec<(Kind, &str)> {
    let mut pieces: Vec<(Kind, &str)> = Vec::new();
    let (mut at, mut plain) = (0, 0);
    while let Some(first) = code[at..].chars().next() {
        let (kind, length) = piece(&code[at..], first);
        if kind != Kind::Plain {
            if plain < at {
                pieces.push((Kind::Plain, &code[plain..at]));
            }
            pieces.push((kind, &code[at..at + length]));
            plain = at + length;
        }
        at += length;
    }
    if plain < code.len() {
        pieces.push((Kind::Plain, &code[plain..]));
    }
    pieces
}

/// Kind and length of what stands at the beginning.
fn piece(code: &str, first: char) -> (Kind, usize) {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let until = |code: &str, stop: fn(char) -> bool| code.find(stop).unwrap_or(code.len());
    if code.starts_with("//") {
        return (Kind::Comment, until(code, |c| c == '\n'));
    }
    if code.starts_with("/*") {
        return (Kind::Comment, code.find("*/").map_or(code.len(), |end| end + 2));
    }
    if first == '"' || code.starts_with("b\"") {
        return (Kind::Text, quoted(code, '"'));
    }
    if let Some(raw) = code.trim_start_matches('b').strip_prefix('r')
        && raw.trim_start_matches('#').starts_with('"')
    {
        let marks = raw.len() - raw.trim_start_matches('#').len();
        let end = format!("\"{}", &raw[..marks]);
        let open = code.len() - raw.len() + marks + 1;
        return (Kind::Text, code[open..].find(&end).map_or(code.len(), |close| open + close + end.len()));
    }
    if first == '\'' {
        // 'a' and '\n' are characters, 'a alone is a lifetime.
        let mut after = code[1..].chars();
        let character = after.next() == Some('\\') || after.next() == Some('\'');
        return if character { (Kind::Text, quoted(code, '\'')) } else { (Kind::Plain, 1) };
    }
    if first.is_ascii_digit() {
        return (Kind::Number, number(code));
    }
    if !word(first) {
        return (Kind::Plain, first.len_utf8());
    }
    let length = code.find(|c| !word(c)).unwrap_or(code.len());
    let (name, rest) = code.split_at(length);
    let kind = match name {
        _ if KEYWORDS.contains(&name) => Kind::Keyword,
        _ if rest.starts_with('!') && !rest.starts_with("!=") => return (Kind::Macro, length + 1),
        _ if TYPES.contains(&name) || (first.is_uppercase() && name.contains(char::is_lowercase)) => Kind::Type,
        _ => Kind::Plain,
    };
    (kind, length)
}

/// The length up to and with the closing mark, past what a backslash protects.
fn quoted(code: &str, mark: char) -> usize {
    let mut protected = false;
    let opening = code.find(mark).unwrap_or(0) + 1;
    for (i, c) in code[opening..].char_indices() {
        match c {
            _ if protected => protected = false,
            '\\' => protected = true,
            _ if c == mark => return opening + i + 1,
            _ => {}
        }
    }
    code.len()
}

/// `1_000`, `0xff`, `1.5e-3_f64`; not the dots of `0..3` nor the method of `1.max(2)`.
fn number(code: &str) -> usize {
    let bytes = code.as_bytes();
    let hex = code.starts_with("0x");
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        let exponent = !hex && i > 0 && bytes[i - 1].eq_ignore_ascii_case(&b'e') && matches!(byte, b'-' | b'+');
        let point = byte == b'.' && digit(i + 1);
        if !(byte.is_ascii_alphanumeric() || byte == b'_' || point || (exponent && digit(i + 1))) {
            break;
        }
        i += 1;
    }
    i
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_seen_and_nothing_is_lost() {
        let code = "let é: Vec<f32> = vec![1.5e-3_f32, 0xff]; // 'x'\nfor i in 0..3 { println!(\"{i} \\\" \u{2212}\"); }\n\
                    let c = '\\''; fn f<'a>(s: &'a str) -> bool { s != r#\"a\"b\"# && 1.max(2) == b'x' } /* fin */ V";
        let pieces = rust(code);
        assert_eq!(pieces.iter().map(|p| p.1).collect::<String>(), code);
        let of = |kind| pieces.iter().filter(|p| p.0 == kind).map(|p| p.1).collect::<Vec<_>>();
        assert_eq!(of(Kind::Keyword), ["let", "for", "in", "let", "fn"]);
        assert_eq!(of(Kind::Type), ["Vec", "f32", "str", "bool"]);
        assert_eq!(of(Kind::Macro), ["vec!", "println!"]);
        assert_eq!(of(Kind::Number), ["1.5e-3_f32", "0xff", "0", "3", "1", "2"]);
        assert_eq!(of(Kind::Text), ["\"{i} \\\" \u{2212}\"", "'\\''", "r#\"a\"b\"#", "'x'"]);
        assert_eq!(of(Kind::Comment), ["// 'x'", "/* fin */"]);
    }

    #[test]
    fn unfinished_code_is_no_trouble() {
        for code in ["\"abc", "/* x", "r#\"x", "'", "'\\", "b", "r", "1e-", "é!", ""] {
            assert_eq!(rust(code).iter().map(|p| p.1).collect::<String>(), code);
        }
    }
}
