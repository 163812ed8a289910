//! The header by which a proxy says for whom it speaks.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::net::SocketAddr;

use ppp::v2::{Command, Protocol};
use ppp::{v1, v2};

/// Reads a PROXY protocol header, version 1 or 2, and not a byte beyond it.
///
/// ```text
/// version 1   PROXY TCP4 192.0.2.1 198.51.100.7 51234 443\r\n
/// version 2   0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A | version, command | family | length | addresses, TLVs
/// ```
///
/// Version 1 does not say how long it is, so bytes are taken as many at a time as certainly still
/// belong to the header: [`missing`](Self::missing) says how many.
#[derive(Debug, Default)]
pub(crate) struct HeaderReader {
    bytes: Vec<u8>,
}

/// Whom a proxy speaks for: a client by its address; `None` for itself, or for somebody who has no IP
/// address.
pub(crate) type Route = Option<SocketAddr>;

/// Reads a header and nothing after it.
///
/// # Errors
///
/// What `stream` says, `UnexpectedEof` if it ends inside the header, and `InvalidData` with a
/// [`HeaderError`] if it is no valid one.
pub(crate) fn read_header(mut stream: impl Read) -> io::Result<Route> {
    let mut reader = HeaderReader::default();
    let mut buffer = [0; MAX_V2_LEN];
    loop {
        let wanted = &mut buffer[..reader.missing()];
        let count = stream.read(wanted)?;
        if let Some(route) = reader.receive(&wanted[..count])? {
            return Ok(route);
        }
    }
}

/// The longest header of version 1, as its specification says.
const MAX_V1_LEN: usize = 107;
/// The shortest: `PROXY UNKNOWN\r\n`.
const MIN_V1_LEN: usize = 15;
/// What version 2 has before the addresses: signature, command, family, length.
const V2_START_LEN: usize = 16;
/// The most bytes of addresses and TLVs: what fits any TCP segment, as the specification recommends.
const MAX_V2_LEN: usize = 536;
const V1_START: &[u8] = b"PROXY ";

impl HeaderReader {
    /// Takes bytes, at most [`missing`](Self::missing) ones, and says whom the connection is from
    /// when the header is complete. No bytes: the stream has ended.
    ///
    /// # Errors
    ///
    /// As soon as it is certain that this is no valid header.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<Option<Route>, HeaderError> {
        debug_assert!(bytes.len() <= self.missing(), "bytes beyond the header");
        if bytes.is_empty() {
            let received = self.bytes.len();
            return Err(HeaderError::Ended { received });
        }
        self.bytes.extend_from_slice(bytes);
        if self.may_start_with(v2::PROTOCOL_PREFIX) {
            self.parse_v2()
        } else if self.may_start_with(V1_START) {
            self.parse_v1()
        } else {
            Err(HeaderError::Missing {
                start: self.bytes.clone(),
            })
        }
    }

    /// How many bytes are certainly still to come, at least: not 0 until the header is complete.
    pub(crate) fn missing(&self) -> usize {
        let len = self.bytes.len();
        let whole = if self.bytes.starts_with(v2::PROTOCOL_PREFIX) {
            self.v2_len().unwrap_or(V2_START_LEN)
        } else if len < MIN_V1_LEN {
            MIN_V1_LEN
        } else {
            (len + missing_v1(&self.bytes)).min(MAX_V1_LEN)
        };
        whole - len
    }

    fn may_start_with(&self, start: &[u8]) -> bool {
        let len = start.len().min(self.bytes.len());
        self.bytes[..len] == start[..len]
    }

    fn v2_len(&self) -> Option<usize> {
        let start = self.bytes.get(..V2_START_LEN)?;
        Some(V2_START_LEN + usize::from(u16::from_be_bytes([start[14], start[15]])))
    }

    fn parse_v2(&self) -> Result<Option<Route>, HeaderError> {
        let Some(len) = self.v2_len() else {
            return Ok(None);
        };
        if len > V2_START_LEN + MAX_V2_LEN {
            return Err(HeaderError::TooLong {
                version: 2,
                len,
                max_len: V2_START_LEN + MAX_V2_LEN,
            });
        }
        let invalid = |why| self.invalid(2, why);
        let header = match v2::Header::try_from(&self.bytes[..]) {
            Ok(header) => header,
            Err(v2::ParseError::Partial(..)) => return Ok(None),
            Err(why) => return Err(invalid(why.into())),
        };
        for tlv in header.tlvs() {
            tlv.map_err(|why| invalid(why.into()))?;
        }
        Ok(Some(match (header.command, header.protocol) {
            (Command::Proxy, Protocol::Stream) => match header.addresses {
                v2::Addresses::IPv4(ip) => Some((ip.source_address, ip.source_port).into()),
                v2::Addresses::IPv6(ip) => Some((ip.source_address, ip.source_port).into()),
                v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
            },
            _ => None,
        }))
    }

    fn parse_v1(&self) -> Result<Option<Route>, HeaderError> {
        let len = self.bytes.len();
        let end = self.bytes.iter().position(|&byte| byte == b'\r');
        let is_complete = end.is_some_and(|end| len >= end + 2);
        if !is_complete {
            return if len < MAX_V1_LEN {
                Ok(None)
            } else {
                Err(HeaderError::TooLong {
                    version: 1,
                    len,
                    max_len: MAX_V1_LEN,
                })
            };
        }
        let header = v1::Header::try_from(&self.bytes[..]);
        let header = header.map_err(|why| self.invalid(1, why.into()))?;
        Ok(Some(match header.addresses {
            v1::Addresses::Tcp4(ip) => Some((ip.source_address, ip.source_port).into()),
            v1::Addresses::Tcp6(ip) => Some((ip.source_address, ip.source_port).into()),
            v1::Addresses::Unknown => None,
        }))
    }

    fn invalid(&self, version: u8, why: Box<dyn Error + Send + Sync>) -> HeaderError {
        HeaderError::Invalid {
            version,
            header: self.bytes.clone(),
            why,
        }
    }
}

