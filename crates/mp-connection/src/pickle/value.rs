use std::sync::Arc;

/// A Python value whose type shows only when it arrives.
///
/// Containers are shared, as Python's are: a clone costs one reference count, and what was one object in the pickle
/// is one here (`Arc::ptr_eq`).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// `int` within 64 bits
    Int(i64),
    /// `int` beyond
    BigInt(Arc<BigInt>),
    /// `float`
    Float(f64),
    /// `str`
    Str(Arc<str>),
    /// `bytes`
    Bytes(Arc<[u8]>),
    /// `bytearray`
    ByteArray(Arc<[u8]>),
    /// `list`
    List(Arc<Vec<Self>>),
    /// `tuple`
    Tuple(Arc<[Self]>),
    /// `dict`, in the order of insertion
    Dict(Arc<Dict>),
    /// `set`
    Set(Arc<Set>),
    /// `frozenset`
    FrozenSet(Arc<Set>),
    /// An exception: class, arguments, attributes
    Exception(Arc<Exception>),
}

/// An integer of any size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BigInt;

/// Values by keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Dict;

/// Different values.
#[derive(Clone, Debug, PartialEq)]
pub struct Set;

/// An exception as a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Exception;
