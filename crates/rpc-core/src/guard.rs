use std::cell::Cell;
use std::fmt;

use serde::de::{self, Deserializer, Visitor};

use crate::Value;
use visit::Watched;

mod visit;

/// What a decoder lets a peer do.
///
/// Each list, map, struct and tuple is one level of depth. `Some`, newtypes and variants of enums count as one with
/// the list or struct directly inside them, so `Option<Vec<T>>` is one level; directly inside one another, each is one.
///
/// Elements are those of lists and the pairs of maps, in the whole message. The fields of a struct or a tuple are
/// no elements, and neither are single bytes: their number is bounded by the bytes that arrive.
///
/// ```
/// use rpc_core::DecodeLimits;
///
/// let limits = DecodeLimits { max_elements: 1000, ..DecodeLimits::default() };
/// assert_eq!(limits.max_depth, 64);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// How deep values may be nested. Default 64, for which 256 KiB of stack are enough (for arguments 512 KiB
    /// where nothing is optimised). JSON ends at 127 in
    /// any case, and a [`Value`](crate::Value) at 64.
    pub max_depth: usize,
    /// How many elements all lists and maps of a message may have together. Default 1 000 000.
    pub max_elements: usize,
}

impl DecodeLimits {
    /// What one message of `len` bytes may use up.
    #[must_use]
    #[inline]
    pub fn budget(&self, len: usize) -> Budget {
        Budget {
            limits: *self,
            elements: Cell::new(self.max_elements),
            announced: Cell::new((len / 4).max(64)),
            told: Cell::new(None),
        }
    }
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            max_depth: 64,
            max_elements: 1_000_000,
        }
    }
}

/// Why bytes are not the value that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Values are nested deeper than [`DecodeLimits::max_depth`].
    TooDeep {
        /// The most levels.
        limit: usize,
    },
    /// The lists and maps have more elements than [`DecodeLimits::max_elements`].
    TooManyElements {
        /// The most elements.
        limit: usize,
    },
    /// The value ended before the bytes did.
    TrailingBytes {
        /// How many are left.
        left: usize,
    },
    /// The bytes are not what the codec or the type expects.
    Invalid {
        /// What they say.
        reason: String,
    },
    /// The type's own `Deserialize` panicked. The panic hook has the rest.
    Panicked,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep { limit } => write!(f, "nested deeper than {limit} levels"),
            Self::TooManyElements { limit } => write!(f, "more than {limit} elements"),
            Self::TrailingBytes { left } => write!(f, "{left} bytes after the end of the value"),
            Self::Invalid { reason } => f.write_str(reason),
            Self::Panicked => f.write_str("reading the value panicked"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::Invalid {
            reason: reason.to_string(),
        }
    }
}

/// What is left of [`DecodeLimits`] while one message is read.
///
/// ```
/// use rpc_core::{DecodeError, DecodeLimits};
/// use serde::Deserialize;
///
/// # #[cfg(feature = "json")] {
/// let json = "[[[1], [2]]]";
/// let limits = DecodeLimits { max_depth: 2, ..DecodeLimits::default() };
/// let budget = limits.budget(json.len());
/// let mut deserializer = serde_json::Deserializer::from_str(json);
/// let read = Vec::<Vec<Vec<u8>>>::deserialize(budget.guard(&mut deserializer));
/// assert_eq!(read, Err(DecodeError::TooDeep { limit: 2 }));
/// # }
/// ```
pub struct Budget {
    limits: DecodeLimits,
    elements: Cell<usize>,
    // How many elements all lists together may still make room for before they come. An element has a byte at least,
    // most have several; what is longer than that grows as it comes.
    announced: Cell<usize>,
    // A deserialiser's own error may not keep what it is told (postcard's doesn't), so it waits here until the
    // deserialiser has returned.
    told: Cell<Option<DecodeError>>,
}

impl Budget {
    /// Puts these limits around a deserialiser, at depth zero. Several values, one after the other, share the
    /// elements.
    #[must_use]
    pub fn guard<D>(&self, deserializer: D) -> Guarded<'_, D> {
        let place = Place {
            budget: self,
            depth: 0,
            role: Role::Other,
            is_value: false,
        };
        Guarded {
            inner: deserializer,
            place,
        }
    }

    /// Counts one more element.
    #[inline]
    fn element(&self) -> Result<(), Exceeded> {
        let left = self.elements.get().checked_sub(1);
        self.elements.set(left.ok_or(Exceeded::Elements)?);
        Ok(())
    }

    #[inline]
    fn announce(&self, hint: Option<usize>) -> usize {
        let left = self.announced.get().min(self.elements.get());
        let granted = hint.map_or(0, |hint| hint.min(left));
        self.announced.set(self.announced.get() - granted);
        granted
    }

    // What follows is called where values are nested, so it is apart from what takes stack there.

    /// Passes a complaint to a deserialiser, in a form that it understands.
    #[inline]
    fn tell<T, E: de::Error>(&self, read: Result<T, DecodeError>) -> Result<T, E> {
        read.map_err(|error| self.put_aside(error))
    }

    /// What a deserialiser complains of, or what it was told to.
    #[inline]
    pub(crate) fn told<T, E: fmt::Display>(&self, read: Result<T, E>) -> Result<T, DecodeError> {
        read.map_err(|error| self.complaint(error))
    }

    #[cold]
    fn put_aside<E: de::Error>(&self, error: DecodeError) -> E {
        let told = E::custom(&error);
        self.told.set(Some(error));
        told
    }

    #[cold]
    fn complaint(&self, error: impl fmt::Display) -> DecodeError {
        self.told.take().unwrap_or_else(|| de::Error::custom(error))
    }

    #[cold]
    fn refuse<T, E: de::Error>(&self, exceeded: Exceeded) -> Result<T, E> {
        self.tell(Err(self.error(exceeded)))
    }

    #[cold]
    fn error(&self, exceeded: Exceeded) -> DecodeError {
        match exceeded {
            Exceeded::Depth => DecodeError::TooDeep {
                limit: self.limits.max_depth,
            },
            Exceeded::Elements => DecodeError::TooManyElements {
                limit: self.limits.max_elements,
            },
        }
    }
}