/// How many bytes a line that has no end yet is certainly short of.
///
/// A line of TCP has five blanks and ends with CR LF, and its fields are no shorter than `0.0.0.0` or
/// `::`, `0`. So a header takes a few reads, not one for each byte.
fn missing_v1(line: &[u8]) -> usize {
    let min_address_len = match line.get(V1_START.len()..V1_START.len() + 5) {
        _ if line.ends_with(b"\r") => return 1,
        Some(b"TCP4 ") => "0.0.0.0".len(),
        Some(b"TCP6 ") => "::".len(),
        _ => return 2,
    };
    let min_lens = [5, 4, min_address_len, min_address_len, 1, 1];
    let mut fields = line.split(|&byte| byte == b' ');
    let still = min_lens.into_iter().map(|min_len| match fields.next() {
        Some(field) => (min_len, field.len()),
        None => (min_len + " ".len(), 0),
    });
    still
        .map(|(min_len, len)| usize::saturating_sub(min_len, len))
        .sum::<usize>()
        + "\r\n".len()
}

/// Why the start of a connection is no PROXY protocol header.
#[derive(Debug)]
pub(crate) enum HeaderError {
    /// Something else came.
    Missing { start: Vec<u8> },
    /// The connection ended first.
    Ended { received: usize },
    /// It is longer than any should be.
    TooLong {
        version: u8,
        len: usize,
        max_len: usize,
    },
    /// It looks like one, but has a mistake.
    Invalid {
        version: u8,
        header: Vec<u8>,
        why: Box<dyn Error + Send + Sync>,
    },
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { start } => write!(
                f,
                "a proxy's address must send a PROXY protocol header, but sent \"{}\"",
                start.escape_ascii()
            ),
            Self::Ended { received } => write!(
                f,
                "the connection ended after {received} bytes of a PROXY protocol header"
            ),
            Self::TooLong {
                version,
                len,
                max_len,
            } => write!(
                f,
                "a PROXY protocol header of version {version} has {len} bytes or more, \
                 at most {max_len} are allowed"
            ),
            Self::Invalid {
                version,
                header,
                why,
            } => write!(
                f,
                "an invalid PROXY protocol header of version {version}, {} bytes, \"{}\": {why}",
                header.len(),
                header.escape_ascii()
            ),
        }
    }
}

impl Error for HeaderError {}

