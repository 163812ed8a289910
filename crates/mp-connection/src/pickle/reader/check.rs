use super::{Error, Fault};
use crate::pickle::dict::FEW;
use crate::pickle::error::Limit;
use crate::pickle::key::{Key, NoProbe, Place, Probe, Table, is_same, probe};
use crate::pickle::options::Options;
use crate::pickle::tree::{Cell, Links, Node, NodeId, Tree};

/// Sees to it that a tree is one: without cycles, within the limits, with keys that can be keys, each once.
///
/// Values are counted as often as they are mentioned, without being looked at more than once.
pub(super) fn check(tree: &mut Tree<'_>, options: &Options) -> Result<(), Fault> {
    Check::new(tree, options).run()
}

struct Check<'t, 'de> {
    tree: &'t mut Tree<'de>,
    max_depth: usize,
    /// For each value that is shared, one more than its place in `done`; zero for others, which are mentioned once.
    slots: Vec<u32>,
    done: Vec<State>,
    /// How many items of keys were looked at.
    looked: usize,
    options: &'t Options,
    /// What was counted in the containers around the one that is looked at.
    outside: Sum,
    /// Keys of the last dict, which were different: often the next has the same.
    keys: Vec<NodeId>,
}

/// What is known of a shared container.
#[derive(Clone, Copy)]
enum State {
    Unseen,
    Open,
    Done(Sum),
}

/// What a value comes to with all that it contains.
#[derive(Clone, Copy, Default)]
struct Sum {
    height: usize,
    values: usize,
    bytes: usize,
}

/// A container whose parts are looked at.
#[derive(Clone, Copy)]
struct Open {
    id: NodeId,
    next: u32,
    end: u32,
    sum: Sum,
}

impl Sum {
    fn add(&mut self, part: Self) {
        self.height = self.height.max(part.height);
        self.values = self.values.saturating_add(part.values);
        self.bytes = self.bytes.saturating_add(part.bytes);
    }
}

