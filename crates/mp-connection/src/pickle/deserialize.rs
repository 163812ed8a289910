//! From pickles to Rust types.

use serde::de::value::SeqDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};

use super::tagged::{self, TaggedEnum};
use super::tree::{Node, NodeId, Tree};
use super::{BigInt, Error, Options, Value, build, reader};

/// Reads a value out of a pickle, with the default options.
///
/// Read are protocols 0 to 5, and data alone: no code ever runs. Types are those of [`to_pickle`](super::to_pickle),
/// with these liberties:
///
/// * A sequence can be a `list`, `tuple`, `set` or `frozenset`, or the numbers of a `bytes` or `bytearray`. A tuple can
///   be any of them, if its length is right.
/// * Bytes can be a `bytes` or a `bytearray`.
/// * A float can be an `int`, as far as serde allows.
///
/// `&str` and `&[u8]` borrow from the pickle. Those of protocols 0 to 2 may have to be a `String` or `Vec`, since
/// they can be spelled otherwise there; so may a `bytearray`.
///
/// # Errors
/// What is wrong with the pickle, which limit of [`Options`] it exceeds, [`Error::Raised`] for an exception in it, and
/// [`Error::Type`] for what the type doesn't take.
///
/// ```
/// use mp_connection::pickle;
/// use serde::Deserialize;
///
/// #[derive(Debug, PartialEq, Deserialize)]
/// struct User<'a> {
///     id: u64,
///     name: &'a str,
/// }
///
/// // pickle.dumps({'id': 7, 'name': 'left'})
/// let pickle = b"\x80\x04\x95\x18\x00\x00\x00\x00\x00\x00\x00\
///     }\x94(\x8c\x02id\x94K\x07\x8c\x04name\x94\x8c\x04left\x94u.";
/// assert_eq!(pickle::from_pickle::<User>(pickle)?, User { id: 7, name: "left" });
/// # Ok::<(), pickle::Error>(())
/// ```
pub fn from_pickle<'de, T: Deserialize<'de>>(pickle: &'de [u8]) -> Result<T, Error> {
    Options::default().from_pickle(pickle)
}

impl Options {
    /// Reads a value out of a pickle, as [`from_pickle`] does, with these options.
    ///
    /// # Errors
    /// Those of [`from_pickle`].
    ///
    /// ```
    /// use mp_connection::pickle::{Error, Limit, Options};
    ///
    /// let options = Options { max_values: 3, ..Options::default() };
    /// assert_eq!(options.from_pickle::<Vec<u8>>(b"\x80\x02](K\x01K\x02e."), Ok(vec![1, 2]));
    /// let error = options.from_pickle::<Vec<u8>>(b"\x80\x02](K\x01K\x02K\x03e.").unwrap_err();
    /// assert_eq!(error, Error::TooLarge { what: Limit::Values, limit: 3 });
    /// ```
    pub fn from_pickle<'de, T: Deserialize<'de>>(&self, pickle: &'de [u8]) -> Result<T, Error> {
        let tree = reader::read(pickle, self)?;
        T::deserialize(tree.deserializer(tree.root(), self))
    }
}

impl<'de> Tree<'de> {
    /// What reads one of the values.
    pub(crate) fn deserializer(
        &self,
        id: NodeId,
        options: &Options,
    ) -> impl Deserializer<'de, Error = Error> {
        PickleDeserializer {
            tree: self,
            id,
            wrappers: options.wrappers(),
            role: Role::Plain,
        }
    }
}

/// A value in a tree, whose depth was checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct PickleDeserializer<'t, 'de> {
    tree: &'t Tree<'de>,
    id: NodeId,
    /// How many newtypes and `Some` may still be around a value. A type can ask for them without end.
    wrappers: u16,
    pub(super) role: Role,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A type of Rust's.
    Plain,
    /// A dynamic value.
    Tagged,
    /// The same without its tag.
    Untagged,
}

impl<'t, 'de> PickleDeserializer<'t, 'de> {
    #[inline]
    pub(super) fn node(&self) -> Node<'t, 'de> {
        self.tree.node(self.id)
    }

