mod error;
mod inside;
mod order;
mod text;
mod verdict;

use alloc::vec::Vec;
use core::marker::PhantomData;
use core::net::{IpAddr, Ipv6Addr};

use crate::cidr::Cidr;
use crate::lpm::LpmMap;
pub use error::{AccessError, AccessProblem};
use inside::Inside;
pub use order::{FirstMatch, LongestMatch, Order};
pub use verdict::{Action, Rule, Verdict};

/// Who may come in: allow rules and deny rules, of which the type says which one decides.
///
/// - `AccessList`, or `AccessList<LongestMatch>`: the rule with the longest prefix, so the narrowest
///   network. The order of the rules means nothing. At equal length a deny rule wins.
/// - `AccessList<FirstMatch>`: the first one, as in most firewalls.
///
/// | of the rules that contain the address, the deciding one | there are allow rules | verdict |
/// |---|---|---|
/// | is a deny rule | | denied by that rule |
/// | is an allow rule | | allowed by that rule |
/// | none contains it | yes | denied |
/// | none contains it | no | allowed |
///
/// The last two lines are what [`otherwise`](Self::otherwise) says, where it is stated. An empty list allows
/// everybody. Allow rules for one family shut out the other: who allows `127.0.0.0/8` and means this
/// machine allows `::1` too.
///
/// ```
/// use cidr::{AccessList, FirstMatch};
///
/// let text = "deny  10.1.0.0/16   # the printers\n\
///             allow 10.0.0.0/8\n\
///             deny  10.2.0.0/16\n";
/// let longest: AccessList = text.parse()?;
/// let verdict = longest.check([10, 2, 0, 1]);
/// assert_eq!(verdict.to_string(), "10.2.0.1 denied by 10.2.0.0/16 (line 3)");
///
/// let first: AccessList<FirstMatch> = text.parse()?;
/// let verdict = first.check([10, 2, 0, 1]);
/// assert_eq!(verdict.to_string(), "10.2.0.1 allowed by 10.0.0.0/8 (line 2)");
/// # Ok::<(), cidr::AccessError>(())
/// ```
///
/// # As text
///
/// One statement a line; what stands behind a `#` is a comment.
///
/// | line | states |
/// |---|---|
/// | `allow 10.0.0.0/8`, `deny 2001:db8::/32` | a rule about a network, in any notation that [`Cidr`] reads |
/// | `allow all`, `deny all` | a rule about all addresses: `0.0.0.0/0` and `::/0` |
/// | `otherwise allow`, `otherwise deny` | what [`otherwise`](Self::otherwise) does; once |
/// | `inside 6to4` | what [`inside_6to4`](Self::inside_6to4) does |
/// | `inside nat64 64:ff9b::/96` | what [`inside_nat64`](Self::inside_nat64) does |
///
/// A text that states neither a rule nor what happens otherwise is refused: it is more likely a file of
/// which nothing was written yet than the wish to let everybody in.
///
/// # IPv4 addresses inside IPv6 addresses
///
/// | address | is judged as |
/// |---|---|
/// | IPv4-mapped, `::ffff:10.1.2.3` | 10.1.2.3, and that alone; so are rules: `::ffff:10.0.0.0/104` is `10.0.0.0/8` |
/// | the same after [`keep_mapped`](Self::keep_mapped) | an IPv6 address like others |
/// | 6to4, `2002:a01:203::1`, after [`inside_6to4`](Self::inside_6to4) | itself and 10.1.2.3: allowed only if it is as both |
/// | NAT64, `64:ff9b::10.1.2.3`, after [`inside_nat64`](Self::inside_nat64) | itself and 10.1.2.3: allowed only if it is as both |
/// | all others | themselves |
///
/// So the address inside can shut somebody out, and lets nobody in. No IPv6 rule contains a mapped address:
/// `::/0` is all of IPv6, and nothing of IPv4.
///
/// # Cost
///
/// [`check`](Self::check) looks into an [`LpmMap`], once, or once more for each address inside; a list of a hundred
/// thousand rules answers well within a microsecond. A rule takes 50 to 300 bytes: more where networks are far
/// apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessList<O = LongestMatch> {
    rules: Vec<Rule>,
    /// Of each network the rule that decides about addresses for which it is the longest match.
    deciding: LpmMap<Rule>,
    has_allow: bool,
    otherwise: Option<Action>,
    keeps_mapped: bool,
    inside: Inside,
    order: PhantomData<O>,
}

impl AccessList<LongestMatch> {
    /// Makes an empty list, of which the rule with the longest prefix will decide.
    #[must_use]
    pub fn longest_match() -> Self {
        Self::default()
    }
}

impl AccessList<FirstMatch> {
    /// Makes an empty list, of which the first matching rule will decide.
    #[must_use]
    pub fn first_match() -> Self {
        Self::default()
    }
}

