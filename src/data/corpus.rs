//! The text to learn from: the embedded plays, any file, or a folder of files.

use std::borrow::Cow;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::tokenizer::Tokenizer;
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

/// The token between documents, and its name in a file that holds several.
pub const END_OF_TEXT: &str = "<|endoftext|>";
/// The files of a folder that are read.
const KINDS: [&str; 3] = ["txt", "md", "jsonl"];
const HELP: &str = "--data takes text files (.txt, .md, .jsonl with a \"text\" on each line) and folders of them; \
                    without it, the embedded Shakespeare is used";

/// A text as bytes: a byte-level tokenizer takes any of them.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// The path, or [`EMBEDDED_NAME`].
    pub name: String,
    /// The whole text: its documents, with a blank line between them.
    pub bytes: Cow<'static, [u8]>,
    /// Where each document lies in `bytes`; they do not overlap and come in order.
    pub documents: Vec<Range<usize>>,
    /// What a person should know of how it was read: a line each.
    pub notes: Vec<String>,
}

impl Corpus {
    /// The corpus that is compiled in.
    pub fn embedded() -> Corpus {
        Corpus::new(EMBEDDED_NAME, Cow::Borrowed(EMBEDDED.as_bytes()))
    }

    /// A text that is already in memory, as one document, as it is.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Corpus {
        Corpus::new(name, Cow::Owned(bytes))
    }

    fn new(name: impl Into<String>, bytes: Cow<'static, [u8]>) -> Corpus {
        let documents = std::iter::once(0..bytes.len()).collect();
        Corpus { name: name.into(), documents, bytes, notes: Vec::new() }
    }

    /// `--data`: files and folders, one after the other, or, without any, the embedded corpus.
    ///
    /// A `.jsonl` file has a document in the field `text` of each line; any other file is one document, or several with
    /// `<|endoftext|>` between them. Of a folder, and of the folders below it, the files `.txt`, `.md` and `.jsonl` are
    /// read in the order of their paths; hidden and empty ones are passed over. A byte-order mark is dropped and CRLF
    /// becomes a line feed; UTF-16 and what is no text are errors. What was done is told in `notes`.
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Corpus> {
        if paths.is_empty() {
            return Ok(Corpus::embedded());
        }
        let mut reader = Reader::default();
        for path in paths {
            reader.path(path.as_ref())?;
        }
        let names: Vec<String> = paths.iter().map(|path| path.as_ref().display().to_string()).collect();
        reader.finish(names.join(", "))
    }

    /// [`Corpus::open`] of one path.
    pub fn load(path: &Path) -> Result<Corpus> {
        Corpus::open(&[path])
    }

    /// The text as characters, for tokenizers that know no bytes; the error tells where it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        utf8(&self.bytes).map_err(|e| e.at(&self.name))
    }

    /// The token that follows each document: none if there is only one, or the tokenizer has no such token.
    pub fn separator(&self, tokenizer: &Tokenizer) -> Option<u32> {
        (self.documents.len() > 1).then(|| tokenizer.special(END_OF_TEXT)).flatten()
    }

    /// The documents that lie in a part of `bytes`, or as much of them as does.
    pub fn documents_in(&self, part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let within = move |d: &Range<usize>| d.start.max(part.start)..d.end.min(part.end);
        self.documents.iter().map(within).filter(|d| !d.is_empty())
    }

    /// The ids of a part of `bytes`, with the [`Corpus::separator`] after each document that ends there.
    pub fn encode(&self, tokenizer: &Tokenizer, part: Range<usize>) -> Result<Vec<u32>> {
        let Some(separator) = self.separator(tokenizer) else {
            return tokenizer.encode_bytes(&self.bytes[part]).map_err(|e| e.at(&self.name));
        };
        let mut ids = Vec::new();
        for document in self.documents_in(part) {
            ids.extend(tokenizer.encode_bytes(&self.bytes[document.clone()]).map_err(|e| e.at(&self.name))?);
            if self.documents.binary_search_by_key(&document.end, |d| d.end).is_ok() {
                ids.push(separator);
            }
        }
        Ok(ids)
    }

    /// The SHA-256 sum of the text in hexadecimal digits.
    pub fn sha256(&self) -> String {
        hex(&sha256(&self.bytes))
    }
}

