use std::error::Error as StdError;
use std::fmt;

use crate::MAX_DESCRIPTORS;
use crate::handover::{MAX_NAME_LEN, Refusal, VERSION};

/// One packet of the protocol; the [module](crate::handover) says who sends which, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message {
    /// The new process asks for the sockets.
    Hello,
    /// The old one sends them, under these names and in this order.
    Offer(Vec<String>),
    /// The new process serves.
    Ready,
    /// The old one serves no more.
    Done,
    /// The new process gives up.
    Abort,
    /// The old one gives nothing, or no longer.
    Refused(Refusal),
}

/// Why some bytes are no [`Message`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// They do not begin as every message does.
    Foreign,
    /// The sender speaks another version.
    OtherVersion {
        /// The version of this crate.
        ours: u8,
        /// The version in the message.
        theirs: u8,
    },
    /// There is no message of this type.
    UnknownType(u8),
    /// The message is too short, or too long, for what is in it.
    WrongLength {
        /// Its length in bytes.
        len: usize,
    },
    /// There are too many names, or none.
    WrongCount {
        /// How many.
        count: u8,
    },
    /// A name is empty, too long, not UTF-8, or there twice.
    WrongName {
        /// Where in the list, from 0.
        index: usize,
    },
    /// There is no such reason to refuse.
    UnknownReason(u8),
}

impl Message {
    /// Reads a message; it fills the packet.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], on the first byte that can't be.
    ///
    /// # Examples
    ///
    /// ```
    /// use fd_passing::handover::{DecodeError, Message};
    ///
    /// assert_eq!(Message::decode(b"hand\x01h"), Ok(Message::Hello));
    /// assert_eq!(Message::decode(b"GET / HTTP/1.1"), Err(DecodeError::Foreign));
    /// ```
    pub fn decode(packet: &[u8]) -> Result<Self, DecodeError> {
        let rest = packet.strip_prefix(MAGIC).ok_or(DecodeError::Foreign)?;
        let &[version, kind, ref body @ ..] = rest else {
            return Err(DecodeError::WrongLength { len: packet.len() });
        };
        // A refusal is the same in all versions, so that it can say that the version is wrong.
        if version != VERSION && kind != REFUSED {
            return Err(DecodeError::OtherVersion {
                ours: VERSION,
                theirs: version,
            });
        }
        match (kind, body) {
            (HELLO, []) => Ok(Self::Hello),
            (READY, []) => Ok(Self::Ready),
            (DONE, []) => Ok(Self::Done),
            (ABORT, []) => Ok(Self::Abort),
            (REFUSED, &[reason]) => match Refusal::from_byte(reason, version) {
                Some(refusal) => Ok(Self::Refused(refusal)),
                None => Err(DecodeError::UnknownReason(reason)),
            },
            (OFFER, &[count, ref names @ ..]) => {
                decode_names(count, names, packet.len()).map(Self::Offer)
            }
            (HELLO | READY | DONE | ABORT | REFUSED | OFFER, _) => {
                Err(DecodeError::WrongLength { len: packet.len() })
            }
            (unknown, _) => Err(DecodeError::UnknownType(unknown)),
        }
    }

    /// Returns the bytes.
    ///
    /// # Errors
    ///
    /// [`DecodeError::WrongCount`], [`DecodeError::WrongName`] for a list of names that can't be offered.
    pub fn encode(&self) -> Result<Vec<u8>, DecodeError> {
        let mut packet = [MAGIC, &[VERSION]].concat();
        match self {
            Self::Hello => packet.push(HELLO),
            Self::Ready => packet.push(READY),
            Self::Done => packet.push(DONE),
            Self::Abort => packet.push(ABORT),
            Self::Refused(refusal) => {
                if let Refusal::Version { theirs } = refusal {
                    packet[MAGIC.len()] = *theirs;
                }
                packet.extend([REFUSED, refusal.to_byte()]);
            }
            Self::Offer(names) => {
                let count = u8::try_from(names.len()).unwrap_or(u8::MAX);
                check_count(count)?;
                packet.extend([OFFER, count]);
                for (index, name) in names.iter().enumerate() {
                    check_name(name, &names[..index])?;
                    packet.push(name.len() as u8);
                    packet.extend(name.as_bytes());
                }
            }
        }
        Ok(packet)
    }
}

fn decode_names(count: u8, mut bytes: &[u8], len: usize) -> Result<Vec<String>, DecodeError> {
    check_count(count)?;
    let mut names = Vec::new();
    for index in 0..usize::from(count) {
        let (&name_len, rest) = bytes
            .split_first()
            .ok_or(DecodeError::WrongLength { len })?;
        let (name, rest) = rest
            .split_at_checked(name_len.into())
            .ok_or(DecodeError::WrongLength { len })?;
        let name = std::str::from_utf8(name).map_err(|_| DecodeError::WrongName { index })?;
        check_name(name, &names)?;
        names.push(name.to_owned());
        bytes = rest;
    }
    match bytes {
        [] => Ok(names),
        _ => Err(DecodeError::WrongLength { len }),
    }
}

fn check_count(count: u8) -> Result<(), DecodeError> {
    match usize::from(count) {
        1..=MAX_DESCRIPTORS => Ok(()),
        _ => Err(DecodeError::WrongCount { count }),
    }
}

fn check_name(name: &str, before: &[String]) -> Result<(), DecodeError> {
    let is_wrong = name.is_empty() || name.len() > MAX_NAME_LEN || before.iter().any(|b| b == name);
    match is_wrong {
        true => Err(DecodeError::WrongName {
            index: before.len(),
        }),
        false => Ok(()),
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("this is no message of the handover"),
            Self::OtherVersion { ours, theirs } => {
                write!(
                    f,
                    "the other process speaks version {theirs}, this one {ours}"
                )
            }
            Self::UnknownType(found) => write!(f, "there is no message of type {found:#04x}"),
            Self::WrongLength { len } => write!(f, "a message of {len} bytes can't be"),
            Self::WrongCount { count } => {
                write!(f, "{count} names, there must be 1 to {MAX_DESCRIPTORS}")
            }
            Self::WrongName { index } => write!(
                f,
                "name {index} is empty, longer than {MAX_NAME_LEN} bytes, not UTF-8, or there twice"
            ),
            Self::UnknownReason(reason) => write!(f, "refused for the unknown reason {reason}"),
        }
    }
}

impl StdError for DecodeError {}

const MAGIC: &[u8] = b"hand";
const HELLO: u8 = b'h';
const OFFER: u8 = b'o';
const READY: u8 = b'r';
const DONE: u8 = b'd';
const ABORT: u8 = b'a';
const REFUSED: u8 = b'n';

/// The longest is an offer with as many names as can be.
pub(super) const MAX_MESSAGE_LEN: usize = MAGIC.len() + 3 + MAX_DESCRIPTORS * (1 + MAX_NAME_LEN);
