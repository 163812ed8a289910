//! One octet of the trie.
//!
//! A node stands for the first `depth` octets that everything in it has in common, and tells apart what comes next:
//!
//! ```text
//!   node 10.1, depth 2
//!   ┌─────────────────────────────────────────────────────────────────────┐
//!   │ keys      0·80   0·ff   64·c0   65·ff     octet and mask, rising    │   10.1.0.0/17, 10.1.0.0/24,
//!   │ values    a      b      c       d         one for each key          │   10.1.64.0/18, 10.1.65.0/24
//!   │ children  65 ─► node 10.1.65, depth 3     what is longer than /24   │
//!   └─────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Of the keys that match an octet each lies inside those before it, so the last one is the longest match. Looking at
//! all of them takes no branch, and several at a time.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// The bits of an address, the first one highest.
pub(super) trait Key: Copy + Eq {
    const ZERO: Self;

    /// The octet behind the first `depth`, which are not all.
    fn octet(self, depth: u8) -> u8;

    /// Only the first `depth` octets, which are not all, then zeros.
    fn first_octets(self, depth: u8) -> Self;

    /// With this octet behind the first `depth`, where zeros are.
    fn with_octet(self, depth: u8, octet: u8) -> Self;

    /// How many first octets are the same.
    fn shared_octets(self, other: Self) -> u8;
}

impl Key for u32 {
    const ZERO: Self = 0;

    #[inline]
    fn octet(self, depth: u8) -> u8 {
        (self << (8 * depth) >> 24) as u8
    }

    fn first_octets(self, depth: u8) -> Self {
        self & !(Self::MAX >> (8 * depth))
    }

    #[inline]
    fn with_octet(self, depth: u8, octet: u8) -> Self {
        self | Self::from(octet) << (24 - 8 * depth)
    }

    #[inline]
    fn shared_octets(self, other: Self) -> u8 {
        ((self ^ other).leading_zeros() / 8) as u8
    }
}

impl Key for u128 {
    const ZERO: Self = 0;

    #[inline]
    fn octet(self, depth: u8) -> u8 {
        (self << (8 * depth) >> 120) as u8
    }

    fn first_octets(self, depth: u8) -> Self {
        self & !(Self::MAX >> (8 * depth))
    }

    #[inline]
    fn with_octet(self, depth: u8, octet: u8) -> Self {
        self | Self::from(octet) << (120 - 8 * depth)
    }

    #[inline]
    fn shared_octets(self, other: Self) -> u8 {
        ((self ^ other).leading_zeros() / 8) as u8
    }
}

#[derive(Clone)]
pub(super) struct Node<K, V> {
    /// The first `depth` octets, then zeros.
    pub(super) bits: K,
    pub(super) depth: u8,
    /// The octet in the upper half, its mask in the lower.
    pub(super) keys: Vec<u16>,
    pub(super) values: Vec<V>,
    pub(super) children: Children<K, V>,
}

impl<K: Key, V> Node<K, V> {
    pub(super) const fn new(bits: K, depth: u8) -> Self {
        Self {
            bits,
            depth,
            keys: Vec::new(),
            values: Vec::new(),
            children: Children::Few(Vec::new()),
        }
    }

    /// The child that has all its octets in common with an address.
    #[inline]
    pub(super) fn child_of(&self, bits: K) -> Option<&Self> {
        let child = self.children.get(bits.octet(self.depth))?;
        (child.bits.shared_octets(bits) >= child.depth).then_some(child)
    }

    /// The place of the longest match in this node.
    #[inline]
    pub(super) fn longest(&self, bits: K) -> Option<usize> {
        let octet = u16::from(bits.octet(self.depth));
        let mut place_and_one = 0_i16;
        for (&key, place) in self.keys.iter().zip(1_i16..) {
            let matching = if key & octet & 0xff == key >> 8 {
                place
            } else {
                0
            };
            place_and_one = place_and_one.max(matching);
        }
        (place_and_one as usize).checked_sub(1)
    }

