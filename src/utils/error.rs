//! The one error type: what went wrong, where, and what to do about it.

use std::fmt;

/// The result of everything that can fail because of a file, a configuration, a vocabulary or a command line.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error for a person to read: a message that names the path, field or offset, and a line of help.
pub struct Error {
    message: String,
    help: Option<String>,
    usage: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// Something that failed while running (exit code 1).
    pub fn new(message: impl Into<String>) -> Error {
        Error { message: message.into(), help: None, usage: false, source: None }
    }

    /// A command line or configuration that makes no sense (exit code 2).
    pub fn usage(message: impl Into<String>) -> Error {
        Error { usage: true, ..Error::new(message) }
    }

    /// A failed file operation: "cannot {doing} {path}: {source}".
    pub fn io(doing: &str, path: impl AsRef<std::path::Path>, source: std::io::Error) -> Error {
        Error::new(format!("cannot {doing} {}: {source}", path.as_ref().display())).caused_by(source)
    }

    /// What the user can do about it; shown on a line of its own, after "help:".
    pub fn help(self, help: impl Into<String>) -> Error {
        Error { help: Some(help.into()), ..self }
    }

    /// The same, unless it has a help line.
    pub fn or_help(self, help: &str) -> Error {
        if self.help.is_some() { self } else { self.help(help) }
    }

    /// Keeps the error that led to this one.
    pub fn caused_by(self, source: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error { source: Some(Box::new(source)), ..self }
    }

    /// Puts "{place}: " before the message: the file, then the field.
    pub fn at(self, place: impl fmt::Display) -> Error {
        Error { message: format!("{place}: {}", self.message), ..self }
    }

    /// 2 for usage, 1 for any other failure.
    pub fn exit_code(&self) -> u8 {
        if self.usage { 2 } else { 1 }
    }

    /// The help line, if there is one.
    pub fn help_line(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// As a program whose `main` returns it prints it: the message, and the help on a line of its own.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "\nhelp: {help}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| &**e as &(dyn std::error::Error + 'static))
    }
}
