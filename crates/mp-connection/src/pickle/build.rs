use std::sync::Arc;

use super::dict::{Dict, Keys, Set};
use super::tree::{Node, NodeId, Raised, Tree};
use super::{BigInt, Exception, Value};

/// Makes the value of a tree, without recursion. What is shared in the tree is shared in the value.
pub(crate) fn value(tree: &Tree<'_>) -> Value {
    value_at(tree, tree.root())
}

/// The same for a part of the tree.
pub(super) fn value_at(tree: &Tree<'_>, id: NodeId) -> Value {
    let mut builder = Builder {
        tree,
        slots: tree.shared_slots(),
        made: vec![None; tree.shared.len()],
        finished: Vec::new(),
        keys: Arc::default(),
        key_ids: Vec::new(),
    };
    builder.run(&[id])
}

struct Builder<'t, 'de> {
    tree: &'t Tree<'de>,
    /// For each value of the tree that is shared, one more than its place in `made`.
    slots: Vec<u32>,
    made: Vec<Option<Value>>,
    /// Finished values whose container isn't.
    finished: Vec<Value>,
    /// The keys of the last dict: often the next has the same.
    keys: Arc<Keys>,
    key_ids: Vec<NodeId>,
}

/// A container, and which of its parts is next.
struct Open<'t> {
    id: NodeId,
    parts: &'t [NodeId],
    next: usize,
}

impl<'t> Builder<'t, '_> {
    fn run(&mut self, root: &'t [NodeId]) -> Value {
        let mut outer: Vec<Open<'t>> = Vec::new();
        let mut open = Open {
            id: root[0],
            parts: root,
            next: 0,
        };
        loop {
            while let Some(&id) = open.parts.get(open.next) {
                open.next += 1;
                let parts = self.tree.parts(id);
                if self.is_leaf(id) {
                    let value = self.leaf(id);
                    self.finished.push(value);
                } else if parts.iter().all(|&part| self.is_leaf(part)) {
                    let value =
                        self.container(id, parts.len(), |builder, at| builder.leaf(parts[at]));
                    self.finished.push(value);
                } else {
                    outer.push(std::mem::replace(&mut open, Open { id, parts, next: 0 }));
                }
            }
            let Some(next) = outer.pop() else {
                return self.finished.pop().unwrap_or_default();
            };
            let start = self.finished.len() - open.parts.len();
            let take =
                |builder: &mut Self, at: usize| std::mem::take(&mut builder.finished[start + at]);
            let value = self.container(open.id, open.parts.len(), take);
            self.finished.truncate(start);
            self.finished.push(value);
            open = next;
        }
    }

    fn slot(&self, id: NodeId) -> Option<usize> {
        (self.slots.get(id.index()).copied().unwrap_or(0) as usize).checked_sub(1)
    }

    /// Whether it has no parts, or was made before.
    fn is_leaf(&self, id: NodeId) -> bool {
        !self.tree.is_container(id) || self.slot(id).is_some_and(|slot| self.made[slot].is_some())
    }

    fn leaf(&mut self, id: NodeId) -> Value {
        let slot = self.slot(id);
        if let Some(slot) = slot
            && let Some(value) = &self.made[slot]
        {
            return value.clone();
        }
        let value = match self.tree.node(id) {
            Node::Bool(value) => Value::Bool(value),
            Node::Int(value) => Value::Int(value),
            Node::BigInt(bytes) => Value::BigInt(Arc::new(BigInt::from_le_bytes(bytes))),
            Node::Float(value) => Value::Float(value),
            Node::Str(text) | Node::OwnedStr(text) => Value::Str(text.into()),
            Node::Bytes(bytes) | Node::OwnedBytes(bytes) => Value::Bytes(bytes.into()),
            Node::ByteArray(bytes) => Value::ByteArray(bytes.into()),
            // The others are containers.
            _ => Value::None,
        };
        if let Some(slot) = slot {
            self.made[slot] = Some(value.clone());
        }
        value
    }

    /// Makes a container of its parts.
    fn container(
        &mut self,
        id: NodeId,
        count: usize,
        mut part: impl FnMut(&mut Self, usize) -> Value,
    ) -> Value {
        let value = match self.tree.node(id) {
            Node::Dict(ids) => Value::Dict(Arc::new(self.dict(ids, part))),
            Node::Exception(raised) => {
                let parts = (part(self, 0), raised.attributes.map(|_| part(self, 1)));
                Value::Exception(Arc::new(exception(&raised, parts)))
            }
            node => {
                let items: Vec<Value> = (0..count).map(|at| part(self, at)).collect();
                match node {
                    Node::List(_) => Value::List(Arc::new(items.into())),
                    Node::Tuple(_) => Value::Tuple(Arc::new(items.into())),
                    Node::Set(_) => Value::Set(Arc::new(Set::from_keys(Keys::from_unique(items)))),
                    Node::FrozenSet(_) => {
                        Value::FrozenSet(Arc::new(Set::from_keys(Keys::from_unique(items))))
                    }
                    // The others have no parts.
                    _ => Value::None,
                }
            }
        };
        if let Some(slot) = self.slot(id) {
            self.made[slot] = Some(value.clone());
        }
        value
    }

    fn dict(&mut self, ids: &[NodeId], mut part: impl FnMut(&mut Self, usize) -> Value) -> Dict {
        let key_ids = ids.iter().copied().step_by(2);
        let count = ids.len() / 2;
        if !self.key_ids.iter().copied().eq(key_ids.clone()) {
            let keys = (0..count).map(|at| part(self, 2 * at)).collect();
            self.keys = Arc::new(Keys::from_unique(keys));
            self.key_ids.clear();
            self.key_ids.extend(key_ids);
        }
        let values = (0..count).map(|at| part(self, 2 * at + 1)).collect();
        Dict::from_parts(Arc::clone(&self.keys), values)
    }
}

fn exception(raised: &Raised<'_>, parts: (Value, Option<Value>)) -> Exception {
    let args = match parts.0 {
        Value::Tuple(items) => items,
        _ => Arc::default(),
    };
    let attributes = match parts.1 {
        Some(Value::Dict(dict)) => dict,
        _ => Arc::default(),
    };
    Exception::from_parts(&raised.class.module, &raised.class.name, args, attributes)
}