#[derive(Clone, Copy)]
enum Exceeded {
    Depth,
    Elements,
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("limits", &self.limits)
            .field("elements", &self.elements.get())
            .finish_non_exhaustive()
    }
}

/// A deserialiser within a [`Budget`], made by [`Budget::guard`].
///
/// It works around any: a codec's, a library's, an erased one. Every value inside goes through it too, which
/// costs a few nanoseconds. The lengths that lists announce are passed on only as far as the message is long,
/// so nobody makes room for what can't come. Text and bytes are asked for as borrowed ones, which a
/// deserialiser over a slice gives without believing their length first.
#[derive(Debug)]
pub struct Guarded<'g, D> {
    inner: D,
    place: Place<'g>,
}

/// Where in the message we are.
#[derive(Debug, Clone, Copy)]
struct Place<'g> {
    budget: &'g Budget,
    depth: u32,
    role: Role,
    /// Whether a newtype comes next that only says that what is in it is a `Value`.
    is_value: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    /// Directly inside an option, a newtype or a variant, which has not been counted.
    Inside,
    /// An element of a list, which has been counted.
    Element,
    /// The key of a pair, which has been counted.
    Key,
    Other,
}

impl<'g> Place<'g> {
    /// Into a list, a map, a tuple or a struct.
    #[inline]
    fn container(self) -> Result<Self, Exceeded> {
        if self.depth as usize >= self.budget.limits.max_depth {
            return Err(Exceeded::Depth);
        }
        Ok(Self {
            depth: self.depth.saturating_add(1),
            role: Role::Other,
            is_value: false,
            ..self
        })
    }

    /// Into an option, a newtype or a variant.
    #[inline]
    fn inside(self) -> Result<Self, Exceeded> {
        if self.is_value {
            return Ok(Self {
                is_value: false,
                ..self
            });
        }
        let place = match self.role {
            Role::Inside => self.container()?,
            Role::Element | Role::Key | Role::Other => self,
        };
        Ok(place.with(Role::Inside))
    }

    /// Bytes don't count as elements.
    #[inline]
    fn single_byte(self) {
        if self.role == Role::Element {
            let Budget { elements, .. } = self.budget;
            elements.set(elements.get() + 1);
        }
    }

    #[inline]
    fn with(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    #[inline]
    fn visitor<V>(self, inner: V, fields: usize) -> Watched<'g, V> {
        // Nobody writes a type with that many fields; such a length comes out of the message.
        let fields = if fields <= 256 { fields } else { 0 };
        Watched {
            inner,
            place: self,
            fields,
        }
    }
}

macro_rules! forward {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            let Place { budget, .. } = self.place;
            budget.told(self.inner.$method(self.place.visitor(visitor, 0)))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Guarded<'_, D> {
    type Error = DecodeError;

    forward! {
        deserialize_any deserialize_bool deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_bytes deserialize_option deserialize_unit deserialize_seq
        deserialize_map deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let Place { budget, .. } = self.place;
        self.place.single_byte();
        budget.told(self.inner.deserialize_u8(self.place.visitor(visitor, 0)))
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let Place { budget, .. } = self.place;
        self.place.single_byte();
        budget.told(self.inner.deserialize_i8(self.place.visitor(visitor, 0)))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Place { budget, .. } = self.place;
        budget.told(
            self.inner
                .deserialize_unit_struct(name, self.place.visitor(visitor, 0)),
        )
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let place = Place {
            is_value: name == Value::NEWTYPE,
            ..self.place
        };
        place.budget.told(
            self.inner
                .deserialize_newtype_struct(name, place.visitor(visitor, 0)),
        )
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Place { budget, .. } = self.place;
        budget.told(
            self.inner
                .deserialize_tuple(len, self.place.visitor(visitor, len)),
        )
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Place { budget, .. } = self.place;
        budget.told(self.inner.deserialize_tuple_struct(
            name,
            len,
            self.place.visitor(visitor, len),
        ))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Place { budget, .. } = self.place;
        budget.told(self.inner.deserialize_struct(
            name,
            fields,
            self.place.visitor(visitor, fields.len()),
        ))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let Place { budget, .. } = self.place;
        budget.told(
            self.inner
                .deserialize_enum(name, variants, self.place.visitor(visitor, 0)),
        )
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
