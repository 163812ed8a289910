use std::time::{Duration, Instant};

use crate::deadline::{Deadline, TIMEOUT};
use crate::error::AuthError;
use crate::key::ChallengeKey;
use crate::machine::Machine;
use crate::secret::Secret;

/// Settings of a [`Challenge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChallengeOptions {
    /// How long the peer has. Default 5 s.
    pub timeout: Duration,
}

impl Default for ChallengeOptions {
    fn default() -> Self {
        Self { timeout: TIMEOUT }
    }
}

/// What a [`Challenge`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeEvent {
    /// The peer has answered rightly: it knows the key. Told to the side that asked.
    Proven,
    /// The answer is ready to be sent. Told to the side that answers, which learns nothing about the peer,
    /// nor whether the answer was right.
    Answered,
}

/// Proves to one end of a stream that the other end knows a key.
///
/// The side that asks sends 32 random bytes, the other answers with their HMAC-SHA256 under the key:
///
/// ```
/// use auth_hmac::{Challenge, ChallengeEvent, ChallengeKey, ChallengeOptions};
///
/// let key = ChallengeKey::new_short("peekaboo")?;
/// let options = ChallengeOptions::default();
/// let mut server = Challenge::asker(&key, &options, auth_hmac::fresh_nonce()?);
/// let mut client = Challenge::answerer(&key, &options);
///
/// let mut wire = Vec::new();
/// assert!(server.poll_transmit(&mut wire));
/// client.receive(&wire);
/// assert_eq!(client.poll_event()?, Some(ChallengeEvent::Answered));
///
/// wire.clear();
/// assert!(client.poll_transmit(&mut wire));
/// wire.extend_from_slice(b"what comes behind it");
/// let taken = server.receive(&wire);
/// assert_eq!(server.poll_event()?, Some(ChallengeEvent::Proven));
/// assert_eq!(&wire[taken..], b"what comes behind it");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A wrong answer is told to nobody: the side that asked fails with [`AuthError::WrongTag`], and closes.
/// What this does not give is on the [front page](crate#the-challenge).
#[derive(Debug)]
pub struct Challenge {
    state: State,
    outgoing: Option<(Secret<32>, usize)>,
    message: [u8; MESSAGE],
    /// How much of the message came.
    received: usize,
    deadline: Deadline,
}

// asker:     Asking ── right answer ──► Done
// answerer:  Answering ── challenge ──► Done
// both:      anything else ──► Failed
#[derive(Debug)]
enum State {
    Asking {
        /// The right answer, and how many of its bytes count.
        answer: Secret<32>,
        len: usize,
    },
    Answering {
        key: ChallengeKey,
    },
    Done {
        event: Option<ChallengeEvent>,
    },
    Failed(AuthError),
}

/// The length of a challenge, and of the longest answer.
const MESSAGE: usize = 32;

impl Challenge {
    /// The side that asks: the server of the recipe. The nonce must come from the system's source of random
    /// bytes, see [`fresh_nonce`](crate::fresh_nonce), and serve once.
    #[must_use]
    pub fn asker(key: &ChallengeKey, options: &ChallengeOptions, nonce: [u8; 32]) -> Self {
        let state = State::Asking {
            answer: key.answer(&nonce),
            len: key.answer_len(),
        };
        let outgoing = Some((Secret::new(nonce), nonce.len()));
        Self::new(state, outgoing, options)
    }

    /// The side that proves that it knows the key: the client of the recipe.
    #[must_use]
    pub fn answerer(key: &ChallengeKey, options: &ChallengeOptions) -> Self {
        Self::new(State::Answering { key: key.clone() }, None, options)
    }

    fn new(
        state: State,
        outgoing: Option<(Secret<32>, usize)>,
        options: &ChallengeOptions,
    ) -> Self {
        Self {
            state,
            outgoing,
            message: [0; MESSAGE],
            received: 0,
            deadline: Deadline::new(options.timeout),
        }
    }

    /// Takes bytes that arrived, and returns how many of them belong to the challenge. The others are what
    /// comes behind it, and remain with the caller.
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(self.wanted());
        let end = self.received + taken;
        self.message[self.received..end].copy_from_slice(&bytes[..taken]);
        self.received = end;
        if taken > 0 && self.wanted() == 0 {
            self.complete();
        }
        taken
    }

    /// The peer will send no more.
    pub fn receive_eof(&mut self) {
        if self.wanted() > 0 {
            self.state = State::Failed(AuthError::Truncated {
                expected: self.received + self.wanted(),
                received: self.received,
            });
        }
    }

    /// Returns what the challenge came to, once; `None` means that it is under way, or that this was
    /// told before.
    ///
    /// # Errors
    ///
    /// [`AuthError::WrongTag`], [`AuthError::Truncated`] or [`AuthError::TimedOut`]; it repeats.
    pub fn poll_event(&mut self) -> Result<Option<ChallengeEvent>, AuthError> {
        match &mut self.state {
            State::Asking { .. } | State::Answering { .. } => Ok(None),
            State::Done { event } => Ok(event.take()),
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// Appends what should go out, if there is something, and says whether there was.
    pub fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool {
        match self.outgoing.take() {
            Some((message, len)) => {
                out.extend_from_slice(&message.bytes()[..len]);
                true
            }
            None => false,
        }
    }

    /// Returns when the peer's time is over, if it has to send something. It begins with the first call of
    /// this or of [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let deadline = self.deadline.at(now);
        deadline.filter(|_| self.wanted() > 0)
    }

    /// Fails with [`AuthError::TimedOut`] if the peer's time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.has_passed(now) && self.wanted() > 0 {
            self.state = State::Failed(AuthError::TimedOut {
                allowed: self.deadline.timeout(),
                received: self.received,
            });
        }
    }

    /// How many bytes the peer still has to send. Whoever reads no more than that at a time reads nothing
    /// that comes behind the challenge.
    #[must_use]
    pub fn wanted(&self) -> usize {
        match self.state {
            State::Asking { len, .. } => len - self.received,
            State::Answering { .. } => MESSAGE - self.received,
            State::Done { .. } | State::Failed(_) => 0,
        }
    }

    /// All bytes of the peer's message are there.
    fn complete(&mut self) {
        self.state = match &self.state {
            State::Asking { answer, len } => {
                // Answers shorter than 32 bytes are followed by zeros on both sides.
                debug_assert!(self.message[*len..].iter().all(|&byte| byte == 0));
                match answer.is(&self.message) {
                    true => State::Done {
                        event: Some(ChallengeEvent::Proven),
                    },
                    false => State::Failed(AuthError::WrongTag),
                }
            }
            State::Answering { key } => {
                self.outgoing = Some((key.answer(&self.message), key.answer_len()));
                State::Done {
                    event: Some(ChallengeEvent::Answered),
                }
            }
            State::Done { .. } | State::Failed(_) => return,
        };
    }
}

impl Machine for Challenge {
    type Event = ChallengeEvent;

    fn receive(&mut self, bytes: &[u8]) -> usize {
        self.receive(bytes)
    }

    fn receive_eof(&mut self) {
        self.receive_eof();
    }

    fn poll_event(&mut self) -> Result<Option<ChallengeEvent>, AuthError> {
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
