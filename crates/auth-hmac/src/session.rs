use crate::error::SessionError;
use crate::schedule::{Role, Schedule, export};
use crate::secret::{MacKey, Secret};

/// What both ends have after a [`Handshake`](crate::Handshake): keys that only they know, and that no other
/// handshake has.
///
/// It seals messages, so that the peer notices when one was changed, lost, repeated, moved, or made by
/// somebody else. Sealing hides nothing: anybody on the way can read the messages. Where that matters, use
/// TLS below, and the [channel binding](crate::HandshakeOptions::channel_binding).
///
/// ```text
/// ┌───────────────┬──────┬───────────┬─────────┬──────────────────────────┐
/// │ length 4, BE  │ last │ number    │ payload │ tag: 32, over all before │
/// │ of payload    │ 1    │ 8, BE     │         │                          │
/// └───────────────┴──────┴───────────┴─────────┴──────────────────────────┘
/// ```
///
/// The two directions are apart, see [`into_halves`](Self::into_halves).
#[derive(Debug)]
pub struct Session {
    sealer: Sealer,
    opener: Opener,
    exporter: Secret<32>,
    key_id: Box<[u8]>,
}

impl Session {
    pub(crate) fn new(schedule: &Schedule, role: Role, key_id: &[u8], max_len: usize) -> Self {
        Self {
            sealer: Sealer {
                key: schedule.seal(role),
                number: Some(0),
                has_ended: false,
                max_len,
            },
            opener: Opener {
                key: schedule.seal(role.other()),
                number: Some(0),
                has_ended: false,
                failed: None,
                max_len,
            },
            exporter: schedule.exporter(),
            key_id: key_id.into(),
        }
    }

    /// Appends `payload` to `out` as a sealed message. As [`Sealer::seal`].
    ///
    /// # Errors
    ///
    /// As [`Sealer::seal`].
    pub fn seal(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SessionError> {
        self.sealer.seal(payload, out)
    }

    /// As [`seal`](Self::seal), and says that nothing follows. As [`Sealer::seal_last`].
    ///
    /// # Errors
    ///
    /// As [`Sealer::seal`].
    pub fn seal_last(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SessionError> {
        self.sealer.seal_last(payload, out)
    }

    /// Takes the peer's next message from the front of `input`. As [`Opener::open`].
    ///
    /// # Errors
    ///
    /// As [`Opener::open`].
    pub fn open<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Opened<'a>>, SessionError> {
        self.opener.open(input)
    }

    /// The stream has ended. As [`Opener::receive_eof`].
    ///
    /// # Errors
    ///
    /// As [`Opener::receive_eof`].
    pub fn receive_eof(&mut self, unread: &[u8]) -> Result<(), SessionError> {
        self.opener.receive_eof(unread)
    }

    /// A key for another use, the same at both ends, and another for every label, length and session. It says
    /// nothing about the keys of this session.
    ///
    /// At most 8160 bytes; more does not compile.
    #[must_use]
    pub fn export<const N: usize>(&self, label: &[u8]) -> [u8; N] {
        const { assert!(N <= 255 * 32, "HKDF-SHA256 gives no more") };
        let mut key = [0; N];
        export(&self.exporter, label, &mut key);
        key
    }

    /// The id of the key that both ends have shown to know. A responder sees by it who the peer is.
    #[must_use]
    pub fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// Parts the two directions, for two threads or tasks.
    #[must_use]
    pub fn into_halves(self) -> (Sealer, Opener) {
        (self.sealer, self.opener)
    }

    pub(crate) fn has_sealed_last(&self) -> bool {
        self.sealer.has_ended
    }

    pub(crate) fn opener_mut(&mut self) -> &mut Opener {
        &mut self.opener
    }
}

/// The direction of a [`Session`] from here to the peer.
#[derive(Debug)]
pub struct Sealer {
    key: MacKey,
    /// Of the next message; `None` after the last that there is.
    number: Option<u64>,
    has_ended: bool,
    max_len: usize,
}

impl Sealer {
    /// Appends `payload` to `out` as a sealed message, which is 45 bytes longer. The messages must reach the
    /// peer in this order. An error appends nothing, and is of this call alone.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooLong`], [`SessionError::Ended`] after a last message,
    /// [`SessionError::Exhausted`].
    pub fn seal(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SessionError> {
        self.append(payload, false, out)
    }

    /// As [`seal`](Self::seal), and says that nothing follows: by this the peer can tell the end of the
    /// conversation from a stream that somebody cut. The payload may be empty.
    ///
    /// # Errors
    ///
    /// As [`seal`](Self::seal).
    pub fn seal_last(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SessionError> {
        self.append(payload, true, out)
    }

    fn append(
        &mut self,
        payload: &[u8],
        is_last: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), SessionError> {
        let too_long = SessionError::TooLong {
            len: payload.len() as u64,
            max: self.max_len,
        };
        if payload.len() > self.max_len {
            return Err(too_long);
        }
        let len = u32::try_from(payload.len()).map_err(|_| too_long)?;
        if self.has_ended {
            return Err(SessionError::Ended);
        }
        let number = self.number.ok_or(SessionError::Exhausted)?;
        self.number = number.checked_add(1);
        self.has_ended = is_last;
        let head = Head {
            len,
            kind: u8::from(is_last),
            number,
        };
        let head = head.encode();
        out.extend_from_slice(&head);
        out.extend_from_slice(payload);
        out.extend_from_slice(self.key.tag([&head, payload]).bytes());
        Ok(())
    }
}

/// The direction of a [`Session`] from the peer to here.
#[derive(Debug)]
pub struct Opener {
    key: MacKey,
    /// Of the next message; `None` after the last that there is.
    number: Option<u64>,
    has_ended: bool,
    failed: Option<SessionError>,
    max_len: usize,
}

/// A message from the peer, as it was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened<'a> {
    /// What was sealed.
    pub payload: &'a [u8],
    /// Whether the peer says that nothing follows.
    pub is_last: bool,
}

impl Opener {
    /// Takes the peer's next message from the front of `input`, which is what came of the stream and was in no
    /// message yet. `None` means that the message is not complete: keep `input`, and come again with more.
    /// Nothing is copied. With messages of at most [`max_message_len`](crate::HandshakeOptions) bytes, there
    /// is never a reason to keep more than 45 bytes above that.
    ///
    /// ```
    /// # use auth_hmac::{Handshake, HandshakeOptions, Key, Keyring, Session};
    /// # fn sessions() -> Result<(Session, Session), Box<dyn std::error::Error>> {
    /// #     let (key, options) = (Key::new("", [7; 32])?, HandshakeOptions::default());
    /// #     let mut left = Handshake::initiator(&key, &options, [1; 32]);
    /// #     let mut right = Handshake::responder(&Keyring::from(key), &options, [2; 32]);
    /// #     let mut wire = Vec::new();
    /// #     for _ in 0..2 {
    /// #         left.poll_transmit(&mut wire);
    /// #         right.receive(&std::mem::take(&mut wire));
    /// #         right.poll_transmit(&mut wire);
    /// #         left.receive(&std::mem::take(&mut wire));
    /// #     }
    /// #     Ok((left.poll_event()?.unwrap(), right.poll_event()?.unwrap()))
    /// # }
    /// let (mut client, mut server) = sessions()?; // of a handshake
    /// let mut wire = Vec::new();
    /// client.seal(b"hello", &mut wire)?;
    /// client.seal_last(b"world", &mut wire)?;
    ///
    /// let mut input = &wire[..];
    /// while let Some(message) = server.open(&mut input)? {
    ///     println!("{} {}", message.payload.escape_ascii(), message.is_last);
    /// }
    /// assert!(input.is_empty());
    /// server.receive_eof(input)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Any but [`SessionError::Exhausted`] and [`SessionError::Truncated`]; it repeats, because nothing that
    /// comes after it can be trusted to be next.
    pub fn open<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Opened<'a>>, SessionError> {
        let Some((len, is_last)) = self.check(input)? else {
            return Ok(None);
        };
        let (message, rest) = input.split_at(HEAD + len + TAG);
        *input = rest;
        let payload = &message[HEAD..HEAD + len];
        Ok(Some(Opened { payload, is_last }))
    }

