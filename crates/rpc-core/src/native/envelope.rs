use super::fields::text;
use super::{Keywords, Metadata};
use crate::fault::{Fault, Kind};
use crate::{Error, Reason, Violation};

/// The version of the protocol that is written here, and the only one that is read.
pub const VERSION: u8 = 1;

/// One message, as it lies in a frame. Names, metadata and bodies are parts of the frame's bytes.
///
/// The table of bytes is on [the module's page](super). Every field is checked when a message is read: a
/// value of this type that came from [`parse`](Self::parse) holds nothing that the protocol does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope<'a> {
    /// The first message of each end.
    Hello(Hello),
    /// A call that is to be answered.
    Call(Call<'a>),
    /// A call that is not; its id is 0.
    OneWay(Call<'a>),
    /// The result of a call.
    Answer {
        /// The call's id.
        id: u32,
        /// The encoded result.
        body: &'a [u8],
    },
    /// A call failed.
    Fault(FaultMessage<'a>),
    /// The caller no longer waits.
    Cancel {
        /// The call's id.
        id: u32,
    },
    /// Is to be answered by a pong.
    Ping {
        /// Comes back in the pong.
        id: u32,
    },
    /// Answers a ping.
    Pong {
        /// As in the ping.
        id: u32,
    },
    /// No more calls are taken.
    Goodbye {
        /// The id of the last call that was taken, or 0 if none was. Those after it were not run.
        last: u32,
        /// Why.
        reason: Reason,
    },
    /// Whether the sender reads all the time has changed since its hello.
    Attended(bool),
}

/// What an end says of itself at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The codec of arguments and results, see [`Codec::id`](crate::Codec::id).
    pub codec: u8,
    /// Whether it reads all the time, and so answers a ping.
    pub attended: bool,
    /// The longest frame that it takes, in bytes without the prefix.
    pub max_frame_len: u32,
    /// How many calls it takes at a time.
    pub max_in_flight: u32,
    /// The fingerprint of its registry.
    pub fingerprint: u64,
}

/// A call as it lies in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The caller's number for it; 0 for a one-way call.
    pub id: u32,
    /// How long the caller waits, in milliseconds; 0 is for ever.
    pub timeout: u32,
    /// The function's name.
    pub method: &'a str,
    /// How many of the values are positional arguments; those of `keywords` follow them.
    pub positional: u8,
    /// The names of the keyword arguments.
    pub keywords: Keywords<'a>,
    /// What the caller sends beside the arguments.
    pub metadata: Metadata<'a>,
    /// The encoded arguments.
    pub body: &'a [u8],
}

