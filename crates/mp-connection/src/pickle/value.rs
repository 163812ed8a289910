use std::fmt;
use std::sync::Arc;

use super::key::{Key, Place};
use super::{BigInt, Dict, Error, Exception, Items, Options, Set, build, reader, show};

/// A Python value whose type shows only when it arrives.
///
/// Containers are shared, as Python's are: a clone costs one reference count, and what was one object in the pickle
/// is one here (`Arc::ptr_eq`). To change one, [`Arc::make_mut`].
///
/// Equal are two values of the same type and content: `Int(1)` is not `Float(1.0)`, nor a list a tuple. (As keys `1`
/// and `1.0` are the same: see [`Dict`].)
///
/// `Display` and `Debug` show what Python's `repr` would, except that of letters from outside ASCII some may be
/// escaped in the one and not in the other.
///
/// Values may be nested as deep as memory allows: dropping, comparing and showing them takes no stack. Only
/// [`Options::max_depth`] levels are read.
///
/// ```
/// use mp_connection::pickle::{Dict, Value};
///
/// let point = Value::from(Dict::from([("x", 1), ("y", 2)]));
/// let value = Value::tuple([Value::None, point, 0.5.into(), Value::list(["a", "b"])]);
/// assert_eq!(value.to_string(), "(None, {'x': 1, 'y': 2}, 0.5, ['a', 'b'])");
///
/// let items = value.as_slice().expect("it is a tuple");
/// assert_eq!(items[1].get("y").and_then(Value::as_i64), Some(2));
/// ```
#[derive(Clone, Default)]
pub enum Value {
    /// `None`
    #[default]
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
    List(Arc<Items>),
    /// `tuple`
    Tuple(Arc<Items>),
    /// `dict`, in the order of insertion
    Dict(Arc<Dict>),
    /// `set`
    Set(Arc<Set>),
    /// `frozenset`
    FrozenSet(Arc<Set>),
    /// An exception: class, arguments, attributes
    Exception(Arc<Exception>),
}

impl Value {
    /// Reads a pickle of any protocol. What is shared in it is shared in the value.
    ///
    /// Takes time and memory by the length of the pickle, within the limits of the options.
    ///
    /// ```
    /// use mp_connection::pickle::{Options, Value};
    ///
    /// let value = Value::from_pickle(b"\x80\x04K\x02K\x03\x86.", &Options::default())?;
    /// assert_eq!(value, Value::tuple([2, 3]));
    /// # Ok::<(), mp_connection::pickle::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the pickle is damaged, has something else than data, or is beyond the limits: all of [`Error`].
    pub fn from_pickle(pickle: &[u8], options: &Options) -> Result<Self, Error> {
        reader::read(pickle, options).map(|tree| build::value(&tree))
    }

    /// A list of these.
    pub fn list<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(Arc::new(items.into_iter().collect()))
    }

    /// A tuple of these.
    pub fn tuple<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::Tuple(Arc::new(items.into_iter().collect()))
    }

    /// What Python calls its type; for exceptions, "Exception".
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::BigInt(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::Bytes(_) => "bytes",
            Self::ByteArray(_) => "bytearray",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::Set(_) => "set",
            Self::FrozenSet(_) => "frozenset",
            Self::Exception(_) => "Exception",
        }
    }

    /// Whether it is `None`.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// A bool.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// An int, if it fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::BigInt(value) => value.to_i64(),
            _ => None,
        }
    }

    /// A float, or an int within 64 bits as the nearest one.
    #[must_use]
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            Self::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// A text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Bytes or a bytearray.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) | Self::ByteArray(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The items of a list or tuple.
    #[must_use]
    pub fn as_slice(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) | Self::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// A dict.
    #[must_use]
    pub fn as_dict(&self) -> Option<&Dict> {
        match self {
            Self::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// A set or frozenset.
    #[must_use]
    pub fn as_set(&self) -> Option<&Set> {
        match self {
            Self::Set(set) | Self::FrozenSet(set) => Some(set),
            _ => None,
        }
    }

    /// An exception.
    #[must_use]
    pub fn as_exception(&self) -> Option<&Exception> {
        match self {
            Self::Exception(exception) => Some(exception),
            _ => None,
        }
    }

    /// The value of a key of a dict: nothing for what is no dict.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_dict()?.get(key)
    }

    /// Whether it may contain values.
    pub(super) const fn is_nested(&self) -> bool {
        matches!(
            self,
            Self::List(_)
                | Self::Tuple(_)
                | Self::Dict(_)
                | Self::Set(_)
                | Self::FrozenSet(_)
                | Self::Exception(_)
        )
    }
}

/// As Python's `repr`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::show(self, f)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::show(self, f)
    }
}

impl<'a> Place<'a> for &'a Value {
    fn key(self) -> Key<'a> {
        match self {
            Value::None => Key::None,
            Value::Bool(value) => Key::Int((*value).into()),
            Value::Int(value) => Key::Int(*value),
            Value::BigInt(value) => Key::BigInt(value.to_le_bytes()),
            Value::Float(value) => Key::Float(*value, None),
            Value::Str(text) => Key::Str(text),
            Value::Bytes(bytes) => Key::Bytes(bytes),
            Value::Tuple(_) => Key::Tuple,
            Value::FrozenSet(_) => Key::FrozenSet,
            _ => Key::Unhashable(self.type_name()),
        }
    }

    fn item(self, at: usize) -> Option<Self> {
        match self {
            Value::Tuple(items) => items.get(at),
            Value::FrozenSet(set) => set.get_index(at),
            _ => None,
        }
    }
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::None
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        BigInt::from(value).into()
    }
}

impl From<i128> for Value {
    fn from(value: i128) -> Self {
        BigInt::from(value).into()
    }
}

impl From<u128> for Value {
    fn from(value: u128) -> Self {
        BigInt::from(value).into()
    }
}

impl From<BigInt> for Value {
    fn from(value: BigInt) -> Self {
        value
            .to_i64()
            .map_or_else(|| Self::BigInt(Arc::new(value)), Self::Int)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Str(text.into())
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl<const N: usize> From<&[u8; N]> for Value {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Bytes(bytes.as_slice().into())
    }
}

/// A list.
impl From<Vec<Self>> for Value {
    fn from(items: Vec<Self>) -> Self {
        Self::List(Arc::new(items.into()))
    }
}

impl From<Dict> for Value {
    fn from(dict: Dict) -> Self {
        Self::Dict(Arc::new(dict))
    }
}

impl From<Set> for Value {
    fn from(set: Set) -> Self {
        Self::Set(Arc::new(set))
    }
}

impl From<Exception> for Value {
    fn from(exception: Exception) -> Self {
        Self::Exception(Arc::new(exception))
    }
}

/// `None` for nothing.
impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}
