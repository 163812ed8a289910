//! Numbers in bytes, always little-endian.

use alloc::vec::Vec;
use core::ops::{Range, RangeInclusive};

use super::ranges::{FINE, NO_MATCH};

/// The bytes of a `u32`.
pub(super) type Word = [u8; 4];

/// The words of a section.
#[inline]
pub(super) fn section<'a>(bytes: &'a [u8], section: &Range<usize>) -> &'a [Word] {
    let bytes = bytes.get(section.start..section.end);
    bytes.unwrap_or_default().as_chunks().0
}

pub(super) fn to_bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[inline]
pub(super) fn get(words: &[Word], at: usize) -> Option<u32> {
    words.get(at).map(|word| u32::from_le_bytes(*word))
}

/// A start of `WORDS` words.
#[inline]
fn start<const WORDS: usize>(words: &[Word], at: usize) -> Option<u64> {
    let lower = get(words, at)?;
    let upper = if WORDS == 2 { get(words, at + 1)? } else { 0 };
    Some(u64::from(lower) | u64::from(upper) << 32)
}

/// The answer of the fine block at this word for an address with these low bits.
pub(super) fn find_fine<const WORDS: usize>(words: &[Word], at: u32, low: u64) -> u32 {
    search::<WORDS>(words, at as usize, low).unwrap_or(NO_MATCH)
}

fn search<const WORDS: usize>(words: &[Word], at: usize, low: u64) -> Option<u32> {
    let count = get(words, at)? as usize;
    let starts = words.get(at + 1..)?;
    let (mut found, mut len) = (0, count);
    while len > 1 {
        let half = len / 2;
        if start::<WORDS>(starts, (found + half) * WORDS)? <= low {
            found += half;
        }
        len -= half;
    }
    let answers = starts.get(count * WORDS..)?;
    get(answers, found).filter(|&answer| answer < FINE)
}

/// A look at the answers of a family: numbers of networks, and fine blocks that lie one behind the other.
pub(super) struct FineBlocks<'a, const WORDS: usize> {
    numbers: RangeInclusive<u32>,
    low_bits: u32,
    len: usize,
    rest: &'a [Word],
}

impl<'a, const WORDS: usize> FineBlocks<'a, WORDS> {
    pub(super) fn new(fine: &'a [Word], numbers: RangeInclusive<u32>, low_bits: u32) -> Self {
        Self {
            numbers,
            low_bits,
            len: fine.len(),
            rest: fine,
        }
    }

    /// Whether the next answer can be this one.
    pub(super) fn accept(&mut self, answer: u32) -> bool {
        if answer < FINE {
            return self.is_answer(answer);
        }
        let at = self.len - self.rest.len();
        let block = split_block::<WORDS>(self.rest);
        let Some((starts, answers, rest)) = block.filter(|_| (answer & !FINE) as usize == at)
        else {
            return false;
        };
        self.rest = rest;
        let starts = (0..answers.len()).filter_map(|at| start::<WORDS>(starts, at * WORDS));
        let first_and_last = (starts.clone().next(), starts.clone().next_back());
        let (Some(0), Some(last)) = first_and_last else {
            return false;
        };
        last <= u64::MAX >> (64 - self.low_bits)
            && starts.is_sorted_by(|a, b| a < b)
            && answers
                .iter()
                .all(|word| self.is_answer(u32::from_le_bytes(*word)))
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn is_answer(&self, answer: u32) -> bool {
        answer == NO_MATCH || self.numbers.contains(&answer)
    }
}

/// The starts and the answers of the first fine block, and what is behind it.
fn split_block<const WORDS: usize>(words: &[Word]) -> Option<(&[Word], &[Word], &[Word])> {
    let (count, rest) = words.split_first()?;
    let count = u32::from_le_bytes(*count) as usize;
    let (starts, rest) = rest.split_at_checked(count.checked_mul(WORDS)?)?;
    let (answers, rest) = rest.split_at_checked(count)?;
    Some((starts, answers, rest))
}
