use std::fmt;
use std::time::{Duration, Instant};

use crate::deadline::{Deadline, TIMEOUT};
use crate::error::AuthError;
use crate::key::{Key, Keyring};
use crate::machine::Machine;
use crate::message::{FIELD, Inbox, Kind, encode};
use crate::schedule::{Role, Schedule};
use crate::secret::Secret;
use crate::session::Session;

/// Settings of a [`Handshake`]. Both ends must have the same `context` and `channel_binding`, or they
/// refuse each other as if their keys differed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeOptions {
    /// How long the peer has, for all of its messages together. Default 5 s.
    pub timeout: Duration,
    /// What the handshake is for, of any length: the name of the application protocol and its version, and
    /// where a program both calls and is called under one key, who calls whom. Never sent. Default empty.
    pub context: Vec<u8>,
    /// What is unique to the TLS connection below, which is to say the 32 bytes of `tls-exporter`
    /// (RFC 9266): label `EXPORTER-Channel-Binding`, empty context. With it nobody can sit between two TLS
    /// connections and pass the handshake on. Never sent. Default `None`.
    pub channel_binding: Option<[u8; 32]>,
    /// The most bytes of one sealed message, in both directions. Default 1 MiB.
    pub max_message_len: usize,
}

impl Default for HandshakeOptions {
    fn default() -> Self {
        Self {
            timeout: TIMEOUT,
            context: Vec::new(),
            channel_binding: None,
            max_message_len: 1 << 20,
        }
    }
}

/// Proves to both ends of a stream that the other end knows the same key, and gives both a [`Session`].
///
/// ```
/// use auth_hmac::{Handshake, HandshakeOptions, Key, Keyring, fresh_nonce};
///
/// let key = Key::new("2026-11", [7; 32])?;
/// let options = HandshakeOptions::default();
/// let mut client = Handshake::initiator(&key, &options, fresh_nonce()?);
/// let mut server = Handshake::responder(&Keyring::from(key), &options, fresh_nonce()?);
///
/// let mut wire = Vec::new();
/// for _ in 0..2 {
///     client.poll_transmit(&mut wire);
///     server.receive(&wire);
///     wire.clear();
///     server.poll_transmit(&mut wire);
///     client.receive(&wire);
///     wire.clear();
/// }
/// let client = client.poll_event()?.expect("four messages are all there are");
/// let server = server.poll_event()?.expect("four messages are all there are");
/// assert_eq!(server.key_id(), b"2026-11");
/// assert_eq!(client.export::<16>(b"file cipher"), server.export::<16>(b"file cipher"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The messages, and why there are four, are on the [front page](crate#the-handshake).
pub struct Handshake {
    state: State,
    inbox: Inbox,
    outbox: Vec<u8>,
    nonce: [u8; FIELD],
    options: HandshakeOptions,
    deadline: Deadline,
}

// initiator:  AwaitChallenge ── challenge ──► AwaitWelcome ── right proof ──► Done
//                            (hello)                       (proof)
// responder:  AwaitHello ── hello ──► AwaitProof ── right proof, known key ──► Done
//                                                (challenge)              (welcome)
// initiator:  a failure, anything else ──► Failed
// responder:  anything else ──► Failed (failure)
//
// In parentheses: what is sent on the way into the state to the right of it, or into the first one.
enum State {
    AwaitChallenge {
        key: Key,
        hello: Vec<u8>,
    },
    AwaitWelcome {
        schedule: Schedule,
        id: Box<[u8]>,
    },
    AwaitHello {
        keys: Keyring,
    },
    AwaitProof {
        schedule: Schedule,
        id: Box<[u8]>,
        is_known: bool,
    },
    Done {
        session: Option<Box<Session>>,
    },
    Failed(AuthError),
}

impl Handshake {
    /// The side that begins. The nonce must come from the system's source of random bytes, see
    /// [`fresh_nonce`](crate::fresh_nonce), and serve once.
    #[must_use]
    pub fn initiator(key: &Key, options: &HandshakeOptions, nonce: [u8; 32]) -> Self {
        let hello = encode(Kind::Hello, &[&nonce, key.id()]);
        let state = State::AwaitChallenge {
            key: key.clone(),
            hello: hello.clone(),
        };
        Self::new(state, hello, options, nonce)
    }