/// Files on their way to a corpus.
#[derive(Default)]
struct Reader {
    bytes: Vec<u8>,
    documents: Vec<Range<usize>>,
    notes: Vec<String>,
    files: usize,
    skipped: Vec<String>,
    folders: usize,
}

impl Reader {
    fn path(&mut self, path: &Path) -> Result<()> {
        let name = path.display().to_string();
        let meta = fs::metadata(path).map_err(|e| io_error("open", path, e).help(HELP))?;
        if !meta.is_dir() {
            if self.file(path)? {
                return Ok(());
            }
            return Err(
                Error::new(format!("{name}: the file is empty")).help("--data needs a file with some text in it")
            );
        }
        let mut files = Vec::new();
        self.list(path, 0, &mut files)?;
        files.sort();
        let read = files.iter().try_fold(false, |any, file| self.file(file).map(|read| any | read))?;
        self.folders += 1;
        if read {
            return Ok(());
        }
        let what = if files.is_empty() { "no .txt, .md or .jsonl file" } else { "only empty files" };
        Err(Error::new(format!("{name}: the folder holds {what}")).help(HELP))
    }

    /// Reads a file; false if it is empty.
    fn file(&mut self, path: &Path) -> Result<bool> {
        let name = path.display().to_string();
        let raw = read(path, MAX_BYTES - self.bytes.len() as u64)?;
        let text = cleaned(raw, &name, &mut self.notes)?;
        let before = self.documents.len();
        if has_kind(path, "jsonl") {
            for (i, line) in text.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()) {
                let value: serde_json::Value = serde_json::from_slice(line)
                    .map_err(|e| Error::new(format!("{name}: line {}: not JSON: {e}", i + 1)).caused_by(e))?;
                let document = value.get("text").and_then(|text| text.as_str()).ok_or_else(|| {
                    Error::new(format!("{name}: line {}: no text in a field \"text\"", i + 1))
                        .help("each line is an object such as {\"text\": \"Once upon a time …\"}")
                })?;
                self.document(document.as_bytes());
            }
        } else {
            let mut rest = &text[..];
            while let Some(at) = find(rest, END_OF_TEXT.as_bytes()) {
                self.document(without_line_feeds(&rest[..at]));
                rest = &rest[at + END_OF_TEXT.len()..];
            }
            match rest.len() == text.len() {
                true => self.document(rest),
                false => self.document(without_line_feeds(rest)),
            }
        }
        self.files += usize::from(self.documents.len() > before);
        Ok(self.documents.len() > before)
    }

    fn document(&mut self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        if !self.documents.is_empty() {
            self.bytes.extend_from_slice(if self.bytes.ends_with(b"\n") { b"\n" } else { b"\n\n" });
        }
        self.documents.push(self.bytes.len()..self.bytes.len() + text.len());
        self.bytes.extend_from_slice(text);
    }

    fn list(&mut self, folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::new(format!("{}: more than {MAX_DEPTH} folders deep", folder.display())));
        }
        for entry in fs::read_dir(folder).map_err(|e| io_error("read the folder", folder, e))? {
            let entry = entry.map_err(|e| io_error("read the folder", folder, e))?;
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if entry.file_type().map_err(|e| io_error("read", &path, e))?.is_dir() {
                self.list(&path, depth + 1, found)?;
            } else if KINDS.iter().any(|kind| has_kind(&path, kind)) && path.is_file() {
                found.push(path);
            } else {
                self.skipped.push(path.strip_prefix(folder).unwrap_or(&path).display().to_string());
            }
        }
        Ok(())
    }

    fn finish(mut self, name: String) -> Result<Corpus> {
        if self.folders > 0 {
            let mut note = format!("{} file{} read", self.files, if self.files == 1 { "" } else { "s" });
            if !self.skipped.is_empty() {
                self.skipped.sort();
                let some = self.skipped.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
                let more = if self.skipped.len() > 3 { ", …" } else { "" };
                note += &format!(", {} passed over ({some}{more})", self.skipped.len());
            }
            self.notes.push(note);
        }
        if self.documents.len() > 1 {
            self.notes.push(format!("{} documents, each followed by {END_OF_TEXT}", self.documents.len()));
        }
        Ok(Corpus { name, bytes: Cow::Owned(self.bytes), documents: self.documents, notes: self.notes })
    }
}

