use serde::ser::{Error, SerializeMap, SerializeTupleVariant};
use serde::{Serialize, Serializer};

use super::{MAX_LEVELS, base64, words};
use crate::pickle::{BigInt, Dict, Exception, Value, tagged};

/// In [`to_pickle`](crate::pickle::to_pickle) the value arrives in Python as it is, but what is shared in it comes as
/// often as it is mentioned. [`Value::to_pickle`] keeps that.
///
/// In other formats it is written as `rpc_core::Value` is: in those that people read, bytes as `{"$bytes": "AQI="}`,
/// a tuple as `{"$tuple": […]}`, an integer beyond 64 bits as `{"$int": "…"}`, an exception as
/// `{"$exception": {"module": …, "class": …, "args": …, "attributes": …}}`, a dict that would look so, or has keys that
/// aren't text, as `{"$map": [[…, …]]}`. Each of these words is a level more, and `$map` two.
impl Serialize for Value {
    /// # Errors
    /// What the serialiser says, or that the value is deeper than 100 levels.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(tagged::NAME, &At::new(self, MAX_LEVELS))
    }
}

/// A value, and how many levels it may have.
#[derive(Clone, Copy)]
struct At<'v> {
    tag: Option<&'static str>,
    content: Content<'v>,
    levels: usize,
}

/// What is behind the tag.
#[derive(Clone, Copy)]
enum Content<'v> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'v str),
    Digits(&'v BigInt),
    Bytes(&'v [u8]),
    List(&'v [Value]),
    Map(&'v Dict),
    Exception(&'v Exception),
}

impl<'v> At<'v> {
    fn new(value: &'v Value, levels: usize) -> Self {
        let (tag, content) = match value {
            Value::None => (None, Content::Null),
            Value::Bool(value) => (None, Content::Bool(*value)),
            Value::Int(value) => (None, Content::Int(*value)),
            Value::Float(value) => (None, Content::Float(*value)),
            Value::Str(text) => (None, Content::Text(text)),
            Value::Bytes(bytes) => (None, Content::Bytes(bytes)),
            Value::List(items) => (None, Content::List(items)),
            Value::Dict(dict) => (None, Content::Map(dict)),
            Value::BigInt(number) => (Some("int"), Content::Digits(number)),
            Value::ByteArray(bytes) => (Some("bytearray"), Content::Bytes(bytes)),
            Value::Tuple(items) => (Some("tuple"), Content::List(items)),
            Value::Set(set) => (Some("set"), Content::List(set.iter().as_slice())),
            Value::FrozenSet(set) => (Some("frozenset"), Content::List(set.iter().as_slice())),
            Value::Exception(exception) => (Some("exception"), Content::Exception(exception)),
        };
        Self {
            tag,
            content,
            levels,
        }
    }

    fn untagged(self) -> Self {
        Self { tag: None, ..self }
    }

    fn inside<E: Error>(self, levels: usize) -> Result<usize, E> {
        self.levels.checked_sub(levels).ok_or_else(|| {
            E::custom(format_args!(
                "a value is nested deeper than {MAX_LEVELS} levels"
            ))
        })
    }
}

impl Serialize for At<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (serializer.is_human_readable(), self.tag) {
            (true, Some(tag)) => self.word(tag, serializer),
            (true, None) => self.readable(serializer),
            (false, Some(tag)) => self.pair(tag, serializer),
            (false, None) => self.variant(serializer),
        }
    }
}

/// What the enum is called.
const NAME: &str = "Value";

impl At<'_> {
    fn pair<S: Serializer>(&self, tag: &str, to: S) -> Result<S::Ok, S::Error> {
        let mut pair = to.serialize_tuple_variant(NAME, 8, "Tagged", 2)?;
        pair.serialize_field(tag)?;
        pair.serialize_field(&self.untagged())?;
        pair.end()
    }

    // What nests apart from what doesn't, in both forms: it takes stack.

    fn variant<S: Serializer>(self, to: S) -> Result<S::Ok, S::Error> {
        match self.content {
            Content::List(items) => {
                let items = List(items, self.inside(1)?);
                to.serialize_newtype_variant(NAME, 6, "List", &items)
            }
            Content::Map(entries) => {
                let entries = Map(entries, self.inside(1)?);
                to.serialize_newtype_variant(NAME, 7, "Map", &entries)
            }
            Content::Exception(exception) => {
                let parts = Parts(exception, self.inside(1)?);
                to.serialize_newtype_variant(NAME, 7, "Map", &parts)
            }
            _ => self.leaf_variant(to),
        }
    }

    fn leaf_variant<S: Serializer>(self, to: S) -> Result<S::Ok, S::Error> {
        match self.content {
            Content::Bool(value) => to.serialize_newtype_variant(NAME, 1, "Bool", &value),
            Content::Int(value) => to.serialize_newtype_variant(NAME, 2, "Int", &value),
            Content::Float(value) => to.serialize_newtype_variant(NAME, 3, "Float", &value),
            Content::Text(text) => to.serialize_newtype_variant(NAME, 4, "Text", text),
            Content::Digits(number) => {
                to.serialize_newtype_variant(NAME, 4, "Text", &number.to_string())
            }
            Content::Bytes(bytes) => to.serialize_newtype_variant(NAME, 5, "Bytes", &Bytes(bytes)),
            _ => to.serialize_unit_variant(NAME, 0, "Null"),
        }
    }

    fn readable<S: Serializer>(self, to: S) -> Result<S::Ok, S::Error> {
        match self.content {
            Content::List(items) => List(items, self.inside(1)?).serialize(to),
            Content::Map(entries) if words::is_object(entries) => {
                Map(entries, self.inside(1)?).serialize(to)
            }
            Content::Map(entries) => lone(to, "$map", &Pairs(entries, self.inside(3)?)),
            Content::Exception(exception) => Parts(exception, self.inside(1)?).serialize(to),
            _ => self.readable_leaf(to),
        }
    }

    fn readable_leaf<S: Serializer>(self, to: S) -> Result<S::Ok, S::Error> {
        match self.content {
            Content::Bool(value) => to.serialize_bool(value),
            Content::Int(value) => to.serialize_i64(value),
            Content::Float(value) if value.is_finite() => to.serialize_f64(value),
            Content::Float(value) => lone(to, "$float", &words::float_name(value)),
            Content::Text(text) => to.serialize_str(text),
            Content::Digits(number) => to.collect_str(number),
            Content::Bytes(bytes) => lone(to, "$bytes", &base64::encode(bytes)),
            _ => to.serialize_unit(),
        }
    }

    fn word<S: Serializer>(self, tag: &str, to: S) -> Result<S::Ok, S::Error> {
        if let Content::Digits(number) = self.content
            && let Ok(number) = i128::try_from(number)
            && let Ok(number) = u64::try_from(number)
        {
            return to.serialize_u64(number);
        }
        let inside = Self {
            levels: self.inside(1)?,
            ..self.untagged()
        };
        lone(to, &format!("${tag}"), &inside)
    }
}

struct Bytes<'v>(&'v [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

struct List<'v>(&'v [Value], usize);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(items, levels) = *self;
        serializer.collect_seq(items.iter().map(|item| At::new(item, levels)))
    }
}

