use crate::address::Address;
use crate::cidr::Cidr;
use crate::error::CidrError;

impl<A: Address> Cidr<A> {
    /// The network of a shorter prefix that this one is in, or itself.
    ///
    /// # Errors
    ///
    /// [`CidrError::SupernetLen`] if the prefix is longer than the network's own.
    ///
    /// # Examples
    ///
    /// ```
    /// use cidr::Cidr;
    ///
    /// let network: Cidr = "10.1.2.0/24".parse()?;
    /// assert_eq!(network.supernet(16)?.to_string(), "10.1.0.0/16");
    /// assert!(network.supernet(25).is_err());
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    pub fn supernet(self, prefix_len: u8) -> Result<Self, CidrError> {
        if prefix_len <= self.prefix_len() {
            return Self::new_lenient(self.address(), prefix_len);
        }
        let network = self.widen();
        Err(CidrError::SupernetLen {
            prefix_len,
            network,
        })
    }

    /// Whether all addresses of this network are in the other; so they are in itself. A network of the
    /// other family never is.
    ///
    /// ```
    /// use cidr::Cidr;
    ///
    /// let (office, printers): (Cidr, Cidr) = ("10.0.0.0/8".parse()?, "10.1.0.0/16".parse()?);
    /// assert!(printers.is_subnet_of(office) && office.is_supernet_of(printers));
    /// assert!(!office.is_subnet_of(printers) && office.overlaps(printers));
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    #[must_use]
    pub fn is_subnet_of(self, other: Self) -> bool {
        let starts_inside = self.address().first(other.prefix_len()) == other.address();
        starts_inside && self.prefix_len() >= other.prefix_len()
    }

    /// Whether all addresses of the other network are in this one.
    #[must_use]
    pub fn is_supernet_of(self, other: Self) -> bool {
        other.is_subnet_of(self)
    }

    /// Whether any address is in both networks: then one is in the other.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.is_subnet_of(other) || other.is_subnet_of(self)
    }

    /// What is left of this network without one inside it: as few networks as can be, at most one of each
    /// length, in order.
    ///
    /// # Errors
    ///
    /// [`CidrError::NotInside`] if the other network is not inside this one.
    ///
    /// # Examples
    ///
    /// ```
    /// use cidr::Cidr;
    ///
    /// let (network, used): (Cidr, Cidr) = ("192.0.2.0/28".parse()?, "192.0.2.4/30".parse()?);
    /// let left: Vec<String> = network.exclude(used)?.map(|left| left.to_string()).collect();
    /// assert_eq!(left, ["192.0.2.0/30", "192.0.2.8/29"]);
    /// # Ok::<(), cidr::CidrError>(())
    /// ```
    pub fn exclude(
        self,
        other: Self,
    ) -> Result<impl DoubleEndedIterator<Item = Self> + Clone, CidrError> {
        if !other.is_subnet_of(self) {
            return Err(CidrError::NotInside {
                network: other.widen(),
                outer: self.widen(),
            });
        }
        // On the way from this network down to the other, each step leaves a half aside.
        let halves = (self.prefix_len() + 1..=other.prefix_len()).map(move |prefix_len| {
            let half = Self::of_valid(other.address().first(prefix_len), prefix_len);
            half.sibling()
        });
        let before = halves.clone().filter(move |half| *half < other);
        let behind = halves.rev().filter(move |half| *half > other);
        Ok(before.chain(behind))
    }

    /// The other half of the network that is one bit shorter. Not for a network of length 0.
    fn sibling(self) -> Self {
        let bit = 1 << (self.address().width() - self.prefix_len());
        let number = self.address().to_number() ^ bit;
        let address = self.address().with_number(number);
        let address = address.expect("the bit is one of the address's");
        Self::of_valid(address, self.prefix_len())
    }
}
