//! Networks of IP addresses, and lists of them that decide who may come in.
//!
//! It does not resolve names, look at interfaces or open sockets: it is values only.
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
//! # Limits
//!
//! There is nothing to set. Values have a fixed size, parsing looks at each byte a fixed number of times
//! and allocates nothing; the time of a look into an access list grows with the logarithm of its rules.
//!
//! # With other crates
//!
//! `Cidr` is an [`IpNet`](::ipnet::IpNet) without host bits: `IpNet::from(cidr)` costs nothing, and
//! `Cidr::try_from(net)` looks at the host bits.
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
