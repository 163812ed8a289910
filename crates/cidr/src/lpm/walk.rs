//! Walks through a trie.

use alloc::vec::Vec;
use core::ops::Range;

use super::node::{Key, Node};
use super::trie::Place;

/// The networks around an address, from the root down.
pub(super) struct Matches<'a, K, V> {
    node: Option<&'a Node<K, V>>,
    at: usize,
    bits: K,
}

impl<'a, K: Key, V> Matches<'a, K, V> {
    pub(super) fn new(root: &'a Node<K, V>, bits: K) -> Self {
        let (node, at) = (Some(root), 0);
        Self { node, at, bits }
    }
}

impl<'a, K: Key, V> Iterator for Matches<'a, K, V> {
    type Item = (K, u8, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let node = self.node?;
            let octet = u16::from(self.bits.octet(node.depth));
            for (&key, value) in node.keys.iter().zip(&node.values).skip(self.at) {
                self.at += 1;
                if key & octet & 0xff == key >> 8 {
                    let (bits, prefix_len) = node.network(key);
                    return Some((bits, prefix_len, value));
                }
            }
            self.node = node.child_of(self.bits);
            self.at = 0;
        }
    }
}

/// The networks inside one, in order: of a node the keys and the children are both in order, and a key comes before
/// the child with its octet.
pub(super) struct Covered<'a, K, V> {
    /// The nodes from the first down to where we are.
    path: Vec<Step<'a, K, V>>,
}

struct Step<'a, K, V> {
    node: &'a Node<K, V>,
    /// Keys that are still to come.
    keys: Range<usize>,
    /// Octets of children that are still to come, and the first child of them.
    octets: Range<u16>,
    child: Option<(u8, &'a Node<K, V>)>,
}

impl<'a, K: Key, V> Step<'a, K, V> {
    fn new(node: &'a Node<K, V>, keys: Range<usize>, octets: Range<u16>) -> Self {
        let mut step = Self {
            node,
            keys,
            octets,
            child: None,
        };
        step.find_child();
        step
    }

    fn whole(node: &'a Node<K, V>) -> Self {
        Self::new(node, 0..node.keys.len(), 0..256)
    }

    fn find_child(&mut self) {
        let child = self.node.first_child_from(self.octets.start);
        self.child = child.filter(|child| u16::from(child.0) < self.octets.end);
    }
}

impl<'a, K: Key, V> Covered<'a, K, V> {
    /// The network is at `place`, or is that of all addresses.
    pub(super) fn new(root: &'a Node<K, V>, bits: K, place: Option<Place>) -> Self {
        let mut path = Vec::new();
        path.extend(match place {
            None => Some(Step::whole(root)),
            Some(place) => Self::first_step(root, bits, &place),
        });
        Self { path }
    }

    fn first_step(root: &'a Node<K, V>, bits: K, place: &Place) -> Option<Step<'a, K, V>> {
        let mut node = root;
        let (octet, mask) = (place.key >> 8, place.key & 0xff);
        while node.depth < place.depth {
            let child = node.child(bits.octet(node.depth))?;
            let shared = child.bits.shared_octets(bits);
            if shared < child.depth.min(place.depth) {
                return None;
            }
            if child.depth > place.depth {
                // All of it is inside, or nothing.
                let inside = u16::from(child.bits.octet(place.depth)) & mask == octet;
                return inside.then(|| Step::whole(child));
            }
            node = child;
        }
        let end = octet + (0x100 - mask);
        let from = node.keys.partition_point(|&key| key < place.key);
        let to = node.keys.partition_point(|&key| key >> 8 < end);
        Some(Step::new(node, from..to, octet..end))
    }
}

impl<'a, K: Key, V> Iterator for Covered<'a, K, V> {
    type Item = (K, u8, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let step = self.path.last_mut()?;
            let node = step.node;
            let key = node.keys.get(step.keys.clone()).and_then(<[u16]>::first);
            match (key, step.child) {
                (Some(&key), child) if child.is_none_or(|child| key >> 8 <= child.0.into()) => {
                    let at = step.keys.start;
                    step.keys.start += 1;
                    let (bits, prefix_len) = node.network(key);
                    return Some((bits, prefix_len, &node.values[at]));
                }
                (_, Some((octet, child))) => {
                    step.octets.start = u16::from(octet) + 1;
                    step.find_child();
                    self.path.push(Step::whole(child));
                }
                (_, None) => {
                    self.path.pop();
                }
            }
        }
    }
}
