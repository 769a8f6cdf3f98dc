//! GPT-2's spelling of bytes: each of the 256 byte values has a visible character, so that a vocabulary can be a
//! JSON file of strings. Printable Latin-1 stands for itself; the other 68 values become U+0100 and up (' ' is 'Ġ').

const fn stands_for_itself(b: u8) -> bool {
    matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// How many bytes stand for themselves.
const PRINTABLE: usize = 188;

/// The 256 bytes in the order of their characters: the order of ids in GPT-2's vocabulary and in trained ones.
pub const BYTES_BY_CHAR: [u8; 256] = {
    let mut table = [0u8; 256];
    let (mut printable, mut other, mut b) = (0, PRINTABLE, 0);
    while b < 256 {
        let at = if stands_for_itself(b as u8) { &mut printable } else { &mut other };
        table[*at] = b as u8;
        *at += 1;
        b += 1;
    }
    table
};

/// The byte that `c` stands for.
pub fn char_to_byte(c: char) -> Option<u8> {
    match c as u32 {
        code @ 0..=0xFF => stands_for_itself(code as u8).then_some(code as u8),
        code @ 0x100..=0x143 => Some(BYTES_BY_CHAR[PRINTABLE + (code - 0x100) as usize]),
        _ => None,
    }
}

/// The character of a byte.
fn byte_to_char(byte: u8) -> char {
    let others = &BYTES_BY_CHAR[PRINTABLE..];
    let at = others.binary_search(&byte).ok();
    at.and_then(|at| char::from_u32(0x100 + at as u32)).unwrap_or(char::from(byte))
}

/// `bytes` spelled in characters.
pub fn spell(bytes: &[u8]) -> String {
    bytes.iter().map(|b| byte_to_char(*b)).collect()
}

/// The bytes that `token` spells; `None` if a character stands for no byte.
pub fn unspell(token: &str) -> Option<Vec<u8>> {
    token.chars().map(char_to_byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alphabet_is_gpt2s() {
        assert_eq!(spell(b" a\n\xff"), "ĠaĊÿ");
        assert_eq!(BYTES_BY_CHAR[0], b'!');
        assert_eq!(BYTES_BY_CHAR[188], 0);
        let chars: Vec<char> = BYTES_BY_CHAR.iter().map(|b| byte_to_char(*b)).collect();
        assert!(chars.is_sorted());
        for b in 0..=255u8 {
            assert_eq!(char_to_byte(byte_to_char(b)), Some(b));
        }
        assert_eq!(unspell("한"), None);
        assert_eq!(char_to_byte('\u{144}'), None);
    }
}
