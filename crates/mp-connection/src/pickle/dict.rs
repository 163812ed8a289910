use std::fmt;
use std::iter::Zip;
use std::slice;
use std::sync::{Arc, OnceLock};

use super::items::release;
use super::key::{Probe, Table, is_same, probe};
use super::{Value, show};

/// Values by keys, in the order of insertion.
///
/// Keys are the same when they are to Python: `1`, `1.0` and `True` are one key. Not a number is never found, and
/// neither is what can't be a key in Python (a list, say); such a dict can't be pickled.
///
/// Up to eight entries are looked through. From nine on there is an index, made when it is needed first, whose
/// hashing nobody outside can foresee.
///
/// Equal are two with equal values for the same keys, in whatever order.
///
/// ```
/// use mp_connection::pickle::{Dict, Value};
///
/// let mut dict = Dict::from([("name", Value::from("left")), ("size", 3.into())]);
/// assert_eq!(dict.get("name").and_then(Value::as_str), Some("left"));
/// assert_eq!(dict.insert("size", 4), Some(3.into()));
/// dict.insert(1, "one");
/// assert_eq!(dict.get_value(&Value::Float(1.0)), Some(&"one".into()));
/// assert_eq!(dict.to_string(), "{'name': 'left', 'size': 4, 1: 'one'}");
/// ```
#[derive(Clone, Default)]
pub struct Dict {
    /// Often those of another dict, too.
    keys: Arc<Keys>,
    /// One for each key.
    values: Vec<Value>,
}

/// Different values, in the order of insertion: the keys of a [`Dict`].
///
/// Equal are two with the same values, in whatever order.
///
/// ```
/// use mp_connection::pickle::Set;
///
/// let mut set = Set::from_iter([1, 2, 3]);
/// assert!(!set.insert(2.0));
/// assert!(set.contains(&3.into()));
/// assert_eq!(set.to_string(), "{1, 2, 3}");
/// ```
#[derive(Clone, Default)]
pub struct Set {
    keys: Keys,
}

/// The keys and values of a [`Dict`].
pub(super) type Entries<'a> = Zip<slice::Iter<'a, Value>, slice::Iter<'a, Value>>;

/// How many keys are rather compared one by one.
pub(super) const FEW: usize = 8;

impl Dict {
    /// An empty dict.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// There is a value for each key.
    pub(super) const fn from_parts(keys: Arc<Keys>, values: Vec<Value>) -> Self {
        Self { keys, values }
    }

    /// Sets the value of a key, and returns the one that it had. It stays where it was then, in the spelling that it
    /// had, as in Python.
    pub fn insert(&mut self, key: impl Into<Value>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.keys.find_value(&key) {
            Some(at) => Some(std::mem::replace(&mut self.values[at], value)),
            None => {
                Arc::make_mut(&mut self.keys).push(key);
                self.values.push(value);
                None
            }
        }
    }

    /// The value of a key that is text.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.keys.find(&Probe::Str(key)).map(|at| &self.values[at])
    }

    /// The value of a key.
    #[must_use]
    pub fn get_value(&self, key: &Value) -> Option<&Value> {
        self.keys.find_value(key).map(|at| &self.values[at])
    }

    /// A key as it is in here, and its value.
    pub(super) fn entry(&self, key: &Value) -> Option<(&Value, &Value)> {
        let at = self.keys.find_value(key)?;
        Some((&self.keys.list[at], &self.values[at]))
    }

    /// How many keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Keys and values in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Value, &Value)> + DoubleEndedIterator {
        self.entries()
    }

    /// The same by the name of its type.
    pub(super) fn entries(&self) -> Entries<'_> {
        self.keys.list.iter().zip(&self.values)
    }

    /// All keys and values, to be dropped without recursion.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Value> {
        let keys = Arc::get_mut(&mut self.keys).map(|keys| std::mem::take(&mut keys.list));
        keys.unwrap_or_default()
            .into_iter()
            .chain(self.values.drain(..))
    }
}