impl<O: Order> AccessList<O> {
    /// Adds allow rules, behind those that are there.
    #[must_use]
    pub fn allow(self, networks: impl IntoIterator<Item = Cidr>) -> Self {
        self.with(Action::Allow, networks)
    }

    /// Adds deny rules, behind those that are there.
    #[must_use]
    pub fn deny(self, networks: impl IntoIterator<Item = Cidr>) -> Self {
        self.with(Action::Deny, networks)
    }

    /// States what happens to an address that no rule contains. Without this it is denied if there are
    /// allow rules, and else allowed.
    #[must_use]
    pub fn otherwise(mut self, action: Action) -> Self {
        self.otherwise = Some(action);
        self
    }

    /// Judges 6to4 addresses (`2002::/16`) as the IPv4 address inside, too.
    #[must_use]
    pub fn inside_6to4(mut self) -> Self {
        self.inside.look_into_6to4();
        self
    }

    /// Judges addresses with this NAT64 prefix as the IPv4 address inside, too: `64:ff9b::/96`, the
    /// well-known one, or your network's own, often one in `64:ff9b:1::/48`. Call it once for each prefix.
    ///
    /// Where in the address the IPv4 address is depends on the length of the prefix, as in RFC 6052.
    ///
    /// # Errors
    ///
    /// [`AccessProblem::Nat64Prefix`] unless its length is 32, 40, 48, 56, 64 or 96.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::Ipv6Addr;
    ///
    /// use cidr::AccessList;
    ///
    /// let list = AccessList::longest_match()
    ///     .deny(["10.0.0.0/8".parse()?])
    ///     .inside_nat64("64:ff9b::/96".parse()?)?;
    /// let verdict = list.check("64:ff9b::10.1.2.3".parse::<Ipv6Addr>()?);
    /// assert_eq!(verdict.to_string(), "64:ff9b::a01:203 denied as 10.1.2.3 by 10.0.0.0/8");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn inside_nat64(mut self, prefix: Cidr<Ipv6Addr>) -> Result<Self, AccessProblem> {
        self.inside.look_into_nat64(prefix)?;
        Ok(self)
    }

    /// Takes IPv4-mapped addresses, and rules about them, for IPv6 ones.
    ///
    /// A socket for both families reports an IPv4 peer by such an address: no IPv4 rule is about it then.
    #[must_use]
    pub fn keep_mapped(mut self) -> Self {
        self.keeps_mapped = true;
        self.deciding.clear();
        for number in 0..self.rules.len() {
            self.place(self.rules[number]);
        }
        self
    }

    /// Judges an address.
    pub fn check(&self, address: impl Into<IpAddr>) -> Verdict {
        let address = address.into();
        let address = if self.keeps_mapped {
            address
        } else {
            address.to_canonical()
        };
        let verdict = self.judge(address, None);
        if !verdict.is_allowed() {
            return verdict;
        }
        let inside = self.inside.addresses(address);
        let mut verdicts = inside.map(|inside| self.judge(address, Some(inside)));
        verdicts
            .find(|verdict| !verdict.is_allowed())
            .unwrap_or(verdict)
    }

    /// Returns all rules, in the order in which they were added, also those that decide nothing.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    fn with(mut self, action: Action, networks: impl IntoIterator<Item = Cidr>) -> Self {
        for network in networks {
            self.add(Rule::new(action, Some(network), None));
        }
        self
    }

    fn add(&mut self, rule: Rule) {
        self.has_allow |= rule.action() == Action::Allow;
        self.rules.push(rule);
        self.place(rule);
    }

    /// Puts a rule, which comes behind those that were placed before it, where it decides.
    fn place(&mut self, rule: Rule) {
        for network in rule.networks() {
            let network = if self.keeps_mapped {
                network
            } else {
                network.to_canonical()
            };
            let is_idle = if O::IS_FIRST {
                // Only a shorter one that came later is searched behind it.
                self.is_covered(network)
            } else {
                let before = self.deciding.get(network).map(Rule::action);
                before == Some(Action::Deny) || before == Some(rule.action())
            };
            if !is_idle {
                self.deciding.insert(network, rule);
            }
        }
    }

    /// Whether a network that was placed contains this one, or is the same.
    fn is_covered(&self, network: Cidr) -> bool {
        let shortest = self.deciding.matches(network.address()).next();
        shortest.is_some_and(|(shortest, _)| shortest.prefix_len() <= network.prefix_len())
    }

    fn judge(&self, address: IpAddr, inside: Option<IpAddr>) -> Verdict {
        let rule = self.deciding.longest_match(inside.unwrap_or(address));
        let rule = rule.map(|(_, rule)| *rule);
        let action = rule.map_or_else(|| self.default_action(), |rule| rule.action());
        Verdict::new(address, inside, action, rule)
    }

    fn default_action(&self) -> Action {
        let unstated = if self.has_allow {
            Action::Deny
        } else {
            Action::Allow
        };
        self.otherwise.unwrap_or(unstated)
    }
}