    /// The stream has ended, with `unread` left of it that is in no message.
    ///
    /// # Errors
    ///
    /// [`SessionError::Truncated`] unless the last message was the end of it; or the error that came before.
    pub fn receive_eof(&mut self, unread: &[u8]) -> Result<(), SessionError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.has_ended && unread.is_empty() => Ok(()),
            None => Err(self.fail(SessionError::Truncated {
                received: unread.len(),
            })),
        }
    }

    /// Whether the peer's last message was opened.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether there is a whole message at the front of `input`, and then the length of its payload, and
    /// whether it is the last. It counts as opened.
    pub(crate) fn check(&mut self, input: &[u8]) -> Result<Option<(usize, bool)>, SessionError> {
        match self.failed {
            Some(error) => Err(error),
            None => self.verify(input).map_err(|error| self.fail(error)),
        }
    }

    fn verify(&mut self, input: &[u8]) -> Result<Option<(usize, bool)>, SessionError> {
        if self.has_ended && !input.is_empty() {
            return Err(SessionError::Ended);
        }
        let Some((encoded, rest)) = input.split_first_chunk() else {
            return Ok(None);
        };
        let head = Head::decode(encoded);
        let len = usize::try_from(head.len).unwrap_or(usize::MAX);
        if len > self.max_len {
            return Err(SessionError::TooLong {
                len: u64::from(head.len),
                max: self.max_len,
            });
        }
        if head.kind > 1 {
            return Err(SessionError::UnknownKind { found: head.kind });
        }
        let Some((payload, rest)) = rest.split_at_checked(len) else {
            return Ok(None);
        };
        let Some((tag, _)) = rest.split_at_checked(TAG) else {
            return Ok(None);
        };
        if !self.key.tag([encoded, payload]).is(tag) {
            return Err(SessionError::WrongTag);
        }
        let expected = self.number.ok_or(SessionError::Exhausted)?;
        if head.number != expected {
            return Err(SessionError::OutOfOrder {
                expected,
                found: head.number,
            });
        }
        self.number = expected.checked_add(1);
        self.has_ended = head.kind == 1;
        Ok(Some((len, self.has_ended)))
    }

    fn fail(&mut self, error: SessionError) -> SessionError {
        self.failed = Some(error);
        error
    }
}

/// What stands before the payload of a sealed message.
struct Head {
    len: u32,
    kind: u8,
    number: u64,
}

pub(crate) const HEAD: usize = 13;
pub(crate) const TAG: usize = 32;

impl Head {
    fn encode(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&self.len.to_be_bytes());
        head[4] = self.kind;
        head[5..].copy_from_slice(&self.number.to_be_bytes());
        head
    }

    fn decode(head: &[u8; HEAD]) -> Self {
        let &[a, b, c, d, kind, ref number @ ..] = head;
        Self {
            len: u32::from_be_bytes([a, b, c, d]),
            kind,
            number: u64::from_be_bytes(*number),
        }
    }
}
