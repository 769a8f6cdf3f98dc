//! Writing text piece by piece, to a terminal, a file or a pipe that may close.

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};

use motamot::utils::{Error, Result};

/// Whether what was written has reached a reader: a pipe that was closed (`| head`) is no error.
pub fn reached(written: std::io::Result<()>) -> Result<bool> {
    match written {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Error::new(format!("cannot write the output: {e}")).caused_by(e)),
        Ok(()) => Ok(true),
    }
}

/// Writes a report to standard output.
pub fn print(text: std::fmt::Arguments) -> Result<()> {
    let mut out = std::io::stdout().lock();
    reached(out.write_fmt(text).and_then(|()| out.flush())).map(drop)
}

/// Standard error, where lines for a person go. Nobody may be reading it (`2>&1 | head`, a full disk, a closed terminal):
/// that must not end the work, so writing always succeeds.
pub struct Notes;

impl Write for Notes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = std::io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes a line to [`Notes`].
pub fn note(text: impl std::fmt::Display) {
    // At once, so that the lines of two programs do not mix.
    let _ = Notes.write_all(format!("{text}\n").as_bytes());
}

/// A destination for streamed text. After the reader has gone away (`| head`) it swallows everything.
pub struct Output<W> {
    inner: W,
    terminal: bool,
    closed: bool,
    at_line_start: bool,
}

impl Output<std::io::Stdout> {
    /// Standard output.
    pub fn stdout() -> Self {
        Output::new(std::io::stdout(), std::io::stdout().is_terminal())
    }
}

impl<W: Write> Output<W> {
    /// For a terminal, control characters in the text are made visible instead of obeyed.
    pub fn new(inner: W, terminal: bool) -> Output<W> {
        Output { inner, terminal, closed: false, at_line_start: true }
    }

    /// Whether the reader has gone away.
    pub fn closed(&self) -> bool {
        self.closed
    }

    /// Whether this is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes text and shows it at once.
    pub fn text(&mut self, text: &str) -> Result<()> {
        if self.closed || text.is_empty() {
            return Ok(());
        }
        self.at_line_start = text.ends_with('\n');
        let text = if self.terminal { visible(text) } else { Cow::Borrowed(text) };
        self.closed = !reached(self.inner.write_all(text.as_bytes()).and_then(|()| self.inner.flush()))?;
        Ok(())
    }

    /// Ends the current line if there is something on it.
    pub fn end_line(&mut self) -> Result<()> {
        if self.at_line_start { Ok(()) } else { self.text("\n") }
    }
}

/// Control characters other than line feed and tab as pictures (␛), so that a model's bytes cannot steer a terminal.
pub fn visible(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let picture = |c: char| match c {
        c if !steers(c) => c,
        '\u{7f}' => '␡',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{FFFD}'),
        _ => '\u{FFFD}',
    };
    Cow::Owned(text.chars().map(picture).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pipe(usize);

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            match self.0 {
                0 => Err(ErrorKind::BrokenPipe.into()),
                left => {
                    self.0 = left - 1;
                    Ok(bytes.len())
                }
            }
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_quiet() {
        let mut out = Output::new(Pipe(1), false);
        out.text("one").unwrap();
        assert!(!out.closed());
        out.text("two").unwrap();
        assert!(out.closed());
        out.text("three").unwrap();
    }

    #[test]
    fn a_terminal_is_not_steered() {
        let mut bytes = Vec::new();
        Output::new(&mut bytes, true).text("a\x1b[31m\tb\n\x7f\u{9b}é").unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), "a␛[31m\tb\n␡\u{FFFD}é");
        let mut bytes = Vec::new();
        let mut out = Output::new(&mut bytes, false);
        out.text("a\x1b").unwrap();
        out.end_line().unwrap();
        out.end_line().unwrap();
        assert_eq!(bytes, b"a\x1b\n");
    }
}
