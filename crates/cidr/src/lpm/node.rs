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
use core::mem;
use core::ops::Deref;

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
    /// The octet by which the node above knows it.
    octet: u8,
    pub(super) keys: Keys,
    /// One for each key.
    pub(super) values: Vec<V>,
    children: Option<Box<Children<K, V>>>,
}

impl<K: Key, V> Node<K, V> {
    pub(super) const fn root() -> Self {
        Self {
            bits: K::ZERO,
            depth: 0,
            octet: 0,
            keys: Keys::new(),
            values: Vec::new(),
            children: None,
        }
    }

    /// An empty node for the first octets of an address, below one of depth `above`.
    pub(super) fn new(bits: K, depth: u8, above: u8) -> Self {
        Self {
            bits: bits.first_octets(depth),
            depth,
            octet: bits.octet(above),
            ..Self::root()
        }
    }

    /// Whether this node is for the first octets of an address.
    #[inline]
    pub(super) fn is_for(&self, bits: K) -> bool {
        self.bits.shared_octets(bits) >= self.depth
    }

    /// The child that has all its octets in common with an address.
    #[inline]
    pub(super) fn child_of(&self, bits: K) -> Option<&Self> {
        let child = self.children.as_ref()?.candidate(bits.octet(self.depth))?;
        child.is_for(bits).then_some(child)
    }

    pub(super) fn child(&self, octet: u8) -> Option<&Self> {
        let child = self.children.as_ref()?.candidate(octet);
        child.filter(|child| child.octet == octet)
    }

    pub(super) fn child_mut(&mut self, octet: u8) -> Option<&mut Self> {
        let child = self.children.as_mut()?.candidate_mut(octet);
        child.filter(|child| child.octet == octet)
    }

    /// The first child from an octet on; `octet` can be 256.
    pub(super) fn first_child_from(&self, octet: u16) -> Option<(u8, &Self)> {
        let child = self.children.as_ref()?.first_from(octet)?;
        Some((child.octet, child))
    }

    /// Adds a child where there is none for its octet.
    pub(super) fn add_child(&mut self, node: Self) {
        self.children.get_or_insert_default().insert(node);
    }

    pub(super) fn remove_child(&mut self, octet: u8) -> Option<Self> {
        let children = self.children.as_mut()?;
        let child = children.remove(octet)?;
        if children.nodes.is_empty() {
            self.children = None;
        }
        Some(child)
    }

    /// Puts a node with fewer octets in place of this one, which becomes its child.
    pub(super) fn split(&mut self, depth: u8) {
        let mut above = Self::new(self.bits, depth, 0);
        above.octet = self.octet;
        let mut child = mem::replace(self, above);
        child.octet = child.bits.octet(depth);
        self.add_child(child);
    }

