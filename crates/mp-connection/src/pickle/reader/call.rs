//! The few classes and functions that data needs, and calls of them, which are made here and nowhere else.

use super::{EXCEPTION, Error, Fault, HEAP, MENTION, Reader};
use crate::pickle::exception::known;
use crate::pickle::tree::{Callable, Cell, Class, Links, Node, NodeId, Piece};

/// What a name is of.
enum Found {
    Callable(Callable),
    Exception(Class),
}

impl<'de> Reader<'de, '_> {
    pub(super) fn global(&mut self) -> Result<(), Fault> {
        let module = self.input.line()?;
        let name = self.input.line()?;
        let found = self.find(module, name)?;
        self.push_found(found)
    }

    pub(super) fn stack_global(&mut self) -> Result<(), Fault> {
        let name = self.pop()?;
        let module = self.pop()?;
        let (Some(module), Some(name)) = (self.str(module), self.str(name)) else {
            return Err(self.misuse());
        };
        let found = self.find(module.as_bytes(), name.as_bytes())?;
        self.push_found(found)
    }

    /// What this name is of, if data needs it. Names are compared as a whole: a dot in them leads nowhere.
    fn find(&self, module: &[u8], name: &[u8]) -> Result<Found, Fault> {
        let callable = match (module, name) {
            (b"builtins" | b"__builtin__", b"set") => Callable::Set,
            (b"builtins" | b"__builtin__", b"frozenset") => Callable::FrozenSet,
            (b"builtins" | b"__builtin__", b"bytes") => Callable::Bytes,
            (b"builtins" | b"__builtin__", b"bytearray") => Callable::ByteArray,
            (b"_codecs", b"encode") => Callable::Encode,
            _ => {
                let class = self.exception_class(module, name);
                return class
                    .map(Found::Exception)
                    .ok_or_else(|| refused(module, name).into());
            }
        };
        Ok(Found::Callable(callable))
    }

    fn push_found(&mut self, found: Found) -> Result<(), Fault> {
        let callable = match found {
            Found::Callable(callable) => callable,
            Found::Exception(class) => Callable::Exception(self.class_number(class)),
        };
        self.push(Cell::Callable(callable))
    }

    fn exception_class(&self, module: &[u8], name: &[u8]) -> Option<Class> {
        if let b"builtins" | b"__builtin__" | b"exceptions" = module {
            let name = known::class(name)?;
            return Some(Class {
                module: "builtins".into(),
                name: name.into(),
            });
        }
        let (module, name) = self
            .options
            .exceptions
            .iter()
            .find(|(m, n)| m.as_bytes() == module && n.as_bytes() == name)?;
        Some(Class {
            module: module.as_str().into(),
            name: name.as_str().into(),
        })
    }

    fn class_number(&mut self, class: Class) -> u32 {
        let number = self.tree.classes.iter().position(|known| *known == class);
        let number = number.unwrap_or_else(|| {
            self.tree.classes.push(class);
            self.tree.classes.len() - 1
        });
        number as u32
    }

    pub(super) fn reduce(&mut self) -> Result<(), Fault> {
        let args_id = self.pop()?;
        let callable = self.pop()?;
        let Cell::Tuple(args) = self.tree.cells[args_id.index()] else {
            return Err(self.misuse());
        };
        let Cell::Callable(callable) = self.tree.cells[callable.index()] else {
            return Err(self.misuse());
        };
        let first = args.start as usize;
        let arg = |at: usize| self.tree.cells[self.tree.links[first + at].index()];
        match (callable, args.len) {
            (Callable::Exception(class), _) => {
                let parts = self.link_end(2)?;
                self.tree.links.extend([args_id, NodeId::NONE]);
                self.push_with(Cell::Exception { class, parts }, EXCEPTION)
            }
            (Callable::Set, 0) => self.container(Cell::Set(Links::default())),
            (Callable::FrozenSet, 0) => self.container(Cell::FrozenSet(Links::default())),
            (Callable::Set, 1) => match arg(0) {
                Cell::List(list) => {
                    let links = self.copy(list)?;
                    self.container(Cell::Set(links))
                }
                _ => Err(self.misuse()),
            },
            (Callable::FrozenSet, 1) => match arg(0) {
                Cell::List(list) => {
                    let links = self.copy(list)?;
                    self.container(Cell::FrozenSet(links))
                }
                _ => Err(self.misuse()),
            },
            (Callable::Bytes, 0) => self.push_heap(Cell::Bytes(&[]), 0),
            (Callable::ByteArray, 0) => self.push_heap(Cell::ByteArray(&[]), 0),
            (Callable::ByteArray, 1) => match arg(0) {
                Cell::Bytes(bytes) => self.push_heap(Cell::ByteArray(bytes), bytes.len()),
                Cell::OwnedBytes(piece) => self.push_heap(Cell::OwnedByteArray(piece), piece.len),
                _ => Err(self.misuse()),
            },
            (Callable::Encode, 2) => {
                let cell = self.encode(args)?;
                self.push(cell)
            }
            (Callable::ByteArray, 2) => {
                let cell = match self.encode(args)? {
                    Cell::Bytes(bytes) => Cell::ByteArray(bytes),
                    Cell::OwnedBytes(piece) => Cell::OwnedByteArray(piece),
                    _ => return Err(self.misuse()),
                };
                self.push(cell)
            }
            _ => Err(self.misuse()),
        }
    }

    /// Attributes of an exception.
    pub(super) fn build(&mut self) -> Result<(), Fault> {
        let state = self.pop()?;
        let target = self.top()?;
        let Cell::Exception { parts, .. } = self.tree.cells[target.index()] else {
            return Err(self.misuse());
        };
        match self.tree.cells[state.index()] {
            Cell::None => Ok(()),
            Cell::Dict(links) if self.tree.links[parts as usize + 1] == NodeId::NONE => {
                let links = self.copy(links)?;
                self.container(Cell::Dict(links))?;
                self.tree.links[parts as usize + 1] = self.pop()?;
                Ok(())
            }
            _ => Err(self.misuse()),
        }
    }

    /// The contents of a list or dict as those of another container: Python makes the set or attributes now, and the
    /// list or dict may change.
    fn copy(&mut self, list: Links) -> Result<Links, Fault> {
        let len = list.len as usize;
        self.reserve(len * MENTION)?;
        let start = self.link_end(len)?;
        self.tree.links.extend_from_within(list.range());
        Ok(Links {
            start,
            len: list.len,
            room: list.len,
        })
    }

    /// Text that stands for bytes in Latin-1.
    fn encode(&mut self, args: Links) -> Result<Cell<'de>, Fault> {
        let range = args.range();
        let (text, codec) = (
            self.tree.links[range.start],
            self.tree.links[range.start + 1],
        );
        if !matches!(self.str(codec), Some("latin1" | "latin-1")) {
            return Err(self.misuse());
        }
        let text_len = self.str(text).map_or(0, str::len);
        self.reserve(HEAP + 2 * text_len)?;
        let text = match self.tree.cells[text.index()] {
            Cell::Str(text) if text.is_ascii() => return Ok(Cell::Bytes(text.as_bytes())),
            Cell::Str(text) => text,
            Cell::OwnedStr(piece) => &self.tree.text[piece.start..piece.start + piece.len],
            _ => return Err(self.misuse()),
        };
        let start = self.tree.bytes.len();
        for letter in text.chars() {
            match u8::try_from(letter) {
                Ok(byte) => self.tree.bytes.push(byte),
                Err(_) => return Err(self.misuse()),
            }
        }
        Ok(Cell::OwnedBytes(Piece {
            start,
            len: self.tree.bytes.len() - start,
        }))
    }

    fn str(&self, id: NodeId) -> Option<&str> {
        match self.tree.node(id) {
            Node::Str(text) => Some(text),
            Node::OwnedStr(text) => Some(text),
            _ => None,
        }
    }
}

/// Names are the peer's, and may be long.
pub(in crate::pickle) fn refused(module: &[u8], name: &[u8]) -> Error {
    let start = |name: &[u8]| String::from_utf8_lossy(&name[..name.len().min(100)]).into_owned();
    Error::Global {
        module: start(module),
        name: start(name),
    }
}