    /// The network that a key stands for.
    #[inline]
    pub(super) fn network(&self, key: u16) -> (K, u8) {
        let prefix_len = 8 * self.depth + (key & 0xff).count_ones() as u8;
        (
            self.bits.with_octet(self.depth, (key >> 8) as u8),
            prefix_len,
        )
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.children.len() == 0
    }

    /// Takes the only child, if there is nothing else.
    pub(super) fn take_only_child(&mut self) -> Option<Box<Self>> {
        if !self.keys.is_empty() || self.children.len() != 1 {
            return None;
        }
        let (octet, _) = self.children.first_from(0)?;
        self.children.remove(octet)
    }
}

type Child<K, V> = Box<Node<K, V>>;

/// The nodes below a node: few are searched, many have a place for each octet.
#[derive(Clone)]
pub(super) enum Children<K, V> {
    Few(Vec<(u8, Child<K, V>)>),
    Many {
        count: u16,
        nodes: Box<[Option<Child<K, V>>; 256]>,
    },
}

/// Few are up to so many.
const MAX_FEW: usize = 8;
/// Many become few again when they are so few.
const MIN_MANY: u16 = 4;

impl<K, V> Children<K, V> {
    #[inline]
    pub(super) fn get(&self, octet: u8) -> Option<&Node<K, V>> {
        match self {
            Self::Few(few) => few
                .iter()
                .find(|child| child.0 == octet)
                .map(|child| &*child.1),
            Self::Many { nodes, .. } => nodes[usize::from(octet)].as_deref(),
        }
    }

    pub(super) fn get_mut(&mut self, octet: u8) -> Option<&mut Child<K, V>> {
        match self {
            Self::Few(few) => few
                .iter_mut()
                .find(|child| child.0 == octet)
                .map(|child| &mut child.1),
            Self::Many { nodes, .. } => nodes[usize::from(octet)].as_mut(),
        }
    }

    /// The first child from an octet on; `octet` can be 256.
    pub(super) fn first_from(&self, octet: u16) -> Option<(u8, &Node<K, V>)> {
        match self {
            Self::Few(few) => {
                let child = few.iter().find(|child| u16::from(child.0) >= octet)?;
                Some((child.0, &child.1))
            }
            Self::Many { nodes, .. } => {
                let mut from = (0..=u8::MAX).zip(nodes.iter()).skip(octet.into());
                from.find_map(|(octet, node)| Some((octet, node.as_deref()?)))
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many { count, .. } => usize::from(*count),
        }
    }

    /// Adds a child where there is none.
    pub(super) fn insert(&mut self, octet: u8, node: Child<K, V>) {
        match self {
            Self::Few(few) if few.len() < MAX_FEW => {
                let place = few.partition_point(|child| child.0 < octet);
                few.insert(place, (octet, node));
            }
            Self::Few(few) => {
                let mut nodes = Box::new([const { None }; 256]);
                for (octet, node) in few.drain(..) {
                    nodes[usize::from(octet)] = Some(node);
                }
                nodes[usize::from(octet)] = Some(node);
                let count = MAX_FEW as u16 + 1;
                *self = Self::Many { count, nodes };
            }
            Self::Many { count, nodes } => {
                *count += 1;
                nodes[usize::from(octet)] = Some(node);
            }
        }
    }

    pub(super) fn remove(&mut self, octet: u8) -> Option<Child<K, V>> {
        match self {
            Self::Few(few) => {
                let place = few.iter().position(|child| child.0 == octet)?;
                Some(few.remove(place).1)
            }
            Self::Many { count, nodes } => {
                let node = nodes[usize::from(octet)].take()?;
                *count -= 1;
                if *count == MIN_MANY {
                    let left = (0..=u8::MAX).zip(nodes.iter_mut());
                    let few = left.filter_map(|(octet, node)| Some((octet, node.take()?)));
                    *self = Self::Few(few.collect());
                }
                Some(node)
            }
        }
    }
}
