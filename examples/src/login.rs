use std::fmt;
use std::io;

use auth_hmac::{AuthError, Challenge, Handshake, fresh_nonce};
use event_loop::{Closed, Context, Outgoing, StreamHandler};

use crate::Proof;

/// A client that proves itself to an event loop, in either way.
#[derive(Debug)]
pub enum Login {
    /// It answers a challenge.
    Challenge(Challenge),
    /// It and the server prove themselves to each other.
    Handshake(Box<Handshake>),
}

impl Login {
    /// Begins a login with a fresh nonce.
    ///
    /// # Errors
    ///
    /// The system has no random bytes.
    pub fn begin(proof: &Proof) -> io::Result<Self> {
        let nonce = fresh_nonce()?;
        Ok(match proof {
            Proof::Challenge(key, options) => {
                Self::Challenge(Challenge::asker(key, options, nonce))
            }
            Proof::Mutual(key, options) => {
                let handshake = Handshake::responder(&key.clone().into(), options, nonce);
                Self::Handshake(Box::new(handshake))
            }
        })
    }

    /// Takes what belongs to the login; returns how much that is.
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Challenge(challenge) => challenge.receive(bytes),
            Self::Handshake(handshake) => handshake.receive(bytes),
        }
    }

    /// Queues what is to be said.
    pub fn transmit(&mut self, out: &mut Outgoing) {
        let mut message = Vec::new();
        match self {
            Self::Challenge(challenge) => challenge.poll_transmit(&mut message),
            Self::Handshake(handshake) => handshake.poll_transmit(&mut message),
        };
        out.write(&message);
    }

    /// Whether the client has proven itself.
    ///
    /// # Errors
    ///
    /// It never will.
    pub fn is_proven(&mut self) -> Result<bool, AuthError> {
        match self {
            Self::Challenge(challenge) => challenge.poll_event().map(|event| event.is_some()),
            Self::Handshake(handshake) => handshake.poll_event().map(|event| event.is_some()),
        }
    }
}

/// A handler that hears nothing of a client until that has proven itself. A loop with
/// [`handshake_timeout`](event_loop::Options::handshake_timeout) bounds how long it may take.
pub struct Guarded<H> {
    gate: Gate,
    inner: H,
}

enum Gate {
    Closed(Proof),
    Asking(Login),
    Open,
    /// The client failed, or left before it was let in.
    Shut,
}

impl<H> Guarded<H> {
    /// Lets a client talk to `inner` when it has shown this, if anything.
    pub fn new(proof: Option<Proof>, inner: H) -> Self {
        let gate = proof.map_or(Gate::Open, Gate::Closed);
        Self { gate, inner }
    }

    fn is_open(&self) -> bool {
        matches!(self.gate, Gate::Open)
    }

    fn shut(&mut self, error: impl std::error::Error + Send + Sync + 'static, out: &mut Outgoing) {
        self.gate = Gate::Shut;
        out.close_because(Closed::Failed(io::Error::other(error)));
    }
}

impl<M, H: StreamHandler<M>> StreamHandler<M> for Guarded<H> {
    fn opened(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        let Gate::Closed(proof) = &self.gate else {
            return self.inner.opened(out, cx);
        };
        match Login::begin(proof) {
            Ok(mut login) => {
                login.transmit(out);
                self.gate = Gate::Asking(login);
            }
            Err(error) => self.shut(error, out),
        }
    }

    fn received(&mut self, mut bytes: &[u8], out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if let Gate::Asking(login) = &mut self.gate {
            let taken = login.receive(bytes);
            bytes = &bytes[taken..];
            login.transmit(out);
            match login.is_proven() {
                Ok(true) => {
                    self.gate = Gate::Open;
                    self.inner.opened(out, cx);
                }
                Ok(false) => return,
                Err(error) => return self.shut(error, out),
            }
        }
        if self.is_open() && !bytes.is_empty() {
            self.inner.received(bytes, out, cx);
        }
    }

    fn peer_finished(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if self.is_open() {
            self.inner.peer_finished(out, cx);
        } else {
            self.shut(io::Error::from(io::ErrorKind::UnexpectedEof), out);
        }
    }

    fn writable(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if self.is_open() {
            self.inner.writable(out, cx);
        }
    }

    fn timer(&mut self, token: u64, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        self.inner.timer(token, out, cx);
    }

    fn message(&mut self, message: M, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        self.inner.message(message, out, cx);
    }

    fn stopping(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if self.is_open() {
            self.inner.stopping(out, cx);
        } else {
            out.close();
        }
    }

    fn closing(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if self.is_open() {
            self.inner.closing(out, cx);
        } else {
            out.close();
        }
    }

    fn handshaking(&self) -> bool {
        match self.gate {
            Gate::Closed(_) | Gate::Asking(_) => true,
            Gate::Open => self.inner.handshaking(),
            Gate::Shut => false,
        }
    }

    /// Called whether or not the client was let in: the handler inside may be what reports it.
    fn closed(&mut self, why: &Closed, cx: &mut Context<'_, M>) {
        self.inner.closed(why, cx);
    }
}

impl<H> fmt::Debug for Guarded<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("is_open", &self.is_open())
            .finish_non_exhaustive()
    }
}
