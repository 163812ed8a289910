use core::ops::{BitAnd, BitOr, BitXor, Not, Sub};

use crate::set::IpSet;

impl BitOr for &IpSet {
    type Output = IpSet;

    fn bitor(self, other: Self) -> IpSet {
        self.union(other)
    }
}

impl BitAnd for &IpSet {
    type Output = IpSet;

    fn bitand(self, other: Self) -> IpSet {
        self.intersection(other)
    }
}

impl Sub for &IpSet {
    type Output = IpSet;

    fn sub(self, other: Self) -> IpSet {
        self.difference(other)
    }
}

impl BitXor for &IpSet {
    type Output = IpSet;

    fn bitxor(self, other: Self) -> IpSet {
        self.symmetric_difference(other)
    }
}

impl Not for &IpSet {
    type Output = IpSet;

    fn not(self) -> IpSet {
        self.complement()
    }
}