/// A fault as it lies in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultMessage<'a> {
    /// The id of the call that failed.
    pub id: u32,
    /// What kind of fault, by the table on [the module's page](super).
    pub code: u8,
    /// The application's name for it; empty for other kinds.
    pub name: &'a str,
    /// What went wrong, for a person.
    pub message: &'a str,
    /// An encoded [`Value`](crate::Value), or nothing.
    pub data: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads a frame's payload.
    ///
    /// # Errors
    ///
    /// [`Error::Version`] if its first byte is another version's, else [`Error::Protocol`].
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, Error> {
        let Some((&[version, kind, positional, keywords, a, b, c, d], rest)) =
            frame.split_first_chunk::<HEAD>()
        else {
            return Err(short_head(frame));
        };
        if version != VERSION {
            return Err(Error::Version {
                ours: VERSION,
                theirs: version,
            });
        }
        let id = u32::from_be_bytes([a, b, c, d]);
        if kind == CALL || kind == ONE_WAY {
            let call = Call::parse(id, positional, keywords, rest)?;
            return Ok(match kind {
                CALL if id == 0 => return Err(Violation::ZeroId.into()),
                CALL => Self::Call(call),
                _ if id != 0 => return Err(Violation::Field { at: 4 }.into()),
                _ => Self::OneWay(call),
            });
        }
        if kind == ANSWER {
            if positional != 0 || keywords != 0 {
                return Err(Violation::Field { at: 2 }.into());
            }
            return Ok(Self::Answer { id, body: rest });
        }
        Ok(Self::parse_rare(
            kind,
            [positional, keywords],
            id,
            frame,
            rest,
        )?)
    }

    /// Appends the frame of this message, length included, to `out`.
    ///
    /// ```
    /// use rpc_core::native::Envelope;
    ///
    /// let mut out = Vec::new();
    /// Envelope::Cancel { id: 7 }.write(&mut out);
    /// assert_eq!(out, [0, 0, 0, 8, 1, 6, 0, 0, 0, 0, 0, 7]);
    /// assert_eq!(Envelope::parse(&out[4..])?, Envelope::Cancel { id: 7 });
    /// # Ok::<(), rpc_core::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If a name has more than 255 bytes, or the frame more than `u32::MAX`. What was parsed hasn't.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = match *self {
            Self::Hello(hello) => {
                let start = begin(out, HELLO, MAGIC);
                out.push(hello.codec);
                out.push(u8::from(hello.attended));
                out.extend_from_slice(&[0; 2]);
                out.extend_from_slice(&hello.max_frame_len.to_be_bytes());
                out.extend_from_slice(&hello.max_in_flight.to_be_bytes());
                out.extend_from_slice(&hello.fingerprint.to_be_bytes());
                start
            }
            Self::Call(call) => call.write(CALL, out),
            Self::OneWay(call) => call.write(ONE_WAY, out),
            Self::Answer { id, body } => {
                let start = begin(out, ANSWER, id);
                out.extend_from_slice(body);
                start
            }
            Self::Fault(fault) => fault.write(out),
            Self::Cancel { id } => begin(out, CANCEL, id),
            Self::Ping { id } => begin(out, PING, id),
            Self::Pong { id } => begin(out, PONG, id),
            Self::Goodbye { last, reason } => {
                let start = begin(out, GOODBYE, last);
                let (code, first, second) = reason.to_wire();
                out.push(code);
                out.extend_from_slice(&first.to_be_bytes());
                out.extend_from_slice(&second.to_be_bytes());
                start
            }
            Self::Attended(attended) => {
                let start = begin(out, ATTENDED, 0);
                out.push(u8::from(attended));
                start
            }
        };
        finish(out, start);
    }

    fn parse_rare(
        kind: u8,
        counts: [u8; 2],
        id: u32,
        frame: &'a [u8],
        rest: &'a [u8],
    ) -> Result<Self, Violation> {
        if counts != [0; 2] {
            return Err(Violation::Field { at: 2 });
        }
        let exactly = |len: usize| match rest.len() {
            here if here == len => Ok(()),
            _ => Err(Violation::Length {
                kind,
                expected: HEAD + len,
                found: frame.len(),
            }),
        };
        match kind {
            HELLO => {
                exactly(20)?;
                Hello::parse(id, rest).map(Self::Hello)
            }
            FAULT => FaultMessage::parse(id, rest).map(Self::Fault),
            CANCEL => exactly(0).map(|()| Self::Cancel { id }),
            PING => exactly(0).map(|()| Self::Ping { id }),
            PONG => exactly(0).map(|()| Self::Pong { id }),
            GOODBYE => {
                exactly(17)?;
                let reason = Reason::from_wire(rest[0], u64_at(rest, 1), u64_at(rest, 9))
                    .ok_or(Violation::Field { at: 8 })?;
                Ok(Self::Goodbye { last: id, reason })
            }
            ATTENDED => {
                exactly(1)?;
                match rest[0] {
                    _ if id != 0 => Err(Violation::Field { at: 4 }),
                    flag @ 0..=1 => Ok(Self::Attended(flag == 1)),
                    _ => Err(Violation::Field { at: 8 }),
                }
            }
            _ => Err(Violation::UnknownKind { kind }),
        }
    }
}

impl Hello {
    fn parse(magic: u32, rest: &[u8]) -> Result<Self, Violation> {
        if magic != MAGIC {
            return Err(Violation::Field { at: 4 });
        }
        if rest[1] > 1 {
            return Err(Violation::Field { at: 9 });
        }
        if rest[2..4] != [0; 2] {
            return Err(Violation::Field { at: 10 });
        }
        let max_frame_len = u32_at(rest, 4);
        if max_frame_len < MIN_FRAME_LEN {
            return Err(Violation::Field { at: 12 });
        }
        Ok(Self {
            codec: rest[0],
            attended: rest[1] == 1,
            max_frame_len,
            max_in_flight: u32_at(rest, 8),
            fingerprint: u64_at(rest, 12),
        })
    }
}