    pub(super) fn with(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// What is in this one.
    #[inline]
    pub(super) fn child(&self, id: NodeId) -> Self {
        let role = match self.role {
            Role::Plain => Role::Plain,
            Role::Tagged | Role::Untagged => Role::Tagged,
        };
        Self { id, role, ..*self }
    }

    fn wrapped(self) -> Result<Self, Error> {
        match self.wrappers.checked_sub(1) {
            Some(wrappers) => Ok(Self { wrappers, ..self }),
            None => Err(Error::custom("a type asks for newtypes without end")),
        }
    }

    #[inline]
    fn seq<V: Visitor<'de>>(self, ids: &'t [NodeId], visitor: V) -> Result<V::Value, Error> {
        let mut items = Items {
            parent: self,
            left: ids.iter(),
        };
        let value = visitor.visit_seq(&mut items)?;
        items.end(ids.len(), "fewer values")?;
        Ok(value)
    }

    #[inline]
    fn map<V: Visitor<'de>>(self, ids: &'t [NodeId], visitor: V) -> Result<V::Value, Error> {
        let mut items = Items {
            parent: self,
            left: ids.iter(),
        };
        let value = visitor.visit_map(&mut items)?;
        items.end(ids.len() / 2, "fewer pairs")?;
        Ok(value)
    }

    #[cold]
    fn raised<T>(self) -> Result<T, Error> {
        match build::value_at(self.tree, self.id) {
            Value::Exception(exception) => Err(Error::Raised(exception)),
            _ => Err(Error::custom("an exception")),
        }
    }
}

impl<'de> Deserializer<'de> for PickleDeserializer<'_, 'de> {
    type Error = Error;

