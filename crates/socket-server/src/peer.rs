use std::fmt;
use std::net::{IpAddr, SocketAddr};

use rustix::net::SocketAddrAny;

/// Who is at the other end of a connection.
///
/// An IPv4 client of a socket that serves both families (`::ffff:192.0.2.1`) is shown as IPv4, so that
/// a rule for its address can't be missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    address: Option<SocketAddr>,
    proxy: Option<SocketAddr>,
}

impl Peer {
    /// Returns the IP address and port; `None` for the client of a Unix socket.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns the IP address; `None` for the client of a Unix socket.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip())
    }

    /// Returns the proxy that the connection came through, if the proxy said for whom it speaks (see
    /// [`Server::proxied`](crate::Server::proxied)).
    #[must_use]
    pub fn proxy(&self) -> Option<SocketAddr> {
        self.proxy
    }

    /// The peer that accepting found.
    pub(crate) fn new(address: Option<SocketAddrAny>) -> Self {
        let address = address.and_then(|address| SocketAddr::try_from(address).ok());
        Self {
            address: address.map(canonical),
            proxy: None,
        }
    }

    /// Whom a datagram says it is from.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self {
            address: Some(canonical(address)),
            proxy: None,
        }
    }

    /// The peer that accepting found, in another process.
    pub(crate) fn from_socket_addr(address: Option<SocketAddr>) -> Self {
        Self {
            address,
            proxy: None,
        }
    }

    /// The client for which the proxy (whom accepting found) says to speak.
    pub(crate) fn behind_proxy(&self, client: SocketAddr) -> Self {
        Self {
            address: Some(canonical(client)),
            proxy: self.address,
        }
    }

    /// What `Limits::max_per_address` counts by.
    pub(crate) fn network(&self) -> Option<Network> {
        self.ip().map(Network::of)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.proxy) {
            (Some(address), Some(proxy)) => write!(f, "{address} (by {proxy})"),
            (Some(address), None) => address.fmt(f),
            (None, _) => f.write_str("unix"),
        }
    }
}

/// An IPv4 address or an IPv6 /64, which is what one customer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    V4(u32),
    V6(u64),
}

impl Network {
    pub(crate) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.to_bits()),
            IpAddr::V6(ip) => Self::V6((ip.to_bits() >> 64) as u64),
        }
    }
}

pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::from((ip, address.port())),
        IpAddr::V6(_) => address,
    }
}
