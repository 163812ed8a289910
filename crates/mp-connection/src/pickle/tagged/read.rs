use serde::de::value::{StrDeserializer, U64Deserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};

use crate::pickle::Error;
use crate::pickle::deserialize::{PickleDeserializer, Role};
use crate::pickle::tree::{Node, Raised};

/// A value as the enum that dynamic values are.
#[derive(Clone, Copy, Debug)]
pub(in crate::pickle) struct TaggedEnum<'t, 'de>(pub(in crate::pickle) PickleDeserializer<'t, 'de>);

/// The numbers of the variants.
const NULL: u64 = 0;
const BOOL: u64 = 1;
const INT: u64 = 2;
const FLOAT: u64 = 3;
const TEXT: u64 = 4;
const BYTES: u64 = 5;
const LIST: u64 = 6;
const MAP: u64 = 7;
const TAGGED: u64 = 8;

impl TaggedEnum<'_, '_> {
    fn number(&self) -> u64 {
        match self.0.node() {
            Node::None => NULL,
            Node::Bool(_) => BOOL,
            Node::Int(_) => INT,
            Node::Float(_) => FLOAT,
            Node::Str(_) | Node::OwnedStr(_) => TEXT,
            Node::Bytes(_) | Node::OwnedBytes(_) => BYTES,
            Node::List(_) => LIST,
            Node::Dict(_) => MAP,
            _ if self.0.role == Role::Tagged => TAGGED,
            Node::BigInt(_) => TEXT,
            Node::ByteArray(_) => BYTES,
            Node::Tuple(_) | Node::Set(_) | Node::FrozenSet(_) => LIST,
            Node::Exception(_) => MAP,
        }
    }

    fn tag(&self) -> &'static str {
        match self.0.node() {
            Node::Tuple(_) => "tuple",
            Node::Set(_) => "set",
            Node::FrozenSet(_) => "frozenset",
            Node::BigInt(_) => "int",
            Node::ByteArray(_) => "bytearray",
            _ => "exception",
        }
    }
}

impl<'de> EnumAccess<'de> for TaggedEnum<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let variant: U64Deserializer<Error> = self.number().into_deserializer();
        Ok((seed.deserialize(variant)?, self))
    }
}

impl<'de> VariantAccess<'de> for TaggedEnum<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Pair {
            tag: Some(self.tag()),
            value: Some(self.0.with(Role::Untagged)),
        })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_map(visitor)
    }
}

/// The name and the content of a tagged value.
struct Pair<'t, 'de> {
    tag: Option<&'static str>,
    value: Option<PickleDeserializer<'t, 'de>>,
}

impl<'de> SeqAccess<'de> for Pair<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if let Some(tag) = self.tag.take() {
            let tag: StrDeserializer<'_, Error> = tag.into_deserializer();
            seed.deserialize(tag).map(Some)
        } else {
            self.value
                .take()
                .map(|value| seed.deserialize(value))
                .transpose()
        }
    }
}

/// An exception as a map.
pub(in crate::pickle) struct ExceptionMap<'t, 'de> {
    at: PickleDeserializer<'t, 'de>,
    exception: Raised<'t>,
    /// How many of its parts have come.
    part: usize,
}

const PARTS: [&str; 4] = ["module", "class", "args", "attributes"];

impl<'t, 'de> ExceptionMap<'t, 'de> {
    pub(in crate::pickle) fn new(at: PickleDeserializer<'t, 'de>, exception: Raised<'t>) -> Self {
        Self {
            at,
            exception,
            part: 0,
        }
    }
}

impl<'de> MapAccess<'de> for ExceptionMap<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let len = 3 + usize::from(self.exception.attributes.is_some());
        if self.part == len {
            return Ok(None);
        }
        self.part += 1;
        seed.deserialize(Text(PARTS[self.part - 1])).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Raised {
            class,
            args,
            attributes,
        } = self.exception;
        match (self.part, attributes) {
            (1, _) => seed.deserialize(Text(&class.module)),
            (2, _) => seed.deserialize(Text(&class.name)),
            (4, Some(attributes)) => seed.deserialize(self.at.child(attributes)),
            _ => seed.deserialize(self.at.child(args)),
        }
    }
}

/// A text that stands nowhere in the pickle as such, as a dynamic value.
struct Text<'t>(&'t str);

impl<'de> Deserializer<'de> for Text<'_> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.0)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Text<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let variant: U64Deserializer<Error> = TEXT.into_deserializer();
        Ok((seed.deserialize(variant)?, self))
    }
}

impl<'de> VariantAccess<'de> for Text<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::invalid_type(
            Unexpected::NewtypeVariant,
            &"tuple variant",
        ))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        Err(Error::invalid_type(
            Unexpected::NewtypeVariant,
            &"struct variant",
        ))
    }
}
