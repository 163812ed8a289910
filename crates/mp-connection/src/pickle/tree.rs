use super::Error;

/// A pickle that was read: values by number, which borrow their texts from it. Nothing in it is nested, so that it
/// is dropped without recursion, and what is mentioned twice is there once.
#[derive(Debug, Default)]
pub(crate) struct Tree<'de> {
    pub(super) cells: Vec<Cell<'de>>,
    /// What the containers contain, each in one piece.
    pub(super) links: Vec<NodeId>,
    /// Texts that stand in the pickle in another spelling (protocols 0 to 2), one behind the other.
    pub(super) text: String,
    /// The same for byte strings and long integers.
    pub(super) bytes: Vec<u8>,
    pub(super) classes: Vec<Class>,
    /// What may be mentioned more than once. The rest surely isn't.
    pub(super) shared: Vec<NodeId>,
    pub(super) root: NodeId,
}

/// Where a value is in its [`Tree`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeId(pub(super) u32);

/// One value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Node<'t, 'de> {
    None,
    Bool(bool),
    Int(i64),
    /// Little-endian two's complement, as short as can be, beyond 64 bits.
    BigInt(&'t [u8]),
    Float(f64),
    Str(&'de str),
    /// A text that stands in the pickle in another spelling (protocols 0 to 2).
    OwnedStr(&'t str),
    Bytes(&'de [u8]),
    OwnedBytes(&'t [u8]),
    ByteArray(&'t [u8]),
    List(&'t [NodeId]),
    Tuple(&'t [NodeId]),
    /// Keys and values take turns; each key is there once.
    Dict(&'t [NodeId]),
    Set(&'t [NodeId]),
    FrozenSet(&'t [NodeId]),
    Exception(Raised<'t>),
}

/// An exception: what its class is called and what it was given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raised<'t> {
    pub(crate) class: &'t Class,
    /// A `Tuple`.
    pub(crate) args: NodeId,
    /// A `Dict`, all keys of which are texts.
    pub(crate) attributes: Option<NodeId>,
}

/// The class of an exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) module: Box<str>,
    pub(crate) name: Box<str>,
}

/// How a value is stored: in as few bytes as a borrowed text needs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'de> {
    None,
    Bool(bool),
    Int(i64),
    BigInt(&'de [u8]),
    OwnedBigInt(Piece),
    Float(f64),
    Str(&'de str),
    OwnedStr(Piece),
    Bytes(&'de [u8]),
    OwnedBytes(Piece),
    ByteArray(&'de [u8]),
    OwnedByteArray(Piece),
    List(Links),
    Tuple(Links),
    Dict(Links),
    Set(Links),
    FrozenSet(Links),
    /// Its arguments and attributes are two links: a `Tuple`, and a `Dict` or [`NodeId::NONE`].
    Exception {
        class: u32,
        parts: u32,
    },
    /// What may be called, but is no value.
    Callable(Callable),
}

/// A part of [`Tree::text`] or [`Tree::bytes`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) start: usize,
    pub(super) len: usize,
}

/// A part of [`Tree::links`], with room to grow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Links {
    pub(super) start: u32,
    pub(super) len: u32,
    pub(super) room: u32,
}

/// The classes and functions that data needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callable {
    Set,
    FrozenSet,
    Bytes,
    ByteArray,
    /// `_codecs.encode`, by which protocols 0 to 2 write bytes.
    Encode,
    /// The number of a [`Class`].
    Exception(u32),
}

impl NodeId {
    /// No value.
    pub(super) const NONE: Self = Self(u32::MAX);

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Links {
    pub(super) fn range(self) -> std::ops::Range<usize> {
        let start = self.start as usize;
        start..start + self.len as usize
    }
}

impl Piece {
    fn range(self) -> std::ops::Range<usize> {
        self.start..self.start + self.len
    }
}

impl<'de> Tree<'de> {
    /// The value that the pickle is of.
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// Says that a class is no value.
    pub(super) fn refuse(&self, callable: Callable) -> Error {
        let (module, name) = match callable {
            Callable::Set => ("builtins", "set"),
            Callable::FrozenSet => ("builtins", "frozenset"),
            Callable::Bytes => ("builtins", "bytes"),
            Callable::ByteArray => ("builtins", "bytearray"),
            Callable::Encode => ("_codecs", "encode"),
            Callable::Exception(number) => {
                let class = &self.classes[number as usize];
                (&*class.module, &*class.name)
            }
        };
        Error::Global {
            module: module.to_owned(),
            name: name.to_owned(),
        }
    }

    /// For each value that is shared, one more than its last place in `shared`; zero for others. Nothing if none is.
    pub(super) fn shared_slots(&self) -> Vec<u32> {
        let mut slots = Vec::new();
        if !self.shared.is_empty() {
            slots.resize(self.cells.len(), 0);
            for (id, slot) in self.shared.iter().zip(1..) {
                slots[id.index()] = slot;
            }
        }
        slots
    }

    pub(super) fn is_container(&self, id: NodeId) -> bool {
        matches!(
            self.cells[id.index()],
            Cell::List(_)
                | Cell::Tuple(_)
                | Cell::Dict(_)
                | Cell::Set(_)
                | Cell::FrozenSet(_)
                | Cell::Exception { .. }
        )
    }

    /// What a container contains: for an exception its arguments and attributes.
    pub(super) fn parts(&self, id: NodeId) -> &[NodeId] {
        match self.cells[id.index()] {
            Cell::List(links)
            | Cell::Tuple(links)
            | Cell::Dict(links)
            | Cell::Set(links)
            | Cell::FrozenSet(links) => &self.links[links.range()],
            Cell::Exception { parts, .. } => {
                let parts = parts as usize;
                let count = if self.links[parts + 1] == NodeId::NONE {
                    1
                } else {
                    2
                };
                &self.links[parts..parts + count]
            }
            _ => &[],
        }
    }

    /// A value. Its depth, and that of all, is within the limits; there are no cycles.
    #[inline]
    pub(crate) fn node(&self, id: NodeId) -> Node<'_, 'de> {
        match self.cells[id.index()] {
            // A class where a value should be was refused when the tree was checked.
            Cell::None | Cell::Callable(_) => Node::None,
            Cell::Bool(value) => Node::Bool(value),
            Cell::Int(value) => Node::Int(value),
            Cell::BigInt(bytes) => Node::BigInt(bytes),
            Cell::OwnedBigInt(piece) => Node::BigInt(&self.bytes[piece.range()]),
            Cell::Float(value) => Node::Float(value),
            Cell::Str(text) => Node::Str(text),
            Cell::OwnedStr(piece) => Node::OwnedStr(&self.text[piece.range()]),
            Cell::Bytes(bytes) => Node::Bytes(bytes),
            Cell::OwnedBytes(piece) => Node::OwnedBytes(&self.bytes[piece.range()]),
            Cell::ByteArray(bytes) => Node::ByteArray(bytes),
            Cell::OwnedByteArray(piece) => Node::ByteArray(&self.bytes[piece.range()]),
            Cell::List(links) => Node::List(&self.links[links.range()]),
            Cell::Tuple(links) => Node::Tuple(&self.links[links.range()]),
            Cell::Dict(links) => Node::Dict(&self.links[links.range()]),
            Cell::Set(links) => Node::Set(&self.links[links.range()]),
            Cell::FrozenSet(links) => Node::FrozenSet(&self.links[links.range()]),
            Cell::Exception { class, parts } => {
                let attributes = self.links[parts as usize + 1];
                Node::Exception(Raised {
                    class: &self.classes[class as usize],
                    args: self.links[parts as usize],
                    attributes: (attributes != NodeId::NONE).then_some(attributes),
                })
            }
        }
    }
}