struct Map<'v>(&'v Dict, usize);

impl Serialize for Map<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(pairs(self.0, self.1))
    }
}

/// A dict as a list of pairs.
struct Pairs<'v>(&'v Dict, usize);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(pairs(self.0, self.1))
    }
}

fn pairs<'v>(entries: &'v Dict, levels: usize) -> impl ExactSizeIterator<Item = (At<'v>, At<'v>)> {
    entries
        .iter()
        .map(move |(key, value)| (At::new(key, levels), At::new(value, levels)))
}

/// An exception as a dict.
struct Parts<'v>(&'v Exception, usize);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(exception, levels) = *self;
        let part = |tag, content| At {
            tag,
            content,
            levels,
        };
        let attributes = exception.attributes();
        let len = 3 + usize::from(!attributes.is_empty());
        let mut map = serializer.serialize_map(Some(len))?;
        let texts = [("module", exception.module()), ("class", exception.class())];
        for (name, text) in texts {
            map.serialize_entry(
                &part(None, Content::Text(name)),
                &part(None, Content::Text(text)),
            )?;
        }
        map.serialize_entry(
            &part(None, Content::Text("args")),
            &part(Some("tuple"), Content::List(exception.args())),
        )?;
        if !attributes.is_empty() {
            map.serialize_entry(
                &part(None, Content::Text("attributes")),
                &part(None, Content::Map(attributes)),
            )?;
        }
        map.end()
    }
}

fn lone<S: Serializer>(
    serializer: S,
    key: &str,
    value: &(impl Serialize + ?Sized),
) -> Result<S::Ok, S::Error> {
    serializer.collect_map([(key, value)])
}
