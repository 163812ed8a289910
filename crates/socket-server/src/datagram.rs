use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};
use socket2::{InterfaceIndexOrAddress, SockRef};

use crate::acceptor::Listener;
use crate::datagram_server::{Counts, DatagramSettings};
use crate::peer::{Network, Peer, canonical};
use crate::sources::{Sources, Table, now};
use crate::{DatagramLimits, Rate};

/// A datagram that arrived, in the hands of its handler.
pub struct Datagram<'a> {
    payload: &'a [u8],
    arrived_len: usize,
    /// As the socket names it: an IPv4 address may be mapped into IPv6.
    from: SocketAddr,
    local_address: SocketAddr,
    peer: Peer,
    desk: &'a Desk,
    counts: &'a Counts,
    answers: usize,
    answered_len: usize,
}

impl<'a> Datagram<'a> {
    pub(crate) fn new(
        arrived: &'a [u8],
        meta: &RecvMeta,
        desk: &'a Desk,
        counts: &'a Counts,
    ) -> Self {
        let len = arrived.len().min(desk.limits.max_payload_len);
        Self {
            payload: &arrived[..len],
            arrived_len: arrived.len(),
            from: meta.addr,
            local_address: desk.asked_on(meta),
            peer: Peer::of(meta.addr),
            desk,
            counts,
            answers: 0,
            answered_len: 0,
        }
    }

    /// Sends an answer, from the address that the datagram was sent to. It may be empty, and there may
    /// be several. Waits for up to 100 ms when the system's send queue is full.
    ///
    /// Over IPv6 an answer is never cut into fragments: one longer than the packets of the path
    /// (1,232 bytes are safe) fails.
    ///
    /// # Errors
    ///
    /// Says why no answer was sent: the source is one that is [never
    /// answered](Datagram::is_answerable) or has had its share, the answer would be larger than the
    /// [`DatagramLimits`] allow, or the system refused to send it. A handler may return all of these
    /// with `?`: an answer that the limits forbid is counted but no failure of the handler.
    pub fn reply(&mut self, answer: &[u8]) -> Result<(), ReplyError> {
        let outcome = self.try_reply(answer);
        match &outcome {
            Ok(()) => Counts::add(&self.counts.answered),
            Err(error) => self.counts.unanswered(error),
        }
        outcome
    }

    /// Returns what arrived, cut to [`DatagramLimits::max_payload_len`].
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Returns whether the payload was cut.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        self.payload.len() < self.arrived_len
    }

    /// Returns whom the datagram says it is from. Anybody can say anything: it is proof of nothing.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Returns the address that the datagram was sent to, which is where answers come from. For a
    /// datagram to a multicast group or to everybody it is the group's or everybody's address, and
    /// answers come from an address that the system chooses.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local_address
    }

    /// Returns whether an answer would be sent now, if it was not too long: not to this server
    /// itself, not to a port that only servers have (unless
    /// [`answers_servers`](DatagramLimits::answers_servers)), and not to a source that has had its
    /// share. Worth asking before an answer that costs much to compute.
    #[must_use]
    pub fn is_answerable(&self) -> bool {
        self.desk.is_client(self.from, self.local_address).is_ok()
            && self.answers < self.desk.limits.max_answers
            && (self.desk.sources).has_credit(Network::of(self.from.ip()), now())
    }

    fn try_reply(&mut self, answer: &[u8]) -> Result<(), ReplyError> {
        self.desk.is_client(self.from, self.local_address)?;
        let limits = &self.desk.limits;
        if self.answers == limits.max_answers {
            return Err(ReplyError::TooMany {
                max_answers: limits.max_answers,
            });
        }
        let allowed = (self.arrived_len)
            .saturating_mul(limits.max_amplification)
            .max(limits.min_allowance);
        let answered_len = self.answered_len + answer.len();
        if answered_len > allowed {
            return Err(ReplyError::TooLong {
                request_len: self.arrived_len,
                answer_len: answered_len,
                allowed,
            });
        }
        if !(self.desk.sources).charge(Network::of(self.from.ip()), now()) {
            return Err(ReplyError::TooOften {
                rate: limits.rate,
                long_run_rate: limits.long_run_rate,
            });
        }
        self.answers += 1;
        self.answered_len = answered_len;
        self.desk
            .send(answer, self.from, self.local_address.ip())
            .map_err(ReplyError::Io)
    }
}

impl fmt::Debug for Datagram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagram")
            .field("peer", &self.peer)
            .field("local_address", &self.local_address)
            .field("len", &self.arrived_len)
            .finish_non_exhaustive()
    }
}

/// Why a datagram was not answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplyError {
    /// The source has the port of this server, or one below 1024: no client, but a server, which would
    /// answer in turn.
    ToServer {
        /// The port of the source.
        port: u16,
    },
    /// The source has had all the answers it can have for now.
    TooOften {
        /// The limit.
        rate: Rate,
        /// The limit in the long run.
        long_run_rate: Rate,
    },
    /// The answers to this datagram would be longer than its length allows.
    TooLong {
        /// How long the datagram was.
        request_len: usize,
        /// How long its answers would be, together.
        answer_len: usize,
        /// How long they may be.
        allowed: usize,
    },
    /// The datagram has had as many answers as it may have.
    TooMany {
        /// The limit.
        max_answers: usize,
    },
    /// The system did not send it.
    Io(io::Error),
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ToServer { port } => write!(f, "no answer to port {port}: only servers have it"),
            Self::TooOften {
                rate,
                long_run_rate: long,
            } => write!(
                f,
                "no answer: the source has had its share, {} at once and {} a second, \
                 in the long run {} and {} a second",
                rate.burst, rate.per_second, long.burst, long.per_second
            ),
            Self::TooLong {
                request_len,
                answer_len,
                allowed,
            } => write!(
                f,
                "no answer: {answer_len} bytes to a request of {request_len} bytes, \
                 which may have {allowed}"
            ),
            Self::TooMany { max_answers } => {
                write!(
                    f,
                    "no answer: this datagram has had {max_answers}, the limit"
                )
            }
            Self::Io(error) => write!(f, "the answer was not sent: {error}"),
        }
    }
}

