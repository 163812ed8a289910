use std::sync::Arc;

use super::dict::{Dict, Set};
use super::tree::{Node, NodeId, Raised, Tree};
use super::{BigInt, Exception, Items, Value};

/// Makes the value of a tree, without recursion. What is shared in the tree is shared in the value.
pub(super) fn value(tree: &Tree<'_>) -> Value {
    value_at(tree, tree.root())
}

/// The same for a part of the tree.
pub(super) fn value_at(tree: &Tree<'_>, id: NodeId) -> Value {
    let mut builder = Builder {
        tree,
        slots: Vec::new(),
        made: Vec::new(),
        values: Vec::new(),
    };
    builder.share();
    builder.run(id)
}

struct Builder<'t, 'de> {
    tree: &'t Tree<'de>,
    /// For each value of the tree that is shared, one more than its place in `made`; zero for others.
    slots: Vec<u32>,
    made: Vec<Option<Value>>,
    /// Finished values whose container isn't.
    values: Vec<Value>,
}

/// A container, and which of its parts is next.
struct Open<'t> {
    id: NodeId,
    parts: &'t [NodeId],
    next: usize,
}

impl<'t> Builder<'t, '_> {
    fn share(&mut self) {
        if self.tree.shared.is_empty() {
            return;
        }
        self.slots = vec![0; self.tree.cells.len()];
        for id in &self.tree.shared {
            let slot = &mut self.slots[id.index()];
            if *slot == 0 {
                self.made.push(None);
                *slot = self.made.len() as u32;
            }
        }
    }

    fn run(&mut self, root: NodeId) -> Value {
        if let Some(value) = self.finished(root) {
            return value;
        }
        let mut outer: Vec<Open<'t>> = Vec::new();
        let mut open = Open {
            id: root,
            parts: self.tree.parts(root),
            next: 0,
        };
        loop {
            while let Some(&id) = open.parts.get(open.next) {
                open.next += 1;
                if let Some(value) = self.finished(id) {
                    self.values.push(value);
                } else {
                    let parts = self.tree.parts(id);
                    outer.push(std::mem::replace(&mut open, Open { id, parts, next: 0 }));
                }
            }
            let value = self.container(open.id);
            self.keep(open.id, &value);
            let Some(next) = outer.pop() else {
                return value;
            };
            self.values.push(value);
            open = next;
        }
    }

    /// A value that has no parts, or was made before.
    fn finished(&mut self, id: NodeId) -> Option<Value> {
        let slot = self.slots.get(id.index()).copied().unwrap_or(0);
        if slot != 0
            && let Some(value) = &self.made[slot as usize - 1]
        {
            return Some(value.clone());
        }
        let value = match self.tree.node(id) {
            Node::None => Value::None,
            Node::Bool(value) => Value::Bool(value),
            Node::Int(value) => Value::Int(value),
            Node::BigInt(bytes) => Value::BigInt(Arc::new(BigInt::from_le_bytes(bytes))),
            Node::Float(value) => Value::Float(value),
            Node::Str(text) => Value::Str(text.into()),
            Node::OwnedStr(text) => Value::Str(text.into()),
            Node::Bytes(bytes) => Value::Bytes(bytes.into()),
            Node::OwnedBytes(bytes) => Value::Bytes(bytes.into()),
            Node::ByteArray(bytes) => Value::ByteArray(bytes.into()),
            _ => return None,
        };
        if slot != 0 {
            self.made[slot as usize - 1] = Some(value.clone());
        }
        Some(value)
    }

    fn keep(&mut self, id: NodeId, value: &Value) {
        if let Some(slot @ 1..) = self.slots.get(id.index()) {
            self.made[*slot as usize - 1] = Some(value.clone());
        }
    }

    /// Makes a container of its parts, which are the last finished values.
    fn container(&mut self, id: NodeId) -> Value {
        match self.tree.node(id) {
            Node::List(parts) => Value::List(Arc::new(self.items(parts.len()))),
            Node::Tuple(parts) => Value::Tuple(Arc::new(self.items(parts.len()))),
            Node::Set(parts) => Value::Set(Arc::new(Set::from_unique(self.last(parts.len())))),
            Node::FrozenSet(parts) => {
                Value::FrozenSet(Arc::new(Set::from_unique(self.last(parts.len()))))
            }
            Node::Dict(parts) => Value::Dict(Arc::new(self.dict(parts.len()))),
            Node::Exception(raised) => Value::Exception(Arc::new(self.exception(&raised))),
            // The others have no parts.
            _ => Value::None,
        }
    }

    fn last(&mut self, count: usize) -> Vec<Value> {
        self.values.split_off(self.values.len() - count)
    }

    fn items(&mut self, count: usize) -> Items {
        self.last(count).into()
    }

    fn dict(&mut self, count: usize) -> Dict {
        let mut entries = Vec::with_capacity(count / 2);
        let mut parts = self.values.drain(self.values.len() - count..);
        while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
            entries.push((key, value));
        }
        Dict::from_unique(entries)
    }

    fn exception(&mut self, raised: &Raised<'_>) -> Exception {
        let attributes = match raised.attributes.and_then(|_| self.values.pop()) {
            Some(Value::Dict(dict)) => dict,
            _ => Arc::default(),
        };
        let args = match self.values.pop() {
            Some(Value::Tuple(items)) => items,
            _ => Arc::default(),
        };
        Exception::from_parts(&raised.class.module, &raised.class.name, args, attributes)
    }
}
