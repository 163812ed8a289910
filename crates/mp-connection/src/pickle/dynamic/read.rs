use std::fmt;

use serde::Deserialize;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::{MAX_LEVELS, tagged, words};
use crate::pickle::{Dict, Value, tagged as format};

/// Reads what [`Value`] and `rpc_core::Value` are written as, and, in formats that say what comes, everything else.
///
/// In [`from_pickle`](crate::pickle::from_pickle) every value arrives as it is, but nothing is shared in it.
/// [`Value::from_pickle`] keeps that.
impl<'de> Deserialize<'de> for Value {
    /// # Errors
    /// What the deserialiser says, or that there are more than 100 levels.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let reader = Reader {
            levels: MAX_LEVELS,
            form: Form::Newtype,
        };
        deserializer.deserialize_newtype_struct(format::NAME, reader)
    }
}

/// Reads a value that may have so many levels.
#[derive(Clone, Copy)]
struct Reader {
    levels: usize,
    form: Form,
}

/// What a value looks like.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// As below, and perhaps there is still the newtype around it.
    Newtype,
    /// What people can read.
    Readable,
    /// An enum.
    Variants,
    /// The same, directly in a tag that counted as its level.
    Untagged,
}

impl Reader {
    fn inside<E: Error>(self) -> Result<Self, E> {
        if self.form == Form::Untagged {
            return Ok(Self {
                form: Form::Variants,
                ..self
            });
        }
        match self.levels.checked_sub(1) {
            Some(levels) => Ok(Self { levels, ..self }),
            None => Err(E::custom(format_args!(
                "a value is nested deeper than {MAX_LEVELS} levels"
            ))),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.form {
            Form::Newtype | Form::Readable => deserializer.deserialize_any(self),
            Form::Variants | Form::Untagged => {
                deserializer.deserialize_enum("Value", VARIANTS, self)
            }
        }
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        self.inside()?.deserialize(inner)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Value, D::Error> {
        if self.form != Form::Newtype {
            return self.inside()?.deserialize(inner);
        }
        let form = match inner.is_human_readable() {
            true => Form::Readable,
            false => Form::Variants,
        };
        Self { form, ..self }.deserialize(inner)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(bytes.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut items = Vec::with_capacity(reserved(seq.size_hint()));
        while let Some(item) = seq.next_element_seed(inside)? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut dict = Dict::new();
        while let Some(key) = map.next_key_seed(inside)? {
            dict.insert(key, map.next_value_seed(inside)?);
        }
        if matches!(self.form, Form::Newtype | Form::Readable)
            && dict.len() == 1
            && let Some((Value::Str(key), value)) = dict.iter().next()
            && let Some(name) = key.strip_prefix('$')
        {
            return Ok(words::meaning(name, value.clone()));
        }
        Ok(dict.into())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        match data.variant() {
            Ok((variant, content)) => self.content(variant, content),
            Err(error) => Err(error),
        }
    }
}

impl Reader {
    // In pieces, and with few moves: this takes stack where values are nested.
    fn content<'de, A: VariantAccess<'de>>(
        self,
        variant: Variant,
        content: A,
    ) -> Result<Value, A::Error> {
        match variant {
            Variant::List | Variant::Map => content.newtype_variant_seed(Content(self, variant)),
            Variant::Tagged => content.tuple_variant(2, Tagged(self)),
            variant => self.leaf(variant, content),
        }
    }

    fn leaf<'de, A: VariantAccess<'de>>(
        self,
        variant: Variant,
        content: A,
    ) -> Result<Value, A::Error> {
        match variant {
            Variant::Bool => content.newtype_variant().map(Value::Bool),
            Variant::Int => content.newtype_variant().map(Value::Int),
            Variant::Float => content.newtype_variant().map(Value::Float),
            Variant::Text | Variant::Bytes => content.newtype_variant_seed(Content(self, variant)),
            _ => content.unit_variant().map(|()| Value::None),
        }
    }
}

/// What the variant holds, as far as a type of the standard library doesn't say it.
struct Content(Reader, Variant);

impl<'de> DeserializeSeed<'de> for Content {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Self(reader, variant) = self;
        match variant {
            Variant::List => deserializer.deserialize_seq(reader),
            Variant::Map => deserializer.deserialize_map(reader),
            Variant::Text => deserializer.deserialize_str(reader),
            _ => deserializer.deserialize_bytes(reader),
        }
    }
}

struct Tagged(Reader);

impl<'de> Visitor<'de> for Tagged {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name and a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let short = |len| A::Error::invalid_length(len, &"a name and a value");
        let name = seq.next_element::<String>()?.ok_or_else(|| short(0))?;
        let tag = Reader {
            form: Form::Variants,
            ..self.0
        };
        let untagged = Reader {
            form: Form::Untagged,
            ..tag.inside()?
        };
        let value = seq.next_element_seed(untagged)?.ok_or_else(|| short(1))?;
        Ok(tagged(&name, value))
    }
}

#[derive(Clone, Copy)]
enum Variant {
    Null,
    Bool,
    Int,
    Float,
    Text,
    Bytes,
    List,
    Map,
    Tagged,
}

const ORDER: [Variant; 9] = [
    Variant::Null,
    Variant::Bool,
    Variant::Int,
    Variant::Float,
    Variant::Text,
    Variant::Bytes,
    Variant::List,
    Variant::Map,
    Variant::Tagged,
];

const VARIANTS: &[&str] = &[
    "Null", "Bool", "Int", "Float", "Text", "Bytes", "List", "Map", "Tagged",
];

impl<'de> Deserialize<'de> for Variant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(Name)
    }
}

struct Name;

impl Visitor<'_> for Name {
    type Value = Variant;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name or the number of a variant")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Variant, E> {
        usize::try_from(number)
            .ok()
            .and_then(|at| ORDER.get(at).copied())
            .ok_or_else(|| E::custom(format_args!("there is no variant {number}")))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Variant, E> {
        let at = VARIANTS.iter().position(|&variant| variant == name);
        at.map(|at| ORDER[at])
            .ok_or_else(|| E::unknown_variant(name, VARIANTS))
    }
}

/// How much room to make for what is announced: not more than a few pages.
fn reserved(announced: Option<usize>) -> usize {
    announced.map_or(0, |len| len.min(1024))
}
