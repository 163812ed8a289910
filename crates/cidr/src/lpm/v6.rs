//! Finding the range that an IPv6 address is in.
//!
//! A unit is a /64. The units where ranges begin are sorted and cut into nodes of 16; the first units of the nodes
//! are a list of the same kind, and so on up to a list that is one node:
//!
//! ```text
//!   list 2                        │ unit 0, unit 256, …            │  one node
//!                                   ┌────┘
//!   list 1      │ unit 0, unit 16, … │ unit 256, unit 272, …  │ …     the first of each node below
//!                                             ┌────┘
//!   list 0      │ unit 0, unit 1, … │ … │ unit 272, unit 273, …  │ …  all units, padded with u64::MAX
//!                                                     │  the same place
//!                                                     ▼
//!   answers     │ 32 bits: 0, or number of the network and 1, or FINE and where │
//! ```
//!
//! In a node the units up to that of the address are counted, without a branch. A list costs one node of 128 bytes, and
//! each is a sixteenth of the one below: 400,000 ranges have five lists.

use alloc::vec::Vec;
use core::ops::Range;

use super::ranges::{FINE, NO_MATCH, Ranges};
use super::words::{self, FineBlocks};

/// How many bits of an address the units leave out.
pub(super) const LOW_BITS: u32 = 64;

const NODE: usize = 16;
pub(super) const NODE_BYTES: usize = 8 * NODE;

/// The lengths of the lists in nodes, from list 0, and how many lists there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lists {
    nodes: [u32; 8],
    count: usize,
}

impl Lists {
    /// For this many units.
    pub(super) fn new(units: u32) -> Self {
        let mut lists = Self {
            nodes: [0; 8],
            count: 0,
        };
        let mut nodes = units.div_ceil(NODE as u32);
        for list in &mut lists.nodes {
            if nodes == 0 {
                break;
            }
            *list = nodes;
            lists.count += 1;
            nodes = match nodes {
                1 => 0,
                _ => nodes.div_ceil(NODE as u32),
            };
        }
        lists
    }

    /// How many nodes all lists have.
    pub(super) fn nodes(&self) -> u64 {
        self.nodes.iter().map(|&nodes| u64::from(nodes)).sum()
    }
}

/// The lists as bytes, list 0 first.
pub(super) fn nodes(ranges: &Ranges) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut list = ranges.units.clone();
    while !list.is_empty() {
        list.resize(list.len().next_multiple_of(NODE), u64::MAX);
        bytes.extend(list.iter().flat_map(|unit| unit.to_le_bytes()));
        list = match list.len() {
            NODE => Vec::new(),
            _ => list.iter().step_by(NODE).copied().collect(),
        };
    }
    bytes
}

/// Where things are in the bytes.
#[derive(Clone, Debug)]
pub(super) struct Sections {
    pub(super) lists: Lists,
    pub(super) nodes: Range<usize>,
    pub(super) answers: Range<usize>,
    pub(super) fine: Range<usize>,
}

/// What is searched. Damaged bytes give wrong answers, and no panic.
#[derive(Clone, Copy, Debug)]
pub(super) struct V6<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) sections: &'a Sections,
}

impl V6<'_> {
    /// The number and one of the network with the longest match.
    #[inline]
    pub(super) fn find(self, address: u128) -> u32 {
        let unit = (address >> LOW_BITS) as u64;
        let Lists { nodes, count } = &self.sections.lists;
        let mut end = self.sections.nodes.end;
        let mut place = 0;
        for &nodes in nodes[..*count].iter().rev() {
            let nodes = nodes as usize;
            let list = end.wrapping_sub(nodes.wrapping_mul(NODE_BYTES));
            // Units of padding are not less than that of any address: who went past the end is held there.
            let node = usize::min(place, nodes.wrapping_sub(1));
            let at = list.wrapping_add(node.wrapping_mul(NODE_BYTES));
            let Some(found) = self.bytes.get(at..).and_then(<[u8]>::first_chunk) else {
                return NO_MATCH;
            };
            place = (node * NODE)
                .wrapping_add(count_up_to(found, unit))
                .saturating_sub(1);
            end = list;
        }
        let answers = words::section(self.bytes, &self.sections.answers);
        let answer = words::get(answers, place.min(answers.len().wrapping_sub(1)));
        let answer = answer.unwrap_or(NO_MATCH);
        if answer < FINE {
            return answer;
        }
        let fine = words::section(self.bytes, &self.sections.fine);
        words::find_fine::<2>(fine, answer & !FINE, address as u64)
    }

    /// Whether the units rise from 0, with padding behind them, each list is made of the one below, and answers are fine
    /// blocks or numbers of networks.
    pub(super) fn check(self, mut fine: FineBlocks<'_, 2>) -> bool {
        let answers = words::section(self.bytes, &self.sections.answers);
        let nodes = self.bytes.get(self.sections.nodes.clone());
        let (mut nodes, _) = nodes.unwrap_or_default().as_chunks();
        let mut below: Vec<u64> = Vec::new();
        let lists = &self.sections.lists;
        for &len in &lists.nodes[..lists.count] {
            let Some((list, rest)) = nodes.split_at_checked(len as usize) else {
                return false;
            };
            nodes = rest;
            let units: Vec<u64> = list.iter().flat_map(units).collect();
            let is_right = if below.is_empty() {
                let (real, padding) = units.split_at(answers.len().min(units.len()));
                real.first() == Some(&0)
                    && real.is_sorted_by(|a, b| a < b)
                    && padding.iter().all(|&unit| unit == u64::MAX)
            } else {
                let firsts = below.iter().step_by(NODE).copied();
                let padding = core::iter::repeat(u64::MAX);
                units
                    .iter()
                    .copied()
                    .eq(firsts.chain(padding).take(units.len()))
            };
            if !is_right {
                return false;
            }
            below = units;
        }
        nodes.is_empty()
            && answers
                .iter()
                .all(|word| fine.accept(u32::from_le_bytes(*word)))
            && fine.is_at_end()
    }
}

/// How many units of a node are not greater.
#[inline]
fn count_up_to(node: &[u8; NODE_BYTES], unit: u64) -> usize {
    units(node).map(|other| usize::from(other <= unit)).sum()
}

#[inline]
fn units(node: &[u8; NODE_BYTES]) -> impl Iterator<Item = u64> {
    let (units, _) = node.as_chunks::<8>();
    units.iter().map(|unit| u64::from_le_bytes(*unit))
}
