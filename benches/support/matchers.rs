//! Maps and tables that find the longest match, in one manner.

use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};

use cidr::{Address, Cidr, LpmMap, LpmTable};
use ip_network::IpNetwork;
use ip_network_table::IpNetworkTable;
use ipnet::{Ipv4Net, Ipv6Net};
use iptrie::Ipv4Prefix;
use iptrie::map::{LCTrieMap, RTrieMap};
use poptrie::Poptrie;
use prefix_trie::{Prefix, PrefixMap};

use crate::networks::next;

/// Finds the longest match of an address.
pub trait Matcher<A> {
    /// Makes it of networks without order; the value of each is its place and one.
    fn build(networks: &[(A, u8)]) -> Self;

    /// The value of the longest match, or 0.
    fn find(&self, address: A) -> u32;
}

/// A matcher at work, whichever it is.
pub trait Lookups<A> {
    /// The value of the longest match, or 0.
    fn value(&self, address: A) -> u32;

    /// Looks up addresses that look random; with `is_dependent` each is made from what was found last. Returns the sum of
    /// what was found.
    fn look_up(&self, networks: &[(A, u8)], count: usize, is_dependent: bool) -> u64;
}

impl<A: Family, M: Matcher<A>> Lookups<A> for M {
    fn value(&self, address: A) -> u32 {
        self.find(address)
    }

    fn look_up(&self, networks: &[(A, u8)], count: usize, is_dependent: bool) -> u64 {
        let (mut state, mut sum) = (count as u64, 0);
        if is_dependent {
            for _ in 0..count {
                let found = u64::from(self.find(A::draw(&mut state, networks)));
                state ^= found;
                sum += found;
            }
        } else {
            for _ in 0..count {
                sum += u64::from(self.find(A::draw(&mut state, networks)));
            }
        }
        sum
    }
}

/// A table that is asked for many addresses at once.
#[derive(Debug)]
pub struct Batches(pub LpmTable<u32>);

impl Lookups<Ipv4Addr> for Batches {
    fn value(&self, address: Ipv4Addr) -> u32 {
        let mut values = [None];
        self.0.find_batch(&[address], &mut values);
        values[0].map_or(0, |value| *value)
    }

    fn look_up(&self, networks: &[(Ipv4Addr, u8)], count: usize, _: bool) -> u64 {
        let (mut state, mut sum) = (count as u64, 0);
        let mut addresses = [Ipv4Addr::UNSPECIFIED; 256];
        let mut values = [None; 256];
        for from in (0..count).step_by(256) {
            let len = (count - from).min(256);
            for address in &mut addresses[..len] {
                *address = Ipv4Addr::draw(&mut state, networks);
            }
            self.0.find_batch(&addresses[..len], &mut values);
            let found = values[..len]
                .iter()
                .map(|value| value.map_or(0, |&value| u64::from(value)));
            sum += found.sum::<u64>();
        }
        sum
    }
}

/// Finds nothing: what is left is the time to make the addresses.
#[derive(Debug)]
pub struct AddressesOnly;

impl<A: Family> Matcher<A> for AddressesOnly {
    fn build(_: &[(A, u8)]) -> Self {
        Self
    }

    #[inline]
    fn find(&self, address: A) -> u32 {
        black_box(address);
        0
    }
}

/// One that can be changed.
pub trait Changing<A>: Matcher<A> {
    /// Sets the value of a network.
    fn insert(&mut self, network: (A, u8), value: u32);

    /// Takes a network out; returns its value.
    fn remove(&mut self, network: (A, u8)) -> Option<u32>;

    /// The sum of all values, and of the lengths of all networks, in order.
    fn walk(&self) -> u64;
}

fn filled<A: Copy, M: Changing<A>>(mut empty: M, networks: &[(A, u8)]) -> M {
    for (&network, value) in networks.iter().zip(1..) {
        empty.insert(network, value);
    }
    empty
}

fn cidr<A: Address>((address, prefix_len): (A, u8)) -> Cidr {
    Cidr::new_lenient(address.into(), prefix_len).expect("a length of this family")
}

impl<A: Address> Matcher<A> for LpmMap<u32> {
    fn build(networks: &[(A, u8)]) -> Self {
        filled(Self::new(), networks)
    }

    #[inline]
    fn find(&self, address: A) -> u32 {
        self.longest_match(address).map_or(0, |found| *found.1)
    }
}

impl<A: Address> Changing<A> for LpmMap<u32> {
    fn insert(&mut self, network: (A, u8), value: u32) {
        Self::insert(self, cidr(network), value);
    }

    fn remove(&mut self, network: (A, u8)) -> Option<u32> {
        Self::remove(self, cidr(network))
    }

    fn walk(&self) -> u64 {
        let entries = self.iter();
        entries
            .map(|(network, value)| u64::from(network.prefix_len()) + u64::from(*value))
            .sum()
    }
}

impl<A: Address> Matcher<A> for LpmTable<u32> {
    fn build(networks: &[(A, u8)]) -> Self {
        <LpmMap<u32> as Matcher<A>>::build(networks)
            .freeze()
            .expect("few networks")
    }

    #[inline]
    fn find(&self, address: A) -> u32 {
        Self::find(self, address).map_or(0, |value| *value)
    }
}

/// A table that is asked for the network too.
#[derive(Debug)]
pub struct WithNetwork(pub LpmTable<u32>);

