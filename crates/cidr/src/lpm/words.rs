//! Numbers in bytes, always little-endian.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::ranges::{FINE, NO_MATCH};

/// The bytes of a `u32`.
pub(super) type Word = [u8; 4];

pub(super) fn from_bytes(bytes: &[u8]) -> &[Word] {
    bytes.as_chunks().0
}

pub(super) fn to_bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[inline]
pub(super) fn halves(block: &[u8; 16]) -> [u64; 2] {
    let (halves, _) = block.as_chunks::<8>();
    [u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1])]
}

#[inline]
fn get(words: &[Word], at: usize) -> Option<u32> {
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

/// Checks the answers of a family: numbers up to `networks`, and fine blocks one behind the other, which fill `fine`.
pub(super) fn check<const WORDS: usize>(
    answers: &[Word],
    fine: &[Word],
    numbers: RangeInclusive<u32>,
    low_bits: u32,
) -> bool {
    let is_answer = |answer: u32| answer == NO_MATCH || numbers.contains(&answer);
    let mut rest = fine;
    for word in answers {
        let answer = u32::from_le_bytes(*word);
        if answer < FINE {
            if !is_answer(answer) {
                return false;
            }
            continue;
        }
        let at = fine.len() - rest.len();
        let block = split_block::<WORDS>(rest);
        let Some((starts, answers, behind)) = block.filter(|_| (answer & !FINE) as usize == at)
        else {
            return false;
        };
        let starts = (0..answers.len()).filter_map(|at| start::<WORDS>(starts, at * WORDS));
        let first_and_last = (starts.clone().next(), starts.clone().next_back());
        let (Some(0), Some(last)) = first_and_last else {
            return false;
        };
        if last > u64::MAX >> (64 - low_bits)
            || !starts.is_sorted_by(|a, b| a < b)
            || !answers
                .iter()
                .all(|word| is_answer(u32::from_le_bytes(*word)))
        {
            return false;
        }
        rest = behind;
    }
    rest.is_empty()
}

/// The starts and the answers of the first fine block, and what is behind it.
fn split_block<const WORDS: usize>(words: &[Word]) -> Option<(&[Word], &[Word], &[Word])> {
    let (count, rest) = words.split_first()?;
    let count = u32::from_le_bytes(*count) as usize;
    let (starts, rest) = rest.split_at_checked(count.checked_mul(WORDS)?)?;
    let (answers, rest) = rest.split_at_checked(count)?;
    Some((starts, answers, rest))
}