impl Set {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) const fn from_keys(keys: Keys) -> Self {
        Self { keys }
    }

    /// Adds a value, and says whether it wasn't there yet.
    pub fn insert(&mut self, value: impl Into<Value>) -> bool {
        let value = value.into();
        let is_new = self.keys.find_value(&value).is_none();
        if is_new {
            self.keys.push(value);
        }
        is_new
    }

    /// Whether it has this value.
    #[must_use]
    pub fn contains(&self, value: &Value) -> bool {
        self.keys.find_value(value).is_some()
    }

    /// A value as it is in here.
    pub(super) fn value(&self, value: &Value) -> Option<&Value> {
        self.keys.find_value(value).map(|at| &self.keys.list[at])
    }

    /// How many values there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.keys.list.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.list.is_empty()
    }

    /// The values in their order.
    pub fn iter(&self) -> slice::Iter<'_, Value> {
        self.keys.list.iter()
    }

    pub(super) fn get_index(&self, at: usize) -> Option<&Value> {
        self.keys.list.get(at)
    }

    /// All values, to be dropped without recursion.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Value> {
        self.keys.list.drain(..)
    }
}

/// Different keys, with an index if they are many and were looked for.
#[derive(Clone, Default)]
pub(super) struct Keys {
    list: Vec<Value>,
    index: OnceLock<Box<Table>>,
}

impl Keys {
    /// The keys are known to be different.
    pub(super) const fn from_unique(list: Vec<Value>) -> Self {
        Self {
            list,
            index: OnceLock::new(),
        }
    }

    fn find_value(&self, key: &Value) -> Option<usize> {
        self.find(&probe(key).ok()?)
    }

    fn find(&self, key: &Probe<'_>) -> Option<usize> {
        let is_same = |at: usize| is_same(&self.list[at], key);
        if self.list.len() <= FEW {
            return (0..self.list.len()).find(|&at| is_same(at));
        }
        let index = self.index.get_or_init(|| {
            let mut table = Table::with_capacity(self.list.len());
            self.list.iter().for_each(|key| note(&mut table, key));
            Box::new(table)
        });
        index.find(key.hash(), is_same)
    }

    fn into_list(mut self) -> Vec<Value> {
        std::mem::take(&mut self.list)
    }

    /// Adds a key that isn't there.
    fn push(&mut self, key: Value) {
        if let Some(table) = self.index.get_mut() {
            note(table, &key);
        }
        self.list.push(key);
    }
}

/// Notes the next key of an index, which isn't there yet.
fn note(table: &mut Table, key: &Value) {
    match probe(key) {
        Ok(key) => drop(table.insert(key.hash(), |_| false)),
        Err(_) => table.skip(),
    }
}

impl PartialEq for Dict {
    fn eq(&self, other: &Self) -> bool {
        super::equal::dicts(self, other)
    }
}

impl PartialEq for Set {
    fn eq(&self, other: &Self) -> bool {
        super::equal::sets(self, other)
    }
}

impl<K: Into<Value>, V: Into<Value>> FromIterator<(K, V)> for Dict {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut dict = Self::new();
        dict.extend(entries);
        dict
    }
}

impl<K: Into<Value>, V: Into<Value>> Extend<(K, V)> for Dict {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Into<Value>, V: Into<Value>, const N: usize> From<[(K, V); N]> for Dict {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl IntoIterator for Dict {
    type Item = (Value, Value);
    type IntoIter = std::vec::IntoIter<(Value, Value)>;

    fn into_iter(mut self) -> Self::IntoIter {
        let keys = Arc::unwrap_or_clone(std::mem::take(&mut self.keys)).into_list();
        let values = std::mem::take(&mut self.values);
        keys.into_iter().zip(values).collect::<Vec<_>>().into_iter()
    }
}

impl<T: Into<Value>> FromIterator<T> for Set {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut set = Self::new();
        set.extend(values);
        set
    }
}

impl<T: Into<Value>> Extend<T> for Set {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.insert(value);
        }
    }
}

impl<'a> IntoIterator for &'a Set {
    type Item = &'a Value;
    type IntoIter = slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Set {
    type Item = Value;
    type IntoIter = std::vec::IntoIter<Value>;

    fn into_iter(mut self) -> Self::IntoIter {
        std::mem::take(&mut self.keys).into_list().into_iter()
    }
}

/// As Python's `repr`.
impl fmt::Display for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::show_dict(self, f)
    }
}

impl fmt::Debug for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As Python's `repr` of a set.
impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::show_set(self, f)
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Drop for Dict {
    fn drop(&mut self) {
        if self.values.iter().any(Value::is_nested) {
            release(self.values.drain(..));
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if self.list.iter().any(Value::is_nested) {
            release(self.list.drain(..));
        }
    }
}
