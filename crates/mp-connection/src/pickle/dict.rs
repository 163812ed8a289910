use std::fmt;
use std::sync::OnceLock;

use super::items::release;
use super::key::{Probe, Table, probe};
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
    entries: Vec<(Value, Value)>,
    index: OnceLock<Box<Table>>,
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
    values: Vec<Value>,
    index: OnceLock<Box<Table>>,
}

/// How many keys are rather compared one by one.
pub(super) const FEW: usize = 8;

impl Dict {
    /// An empty dict.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            index: OnceLock::new(),
        }
    }

    /// The keys are known to be different.
    pub(super) const fn from_unique(entries: Vec<(Value, Value)>) -> Self {
        Self {
            entries,
            index: OnceLock::new(),
        }
    }

    /// Sets the value of a key, and returns the one that it had. It stays where it was then, in the spelling that it
    /// had, as in Python.
    pub fn insert(&mut self, key: impl Into<Value>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match note(&mut self.index, &self.entries, |entry| &entry.0, &key) {
            Some(at) => Some(std::mem::replace(&mut self.entries[at].1, value)),
            None => {
                self.entries.push((key, value));
                None
            }
        }
    }

    /// The value of a key that is text.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = find(
            &self.index,
            &self.entries,
            |entry| &entry.0,
            &Probe::Str(key),
        )?;
        Some(&self.entries[at].1)
    }

    /// The value of a key.
    #[must_use]
    pub fn get_value(&self, key: &Value) -> Option<&Value> {
        let (_, value) = self.entry(key)?;
        Some(value)
    }

    /// A key as it is in here, and its value.
    pub(super) fn entry(&self, key: &Value) -> Option<(&Value, &Value)> {
        let key = probe(key).ok()?;
        let at = find(&self.index, &self.entries, |entry| &entry.0, &key)?;
        let (key, value) = &self.entries[at];
        Some((key, value))
    }

    /// How many keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Keys and values in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Value, &Value)> + DoubleEndedIterator {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// The same as a slice.
    pub(super) fn entries(&self) -> &[(Value, Value)] {
        &self.entries
    }

    /// All keys and values, to be dropped without recursion.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Value> {
        self.entries.drain(..).flat_map(|(key, value)| [key, value])
    }
}

impl Set {
    /// An empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            values: Vec::new(),
            index: OnceLock::new(),
        }
    }

    /// The values are known to be different.
    pub(super) const fn from_unique(values: Vec<Value>) -> Self {
        Self {
            values,
            index: OnceLock::new(),
        }
    }

    /// Adds a value, and says whether it wasn't there yet.
    pub fn insert(&mut self, value: impl Into<Value>) -> bool {
        let value = value.into();
        let is_new = note(&mut self.index, &self.values, |value| value, &value).is_none();
        if is_new {
            self.values.push(value);
        }
        is_new
    }

    /// Whether it has this value.
    #[must_use]
    pub fn contains(&self, value: &Value) -> bool {
        self.value(value).is_some()
    }

    /// A value as it is in here.
    pub(super) fn value(&self, value: &Value) -> Option<&Value> {
        let value = probe(value).ok()?;
        find(&self.index, &self.values, |value| value, &value).map(|at| &self.values[at])
    }

    /// How many values there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The values in their order.
    pub fn iter(&self) -> std::slice::Iter<'_, Value> {
        self.values.iter()
    }

    pub(super) fn get_index(&self, at: usize) -> Option<&Value> {
        self.values.get(at)
    }

    /// All values, to be dropped without recursion.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Value> {
        self.values.drain(..)
    }
}

/// Where the key is.
fn find<E>(
    index: &OnceLock<Box<Table>>,
    entries: &[E],
    key_of: impl Fn(&E) -> &Value,
    key: &Probe<'_>,
) -> Option<usize> {
    let is_same = |at: usize| probe(key_of(&entries[at])).is_ok_and(|other| other == *key);
    if entries.len() <= FEW {
        return (0..entries.len()).find(|&at| is_same(at));
    }
    index
        .get_or_init(|| Box::new(table(entries, &key_of)))
        .find(key.hash(), is_same)
}

/// Where the key is; if nowhere, it is noted in the index as the next.
fn note<E>(
    index: &mut OnceLock<Box<Table>>,
    entries: &[E],
    key_of: impl Fn(&E) -> &Value,
    key: &Value,
) -> Option<usize> {
    let key = probe(key);
    if let Ok(key) = &key
        && let Some(at) = find(index, entries, &key_of, key)
    {
        return Some(at);
    }
    if let Some(table) = index.get_mut() {
        match key {
            Ok(key) => drop(table.insert(key.hash(), |_| false)),
            Err(_) => table.skip(),
        }
    }
    None
}

fn table<E>(entries: &[E], key_of: impl Fn(&E) -> &Value) -> Table {
    let mut table = Table::with_capacity(entries.len());
    for entry in entries {
        match probe(key_of(entry)) {
            Ok(key) => drop(table.insert(key.hash(), |_| false)),
            Err(_) => table.skip(),
        }
    }
    table
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
        std::mem::take(&mut self.entries).into_iter()
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
    type IntoIter = std::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Set {
    type Item = Value;
    type IntoIter = std::vec::IntoIter<Value>;

    fn into_iter(mut self) -> Self::IntoIter {
        std::mem::take(&mut self.values).into_iter()
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
        release(self.take());
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        release(self.take());
    }
}
