//! What a request says: which function, and its arguments one after the other.

use std::fmt;

use rpc_core::{ArgumentSource, Fault, ReadValue, Slot, Value};
use serde::Deserialize;

use super::message::unwrap;
use crate::pickle::{self, Node, NodeId, Options, Tree};

/// A request whose pickle was read. Of its arguments nothing is copied.
#[derive(Debug)]
pub(super) struct Request<'a> {
    tree: &'a Tree<'a>,
    options: &'a Options,
    pub(super) name: &'a str,
    positional: &'a [NodeId],
    /// Names and values take turns.
    keywords: &'a [NodeId],
}

/// Why a message is no request.
#[derive(Debug)]
pub(super) enum Malformed {
    Pickle(pickle::Error),
    /// It is no pickled byte string.
    NotWrapped,
    /// Its content is no name with arguments.
    NotARequest,
}

impl<'a> Request<'a> {
    /// Reads a message, and has `then` do something with the request.
    pub(super) fn read<T>(
        message: &[u8],
        options: &Options,
        then: impl FnOnce(&mut Request<'_>) -> T,
    ) -> Result<T, Malformed> {
        let inner = unwrap(message, options)?.ok_or(Malformed::NotWrapped)?;
        let tree = pickle::read(&inner, options)?;
        let mut request = Request::of(&tree, options).ok_or(Malformed::NotARequest)?;
        Ok(then(&mut request))
    }

    fn of(tree: &'a Tree<'a>, options: &'a Options) -> Option<Self> {
        let &[name, positional, keywords] = sequence(tree, tree.root())? else {
            return None;
        };
        let Node::Dict(keywords) = tree.node(keywords) else {
            return None;
        };
        let mut names = keywords.iter().step_by(2);
        if !names.all(|&name| text(tree, name).is_some()) {
            return None;
        }
        Some(Self {
            name: text(tree, name)?,
            positional: sequence(tree, positional)?,
            keywords,
            tree,
            options,
        })
    }

    /// The value of the next argument, which is the next no longer.
    fn take(&mut self) -> Option<NodeId> {
        if let [value, rest @ ..] = self.positional {
            self.positional = rest;
            return Some(*value);
        }
        let [_, value, rest @ ..] = self.keywords else {
            return None;
        };
        self.keywords = rest;
        Some(*value)
    }
}

impl ArgumentSource for Request<'_> {
    fn next(&mut self) -> Result<Option<Slot<'_>>, Fault> {
        if !self.positional.is_empty() {
            return Ok(Some(Slot::Positional));
        }
        let name = self
            .keywords
            .first()
            .and_then(|&name| text(self.tree, name));
        Ok(name.map(Slot::Keyword))
    }

    fn value(&mut self, read: &mut ReadValue<'_>) -> Result<(), Fault> {
        let Some(value) = self.take() else {
            return Ok(());
        };
        let deserializer = self.tree.deserializer(value, self.options);
        read(&mut <dyn erased_serde::Deserializer<'_>>::erase(
            deserializer,
        ))
        .map_err(complaint)
    }

    fn dynamic(&mut self) -> Option<Result<Value, Fault>> {
        let deserializer = self.tree.deserializer(self.take()?, self.options);
        Some(Value::deserialize(deserializer).map_err(complaint))
    }
}

impl From<pickle::Error> for Malformed {
    fn from(error: pickle::Error) -> Self {
        Self::Pickle(error)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pickle(error) => error.fmt(f),
            Self::NotWrapped => f.write_str("a request is a pickled byte string"),
            Self::NotARequest => {
                f.write_str("a request is a tuple of a name, a tuple and a dict with names")
            }
        }
    }
}

/// What is wrong with an argument, without all of a text that is in the wrong place.
fn complaint(error: impl fmt::Display) -> Fault {
    const LONGEST: usize = 200;
    Fault::wrong_arguments(shortened(&error.to_string(), LONGEST))
}

/// The items of a tuple or a list.
fn sequence<'a>(tree: &'a Tree<'a>, id: NodeId) -> Option<&'a [NodeId]> {
    match tree.node(id) {
        Node::Tuple(items) | Node::List(items) => Some(items),
        _ => None,
    }
}

fn text<'a>(tree: &'a Tree<'a>, id: NodeId) -> Option<&'a str> {
    match tree.node(id) {
        Node::Str(text) | Node::OwnedStr(text) => Some(text),
        _ => None,
    }
}

/// What a peer sent goes into messages up to a bounded length.
pub(super) fn shortened(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
