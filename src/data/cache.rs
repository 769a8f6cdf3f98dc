//! Encoded text kept on disk, known by its content and its tokenizer.
//!
//! ```text
//! "MOTAMOT\x01" · version u32 · bytes per id u32 (2 or 4) · vocabulary u64 · ids u64 · sha256 of the text
//! · sha256 of the tokenizer · the ids, little-endian · sha256 of everything before
//! ```

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::utils::fs::{read, write_atomic_with};
use crate::utils::hash::{Hasher, Sum, hex, sha256};
use crate::utils::{Error, Result};

const MAGIC: &[u8; 8] = b"MOTAMOT\x01";
const VERSION: u32 = 1;
const HEADER: usize = 8 + 4 + 4 + 8 + 8 + 32 + 32;
const SUM: usize = 32;

/// A folder of encoded texts; losing any of it only costs the time to encode again.
#[derive(Clone, Debug)]
pub struct TokenCache {
    folder: Option<PathBuf>,
}

/// The ids of a text, and how they came.
#[derive(Debug)]
pub struct Cached {
    /// The ids.
    pub ids: Vec<u32>,
    /// Read, written, or not kept.
    pub outcome: Outcome,
}

/// What the cache did.
#[derive(Debug)]
pub enum Outcome {
    /// The ids were read from the cache.
    Hit,
    /// They were encoded and stored; `replaced` tells why an older file was no good.
    Stored {
        /// What was wrong with the file that was there.
        replaced: Option<Error>,
    },
    /// They were encoded and could not be stored (a read-only folder, a full disk): worth a warning, no failure.
    NotStored(Error),
    /// There is no cache.
    Off,
}

impl TokenCache {
    /// A cache in a folder, which is made when the first text is stored.
    pub fn new(folder: impl Into<PathBuf>) -> TokenCache {
        TokenCache { folder: Some(folder.into()) }
    }

    /// No cache: every text is encoded.
    pub fn off() -> TokenCache {
        TokenCache { folder: None }
    }

    /// The usual folder, `data/processed` below the current one.
    pub fn default_folder() -> &'static Path {
        Path::new("data/processed")
    }

    /// The file of a text and a tokenizer.
    pub fn path(&self, text: &Sum, tokenizer: &Sum) -> Option<PathBuf> {
        self.folder.as_ref().map(|f| f.join(format!("{}-{}.tokens", &hex(text)[..16], &hex(tokenizer)[..16])))
    }

    /// The ids of `text`: read if a sound file is there, else from `encode`, and then kept if possible.
    ///
    /// `tokenizer` is the sum of all that decides the ids (its `tokenizer.json`), `vocab` their number.
    pub fn ids(
        &self,
        text: &[u8],
        tokenizer: &Sum,
        vocab: usize,
        encode: impl FnOnce(&[u8]) -> Result<Vec<u32>>,
    ) -> Result<Cached> {
        let sum = if self.folder.is_some() { sha256(text) } else { [0; SUM] };
        let Some(path) = self.path(&sum, tokenizer) else {
            return Ok(Cached { ids: encode(text)?, outcome: Outcome::Off });
        };
        let replaced = if path.exists() {
            match load(&path, &sum, tokenizer, vocab) {
                Ok(ids) => return Ok(Cached { ids, outcome: Outcome::Hit }),
                Err(e) => Some(e),
            }
        } else {
            None
        };
        let ids = encode(text)?;
        let outcome = match store(&path, &sum, tokenizer, vocab, &ids) {
            Ok(()) => Outcome::Stored { replaced },
            Err(e) => Outcome::NotStored(e),
        };
        Ok(Cached { ids, outcome })
    }
}

fn width(vocab: usize) -> usize {
    if vocab <= 1 << 16 { 2 } else { 4 }
}

fn header(text: &Sum, tokenizer: &Sum, vocab: usize, count: usize) -> Vec<u8> {
    let mut h = Vec::with_capacity(HEADER);
    h.extend_from_slice(MAGIC);
    h.extend_from_slice(&VERSION.to_le_bytes());
    h.extend_from_slice(&(width(vocab) as u32).to_le_bytes());
    h.extend_from_slice(&(vocab as u64).to_le_bytes());
    h.extend_from_slice(&(count as u64).to_le_bytes());
    h.extend_from_slice(text);
    h.extend_from_slice(tokenizer);
    h
}

fn store(path: &Path, text: &Sum, tokenizer: &Sum, vocab: usize, ids: &[u32]) -> Result<()> {
    if let Some(bad) = ids.iter().find(|&&id| id as usize >= vocab) {
        return Err(Error::new(format!("{}: id {bad} is outside the vocabulary of {vocab}", path.display())));
    }
    write_atomic_with(path, |out| {
        let mut sum = Hasher::default();
        let mut put = |bytes: &[u8], sum: &mut Hasher| {
            sum.update(bytes);
            out.write_all(bytes)
        };
        put(&header(text, tokenizer, vocab, ids.len()), &mut sum)?;
        let mut buffer = Vec::with_capacity(1 << 16);
        for chunk in ids.chunks(1 << 14) {
            buffer.clear();
            for id in chunk {
                buffer.extend_from_slice(&id.to_le_bytes()[..width(vocab)]);
            }
            put(&buffer, &mut sum)?;
        }
        out.write_all(&sum.finish())
    })
}

