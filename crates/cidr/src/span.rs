//! Addresses at equal distances, from both ends: what addresses, hosts and subnets are counted with.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Of IPv4. The end, one step behind the last address, may be 2^32.
#[derive(Clone, Debug)]
#[expect(unnameable_types, reason = "it is inside `Addresses` and `Subnets`")]
pub struct V4Span {
    next: u64,
    end: u64,
    step: u64,
}

impl V4Span {
    const EMPTY: Self = Self {
        next: 0,
        end: 0,
        step: 1,
    };

    pub(crate) fn new(first: Ipv4Addr, last: Ipv4Addr, host_bits: u8) -> Self {
        let step = 1 << host_bits;
        Self {
            next: first.to_bits().into(),
            end: u64::from(last.to_bits()) + step,
            step,
        }
    }

    fn remaining(&self) -> u64 {
        (self.end - self.next) >> self.step.trailing_zeros()
    }
}

impl Iterator for V4Span {
    type Item = Ipv4Addr;

    #[inline]
    fn next(&mut self) -> Option<Ipv4Addr> {
        if self.next == self.end {
            return None;
        }
        let address = Ipv4Addr::from_bits(self.next as u32);
        self.next = self.next.wrapping_add(self.step);
        Some(address)
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<Ipv4Addr> {
        let skipped = self.remaining().min(n as u64);
        self.next += skipped * self.step;
        self.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        hint(usize::try_from(self.remaining()).ok())
    }
}

impl DoubleEndedIterator for V4Span {
    #[inline]
    fn next_back(&mut self) -> Option<Ipv4Addr> {
        if self.next == self.end {
            return None;
        }
        self.end = self.end.wrapping_sub(self.step);
        Some(Ipv4Addr::from_bits(self.end as u32))
    }

    #[inline]
    fn nth_back(&mut self, n: usize) -> Option<Ipv4Addr> {
        let skipped = self.remaining().min(n as u64);
        self.end -= skipped * self.step;
        self.next_back()
    }
}

/// Of IPv6. 2^128, the end of everything, is no number here: the last address is kept, and whether it
/// was given out.
#[derive(Clone, Debug)]
#[expect(unnameable_types, reason = "it is inside `Addresses` and `Subnets`")]
pub struct V6Span {
    next: u128,
    last: u128,
    step: u128,
    is_done: bool,
}

impl V6Span {
    const EMPTY: Self = Self {
        next: 0,
        last: 0,
        step: 1,
        is_done: true,
    };

    pub(crate) fn new(first: Ipv6Addr, last: Ipv6Addr, host_bits: u8) -> Self {
        Self {
            next: first.to_bits(),
            last: last.to_bits(),
            // Where everything is one step, it is the only one.
            step: 1_u128.checked_shl(host_bits.into()).unwrap_or(1),
            is_done: false,
        }
    }

    /// How many steps lead to the last address.
    fn steps(&self) -> u128 {
        (self.last - self.next) >> self.step.trailing_zeros()
    }
}

impl Iterator for V6Span {
    type Item = Ipv6Addr;

    #[inline]
    fn next(&mut self) -> Option<Ipv6Addr> {
        if self.is_done {
            return None;
        }
        let address = Ipv6Addr::from_bits(self.next);
        self.is_done = self.next == self.last;
        self.next = self.next.wrapping_add(self.step);
        Some(address)
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<Ipv6Addr> {
        self.is_done = self.is_done || n as u128 > self.steps();
        if !self.is_done {
            self.next += n as u128 * self.step;
        }
        self.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.is_done {
            return (0, Some(0));
        }
        let steps = usize::try_from(self.steps()).ok();
        hint(steps.and_then(|steps| steps.checked_add(1)))
    }
}

impl DoubleEndedIterator for V6Span {
    #[inline]
    fn next_back(&mut self) -> Option<Ipv6Addr> {
        if self.is_done {
            return None;
        }
        let address = Ipv6Addr::from_bits(self.last);
        self.is_done = self.next == self.last;
        self.last = self.last.wrapping_sub(self.step);
        Some(address)
    }

    #[inline]
    fn nth_back(&mut self, n: usize) -> Option<Ipv6Addr> {
        self.is_done = self.is_done || n as u128 > self.steps();
        if !self.is_done {
            self.last -= n as u128 * self.step;
        }
        self.next_back()
    }
}

/// Of either family: one of the two is empty. Where it is, the compiler sees which family the addresses of
/// a loop are of; of an enum it does not.
#[derive(Clone, Debug)]
#[expect(unnameable_types, reason = "it is inside `Addresses` and `Subnets`")]
pub struct Span {
    v4: V4Span,
    v6: V6Span,
}

impl From<V4Span> for Span {
    fn from(v4: V4Span) -> Self {
        let v6 = V6Span::EMPTY;
        Self { v4, v6 }
    }
}

impl From<V6Span> for Span {
    fn from(v6: V6Span) -> Self {
        let v4 = V4Span::EMPTY;
        Self { v4, v6 }
    }
}

impl Iterator for Span {
    type Item = IpAddr;

    #[inline]
    fn next(&mut self) -> Option<IpAddr> {
        match self.v4.next() {
            Some(address) => Some(IpAddr::V4(address)),
            None => self.v6.next().map(IpAddr::V6),
        }
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<IpAddr> {
        match self.v4.nth(n) {
            Some(address) => Some(IpAddr::V4(address)),
            None => self.v6.nth(n).map(IpAddr::V6),
        }
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        match self.v4.size_hint() {
            (0, _) => self.v6.size_hint(),
            some => some,
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, IpAddr) -> B>(self, init: B, mut f: F) -> B {
        let folded = self.v4.map(IpAddr::V4).fold(init, &mut f);
        self.v6.map(IpAddr::V6).fold(folded, f)
    }
}

impl DoubleEndedIterator for Span {
    #[inline]
    fn next_back(&mut self) -> Option<IpAddr> {
        match self.v4.next_back() {
            Some(address) => Some(IpAddr::V4(address)),
            None => self.v6.next_back().map(IpAddr::V6),
        }
    }

    #[inline]
    fn nth_back(&mut self, n: usize) -> Option<IpAddr> {
        match self.v4.nth_back(n) {
            Some(address) => Some(IpAddr::V4(address)),
            None => self.v6.nth_back(n).map(IpAddr::V6),
        }
    }
}

/// More than fits is at least as much as fits.
fn hint(count: Option<usize>) -> (usize, Option<usize>) {
    (count.unwrap_or(usize::MAX), count)
}
