use std::fmt;
use std::time::Instant;

use framing::FrameError;

use crate::auth::Auth;
use crate::digest::Digest;
use crate::error::{AuthError, LoginMessage};
use crate::frame::{Head, encode};

/// Proves to both ends of a stream that the other end knows the same key, as Python's `Listener` and `Client` do.
///
/// Does no I/O: bytes and time go in, bytes and the outcome come out. `blocking` and `tokio` run it over sockets;
/// this is for other streams.
///
/// ```text
/// listener                        client
///    │ ── #CHALLENGE# {sha256}… ──► │
///    │ ◄──────── {sha256} tag ───── │    the tag is an HMAC of all that is behind #CHALLENGE#
///    │ ──────── #WELCOME# ────────► │    or #FAILURE#
///    │ ◄── #CHALLENGE# {sha256}… ── │
///    │ ──── {sha256} tag ─────────► │
///    │ ◄─────── #WELCOME# ───────── │
/// ```
///
/// Each message is a frame of at most 256 bytes. Python up to 3.11 challenges with 20 bytes without a name, and
/// answers anything with a bare HMAC-MD5 of 16 bytes. Each side answers in the form that it was asked in, if
/// [`Auth`] allows it; what it may not do is refused, and nothing is sent in that form.
///
/// A listener proves itself only to those who have done so before. A client goes first, so that whoever it connects
/// to gets one answer to a challenge of their choice: nothing in these messages tells one connection or one direction
/// from another. So somebody in the middle can pass messages on, and a false listener can use one connection of a
/// client to answer on another. Where strangers can get in between there must be TLS, or a Unix socket.
///
/// ```
/// use mp_connection::{Auth, Generation, Handshake, fresh_nonce};
///
/// let auth = Auth::modern_only("peekaboo")?;
/// let mut listener = Handshake::listener(&auth, fresh_nonce()?);
/// let mut client = Handshake::client(&auth, fresh_nonce()?);
///
/// let mut wire = Vec::new();
/// for _ in 0..3 {
///     listener.poll_transmit(&mut wire);
///     client.receive(&wire);
///     wire.clear();
///     client.poll_transmit(&mut wire);
///     listener.receive(&wire);
///     wire.clear();
/// }
/// assert_eq!(listener.poll_event()?, Some(Generation::Modern));
/// assert_eq!(client.poll_event()?, Some(Generation::Modern));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Handshake {
    state: State,
    /// The half that follows the one under way.
    rest: Option<Half>,
    /// How the peer proved itself, until that is told.
    peer: Option<Generation>,
    inbox: Inbox,
    outbox: Vec<u8>,
    auth: Auth,
    nonce: [u8; 40],
    began: Option<Instant>,
}

/// How a peer proved that it knows the key. Programs tell their operator when the first legacy one is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// By HMAC-SHA256, as Python since 3.12 does, or by another of its hash functions.
    Modern,
    /// By HMAC-MD5, as Python up to 3.11 does.
    Legacy,
}

// Half::Deliver  AwaitAnswer ── right tag ──► the other half, if it is to follow, or Done
//                (challenge)                  (welcome)
// Half::Answer   AwaitChallenge ── challenge ──► AwaitWelcome ── welcome ──► the other half, or Done
//                                                (tag)
// AwaitAnswer:   anything else ──► Failed (failure)
// the others:    anything else ──► Failed
//
// In parentheses: what is sent on the way into the state above.
#[derive(Debug)]
enum State {
    AwaitAnswer,
    AwaitChallenge,
    AwaitWelcome,
    Done,
    Failed(AuthError),
}

enum Half {
    Deliver,
    Answer,
}

impl Handshake {
    /// Challenges the peer, then answers it: what Python's `Listener.accept` does. The nonce must come from the
    /// system's source of random bytes, see [`fresh_nonce`](crate::fresh_nonce), and serve once.
    #[must_use]
    pub fn listener(auth: &Auth, nonce: [u8; 40]) -> Self {
        Self::new(auth, nonce, Half::Deliver, Some(Half::Answer))
    }

    /// Answers the peer, then challenges it: what Python's `Client` does. The nonce must come from the system's
    /// source of random bytes, see [`fresh_nonce`](crate::fresh_nonce), and serve once.
    #[must_use]
    pub fn client(auth: &Auth, nonce: [u8; 40]) -> Self {
        Self::new(auth, nonce, Half::Answer, Some(Half::Deliver))
    }

    /// Challenges the peer, and proves nothing: Python's `deliver_challenge`. For protocols that begin otherwise.
    #[must_use]
    pub fn deliver(auth: &Auth, nonce: [u8; 40]) -> Self {
        Self::new(auth, nonce, Half::Deliver, None)
    }

