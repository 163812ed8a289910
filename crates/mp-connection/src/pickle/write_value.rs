//! Values as pickles: what is shared in them is shared there.

use std::collections::HashMap;
use std::slice;
use std::sync::Arc;

use super::address::AddressHash;
use super::dict::Entries;
use super::writer::{Opened, Shape, Spent, Writer};
use super::{Dict, Error, Exception, Items, Options, Set, Value};

impl Value {
    /// Pickles the value. What is shared in it is written once, and is one object to Python, too.
    ///
    /// Takes no stack, however deep the value is.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for what is beyond the limits of the options, and so could not be read,
    /// [`Error::Unhashable`] for a key of a dict or a value of a set that Python can't hash, and [`Error::Global`] for
    /// an exception that is neither one of Python's `builtins` nor named in [`Options::exceptions`]: to read it Python
    /// would import a module and call what it finds there.
    ///
    /// ```
    /// use mp_connection::pickle::{Options, Value};
    ///
    /// let point = Value::tuple([1, 2]);
    /// let pickle = Value::list([point.clone(), point]).to_pickle(&Options::default())?;
    /// assert_eq!(pickle, b"\x80\x04](K\x01K\x02\x86\x94h\x00e.");
    /// # Ok::<(), mp_connection::pickle::Error>(())
    /// ```
    pub fn to_pickle(&self, options: &Options) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        self.write_pickle(options, &mut out)?;
        Ok(out)
    }

    /// Pickles the value at the end of a buffer, as [`to_pickle`](Self::to_pickle) does.
    ///
    /// # Errors
    /// Those of [`to_pickle`](Self::to_pickle). Then the buffer is as it was.
    ///
    /// ```
    /// use mp_connection::pickle::{Options, Value};
    ///
    /// let mut out = b"before: ".to_vec();
    /// Value::from("é").write_pickle(&Options::default(), &mut out)?;
    /// assert_eq!(out, b"before: \x80\x04\x8c\x02\xC3\xA9.");
    /// # Ok::<(), mp_connection::pickle::Error>(())
    /// ```
    pub fn write_pickle(&self, options: &Options, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut writer = Writer::new(out, options);
        write(&mut writer, self)?;
        writer.finish()
    }
}

/// Writes a value without recursion.
pub(super) fn write(writer: &mut Writer<'_>, value: &Value) -> Result<(), Error> {
    let mut walk = Walk {
        writer,
        open: Vec::new(),
        shared: HashMap::default(),
    };
    walk.value(value)?;
    while let Some(open) = walk.open.last_mut() {
        match open.parts.next(walk.writer) {
            Some(Part::Value(value)) => walk.value(value)?,
            Some(Part::Arguments(items)) => walk.items(Shape::Tuple, items)?,
            Some(Part::Attributes(dict)) => walk.dict(dict)?,
            None => walk.close(),
        }
    }
    Ok(())
}

struct Walk<'v, 'w, 'a> {
    writer: &'w mut Writer<'a>,
    /// The containers that it is in, innermost last.
    open: Vec<Open<'v>>,
    shared: HashMap<Place, Shared, AddressHash>,
}

/// Where something that may be shared is. Empty ones of different kinds may be at one place.
type Place = (*const (), Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    BigInt,
    Str,
    Bytes,
    ByteArray,
    Container,
}

/// What was written before.
#[derive(Clone, Copy)]
struct Shared {
    id: u32,
    /// What it takes of the limits when it is mentioned once more.
    again: Spent,
    levels: usize,
    unhashable: Option<&'static str>,
}

/// A container that is being written.
struct Open<'v> {
    parts: Parts<'v>,
    place: Option<Place>,
    before: Spent,
    /// How many levels are in it.
    levels: usize,
    /// What it is, or has in it, that Python can't hash.
    unhashable: Option<&'static str>,
}

