//! From token bytes to text that can be shown at once: whole characters only, and nothing of a stop string.

/// Text of a whole byte sequence; what is not UTF-8 becomes U+FFFD.
pub fn decode(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Turns the bytes of tokens, as they come, into text.
///
/// - A character is given out once it is complete; bytes that cannot become one turn into U+FFFD.
/// - The text ends before the stop string that is completed first; text that could be its beginning is held back.
/// - The pieces together are the same however the bytes are split.
#[derive(Clone, Debug, Default)]
pub struct TokenStream {
    stops: Vec<String>,
    headings: bool,
    skip_leading: bool,
    /// The beginning of a character whose end has not come yet: at most 3 bytes.
    partial: Vec<u8>,
    /// Text that may still turn out to belong to a stop.
    held: String,
    /// Whether `held` begins at the start of a line.
    line_start: bool,
    stopped: bool,
}

impl TokenStream {
    /// A stream that ends at the first of these strings; empty ones are ignored.
    pub fn new(stops: &[String]) -> TokenStream {
        let stops = stops.iter().filter(|s| !s.is_empty()).cloned().collect();
        TokenStream { stops, line_start: true, ..TokenStream::default() }
    }

    /// Also ends before a line that holds only a speaker's name and a colon, as `First Citizen:`.
    pub fn stop_at_headings(self) -> TokenStream {
        TokenStream { headings: true, ..self }
    }

    /// Leaves out white space before the first visible character.
    pub fn skip_leading_whitespace(self) -> TokenStream {
        TokenStream { skip_leading: true, ..self }
    }

    /// Whether a stop string has been met; what is pushed afterwards is ignored.
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Adds the bytes of a token and returns the text that is now certain.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        if self.stopped {
            return String::new();
        }
        self.partial.extend_from_slice(bytes);
        let partial = std::mem::take(&mut self.partial);
        let mut rest = &partial[..];
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.held.push_str(text);
                    break;
                }
                Err(e) => {
                    let (valid, after) = rest.split_at(e.valid_up_to());
                    self.held.push_str(&decode(valid));
                    match e.error_len() {
                        Some(bad) => {
                            self.held.push('\u{FFFD}');
                            rest = &after[bad..];
                        }
                        None => {
                            self.partial = after.to_vec();
                            break;
                        }
                    }
                }
            }
        }
        self.release(false)
    }

    /// Ends the stream and returns what it still held back.
    pub fn finish(&mut self) -> String {
        if self.stopped {
            return String::new();
        }
        if !self.partial.is_empty() {
            self.partial.clear();
            self.held.push('\u{FFFD}');
        }
        self.release(true)
    }

    /// Takes out of `held` what no stop can claim any more.
    fn release(&mut self, end: bool) -> String {
        if self.skip_leading {
            let visible = self.held.trim_start().len();
            self.held.drain(..self.held.len() - visible);
            if visible == 0 {
                return String::new();
            }
            self.skip_leading = false;
        }
        // Of several matches the one that ends first wins: so the result does not depend on how the bytes were split.
        let strings = self.stops.iter().filter_map(|s| self.held.find(s.as_str()).map(|at| (at + s.len(), at)));
        let found = strings.chain(self.heading(end)).min();
        let upto = match found {
            Some((_, at)) => {
                self.stopped = true;
                at
            }
            None if end => self.held.len(),
            None => self.held.len() - self.undecided(),
        };
        let text: String = self.held.drain(..upto).collect();
        if self.stopped {
            self.held.clear();
        }
        if let Some(last) = text.chars().last() {
            self.line_start = last == '\n';
        }
        text
    }

    /// How many bytes at the end of `held` could be the beginning of a stop.
    fn undecided(&self) -> usize {
        let held = &self.held;
        let overlap = |stop: &String| {
            let longest = held.len().min(stop.len() - 1);
            (1..=longest).rev().find(|&n| stop.is_char_boundary(n) && held.ends_with(&stop[..n])).unwrap_or(0)
        };
        let strings = self.stops.iter().map(overlap).max().unwrap_or(0);
        let last_line = held.rfind('\n').map_or(0, |at| at + 1);
        if self.headings && (last_line > 0 || self.line_start) && heading_so_far(&held[last_line..]) {
            // The line feed before a heading goes with it.
            strings.max(held.len() - last_line.saturating_sub(1))
        } else {
            strings
        }
    }

    /// The first line of `held` that is a heading: (where it ends, where the text before it ends).
    fn heading(&self, end: bool) -> Option<(usize, usize)> {
        if !self.headings {
            return None;
        }
        let mut start = 0;
        for line in self.held.split_inclusive('\n') {
            let complete = line.ends_with('\n') || end;
            let name = line.trim_end_matches(['\n', '\r']);
            if complete && (start > 0 || self.line_start) && name.ends_with(':') && heading_so_far(name) {
                return Some((start + line.len(), start.saturating_sub(1)));
            }
            start += line.len();
        }
        None
    }
}