    /// The side that is asked, and has the keys of all who may ask. The nonce must come from the system's
    /// source of random bytes, see [`fresh_nonce`](crate::fresh_nonce), and serve once.
    #[must_use]
    pub fn responder(keys: &Keyring, options: &HandshakeOptions, nonce: [u8; 32]) -> Self {
        let state = State::AwaitHello { keys: keys.clone() };
        Self::new(state, Vec::new(), options, nonce)
    }

    fn new(state: State, outbox: Vec<u8>, options: &HandshakeOptions, nonce: [u8; FIELD]) -> Self {
        Self {
            inbox: state.inbox(),
            state,
            outbox,
            nonce,
            options: options.clone(),
            deadline: Deadline::new(options.timeout),
        }
    }

    /// Takes bytes that arrived, and returns how many of them belong to the handshake. The others are what
    /// comes behind it, and remain with the caller.
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while taken < bytes.len() && self.is_waiting() {
            match self.inbox.fill(&bytes[taken..]) {
                Ok(part) => taken += part,
                Err(error) => self.refuse(error),
            }
            if self.is_waiting() && self.inbox.missing() == 0 {
                self.advance();
            }
        }
        taken
    }

    /// The peer will send no more.
    pub fn receive_eof(&mut self) {
        if self.is_waiting() {
            self.state = State::Failed(AuthError::Truncated {
                expected: self.inbox.len(),
                received: self.inbox.received(),
            });
        }
    }

    /// Returns the session, once; `None` means that the handshake is under way, or that the session was
    /// returned before. What is then still to be sent must be sent for the peer to have one too.
    ///
    /// # Errors
    ///
    /// What the peer did wrong; it repeats.
    pub fn poll_event(&mut self) -> Result<Option<Session>, AuthError> {
        match &mut self.state {
            State::Done { session } => Ok(session.take().map(|session| *session)),
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

    /// Returns when the peer's time is over, if it has to send something. It begins with the first call of
    /// this or of [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let deadline = self.deadline.at(now);
        deadline.filter(|_| self.is_waiting())
    }

    /// Fails with [`AuthError::TimedOut`] if the peer's time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.has_passed(now) && self.is_waiting() {
            self.state = State::Failed(AuthError::TimedOut {
                allowed: self.deadline.timeout(),
                received: self.inbox.received(),
            });
        }
    }

    /// How many bytes of a message are missing, at least. Whoever reads no more than that at a time reads
    /// nothing that comes behind the handshake.
    #[must_use]
    pub fn wanted(&self) -> usize {
        match self.is_waiting() {
            true => self.inbox.missing(),
            false => 0,
        }
    }

    fn is_waiting(&self) -> bool {
        !matches!(self.state, State::Done { .. } | State::Failed(_))
    }

    /// A message is complete, and is the one that may come.
    fn advance(&mut self) {
        let next = match (&self.state, self.inbox.message()) {
            (_, (Kind::Failure, _)) => Err(AuthError::Refused),
            (State::AwaitChallenge { key, hello }, _) => {
                let schedule = self.schedule(key.root(), hello, self.inbox.whole());
                let proof = schedule.proof(Role::Initiator);
                let id = key.id().into();
                let reply = encode(Kind::Proof, &[proof.bytes()]);
                Ok((State::AwaitWelcome { schedule, id }, reply))
            }
            (State::AwaitWelcome { schedule, id }, (_, proof)) => {
                match schedule.proof(Role::Responder).is(proof) {
                    true => Ok((self.done(schedule, Role::Initiator, id), Vec::new())),
                    false => Err(AuthError::WrongTag),
                }
            }
            (State::AwaitHello { keys }, (_, body)) => {
                let id = &body[FIELD..];
                // An unknown key costs the same work, and is not told apart before the proof.
                let root = keys.find(id);
                let is_known = root.is_some();
                let root = root.cloned().unwrap_or_else(|| Secret::new([0; 32]));
                let challenge = encode(Kind::Challenge, &[&self.nonce]);
                let next = State::AwaitProof {
                    schedule: self.schedule(&root, self.inbox.whole(), &challenge),
                    id: id.into(),
                    is_known,
                };
                Ok((next, challenge))
            }
            (
                State::AwaitProof {
                    schedule,
                    id,
                    is_known,
                },
                (_, proof),
            ) => {
                let is_right = schedule.proof(Role::Initiator).is(proof);
                match (is_right & is_known, is_known) {
                    (true, _) => {
                        let proof = schedule.proof(Role::Responder);
                        let reply = encode(Kind::Welcome, &[proof.bytes()]);
                        Ok((self.done(schedule, Role::Responder, id), reply))
                    }
                    (false, true) => Err(AuthError::WrongTag),
                    (false, false) => Err(AuthError::UnknownKey { id: id.clone() }),
                }
            }
            (State::Done { .. } | State::Failed(_), _) => return,
        };
        match next {
            Ok((state, mut reply)) => {
                self.inbox = state.inbox();
                self.state = state;
                self.outbox.append(&mut reply);
            }
            Err(error) => self.refuse(error),
        }
    }

    /// Fails. A responder lets the peer know, in the same words whatever it was.
    fn refuse(&mut self, error: AuthError) {
        if self.state.role() == Some(Role::Responder) {
            self.outbox.append(&mut encode(Kind::Failure, &[]));
        }
        self.state = State::Failed(error);
    }

    fn schedule(&self, root: &Secret<32>, hello: &[u8], challenge: &[u8]) -> Schedule {
        let binding = self.options.channel_binding.as_ref();
        let binding = binding.map_or(&[][..], |binding| &binding[..]);
        Schedule::new(root, hello, challenge, &self.options.context, binding)
    }

    fn done(&self, schedule: &Schedule, role: Role, id: &[u8]) -> State {
        let session = Session::new(schedule, role, id, self.options.max_message_len);
        State::Done {
            session: Some(Box::new(session)),
        }
    }
}