impl<'a> Call<'a> {
    #[inline]
    fn parse(id: u32, positional: u8, keywords: u8, rest: &'a [u8]) -> Result<Self, Violation> {
        let Some((&[a, b, c, d, method_len, zero, m, n], rest)) = rest.split_first_chunk::<HEAD>()
        else {
            return Err(Violation::Length {
                kind: CALL,
                expected: 2 * HEAD,
                found: HEAD + rest.len(),
            });
        };
        if zero != 0 {
            return Err(Violation::Field { at: 13 });
        }
        let (method, rest) = text(rest, usize::from(method_len))?;
        let (keywords, rest) = match keywords {
            0 => (Keywords::default(), rest),
            count => Keywords::parse(count, rest)?,
        };
        let (metadata, body) = match u16::from_be_bytes([m, n]) {
            0 => (Metadata::default(), rest),
            len => Metadata::parse(usize::from(len), rest)?,
        };
        Ok(Self {
            id,
            timeout: u32::from_be_bytes([a, b, c, d]),
            method,
            positional,
            keywords,
            metadata,
            body,
        })
    }

    fn write(&self, kind: u8, out: &mut Vec<u8>) -> usize {
        let start = begin_call(out, kind, self.id, self.timeout, self.method);
        set_counts(out, start, self.positional, self.keywords.count);
        set_metadata_len(out, start, self.metadata.bytes.len());
        out.extend_from_slice(self.keywords.bytes);
        out.extend_from_slice(self.metadata.bytes);
        out.extend_from_slice(self.body);
        start
    }
}

impl<'a> FaultMessage<'a> {
    fn parse(id: u32, rest: &'a [u8]) -> Result<Self, Violation> {
        let Some((&[code, name_len, z, y, a, b, c, d], rest)) = rest.split_first_chunk::<HEAD>()
        else {
            return Err(Violation::Length {
                kind: FAULT,
                expected: 2 * HEAD,
                found: HEAD + rest.len(),
            });
        };
        if !(1..=UNENCODABLE).contains(&code) {
            return Err(Violation::Field { at: 8 });
        }
        if code != APPLICATION && name_len != 0 {
            return Err(Violation::Field { at: 9 });
        }
        if [z, y] != [0; 2] {
            return Err(Violation::Field { at: 10 });
        }
        let (name, rest) = text(rest, usize::from(name_len))?;
        let (message, data) = text(rest, u32::from_be_bytes([a, b, c, d]) as usize)?;
        Ok(Self {
            id,
            code,
            name,
            message,
            data,
        })
    }

    /// Begins a frame that [`finish`] ends.
    pub(crate) fn write(&self, out: &mut Vec<u8>) -> usize {
        let start = begin(out, FAULT, self.id);
        out.push(self.code);
        out.push(short(self.name));
        out.extend_from_slice(&[0; 2]);
        let len = u32::try_from(self.message.len()).expect("a message fits its frame");
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(self.message.as_bytes());
        out.extend_from_slice(self.data);
        start
    }

