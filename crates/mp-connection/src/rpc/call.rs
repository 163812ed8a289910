//! Requests and answers as a client sees them.

use rpc_core::{ArgumentSink, EncodeError, ToArguments};
use serde::de::DeserializeOwned;
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeTuple, Serializer};

use super::message::{HEAD, frame, unwrap};
use super::{Error, Options};
use crate::pickle::{self, Node, Value};

/// Appends a request as a frame, or nothing.
pub(super) fn write_request(
    name: &str,
    arguments: &dyn ToArguments,
    options: &Options,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let start = out.len();
    let written = try_write(name, arguments, options, out);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn try_write(
    name: &str,
    arguments: &dyn ToArguments,
    options: &Options,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let start = out.len();
    let (mut positional, mut keywords) = (0, 0);
    arguments.write(&mut each(|name: Option<&str>, _| {
        *name.map_or(&mut positional, |_| &mut keywords) += 1;
        Ok(())
    }))?;
    let request = (
        name,
        Positional(arguments, positional),
        Keywords(arguments, keywords),
    );
    let pickle = &options.pickle;
    frame(pickle.protocol, out, |out| {
        let written = pickle.write_pickle(&request, out);
        written.map_err(|error| EncodeError(error.to_string()))
    })?;
    let (len, limit) = (out.len() - start - HEAD, options.max_request_len);
    match len > limit {
        true => Err(Error::TooLong { len, limit }),
        false => Ok(()),
    }
}

/// What an answer says.
pub(super) fn read_answer<R: DeserializeOwned>(
    message: &[u8],
    options: &pickle::Options,
) -> Result<R, Error> {
    let inner = unwrap(message, options).ok().flatten();
    let inner = inner.ok_or_else(|| match message.starts_with(b"#CHALLENGE#") {
        true => Error::LoginWanted,
        false => Error::NotAnAnswer,
    })?;
    let tree = pickle::read(&inner, options).map_err(Error::Decode)?;
    if let Node::Exception(_) = tree.node(tree.root())
        && let Value::Exception(exception) = pickle::value(&tree)
    {
        return Err(Error::Raised(exception));
    }
    R::deserialize(tree.deserializer(tree.root(), options)).map_err(Error::Decode)
}

/// Those arguments that have no names, and how many they are.
struct Positional<'a>(&'a dyn ToArguments, usize);

impl Serialize for Positional<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.1)?;
        let written = self
            .0
            .write(&mut each(|name: Option<&str>, value| match name {
                None => tuple.serialize_element(value).map_err(refused),
                Some(_) => Ok(()),
            }));
        written.map_err(S::Error::custom)?;
        tuple.end()
    }
}

/// Those that have, and how many they are.
struct Keywords<'a>(&'a dyn ToArguments, usize);

impl Serialize for Keywords<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.1))?;
        let written = self
            .0
            .write(&mut each(|name: Option<&str>, value| match name {
                Some(name) => map.serialize_entry(name, value).map_err(refused),
                None => Ok(()),
            }));
        written.map_err(S::Error::custom)?;
        map.end()
    }
}

/// Has something done with each argument.
fn each<F>(act: F) -> Each<F>
where
    F: FnMut(Option<&str>, &dyn erased_serde::Serialize) -> Result<(), EncodeError>,
{
    Each(act)
}

struct Each<F>(F);

impl<F> ArgumentSink for Each<F>
where
    F: FnMut(Option<&str>, &dyn erased_serde::Serialize) -> Result<(), EncodeError>,
{
    fn value(
        &mut self,
        name: Option<&str>,
        value: &dyn erased_serde::Serialize,
    ) -> Result<(), EncodeError> {
        (self.0)(name, value)
    }
}

fn refused(error: impl std::fmt::Display) -> EncodeError {
    EncodeError(error.to_string())
}
