/// A pickle that was read: values by number, which borrow their texts from it. Nothing in it is nested, so that it
/// is dropped without recursion, and what is mentioned twice is there once.
#[derive(Debug)]
pub(crate) struct Tree<'de> {
    nodes: Vec<Node<'de>>,
    root: NodeId,
}

/// Where a value is in its [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(u32);

/// One value.
#[derive(Debug)]
pub(crate) enum Node<'de> {
    None,
    Bool(bool),
    Int(i64),
    /// Little-endian two's complement, beyond 64 bits.
    BigInt(&'de [u8]),
    Float(f64),
    Str(&'de str),
    /// A text that stands in the pickle in another spelling (protocols 0 to 2).
    OwnedStr(Box<str>),
    Bytes(&'de [u8]),
    OwnedBytes(Box<[u8]>),
    ByteArray(&'de [u8]),
    List(Vec<NodeId>),
    Tuple(Vec<NodeId>),
    /// Keys and values take turns; each key is there once.
    Dict(Vec<NodeId>),
    Set(Vec<NodeId>),
    FrozenSet(Vec<NodeId>),
    Exception(Box<Raised>),
}

/// An exception: what its class is called and what it was given.
#[derive(Debug)]
pub(crate) struct Raised {
    pub(crate) module: String,
    pub(crate) class: String,
    pub(crate) args: Vec<NodeId>,
    /// A `Dict`, if attributes were set.
    pub(crate) attributes: Option<NodeId>,
}

impl<'de> Tree<'de> {
    /// The value that the pickle is of.
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// A value. Its depth, and that of all, is within the limits; there are no cycles.
    pub(crate) fn node(&self, id: NodeId) -> &Node<'de> {
        &self.nodes[id.0 as usize]
    }
}
