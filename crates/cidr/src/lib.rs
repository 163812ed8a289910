//! Networks of IP addresses: what they contain, how they add up, which of them is the longest match, and who
//! may come in.
//!
//! It does not resolve names, look at interfaces or open sockets: it is values only.
//!
//! ```
//! use cidr::{Cidr, IpSet};
//!
//! let office: Cidr = "10.0.0.0/8".parse()?;
//! assert!(office.contains([10, 1, 2, 3]));
//! assert_eq!(office.get(-2).unwrap().to_string(), "10.255.255.254");
//! assert_eq!(office.subnets(16)?.nth(7).unwrap().to_string(), "10.7.0.0/16");
//!
//! let mut free = IpSet::from(office);
//! free.remove("10.0.0.0/9".parse::<Cidr>()?);
//! assert_eq!(free.take_v4(24).unwrap().to_string(), "10.128.0.0/24");
//! assert_eq!(free.size_v4(), (1 << 23) - 256);
//! # Ok::<(), cidr::CidrError>(())
//! ```
//!
//! | take | for |
//! |---|---|
//! | [`Cidr`] | a network: what is in it, its addresses, hosts, subnets, what is left without another |
//! | [`Interface`] | an address with the network around it, `192.0.2.7/24` |
//! | [`IpSet`] | any addresses: union, difference, complement, the k-th, a free network |
//! | [`summarize`], [`collapse`] | the fewest networks for a range, or for a list of networks |
//! | [`LpmMap`], [`LpmTable`] | values by network, and the longest match of an address; the latter frozen and fast |
//! | [`AccessList`] | rules that allow and deny |
//! | [`special`] | what an address is for: private, global, reserved, documentation |
//! | [`Address`] | what the standard library's addresses lack: counting on, all digits, the name in the DNS |
//!
//! # A network
//!
//! A [`Cidr`] is an address and how many of its first bits, the prefix, all addresses of the network
//! have in common. The other bits, the host bits, are zero in the network's own address:
//!
//! ```text
//!                10        .0        .0        .0        /8
//!             ┌──────────┬──────────────────────────────┐
//!             │ 00001010 │ 00000000  00000000  00000000 │
//!             └──────────┴──────────────────────────────┘
//!               8 bits of      24 host bits: zero here,
//!               prefix         anything in its addresses
//! ```
//!
//! | text | is |
//! |---|---|
//! | `10.0.0.0/8`, `2001:db8::/32` | a network |
//! | `10.0.0.0/255.0.0.0` | the same as `/8`, with a netmask |
//! | `10.0.0.0/0.255.255.255` | the same, with a hostmask |
//! | `10.0.0.1`, `::1` | one address: `10.0.0.1/32`, `::1/128` |
//! | `10.0.0.1/8` | an error that names `10.0.0.0/8`; [`Cidr::parse_lenient`] takes it for that |
//! | `010.0.0.0/8`, `10.0.0.0/08` | an error: some read these digits as octal |
//! | `10/8`, `fe80::%eth0/64`, ` 10.0.0.0/8` | errors |
//!
//! # Of either family, or of one
//!
//! `Cidr` alone means `Cidr<IpAddr>` and holds a network of either family. `Cidr<Ipv4Addr>` and
//! `Cidr<Ipv6Addr>` have the same methods, are smaller, and become a `Cidr` by `into`; back it goes by
//! `try_from`. `Interface` is alike.
//!
//! ```
//! use std::net::Ipv4Addr;
//!
//! use cidr::Cidr;
//!
//! const OFFICE: Cidr<Ipv4Addr> = Cidr::v4([10, 0, 0, 0], 8); // host bits here would not compile
//! const HOME: [Cidr; 2] = [OFFICE.either(), Cidr::v6([0xfd00, 0, 0, 0, 0, 0, 0, 0], 8).either()];
//!
//! let last: Ipv4Addr = OFFICE.last();
//! assert!(HOME.iter().any(|network| network.contains(last)));
//! assert_eq!(Cidr::new(last, 32)?, Cidr::from(last));
//! # Ok::<(), cidr::CidrError>(())
//! ```
//!
//! # Who may come in
//!
//! ```
//! use std::net::IpAddr;
//!
//! use cidr::{AccessList, Cidr};
//!
//! let office: Cidr = "10.0.0.0/8".parse()?;
//! let printers: Cidr = "10.1.0.0/16".parse()?;
//! let list = AccessList::longest_match().allow([office]).deny([printers]);
//!
//! let verdict = list.check(IpAddr::from([10, 1, 2, 3]));
//! assert!(!verdict.is_allowed());
//! assert_eq!(verdict.to_string(), "10.1.2.3 denied by 10.1.0.0/16");
//! assert!(list.check(IpAddr::from([10, 2, 2, 3])).is_allowed());
//! # Ok::<(), cidr::CidrError>(())
//! ```
//!
//! The narrowest rule decides, a deny rule where two are equal, and where there are allow rules, everybody
//! else stays outside. [`AccessList`] has the truth table; `AccessList<FirstMatch>` goes by the order of the
//! rules instead. Either can be read from text, one rule a line.
//!
//! # IPv4 addresses in IPv6 clothes
//!
//! A socket that accepts both families reports the peer 10.0.0.1 as `::ffff:10.0.0.1`. To a network that
//! is an IPv6 address like any other; an [`AccessList`] judges it as the IPv4 address that it carries,
//! and a rule of mapped addresses as the IPv4 network, so that no rule is passed by:
//!
//! ```
//! use std::net::IpAddr;
//!
//! use cidr::{AccessList, Cidr};
//!
//! let office: Cidr = "10.0.0.0/8".parse()?;
//! let peer: IpAddr = "::ffff:10.0.0.1".parse()?;
//! assert!(!office.contains(peer));
//! assert!(office.contains(peer.to_canonical()));
//! assert!(!AccessList::longest_match().deny([office]).check(peer).is_allowed());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # As in Python's `ipaddress`
//!
//! | Python | here |
//! |---|---|
//! | `ip_network(text)`, with `strict=False` | `text.parse::<Cidr>()`, [`Cidr::parse_lenient`] |
//! | `network_address`, `broadcast_address`, `num_addresses` | [`address`](Cidr::address), [`last`](Cidr::last), [`size`](Cidr::size): `None` for the 2<sup>128</sup> of `::/0` |
//! | `list(net)`, `net.hosts()`, `net[-1]` | [`addresses`](Cidr::addresses), [`hosts`](Cidr::hosts), [`get(-1)`](Cidr::get) |
//! | `net.subnets(new_prefix=24)`, `net.supernet(new_prefix=8)` | [`subnets(24)`](Cidr::subnets), [`supernet(8)`](Cidr::supernet) |
//! | `address_exclude`, `subnet_of`, `overlaps` | [`exclude`](Cidr::exclude), [`is_subnet_of`](Cidr::is_subnet_of), [`overlaps`](Cidr::overlaps) |
//! | `with_netmask`, `exploded`, `reverse_pointer` | the same names |
//! | `format(address, '#_x')` | `format!("{:#x}", address.digits().grouped())` |
//! | `address + 1` | [`address.checked_add(1)`](Address::checked_add) |
//!
//! The answers are those of Python 3.14, but for these: a length that begins with a zero (`/08`) is
//! refused, and so are zones (`fe80::1%eth0`); networks of two families have an order, and where Python
//! raises `TypeError` about them the answer is no; `subnets` and `supernet` refuse wrong lengths of every
//! network, Python not of those with one address, or all.
//!
//! # Limits
//!
//! There is nothing to set. Values have a fixed size, parsing looks at each byte a fixed number of times
//! and allocates nothing, and addresses and subnets are counted, not stored. Sets, maps and access lists
//! grow with what is put into them, and are searched in logarithmic time.
//!
//! # Without the standard library
//!
//! The crate needs `core` and `alloc` only. The feature `serde` writes networks, interfaces and sets as
//! text where people read the format, and as bytes elsewhere.
//!
//! # With other crates
//!
//! An [`IpNet`](::ipnet::IpNet) of the crate `ipnet` is an `Interface`, and a `Cidr` is one: `from` makes
//! the one of the other. `Cidr::try_from(net)` looks at the host bits.
//!
//! # Related blocks
//!
//! `socket-server` asks a closure before each connection (`Server::verify`), and that asks the list.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod access;
mod address;
mod addresses;
mod cidr;
mod error;
mod interface;
mod ipnet;
mod lpm;
mod number;
mod parse;
mod relations;
#[cfg(feature = "serde")]
mod serde;
mod set;
mod span;
pub mod special;
mod summarize;
mod text;

pub use access::{
    AccessError, AccessList, AccessProblem, Action, FirstMatch, LongestMatch, Order, Rule, Verdict,
};
pub use address::Address;
pub use addresses::{Addresses, Subnets};
pub use cidr::Cidr;
pub use error::{CidrError, LpmError};
pub use interface::Interface;
pub use lpm::{LpmIndex, LpmMap, LpmTable};
pub use set::{IpSet, IpSetError};
pub use summarize::{RangeError, collapse, summarize};
pub use text::Digits;
