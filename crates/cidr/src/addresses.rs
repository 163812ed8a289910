use core::iter::FusedIterator;
use core::net::{IpAddr, Ipv4Addr};

use crate::address::Address;
use crate::cidr::Cidr;
use crate::error::CidrError;

impl<A: Address> Cidr<A> {
    /// All addresses of the network in order, the network's own and the last one among them.
    ///
    /// From both ends, and `nth` takes no longer than `next`. Of IPv4 networks the number is known
    /// (`len`) where it fits a `usize`.
    ///
    /// ```
    /// use std::net::Ipv4Addr;
    ///
    /// use cidr::Cidr;
    ///
    /// let network: Cidr<Ipv4Addr> = "10.0.0.0/8".parse()?;
    /// let mut addresses = network.addresses();
    /// assert_eq!(addresses.len(), 1 << 24);
    /// assert_eq!(addresses.nth(256), Some([10, 0, 1, 0].into()));
    /// assert_eq!(addresses.next_back(), Some([10, 255, 255, 255].into()));
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    #[must_use]
    pub fn addresses(self) -> Addresses<A> {
        Addresses(A::span(self.address(), self.last(), 0))
    }

    /// The addresses that hosts may have, in order: of an IPv4 network all but the first and the last, of
    /// an IPv6 network all but the first.
    ///
    /// A network of two addresses (/31, /127: a link between two hosts) or of one has hosts at all of
    /// them.
    ///
    /// ```
    /// use cidr::Cidr;
    ///
    /// let hosts = |text: &str| {
    ///     let network: Cidr = text.parse()?;
    ///     let hosts = network.hosts().map(|host| host.to_string());
    ///     Ok::<_, cidr::CidrError>(hosts.collect::<Vec<_>>().join(" "))
    /// };
    /// assert_eq!(hosts("192.0.2.0/30")?, "192.0.2.1 192.0.2.2");
    /// assert_eq!(hosts("192.0.2.0/31")?, "192.0.2.0 192.0.2.1");
    /// assert_eq!(hosts("2001:db8::/126")?, "2001:db8::1 2001:db8::2 2001:db8::3");
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    #[must_use]
    pub fn hosts(self) -> Addresses<A> {
        let mut hosts = self.addresses();
        let width = self.address().width();
        if width - self.prefix_len() >= 2 {
            hosts.next();
            if width == 32 {
                hosts.next_back();
            }
        }
        hosts
    }

    /// The address at an index: from 0 for the first; from -1 for the last, backwards. `None` where the
    /// network has no such address.
    ///
    /// ```
    /// use cidr::Cidr;
    ///
    /// let network: Cidr = "192.0.2.0/24".parse()?;
    /// assert_eq!(network.get(1).unwrap().to_string(), "192.0.2.1");
    /// assert_eq!(network.get(-1).unwrap().to_string(), "192.0.2.255");
    /// assert_eq!(network.get(256), None);
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    #[must_use]
    pub fn get(self, index: i128) -> Option<A> {
        let found = match u128::try_from(index) {
            Ok(offset) => self.address().checked_add(offset),
            Err(_) => self.last().checked_sub(index.unsigned_abs() - 1),
        };
        found.filter(|address| address.first(self.prefix_len()) == self.address())
    }

    /// How many addresses the network has; `None` for `::/0`, which has 2<sup>128</sup>.
    ///
    /// ```
    /// use cidr::Cidr;
    ///
    /// assert_eq!("10.0.0.0/8".parse::<Cidr>()?.size(), Some(1 << 24));
    /// assert_eq!("::/0".parse::<Cidr>()?.size(), None);
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    #[must_use]
    pub fn size(self) -> Option<u128> {
        1_u128.checked_shl((self.address().width() - self.prefix_len()).into())
    }

    /// The networks of a prefix length that this one is made of, in order.
    ///
    /// From both ends, and `nth` takes no longer than `next`.
    ///
    /// # Errors
    ///
    /// [`CidrError::SubnetLen`] if the prefix is shorter than the network's own,
    /// [`CidrError::PrefixLen`] if it is longer than an address.
    ///
    /// # Examples
    ///
    /// ```
    /// use cidr::Cidr;
    ///
    /// let network: Cidr = "10.0.0.0/8".parse()?;
    /// let mut subnets = network.subnets(16)?;
    /// assert_eq!(subnets.next().unwrap().to_string(), "10.0.0.0/16");
    /// assert_eq!(subnets.nth(9).unwrap().to_string(), "10.10.0.0/16");
    /// assert_eq!(subnets.next_back().unwrap().to_string(), "10.255.0.0/16");
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    pub fn subnets(self, prefix_len: u8) -> Result<Subnets<A>, CidrError> {
        let last = Self::new_lenient(self.last(), prefix_len)?;
        if prefix_len < self.prefix_len() {
            let network = self.widen();
            return Err(CidrError::SubnetLen {
                prefix_len,
                network,
            });
        }
        let host_bits = last.address().width() - prefix_len;
        Ok(Subnets {
            addresses: A::span(self.address(), last.address(), host_bits),
            prefix_len,
        })
    }
}

/// Addresses in order: [`Cidr::addresses`], [`Cidr::hosts`].
#[derive(Clone, Debug)]
pub struct Addresses<A: Address = IpAddr>(A::Span);

impl<A: Address> Iterator for Addresses<A> {
    type Item = A;

    #[inline]
    fn next(&mut self) -> Option<A> {
        self.0.next()
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<A> {
        self.0.nth(n)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }

    #[inline]
    fn last(mut self) -> Option<A> {
        self.0.next_back()
    }

    #[inline]
    fn fold<B, F: FnMut(B, A) -> B>(self, init: B, f: F) -> B {
        self.0.fold(init, f)
    }
}

impl<A: Address> DoubleEndedIterator for Addresses<A> {
    #[inline]
    fn next_back(&mut self) -> Option<A> {
        self.0.next_back()
    }

    #[inline]
    fn nth_back(&mut self, n: usize) -> Option<A> {
        self.0.nth_back(n)
    }
}

impl<A: Address> FusedIterator for Addresses<A> {}

#[cfg(target_pointer_width = "64")]
impl ExactSizeIterator for Addresses<Ipv4Addr> {}

/// Networks of one length in order: [`Cidr::subnets`].
#[derive(Clone, Debug)]
pub struct Subnets<A: Address = IpAddr> {
    addresses: A::Span,
    prefix_len: u8,
}

impl<A: Address> Iterator for Subnets<A> {
    type Item = Cidr<A>;

    #[inline]
    fn next(&mut self) -> Option<Cidr<A>> {
        let address = self.addresses.next()?;
        Some(Cidr::of_valid(address, self.prefix_len))
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<Cidr<A>> {
        let address = self.addresses.nth(n)?;
        Some(Cidr::of_valid(address, self.prefix_len))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.addresses.size_hint()
    }

    #[inline]
    fn last(mut self) -> Option<Cidr<A>> {
        self.next_back()
    }
}

impl<A: Address> DoubleEndedIterator for Subnets<A> {
    #[inline]
    fn next_back(&mut self) -> Option<Cidr<A>> {
        let address = self.addresses.next_back()?;
        Some(Cidr::of_valid(address, self.prefix_len))
    }

    #[inline]
    fn nth_back(&mut self, n: usize) -> Option<Cidr<A>> {
        let address = self.addresses.nth_back(n)?;
        Some(Cidr::of_valid(address, self.prefix_len))
    }
}

impl<A: Address> FusedIterator for Subnets<A> {}

#[cfg(target_pointer_width = "64")]
impl ExactSizeIterator for Subnets<Ipv4Addr> {}
