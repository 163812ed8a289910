use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::Value;

/// The items of a list or tuple: a `Vec` that can be dropped however deep it is.
#[derive(Clone, Default, PartialEq)]
pub struct Items(Vec<Value>);

impl Items {
    /// The items as a `Vec`.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<Value> {
        std::mem::take(&mut self.0)
    }
}

impl Deref for Items {
    type Target = Vec<Value>;

    fn deref(&self) -> &Vec<Value> {
        &self.0
    }
}

impl DerefMut for Items {
    fn deref_mut(&mut self) -> &mut Vec<Value> {
        &mut self.0
    }
}

impl From<Vec<Value>> for Items {
    fn from(items: Vec<Value>) -> Self {
        Self(items)
    }
}

impl<T: Into<Value>> FromIterator<T> for Items {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().map(Into::into).collect())
    }
}

impl<'a> IntoIterator for &'a Items {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl IntoIterator for Items {
    type Item = Value;
    type IntoIter = std::vec::IntoIter<Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_vec().into_iter()
    }
}

impl std::fmt::Debug for Items {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        super::show::show_list(&self.0, f)
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        if self.0.iter().any(Value::is_nested) {
            release(self.0.drain(..));
        }
    }
}

thread_local! {
    /// How many containers are being dropped around the one that is.
    static LEVELS: Cell<usize> = const { Cell::new(0) };
}

/// How many levels are dropped by recursion, which is fastest.
const MAX_LEVELS: usize = 32;

/// Drops values, however deep they are.
pub(super) fn release(values: impl Iterator<Item = Value>) {
    let levels = LEVELS.get();
    if levels < MAX_LEVELS {
        LEVELS.set(levels + 1);
        values.for_each(drop);
        LEVELS.set(levels);
    } else {
        release_flat(values);
    }
}

/// Drops values without recursion: what they contain, if nobody else has it, is put beside them first.
fn release_flat(values: impl Iterator<Item = Value>) {
    let mut pending: Vec<Value> = values.filter(Value::is_nested).collect();
    while let Some(value) = pending.pop() {
        match value {
            Value::List(items) | Value::Tuple(items) => {
                if let Some(mut items) = Arc::into_inner(items) {
                    pending.extend(items.0.drain(..).filter(Value::is_nested));
                }
            }
            Value::Dict(dict) => {
                if let Some(mut dict) = Arc::into_inner(dict) {
                    pending.extend(dict.take().filter(Value::is_nested));
                }
            }
            Value::Set(set) | Value::FrozenSet(set) => {
                if let Some(mut set) = Arc::into_inner(set) {
                    pending.extend(set.take().filter(Value::is_nested));
                }
            }
            Value::Exception(exception) => {
                if let Some(exception) = Arc::into_inner(exception) {
                    pending.extend(exception.into_values());
                }
            }
            _ => {}
        }
    }
}