/// What is still to be written of a container.
enum Parts<'v> {
    Items(Opened, slice::Iter<'v, Value>),
    Pairs(Opened, Entries<'v>, Option<&'v Value>),
    Exception(&'v Exception, Step),
}

#[derive(Clone, Copy)]
enum Step {
    Arguments,
    Attributes,
    End,
}

enum Part<'v> {
    Value(&'v Value),
    Arguments(&'v Arc<Items>),
    Attributes(&'v Arc<Dict>),
}

impl<'v> Parts<'v> {
    /// The part that comes next, and before it what stands between two.
    #[inline]
    fn next(&mut self, writer: &mut Writer<'_>) -> Option<Part<'v>> {
        match self {
            Self::Items(_, items) => items.next().map(Part::Value),
            Self::Pairs(_, pairs, value) => {
                if let Some(value) = value.take() {
                    writer.end_key();
                    return Some(Part::Value(value));
                }
                let (key, next) = pairs.next()?;
                writer.begin_key();
                *value = Some(next);
                Some(Part::Value(key))
            }
            Self::Exception(exception, step) => match step {
                Step::Arguments => {
                    *step = Step::Attributes;
                    Some(Part::Arguments(exception.args()))
                }
                Step::Attributes => {
                    writer.call();
                    *step = Step::End;
                    let attributes = exception.attributes();
                    (!attributes.is_empty()).then_some(Part::Attributes(attributes))
                }
                Step::End => {
                    writer.set_attributes();
                    None
                }
            },
        }
    }
}

impl<'v> Walk<'v, '_, '_> {
    #[inline]
    fn value(&mut self, value: &'v Value) -> Result<(), Error> {
        match value {
            Value::None => self.writer.none(),
            Value::Bool(value) => self.writer.bool(*value),
            Value::Int(value) => self.writer.int(*value),
            Value::Float(value) => self.writer.float(*value),
            _ => return self.heap(value),
        }
        Ok(())
    }

    #[inline]
    fn heap(&mut self, value: &'v Value) -> Result<(), Error> {
        match value {
            Value::BigInt(number) => {
                let place = place(number, Kind::BigInt);
                self.leaf(place, None, |writer| writer.big_int(number.to_le_bytes()))
            }
            Value::Str(text) => self.leaf(place(text, Kind::Str), None, |writer| writer.text(text)),
            Value::Bytes(bytes) => {
                let place = place(bytes, Kind::Bytes);
                self.leaf(place, None, |writer| writer.bytes(bytes))
            }
            Value::ByteArray(bytes) => {
                let place = place(bytes, Kind::ByteArray);
                self.leaf(place, Some("bytearray"), |writer| writer.byte_array(bytes))
            }
            Value::List(items) => self.items(Shape::List, items),
            Value::Tuple(items) => self.items(Shape::Tuple, items),
            Value::Dict(dict) => self.dict(dict),
            Value::Set(set) => self.set(Shape::Set, set),
            Value::FrozenSet(set) => self.set(Shape::FrozenSet, set),
            Value::Exception(exception) => self.exception(exception),
            _ => Ok(()),
        }
    }

    /// Writes what contains nothing.
    #[inline]
    fn leaf(
        &mut self,
        place: Option<Place>,
        unhashable: Option<&'static str>,
        write: impl FnOnce(&mut Writer<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if let Some(place) = place {
            if self.recall(place)? {
                return Ok(());
            }
            let before = self.writer.spent();
            write(self.writer)?;
            self.remember(place, before, 0, unhashable);
        } else {
            write(self.writer)?;
        }
        if unhashable.is_some() {
            self.contains(0, unhashable);
        }
        Ok(())
    }

    fn items(&mut self, shape: Shape, items: &'v Arc<Items>) -> Result<(), Error> {
        let place = place(items, Kind::Container);
        self.container(place, shape, items.len(), |opened| {
            Parts::Items(opened, items.iter())
        })
    }

    fn set(&mut self, shape: Shape, set: &'v Arc<Set>) -> Result<(), Error> {
        let place = place(set, Kind::Container);
        self.container(place, shape, set.len(), |opened| {
            Parts::Items(opened, set.iter())
        })
    }

    fn dict(&mut self, dict: &'v Arc<Dict>) -> Result<(), Error> {
        let place = place(dict, Kind::Container);
        self.container(place, Shape::Dict, dict.len(), |opened| {
            Parts::Pairs(opened, dict.entries(), None)
        })
    }

    #[inline]
    fn container(
        &mut self,
        place: Option<Place>,
        shape: Shape,
        len: usize,
        parts: impl FnOnce(Opened) -> Parts<'v>,
    ) -> Result<(), Error> {
        if let Some(place) = place
            && self.recall(place)?
        {
            return Ok(());
        }
        let before = self.writer.spent();
        let opened = self.writer.open(shape, Some(len))?;
        self.open.push(Open {
            parts: parts(opened),
            place,
            before,
            levels: 0,
            unhashable: shape.unhashable(),
        });
        Ok(())
    }

    fn exception(&mut self, exception: &'v Arc<Exception>) -> Result<(), Error> {
        let place = place(exception, Kind::Container);
        if let Some(place) = place
            && self.recall(place)?
        {
            return Ok(());
        }
        let before = self.writer.spent();
        self.writer
            .open_exception(exception.module(), exception.class())?;
        self.open.push(Open {
            parts: Parts::Exception(exception, Step::Arguments),
            place,
            before,
            levels: 0,
            unhashable: Some("Exception"),
        });
        Ok(())
    }

    fn close(&mut self) {
        let Some(open) = self.open.pop() else {
            return;
        };
        match open.parts {
            Parts::Items(opened, _) | Parts::Pairs(opened, ..) => self.writer.close(opened),
            Parts::Exception(..) => self.writer.leave(),
        }
        let levels = open.levels + 1;
        if let Some(place) = open.place {
            self.remember(place, open.before, levels, open.unhashable);
        }
        self.contains(levels, open.unhashable);
    }

    /// What the innermost container has in it.
    #[inline]
    fn contains(&mut self, levels: usize, unhashable: Option<&'static str>) {
        if let Some(open) = self.open.last_mut() {
            open.levels = open.levels.max(levels);
            open.unhashable = open.unhashable.or(unhashable);
        }
    }

    /// Remembers what was just written.
    fn remember(
        &mut self,
        place: Place,
        before: Spent,
        levels: usize,
        unhashable: Option<&'static str>,
    ) {
        let after = self.writer.spent();
        let shared = Shared {
            id: self.writer.remember(),
            again: Spent {
                values: after.values - before.values,
                bytes: after.bytes - before.bytes,
            },
            levels,
            unhashable,
        };
        self.shared.insert(place, shared);
    }

    /// Refers to what is there, if it was written.
    fn recall(&mut self, place: Place) -> Result<bool, Error> {
        let Some(&shared) = self.shared.get(&place) else {
            return Ok(false);
        };
        self.writer
            .mention(shared.again, shared.levels, shared.unhashable)?;
        self.writer.recall(shared.id);
        self.contains(shared.levels, shared.unhashable);
        Ok(true)
    }
}

/// Where it is, if it may be mentioned again: what nobody else holds isn't.
#[inline]
fn place<T: ?Sized>(shared: &Arc<T>, kind: Kind) -> Option<Place> {
    (Arc::strong_count(shared) > 1).then(|| (Arc::as_ptr(shared).cast(), kind))
}