fn has_kind(path: &Path, kind: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(kind))
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Without the line feed on each side that sets a separator on a line of its own.
fn without_line_feeds(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\n").unwrap_or(text)
}

/// A look at a text before it is learned.
fn cleaned(mut bytes: Vec<u8>, name: &str, notes: &mut Vec<String>) -> Result<Vec<u8>> {
    let zeros = bytes.iter().filter(|b| **b == 0).count();
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") || (zeros > 0 && zeros >= bytes.len() / 4) {
        return Err(Error::new(format!("{name}: this looks like UTF-16, not UTF-8"))
            .help("save it as UTF-8, for example: iconv -f UTF-16 -t UTF-8 FILE > NEW"));
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        bytes.drain(..3);
        notes.push(format!("{name}: its byte-order mark was left out"));
    }
    if find(&bytes, b"\r\n").is_some() {
        let mut text = Vec::with_capacity(bytes.len());
        let mut rest = &bytes[..];
        while let Some(at) = find(rest, b"\r\n") {
            text.extend_from_slice(&rest[..at]);
            rest = &rest[at + 1..];
        }
        text.extend_from_slice(rest);
        notes.push(format!("{name}: {} line ends of Windows (CRLF) were read as line feeds", bytes.len() - text.len()));
        bytes = text;
    }
    let (mut bad, mut first_bad) = (0, None);
    let (mut control, mut first_control) = (0, None);
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        for (i, b) in chunk.valid().bytes().enumerate().filter(|(_, b)| b.is_ascii_control()) {
            if !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c) {
                control += 1;
                first_control.get_or_insert((at + i, b));
            }
        }
        at += chunk.valid().len();
        if let Some(byte) = chunk.invalid().first() {
            bad += chunk.invalid().len();
            first_bad.get_or_insert((at, *byte));
        }
        at += chunk.invalid().len();
    }
    if (bad + control) * 10 > bytes.len() * 3 {
        return Err(Error::new(format!(
            "{name}: this is no text: {} of its {} bytes are neither UTF-8 nor printable",
            bad + control,
            bytes.len()
        ))
        .help(HELP));
    }
    if let Some((at, byte)) = first_bad {
        notes.push(format!(
            "{name}: not UTF-8 at byte {at} (0x{byte:02x}) and at {} more; a model of it writes � there. \
             Convert it, for example: iconv -f LATIN1 -t UTF-8 FILE > NEW",
            bad - 1
        ));
    }
    if let Some((at, byte)) = first_control {
        notes.push(format!("{name}: {control} control characters, the first at byte {at} (0x{byte:02x})"));
    }
    Ok(bytes)
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
            ("n.csv", "no"),
            (".h.txt", "no"),
            ("0.txt", ""),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let corpus = Corpus::load(dir.path()).unwrap();
        assert_eq!(corpus.text().unwrap(), "first\n\nsecond\n\nlast");
        let parts: Vec<&[u8]> = corpus.documents.iter().map(|d| &corpus.bytes[d.clone()]).collect();
        assert_eq!(parts, [b"first\n" as &[u8], b"second", b"last"]);
        assert_eq!(
            corpus.notes,
            ["3 files read, 1 passed over (n.csv)", "3 documents, each followed by <|endoftext|>"]
        );
    }

    #[test]
    fn a_file_may_hold_several_documents() {
        let dir = tempfile::tempdir().unwrap();
        let stories = dir.path().join("stories.txt");
        fs::write(&stories, "One.\n<|endoftext|>\nTwo\n\nmore.<|endoftext|>\n<|endoftext|>\n\n Three.\n").unwrap();
        let lines = dir.path().join("lines.jsonl");
        fs::write(&lines, "{\"text\": \"Four\\n.\", \"id\": 1}\n\n{\"text\": \"Fïve.\"}\n").unwrap();
        let corpus = Corpus::open(&[&stories, &lines]).unwrap();
        assert_eq!(corpus.text().unwrap(), "One.\n\nTwo\n\nmore.\n\n\n Three.\n\nFour\n.\n\nFïve.");
        let parts: Vec<&[u8]> = corpus.documents.iter().map(|d| &corpus.bytes[d.clone()]).collect();
        assert_eq!(parts, [b"One." as &[u8], b"Two\n\nmore.", b"\n Three.", b"Four\n.", "Fïve.".as_bytes()]);
        // The token follows each document that ends in the part, and a document may be cut by a part.
        let tokenizer = Tokenizer::chars(corpus.text().unwrap(), &[END_OF_TEXT]).unwrap();
        let ids = corpus.encode(&tokenizer, 0..10).unwrap();
        assert_eq!(tokenizer.decode(&ids), "One.<|endoftext|>Two\n");
        let all = tokenizer.decode(&corpus.encode(&tokenizer, 0..corpus.bytes.len()).unwrap());
        assert_eq!(all.matches(END_OF_TEXT).count(), 5);
        let bare = Tokenizer::chars(corpus.text().unwrap(), &[]).unwrap();
        assert_eq!(bare.decode(&corpus.encode(&bare, 0..corpus.bytes.len()).unwrap()), corpus.text().unwrap());
        for (content, says) in
            [("{\"text\": 1}", "line 1: no text"), ("{}\n", "line 1: no text"), ("\n{", "line 2: not JSON")]
        {
            fs::write(&lines, content).unwrap();
            let error = Corpus::load(&lines).unwrap_err().to_string();
            assert!(error.contains("lines.jsonl") && error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_text_is_looked_at_before_it_is_learned() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("text.txt");
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            Corpus::load(&path)
        };
        let clean = read(b"To be,\n\tor not\x0c to be.\n").unwrap();
        assert!(clean.notes.is_empty() && clean.bytes.len() == 23, "{:?}", clean.notes);
        let windows = read(b"\xEF\xBB\xBFTo be,\r\nor not\r\n\r\nto\rbe.\r\n").unwrap();
        assert_eq!(windows.text().unwrap(), "To be,\nor not\n\nto\rbe.\n");
        assert!(windows.notes[0].contains("byte-order mark") && windows.notes[1].contains("4 line ends of Windows"));
        let latin = read(&b"caf\xe9 cr\xe8me et th\xe9 ".repeat(3)).unwrap();
        assert!(
            latin.notes[0].contains("not UTF-8 at byte 3 (0xe9) and at 8 more") && latin.notes[0].contains("iconv")
        );
        assert!(
            read(b"one \x1b[31mred\x1b[0m word").unwrap().notes[0]
                .contains("2 control characters, the first at byte 4")
        );
        let utf16: Vec<u8> = "To be".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [&utf16[..], b"\xFF\xFET\0o\0", b"\xFE\xFF\0T\0o"] {
            let error = read(bytes).unwrap_err();
            assert!(error.to_string().contains("UTF-16") && error.help_line().unwrap().contains("iconv"), "{error}");
        }
        let mut rng = motamot_kernels::rng::Rng::new(1);
        let noise: Vec<u8> = (0..2000).map(|_| 1 + rng.below(255) as u8).collect();
        assert!(read(&noise).unwrap_err().to_string().contains("this is no text"));
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