impl State {
    fn role(&self) -> Option<Role> {
        match self {
            Self::AwaitChallenge { .. } | Self::AwaitWelcome { .. } => Some(Role::Initiator),
            Self::AwaitHello { .. } | Self::AwaitProof { .. } => Some(Role::Responder),
            Self::Done { .. } | Self::Failed(_) => None,
        }
    }

    /// For the message that may come next; of no use where none may.
    fn inbox(&self) -> Inbox {
        match self {
            Self::AwaitChallenge { .. } => Inbox::new(Kind::Challenge, true),
            Self::AwaitWelcome { .. } => Inbox::new(Kind::Welcome, true),
            Self::AwaitHello { .. } => Inbox::new(Kind::Hello, false),
            Self::AwaitProof { .. } | Self::Done { .. } | Self::Failed(_) => {
                Inbox::new(Kind::Proof, false)
            }
        }
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::AwaitChallenge { .. } => "AwaitChallenge",
            State::AwaitWelcome { .. } => "AwaitWelcome",
            State::AwaitHello { .. } => "AwaitHello",
            State::AwaitProof { .. } => "AwaitProof",
            State::Done { .. } => "Done",
            State::Failed(_) => "Failed",
        };
        f.debug_struct("Handshake")
            .field("state", &state)
            .field("received", &self.inbox.received())
            .finish_non_exhaustive()
    }
}

impl Machine for Handshake {
    type Event = Session;

    fn receive(&mut self, bytes: &[u8]) -> usize {
        self.receive(bytes)
    }

    fn receive_eof(&mut self) {
        self.receive_eof();
    }

    fn poll_event(&mut self) -> Result<Option<Session>, AuthError> {
        self.poll_event()
    }

    fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        self.poll_transmit(out)
    }

    fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        self.poll_timeout(now)
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.handle_timeout(now);
    }

    fn wanted(&self) -> usize {
        self.wanted()
    }
}
