//! What all drivers keep about a handshake: how many there are, how long it may take, what holds after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, HandshakeKind, ServerConnection};

use crate::error::Error;
use crate::reload::Generation;
pub(crate) use crate::reload::Lifetime;
use crate::session::Session;

/// One handshake that is under way. It counts until this is dropped.
pub(crate) struct Permit {
    timeout: Duration,
    /// `None` if that is for ever.
    deadline: Option<Instant>,
    /// A server's.
    counted: Option<Counted>,
}

struct Counted {
    pending: Arc<AtomicUsize>,
    generation: Arc<Generation>,
}

impl Permit {
    pub(crate) fn of_client(timeout: Duration) -> Self {
        Self {
            timeout,
            deadline: Instant::now().checked_add(timeout),
            counted: None,
        }
    }

    pub(crate) fn of_server(
        generation: Arc<Generation>,
        count: &Arc<AtomicUsize>,
    ) -> Result<Self, Error> {
        let limit = generation.options.max_handshakes;
        let one_more = |pending| (pending < limit).then_some(pending + 1);
        count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .map_err(|pending| Error::TooManyHandshakes { pending, limit })?;
        let timeout = generation.options.handshake_timeout;
        Ok(Self {
            timeout,
            deadline: Instant::now().checked_add(timeout),
            counted: Some(Counted {
                pending: Arc::clone(count),
                generation,
            }),
        })
    }

    /// How long the handshake may take.
    #[cfg(any(feature = "event-loop", feature = "tokio"))]
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// When the handshake must be over.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// What to say when it is not.
    pub(crate) fn timed_out(&self) -> Error {
        Error::TimedOut {
            after: self.timeout,
        }
    }

    /// The last step of a server's handshake.
    pub(crate) fn accepted(
        &self,
        connection: &ServerConnection,
    ) -> Result<(Session, Lifetime), Error> {
        let session = Session::of_server(connection)?;
        let Some(Counted { generation, .. }) = &self.counted else {
            return Ok((session, Lifetime::default()));
        };
        if let Some(clients) = &generation.clients
            && connection.handshake_kind() == Some(HandshakeKind::Resumed)
        {
            clients
                .verify_resumed(connection.peer_certificates())
                .map_err(Error::of_rustls)?;
        }
        Ok((session, generation.lifetime.clone()))
    }

    /// The last step of a client's handshake.
    pub(crate) fn connected(
        &self,
        connection: &ClientConnection,
    ) -> Result<(Session, Lifetime), Error> {
        Ok((Session::of_client(connection)?, Lifetime::default()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(Counted { pending, .. }) = &self.counted {
            pending.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// How much of what a refused peer has sent is taken off the stream, before it is closed.
pub(crate) const MAX_TAKEN: usize = 64 << 10;