impl<'t, 'de> Check<'t, 'de> {
    fn new(tree: &'t mut Tree<'de>, options: &'t Options) -> Self {
        let slots = tree.shared_slots();
        let done = vec![State::Unseen; tree.shared.len()];
        Self {
            tree,
            max_depth: options.depth(),
            slots,
            done,
            looked: 0,
            options,
            outside: Sum::default(),
            keys: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), Fault> {
        let mut outer: Vec<Open> = Vec::new();
        let root = self.tree.root();
        let mut open = match self.leaf(root)? {
            Some(sum) => return self.count(sum),
            None => self.open(root, 0)?,
        };
        loop {
            while open.next < open.end {
                let id = self.tree.links[open.next as usize];
                open.next += 1;
                let len = match self.tree.cells[id.index()] {
                    Cell::None | Cell::Bool(_) | Cell::Int(_) | Cell::Float(_) => 0,
                    Cell::Str(text) => text.len(),
                    _ => match self.leaf(id)? {
                        Some(sum) => {
                            self.fits(outer.len() + 1 + sum.height)?;
                            open.sum.add(sum);
                            continue;
                        }
                        None => {
                            self.outside.add(open.sum);
                            outer.push(open);
                            open = self.open(id, outer.len())?;
                            continue;
                        }
                    },
                };
                open.sum.values = open.sum.values.saturating_add(1);
                open.sum.bytes = open.sum.bytes.saturating_add(len);
            }
            let sum = self.close(&open)?;
            match outer.pop() {
                Some(next) => open = next,
                None => return Ok(()),
            }
            self.outside.values -= open.sum.values;
            self.outside.bytes -= open.sum.bytes;
            open.sum.add(sum);
        }
    }

    fn fits(&self, depth: usize) -> Result<(), Fault> {
        if depth > self.max_depth {
            return Err(Fault::from(Error::TooLarge {
                what: Limit::Depth,
                limit: self.max_depth,
            }));
        }
        Ok(())
    }

    /// Holds what was mentioned so far against the limits.
    fn count(&self, sum: Sum) -> Result<(), Fault> {
        let mut total = self.outside;
        total.add(sum);
        match self.options {
            options if total.values > options.max_values => self.too_many_values(),
            options if total.bytes > options.max_bytes => Err(Fault::from(Error::TooLarge {
                what: Limit::Bytes,
                limit: options.max_bytes,
            })),
            _ => Ok(()),
        }
    }

    fn too_many_values(&self) -> Result<(), Fault> {
        Err(Fault::from(Error::TooLarge {
            what: Limit::Values,
            limit: self.options.max_values,
        }))
    }

    /// The sum of what has no parts, or was looked at before.
    fn leaf(&self, id: NodeId) -> Result<Option<Sum>, Fault> {
        let bytes = match self.tree.cells[id.index()] {
            Cell::None | Cell::Bool(_) | Cell::Int(_) | Cell::Float(_) => 0,
            Cell::Str(text) => text.len(),
            Cell::BigInt(bytes) | Cell::Bytes(bytes) | Cell::ByteArray(bytes) => bytes.len(),
            Cell::OwnedStr(piece)
            | Cell::OwnedBigInt(piece)
            | Cell::OwnedBytes(piece)
            | Cell::OwnedByteArray(piece) => piece.len,
            Cell::List(_)
            | Cell::Tuple(_)
            | Cell::Dict(_)
            | Cell::Set(_)
            | Cell::FrozenSet(_)
            | Cell::Exception { .. } => return self.seen(id),
            Cell::Callable(callable) => return Err(self.tree.refuse(callable).into()),
        };
        Ok(Some(Sum {
            height: 0,
            values: 1,
            bytes,
        }))
    }

    fn slot(&self, id: NodeId) -> Option<usize> {
        (self.slots.get(id.index()).copied().unwrap_or(0) as usize).checked_sub(1)
    }

    fn seen(&self, id: NodeId) -> Result<Option<Sum>, Fault> {
        match self.slot(id).map(|slot| self.done[slot]) {
            Some(State::Done(sum)) => Ok(Some(sum)),
            Some(State::Open) => Err(Fault::from(Error::Cycle)),
            Some(State::Unseen) | None => Ok(None),
        }
    }

    fn open(&mut self, id: NodeId, levels_above: usize) -> Result<Open, Fault> {
        self.fits(levels_above + 1)?;
        if let Some(slot) = self.slot(id) {
            self.done[slot] = State::Open;
        }
        let (next, end) = match self.tree.cells[id.index()] {
            Cell::List(links)
            | Cell::Tuple(links)
            | Cell::Dict(links)
            | Cell::Set(links)
            | Cell::FrozenSet(links) => (links.start, links.start + links.len),
            Cell::Exception { parts, .. } => {
                let has_attributes = self.tree.links[parts as usize + 1] != NodeId::NONE;
                (parts, parts + 1 + u32::from(has_attributes))
            }
            _ => (0, 0),
        };
        Ok(Open {
            id,
            next,
            end,
            sum: Sum {
                height: 0,
                values: 1,
                bytes: 0,
            },
        })
    }

    fn close(&mut self, open: &Open) -> Result<Sum, Fault> {
        // Before keys are looked at: that takes time by how often values are mentioned, and by their length.
        self.count(open.sum)?;
        match self.tree.cells[open.id.index()] {
            Cell::Dict(links) => {
                let links = self.unique(links, 2)?;
                self.tree.cells[open.id.index()] = Cell::Dict(links);
            }
            Cell::Set(links) => {
                let links = self.unique(links, 1)?;
                self.tree.cells[open.id.index()] = Cell::Set(links);
            }
            Cell::FrozenSet(links) => {
                let links = self.unique(links, 1)?;
                self.tree.cells[open.id.index()] = Cell::FrozenSet(links);
            }
            Cell::Exception { parts, .. } => self.attributes(parts)?,
            _ => {}
        }
        let sum = Sum {
            height: open.sum.height + 1,
            ..open.sum
        };
        if let Some(slot) = self.slot(open.id) {
            self.done[slot] = State::Done(sum);
        }
        Ok(sum)
    }

    fn attributes(&self, parts: u32) -> Result<(), Fault> {
        let id = self.tree.links[parts as usize + 1];
        if id == NodeId::NONE {
            return Ok(());
        }
        let Node::Dict(entries) = self.tree.node(id) else {
            return Ok(());
        };
        let is_text = |id: &NodeId| matches!(self.tree.node(*id), Node::Str(_) | Node::OwnedStr(_));
        match entries.iter().step_by(2).all(is_text) {
            true => Ok(()),
            false => Err(Fault::from(Error::Attribute)),
        }
    }

    /// Leaves each key once: at its first place, in its first spelling, with its last value.
    fn unique(&mut self, links: Links, step: usize) -> Result<Links, Fault> {
        let range = links.range();
        let keys = self.tree.links[range.clone()].iter().copied().step_by(step);
        if step == 2 && self.keys.iter().copied().eq(keys.clone()) {
            return Ok(links);
        }
        let count = range.len() / step;
        if count <= FEW && self.are_few_different(keys.clone())? {
            self.keys.clear();
            self.keys.extend(keys);
            return Ok(links);
        }
        let mut table = Table::with_capacity(count);
        let mut end = range.start;
        for at in range.clone().step_by(step) {
            let key = probe_in(self.tree, self.tree.links[at])?;
            if let Probe::Items { count, .. } = key {
                // They are all mentioned in what is read, where they would be too many.
                self.looked += count;
                if self.looked > self.options.max_values {
                    self.too_many_values()?;
                }
            }
            let is_same = |number: usize| {
                let other = self.tree.links[range.start + number * step];
                is_same(InTree(self.tree, other), &key)
            };
            match table.insert(key.hash(), is_same) {
                Some(number) if step == 2 => {
                    self.tree.links[range.start + 2 * number + 1] = self.tree.links[at + 1];
                }
                Some(_) => {}
                None => {
                    self.tree.links.copy_within(at..at + step, end);
                    end += step;
                }
            }
        }
        Ok(Links {
            len: (end - range.start) as u32,
            ..links
        })
    }

    /// Compares simple keys one by one. The others need what `unique` does with many.
    fn are_few_different(
        &self,
        mut keys: impl Iterator<Item = NodeId> + Clone,
    ) -> Result<bool, Fault> {
        while let Some(id) = keys.next() {
            if self.tree.is_container(id) {
                return Ok(false);
            }
            let key = probe_in(self.tree, id)?;
            if keys
                .clone()
                .any(|other| other == id || is_same(InTree(self.tree, other), &key))
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn probe_in<'a>(tree: &'a Tree<'_>, id: NodeId) -> Result<Probe<'a>, Fault> {
    probe(InTree(tree, id)).map_err(|error| {
        Fault::from(match error {
            NoProbe::Unhashable(kind) => Error::Unhashable { kind },
            // In a tree not a number has a number of its own.
            NoProbe::Nan => Error::Unhashable { kind: "float" },
        })
    })
}

/// A value of a tree.
#[derive(Clone, Copy)]
struct InTree<'a>(&'a Tree<'a>, NodeId);

impl<'a> Place<'a> for InTree<'a> {
    fn key(self) -> Key<'a> {
        let Self(tree, id) = self;
        match tree.node(id) {
            Node::None => Key::None,
            Node::Bool(value) => Key::Int(value.into()),
            Node::Int(value) => Key::Int(value),
            Node::BigInt(bytes) => Key::BigInt(bytes),
            Node::Float(value) => Key::Float(value, Some(id.0)),
            Node::Str(text) | Node::OwnedStr(text) => Key::Str(text),
            Node::Bytes(bytes) | Node::OwnedBytes(bytes) => Key::Bytes(bytes),
            Node::Tuple(_) => Key::Tuple,
            Node::FrozenSet(_) => Key::FrozenSet,
            Node::ByteArray(_) => Key::Unhashable("bytearray"),
            Node::List(_) => Key::Unhashable("list"),
            Node::Dict(_) => Key::Unhashable("dict"),
            Node::Set(_) => Key::Unhashable("set"),
            Node::Exception(_) => Key::Unhashable("Exception"),
        }
    }

    fn item(self, at: usize) -> Option<Self> {
        let Self(tree, id) = self;
        match tree.node(id) {
            Node::Tuple(items) | Node::FrozenSet(items) => items.get(at).map(|&id| Self(tree, id)),
            _ => None,
        }
    }
}
