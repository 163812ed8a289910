//! One family of a set.

use core::iter::FusedIterator;

use alloc::vec;
use alloc::vec::Vec;

use crate::number::{Blocks, Number};

/// The addresses at which the set begins and ends, by turns, in order and each once:
///
/// ```text
///     borders      3        6                 12      14
///     addresses    ├──in────┤       out       ├──in───┤
/// ```
///
/// An address is in the set if an odd number of borders is not above it. A set that goes on to the last
/// address has no border for that end, so every set has one list of borders only, no end is a number
/// that does not fit, and the complement is the same list with zero put in front or taken away.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Borders<N>(Vec<N>);

impl<N: Number> Borders<N> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Of ranges in any order, which may touch and overlap.
    pub(crate) fn from_ranges(mut ranges: Vec<(N, N)>) -> Self {
        ranges.sort_unstable_by_key(|&(first, _)| first);
        let mut ranges = ranges.into_iter();
        let Some((mut first, mut last)) = ranges.next() else {
            return Self::new();
        };
        let mut borders = Vec::with_capacity(2 * ranges.len() + 2);
        for (next_first, next_last) in ranges {
            match last.next() {
                Some(end) if end < next_first => {
                    borders.extend([first, end]);
                    (first, last) = (next_first, next_last);
                }
                _ => last = last.max(next_last),
            }
        }
        borders.push(first);
        borders.extend(last.next());
        borders.shrink_to_fit();
        Self(borders)
    }

    /// Puts a range in, or takes it out.
    pub(crate) fn assign(&mut self, first: N, last: N, inside: bool) {
        let begin = self.0.partition_point(|&border| border < first);
        let end = last.next();
        let behind = match end {
            Some(end) => self.0.partition_point(|&border| border <= end),
            None => self.0.len(),
        };
        let begins = (is_inside(begin) != inside).then_some(first);
        let ends = end.filter(|_| is_inside(behind) != inside);
        self.0.splice(begin..behind, begins.into_iter().chain(ends));
    }

    /// The set of all addresses for which `inside` holds, given whether one is in this set and whether it
    /// is in the other. What is in neither may not be in the result.
    ///
    /// One pass over both lists. No branch in it depends on what the sets hold: a processor cannot
    /// foresee how two lists interleave, and would guess wrong about once a border.
    pub(crate) fn combine(&self, other: &Self, inside: impl Fn(bool, bool) -> bool) -> Self {
        let (ours, theirs) = (&self.0[..], &other.0[..]);
        let mut merged = vec![N::ZERO; ours.len() + theirs.len()];
        let (mut i, mut j, mut len) = (0, 0, 0);
        let mut is_in = false;
        while i < ours.len() && j < theirs.len() {
            let border = ours[i].min(theirs[j]);
            i += usize::from(ours[i] == border);
            j += usize::from(theirs[j] == border);
            let was_in = is_in;
            is_in = inside(is_inside(i), is_inside(j));
            merged[len] = border;
            len += usize::from(is_in != was_in);
        }
        merged.truncate(len);
        // One list is at its end; what is left of the other counts all or nothing.
        let (in_ours, in_theirs) = (is_inside(i), is_inside(j));
        if inside(true, in_theirs) != inside(false, in_theirs) {
            merged.extend_from_slice(&ours[i..]);
        }
        if inside(in_ours, true) != inside(in_ours, false) {
            merged.extend_from_slice(&theirs[j..]);
        }
        merged.shrink_to_fit();
        Self(merged)
    }

    pub(crate) fn complement(&self) -> Self {
        match self.0.split_first() {
            Some((&first, rest)) if first == N::ZERO => Self(rest.to_vec()),
            _ => {
                let mut borders = Vec::with_capacity(self.0.len() + 1);
                borders.push(N::ZERO);
                borders.extend_from_slice(&self.0);
                Self(borders)
            }
        }
    }

    /// Whether `test` holds for any address that is in one set or both. Stops at the first.
    pub(crate) fn any(&self, other: &Self, test: impl Fn(bool, bool) -> bool) -> bool {
        let (ours, theirs) = (&self.0[..], &other.0[..]);
        let (mut i, mut j) = (0, 0);
        while i < ours.len() && j < theirs.len() {
            let border = ours[i].min(theirs[j]);
            i += usize::from(ours[i] == border);
            j += usize::from(theirs[j] == border);
            if test(is_inside(i), is_inside(j)) {
                return true;
            }
        }
        let (in_ours, in_theirs) = (is_inside(i), is_inside(j));
        (i < ours.len() && (test(true, in_theirs) || test(false, in_theirs)))
            || (j < theirs.len() && (test(in_ours, true) || test(in_ours, false)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, address: N) -> bool {
        is_inside(self.not_above(address))
    }

    pub(crate) fn contains_range(&self, first: N, last: N) -> bool {
        let count = self.not_above(first);
        is_inside(count) && self.0.get(count).is_none_or(|&end| last < end)
    }

    pub(crate) fn overlaps(&self, first: N, last: N) -> bool {
        let count = self.not_above(first);
        is_inside(count) || self.0.get(count).is_some_and(|&begin| begin <= last)
    }

    /// How many addresses, modulo 2^128: zero also for all of IPv6.
    pub(crate) fn size(&self) -> u128 {
        let spans = self.0.chunks(2).map(|range| match *range {
            [begin, end] => end.into() - begin.into(),
            [begin] => N::COUNT.wrapping_sub(begin.into()),
            _ => 0,
        });
        spans.fold(0, u128::wrapping_add)
    }

    /// The size less one, which always fits; `None` of an empty set.
    pub(crate) fn last_index(&self) -> Option<u128> {
        (!self.is_empty()).then(|| self.size().wrapping_sub(1))
    }

    pub(crate) fn nth(&self, mut index: u128) -> Option<N> {
        for (first, last) in self.ranges() {
            let further = last.into() - first.into();
            if index <= further {
                return Some(first.plus(index));
            }
            index -= further + 1;
        }
        None
    }

    /// The first address and the last of each range.
    pub(crate) fn ranges(&self) -> impl DoubleEndedIterator<Item = (N, N)> + FusedIterator + Clone {
        self.0.chunks(2).map(|range| match *range {
            [begin, end] => (begin, end.previous()),
            _ => (range[0], N::MAX),
        })
    }

    /// The fewest networks with the same addresses, each as its first address and its number of host bits.
    pub(crate) fn blocks(&self) -> impl FusedIterator<Item = (N, u8)> + Clone {
        self.ranges()
            .flat_map(|(first, last)| Blocks::new(first, last))
    }

    /// Takes out a network with that many host bits: the start of the smallest block that has as many,
    /// of the lowest such block.
    pub(crate) fn take(&mut self, host_bits: u8) -> Option<N> {
        let mut best: Option<(N, u8)> = None;
        for (first, block) in self.blocks() {
            if block >= host_bits && best.is_none_or(|(_, least)| block < least) {
                best = Some((first, block));
                if block == host_bits {
                    break;
                }
            }
        }
        let (first, _) = best?;
        self.assign(first, first.last(host_bits), false);
        Some(first)
    }

    fn not_above(&self, address: N) -> usize {
        self.0.partition_point(|&border| border <= address)
    }
}

/// Whether the set has begun and not ended after that many borders.
fn is_inside(borders: usize) -> bool {
    borders % 2 == 1
}
