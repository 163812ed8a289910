use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant,
};

use super::PickleSerializer;
use crate::pickle::Error;
use crate::pickle::tagged::TaggedPair;
use crate::pickle::writer::Opened;

/// A list, a tuple or a dict, and perhaps the dict around it that names the variant.
#[derive(Debug)]
pub(in crate::pickle) struct Compound<'s, 'a> {
    pub(super) serializer: &'s mut PickleSerializer<'a>,
    pub(super) opened: Opened,
    /// How many values of a tuple have not come yet.
    pub(super) missing: usize,
    pub(super) is_variant: bool,
}

impl Compound<'_, '_> {
    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut *self.serializer)
    }

    #[inline]
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.serializer.writer.begin_key();
        key.serialize(&mut *self.serializer)?;
        self.serializer.writer.end_key();
        Ok(())
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.serializer.writer.name(name)?;
        self.value(value)
    }

    /// A tuple says its length beforehand, and is written so.
    #[inline]
    fn member<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        match self.missing.checked_sub(1) {
            Some(missing) => self.missing = missing,
            None => return Err(Error::custom("a tuple is longer than it said")),
        }
        self.value(value)
    }

    fn end_tuple(self) -> Result<(), Error> {
        match self.missing {
            0 => self.finish(),
            missing => Err(Error::custom(format_args!(
                "a tuple is shorter than it said, by {missing}"
            ))),
        }
    }

    #[inline]
    fn finish(self) -> Result<(), Error> {
        let writer = &mut self.serializer.writer;
        writer.close(self.opened);
        if self.is_variant {
            writer.close_single();
        }
        Ok(())
    }
}

impl SerializeSeq for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl SerializeTuple for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.member(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        self.end_tuple()
    }
}

impl SerializeTupleStruct for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.member(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        self.end_tuple()
    }
}

impl SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl SerializeStruct for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(name, value)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

impl SerializeStructVariant for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

/// A variant that holds a tuple, or the name and the content of a tagged value.
#[derive(Debug)]
pub(in crate::pickle) enum TupleVariant<'s, 'a> {
    Plain(Compound<'s, 'a>),
    Tagged(TaggedPair<'s, 'a>),
}

impl SerializeTupleVariant for TupleVariant<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        match self {
            Self::Plain(compound) => compound.member(value),
            Self::Tagged(pair) => pair.field(value),
        }
    }

    fn end(self) -> Result<(), Error> {
        match self {
            Self::Plain(compound) => compound.end_tuple(),
            Self::Tagged(pair) => pair.end(),
        }
    }
}
