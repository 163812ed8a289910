use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use crate::peer::Network;
use crate::{Limits, Refused};

/// What the parent and a child tell each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// To the child: serve the connection that comes with this.
    Serve {
        limits: Limits,
        peer: Option<SocketAddr>,
    },
    /// To the child: accept from the listener that comes with this, as this one of so many workers.
    /// The board comes too.
    Accept {
        limits: Limits,
        is_suspended: bool,
        worker: usize,
        workers: usize,
    },
    /// To the child: these limits count from now on.
    Limits(Limits),
    /// To the child: accept no more, until [`Resume`](Self::Resume).
    Suspend,
    /// To the child: accept again.
    Resume,
    /// To the child: accept no more and end when the open connections have ended.
    Stop,
    /// To the child: shut the open connections down and end.
    Cut,
    /// To the child: the parent has no place for the connection after all.
    Refuse(Refused),
    /// To the parent: `serve` was reached, the socket is being served.
    Serving,
    /// To the parent: [`Limits`](Self::Limits), [`Suspend`](Self::Suspend) or
    /// [`Resume`](Self::Resume) has been done.
    Done,
    /// To the parent: the connection's handshake begins.
    HandshakeBegins,
    /// To the parent: the connection's handshake is over.
    HandshakeEnds,
    /// To the parent: a proxy said that the connection comes from there.
    From(Option<Network>),
}

impl Message {
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Serve { limits, peer } => {
                let mut out = vec![0];
                put_address(&mut out, *peer);
                put_limits(&mut out, limits);
                out
            }
            Self::Accept {
                limits,
                is_suspended,
                worker,
                workers,
            } => {
                let mut out = vec![1, u8::from(*is_suspended)];
                put_usize(&mut out, *worker);
                put_usize(&mut out, *workers);
                put_limits(&mut out, limits);
                out
            }
            Self::Limits(limits) => {
                let mut out = vec![2];
                put_limits(&mut out, limits);
                out
            }
            Self::Suspend => vec![3],
            Self::Resume => vec![4],
            Self::Stop => vec![5],
            Self::Cut => vec![6],
            Self::Serving => vec![8],
            Self::Done => vec![9],
            Self::HandshakeBegins => vec![10],
            Self::HandshakeEnds => vec![11],
            Self::From(network) => {
                let mut out = vec![12];
                put_network(&mut out, *network);
                out
            }
            Self::Refuse(refused) => {
                let (what, limit) = match *refused {
                    Refused::TooManyConnections { limit } => (0, limit),
                    Refused::TooManyFromAddress { limit } => (1, limit),
                    Refused::TooManyHandshakes { limit } => (2, limit),
                    Refused::NotVerified => (3, 0),
                };
                let mut out = vec![7, what];
                put_usize(&mut out, limit);
                out
            }
        }
    }

    /// `None` when the bytes are no message: both sides run the same program, so this means that
    /// somebody else writes to the channel.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let message = match fields.byte()? {
            0 => Self::Serve {
                peer: fields.address()?,
                limits: fields.limits()?,
            },
            1 => Self::Accept {
                is_suspended: fields.flag()?,
                worker: fields.usize()?,
                workers: fields.usize()?,
                limits: fields.limits()?,
            },
            2 => Self::Limits(fields.limits()?),
            3 => Self::Suspend,
            4 => Self::Resume,
            5 => Self::Stop,
            6 => Self::Cut,
            8 => Self::Serving,
            9 => Self::Done,
            10 => Self::HandshakeBegins,
            11 => Self::HandshakeEnds,
            12 => Self::From(fields.network()?),
            7 => Self::Refuse(fields.refused()?),
            _ => return None,
        };
        fields.0.is_empty().then_some(message)
    }
}

fn put_limits(out: &mut Vec<u8>, limits: &Limits) {
    put_usize(out, limits.max_connections);
    put_usize(out, limits.max_per_address);
    put_usize(out, limits.max_handshakes);
    put_duration(out, limits.handshake_timeout);
    put_timeout(out, limits.first_byte_timeout);
    put_timeout(out, limits.idle_timeout);
    put_timeout(out, limits.total_timeout);
    put_usize(out, limits.max_line_len);
    let refusal = &limits.refusal;
    out.extend_from_slice(&refusal[..refusal.len().min(MAX_REFUSAL_LEN)]);
}

fn put_address(out: &mut Vec<u8>, address: Option<SocketAddr>) {
    let (ip, port, flow, scope) = match address {
        None => (0, 0, 0, 0),
        Some(SocketAddr::V4(v4)) => (u128::from(v4.ip().to_bits()), v4.port(), 0, 0),
        Some(SocketAddr::V6(v6)) => (v6.ip().to_bits(), v6.port(), v6.flowinfo(), v6.scope_id()),
    };
    out.push(match address {
        None => 0,
        Some(SocketAddr::V4(_)) => 4,
        Some(SocketAddr::V6(_)) => 6,
    });
    out.extend_from_slice(&ip.to_le_bytes());
    out.extend_from_slice(&port.to_le_bytes());
    out.extend_from_slice(&flow.to_le_bytes());
    out.extend_from_slice(&scope.to_le_bytes());
}

fn put_usize(out: &mut Vec<u8>, value: usize) {
    put_u64(out, value as u64);
}

fn put_duration(out: &mut Vec<u8>, value: Duration) {
    put_u64(out, value.as_secs());
    out.extend_from_slice(&value.subsec_nanos().to_le_bytes());
}

fn put_timeout(out: &mut Vec<u8>, value: Option<Duration>) {
    out.push(u8::from(value.is_some()));
    put_duration(out, value.unwrap_or_default());
}

