//! From Rust types to pickles.

use serde::ser::{Error as _, Serialize, Serializer};

use super::int::shortest;
use super::tagged::{self, Tag};
use super::writer::{Shape, Writer};
use super::{Error, Options};
use compound::{Compound, TupleVariant};

mod compound;

/// Pickles a value, with the default options: protocol 4, which every Python since 3.4 reads.
///
/// | Rust | Python |
/// |---|---|
/// | `()`, `None`, a unit struct | `None` |
/// | `bool` | `bool` |
/// | integers, 128 bits as well | `int` |
/// | `f32`, `f64` | `float` |
/// | `char`, `str` | `str` |
/// | what serialises itself as bytes (`serde_bytes`) | `bytes` |
/// | a sequence | `list` |
/// | a tuple, an array, a tuple struct | `tuple` |
/// | a map | `dict` |
/// | a struct | `dict` with the names of the fields as keys |
/// | `Some(x)`, a newtype of `x` | `x` |
/// | `Enum::Unit` | `"Unit"` |
/// | `Enum::Newtype(x)` | `{"Newtype": x}` |
/// | `Enum::Tuple(x, y)` | `{"Tuple": (x, y)}` |
/// | `Enum::Struct { x }` | `{"Struct": {"x": x}}` |
///
/// A name of a field or a variant is written once. Python gets the same `str` wherever it is used.
///
/// # Errors
/// [`Error::TooLarge`] for what is beyond the limits of [`Options`], and so could not be read,
/// [`Error::Unhashable`] for a map with keys that Python can't hash, and [`Error::Type`] for what the type itself says.
///
/// ```
/// use mp_connection::pickle;
///
/// // pickle.loads gives ('add', (2, 3))
/// assert_eq!(pickle::to_pickle(&("add", (2, 3)))?, b"\x80\x04\x8c\x03addK\x02K\x03\x86\x86.");
/// # Ok::<(), pickle::Error>(())
/// ```
pub fn to_pickle<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Error> {
    Options::default().to_pickle(value)
}

impl Options {
    /// Pickles a value, as [`to_pickle`] does, with these options.
    ///
    /// # Errors
    /// Those of [`to_pickle`].
    ///
    /// ```
    /// use mp_connection::pickle::{Options, Protocol};
    ///
    /// let options = Options { protocol: Protocol::V2, ..Options::default() };
    /// assert_eq!(options.to_pickle(&(1, true))?, b"\x80\x02K\x01\x88\x86.");
    /// # Ok::<(), mp_connection::pickle::Error>(())
    /// ```
    pub fn to_pickle<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        self.write_pickle(value, &mut out)?;
        Ok(out)
    }

    /// Pickles a value at the end of a buffer, which can be used again and again.
    ///
    /// # Errors
    /// Those of [`to_pickle`]. Then the buffer is as it was.
    ///
    /// ```
    /// use mp_connection::pickle::Options;
    ///
    /// let mut out = b"before: ".to_vec();
    /// Options::default().write_pickle("é", &mut out)?;
    /// assert_eq!(out, b"before: \x80\x04\x8c\x02\xC3\xA9.");
    /// # Ok::<(), mp_connection::pickle::Error>(())
    /// ```
    pub fn write_pickle<T: Serialize + ?Sized>(
        &self,
        value: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut serializer = PickleSerializer::new(Writer::new(out, self));
        value.serialize(&mut serializer)?;
        serializer.writer.finish()
    }
}

/// Writes what serde tells.
#[derive(Debug)]
pub(super) struct PickleSerializer<'a> {
    pub(super) writer: Writer<'a>,
    /// How many newtypes and `Some` may still be around a value.
    wrappers: u16,
    /// Whether it is inside a dynamic value.
    pub(super) is_tagged: bool,
    /// What the tag before the next value said of it.
    pub(super) tag: Option<Tag>,
}

impl<'a> PickleSerializer<'a> {
    pub(super) fn new(writer: Writer<'a>) -> Self {
        let wrappers = writer.options().wrappers();
        Self {
            writer,
            wrappers,
            is_tagged: false,
            tag: None,
        }
    }

