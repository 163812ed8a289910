use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use crate::cidr::Cidr;

/// Who may come in: allow rules and deny rules, in no order.
///
/// | a deny rule contains the address | there are allow rules | one of them contains it | verdict |
/// |---|---|---|---|
/// | yes | | | denied by that rule |
/// | no | yes | yes | allowed by that rule |
/// | no | yes | no | denied |
/// | no | no | | allowed |
///
/// So a deny rule shuts out whom it names, whatever else the list says, and a narrower allow rule makes
/// no hole in it. An empty list allows everybody. Allow rules for one family shut out the other: who
/// allows `127.0.0.0/8` and means this machine allows `::1` too.
///
/// ```
/// use cidr::{AccessList, Cidr};
///
/// let list = AccessList::default().deny(["10.0.0.0/8".parse::<Cidr>()?]);
/// let verdict = list.check([10, 1, 2, 3]);
/// assert_eq!(verdict.to_string(), "10.1.2.3 denied by 10.0.0.0/8");
/// assert!(list.check([192, 0, 2, 1]).is_allowed());
/// # Ok::<(), cidr::CidrError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessList {
    allow: Vec<Cidr>,
    deny: Vec<Cidr>,
}

impl AccessList {
    /// Adds allow rules. With the first one, whoever is in none of them is denied.
    #[must_use]
    pub fn allow(mut self, networks: impl IntoIterator<Item = Cidr>) -> Self {
        self.allow.extend(networks);
        self
    }

    /// Adds deny rules. They win over allow rules, whichever came first.
    #[must_use]
    pub fn deny(mut self, networks: impl IntoIterator<Item = Cidr>) -> Self {
        self.deny.extend(networks);
        self
    }

    /// Judges an address, an IPv4-mapped one as the IPv4 address that it carries. Costs one comparison a
    /// rule.
    ///
    /// Where several rules of the deciding kind contain it, the verdict names the narrowest.
    pub fn check(&self, address: impl Into<IpAddr>) -> Verdict {
        let address = address.into().to_canonical();
        if let by @ Some(_) = narrowest(&self.deny, address) {
            return Verdict::Denied { address, by };
        }
        match narrowest(&self.allow, address) {
            None if !self.allow.is_empty() => Verdict::Denied { address, by: None },
            by => Verdict::Allowed { address, by },
        }
    }
}

/// What an [`AccessList`] says about an address, and which rule decided.
///
/// As text: `10.1.2.3 denied by 10.0.0.0/8`, `192.0.2.1 denied: no rule allows it`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It may come in.
    Allowed {
        /// The address judged; the IPv4 address of a mapped one.
        address: IpAddr,
        /// The allow rule that contains it, as it was written. `None`: there are no allow rules.
        by: Option<Cidr>,
    },
    /// It may not.
    Denied {
        /// The address judged; the IPv4 address of a mapped one.
        address: IpAddr,
        /// The deny rule that contains it, as it was written. `None`: there are allow rules, and none
        /// contains it.
        by: Option<Cidr>,
    },
}

impl Verdict {
    /// Whether the address may come in.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed { address, by } => match by {
                Some(rule) => write!(f, "{address} allowed by {rule}"),
                None => write!(f, "{address} allowed: no rule denies it"),
            },
            Self::Denied { address, by } => match by {
                Some(rule) => write!(f, "{address} denied by {rule}"),
                None => write!(f, "{address} denied: no rule allows it"),
            },
        }
    }
}

fn narrowest(rules: &[Cidr], address: IpAddr) -> Option<Cidr> {
    let containing = rules
        .iter()
        .filter(|rule| rule.to_canonical().contains(address));
    containing
        .max_by_key(|rule| rule.to_canonical().prefix_len())
        .copied()
}
