//! Finding the range that an IPv4 address is in.
//!
//! ```text
//!   address      │ coarse: the first 16 to 24 bits │ low: the others │
//!                  └──┬──┘ └ 6 bits: place in block
//!                     ▼
//!   blocks       │ 64 bits: 1 where a range begins │ how many 1s before this block │ 0 │   16 bytes each
//!                     │
//!                     ▼  the 1s up to the address, less one
//!   answers      │ 32 bits: 0, or number of the network and 1, or FINE and where │
//!                     │
//!                     ▼  only where borders lie within the unit
//!   fine         │ count │ starts │ answers │   see `ranges`
//! ```
//!
//! So an address costs one read from the blocks, one from the answers, and seldom one search of a fine block.

use alloc::vec;
use alloc::vec::Vec;

use super::ranges::{FINE, NO_MATCH, Ranges};
use super::words::{self, Word};

/// As many first bits as make the blocks cost 8 to 16 bytes a network, from 16 to 24. No unit is larger than 2¹⁶.
pub(super) fn coarse_bits(networks: usize) -> u32 {
    (networks.max(1).ilog2() + 6).clamp(16, 24)
}

/// How many blocks that makes. There are none without networks.
pub(super) fn block_count(networks: usize) -> u64 {
    match networks {
        0 => 0,
        _ => 1 << (coarse_bits(networks) - 6),
    }
}

/// The length of a block in bytes.
pub(super) const BLOCK: usize = 16;

/// The blocks as bytes: a bit for each unit.
pub(super) fn blocks(ranges: &Ranges, networks: usize) -> Vec<u8> {
    let mut bits = vec![0_u64; block_count(networks) as usize];
    for &unit in &ranges.units {
        bits[(unit >> 6) as usize] |= 1 << (unit & 63);
    }
    let mut bytes = Vec::with_capacity(bits.len() * BLOCK);
    let mut before = 0_u32;
    for bits in bits {
        bytes.extend_from_slice(&bits.to_le_bytes());
        bytes.extend_from_slice(&u64::from(before).to_le_bytes());
        before += bits.count_ones();
    }
    bytes
}

/// What is searched. Damaged bytes give wrong answers, and no panic.
#[derive(Clone, Copy, Debug)]
pub(super) struct V4<'a> {
    pub(super) low_bits: u32,
    pub(super) blocks: &'a [[u8; BLOCK]],
    pub(super) answers: &'a [Word],
    pub(super) fine: &'a [Word],
}

impl V4<'_> {
    /// The number and one of the network with the longest match.
    #[inline]
    pub(super) fn find(self, address: u32) -> u32 {
        let answer = self.answer(self.place(address));
        if answer < FINE {
            return answer;
        }
        self.find_fine(answer, address)
    }

    /// Where the answer of an address is.
    #[inline]
    pub(super) fn place(self, address: u32) -> u32 {
        let coarse = address >> self.low_bits;
        let Some(block) = self.blocks.get((coarse >> 6) as usize) else {
            return u32::MAX;
        };
        let [bits, before] = words::halves(block);
        let up_to = bits << (63 - (coarse & 63));
        (before as u32)
            .wrapping_add(up_to.count_ones())
            .wrapping_sub(1)
    }

    #[inline]
    pub(super) fn answer(self, place: u32) -> u32 {
        let answer = self.answers.get(place as usize);
        answer.map_or(NO_MATCH, |word| u32::from_le_bytes(*word))
    }

    /// Goes on in a fine block.
    #[inline]
    pub(super) fn find_fine(self, answer: u32, address: u32) -> u32 {
        let low = address & !(u32::MAX << self.low_bits);
        words::find_fine::<1>(self.fine, answer & !FINE, low.into())
    }

    /// Whether the blocks count their ones rightly, up to as many as there are answers, and the first range begins at
    /// the first address.
    pub(super) fn check(self) -> bool {
        let mut before = 0_u64;
        for block in self.blocks {
            let [bits, counted] = words::halves(block);
            if counted != before || (counted == 0 && bits & 1 == 0) {
                return false;
            }
            before += u64::from(bits.count_ones());
        }
        before == self.answers.len() as u64
    }
}