    /// As in [`PickleSerializer`](super::serialize::PickleSerializer).
    fn is_human_readable(&self) -> bool {
        self.role == Role::Plain
    }

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node() {
            Node::None => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(value),
            Node::Int(value) => visitor.visit_i64(value),
            Node::BigInt(bytes) => self.big_int(bytes, visitor),
            Node::Float(value) => visitor.visit_f64(value),
            Node::Str(text) => visitor.visit_borrowed_str(text),
            Node::OwnedStr(text) => visitor.visit_str(text),
            Node::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Node::OwnedBytes(bytes) | Node::ByteArray(bytes) => visitor.visit_bytes(bytes),
            Node::List(ids) | Node::Tuple(ids) | Node::Set(ids) | Node::FrozenSet(ids) => {
                self.seq(ids, visitor)
            }
            Node::Dict(ids) => self.map(ids, visitor),
            Node::Exception(exception) => match self.role {
                Role::Untagged => visitor.visit_map(tagged::ExceptionMap::new(self, exception)),
                Role::Plain | Role::Tagged => self.raised(),
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node() {
            Node::None => visitor.visit_none(),
            _ => visitor.visit_some(self.wrapped()?),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let inner = self.wrapped()?;
        if name == tagged::NAME {
            visitor.visit_newtype_struct(inner.with(Role::Tagged))
        } else {
            visitor.visit_newtype_struct(inner)
        }
    }

    // Those that nest, apart from the others: they are called inside one another, and take stack.

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node() {
            Node::List(ids) | Node::Tuple(ids) | Node::Set(ids) | Node::FrozenSet(ids) => {
                self.seq(ids, visitor)
            }
            Node::Bytes(bytes) | Node::OwnedBytes(bytes) | Node::ByteArray(bytes) => {
                numbers(bytes, visitor)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node() {
            Node::Dict(ids) => self.map(ids, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.role != Role::Plain {
            return visitor.visit_enum(TaggedEnum(self));
        }
        match self.node() {
            Node::Str(_) | Node::OwnedStr(_) => visitor.visit_enum(Variant {
                name: self,
                content: None,
            }),
            Node::Dict(&[name, content]) => visitor.visit_enum(Variant {
                name: self.child(name),
                content: Some(self.child(content)),
            }),
            Node::Exception(_) => self.raised(),
            _ => Err(Error::invalid_type(
                self.unexpected(),
                &"a variant: a str, or a dict with one pair",
            )),
        }
    }

    /// What nobody wants to see may be an exception, too.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple_struct identifier
    }
}

impl<'t, 'de> PickleDeserializer<'t, 'de> {
    /// As the smallest of Rust's types that it fits.
    fn big_int<V: Visitor<'de>>(self, bytes: &[u8], visitor: V) -> Result<V::Value, Error> {
        if self.role == Role::Untagged {
            return visitor.visit_string(BigInt::from_le_bytes(bytes).to_string());
        }
        match *bytes {
            [..] if bytes.len() <= 16 => {
                let is_negative = bytes.last().is_some_and(|byte| *byte >= 0x80);
                let mut wide = [if is_negative { 0xFF } else { 0 }; 16];
                wide[..bytes.len()].copy_from_slice(bytes);
                let value = i128::from_le_bytes(wide);
                match u64::try_from(value) {
                    Ok(value) => visitor.visit_u64(value),
                    Err(_) => visitor.visit_i128(value),
                }
            }
            [ref low @ .., 0] if low.len() == 16 => {
                let mut wide = [0; 16];
                wide.copy_from_slice(low);
                visitor.visit_u128(u128::from_le_bytes(wide))
            }
            _ => Err(Error::invalid_type(
                self.unexpected(),
                &"an int of at most 128 bits",
            )),
        }
    }

    /// What is there, in the words of serde's errors.
    fn unexpected(&self) -> Unexpected<'t> {
        match self.node() {
            Node::None => Unexpected::Unit,
            Node::Bool(value) => Unexpected::Bool(value),
            Node::Int(value) => Unexpected::Signed(value),
            Node::BigInt(_) => Unexpected::Other("a larger int"),
            Node::Float(value) => Unexpected::Float(value),
            Node::Str(_) | Node::OwnedStr(_) => Unexpected::Other("a str"),
            Node::Bytes(_) | Node::OwnedBytes(_) => Unexpected::Other("a bytes"),
            Node::ByteArray(_) => Unexpected::Other("a bytearray"),
            Node::List(_) => Unexpected::Other("a list"),
            Node::Tuple(_) => Unexpected::Other("a tuple"),
            Node::Set(_) => Unexpected::Other("a set"),
            Node::FrozenSet(_) => Unexpected::Other("a frozenset"),
            Node::Dict(_) => Unexpected::Map,
            Node::Exception(_) => Unexpected::Other("an exception"),
        }
    }
}

fn numbers<'de, V: Visitor<'de>>(bytes: &[u8], visitor: V) -> Result<V::Value, Error> {
    let mut numbers = SeqDeserializer::new(bytes.iter().copied());
    let value = visitor.visit_seq(&mut numbers)?;
    numbers.end()?;
    Ok(value)
}

/// The values of a list and the like, or the keys and values of a dict.
#[derive(Debug)]
struct Items<'t, 'de> {
    parent: PickleDeserializer<'t, 'de>,
    left: std::slice::Iter<'t, NodeId>,
}

impl<'t, 'de> Items<'t, 'de> {
    #[inline]
    fn next(&mut self) -> Option<PickleDeserializer<'t, 'de>> {
        self.left.next().map(|id| self.parent.child(*id))
    }

    #[inline]
    fn end(&self, len: usize, expected: &'static str) -> Result<(), Error> {
        if self.left.len() == 0 {
            Ok(())
        } else {
            Err(Error::invalid_length(len, &expected))
        }
    }
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        match self.next() {
            Some(item) => seed.deserialize(item).map(Some),
            None => Ok(None),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.next_element_seed(seed)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        match self.next() {
            Some(value) => seed.deserialize(value),
            None => Err(Error::custom("a value was asked for before its key")),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len() / 2)
    }
}

/// A variant: its name, and what a dict has for it.
#[derive(Debug)]
struct Variant<'t, 'de> {
    name: PickleDeserializer<'t, 'de>,
    content: Option<PickleDeserializer<'t, 'de>>,
}

impl<'t, 'de> Variant<'t, 'de> {
    fn content(self, expected: &'static str) -> Result<PickleDeserializer<'t, 'de>, Error> {
        self.content
            .ok_or_else(|| Error::invalid_type(Unexpected::UnitVariant, &expected))
    }
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        Ok((seed.deserialize(self.name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.content {
            Some(content) => <()>::deserialize(content),
            None => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.content("a newtype variant")?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.content("a tuple variant")?
            .deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.content("a struct variant")?.deserialize_map(visitor)
    }
}