impl<A: Address> Matcher<A> for WithNetwork {
    fn build(networks: &[(A, u8)]) -> Self {
        Self(Matcher::build(networks))
    }

    #[inline]
    fn find(&self, address: A) -> u32 {
        let found = self.0.longest_match(address);
        found.map_or(0, |(network, value)| {
            value + u32::from(network.prefix_len() == u8::MAX)
        })
    }
}

impl<A: Family> Matcher<A> for PrefixMap<A::Net, u32> {
    fn build(networks: &[(A, u8)]) -> Self {
        filled(Self::new(), networks)
    }

    #[inline]
    fn find(&self, address: A) -> u32 {
        let found = self.get_lpm(&address.only());
        found.map_or(0, |found| *found.1)
    }
}

impl<A: Family> Changing<A> for PrefixMap<A::Net, u32> {
    fn insert(&mut self, (address, prefix_len): (A, u8), value: u32) {
        Self::insert(self, address.net(prefix_len), value);
    }

    fn remove(&mut self, (address, prefix_len): (A, u8)) -> Option<u32> {
        Self::remove(self, &address.net(prefix_len))
    }

    fn walk(&self) -> u64 {
        let entries = self.iter();
        entries
            .map(|(net, value)| u64::from(net.prefix_len()) + u64::from(*value))
            .sum()
    }
}

impl<A: Family> Matcher<A> for IpNetworkTable<u32> {
    fn build(networks: &[(A, u8)]) -> Self {
        filled(Self::new(), networks)
    }

    #[inline]
    fn find(&self, address: A) -> u32 {
        self.longest_match(address).map_or(0, |found| *found.1)
    }
}

impl<A: Family> Changing<A> for IpNetworkTable<u32> {
    fn insert(&mut self, network: (A, u8), value: u32) {
        Self::insert(self, ip_network(network), value);
    }

    fn remove(&mut self, network: (A, u8)) -> Option<u32> {
        Self::remove(self, ip_network(network))
    }

    fn walk(&self) -> u64 {
        let entries = self.iter();
        entries
            .map(|(net, value)| u64::from(net.netmask()) + u64::from(*value))
            .sum()
    }
}

fn ip_network<A: Family>((address, prefix_len): (A, u8)) -> IpNetwork {
    IpNetwork::new_truncate(address, prefix_len).expect("a length of this family")
}

impl Matcher<Ipv4Addr> for RTrieMap<Ipv4Prefix, u32> {
    fn build(networks: &[(Ipv4Addr, u8)]) -> Self {
        let mut map = Self::with_root(0);
        for (&(address, prefix_len), value) in networks.iter().zip(1..) {
            map.insert(
                Ipv4Prefix::new(address, prefix_len).expect("up to 32"),
                value,
            );
        }
        map
    }

    #[inline]
    fn find(&self, address: Ipv4Addr) -> u32 {
        *self.lookup(&address).1
    }
}

impl Matcher<Ipv4Addr> for LCTrieMap<Ipv4Prefix, u32> {
    fn build(networks: &[(Ipv4Addr, u8)]) -> Self {
        <RTrieMap<Ipv4Prefix, u32> as Matcher<Ipv4Addr>>::build(networks).compress()
    }

    #[inline]
    fn find(&self, address: Ipv4Addr) -> u32 {
        *self.lookup(&address).1
    }
}

impl Matcher<Ipv4Addr> for Poptrie<(Ipv4Addr, u8), u32> {
    fn build(networks: &[(Ipv4Addr, u8)]) -> Self {
        let mut map = Self::new();
        for (&network, value) in networks.iter().zip(1..) {
            map.insert(network, value);
        }
        map
    }

    #[inline]
    fn find(&self, address: Ipv4Addr) -> u32 {
        self.lookup(address).map_or(0, |value| *value)
    }
}

/// What `ipnet` calls the networks of a family.
pub trait Family: Address {
    /// A network.
    type Net: Prefix;

    /// The network of one address.
    fn only(self) -> Self::Net;

    /// Makes a network.
    fn net(self, prefix_len: u8) -> Self::Net;

    /// An address that looks random: any of IPv4, or one in any of these networks of IPv6.
    fn draw(state: &mut u64, networks: &[(Self, u8)]) -> Self;
}

impl Family for Ipv4Addr {
    type Net = Ipv4Net;

    #[inline]
    fn only(self) -> Ipv4Net {
        self.into()
    }

    #[inline]
    fn net(self, prefix_len: u8) -> Ipv4Net {
        Ipv4Net::new_assert(self, prefix_len)
    }

    #[inline]
    fn draw(state: &mut u64, _: &[(Self, u8)]) -> Self {
        Self::from_bits(next(state) as u32)
    }
}

impl Family for Ipv6Addr {
    type Net = Ipv6Net;

    #[inline]
    fn only(self) -> Ipv6Net {
        self.into()
    }

    #[inline]
    fn net(self, prefix_len: u8) -> Ipv6Net {
        Ipv6Net::new_assert(self, prefix_len)
    }

    #[inline]
    fn draw(state: &mut u64, networks: &[(Self, u8)]) -> Self {
        let drawn = next(state);
        let (address, prefix_len) = networks[(drawn >> 8) as usize % networks.len()];
        let host = (u128::from(drawn) << 64 | u128::from(drawn)) >> prefix_len;
        Self::from_bits(address.to_bits() | host)
    }
}
