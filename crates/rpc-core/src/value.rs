use std::fmt;

pub use convert::ValueError;

mod base64;
mod convert;
mod json;
mod read;
mod write;

/// A value whose type shows only when it arrives: what the dialects have in common, and what only some have.
///
/// | | Python | JSON |
/// |---|---|---|
/// | `Null` | `None` | `null` |
/// | `Bool(true)` | `True` | `true` |
/// | `Int(7)` | `7` | `7` |
/// | `Float(0.5)` | `0.5` | `0.5` |
/// | `Float(f64::NAN)`, `Float(f64::INFINITY)` | `nan`, `inf` | `{"$float": "nan"}`, `{"$float": "inf"}` |
/// | `Text("a")` | `"a"` | `"a"` |
/// | `Bytes([1, 2])` | `b"\x01\x02"` | `{"$bytes": "AQI="}` |
/// | `List([…])` | `[…]` | `[…]` |
/// | `Map([(Text("a"), …)])` | `{"a": …}` | `{"a": …}` |
/// | `Map([(Int(1), …)])` | `{1: …}` | `{"$map": [[1, …]]}` |
/// | `Tagged("set", List([…]))` | `{…}` | `{"$set": […]}` |
/// | `Tagged("int", Text("18446744073709551615"))` | `18446744073709551615` | `18446744073709551615` |
/// | `Tagged("int", Text("18446744073709551616"))` | `18446744073709551616` | `{"$int": "18446744073709551616"}` |
///
/// # Across codecs
///
/// Every value survives every codec, unchanged to the bits of a `NaN`. Codecs that people can't read write a value as
/// an enum with the variants in this order; those that they can (`is_human_readable`) in the way of the table.
///
/// There an object with one key that begins with `$` is special. `$bytes`, `$float`, `$map` and `$tag` have the
/// meanings of the table, if what follows fits; any other is a `Tagged`. A map that would look so is written with
/// `$map`, and a `Tagged` that would look like something else as `{"$tag": ["bytes", …]}`.
///
/// All of it is a newtype struct with the name `$tagged`, which leaves no trace in codecs. A format with tuples and sets
/// of its own knows a `Value` by it; if it then says that it is not human-readable, it gets the variants.
///
/// JSON that comes in goes out as it came, with these exceptions: what is spelled with one of the five words though it
/// needn't (`{"$map": [["a", 1]]}`, `{"$tag": ["set", []]}`, `{"$int": "18446744073709551615"}`) goes out in the short
/// way, and a number without a fraction beyond 64 bits is read as the nearest `Float`. Keys that come twice are kept
/// twice.
///
/// # Depth
///
/// A list, a map or a `Tagged` is one level. Deeper than [`MAX_DEPTH`](Self::MAX_DEPTH) a value can neither be
/// written nor read, which is an error. The three levels of JSON's `$map` count as three, and `$tag` as two.
///
/// A program can build deeper ones by hand; to drop, clone, compare or debug-print those takes stack by their depth.
/// `Display` stops at `MAX_DEPTH`.
///
/// ```
/// use rpc_core::Value;
///
/// let value = Value::from_iter([("name", Value::from("left")), ("size", 3.into())]);
/// assert_eq!(value.to_string(), r#"{"name": "left", "size": 3}"#);
///
/// let list: Value = [1, 2].into_iter().map(Value::from).collect();
/// assert_eq!(list.to_string(), "[1, 2]");
///
/// let Value::Map(mut pairs) = value else { panic!("it is a map") };
/// assert_eq!(i64::try_from(pairs.remove(1).1)?, 3);
/// # Ok::<(), rpc_core::ValueError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// An integer of 64 bits. Larger ones are `Tagged("int", Text(decimal digits))`.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in their order.
    List(Vec<Self>),
    /// Pairs in the order in which they came. Nobody looks whether keys are unique.
    Map(Vec<(Self, Self)>),
    /// What only some dialects have: "tuple", "set", "frozenset", "int", "date" and the like.
    Tagged(String, Box<Self>),
}

impl Value {
    /// How deep a value may be nested to be written or read.
    pub const MAX_DEPTH: usize = 64;

    /// What the newtype struct around a value is called.
    pub(crate) const NEWTYPE: &str = "$tagged";

    /// A value with a name that says what it is.
    pub fn tagged(name: impl Into<String>, value: impl Into<Self>) -> Self {
        Self::Tagged(name.into(), Box::new(value.into()))
    }

    const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Tagged(..) => "tagged value",
        }
    }

    const fn is_container(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_) | Self::Tagged(..))
    }

    fn show(&self, levels: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(inside) = levels
            .checked_sub(1)
            .or_else(|| (!self.is_container()).then_some(0))
        else {
            return f.write_str("…");
        };
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => write!(f, "b\"{}\"", bytes.escape_ascii()),
            Self::List(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    item.show(inside, f)?;
                }
                f.write_str("]")
            }
            Self::Map(pairs) => {
                f.write_str("{")?;
                for (at, (key, value)) in pairs.iter().enumerate() {
                    f.write_str(if at == 0 { "" } else { ", " })?;
                    key.show(inside, f)?;
                    f.write_str(": ")?;
                    value.show(inside, f)?;
                }
                f.write_str("}")
            }
            Self::Tagged(name, value) => {
                write!(f, "{name}(")?;
                value.show(inside, f)?;
                f.write_str(")")
            }
        }
    }
}

/// For people: like JSON, with `b"…"` for bytes and `set([1, 2])` for what is tagged.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(Self::MAX_DEPTH, f)
    }
}
