//! A value of a `tokenizer.json` with the path that leads to it, so that every error names its field.

use super::kind::SUPPORTED;
use crate::utils::json::shown;
use crate::utils::{Error, Result};
use serde_json::{Map, Value};
use std::fmt::Display;

/// The largest vocabularies in use have 260,000 tokens.
const MOST_TOKENS: u64 = 1 << 24;

/// A value and its path: `added_tokens[3].content`.
pub(super) struct Field<'a> {
    path: String,
    pub value: &'a Value,
}

impl<'a> Field<'a> {
    /// The whole file.
    pub fn root(value: &'a Value) -> Field<'a> {
        Field { path: String::new(), value }
    }

    /// An entry of this field, which may be missing: its path is what counts.
    pub fn at(&self, key: impl Display) -> Field<'a> {
        let path = if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) };
        Field { path, value: self.value }
    }

    /// The entry of that name, unless it is missing or null.
    pub fn get(&self, key: &str) -> Option<Field<'a>> {
        let value = self.value.get(key).filter(|v| !v.is_null())?;
        Some(Field { value, ..self.at(key) })
    }

    /// The entry of that name.
    pub fn need(&self, key: &str) -> Result<Field<'a>> {
        self.get(key).ok_or_else(|| self.at(key).error("missing"))
    }

    /// "{path}: {problem}".
    pub fn error(&self, problem: impl Display) -> Error {
        Error::new(if self.path.is_empty() { problem.to_string() } else { format!("{}: {problem}", self.path) })
    }

    /// The value is of the wrong type.
    pub fn wrong(&self, wanted: &str) -> Error {
        self.error(format!("should be {wanted}, is {}", shown(self.value)))
    }

    /// The value is one that this library does not understand; `what` is its role.
    pub fn unsupported(&self, what: &str) -> Error {
        self.error(format!("{what} {} is not supported", shown(self.value))).help(SUPPORTED)
    }

    pub fn object(&self) -> Result<&'a Map<String, Value>> {
        self.value.as_object().ok_or_else(|| self.wrong("an object"))
    }

    /// The entries of an object, with their paths.
    pub fn entries(&self) -> Result<impl Iterator<Item = (&'a str, Field<'a>)>> {
        let entry = |(key, value): (&'a String, &'a Value)| (key.as_str(), Field { value, ..self.at(quoted(key)) });
        Ok(self.object()?.iter().map(entry))
    }

    pub fn array(&self) -> Result<impl Iterator<Item = Field<'a>> + use<'a>> {
        let array = self.value.as_array().ok_or_else(|| self.wrong("a list"))?;
        let path = self.path.clone();
        Ok(array.iter().enumerate().map(move |(i, value)| Field { path: format!("{path}[{i}]"), value }))
    }

    pub fn string(&self) -> Result<&'a str> {
        self.value.as_str().ok_or_else(|| self.wrong("a string"))
    }

    pub fn bool(&self) -> Result<bool> {
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    pub fn bool_or(&self, key: &str, default: bool) -> Result<bool> {
        self.get(key).map_or(Ok(default), |f| f.bool())
    }

    pub fn id(&self) -> Result<u32> {
        match self.value.as_u64() {
            Some(id) if id < MOST_TOKENS => Ok(id as u32),
            Some(id) => Err(self.error(format!("token id {id} is too large"))),
            None => Err(self.wrong("a token id")),
        }
    }
}

/// A token in a message: in quotes, escaped, and never longer than a few words.
pub(super) fn quoted(token: &str) -> String {
    shown(&Value::from(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_short_and_visible() {
        assert_eq!(quoted("a\n\u{7}b"), "\"a\\n\\u0007b\"");
        assert_eq!(quoted(&"x".repeat(1 << 20)).chars().count(), 61);
    }
}
