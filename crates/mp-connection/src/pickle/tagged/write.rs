use serde::ser::{Error as _, Serialize};

use super::Tag;
use crate::pickle::serialize::PickleSerializer;
use crate::pickle::writer::{Shape, Writer};
use crate::pickle::{BigInt, Error, Options, Protocol, Value, dynamic, write_value};

/// What a dynamic value tells of itself.
impl<'a> PickleSerializer<'a> {
    pub(in crate::pickle) fn tagged_unit(&mut self, variant: &'static str) -> Result<(), Error> {
        self.check_tag(variant)?;
        self.writer.none();
        Ok(())
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
    ) -> Result<TaggedPair<'s, 'a>, Error> {
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
        write_value::write(&mut self.writer, &number.into())
    }

    /// An exception, of the map that its parts are told in.
    fn exception<T: Serialize + ?Sized>(&mut self, parts: &T) -> Result<(), Error> {
        self.tag = None;
        let spent = self.writer.spent();
        let limits = self.writer.options();
        let options = Options {
            protocol: Protocol::V5,
            max_depth: self.writer.levels(),
            max_values: limits.max_values.saturating_sub(spent.values as usize),
            max_bytes: limits.max_bytes.saturating_sub(spent.bytes),
            ..limits.clone()
        };
        let mut pickle = Vec::new();
        {
            let mut serializer = PickleSerializer::new(Writer::new(&mut pickle, &options));
            serializer.is_tagged = true;
            serializer.wrapped(parts)?;
            serializer.writer.finish()?;
        }
        let parts = Value::from_pickle(&pickle, &options)?;
        let exception = dynamic::exception(&parts)
            .ok_or_else(|| Error::custom("an exception has a module, a class and arguments"))?;
        write_value::write(&mut self.writer, &exception)
    }

    /// Looks at a text instead of writing it.
    fn aside<T: Serialize + ?Sized, R>(
        &mut self,
        text: &T,
        look: impl FnOnce(&str) -> R,
    ) -> Result<R, Error> {
        let (position, spent) = (self.writer.position(), self.writer.spent());
        self.wrapped(text)?;
        let looked = self.writer.text_at(position).map(look);
        self.writer.take_back(position, spent);
        looked.ok_or_else(|| Error::custom("a tagged value is no text where it must be one"))
    }
}

/// The name and the content of a `Tagged`.
#[derive(Debug)]
pub(in crate::pickle) struct TaggedPair<'s, 'a> {
    serializer: &'s mut PickleSerializer<'a>,
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

impl TaggedPair<'_, '_> {
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