/// A network in sixteen bytes.
pub(super) fn put_network(out: &mut Vec<u8>, network: Option<Network>) {
    let (kind, value) = match network {
        None => (0, 0),
        Some(Network::V4(value)) => (4, u64::from(value)),
        Some(Network::V6(value)) => (6, value),
    };
    put_u64(out, kind);
    put_u64(out, value);
}

pub(super) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// The bytes of a message that are not yet read.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    fn limits(&mut self) -> Option<Limits> {
        let limits = Limits {
            max_connections: self.usize()?,
            max_per_address: self.usize()?,
            max_handshakes: self.usize()?,
            handshake_timeout: self.duration()?,
            first_byte_timeout: self.timeout()?,
            idle_timeout: self.timeout()?,
            total_timeout: self.timeout()?,
            max_line_len: self.usize()?,
            refusal: self.0.to_vec().into(),
        };
        self.0 = &[];
        Some(limits)
    }

    fn address(&mut self) -> Option<Option<SocketAddr>> {
        let kind = self.byte()?;
        let ip = u128::from_le_bytes(self.take()?);
        let port = u16::from_le_bytes(self.take()?);
        let flow = u32::from_le_bytes(self.take()?);
        let scope = u32::from_le_bytes(self.take()?);
        Some(match kind {
            0 => None,
            4 => Some((Ipv4Addr::from_bits(u32::try_from(ip).ok()?), port).into()),
            6 => Some(SocketAddrV6::new(Ipv6Addr::from_bits(ip), port, flow, scope).into()),
            _ => return None,
        })
    }

    fn refused(&mut self) -> Option<Refused> {
        let what = self.byte()?;
        let limit = self.usize()?;
        Some(match what {
            0 => Refused::TooManyConnections { limit },
            1 => Refused::TooManyFromAddress { limit },
            2 => Refused::TooManyHandshakes { limit },
            3 => Refused::NotVerified,
            _ => return None,
        })
    }

    pub(super) fn network(&mut self) -> Option<Option<Network>> {
        let (kind, value) = (self.u64()?, self.u64()?);
        Some(match kind {
            0 => None,
            4 => Some(Network::V4(u32::try_from(value).ok()?)),
            6 => Some(Network::V6(value)),
            _ => return None,
        })
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn flag(&mut self) -> Option<bool> {
        self.byte().map(|byte| byte != 0)
    }

    fn usize(&mut self) -> Option<usize> {
        usize::try_from(self.u64()?).ok()
    }

    fn duration(&mut self) -> Option<Duration> {
        let seconds = self.u64()?;
        let nanoseconds = u32::from_le_bytes(self.take()?);
        (nanoseconds < 1_000_000_000).then(|| Duration::new(seconds, nanoseconds))
    }

    fn timeout(&mut self) -> Option<Option<Duration>> {
        let is_set = self.flag()?;
        let value = self.duration()?;
        Some(is_set.then_some(value))
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }
}

/// A longer refusal reaches the children cut to this.
const MAX_REFUSAL_LEN: usize = 32 << 10;
/// The longest message: limits with the longest refusal.
pub(super) const MAX_MESSAGE_LEN: usize = MAX_REFUSAL_LEN + 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> Vec<Message> {
        let limits = Limits {
            max_connections: 7,
            total_timeout: None,
            idle_timeout: Some(Duration::MAX),
            refusal: b"full\n".into(),
            ..Limits::default()
        };
        vec![
            Message::Serve {
                limits: limits.clone(),
                peer: Some("[fe80::1%3]:80".parse().unwrap()),
            },
            Message::Accept {
                limits: limits.clone(),
                is_suspended: true,
                worker: 2,
                workers: 3,
            },
            Message::Serve {
                limits: limits.clone(),
                peer: None,
            },
            Message::Limits(limits),
            Message::Suspend,
            Message::Resume,
            Message::Stop,
            Message::Cut,
            Message::Serving,
            Message::Done,
            Message::HandshakeBegins,
            Message::HandshakeEnds,
            Message::From(None),
            Message::From(Some(Network::V4(7))),
            Message::From(Some(Network::V6(1 << 63))),
            Message::Refuse(Refused::TooManyConnections { limit: 1 }),
            Message::Refuse(Refused::TooManyFromAddress { limit: 2 }),
            Message::Refuse(Refused::TooManyHandshakes { limit: usize::MAX }),
            Message::Refuse(Refused::NotVerified),
        ]
    }

    #[test]
    fn every_message_survives_the_channel() {
        for message in messages() {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn what_is_no_message_is_none() {
        assert_eq!(Message::decode(b""), None);
        assert_eq!(Message::decode(&[13]), None);
        assert_eq!(Message::decode(&[2, 0]), None);
        for message in &messages()[..4] {
            let bytes = message.encode();
            let without_refusal = bytes.len() - b"full\n".len();
            for len in 0..without_refusal {
                assert_eq!(Message::decode(&bytes[..len]), None, "{len} bytes");
            }
        }
    }

    #[test]
    fn a_long_refusal_is_cut_so_that_the_message_fits() {
        let limits = Limits {
            refusal: vec![b'x'; 1 << 20].into(),
            ..Limits::default()
        };
        let bytes = Message::Limits(limits).encode();
        assert!(bytes.len() <= MAX_MESSAGE_LEN, "{}", bytes.len());
        let Some(Message::Limits(limits)) = Message::decode(&bytes) else {
            panic!("no limits");
        };
        assert_eq!(limits.refusal.len(), MAX_REFUSAL_LEN);
    }
}