    /// Puts the only child in place of this node, if it has no keys.
    pub(super) fn join(&mut self) {
        let only = match &self.children {
            Some(children) if children.nodes.len() == 1 && self.values.is_empty() => {
                children.nodes[0].octet
            }
            _ => return,
        };
        if let Some(child) = self.remove_child(only) {
            let octet = self.octet;
            *self = Self { octet, ..child };
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.children.is_none()
    }

    /// The place of the longest match in this node.
    #[inline]
    pub(super) fn longest(&self, bits: K) -> Option<usize> {
        let octet = bits.octet(self.depth).into();
        let place_and_one = match &self.keys {
            Keys::Few { len: 0, .. } => 0,
            // All places, also the unused: so many at a time that there is no rest.
            Keys::Few { keys, .. } => last_match(keys, octet),
            Keys::Many(keys) => last_match(keys, octet),
        };
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
}

/// The place, from 1, of the last key that matches an octet, or 0.
#[inline]
fn last_match(keys: &[u16], octet: u16) -> i16 {
    let (mut last, mut place) = (0_i16, 0_i16);
    for &key in keys {
        place = place.wrapping_add(1);
        let found = if key & octet & 0xff == key >> 8 {
            place
        } else {
            0
        };
        last = last.max(found);
    }
    last
}

/// The keys of a node: an octet in the upper half, its mask in the lower. Few are in the node itself.
#[derive(Clone)]
pub(super) enum Keys {
    Few { len: u8, keys: [u16; FEW_KEYS] },
    Many(Vec<u16>),
}

/// How many keys are in the node itself: as many as make a node with them a little longer than a line of the cache.
const FEW_KEYS: usize = 24;

/// No octet matches: no mask makes it 255 and is 0.
const UNUSED: u16 = 0xff00;

impl Keys {
    const fn new() -> Self {
        let keys = [UNUSED; FEW_KEYS];
        Self::Few { len: 0, keys }
    }

    pub(super) fn insert(&mut self, at: usize, key: u16) {
        match self {
            Self::Few { len, keys } if usize::from(*len) < FEW_KEYS => {
                keys[at..].rotate_right(1);
                keys[at] = key;
                *len += 1;
            }
            Self::Few { keys, .. } => {
                let mut many = keys.to_vec();
                many.insert(at, key);
                *self = Self::Many(many);
            }
            Self::Many(many) => many.insert(at, key),
        }
    }

    pub(super) fn remove(&mut self, at: usize) {
        match self {
            Self::Few { len, keys } => {
                keys[at] = UNUSED;
                keys[at..].rotate_left(1);
                *len -= 1;
            }
            Self::Many(many) => {
                many.remove(at);
                // Not as soon as there is room: the next key may come back.
                if many.len() <= FEW_KEYS / 2 {
                    let mut keys = [UNUSED; FEW_KEYS];
                    keys[..many.len()].copy_from_slice(many);
                    let len = many.len() as u8;
                    *self = Self::Few { len, keys };
                }
            }
        }
    }
}

impl Deref for Keys {
    type Target = [u16];

    fn deref(&self) -> &[u16] {
        match self {
            Self::Few { len, keys } => &keys[..usize::from(*len)],
            Self::Many(keys) => keys,
        }
    }
}

/// The nodes below a node, without order, and the place of each by its octet. Octets without a node have the place of
/// some other one.
#[derive(Clone)]
struct Children<K, V> {
    nodes: Vec<Node<K, V>>,
    places: Places,
}

#[derive(Clone)]
enum Places {
    /// The octet of each node.
    Few([u8; FEW_CHILDREN]),
    /// The place for each octet.
    Many(Box<[u8; 256]>),
}

const FEW_CHILDREN: usize = 8;

impl<K, V> Children<K, V> {
    /// The node for an octet, or maybe another one if there is none for it.
    #[inline]
    fn candidate(&self, octet: u8) -> Option<&Node<K, V>> {
        self.nodes.get(self.place(octet))
    }

    fn candidate_mut(&mut self, octet: u8) -> Option<&mut Node<K, V>> {
        let place = self.place(octet);
        self.nodes.get_mut(place)
    }

    #[inline]
    fn place(&self, octet: u8) -> usize {
        match &self.places {
            Places::Few(octets) => octets.iter().position(|&other| other == octet).unwrap_or(0),
            Places::Many(places) => places[usize::from(octet)].into(),
        }
    }

    fn first_from(&self, octet: u16) -> Option<&Node<K, V>> {
        match &self.places {
            Places::Few(_) => {
                let from = self
                    .nodes
                    .iter()
                    .filter(|node| u16::from(node.octet) >= octet);
                from.min_by_key(|node| node.octet)
            }
            Places::Many(places) => {
                let mut from = (0..=u8::MAX).zip(&**places).skip(octet.into());
                from.find_map(|(octet, &place)| {
                    let node = self.nodes.get(usize::from(place));
                    node.filter(|node| node.octet == octet)
                })
            }
        }
    }

    fn insert(&mut self, node: Node<K, V>) {
        let place = self.nodes.len();
        let octet = node.octet;
        self.nodes.push(node);
        match &mut self.places {
            Places::Few(octets) if place < FEW_CHILDREN => octets[place] = octet,
            Places::Few(_) => self.places = Places::many(&self.nodes),
            Places::Many(places) => places[usize::from(octet)] = place as u8,
        }
    }

    fn remove(&mut self, octet: u8) -> Option<Node<K, V>> {
        let place = self.place(octet);
        self.nodes.get(place).filter(|node| node.octet == octet)?;
        let removed = self.nodes.swap_remove(place);
        let moved = self.nodes.get(place).map(|node| node.octet);
        match (&mut self.places, moved) {
            (Places::Few(octets), Some(moved)) => octets[place] = moved,
            (Places::Many(places), Some(moved)) => places[usize::from(moved)] = place as u8,
            (_, None) => {}
        }
        // Not as soon as there is room: the next node may come back.
        if self.nodes.len() == FEW_CHILDREN / 2 {
            let mut octets = [0; FEW_CHILDREN];
            for (octet, node) in octets.iter_mut().zip(&self.nodes) {
                *octet = node.octet;
            }
            self.places = Places::Few(octets);
        }
        Some(removed)
    }
}

impl<K, V> Default for Children<K, V> {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            places: Places::Few([0; FEW_CHILDREN]),
        }
    }
}

impl Places {
    fn many<K, V>(nodes: &[Node<K, V>]) -> Self {
        let mut places = Box::new([0; 256]);
        for (node, place) in nodes.iter().zip(0..=u8::MAX) {
            places[usize::from(node.octet)] = place;
        }
        Self::Many(places)
    }
}
