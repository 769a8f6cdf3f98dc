//! JSON from files that others wrote: no key twice, sizes bounded, and every complaint names file and field.

use crate::utils::by_name::Named;
use crate::utils::{Error, Result};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The largest size that a configuration may ask for: products of a few of them still fit in 64 bits.
const LARGEST: u64 = 1 << 24;

/// A JSON value in which no object has a key twice (serde_json would silently keep the last).
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Strict, D::Error> {
        d.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, v: bool) -> std::result::Result<Value, E> {
        Ok(v.into())
    }
    fn visit_i64<E>(self, v: i64) -> std::result::Result<Value, E> {
        Ok(v.into())
    }
    fn visit_u64<E>(self, v: u64) -> std::result::Result<Value, E> {
        Ok(v.into())
    }
    fn visit_f64<E>(self, v: f64) -> std::result::Result<Value, E> {
        Ok(v.into())
    }
    fn visit_str<E>(self, v: &str) -> std::result::Result<Value, E> {
        Ok(v.into())
    }
    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Strict(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(values.into())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> std::result::Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} stands there twice")));
            }
            let Strict(value) = entries.next_value()?;
            map.insert(key, value);
        }
        Ok(map.into())
    }
}

/// Parses an object; errors begin with `place`.
pub fn parse_object(bytes: &[u8], place: impl fmt::Display) -> Result<Map<String, Value>> {
    let text = std::str::from_utf8(bytes)
        .map_err(|e| Error::new(format!("{place}: not UTF-8 at byte {}", e.valid_up_to())).caused_by(e))?;
    match serde_json::from_str(text) {
        Ok(Strict(Value::Object(map))) => Ok(map),
        Ok(_) => Err(Error::new(format!("{place}: not a JSON object"))),
        Err(e) => Err(Error::new(format!("{place}: not valid JSON: {e}")).caused_by(e)),
    }
}

/// A value for an error message: a whole hostile file need not be repeated.
pub fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The fields of one object of one file.
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    place: String,
}

impl<'a> Fields<'a> {
    /// `place` is the file, or the file and the field that holds the object.
    pub fn new(map: &'a Map<String, Value>, place: impl fmt::Display) -> Fields<'a> {
        Fields { map, place: place.to_string() }
    }

    /// "{file}: {field}: {why}".
    pub fn error(&self, field: &str, why: impl fmt::Display) -> Error {
        Error::new(format!("{}: {field}: {why}", self.place))
    }

    /// A field; `null` counts as absent.
    pub fn get(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|v| !v.is_null())
    }

    /// The object in a field.
    pub fn object(&self, field: &str) -> Result<Option<Fields<'a>>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Fields::new(map, format!("{}: {field}", self.place)))),
            Some(v) => Err(self.error(field, format!("{} is not an object", shown(v)))),
        }
    }

    /// The names of all fields.
    pub fn names(&self) -> impl Iterator<Item = &'a String> {
        self.map.keys()
    }

    /// A size from 1 to 2²⁴.
    pub fn size(&self, field: &str) -> Result<Option<usize>> {
        match (self.get(field), self.get(field).and_then(Value::as_u64)) {
            (None, _) => Ok(None),
            (Some(_), Some(n @ 1..=LARGEST)) => Ok(Some(n as usize)),
            (Some(v), _) => Err(self.error(field, format!("{} is not a whole number from 1 to {LARGEST}", shown(v)))),
        }
    }

    /// A size that has two names in use; `default` if neither is there.
    pub fn size_or(&self, field: &str, alias: &str, default: usize) -> Result<usize> {
        match (self.size(field)?, self.size(alias)?) {
            (Some(a), Some(b)) if a != b => Err(self.error(field, format!("{a}, but {alias}: {b}"))),
            (a, b) => Ok(a.or(b).unwrap_or(default)),
        }
    }

    /// A size that has to be there.
    pub fn required_size(&self, field: &str) -> Result<usize> {
        self.size(field)?.ok_or_else(|| self.error(field, "missing"))
    }

    /// A finite number.
    pub fn number(&self, field: &str) -> Result<Option<f32>> {
        match (self.get(field), self.get(field).and_then(Value::as_f64).map(|x| x as f32)) {
            (None, _) => Ok(None),
            (Some(_), Some(x)) if x.is_finite() => Ok(Some(x)),
            (Some(v), _) => Err(self.error(field, format!("{} is not a finite number", shown(v)))),
        }
    }

    /// true or false.
    pub fn flag(&self, field: &str, default: bool) -> Result<bool> {
        match self.get(field) {
            None => Ok(default),
            Some(Value::Bool(b)) => Ok(*b),
            Some(v) => Err(self.error(field, format!("{} is neither true nor false", shown(v)))),
        }
    }

    /// A text.
    pub fn text(&self, field: &str) -> Result<Option<&'a str>> {
        match self.get(field) {
            None => Ok(None),
            Some(Value::String(s)) => Ok(Some(s)),
            Some(v) => Err(self.error(field, format!("{} is not a text", shown(v)))),
        }
    }

    /// One of the values that have names.
    pub fn named<T: Named>(&self, field: &str) -> Result<T> {
        let value = self.get(field).ok_or_else(|| self.error(field, "missing"))?;
        value.as_str().and_then(T::of_name).ok_or_else(|| self.error(field, format!("{}: unknown", shown(value))))
    }

    /// One of an enum's names.
    pub fn required<T: serde::de::DeserializeOwned>(&self, field: &str) -> Result<T> {
        let value = self.get(field).ok_or_else(|| self.error(field, "missing"))?;
        T::deserialize(value).map_err(|e| self.error(field, format!("{}: {e}", shown(value))).caused_by(e))
    }
}

/// An f32 as its shortest decimal: 0.00001, not 0.000009999999747.
pub fn decimal(x: f32) -> Value {
    x.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_json_is_refused() {
        let why = |text: &[u8]| parse_object(text, "f").err().unwrap().to_string();
        assert!(why(b"{\"a\": 1, \"a\": 2}").contains("\"a\" stands there twice"));
        assert!(why(b"{\"x\": {\"a\": 1, \"a\": 2}}").contains("twice"));
        assert!(why(b"").starts_with("f: not valid JSON"));
        assert!(why(b"[1]").contains("not a JSON object"));
        assert!(why(b"{\"a\xff\": 1}").contains("not UTF-8 at byte 3"));
        assert!(why("[".repeat(1 << 20).as_bytes()).contains("recursion"));
        assert!(why(b"{\"a\": NaN}").contains("JSON"));
    }

    #[test]
    fn fields_are_checked() {
        let map =
            parse_object(br#"{"n": -1, "x": 1e300, "t": 3, "big": 16777217, "a": 2, "b": 3, "z": null}"#, "f").unwrap();
        let f = Fields::new(&map, "f");
        let text = |e: Option<Error>| e.unwrap().to_string();
        assert!(text(f.size("n").err()).starts_with("f: n: -1 is not"));
        assert!(text(f.size("big").err()).starts_with("f: big:"));
        assert!(text(f.number("x").err()).starts_with("f: x:"));
        assert!(text(f.text("t").err()).starts_with("f: t:"));
        assert!(text(f.size_or("a", "b", 1).err()).contains("b: 3"));
        assert_eq!((f.size("z").unwrap(), f.size_or("q", "a", 1).unwrap()), (None, 2));
        assert_eq!(decimal(1e-5).to_string(), "0.00001");
    }
}
