use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::NonZeroU32;

use crate::cidr::Cidr;

/// What happens to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// It may come in.
    Allow,
    /// It may not.
    Deny,
}

/// A rule of an [`AccessList`](crate::AccessList), as it was stated.
///
/// As text: `allow 10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    action: Action,
    network: Option<Cidr>,
    line: Option<NonZeroU32>,
}

/// What an [`AccessList`](crate::AccessList) says about an address, and which rule decided.
///
/// As text: `10.1.2.3 denied by 10.0.0.0/8 (line 7)`, `192.0.2.1 denied: no rule allows it`,
/// `2002:a01:203::1 denied as 10.1.2.3 by 10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Verdict {
    address: IpAddr,
    inside: Option<IpAddr>,
    action: Action,
    rule: Option<Rule>,
}

impl Rule {
    pub(super) fn new(action: Action, network: Option<Cidr>, line: Option<NonZeroU32>) -> Self {
        Self {
            action,
            network,
            line,
        }
    }

    /// Returns what it does with the addresses that it is about.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Returns the network that it is about, IPv4-mapped if it was stated so; `None`: it is about all addresses.
    #[must_use]
    pub fn network(&self) -> Option<Cidr> {
        self.network
    }

    /// Returns the line of the text in which it stands, from 1; `None`: it does not come from a text.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.line.map(NonZeroU32::get)
    }

    pub(super) fn networks(&self) -> impl Iterator<Item = Cidr> + use<> {
        let [first, second] = match self.network {
            Some(network) => [Some(network), None],
            None => [Some(ALL_V4.into()), Some(ALL_V6.into())],
        };
        first.into_iter().chain(second)
    }
}

const ALL_V4: Cidr<Ipv4Addr> = Cidr::v4([0; 4], 0);
const ALL_V6: Cidr<Ipv6Addr> = Cidr::v6([0; 8], 0);

impl Verdict {
    pub(super) fn new(
        address: IpAddr,
        inside: Option<IpAddr>,
        action: Action,
        rule: Option<Rule>,
    ) -> Self {
        Self {
            address,
            inside,
            action,
            rule,
        }
    }

    /// Returns whether the address may come in.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.action == Action::Allow
    }

    /// Returns the rule that decided; `None`: no rule contains the address.
    #[must_use]
    pub fn rule(&self) -> Option<Rule> {
        self.rule
    }

    /// Returns the address that was judged: of an IPv4-mapped one the IPv4 address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns the IPv4 address inside, if it is denied as that.
    #[must_use]
    pub fn inside(&self) -> Option<IpAddr> {
        self.inside
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.network {
            Some(network) => write!(f, "{} {network}", self.action),
            None => write!(f, "{} all", self.action),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (done, not_undone) = match self.action {
            Action::Allow => ("allowed", "no rule denies it"),
            Action::Deny => ("denied", "no rule allows it"),
        };
        write!(f, "{} {done}", self.address)?;
        if let Some(inside) = self.inside {
            write!(f, " as {inside}")?;
        }
        let Some(rule) = self.rule else {
            return write!(f, ": {not_undone}");
        };
        match rule.network {
            Some(network) => write!(f, " by {network}")?,
            None => write!(f, " by all")?,
        }
        match rule.line {
            Some(line) => write!(f, " (line {line})"),
            None => Ok(()),
        }
    }
}
