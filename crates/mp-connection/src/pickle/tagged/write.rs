use serde::ser::{Error as _, Serialize};

use super::Tag;
use crate::pickle::serialize::PickleSerializer;
use crate::pickle::writer::Shape;
use crate::pickle::{BigInt, Error, Options, Protocol, Value, dynamic, write_value};

/// What a dynamic value tells of itself.
impl<'w, 'a> PickleSerializer<'w, 'a> {
    pub(in crate::pickle) fn tagged_unit(&mut self, variant: &'static str) -> Result<(), Error> {
        self.check_tag(variant)?;
        self.writer.none()
    }

    pub(in crate::pickle) fn tagged_newtype<T: Serialize + ?Sized>(
        &mut self,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.check_tag(variant)?;
        match self.tag {
            Some(Tag::Int) => self.digits(value),
            Some(Tag::Exception) => self.exception(value),
            _ => self.wrapped(value),
        }
    }

    pub(in crate::pickle) fn tagged_pair<'s>(
        &'s mut self,
        variant: &'static str,
    ) -> Result<TaggedPair<'s, 'w, 'a>, Error> {
        self.check_tag(variant)?;
        Ok(TaggedPair {
            serializer: self,
            state: State::Name,
        })
    }

    fn check_tag(&self, variant: &'static str) -> Result<(), Error> {
        match self.tag {
            Some(tag) if tag.content() != variant => Err(Error::custom(format_args!(
                "a {tag:?} can't be made of the variant {variant}"
            ))),
            _ => Ok(()),
        }
    }

    fn digits<T: Serialize + ?Sized>(&mut self, digits: &T) -> Result<(), Error> {
        self.tag = None;
        let number = self.aside(digits, |digits| digits.parse::<BigInt>())?;
        let number = number.map_err(Error::custom)?;
        write_value::write(self.writer, &number.into())
    }

    /// An exception, of the map that its parts are told in.
    fn exception<T: Serialize + ?Sized>(&mut self, parts: &T) -> Result<(), Error> {
        self.tag = None;
        let left = self.writer.left();
        let options = Options {
            protocol: Protocol::V5,
            max_depth: left.levels,
            max_values: left.values,
            max_bytes: left.bytes,
            ..self.writer.options().clone()
        };
        let mut pickle = Vec::new();
        options.write(&mut pickle, |writer| {
            let mut serializer = PickleSerializer::new(writer);
            serializer.is_tagged = true;
            serializer.wrapped(parts)
        })?;
        let parts = Value::from_pickle(&pickle, &options)?;
        let exception = dynamic::exception(&parts)
            .ok_or_else(|| Error::custom("an exception has a module, a class and arguments"))?;
        write_value::write(self.writer, &exception)
    }

    /// Looks at a text instead of writing it.
    fn aside<T: Serialize + ?Sized, R>(
        &mut self,
        text: &T,
        look: impl FnOnce(&str) -> R,
    ) -> Result<R, Error> {
        let (position, left) = (self.writer.position(), self.writer.left());
        self.wrapped(text)?;
        let looked = self.writer.text_at(position).map(look);
        self.writer.take_back(position, left);
        looked.ok_or_else(|| Error::custom("a tagged value is no text where it must be one"))
    }
}

/// The name and the content of a `Tagged`.
#[derive(Debug)]
pub(in crate::pickle) struct TaggedPair<'s, 'w, 'a> {
    serializer: &'s mut PickleSerializer<'w, 'a>,
    state: State,
}

/// What comes next.
#[derive(Debug)]
enum State {
    Name,
    Known(Tag),
    Unknown(String),
    End,
}

impl TaggedPair<'_, '_, '_> {
    pub(in crate::pickle) fn field<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::End) {
            State::Name => self.name(value),
            State::Known(tag) => self.known(tag, value),
            State::Unknown(name) => self.unknown(&name, value),
            State::End => Err(too_many_or_few()),
        }
    }

    fn name<T: Serialize + ?Sized>(&mut self, name: &T) -> Result<(), Error> {
        let state = |name: &str| match Tag::from_name(name) {
            Some(tag) => State::Known(tag),
            None => State::Unknown(format!("${name}")),
        };
        self.state = self.serializer.aside(name, state)?;
        Ok(())
    }

    fn known<T: Serialize + ?Sized>(&mut self, tag: Tag, value: &T) -> Result<(), Error> {
        self.serializer.tag = Some(tag);
        value.serialize(&mut *self.serializer)?;
        match self.serializer.tag.take() {
            Some(_) => Err(Error::custom("a tag stands before no value")),
            None => Ok(()),
        }
    }

    fn unknown<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        let opened = self.serializer.writer.open(Shape::Dict, None)?;
        self.serializer.writer.text(name)?;
        value.serialize(&mut *self.serializer)?;
        self.serializer.writer.close(opened);
        Ok(())
    }

    pub(in crate::pickle) fn end(self) -> Result<(), Error> {
        match self.state {
            State::End => Ok(()),
            _ => Err(too_many_or_few()),
        }
    }
}

fn too_many_or_few() -> Error {
    Error::custom("a tagged value is a name and one value")
}
