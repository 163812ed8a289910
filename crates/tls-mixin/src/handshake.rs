//! What all drivers keep about a handshake: how many there are, how long it may take, what holds after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, ServerConnection};

use crate::error::Error;
use crate::session::Session;

/// One handshake that is under way. It counts until this is dropped.
pub(crate) struct Permit {
    timeout: Duration,
    /// `None` if that is for ever.
    deadline: Option<Instant>,
    pending: Option<Arc<AtomicUsize>>,
}

impl Permit {
    pub(crate) fn unlimited(timeout: Duration) -> Self {
        Self {
            timeout,
            deadline: Instant::now().checked_add(timeout),
            pending: None,
        }
    }

    pub(crate) fn counted(
        timeout: Duration,
        count: &Arc<AtomicUsize>,
        limit: usize,
    ) -> Result<Self, Error> {
        let one_more = |pending| (pending < limit).then_some(pending + 1);
        count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .map_err(|pending| Error::TooManyHandshakes { pending, limit })?;
        Ok(Self {
            pending: Some(Arc::clone(count)),
            ..Self::unlimited(timeout)
        })
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
        self,
        connection: &ServerConnection,
    ) -> Result<(Session, Lifetime), Error> {
        Ok((Session::of_server(connection)?, Lifetime {}))
    }

    /// The last step of a client's handshake.
    pub(crate) fn connected(
        self,
        connection: &ClientConnection,
    ) -> Result<(Session, Lifetime), Error> {
        Ok((Session::of_client(connection)?, Lifetime {}))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(pending) = &self.pending {
            pending.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// How long a connection may go on.
#[derive(Clone, Debug)]
pub(crate) struct Lifetime {}

impl Lifetime {
    /// To be asked at each use; costs a load while there was no reload.
    pub(crate) fn check(&self) -> Result<(), Error> {
        Ok(())
    }
}