impl From<HeaderError> for io::Error {
    fn from(error: HeaderError) -> Self {
        let kind = match error {
            HeaderError::Ended { .. } => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const V4: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 51234 443\r\n";
    const SHORTEST: &[u8] = b"PROXY TCP6 :: :: 0 0\r\n";
    const UNKNOWN: &[u8] = b"PROXY UNKNOWN 1 2 3 4\r\n";

    fn client(client: &str) -> Route {
        Some(client.parse().unwrap())
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &len, rest].concat()
    }

    /// Reads a header at the start of `stream`, at most `step` bytes at a time; says how many it took
    /// in how many reads.
    fn read(stream: &[u8], step: usize) -> (Result<Route, HeaderError>, usize, usize) {
        let (mut reader, mut taken) = (HeaderReader::default(), 0);
        for reads in 1.. {
            let rest = &stream[taken..];
            let count = reader.missing().min(step).min(rest.len());
            taken += count;
            match reader.receive(&rest[..count]).transpose() {
                Some(outcome) => return (outcome, taken, reads),
                None => assert!(reader.missing() > 0),
            }
        }
        unreachable!()
    }

    #[test]
    fn headers_are_read_to_the_byte() {
        let ip4 = [192, 0, 2, 1, 198, 51, 100, 7, 0xC8, 0x22, 1, 0xBB];
        let ip6: Vec<u8> = (0..36).collect();
        let tlv = [&ip4[..], &[4, 0, 1, 42]].concat();
        let from_v4 = client("192.0.2.1:51234");
        let from_v6 = client("[1:203:405:607:809:a0b:c0d:e0f]:8225");
        for (header, route) in [
            (V4.to_vec(), from_v4),
            (SHORTEST.to_vec(), client("[::]:0")),
            (
                b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.7 51234 443\r\n".to_vec(),
                client("[::ffff:192.0.2.1]:51234"),
            ),
            (UNKNOWN.to_vec(), None),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (v2(0x21, 0x11, &ip4), from_v4),
            (v2(0x21, 0x11, &tlv), from_v4),
            (v2(0x21, 0x21, &ip6), from_v6),
            (v2(0x21, 0x31, &[b'x'; 216]), None),
            (v2(0x21, 0x12, &ip4), None),
            (v2(0x21, 0x00, &[]), None),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x20, 0x11, &ip4), None),
            (v2(0x20, 0x00, &[0; MAX_V2_LEN]), None),
        ] {
            let stream = [&header[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
            for step in [usize::MAX, 1, 2, 7] {
                let (outcome, taken, _) = read(&stream, step);
                assert_eq!(outcome.unwrap(), route, "{}", header.escape_ascii());
                assert_eq!(taken, header.len(), "{}", header.escape_ascii());
            }
        }
        assert!(read(V4, usize::MAX).2 < 10, "not a read for each byte");
        assert_eq!(read_header(V4).unwrap(), from_v4);
    }

    #[test]
    fn mistakes_are_told_with_numbers() {
        let says = |stream: &[u8], what: &str| {
            let said = read(stream, usize::MAX).0.unwrap_err().to_string();
            assert!(said.contains(what), "{said}");
        };
        says(b"GET / HTTP/1.1\r\n", "but sent \"GET / HTTP/1.1\\r\"");
        says(b"", "after 0 bytes");
        says(&V4[..20], "after 20 bytes");
        says(&[V1_START, &[b'A'; 200]].concat(), "107 bytes or more");
        says(&v2(0x21, 0x11, &[0; 537]), "553 bytes or more, at most 552");
        says(&v2(0x31, 0x11, &[0; 12]), "version 2");
        says(
            &v2(0x21, 0x11, &[0; 11]),
            "11 bytes cannot store the 12 bytes",
        );
        says(&v2(0x21, 0x11, &[0; 14]), "2");
        says(b"PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n", "of version 1");
        says(b"PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n", "of version 1");
        says("PROXY TCP4 \u{e9}.2.3.4 1.2.3.4 1 1\r\n".as_bytes(), "1");
    }

    fn header() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            Just(V4.to_vec()),
            Just(SHORTEST.to_vec()),
            Just(UNKNOWN.to_vec()),
            (any::<[u8; 2]>(), prop::collection::vec(any::<u8>(), 0..600))
                .prop_map(|([command, family], rest)| v2(0x20 | command & 3, family & 0x33, &rest)),
            "PROXY (TCP4|TCP6|UNKNOWN)[ 0-9a-f.:\r\n\u{e9}]{0,120}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..64),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn hostile_headers_never_panic_and_end(
            mut stream in header(),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            step in 1_usize..40,
        ) {
            for (place, byte) in damage {
                if !stream.is_empty() {
                    let place = place.index(stream.len());
                    stream[place] = byte;
                }
            }
            let (outcome, taken, _) = read(&stream, usize::MAX);
            prop_assert!(taken <= V2_START_LEN + MAX_V2_LEN);
            let (in_steps, taken_in_steps, _) = read(&stream, step);
            prop_assert_eq!(outcome.is_ok(), in_steps.is_ok());
            if let (Ok(route), Ok(route_in_steps)) = (outcome, in_steps) {
                prop_assert_eq!(route, route_in_steps);
                prop_assert_eq!(taken, taken_in_steps);
            }
        }
    }
}
