use core::iter;
use core::net::IpAddr;

use crate::number::Number;
use crate::set::IpSet;

impl IpSet {
    /// An address of the set, each with the same probability whatever its family; `None` of an empty set.
    ///
    /// Draws that are no member's are thrown away, so none is preferred. After 512 of them in a row the
    /// answer is `None` too: if the source is random, that has a probability of less than 10^-63.
    ///
    /// `random` gives random numbers, all of whose bits count: `rand`'s `next_u64`, or
    /// `getrandom::u64` for an address that nobody foresees. On average it is called at most twice for a
    /// set of IPv4 addresses, four times for IPv6 and twelve times for both. Costs two passes over the
    /// ranges.
    ///
    /// As IPv6 is so much larger, a set of both families hardly ever gives an IPv4 address; give it the
    /// family's part instead, as in this example.
    ///
    /// ```
    /// use cidr::{Cidr, IpSet};
    ///
    /// # let mut state = 0_u64;
    /// # let mut next_u64 = || { state = state.wrapping_add(0x9e37_79b9_7f4a_7c15); state };
    /// let set: IpSet = "10.0.0.0/8, 2001:db8::/32".parse()?;
    /// let v4 = &set & &Cidr::v4([0; 4], 0).into();
    /// let address = v4.random(next_u64).ok_or("empty")?;
    /// assert!(address.is_ipv4() && set.contains(address));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn random(&self, mut random: impl FnMut() -> u64) -> Option<IpAddr> {
        let last = [self.v4.last_index(), self.v6.last_index()];
        let greatest = last[0].max(last[1])?;
        let mask = u128::MAX.checked_shr(greatest.leading_zeros());
        let mask = mask.unwrap_or(0);
        let draw = || {
            let family = match last {
                [Some(_), Some(_)] => usize::from(random() >> 63 == 1),
                [Some(_), None] => 0,
                [None, _] => 1,
            };
            let mut index = u128::from(random());
            if mask > u128::from(u64::MAX) {
                index |= u128::from(random()) << 64;
            }
            (family, index & mask)
        };
        // To take the remainder instead would prefer the first members. At least one draw in four is a
        // member's: the greater family's turn is one in two, and more than half of the numbers are below
        // its size.
        let is_index = |&(family, index): &(usize, u128)| last[family] >= Some(index);
        match iter::repeat_with(draw).take(512).find(is_index)? {
            (0, index) => self.v4.nth(index).map(|found| found.address().into()),
            (_, index) => self.v6.nth(index).map(|found| found.address().into()),
        }
    }
}
