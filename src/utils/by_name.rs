//! Serde for enums of the kernels, which know nothing of serde: `#[serde(with = "by_name")]` writes and reads their names.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serializer};

/// Values with a name each.
pub trait Named: Copy + PartialEq + 'static {
    /// All of them.
    const NAMES: &'static [(Self, &'static str)];

    /// The name.
    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(value, _)| *value == self).map_or("", |(_, name)| name)
    }

    /// The value of a name.
    fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(value, _)| *value)
    }
}

impl Named for motamot_kernels::activation::Activation {
    const NAMES: &'static [(Self, &'static str)] = &Self::ALL;
}

impl Named for motamot_kernels::bf16::Precision {
    const NAMES: &'static [(Self, &'static str)] = &Self::ALL;
}

/// Writes the name.
pub fn serialize<T: Named, S: Serializer>(value: &T, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(value.name())
}

/// Reads a name.
pub fn deserialize<'de, T: Named, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    let name = String::deserialize(d)?;
    T::of_name(&name).ok_or_else(|| {
        let known: Vec<&str> = T::NAMES.iter().map(|(_, name)| *name).collect();
        D::Error::custom(format!("unknown name {name:?}, expected one of {}", known.join(", ")))
    })
}
