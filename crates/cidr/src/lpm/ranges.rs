//! Cuts the addresses of a family into ranges, each with one answer.
//!
//! ```text
//!   networks       10.0.0.0/8 (answer 1), 10.1.0.0/16 (answer 2)
//!
//!   addresses   0.0.0.0     10.0.0.0     10.1.0.0     10.2.0.0     11.0.0.0
//!                  ├────────────┼────────────┼────────────┼────────────┼─────────
//!   answers        0            1            2            1            0
//! ```
//!
//! A *unit* is as many addresses as differ in their last `low_bits` only. A unit that lies within one range is
//! found without its low bits. One with borders inside has a *fine block* of its own, in words of 32 bits:
//!
//! ```text
//!   ┌───────┬────────────────────────────────┬──────────────────┐
//!   │ count │ count starts, low bits, rising │ count answers    │   the first start is 0; a start takes one
//!   └───────┴────────────────────────────────┴──────────────────┘   word, or two for IPv6, the lower first
//! ```

use alloc::vec;
use alloc::vec::Vec;

/// What an answer of 0 says. Other answers are a network's number and one.
pub(super) const NO_MATCH: u32 = 0;

/// In the answer of a unit with borders inside; the rest is the word where its fine block begins.
pub(super) const FINE: u32 = 1 << 31;

/// The units where something else begins, rising from 0, and what begins there. No two neighbours are the same.
#[derive(Debug)]
pub(super) struct Ranges {
    low_bits: u32,
    pub(super) units: Vec<u64>,
    pub(super) answers: Vec<u32>,
    pub(super) fine: Vec<u32>,
    /// The unit that is being cut, and the low bits and answers of the ranges in it.
    unit: u64,
    cuts: Vec<(u64, u32)>,
}

impl Ranges {
    /// Cuts what lies up to `max` by networks in order: the first address, the last, and the answer.
    pub(super) fn new(
        networks: impl Iterator<Item = (u128, u128, u32)>,
        max: u128,
        low_bits: u32,
    ) -> Self {
        let mut ranges = Self {
            low_bits,
            units: Vec::new(),
            answers: Vec::new(),
            fine: Vec::new(),
            unit: 0,
            cuts: vec![(0, NO_MATCH)],
        };
        // The networks around where we are, with the last address of each.
        let mut around: Vec<(u128, u32)> = Vec::new();
        for (first, last, answer) in networks {
            while let Some(&(end, _)) = around.last()
                && end < first
            {
                around.pop();
                ranges.cut(end + 1, innermost(&around));
            }
            ranges.cut(first, answer);
            around.push((last, answer));
        }
        while let Some((end, _)) = around.pop()
            && end < max
        {
            ranges.cut(end + 1, innermost(&around));
        }
        let answer = ranges.close_unit();
        if ranges.unit < (max >> low_bits) as u64 {
            ranges.begin(ranges.unit + 1, answer);
        }
        ranges
    }

    /// From `start` on the answer is this one. Starts do not fall.
    fn cut(&mut self, start: u128, answer: u32) {
        let unit = (start >> self.low_bits) as u64;
        let low = start as u64 & (u64::MAX >> (64 - self.low_bits));
        if unit != self.unit {
            let before = self.close_unit();
            if unit > self.unit + 1 {
                self.begin(self.unit + 1, before);
            }
            self.unit = unit;
            self.cuts.clear();
            self.cuts.push((0, before));
        }
        match self.cuts.last_mut() {
            Some(last) if last.0 == low => last.1 = answer,
            _ => self.cuts.push((low, answer)),
        }
    }

    /// Ends the unit that is being cut, and returns the answer at its end.
    fn close_unit(&mut self) -> u32 {
        self.cuts.dedup_by_key(|cut| cut.1);
        let last = self.cuts.last().map_or(NO_MATCH, |cut| cut.1);
        if self.cuts.len() == 1 {
            self.begin(self.unit, last);
            return last;
        }
        self.begin(self.unit, FINE | self.fine.len() as u32);
        self.fine.push(self.cuts.len() as u32);
        for &(low, _) in &self.cuts {
            self.fine.push(low as u32);
            if self.low_bits > 32 {
                self.fine.push((low >> 32) as u32);
            }
        }
        self.fine.extend(self.cuts.iter().map(|cut| cut.1));
        last
    }

    fn begin(&mut self, unit: u64, answer: u32) {
        if self.answers.last() != Some(&answer) {
            self.units.push(unit);
            self.answers.push(answer);
        }
    }
}

fn innermost(around: &[(u128, u32)]) -> u32 {
    around.last().map_or(NO_MATCH, |network| network.1)
}