fn load(path: &Path, text: &Sum, tokenizer: &Sum, vocab: usize) -> Result<Vec<u32>> {
    let bytes = read(path, u64::MAX - 1)?;
    let bad = |what: &str| Error::new(format!("{}: {what}", path.display()));
    if bytes.len() < HEADER + SUM {
        return Err(bad("cut short"));
    }
    let (body, sum) = bytes.split_at(bytes.len() - SUM);
    let (head, data) = body.split_at(HEADER);
    if sha256(body) != sum {
        return Err(bad("damaged or cut short: the checksum does not agree"));
    }
    if !data.len().is_multiple_of(width(vocab)) || head != header(text, tokenizer, vocab, data.len() / width(vocab)) {
        return Err(bad("belongs to another text, tokenizer or version"));
    }
    let ids: Vec<u32> = match width(vocab) {
        2 => data.chunks_exact(2).map(|b| u32::from(u16::from_le_bytes([b[0], b[1]]))).collect(),
        _ => data.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
    };
    match ids.iter().position(|&id| id as usize >= vocab) {
        Some(at) => Err(bad(&format!("token {at} is outside the vocabulary of {vocab}"))),
        None => Ok(ids),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const TEXT: &[u8] = b"to be or not to be";

    fn bytes_as_ids(text: &[u8]) -> Result<Vec<u32>> {
        Ok(text.iter().map(|&b| u32::from(b)).collect())
    }

    fn never(_: &[u8]) -> Result<Vec<u32>> {
        panic!("encoded although a sound file is there")
    }

    #[test]
    fn what_was_stored_is_read_again_at_both_widths() {
        let dir = tempfile::tempdir().unwrap();
        let cache = TokenCache::new(dir.path().join("processed"));
        for vocab in [256usize, 65_536, 65_537] {
            let tokenizer = sha256(&vocab.to_le_bytes());
            let encode = |t: &[u8]| Ok(t.iter().map(|&b| u32::from(b) + vocab as u32 - 256).collect());
            let first = cache.ids(TEXT, &tokenizer, vocab, encode).unwrap();
            assert!(matches!(first.outcome, Outcome::Stored { replaced: None }));
            let again = cache.ids(TEXT, &tokenizer, vocab, never).unwrap();
            assert!(matches!(again.outcome, Outcome::Hit));
            assert_eq!(first.ids, again.ids);
        }
    }

    #[test]
    fn another_text_tokenizer_or_vocabulary_is_another_entry() {
        let dir = tempfile::tempdir().unwrap();
        let cache = TokenCache::new(dir.path());
        let tokenizer = sha256(b"one");
        cache.ids(TEXT, &tokenizer, 256, bytes_as_ids).unwrap();
        let other = cache.ids(b"or else", &tokenizer, 256, bytes_as_ids).unwrap();
        assert!(matches!(other.outcome, Outcome::Stored { replaced: None }));
        let other = cache.ids(TEXT, &sha256(b"two"), 256, bytes_as_ids).unwrap();
        assert!(matches!(other.outcome, Outcome::Stored { replaced: None }));
        let other = cache.ids(TEXT, &tokenizer, 300, bytes_as_ids).unwrap();
        assert!(matches!(other.outcome, Outcome::Stored { replaced: Some(_) }));
    }

    #[test]
    fn a_damaged_file_is_noticed_wherever_it_is_damaged_and_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let cache = TokenCache::new(dir.path());
        let tokenizer = sha256(b"one");
        let good = cache.ids(TEXT, &tokenizer, 256, bytes_as_ids).unwrap().ids;
        let path = cache.path(&sha256(TEXT), &tokenizer).unwrap();
        let sound = fs::read(&path).unwrap();
        assert_eq!(sound.len(), HEADER + 2 * TEXT.len() + SUM);
        for at in 0..sound.len() {
            let mut damaged = sound.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            assert!(load(&path, &sha256(TEXT), &tokenizer, 256).is_err(), "byte {at}");
        }
        for length in [0, 1, HEADER - 1, HEADER + SUM, sound.len() - 1] {
            fs::write(&path, &sound[..length]).unwrap();
            let again = cache.ids(TEXT, &tokenizer, 256, bytes_as_ids).unwrap();
            assert!(matches!(again.outcome, Outcome::Stored { replaced: Some(_) }), "{length} bytes");
            assert_eq!(again.ids, good);
            assert_eq!(fs::read(&path).unwrap(), sound);
        }
    }

    #[test]
    fn where_nothing_can_be_written_the_ids_come_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"in the way").unwrap();
        let cached = TokenCache::new(file.join("processed")).ids(TEXT, &[0; 32], 256, bytes_as_ids).unwrap();
        assert!(matches!(&cached.outcome, Outcome::NotStored(e) if e.to_string().contains("processed")));
        assert_eq!(cached.ids.len(), TEXT.len());
        assert!(matches!(TokenCache::off().ids(TEXT, &[0; 32], 256, bytes_as_ids).unwrap().outcome, Outcome::Off));
    }
}