impl Error for ReplyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Where answers go out: what all datagrams of a server share.
pub(crate) struct Desk {
    pub(crate) listener: Arc<Listener>,
    pub(crate) state: UdpSocketState,
    bound: SocketAddr,
    limits: DatagramLimits,
    sources: Sources,
}

/// How long an answer waits for the send queue.
const SEND_PATIENCE: Duration = Duration::from_millis(100);

impl Desk {
    /// Sets up a bound socket.
    pub(crate) fn new(listener: Arc<Listener>, settings: &DatagramSettings) -> io::Result<Self> {
        let socket = SockRef::from(&listener.socket);
        let bound = socket.local_addr()?.as_socket();
        let bound = bound.ok_or(io::ErrorKind::InvalidInput)?;
        let state = UdpSocketState::new((&listener.socket).into())?;
        // For the sake of QUIC, the state has just forbidden fragments.
        set_ip_mtu_discover(&listener.socket, Ipv4PathMtuDiscovery::DONT)?;
        for &(group, interface) in &settings.groups {
            match group {
                IpAddr::V4(group) => {
                    let interface = InterfaceIndexOrAddress::Index(interface);
                    socket.join_multicast_v4_n(&group, &interface)?;
                }
                IpAddr::V6(group) => socket.join_multicast_v6(&group, interface)?,
            }
        }
        socket.set_broadcast(settings.broadcast)?;
        let limits = settings.limits.clone();
        Ok(Self {
            sources: Sources::new([limits.rate, limits.long_run_rate]),
            listener,
            state,
            bound,
            limits,
        })
    }

    /// Counts what sources have had together with the other processes that answer from this socket.
    pub(crate) fn share(&mut self, table: Table) -> io::Result<()> {
        self.sources.share(table)
    }

    fn is_client(&self, from: SocketAddr, local_address: SocketAddr) -> Result<(), ReplyError> {
        let port = from.port();
        let is_server = port < 1024 || port == self.bound.port();
        let is_self = canonical(from) == local_address || canonical(from) == self.bound;
        if is_self || is_server && !self.limits.answers_servers || port == 0 {
            return Err(ReplyError::ToServer { port });
        }
        Ok(())
    }

    /// The address a datagram was sent to.
    fn asked_on(&self, meta: &RecvMeta) -> SocketAddr {
        let port = self.bound.port();
        match meta.dst_ip.map(|address| address.to_canonical()) {
            None => self.bound,
            Some(IpAddr::V6(address)) if address.is_unicast_link_local() => {
                let interface = meta.interface_index.unwrap_or(0);
                SocketAddrV6::new(address, port, 0, interface).into()
            }
            Some(address) => SocketAddr::new(address, port),
        }
    }

    fn send(&self, answer: &[u8], to: SocketAddr, from: IpAddr) -> io::Result<()> {
        let mut transmit = Transmit {
            destination: to,
            ecn: None,
            contents: answer,
            segment_size: None,
            src_ip: self.source_address(from),
        };
        let deadline = Instant::now() + SEND_PATIENCE;
        loop {
            let outcome = self
                .state
                .try_send((&self.listener.socket).into(), &transmit);
            match outcome.map_err(|error| (error.kind(), error)) {
                Ok(()) => return Ok(()),
                Err((io::ErrorKind::WouldBlock, error)) => {
                    let patience = deadline.saturating_duration_since(Instant::now());
                    if patience.is_zero() {
                        return Err(error);
                    }
                    let mut room = [PollFd::new(&self.listener.socket, PollFlags::OUT)];
                    let patience = Timespec::try_from(patience).expect("100 ms fit");
                    let _ = poll(&mut room, Some(&patience));
                }
                // Asked on an address that is not one of ours: everybody's on a network.
                Err((
                    io::ErrorKind::InvalidInput
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::AddrNotAvailable,
                    _,
                )) if transmit.src_ip.is_some() => transmit.src_ip = None,
                // What became of an earlier answer, to somebody else.
                Err((io::ErrorKind::ConnectionRefused, _)) if Instant::now() < deadline => {}
                Err((_, error)) => return Err(error),
            }
        }
    }

    /// The address to send from, in the form of the socket's family.
    fn source_address(&self, address: IpAddr) -> Option<IpAddr> {
        match address {
            // There is only one to choose.
            _ if !self.bound.ip().is_unspecified() => None,
            _ if address.is_multicast() || address.is_unspecified() => None,
            IpAddr::V4(address) if address.is_broadcast() => None,
            IpAddr::V4(address) if self.bound.is_ipv6() => Some(address.to_ipv6_mapped().into()),
            address => Some(address),
        }
    }
}
