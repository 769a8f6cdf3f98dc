//! The text to learn from: the embedded plays, any file, or a folder of files.

use std::borrow::Cow;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::utils::fs::{io_error, read};
use crate::utils::hash::{hex, sha256};
use crate::utils::{Error, Result};

/// Nine plays of Shakespeare in Tiny Shakespeare's form (see `data/README.md`), compiled in: no network is needed.
pub const EMBEDDED: &str = include_str!("../../data/tiny_shakespeare.txt");

/// What [`EMBEDDED`] is called in messages and reports.
pub const EMBEDDED_NAME: &str = "tiny_shakespeare (embedded)";

/// The sum of [`EMBEDDED`], also told by `data/README.md`.
pub const EMBEDDED_SHA256: &str = "acdca432de03917366ead26b7481df1a463518d0ee9930405b94f4cbc0055507";

/// The largest text that is read into memory.
pub const MAX_BYTES: u64 = 4 << 30;

/// Folders inside folders are followed this deep.
const MAX_DEPTH: usize = 32;

/// A text as bytes: a byte-level tokenizer takes any of them, so nothing is lost or replaced on the way.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// The path, or [`EMBEDDED_NAME`].
    pub name: String,
    /// The whole text.
    pub bytes: Cow<'static, [u8]>,
    /// Where each document (each file of a folder) lies in `bytes`; they do not overlap and come in order.
    pub documents: Vec<Range<usize>>,
}

impl Corpus {
    /// The corpus that is compiled in.
    pub fn embedded() -> Corpus {
        Corpus::new(EMBEDDED_NAME, Cow::Borrowed(EMBEDDED.as_bytes()))
    }

    /// A text that is already in memory, as one document.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Corpus {
        Corpus::new(name, Cow::Owned(bytes))
    }

    fn new(name: impl Into<String>, bytes: Cow<'static, [u8]>) -> Corpus {
        Corpus { name: name.into(), documents: std::iter::once(0..bytes.len()).collect(), bytes }
    }

    /// `--data`: a file, a folder, or, without a path, the embedded corpus.
    pub fn open(path: Option<&Path>) -> Result<Corpus> {
        path.map_or_else(|| Ok(Corpus::embedded()), Corpus::load)
    }

    /// Reads a text file, or every `*.txt` of a folder and of the folders below it, in the order of their paths.
    ///
    /// Files of a folder are separated by a blank line, and `documents` tells where each one lies. Hidden and empty
    /// files of a folder are passed over.
    pub fn load(path: &Path) -> Result<Corpus> {
        let meta = fs::metadata(path).map_err(|e| {
            io_error("open", path, e).help(
                "--data takes a text file or a folder of .txt files; without it, the embedded Shakespeare is used",
            )
        })?;
        let name = path.display().to_string();
        if !meta.is_dir() {
            let bytes = read(path, MAX_BYTES)?;
            if bytes.is_empty() {
                return Err(
                    Error::new(format!("{name}: the file is empty")).help("--data needs a file with some text in it")
                );
            }
            return Ok(Corpus::from_bytes(name, bytes));
        }
        let mut files = Vec::new();
        text_files(path, 0, &mut files)?;
        files.sort();
        let mut bytes = Vec::new();
        let mut documents = Vec::new();
        for file in &files {
            let text = read(file, MAX_BYTES - bytes.len() as u64)?;
            if text.is_empty() {
                continue;
            }
            if !documents.is_empty() {
                bytes.extend_from_slice(if bytes.ends_with(b"\n") { b"\n" } else { b"\n\n" });
            }
            documents.push(bytes.len()..bytes.len() + text.len());
            bytes.extend_from_slice(&text);
        }
        if bytes.is_empty() {
            let what = if files.is_empty() { "no .txt file" } else { "only empty .txt files" };
            return Err(Error::new(format!("{name}: the folder holds {what}"))
                .help("--data takes a text file or a folder of .txt files"));
        }
        Ok(Corpus { name, bytes: Cow::Owned(bytes), documents })
    }

    /// The text as characters, for tokenizers that know no bytes; the error tells where it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        utf8(&self.bytes).map_err(|e| e.at(&self.name))
    }

    /// The SHA-256 sum of the text in hexadecimal digits.
    pub fn sha256(&self) -> String {
        hex(&sha256(&self.bytes))
    }
}

