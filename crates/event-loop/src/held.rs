//! Messages to connections that are still being made: they wait until the handler is told of it.

use std::collections::HashMap;

use crate::Key;

pub(crate) struct Held<M> {
    messages: HashMap<Key, Vec<M>>,
    pub(crate) len: usize,
    limit: usize,
}

impl<M> Held<M> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            messages: HashMap::new(),
            len: 0,
            limit,
        }
    }

    /// Drops the message at the limit, which only threads can reach: handlers are refused before.
    pub(crate) fn hold(&mut self, key: Key, message: M) {
        if self.len >= self.limit {
            return tracing::warn!(
                ?key,
                limit = self.limit,
                "too many messages wait, one dropped"
            );
        }
        self.len += 1;
        self.messages.entry(key).or_default().push(message);
    }

    pub(crate) fn take(&mut self, key: Key) -> Vec<M> {
        if self.messages.is_empty() {
            return Vec::new();
        }
        let messages = self.messages.remove(&key).unwrap_or_default();
        self.len -= messages.len();
        messages
    }
}