    pub(super) fn wrapped<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let Some(wrappers) = self.wrappers.checked_sub(1) else {
            return Err(Error::custom(format_args!(
                "more than {} newtypes around a value",
                self.writer.options().wrappers()
            )));
        };
        self.wrappers = wrappers;
        value.serialize(&mut *self)?;
        self.wrappers += 1;
        Ok(())
    }

    #[inline]
    fn compound<'s>(
        &'s mut self,
        shape: Shape,
        len: Option<usize>,
    ) -> Result<Compound<'s, 'a>, Error> {
        let opened = self.writer.open(shape, len)?;
        Ok(Compound {
            serializer: self,
            opened,
            missing: len.unwrap_or(0),
            is_variant: false,
        })
    }

    fn variant<'s>(
        &'s mut self,
        name: &'static str,
        shape: Shape,
        len: usize,
    ) -> Result<Compound<'s, 'a>, Error> {
        self.writer.open_single(name)?;
        let compound = self.compound(shape, Some(len))?;
        Ok(Compound {
            is_variant: true,
            ..compound
        })
    }
}

impl<'s, 'a> Serializer for &'s mut PickleSerializer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'s, 'a>;
    type SerializeTuple = Compound<'s, 'a>;
    type SerializeTupleStruct = Compound<'s, 'a>;
    type SerializeTupleVariant = TupleVariant<'s, 'a>;
    type SerializeMap = Compound<'s, 'a>;
    type SerializeStruct = Compound<'s, 'a>;
    type SerializeStructVariant = Compound<'s, 'a>;

    /// Python wants to read "127.0.0.1". Dynamic values ask this, too, and are told that they need not disguise
    /// themselves.
    fn is_human_readable(&self) -> bool {
        !self.is_tagged
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.writer.bool(value);
        Ok(())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.writer.int(value.into());
        Ok(())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.writer.int(value.into());
        Ok(())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.writer.int(value.into());
        Ok(())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.writer.int(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        match i64::try_from(value) {
            Ok(value) => {
                self.writer.int(value);
                Ok(())
            }
            Err(_) => self.writer.big_int(shortest(&value.to_le_bytes())),
        }
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.writer.int(value.into());
        Ok(())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.writer.int(value.into());
        Ok(())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.writer.int(value.into());
        Ok(())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        match i64::try_from(value) {
            Ok(value) => {
                self.writer.int(value);
                Ok(())
            }
            Err(_) => self.serialize_i128(value.into()),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        if let Ok(value) = i128::try_from(value) {
            return self.serialize_i128(value);
        }
        // One byte more, for the sign.
        let mut bytes = [0; 17];
        bytes[..16].copy_from_slice(&value.to_le_bytes());
        self.writer.big_int(shortest(&bytes))
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.writer.float(value.into());
        Ok(())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.writer.float(value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.writer.text(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), Error> {
        self.writer.text(text)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        match self.tag.take() {
            Some(Tag::ByteArray) => self.writer.byte_array(bytes),
            _ => self.writer.bytes(bytes),
        }
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Error> {
        self.writer.none();
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.wrapped(value)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Error> {
        self.writer.none();
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        self.writer.none();
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        if self.is_tagged {
            self.tagged_unit(variant)
        } else {
            self.writer.name(variant)
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        if name != tagged::NAME {
            return self.wrapped(value);
        }
        let outside = std::mem::replace(&mut self.is_tagged, true);
        self.wrapped(value)?;
        self.is_tagged = outside;
        Ok(())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        if self.is_tagged {
            return self.tagged_newtype(variant, value);
        }
        self.writer.open_single(variant)?;
        value.serialize(&mut *self)?;
        self.writer.close_single();
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _len: Option<usize>) -> Result<Compound<'s, 'a>, Error> {
        let shape = match self.tag.take() {
            Some(Tag::Holder(shape)) => shape,
            _ => Shape::List,
        };
        let opened = self.writer.open(shape, None)?;
        Ok(Compound {
            serializer: self,
            opened,
            missing: 0,
            is_variant: false,
        })
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Compound<'s, 'a>, Error> {
        self.compound(Shape::Tuple, Some(len))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        len: usize,
    ) -> Result<Compound<'s, 'a>, Error> {
        self.compound(Shape::Tuple, Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<TupleVariant<'s, 'a>, Error> {
        if self.is_tagged {
            return self.tagged_pair(variant).map(TupleVariant::Tagged);
        }
        self.variant(variant, Shape::Tuple, len)
            .map(TupleVariant::Plain)
    }

    #[inline]
    fn serialize_map(self, _len: Option<usize>) -> Result<Compound<'s, 'a>, Error> {
        self.compound(Shape::Dict, None)
    }

    #[inline]
    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Compound<'s, 'a>, Error> {
        self.compound(Shape::Dict, None)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Compound<'s, 'a>, Error> {
        self.variant(variant, Shape::Dict, len)
    }
}