/// Bytes as text, or an error that tells at which byte they stop being UTF-8, and what to do.
pub fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        let found = bytes.get(at).copied().unwrap_or_default();
        let help = match bytes {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => "the file looks like UTF-16: save it as UTF-8",
            _ => {
                "save the file as UTF-8 (iconv -f LATIN1 -t UTF-8), or use \
                  the byte-level tokenizer (--tokenizer bpe), which takes any bytes"
            }
        };
        Error::new(format!("not UTF-8: byte 0x{found:02x} at offset {at}")).help(help)
    })
}

fn text_files(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Error::new(format!("{}: more than {MAX_DEPTH} folders deep", folder.display())));
    }
    for entry in fs::read_dir(folder).map_err(|e| io_error("read the folder", folder, e))? {
        let entry = entry.map_err(|e| io_error("read the folder", folder, e))?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let kind = entry.file_type().map_err(|e| io_error("read", &path, e))?;
        if kind.is_dir() {
            text_files(&path, depth + 1, found)?;
        } else if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("txt")) && path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_corpus_is_the_one_that_the_readme_tells_of() {
        assert_eq!(Corpus::embedded().sha256(), EMBEDDED_SHA256);
        let readme = include_str!("../../data/README.md");
        assert!(readme.contains(EMBEDDED_SHA256));
        let turns = EMBEDDED.split("\n\n").count();
        assert!(readme.contains("1,192,492 bytes") && EMBEDDED.len() == 1_192_492);
        assert!(readme.contains("7,582 turns") && turns == 7_582);
    }

    #[test]
    fn the_embedded_corpus_is_names_and_speech_and_nothing_else() {
        assert!(EMBEDDED.bytes().all(|b| b == b'\n' || b.is_ascii_alphabetic() || b" !',-.:;?".contains(&b)));
        for turn in EMBEDDED.trim_end_matches('\n').split("\n\n") {
            let (name, speech) = turn.split_once('\n').expect(turn);
            assert!(name.len() > 2 && name.len() < 40 && name.ends_with(':') && !name.contains('.'), "{name}");
            assert!(!speech.is_empty() && !speech.lines().any(|l| l.is_empty() || l.trim() != l), "{turn}");
        }
        for name in ["First Citizen", "MENENIUS", "KING RICHARD III", "KING RICHARD II", "ROMEO", "JULIET", "PROSPERO"]
        {
            assert!(
                EMBEDDED.contains(&format!("\n\n{name}:\n")) || EMBEDDED.starts_with(&format!("{name}:\n")),
                "{name}"
            );
        }
        for direction in ["Enter ", "Exeunt", "Exit", "SCENE", "Gutenberg"] {
            assert!(!EMBEDDED.contains(direction), "{direction}");
        }
    }

    #[test]
    fn a_folder_is_its_text_files_in_the_order_of_their_paths() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("b/deep")).unwrap();
        for (name, text) in [
            ("c.txt", "last"),
            ("a.txt", "first\n"),
            ("b/deep/x.TXT", "second"),
            ("n.md", "no"),
            (".h.txt", "no"),
            ("0.txt", ""),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let corpus = Corpus::load(dir.path()).unwrap();
        assert_eq!(corpus.text().unwrap(), "first\n\nsecond\n\nlast");
        let parts: Vec<&[u8]> = corpus.documents.iter().map(|d| &corpus.bytes[d.clone()]).collect();
        assert_eq!(parts, [b"first\n" as &[u8], b"second", b"last"]);
    }

    #[test]
    fn what_cannot_be_learned_from_is_refused_with_its_path_and_help() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.txt");
        fs::write(&empty, b"").unwrap();
        for (path, says) in
            [(dir.path().join("none.txt"), "none.txt"), (empty, "is empty"), (dir.path().to_path_buf(), "only empty")]
        {
            let err = Corpus::load(&path).unwrap_err();
            assert!(err.to_string().contains(says) && err.help_line().is_some(), "{err}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_kept_and_located() {
        let corpus = Corpus::from_bytes("latin.txt", b"caf\xe9 noir".to_vec());
        let err = corpus.text().unwrap_err();
        assert!(err.to_string().contains("latin.txt") && err.to_string().contains("0xe9 at offset 3"), "{err}");
        assert!(utf8(b"\xff\xfea\0").unwrap_err().help_line().unwrap().contains("UTF-16"));
        assert_eq!(&*corpus.bytes, b"caf\xe9 noir");
    }
}
