//! How values whose type shows only when it arrives keep what serde has no words for: tuples, sets, large integers.
//!
//! Such a value serialises itself as a newtype struct with the name [`NAME`], which formats ignore: it is there for
//! pickles. Inside it [`PickleSerializer`](super::serialize::PickleSerializer) says that it is not human-readable.
//! Then the value is an enum:
//!
//! ```text
//! Null  Bool(bool)  Int(i64)  Float(f64)  Text(str)  Bytes(bytes)  List(seq)  Map(map)  Tagged(name, value)
//! ```
//!
//! In a pickle these variants leave no trace, and `Tagged` is one of
//!
//! | name | value | Python |
//! |---|---|---|
//! | `tuple`, `set`, `frozenset` | `List` | `tuple`, `set`, `frozenset` |
//! | `bytearray` | `Bytes` | `bytearray` |
//! | `int` | `Text`: decimal digits | `int` |
//! | `exception` | `Map`: `module`, `class`, `args`, `attributes` | an exception |
//! | any other | any | `{"$name": value}`, which is read as a dict |

use super::writer::Shape;

pub(super) use read::{ExceptionMap, TaggedEnum};
pub(super) use write::TaggedPair;

mod read;
mod write;

/// What the newtype is called.
pub(super) const NAME: &str = "$tagged";

/// What a tag says of a value, if Python has a type for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Holder(Shape),
    ByteArray,
    Int,
    Exception,
}

impl Tag {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "tuple" => Some(Self::Holder(Shape::Tuple)),
            "set" => Some(Self::Holder(Shape::Set)),
            "frozenset" => Some(Self::Holder(Shape::FrozenSet)),
            "bytearray" => Some(Self::ByteArray),
            "int" => Some(Self::Int),
            "exception" => Some(Self::Exception),
            _ => None,
        }
    }

    /// The variant that it must be of.
    fn content(self) -> &'static str {
        match self {
            Self::Holder(_) => "List",
            Self::ByteArray => "Bytes",
            Self::Int => "Text",
            Self::Exception => "Map",
        }
    }
}
