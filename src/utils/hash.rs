//! SHA-256, the name of a content.

use sha2::{Digest, Sha256};

/// A SHA-256 sum.
pub type Sum = [u8; 32];

/// The SHA-256 sum of some bytes.
pub fn sha256(bytes: &[u8]) -> Sum {
    Sha256::digest(bytes).into()
}

/// The sum of bytes that come piece by piece.
#[derive(Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The sum of all pieces.
    pub fn finish(self) -> Sum {
        self.0.finalize().into()
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_abc_is_the_one_of_the_standard() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&sha256(b"abc")), expected);
        let mut hasher = Hasher::default();
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!(hex(&hasher.finish()), expected);
    }
}
