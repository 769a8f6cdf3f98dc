//! JSON from files that others wrote: no key twice, sizes bounded, and every complaint names file and field.

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

/// A value for an error message: a whole hostile file need not be repeated.
pub fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// An f32 as its shortest decimal: 0.00001, not 0.000009999999747.
pub fn decimal(x: f32) -> Value {
    x.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

/// The fields of one object of one file. A field that is `null` counts as absent, which is `None`.
pub struct Fields {
    map: Map<String, Value>,
    place: String,
}

impl Fields {
    /// Parses an object; errors begin with `place`.
    pub fn parse(bytes: &[u8], place: impl fmt::Display) -> Result<Fields> {
        let place = place.to_string();
        let text = std::str::from_utf8(bytes)
            .map_err(|e| Error::new(format!("{place}: not UTF-8 at byte {}", e.valid_up_to())).caused_by(e))?;
        match serde_json::from_str(text) {
            Ok(Strict(Value::Object(map))) => Ok(Fields { map, place }),
            Ok(_) => Err(Error::new(format!("{place}: not a JSON object"))),
            Err(e) => Err(Error::new(format!("{place}: not valid JSON: {e}")).caused_by(e)),
        }
    }

    /// "{file}: {field}: {why}".
    pub fn error(&self, field: &str, why: impl fmt::Display) -> Error {
        Error::new(format!("{}: {field}: {why}", self.place))
    }

    /// The names of all fields.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.map.keys()
    }

    /// Fails if there is a field that is none of these.
    pub fn only(&self, known: &[&str]) -> Result<()> {
        match self.names().find(|name| !known.contains(&name.as_str()) && self.get(name).is_some()) {
            Some(name) => Err(self.error(name, "unknown field").help("it may be one of a newer version of motamot")),
            None => Ok(()),
        }
    }

    /// A field.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.map.get(field).filter(|v| !v.is_null())
    }

    /// A field that `as_wanted` finds to be `what`.
    fn typed<'a, T>(
        &'a self,
        field: &str,
        what: &str,
        as_wanted: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(field) else { return Ok(None) };
        as_wanted(value).map(Some).ok_or_else(|| self.error(field, format!("{} is not {what}", shown(value))))
    }

    /// A field that has to be there: `fields.required("vocab_size", Fields::size)`.
    pub fn required<'a, T>(
        &'a self,
        field: &str,
        get: impl FnOnce(&'a Fields, &str) -> Result<Option<T>>,
    ) -> Result<T> {
        get(self, field)?.ok_or_else(|| self.error(field, "missing"))
    }

    /// The object in a field.
    pub fn object(&self, field: &str) -> Result<Option<Fields>> {
        let place = || format!("{}: {field}", self.place);
        self.typed(field, "an object", |v| Some(Fields { map: v.as_object()?.clone(), place: place() }))
    }

    /// A size from 1 to 2²⁴.
    pub fn size(&self, field: &str) -> Result<Option<usize>> {
        let in_range = |v: &Value| v.as_u64().filter(|n| (1..=LARGEST).contains(n)).map(|n| n as usize);
        self.typed(field, &format!("a whole number from 1 to {LARGEST}"), in_range)
    }

    /// A size that has two names in use.
    pub fn size_named(&self, field: &str, alias: &str) -> Result<Option<usize>> {
        match (self.size(field)?, self.size(alias)?) {
            (Some(a), Some(b)) if a != b => Err(self.error(field, format!("{a}, but {alias}: {b}"))),
            (a, b) => Ok(a.or(b)),
        }
    }

    /// Whole numbers.
    pub fn numbers(&self, field: &str) -> Result<Option<Vec<usize>>> {
        let number = |v: &Value| usize::try_from(v.as_u64()?).ok();
        self.typed(field, "a list of whole numbers", |v| v.as_array()?.iter().map(number).collect())
    }

    /// A finite number.
    pub fn number(&self, field: &str) -> Result<Option<f32>> {
        self.typed(field, "a finite number", |v| v.as_f64().map(|x| x as f32).filter(|x| x.is_finite()))
    }

    /// true or false.
    pub fn flag(&self, field: &str) -> Result<Option<bool>> {
        self.typed(field, "true or false", Value::as_bool)
    }

    /// A text.
    pub fn text(&self, field: &str) -> Result<Option<&str>> {
        self.typed(field, "a text", Value::as_str)
    }

    /// What a table has beside the text in a field.
    pub fn one_of<T: Copy>(&self, field: &str, table: &[(&str, T)]) -> Result<Option<T>> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        let found = table.iter().find(|(name, _)| *name == text).map(|&(_, value)| Some(value));
        found.ok_or_else(|| {
            let names: Vec<&str> = table.iter().map(|&(name, _)| name).collect();
            self.error(field, format!("{} is not supported", shown(&text.into())))
                .help(format!("supported: {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_json_is_refused() {
        let why = |text: &[u8]| Fields::parse(text, "f").err().unwrap().to_string();
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
        let f = Fields::parse(br#"{"n": -1, "x": 1e300, "t": 3, "big": 16777217, "a": 2, "b": 3, "z": null}"#, "f")
            .unwrap();
        let text = |e: Option<Error>| e.unwrap().to_string();
        assert!(text(f.size("n").err()).starts_with("f: n: -1 is not"));
        assert!(text(f.size("big").err()).starts_with("f: big:"));
        assert!(text(f.number("x").err()).starts_with("f: x:"));
        assert!(text(f.text("t").err()).starts_with("f: t:"));
        assert!(text(f.size_named("a", "b").err()).contains("b: 3"));
        assert_eq!(f.size_named("q", "a").unwrap(), Some(2));
        assert!(text(f.numbers("a").err()).starts_with("f: a: 2 is not a list"));
        assert!(text(f.required("z", Fields::size).err()).starts_with("f: z: missing"));
        assert_eq!((f.size("z").unwrap(), f.required("a", Fields::size).unwrap()), (None, 2));
        assert!(text(f.only(&["n", "x", "t", "big", "b"]).err()).starts_with("f: a: unknown field"));
        assert!(f.only(&["n", "x", "t", "big", "a", "b"]).is_ok());
        assert_eq!(decimal(1e-5).to_string(), "0.00001");
    }
}