    /// The fault for the answer to call `id`, without its data. A name that is too long is cut.
    pub(crate) fn new(id: u32, fault: &'a Fault) -> Self {
        let (code, name) = match &fault.kind {
            Kind::UnknownFunction => (1, ""),
            Kind::WrongArguments => (2, ""),
            Kind::Application(name) => (APPLICATION, cut(name, 255)),
            Kind::Panicked => (4, ""),
            Kind::DeadlineExceeded => (5, ""),
            Kind::Cancelled => (6, ""),
            Kind::Overloaded => (7, ""),
            Kind::ShuttingDown => (8, ""),
            Kind::TooLarge => (TOO_LARGE, ""),
            Kind::Unencodable => (UNENCODABLE, ""),
        };
        Self {
            id,
            code,
            name,
            message: &fault.message,
            data: &[],
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.code {
            1 => Kind::UnknownFunction,
            2 => Kind::WrongArguments,
            4 => Kind::Panicked,
            5 => Kind::DeadlineExceeded,
            6 => Kind::Cancelled,
            7 => Kind::Overloaded,
            8 => Kind::ShuttingDown,
            TOO_LARGE => Kind::TooLarge,
            UNENCODABLE => Kind::Unencodable,
            _ => Kind::Application(self.name.to_owned()),
        }
    }
}

/// Begins a frame and returns where; [`finish`] writes its length there.
#[inline]
pub(crate) fn begin(out: &mut Vec<u8>, kind: u8, id: u32) -> usize {
    let start = out.len();
    let [a, b, c, d] = id.to_be_bytes();
    out.extend_from_slice(&[0, 0, 0, 0, VERSION, kind, 0, 0, a, b, c, d]);
    start
}

/// As [`begin`], with what every call has. Counts and the length of metadata are zero.
///
/// # Panics
///
/// If the method has more than 255 bytes.
#[inline]
pub(crate) fn begin_call(
    out: &mut Vec<u8>,
    kind: u8,
    id: u32,
    timeout: u32,
    method: &str,
) -> usize {
    let start = out.len();
    let [a, b, c, d] = id.to_be_bytes();
    let [w, x, y, z] = timeout.to_be_bytes();
    let len = short(method);
    out.extend_from_slice(&[
        0, 0, 0, 0, VERSION, kind, 0, 0, a, b, c, d, w, x, y, z, len, 0, 0, 0,
    ]);
    out.extend_from_slice(method.as_bytes());
    start
}

/// Tells the call that begins at `start` how many arguments it has.
#[inline]
pub(crate) fn set_counts(out: &mut [u8], start: usize, positional: u8, keywords: u8) {
    out[start + PREFIX + 2] = positional;
    out[start + PREFIX + 3] = keywords;
}

/// Tells the call that begins at `start` how long its metadata is: at most [`MAX_METADATA_LEN`].
pub(crate) fn set_metadata_len(out: &mut [u8], start: usize, len: usize) {
    let [high, low] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    out[start + PREFIX + 14] = high;
    out[start + PREFIX + 15] = low;
}

/// Ends the frame that begins at `start`.
///
/// # Panics
///
/// If it is longer than `u32::MAX`.
#[inline]
pub(crate) fn finish(out: &mut [u8], start: usize) {
    let len = u32::try_from(out.len() - start - PREFIX).expect("frames are shorter than 4 GiB");
    out[start..start + PREFIX].copy_from_slice(&len.to_be_bytes());
}

/// How many bytes of payload the frame that begins at `start` has.
#[inline]
pub(crate) fn payload_len(out: &[u8], start: usize) -> usize {
    out.len() - start - PREFIX
}

/// As much of `text` as has at most `max` bytes.
pub(crate) fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn short(text: &str) -> u8 {
    u8::try_from(text.len()).expect("names have at most 255 bytes")
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// A frame that has no head; the version counts first, if it is there.
#[cold]
fn short_head(frame: &[u8]) -> Error {
    match frame.first() {
        Some(&theirs) if theirs != VERSION => Error::Version {
            ours: VERSION,
            theirs,
        },
        _ => Violation::Length {
            kind: frame.get(1).copied().unwrap_or(0),
            expected: HEAD,
            found: frame.len(),
        }
        .into(),
    }
}

/// The bytes of the length in front of every frame.
const PREFIX: usize = 4;
/// The bytes that every message begins with.
const HEAD: usize = 8;
/// In place of an id, in every hello: `nbrp`.
const MAGIC: u32 = 0x6e62_7270;
/// Every end takes frames of this length, so that faults and goodbyes can be sent.
pub(crate) const MIN_FRAME_LEN: u32 = 1024;

const HELLO: u8 = 1;
pub(crate) const CALL: u8 = 2;
pub(crate) const ONE_WAY: u8 = 3;
pub(crate) const ANSWER: u8 = 4;
const FAULT: u8 = 5;
const CANCEL: u8 = 6;
const PING: u8 = 7;
const PONG: u8 = 8;
const GOODBYE: u8 = 9;
const ATTENDED: u8 = 10;

const APPLICATION: u8 = 3;
const TOO_LARGE: u8 = 9;
const UNENCODABLE: u8 = 10;
