use super::Writer;
use crate::pickle::{Error, Protocol, opcode};

/// What values are held by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pickle) enum Shape {
    List,
    Tuple,
    Dict,
    Set,
    FrozenSet,
}

/// A container that is being written.
#[derive(Clone, Copy, Debug)]
pub(in crate::pickle) struct Opened {
    shape: Shape,
    /// Where its content begins.
    at: usize,
    /// How many values are in a tuple that goes without a mark.
    unmarked: Option<u8>,
}

/// What Python knows by name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Global {
    Set,
    FrozenSet,
    ByteArray,
    Encode,
}

/// When it is read, what is made of a name and a tuple counts as that name, the tuple, and what is in there, too.
pub(super) const BY_NAME: u32 = 2;

impl Writer<'_> {
    /// Begins a container. For a tuple, `len` is how many values come, if that is known.
    #[inline]
    pub(in crate::pickle) fn open(
        &mut self,
        shape: Shape,
        len: Option<usize>,
    ) -> Result<Opened, Error> {
        self.count(1);
        self.check()?;
        self.enter()?;
        self.hashable(shape.unhashable())?;
        let mut unmarked = None;
        match shape {
            Shape::List => self
                .out
                .extend_from_slice(&[opcode::EMPTY_LIST, opcode::MARK]),
            Shape::Dict => self
                .out
                .extend_from_slice(&[opcode::EMPTY_DICT, opcode::MARK]),
            Shape::Tuple => match len {
                Some(len @ 1..=3) => unmarked = Some(len as u8),
                _ => self.out.push(opcode::MARK),
            },
            Shape::Set | Shape::FrozenSet => self.open_set(shape)?,
        }
        Ok(Opened {
            shape,
            at: self.out.len(),
            unmarked,
        })
    }

    /// Ends a container.
    #[inline]
    pub(in crate::pickle) fn close(&mut self, opened: Opened) {
        self.leave();
        let is_empty = self.out.len() == opened.at;
        match opened.shape {
            Shape::List => self.add(is_empty, opcode::APPENDS),
            Shape::Dict => self.add(is_empty, opcode::SETITEMS),
            Shape::Tuple => match opened.unmarked {
                Some(1) => self.out.push(opcode::TUPLE1),
                Some(2) => self.out.push(opcode::TUPLE2),
                Some(_) => self.out.push(opcode::TUPLE3),
                None if is_empty => {
                    self.out.pop();
                    self.out.push(opcode::EMPTY_TUPLE);
                }
                None => self.out.push(opcode::TUPLE),
            },
            Shape::Set | Shape::FrozenSet => self.close_set(opened.shape, is_empty),
        }
    }

    /// Begins the dict `{name: …}`.
    pub(in crate::pickle) fn open_single(&mut self, name: &'static str) -> Result<(), Error> {
        self.open(Shape::Dict, None)?;
        self.name(name)
    }

    /// Ends it.
    pub(in crate::pickle) fn close_single(&mut self) {
        self.leave();
        self.out.push(opcode::SETITEMS);
    }

    pub(super) fn global(&mut self, global: Global) {
        if let Some(id) = self.globals[global as usize] {
            return self.recall(id);
        }
        let (module, name) = match global {
            Global::Set => ("builtins", "set"),
            Global::FrozenSet => ("builtins", "frozenset"),
            Global::ByteArray => ("builtins", "bytearray"),
            Global::Encode => ("_codecs", "encode"),
        };
        // Python 3 translates the name that the module has in Python 2.
        let is_old = self.options.protocol < Protocol::V3 && module == "builtins";
        let module = if is_old { "__builtin__" } else { module };
        self.name_of(module, name);
        let id = self.remember();
        self.globals[global as usize] = Some(id);
    }

    fn open_set(&mut self, shape: Shape) -> Result<(), Error> {
        self.keys += 1;
        let begin: &[u8] = match shape {
            _ if self.options.protocol < Protocol::V4 => {
                self.count(BY_NAME + 1);
                self.global(match shape {
                    Shape::Set => Global::Set,
                    _ => Global::FrozenSet,
                });
                &[opcode::EMPTY_LIST, opcode::MARK]
            }
            Shape::Set => &[opcode::EMPTY_SET, opcode::MARK],
            _ => &[opcode::MARK],
        };
        self.out.extend_from_slice(begin);
        Ok(())
    }

    fn close_set(&mut self, shape: Shape, is_empty: bool) {
        self.keys -= 1;
        if self.options.protocol < Protocol::V4 {
            self.add(is_empty, opcode::APPENDS);
            self.out
                .extend_from_slice(&[opcode::TUPLE1, opcode::REDUCE]);
        } else if shape == Shape::Set {
            self.add(is_empty, opcode::ADDITEMS);
        } else {
            self.out.push(opcode::FROZENSET);
        }
    }

    /// Adds what is above the mark to the container below it.
    #[inline]
    fn add(&mut self, is_empty: bool, opcode: u8) {
        if is_empty {
            self.out.pop();
        } else {
            self.out.push(opcode);
        }
    }
}

impl Shape {
    /// What Python calls it, if it can't be hashed.
    pub(in crate::pickle) fn unhashable(self) -> Option<&'static str> {
        match self {
            Self::List => Some("list"),
            Self::Dict => Some("dict"),
            Self::Set => Some("set"),
            Self::Tuple | Self::FrozenSet => None,
        }
    }
}