    /// Answers the peer, who proves nothing: Python's `answer_challenge`. The [`Generation`] is then that of the
    /// challenge. For protocols that begin otherwise.
    #[must_use]
    pub fn answer(auth: &Auth) -> Self {
        Self::new(auth, [0; 40], Half::Answer, None)
    }

    fn new(auth: &Auth, nonce: [u8; 40], first: Half, rest: Option<Half>) -> Self {
        let mut handshake = Self {
            state: State::AwaitChallenge,
            rest,
            peer: None,
            inbox: Inbox::default(),
            outbox: Vec::new(),
            auth: auth.clone(),
            nonce,
            began: None,
        };
        handshake.begin(Some(first));
        handshake
    }

    /// Takes bytes that arrived, and returns how many of them belong to the handshake. The others are what comes
    /// behind it, and remain with the caller.
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.is_waiting() {
            match self.inbox.fill(&bytes[taken..]) {
                Ok(part) => taken += part,
                Err(error) => self.fail(AuthError::Frame(error)),
            }
            if self.is_waiting() && self.inbox.missing() == 0 {
                self.advance();
            }
        }
        taken
    }

    /// The peer will send no more.
    pub fn receive_eof(&mut self) {
        if let Some(expected) = self.expected() {
            let received = self.inbox.received();
            self.fail(AuthError::Closed { expected, received });
        }
    }

    /// Returns how the peer proved itself, once; `None` means that the handshake is under way, or that this was
    /// returned before. What is then still to be sent must be sent for the peer to know, too.
    ///
    /// # Errors
    ///
    /// What the peer did wrong; it repeats. What is still to be sent should be sent, and the stream closed.
    pub fn poll_event(&mut self) -> Result<Option<Generation>, AuthError> {
        match &self.state {
            State::Done => Ok(self.peer.take()),
            State::Failed(error) => Err(error.clone()),
            _ => Ok(None),
        }
    }

    /// Appends what should go out, if there is something, and says whether there was.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        let has_some = !self.outbox.is_empty();
        out.append(&mut self.outbox);
        has_some
    }

    /// Returns when the peer's time is over, if it has to send something. It begins with the first call of this or of
    /// [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let began = *self.began.get_or_insert(now);
        let deadline = began.checked_add(self.auth.timeout());
        deadline.filter(|_| self.is_waiting())
    }

    /// Fails with [`AuthError::TimedOut`] if the peer's time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_over = self
            .poll_timeout(now)
            .is_some_and(|deadline| now >= deadline);
        if let Some(expected) = self.expected().filter(|_| is_over) {
            self.fail(AuthError::TimedOut {
                expected,
                allowed: self.auth.timeout(),
                received: self.inbox.received(),
            });
        }
    }

    /// How many bytes of a message are missing, at least. Whoever reads no more than that at a time reads nothing that
    /// comes behind the handshake.
    #[must_use]
    pub fn wanted(&self) -> usize {
        match self.is_waiting() {
            true => self.inbox.missing(),
            false => 0,
        }
    }

    fn is_waiting(&self) -> bool {
        self.expected().is_some()
    }

    /// The message that is due.
    fn expected(&self) -> Option<LoginMessage> {
        match self.state {
            State::AwaitAnswer => Some(LoginMessage::Answer),
            State::AwaitChallenge => Some(LoginMessage::Challenge),
            State::AwaitWelcome => Some(LoginMessage::Welcome),
            State::Done | State::Failed(_) => None,
        }
    }

    /// A message is complete.
    fn advance(&mut self) {
        let inbox = std::mem::take(&mut self.inbox);
        let message = inbox.message();
        let taken = match self.state {
            State::AwaitAnswer => self.take_answer(message),
            State::AwaitChallenge => self.take_challenge(message),
            State::AwaitWelcome => self.take_welcome(message),
            State::Done | State::Failed(_) => Ok(()),
        };
        if let Err(error) = taken {
            self.fail(error);
        }
    }

    fn take_answer(&mut self, answer: &[u8]) -> Result<(), AuthError> {
        let checked = self.check(answer);
        let verdict = match checked {
            Ok(_) => WELCOME,
            Err(_) => FAILURE,
        };
        encode(&[verdict], &mut self.outbox);
        self.peer = Some(checked?);
        let rest = self.rest.take();
        self.begin(rest);
        Ok(())
    }

    fn take_challenge(&mut self, challenge: &[u8]) -> Result<(), AuthError> {
        let (generation, answer) = self.prove(challenge)?;
        encode(&[&answer], &mut self.outbox);
        self.peer.get_or_insert(generation);
        self.state = State::AwaitWelcome;
        Ok(())
    }

    fn take_welcome(&mut self, message: &[u8]) -> Result<(), AuthError> {
        match message {
            WELCOME => {
                let rest = self.rest.take();
                self.begin(rest);
                Ok(())
            }
            FAILURE => Err(AuthError::Refused),
            _ => Err(AuthError::unexpected(LoginMessage::Welcome, message)),
        }
    }

    fn begin(&mut self, half: Option<Half>) {
        self.state = match half {
            Some(Half::Deliver) => {
                encode(&[CHALLENGE, &self.challenge()], &mut self.outbox);
                State::AwaitAnswer
            }
            Some(Half::Answer) => State::AwaitChallenge,
            None => State::Done,
        };
    }

    /// Looks whether that is the answer to our challenge.
    fn check(&self, answer: &[u8]) -> Result<Generation, AuthError> {
        let expected = LoginMessage::Answer;
        let (digest, tag) = match answer.len() {
            MD5_TAG => (Digest::Md5, answer),
            _ => Digest::split(answer).ok_or_else(|| AuthError::unexpected(expected, answer))?,
        };
        let generation = match (digest, tag.len()) {
            (Digest::Sha256, 32) => Generation::Modern,
            (Digest::Md5, MD5_TAG) if self.auth.takes_md5() => Generation::Legacy,
            (Digest::Md5, MD5_TAG) => return Err(AuthError::LegacyPeer { expected }),
            _ => return Err(AuthError::unexpected(expected, answer)),
        };
        match digest.mac(self.auth.key(), &self.challenge()).is(tag) {
            true => Ok(generation),
            false => Err(AuthError::WrongKey),
        }
    }

    /// Answers a challenge in the form that it asks for.
    fn prove(&self, challenge: &[u8]) -> Result<(Generation, Vec<u8>), AuthError> {
        let expected = LoginMessage::Challenge;
        let unexpected = || AuthError::unexpected(expected, challenge);
        let message = challenge.strip_prefix(CHALLENGE).ok_or_else(unexpected)?;
        let (digest, prefix) = match message.len() {
            0..BARE_CHALLENGE => return Err(unexpected()),
            BARE_CHALLENGE => (Digest::Md5, &b""[..]),
            _ => {
                let (digest, _) = Digest::split(message).ok_or_else(unexpected)?;
                (digest, digest.prefix())
            }
        };
        let generation = match digest {
            Digest::Md5 if self.auth.takes_md5() => Generation::Legacy,
            Digest::Md5 => return Err(AuthError::LegacyPeer { expected }),
            _ => Generation::Modern,
        };
        let tag = digest.mac(self.auth.key(), message);
        Ok((generation, [prefix, tag.bytes()].concat()))
    }

    /// What we ask, without the word in front.
    fn challenge(&self) -> Vec<u8> {
        [Digest::Sha256.prefix(), &self.nonce].concat()
    }

    fn fail(&mut self, error: AuthError) {
        self.state = State::Failed(error);
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("state", &self.state)
            .field("received", &self.inbox.received())
            .finish_non_exhaustive()
    }
}

