use core::ops::{
    BitAnd, BitAndAssign, BitOr, BitOrAssign, BitXor, BitXorAssign, Not, Sub, SubAssign,
};

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

impl BitOrAssign<&Self> for IpSet {
    fn bitor_assign(&mut self, other: &Self) {
        *self = self.union(other);
    }
}

impl BitAndAssign<&Self> for IpSet {
    fn bitand_assign(&mut self, other: &Self) {
        *self = self.intersection(other);
    }
}

impl SubAssign<&Self> for IpSet {
    fn sub_assign(&mut self, other: &Self) {
        *self = self.difference(other);
    }
}

impl BitXorAssign<&Self> for IpSet {
    fn bitxor_assign(&mut self, other: &Self) {
        *self = self.symmetric_difference(other);
    }
}