/// Whether a line could become a speaker's name and a colon: a few capitalised words, then `:`, then nothing.
pub fn heading_so_far(line: &str) -> bool {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let name = line.strip_suffix(':').unwrap_or(line);
    let word = |w: &str| {
        w.chars().next().is_none_or(|c| c.is_uppercase() || c.is_numeric())
            && w.chars().all(|c| c.is_alphanumeric() || matches!(c, '\'' | '’' | '-' | '.'))
    };
    name.chars().count() <= 40 && (line.is_empty() || !name.is_empty()) && name.split(' ').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(stream: &TokenStream, pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let mut stream = stream.clone();
        let mut out: Vec<String> = pieces.iter().map(|p| stream.push(p)).collect();
        out.push(stream.finish());
        (out, stream.stopped())
    }

    fn stops(list: &[&str]) -> TokenStream {
        TokenStream::new(&list.iter().map(|s| s.to_string()).collect::<Vec<_>>())
    }

    /// Every way to push `bytes` in chunks of 1, 2, 3, … bytes gives the same text and the same verdict.
    fn all_splits(stream: &TokenStream, bytes: &[u8]) -> (String, bool) {
        let (whole, stopped) = run(stream, &[bytes]);
        let whole = whole.concat();
        for size in 1..=bytes.len().max(1) {
            let (pieces, s) = run(stream, &bytes.chunks(size).collect::<Vec<_>>());
            assert_eq!((pieces.concat(), s), (whole.clone(), stopped), "chunks of {size}");
        }
        (whole, stopped)
    }

    #[test]
    fn characters_are_never_split() {
        let text = "aé한😀\u{301}z";
        let mut stream = TokenStream::new(&[]);
        let mut shown = String::new();
        for &byte in text.as_bytes() {
            let piece = stream.push(&[byte]);
            assert!(piece.chars().count() <= 1 && !piece.contains('\u{FFFD}'));
            shown += &piece;
        }
        assert_eq!(shown, text);
        assert_eq!(stream.finish(), "");
        assert_eq!(run(&TokenStream::new(&[]), &[b"\xF0\x9F", b"\x98", b"\x80!"]).0, ["", "", "😀!", ""]);
    }

    #[test]
    fn what_is_not_utf8_becomes_the_replacement_character_once_certain() {
        let (pieces, _) = run(&TokenStream::new(&[]), &[b"a\xC3", b"b", b"\xFF", b"\xE2\x82"]);
        assert_eq!(pieces, ["a", "\u{FFFD}b", "\u{FFFD}", "", "\u{FFFD}"]);
        for bytes in
            [&b"\xF0\x9F\x98"[..], b"\xC0\x80\xE0\x80\x80", b"\xED\xA0\x80x", b"\xF4\x90\x80\x80", b"\x80\x80a\xE3"]
        {
            assert_eq!(all_splits(&TokenStream::new(&[]), bytes).0, decode(bytes));
        }
    }

    #[test]
    fn a_stop_string_is_found_across_tokens_and_never_shown() {
        let (pieces, stopped) = run(&stops(&["END"]), &[b"xE", b"N", b"Ey E", b"ND tail"]);
        assert_eq!((pieces.concat().as_str(), stopped), ("xENEy ", true));
        assert_eq!(pieces, ["x", "", "ENEy ", "", ""]);
        assert_eq!(all_splits(&stops(&["END"]), b"EEND"), ("E".into(), true));
        assert_eq!(all_splits(&stops(&["aab"]), b"aaab"), ("a".into(), true));
        assert_eq!(all_splits(&stops(&["\u{e9}t\u{e9}"]), "l'\u{e9}t\u{e9}!".as_bytes()), ("l'".into(), true));
        assert_eq!(all_splits(&stops(&["END", ""]), b"all but EN"), ("all but EN".into(), false));
        assert_eq!(all_splits(&stops(&["\u{FFFD}"]), b"ab\xFFcd"), ("ab".into(), true));
    }

    #[test]
    fn of_several_stops_the_first_to_end_wins() {
        assert_eq!(all_splits(&stops(&["abcd", "b"]), b"xabcd"), ("xa".into(), true));
        assert_eq!(all_splits(&stops(&["bc", "abc"]), b"xabcd"), ("x".into(), true));
    }

    #[test]
    fn a_speakers_name_on_its_own_line_ends_the_text() {
        let scene = stops(&["\n\n"]).stop_at_headings().skip_leading_whitespace();
        assert_eq!(all_splits(&scene, b"\n Good night.\nROMEO:\nWhat?"), ("Good night.".into(), true));
        assert_eq!(all_splits(&scene, b"Good night.\nFirst Citizen:\n"), ("Good night.".into(), true));
        assert_eq!(all_splits(&scene, b"Good night.\n2 Citizen:"), ("Good night.".into(), true));
        assert_eq!(all_splits(&scene, b"ROMEO:\nWhat?"), ("".into(), true));
        assert_eq!(
            all_splits(&scene, b"Hear me:\nIt is I.\nMark This: love"),
            ("Hear me:\nIt is I.\nMark This: love".into(), false)
        );
        assert_eq!(all_splits(&scene, b"So.\n\nROMEO:\n"), ("So.".into(), true));
        assert_eq!(all_splits(&scene, b"So:\n:\nlast"), ("".into(), true));
        assert_eq!(all_splits(&scene, b"to:\n:\nlast\n"), ("to:\n:\nlast\n".into(), false));
    }

    #[test]
    fn a_line_is_shown_as_soon_as_it_cannot_be_a_name() {
        let mut scene = stops(&["\n\n"]).stop_at_headings();
        assert_eq!(scene.push(b"But soft"), "But soft");
        assert_eq!(scene.push(b"\nWhat"), "");
        assert_eq!(scene.push(b" light"), "\nWhat light");
    }
}
