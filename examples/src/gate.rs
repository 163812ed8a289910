use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::Access;

/// What the gates of all UDP services of a program share.
#[derive(Debug)]
pub struct Desk {
    ports: Vec<u16>,
    access: Access,
    answered: Cell<u64>,
    ignored: Cell<u64>,
}

impl Desk {
    /// A desk for the services on these ports, and for those who may come in.
    #[must_use]
    pub fn new(ports: impl IntoIterator<Item = u16>, access: Access) -> Rc<Self> {
        Rc::new(Self {
            ports: ports.into_iter().collect(),
            access,
            answered: Cell::new(0),
            ignored: Cell::new(0),
        })
    }
}

/// How many datagrams were answered and ignored so far.
impl Display for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (answered, ignored) = (self.answered.get(), self.ignored.get());
        write!(f, "{answered} requests answered, {ignored} ignored")
    }
}

/// Decides which datagrams a UDP service on an event loop answers. It ignores
///
/// - those that come from a port below 1024, or from one that this program itself serves, here or (by
///   the look of it) on another machine: no client has such a port, but a server has;
/// - those from a source that a rule keeps out;
/// - those from a source that has had all the answers it can have for now. A source is an IPv4 address
///   or an IPv6 network of 64 bits.
///
/// Memory is bounded: the sources that were quiet for longest are forgotten.
#[derive(Debug)]
pub struct Gate<const N: usize> {
    desk: Rc<Desk>,
    limits: [Limit; N],
    /// The sources seen of late, with the time at which each limit will have been settled.
    recent: HashMap<IpAddr, [Instant; N]>,
    /// Those seen before the recent ones.
    older: HashMap<IpAddr, [Instant; N]>,
}

/// How many answers a source may have at once, and how many a second in the long run.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    burst: u32,
    interval: Duration,
}

/// How many sources a gate remembers for certain; at times it remembers twice as many.
const MAX_RECENT: usize = 2048;

impl<const N: usize> Gate<N> {
    /// A gate for a service of this desk.
    #[must_use]
    pub fn new(desk: &Rc<Desk>, limits: [Limit; N]) -> Self {
        Self {
            desk: Rc::clone(desk),
            limits,
            recent: HashMap::new(),
            older: HashMap::new(),
        }
    }

    /// Whether to answer this datagram; if so, the answer is charged to the source.
    pub fn admits(&mut self, from: SocketAddr, is_request: bool, now: Instant) -> bool {
        let is_server = from.port() < 1024 || self.desk.ports.contains(&from.port());
        let is_admitted = is_request
            && !is_server
            && self.desk.access.answers(from.ip())
            && self.charge(source(from), now);
        let count = if is_admitted {
            &self.desk.answered
        } else {
            &self.desk.ignored
        };
        count.set(count.get() + 1);
        is_admitted
    }

    fn charge(&mut self, source: IpAddr, now: Instant) -> bool {
        let known = self.recent.get(&source).or_else(|| self.older.get(&source));
        let before = known.copied().unwrap_or([now; N]);
        let mut after = before;
        let mut has_credit = true;
        for (settled, limit) in after.iter_mut().zip(&self.limits) {
            *settled = (*settled).max(now) + limit.interval;
            has_credit &= *settled <= now + limit.interval * limit.burst;
        }
        if self.recent.len() >= MAX_RECENT && !self.recent.contains_key(&source) {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent
            .insert(source, if has_credit { after } else { before });
        has_credit
    }
}

impl Limit {
    /// `burst` at once, and `per_second` from then on.
    #[must_use]
    pub const fn new(burst: u32, per_second: u32) -> Self {
        Self {
            burst,
            interval: Duration::from_nanos(1_000_000_000 / per_second as u64),
        }
    }
}

/// Whom a datagram is charged to.
fn source(from: SocketAddr) -> IpAddr {
    match from.ip().to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}
