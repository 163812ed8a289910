use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::Value;

/// A [`Value`] that is something else than what it should become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueError {
    expected: &'static str,
    found: &'static str,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { expected, found } = self;
        write!(f, "expected {expected}, found {found}")
    }
}

impl std::error::Error for ValueError {}

macro_rules! from {
    ($($type:ty, $name:ident => $value:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($name: $type) -> Self {
                $value
            }
        }
    )*};
}

from! {
    (), _nothing => Self::Null;
    bool, value => Self::Bool(value);
    i8, value => Self::Int(value.into());
    i16, value => Self::Int(value.into());
    i32, value => Self::Int(value.into());
    i64, value => Self::Int(value);
    u8, value => Self::Int(value.into());
    u16, value => Self::Int(value.into());
    u32, value => Self::Int(value.into());
    u64, value => u128::from(value).into();
    i128, value => i64::try_from(value).map_or_else(|_| Self::tagged("int", value.to_string()), Self::Int);
    u128, value => i64::try_from(value).map_or_else(|_| Self::tagged("int", value.to_string()), Self::Int);
    f32, value => Self::Float(value.into());
    f64, value => Self::Float(value);
    char, value => Self::Text(value.into());
    &str, text => Self::Text(text.to_owned());
    String, text => Self::Text(text);
    &[u8], bytes => Self::Bytes(bytes.to_owned());
    Vec<u8>, bytes => Self::Bytes(bytes);
    Vec<Self>, items => Self::List(items);
    Vec<(Self, Self)>, pairs => Self::Map(pairs);
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<K: Into<Self>, V: Into<Self>> From<BTreeMap<K, V>> for Value {
    fn from(map: BTreeMap<K, V>) -> Self {
        map.into_iter().collect()
    }
}

impl<K: Into<Self>, V: Into<Self>, S> From<HashMap<K, V, S>> for Value {
    fn from(map: HashMap<K, V, S>) -> Self {
        map.into_iter().collect()
    }
}

/// A list.
impl FromIterator<Self> for Value {
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        Self::List(items.into_iter().collect())
    }
}

/// A map.
impl<K: Into<Self>, V: Into<Self>> FromIterator<(K, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self::Map(
            pairs
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        )
    }
}

macro_rules! try_from {
    ($($type:ty, $expected:literal, $pattern:pat => $value:expr;)*) => {$(
        impl TryFrom<Value> for $type {
            type Error = ValueError;

            fn try_from(value: Value) -> Result<Self, ValueError> {
                let found = value.type_name();
                let converted = match value {
                    $pattern => $value,
                    _ => None,
                };
                converted.ok_or(ValueError { expected: $expected, found })
            }
        }
    )*};
}

try_from! {
    (), "null", Value::Null => Some(());
    bool, "bool", Value::Bool(value) => Some(value);
    i8, "int of 8 bits", Value::Int(value) => Self::try_from(value).ok();
    i16, "int of 16 bits", Value::Int(value) => Self::try_from(value).ok();
    i32, "int of 32 bits", Value::Int(value) => Self::try_from(value).ok();
    i64, "int", Value::Int(value) => Some(value);
    u8, "int of 8 bits, not negative", Value::Int(value) => Self::try_from(value).ok();
    u16, "int of 16 bits, not negative", Value::Int(value) => Self::try_from(value).ok();
    u32, "int of 32 bits, not negative", Value::Int(value) => Self::try_from(value).ok();
    f64, "float", Value::Float(value) => Some(value);
    String, "text", Value::Text(text) => Some(text);
    Vec<u8>, "bytes", Value::Bytes(bytes) => Some(bytes);
    Vec<Value>, "list", Value::List(items) => Some(items);
    Vec<(Value, Value)>, "map", Value::Map(pairs) => Some(pairs);
}

macro_rules! try_from_large {
    ($($type:ty, $expected:literal;)*) => {$(
        impl TryFrom<Value> for $type {
            type Error = ValueError;

            fn try_from(value: Value) -> Result<Self, ValueError> {
                let converted = match &value {
                    Value::Int(value) => Self::try_from(*value).ok(),
                    Value::Tagged(name, digits) => match &**digits {
                        Value::Text(digits) if name == "int" => digits.parse().ok(),
                        _ => None,
                    },
                    _ => None,
                };
                converted.ok_or(ValueError { expected: $expected, found: value.type_name() })
            }
        }
    )*};
}

try_from_large! {
    u64, "int of 64 bits, not negative";
    i128, "int of 128 bits";
    u128, "int of 128 bits, not negative";
}
