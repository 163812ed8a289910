use serde::ser::{Error, SerializeTupleVariant};
use serde::{Serialize, Serializer};

use super::{Value, base64, json};

impl Serialize for Value {
    /// # Errors
    /// What the serialiser says, or that the value is deeper than [`Value::MAX_DEPTH`].
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(Self::NEWTYPE, &self.at(Self::MAX_DEPTH))
    }
}

impl Value {
    fn at(&self, levels: usize) -> At<'_> {
        At {
            value: self,
            levels,
        }
    }
}

/// A value, and how many levels it may have.
#[derive(Clone, Copy)]
struct At<'a> {
    value: &'a Value,
    levels: usize,
}

impl Serialize for At<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.readable(serializer)
        } else {
            self.variant(serializer)
        }
    }
}

impl At<'_> {
    fn readable<S: Serializer>(self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Value::Float(value) => lone(serializer, "$float", &json::float_name(*value)),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => lone(serializer, "$bytes", &base64::encode(bytes)),
            Value::List(items) => List(items, self.inside(1)?).serialize(serializer),
            Value::Map(pairs) if json::is_object(pairs) => {
                Map(pairs, self.inside(1)?).serialize(serializer)
            }
            Value::Map(pairs) => lone(serializer, "$map", &Pairs(pairs, self.inside(3)?)),
            Value::Tagged(name, value) => {
                if let Some(number) = json::large(name, value) {
                    serializer.serialize_u64(number)
                } else if json::is_word(name, value) {
                    let levels = self.inside(2)?;
                    lone(serializer, "$tag", &(name, value.at(levels)))
                } else {
                    let levels = self.inside(1)?;
                    lone(serializer, &format!("${name}"), &value.at(levels))
                }
            }
        }
    }

    fn variant<S: Serializer>(self, serializer: S) -> Result<S::Ok, S::Error> {
        const NAME: &str = "Value";
        match self.value {
            Value::Null => serializer.serialize_unit_variant(NAME, 0, "Null"),
            Value::Bool(value) => serializer.serialize_newtype_variant(NAME, 1, "Bool", value),
            Value::Int(value) => serializer.serialize_newtype_variant(NAME, 2, "Int", value),
            Value::Float(value) => serializer.serialize_newtype_variant(NAME, 3, "Float", value),
            Value::Text(text) => serializer.serialize_newtype_variant(NAME, 4, "Text", text),
            Value::Bytes(bytes) => {
                serializer.serialize_newtype_variant(NAME, 5, "Bytes", &Bytes(bytes))
            }
            Value::List(items) => {
                let items = List(items, self.inside(1)?);
                serializer.serialize_newtype_variant(NAME, 6, "List", &items)
            }
            Value::Map(pairs) => {
                let pairs = Map(pairs, self.inside(1)?);
                serializer.serialize_newtype_variant(NAME, 7, "Map", &pairs)
            }
            Value::Tagged(name, value) => {
                let value = value.at(self.inside(1)?);
                let mut fields = serializer.serialize_tuple_variant(NAME, 8, "Tagged", 2)?;
                fields.serialize_field(name)?;
                fields.serialize_field(&value)?;
                fields.end()
            }
        }
    }

    fn inside<E: Error>(self, levels: usize) -> Result<usize, E> {
        self.levels.checked_sub(levels).ok_or_else(|| {
            E::custom(format_args!(
                "a value is nested deeper than {} levels",
                Value::MAX_DEPTH
            ))
        })
    }
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct List<'a>(&'a [Value], usize);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(items, levels) = *self;
        serializer.collect_seq(items.iter().map(|item| item.at(levels)))
    }
}

struct Map<'a>(&'a [(Value, Value)], usize);

impl Serialize for Map<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(pairs, levels) = *self;
        serializer.collect_map(
            pairs
                .iter()
                .map(|(key, value)| (key.at(levels), value.at(levels))),
        )
    }
}

/// A map as a list of pairs.
struct Pairs<'a>(&'a [(Value, Value)], usize);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(pairs, levels) = *self;
        serializer.collect_seq(
            pairs
                .iter()
                .map(|(key, value)| (key.at(levels), value.at(levels))),
        )
    }
}

fn lone<S: Serializer>(
    serializer: S,
    key: &str,
    value: &(impl Serialize + ?Sized),
) -> Result<S::Ok, S::Error> {
    serializer.collect_map([(key, value)])
}
