//! The messages of the handshake, byte by byte.
//!
//! ```text
//! ┌──────┬─────────┬────────┬──────────────┐
//! │ kind │ version │ length │ body         │
//! │ 1    │ 1       │ 2, BE  │ length bytes │
//! └──────┴─────────┴────────┴──────────────┘
//! ```

use crate::error::AuthError;
use crate::key::MAX_KEY_ID_LEN;

pub(crate) const VERSION: u8 = 1;
pub(crate) const HEAD: usize = 4;
/// The length of nonces and of proofs.
pub(crate) const FIELD: usize = 32;

/// What a message says. No text and no TLS record begins with such a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// initiator: nonce, id of the key
    Hello = 0xa1,
    /// responder: nonce
    Challenge = 0xa2,
    /// initiator: proof
    Proof = 0xa3,
    /// responder: proof
    Welcome = 0xa4,
    /// responder: nothing
    Failure = 0xaf,
}

impl Kind {
    /// The shortest and the longest body.
    fn body(self) -> (usize, usize) {
        match self {
            Self::Hello => (FIELD, FIELD + MAX_KEY_ID_LEN),
            Self::Challenge | Self::Proof | Self::Welcome => (FIELD, FIELD),
            Self::Failure => (0, 0),
        }
    }
}

pub(crate) fn encode(kind: Kind, body: &[&[u8]]) -> Vec<u8> {
    let mut message = vec![kind as u8, VERSION, 0, 0];
    for field in body {
        message.extend_from_slice(field);
    }
    let len = u16::try_from(message.len() - HEAD).expect("ids were checked to be short");
    message[2..HEAD].copy_from_slice(&len.to_be_bytes());
    message
}

/// A message that arrives.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// The messages that may come now: the one that should, and perhaps a failure.
    expected: Kind,
    or_failure: bool,
    bytes: [u8; MAX_MESSAGE],
    received: usize,
}

/// The longest message, a hello with the longest id, is below this.
const MAX_MESSAGE: usize = 256;

impl Inbox {
    pub(crate) fn new(expected: Kind, or_failure: bool) -> Self {
        Self {
            expected,
            or_failure,
            bytes: [0; MAX_MESSAGE],
            received: 0,
        }
    }

    /// How many bytes are missing, at least: none if the message is complete.
    pub(crate) fn missing(&self) -> usize {
        self.len() - self.received
    }

    /// The length of the message, as far as is known.
    pub(crate) fn len(&self) -> usize {
        match self.body_len() {
            Some(len) => HEAD + len,
            None => HEAD + self.expected.body().0,
        }
    }

    pub(crate) fn received(&self) -> usize {
        self.received
    }

    /// Takes what belongs to the message, and says how much that was.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> Result<usize, AuthError> {
        let mut taken = self.take(bytes, HEAD);
        self.check_head()?;
        if let Some(len) = self.body_len() {
            taken += self.take(&bytes[taken..], HEAD + len);
        }
        Ok(taken)
    }

    /// The kind and body of a message that is complete.
    pub(crate) fn message(&self) -> (Kind, &[u8]) {
        (self.kind(), &self.whole()[HEAD..])
    }

    /// All bytes of a message that is complete.
    pub(crate) fn whole(&self) -> &[u8] {
        &self.bytes[..self.received]
    }

    fn take(&mut self, bytes: &[u8], end: usize) -> usize {
        let taken = end.saturating_sub(self.received).min(bytes.len());
        self.bytes[self.received..][..taken].copy_from_slice(&bytes[..taken]);
        self.received += taken;
        taken
    }

    fn kind(&self) -> Kind {
        match self.or_failure && self.bytes[0] == Kind::Failure as u8 {
            true => Kind::Failure,
            false => self.expected,
        }
    }

    fn body_len(&self) -> Option<usize> {
        (self.received >= HEAD).then(|| self.announced())
    }

    fn announced(&self) -> usize {
        usize::from(u16::from_be_bytes([self.bytes[2], self.bytes[3]]))
    }

    /// Refuses a head as soon as it can't become a good one.
    fn check_head(&self) -> Result<(), AuthError> {
        let kind = self.kind();
        let [found, theirs, ..] = self.bytes;
        if self.received >= 1 && found != kind as u8 {
            let expected = kind as u8;
            return Err(AuthError::UnexpectedMessage { expected, found });
        }
        if self.received >= 2 && theirs != VERSION {
            let ours = VERSION;
            return Err(AuthError::OtherVersion { ours, theirs });
        }
        let (min, max) = kind.body();
        let announced = self.announced();
        if self.received >= HEAD && !(min..=max).contains(&announced) {
            return Err(AuthError::WrongLength {
                announced,
                min,
                max,
            });
        }
        Ok(())
    }
}
