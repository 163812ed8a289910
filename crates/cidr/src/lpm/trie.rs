//! The networks of one family, as a trie of octets.
//!
//! ```text
//!   10.0.0.0/8, 10.1.0.0/16, 10.1.2.0/24, 10.1.2.128/25, 10.9.9.9/32
//!
//!   depth 0                 depth 1                 depth 2               depth 3
//!   ┌─────────┬──────┐      ┌─────────┬───────┐     ┌─────────┬─────┐     ┌───────────┬───┐
//!   │ keys 10 │ 10 ──┼─────►│ keys  1 │  1 ───┼────►│ keys  2 │ 2 ──┼────►│ keys 128  │   │   10.1.2.128/25
//!   └─────────┴──────┘      └─────────┤  9 ─┐ │     └─────────┴─────┘     └───────────┴───┘
//!      10.0.0.0/8         10.1.0.0/16 └─────┼─┘      10.1.2.0/24          ┌───────────┬───┐
//!                                           └────────────────────────────►│ keys   9  │   │   10.9.9.9/32
//!                                                                         └───────────┴───┘
//! ```
//!
//! A network is a key of the node that has all its octets but the last that its prefix reaches into; the network of all
//! addresses is apart. Where there would be a node with nothing but one child there is none: a node knows its
//! octets and its depth. Every node but the root has a key or two children, so there are fewer than two nodes a
//! network, and none deeper than 4 or 16.

use super::node::{Key, Node};
use super::walk::{Covered, Matches};

#[derive(Clone)]
pub(super) struct Trie<K, V> {
    /// The value of the network of all addresses.
    all: Option<V>,
    root: Node<K, V>,
    len: usize,
}

impl<K: Key, V> Trie<K, V> {
    pub(super) const fn new() -> Self {
        Self {
            all: None,
            root: Node::root(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, bits: K, prefix_len: u8, value: V) -> Option<V> {
        let Some(place) = Place::of(bits, prefix_len) else {
            let old = self.all.replace(value);
            self.len += usize::from(old.is_none());
            return old;
        };
        let node = self.root.make(bits, place.depth);
        match node.keys.binary_search(&place.key) {
            Ok(at) => Some(core::mem::replace(&mut node.values[at], value)),
            Err(at) => {
                node.keys.insert(at, place.key);
                node.values.insert(at, value);
                self.len += 1;
                None
            }
        }
    }

    pub(super) fn remove(&mut self, bits: K, prefix_len: u8) -> Option<V> {
        let old = match Place::of(bits, prefix_len) {
            None => self.all.take(),
            Some(place) => self.root.remove(bits, &place),
        };
        self.len -= usize::from(old.is_some());
        old
    }

    pub(super) fn get(&self, bits: K, prefix_len: u8) -> Option<&V> {
        let Some(place) = Place::of(bits, prefix_len) else {
            return self.all.as_ref();
        };
        let mut node = &self.root;
        while node.depth < place.depth {
            node = node.child_of(bits)?;
        }
        let at = node.keys.binary_search(&place.key).ok()?;
        (node.depth == place.depth).then(|| &node.values[at])
    }

    pub(super) fn get_mut(&mut self, bits: K, prefix_len: u8) -> Option<&mut V> {
        let Some(place) = Place::of(bits, prefix_len) else {
            return self.all.as_mut();
        };
        let mut node = &mut self.root;
        while node.depth < place.depth {
            let child = node.child_mut(bits.octet(node.depth));
            node = child.filter(|child| child.is_for(bits))?;
        }
        let at = node.keys.binary_search(&place.key).ok()?;
        (node.depth == place.depth).then(|| &mut node.values[at])
    }

    /// The length of the longest match and its value.
    #[inline]
    pub(super) fn longest_match(&self, bits: K) -> Option<(u8, &V)> {
        let mut found = self.all.as_ref().map(|value| (0, value));
        let mut node = Some(&self.root);
        while let Some(here) = node {
            if let Some(at) = here.longest(bits) {
                found = Some((here.network(here.keys[at]).1, &here.values[at]));
            }
            node = here.child_of(bits);
        }
        found
    }

    /// All networks around an address, the shortest first.
    pub(super) fn matches(&self, bits: K) -> impl Iterator<Item = (K, u8, &V)> {
        let all = self.all.iter().map(|value| (K::ZERO, 0, value));
        all.chain(Matches::new(&self.root, bits))
    }

    /// All networks inside one, in order.
    pub(super) fn covered_by(&self, bits: K, prefix_len: u8) -> impl Iterator<Item = (K, u8, &V)> {
        let all = self.all.iter().filter(move |_| prefix_len == 0);
        let all = all.map(|value| (K::ZERO, 0, value));
        all.chain(Covered::new(&self.root, bits, Place::of(bits, prefix_len)))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, u8, &V)> {
        self.covered_by(K::ZERO, 0)
    }
}

/// Where in the trie a network is.
pub(super) struct Place {
    /// The depth of its node.
    pub(super) depth: u8,
    pub(super) key: u16,
}

impl Place {
    /// `None` for the network of all addresses.
    #[inline]
    pub(super) fn of<K: Key>(bits: K, prefix_len: u8) -> Option<Self> {
        let depth = prefix_len.checked_sub(1)? / 8;
        let mask = 0xff00_u16 >> (prefix_len - 8 * depth) & 0xff;
        let octet = u16::from(bits.octet(depth));
        let key = octet << 8 | mask;
        Some(Self { depth, key })
    }
}

impl<K: Key, V> Node<K, V> {
    /// The node below this one with these first octets, made if need be. Address and depth are those of a network that
    /// is below this node, or in it.
    fn make(&mut self, bits: K, depth: u8) -> &mut Self {
        if self.depth == depth {
            return self;
        }
        let octet = bits.octet(self.depth);
        match self.child_mut(octet) {
            None => self.add_child(Self::new(bits, depth, self.depth)),
            Some(child) => {
                let shared = child.bits.shared_octets(bits).min(depth);
                if shared < child.depth {
                    child.split(shared);
                }
            }
        }
        let child = self.child_mut(octet);
        child.expect("made before").make(bits, depth)
    }

    /// Takes a network out of this node or those below, and the nodes that nothing is left for.
    fn remove(&mut self, bits: K, place: &Place) -> Option<V> {
        if self.depth == place.depth {
            let at = self.keys.binary_search(&place.key).ok()?;
            self.keys.remove(at);
            return Some(self.values.remove(at));
        }
        let octet = bits.octet(self.depth);
        let child = self.child_mut(octet);
        let child = child.filter(|child| child.depth <= place.depth && child.is_for(bits))?;
        let value = child.remove(bits, place)?;
        if child.is_empty() {
            self.remove_child(octet);
        } else {
            child.join();
        }
        Some(value)
    }
}
