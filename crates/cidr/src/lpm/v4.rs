//! Finding the range that an IPv4 address is in.
//!
//! A unit is what has the same first 8 to 24 bits. For each 64 units there is a block, as long as a line of the cache:
//!
//! ```text
//!   address   │ coarse: 8 to 24 bits        │ low: the others │
//!             └─ number of block ─┴ 6 bits ─┘
//!
//!           8 bytes                       14 words of 4 bytes
//!   block │ 1 where a range begins │ answer 0 │ answer 1 │ … │ answer 12 │ answer 13 │
//!           └── the ones up to the unit, less one, are the number of the answer ──┘
//! ```
//!
//! Answer 0 is that of the first unit, whether its range began there or before, and its bit is 1. Where more than 14 ranges
//! begin this bit is 0 and counts all the same; the last word then says where in the words `more` answer 13 is, and those
//! behind it.
//!
//! So most addresses cost one line of the cache, and a line for the value. An answer is 0 (no match), the number of a
//! network and 1, or FINE and the word where the fine block begins (see `ranges`) that is asked about the low bits.

use alloc::vec::Vec;
use core::array;
use core::ops::Range;

use super::ranges::{FINE, NO_MATCH, Ranges};
use super::words::{self, FineBlocks};

/// As many first bits as make the blocks cost at most 17 bytes a network, from 8 to 24.
pub(super) fn coarse_bits(networks: usize) -> u32 {
    networks.saturating_mul(17).max(1).ilog2().clamp(8, 24)
}

/// How many blocks that makes.
pub(super) fn block_count(networks: usize) -> u64 {
    1 << (coarse_bits(networks) - 6)
}

/// The length of a block in bytes.
pub(super) const BLOCK: usize = 64;
type Block = [u8; BLOCK];

/// How many answers a block has.
const IN_BLOCK: usize = 14;
const BEFORE_LAST: usize = IN_BLOCK - 1;

/// The blocks as bytes, and the words that did not go into them.
pub(super) fn blocks(ranges: &Ranges, networks: usize) -> (Vec<u8>, Vec<u32>) {
    let count = block_count(networks);
    let mut bytes = Vec::with_capacity(count as usize * BLOCK);
    let mut more = Vec::new();
    let mut begin = ranges.units.iter().zip(&ranges.answers).peekable();
    let mut answers = Vec::new();
    for block in 0..count {
        // What went on at the end of the block before is answer 0, unless something begins right there.
        let before = answers.pop().unwrap_or(NO_MATCH);
        answers.clear();
        answers.push(before);
        let mut bits = 1_u64;
        while let Some((unit, answer)) = begin.next_if(|(unit, _)| **unit >> 6 == block) {
            let bit = 1 << (unit & 63);
            if bit == 1 {
                answers.clear();
            }
            bits |= bit;
            answers.push(*answer);
        }
        let mut words = [0; IN_BLOCK];
        if answers.len() <= IN_BLOCK {
            words[..answers.len()].copy_from_slice(&answers);
        } else {
            bits &= !1;
            let (first, rest) = answers.split_at(BEFORE_LAST);
            words[..BEFORE_LAST].copy_from_slice(first);
            words[BEFORE_LAST] = more.len() as u32;
            more.extend_from_slice(rest);
        }
        bytes.extend_from_slice(&bits.to_le_bytes());
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }
    (bytes, more)
}

/// Where things are in the bytes.
#[derive(Clone, Debug)]
pub(super) struct Sections {
    pub(super) low_bits: u32,
    pub(super) blocks: Range<usize>,
    pub(super) more: Range<usize>,
    pub(super) fine: Range<usize>,
}

/// What is searched. Damaged bytes give wrong answers, and no panic. Arithmetic that cannot overflow says so, for speed.
#[derive(Clone, Copy, Debug)]
pub(super) struct V4<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) sections: &'a Sections,
}

impl V4<'_> {
    /// The number and one of the network with the longest match.
    #[inline]
    pub(super) fn find(self, address: u32) -> u32 {
        let answer = self.find_coarse(address);
        if answer < FINE {
            return answer;
        }
        self.find_fine(answer, address)
    }

    /// The answer of the unit.
    #[inline]
    pub(super) fn find_coarse(self, address: u32) -> u32 {
        let unit = address.wrapping_shr(self.sections.low_bits);
        let at = self.sections.blocks.start.wrapping_add(unit as usize & !63);
        let Some(block) = self.bytes.get(at..).and_then(<[u8]>::first_chunk) else {
            return NO_MATCH;
        };
        let bits = bits(block);
        let up_to_unit = (bits | 1).wrapping_shl(!unit); // 63 less the last 6 bits of the unit
        let number = up_to_unit.count_ones().wrapping_sub(1) as usize;
        if number < BEFORE_LAST || bits & 1 == 1 {
            return answer_in(block, number);
        }
        self.find_more(block, number)
    }

    /// The answer with this number, of a block that has no room for it.
    #[cold]
    fn find_more(self, block: &Block, number: usize) -> u32 {
        let more = words::section(self.bytes, &self.sections.more);
        let begin = answer_in(block, BEFORE_LAST) as usize;
        words::get(more, begin.wrapping_add(number - BEFORE_LAST)).unwrap_or(NO_MATCH)
    }

    /// Goes on in a fine block.
    #[inline(never)]
    pub(super) fn find_fine(self, answer: u32, address: u32) -> u32 {
        let low = address & !u32::MAX.wrapping_shl(self.sections.low_bits);
        let fine = words::section(self.bytes, &self.sections.fine);
        words::find_fine::<1>(fine, answer & !FINE, low.into())
    }

    /// Whether blocks say what they should: those with many ranges have theirs one behind the other in `more`, and
    /// answers are fine blocks or numbers of networks.
    pub(super) fn check(self, mut fine: FineBlocks<'_, 1>) -> bool {
        let blocks = self.bytes.get(self.sections.blocks.clone());
        let (blocks, _) = blocks.unwrap_or_default().as_chunks();
        let more = words::section(self.bytes, &self.sections.more);
        let mut used = 0;
        for block in blocks {
            let bits = bits(block);
            let count = (bits | 1).count_ones() as usize;
            let has_more = bits & 1 == 0;
            if has_more != (count > IN_BLOCK) {
                return false;
            }
            let in_block = if has_more { BEFORE_LAST } else { count };
            if !(0..in_block).all(|number| fine.accept(answer_in(block, number))) {
                return false;
            }
            if has_more {
                let behind = used + count - BEFORE_LAST;
                let Some(rest) = more.get(used..behind) else {
                    return false;
                };
                let begins = answer_in(block, BEFORE_LAST) as usize;
                if begins != used
                    || !rest
                        .iter()
                        .all(|word| fine.accept(u32::from_le_bytes(*word)))
                {
                    return false;
                }
                used = behind;
            }
        }
        used == more.len() && fine.is_at_end()
    }
}

#[inline]
fn bits(block: &Block) -> u64 {
    u64::from_le_bytes(array::from_fn(|at| block[at]))
}

#[inline]
fn answer_in(block: &Block, number: usize) -> u32 {
    words::get(block.as_chunks().0, number.wrapping_add(2)).unwrap_or(NO_MATCH)
}
