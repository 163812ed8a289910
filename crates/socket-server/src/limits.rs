use std::borrow::Cow;
use std::time::Duration;

/// What the connections of a server may cost. All are on by default.
///
/// The defaults are safe on the open internet; change single fields:
///
/// ```
/// use socket_server::Limits;
/// let limits = Limits { max_connections: 100, ..Limits::default() };
/// ```
///
/// They can be changed while the server runs, by [`Running::set_limits`](crate::Running::set_limits).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many connections may be open. Default 4096.
    pub max_connections: usize,
    /// How many of them may come from one address: an IPv4 address or an IPv6 /64. One more is
    /// refused. Clients of a Unix socket are not counted so. Default 1024.
    pub max_per_address: usize,
    /// What a connection that is refused is told before it is closed. When empty (the default),
    /// nobody is refused for [`max_connections`](Self::max_connections): newcomers wait in the
    /// listener's backlog until a place is free.
    pub refusal: Cow<'static, [u8]>,
    /// How many connections may be in [`handshake`](crate::Connection::handshake) at a time. One
    /// more is refused. Default 256.
    pub max_handshakes: usize,
    /// How long a handshake may take. Default 10 s.
    pub handshake_timeout: Duration,
    /// How long the handler's first read may wait for a byte. Default 30 s.
    pub first_byte_timeout: Option<Duration>,
    /// How long each later read may wait, and each write. While something is written on another
    /// thread, a read may wait for longer. Default 5 minutes.
    pub idle_timeout: Option<Duration>,
    /// How long a connection may be open in all. Default 24 h.
    pub total_timeout: Option<Duration>,
    /// The longest line, in bytes, that [`Connection::lines`](crate::Connection::lines) gives, its
    /// end included. Default 64 KiB.
    pub max_line_len: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_per_address: 1024,
            refusal: Cow::Borrowed(b""),
            max_handshakes: 256,
            handshake_timeout: Duration::from_secs(10),
            first_byte_timeout: Some(Duration::from_secs(30)),
            idle_timeout: Some(Duration::from_secs(300)),
            total_timeout: Some(Duration::from_secs(24 * 60 * 60)),
            max_line_len: 64 << 10,
        }
    }
}
