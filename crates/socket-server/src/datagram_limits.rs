/// What a datagram may cost, and whom and how much a datagram server answers.
///
/// Anybody can put somebody else's address on a datagram. The defaults see to it that one forged
/// datagram neither sets two servers talking to each other for ever nor turns this one against a third
/// party. Change single fields:
///
/// ```
/// use socket_server::DatagramLimits;
/// // A clock: 24 bytes of answer to any datagram, even an empty one.
/// let limits = DatagramLimits { min_allowance: 24, ..DatagramLimits::default() };
/// ```
#[derive(Clone, Debug)]
pub struct DatagramLimits {
    /// The most bytes of a datagram the handler sees; a longer one is cut and
    /// [says so](crate::Datagram::is_truncated). Default 65,535: nothing is cut.
    pub max_payload_len: usize,
    /// How many bytes of answers each byte of a request may bring. Default 1: a forged datagram never
    /// sends a third party more than the forger had to send.
    pub max_amplification: usize,
    /// How many bytes of answers a request may bring at least, however short it is. Default 0.
    pub min_allowance: usize,
    /// How many answers one datagram may bring. Default 16.
    pub max_answers: usize,
    /// How many answers a source may have. A source is an IPv4 address or an IPv6 network of 64 bits.
    /// Default: 8000 at once and 8000 a second.
    pub rate: Rate,
    /// How many answers a source may have in the long run. Default: 500,000 at once, filling up again
    /// with 20 a second. Of a loop between two servers, which stays below [`rate`](Self::rate) when
    /// they are far apart, the first datagram that goes unanswered is the end.
    pub long_run_rate: Rate,
    /// Whether to answer a source port that no client has, but a server: one below 1024, or the one
    /// this server is bound to. Default no. The server never answers itself, even so.
    pub answers_servers: bool,
}

impl Default for DatagramLimits {
    fn default() -> Self {
        Self {
            max_payload_len: 65_535,
            max_amplification: 1,
            min_allowance: 0,
            max_answers: 16,
            rate: Rate::new(8000, 8000),
            long_run_rate: Rate::new(500_000, 20),
            answers_servers: false,
        }
    }
}

/// So many at once, and so many a second from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many at once, after a silence.
    pub burst: u32,
    /// How many a second in the long run. 0 counts as 1.
    pub per_second: u32,
}

impl Rate {
    /// Makes a rate.
    #[must_use]
    pub const fn new(burst: u32, per_second: u32) -> Self {
        Self { burst, per_second }
    }
}