/// A message that arrives.
struct Inbox {
    head: Head,
    payload: [u8; MAX_MESSAGE],
    received: usize,
}

impl Inbox {
    /// How many bytes are missing, at least: none if the message is complete.
    fn missing(&self) -> usize {
        match self.payload_len() {
            Ok(Some(len)) => len - self.received,
            _ => self.head.missing(),
        }
    }

    /// How many bytes are here, those of the header included.
    fn received(&self) -> usize {
        self.head.received() + self.received
    }

    /// Takes what belongs to the message, and says how much that was.
    fn fill(&mut self, bytes: &[u8]) -> Result<usize, FrameError> {
        let part = bytes.len().min(self.missing());
        let bytes = &bytes[..part];
        match self.payload_len()? {
            Some(_) => {
                self.payload[self.received..][..part].copy_from_slice(bytes);
                self.received += part;
            }
            None => {
                self.head.room()[..part].copy_from_slice(bytes);
                self.head.fill(part);
                self.payload_len()?;
            }
        }
        Ok(part)
    }

    fn message(&self) -> &[u8] {
        &self.payload[..self.received]
    }

    fn payload_len(&self) -> Result<Option<usize>, FrameError> {
        self.head.payload_len(MAX_MESSAGE)
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            head: Head::default(),
            payload: [0; MAX_MESSAGE],
            received: 0,
        }
    }
}

const CHALLENGE: &[u8] = b"#CHALLENGE#";
const WELCOME: &[u8] = b"#WELCOME#";
const FAILURE: &[u8] = b"#FAILURE#";
/// The longest message of a login, as in Python.
const MAX_MESSAGE: usize = 256;
/// A challenge of this length has no name in front: Python up to 3.11.
const BARE_CHALLENGE: usize = 20;
/// An HMAC-MD5, with or without a name in front.
const MD5_TAG: usize = 16;
