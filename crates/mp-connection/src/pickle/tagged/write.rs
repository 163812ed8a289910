use serde::ser::{Error as _, Serialize};

use super::Tag;
use crate::pickle::Error;
use crate::pickle::serialize::PickleSerializer;
use crate::pickle::writer::Shape;

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
        let number = self.aside(digits, |digits| digits.parse::<i128>())?;
        let number = number.map_err(|error| Error::custom(format_args!("no int: {error}")))?;
        number.serialize(self)
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
        self.state = match std::mem::replace(&mut self.state, State::End) {
            State::Name => self
                .serializer
                .aside(value, |name| match Tag::from_name(name) {
                    Some(tag) => State::Known(tag),
                    None => State::Unknown(format!("${name}")),
                })?,
            State::Known(tag) => {
                self.serializer.tag = Some(tag);
                value.serialize(&mut *self.serializer)?;
                if self.serializer.tag.take().is_some() {
                    return Err(Error::custom("a tag stands before no value"));
                }
                State::End
            }
            State::Unknown(name) => {
                let opened = self.serializer.writer.open(Shape::Dict, None)?;
                self.serializer.writer.text(&name)?;
                value.serialize(&mut *self.serializer)?;
                self.serializer.writer.close(opened);
                State::End
            }
            State::End => return Err(too_many_or_few()),
        };
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
