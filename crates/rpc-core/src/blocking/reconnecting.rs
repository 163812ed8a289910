use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::client::Client;
use crate::lock::lock;
use crate::retry::{PATIENCE, is_passing, pause};
use crate::{Error, ToArguments};

/// A client that connects when it must, and again when the connection is lost.
///
/// A call is repeated only if it certainly was not run ([`Error::is_safe_to_repeat`]) and the connection is of no more
/// use; whoever gets an error of a call that may have been run decides alone. Callers share one connection, and one
/// attempt to get one. Between two attempts it waits, twice as long after each that came to nothing, from 100 ms to 5 s,
/// and each time between half of that and all of it.
///
/// Clones share it all.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use std::net::TcpStream;
///
/// use rpc_core::blocking::{Client, Reconnecting};
/// use rpc_core::{Codec, Options};
///
/// let calculator = Reconnecting::new(|| {
///     let stream = TcpStream::connect("127.0.0.1:17001")?;
///     Client::new(stream, Options::new(Codec::Postcard))
/// });
/// # let _ = calculator;
/// # }
/// ```
#[derive(Clone)]
pub struct Reconnecting {
    shared: Arc<Shared>,
    patience: Duration,
}

struct Shared {
    connect: Box<dyn Fn() -> Result<Client, Error> + Send + Sync>,
    current: Mutex<Current>,
    /// An attempt is over, or its time has come.
    changed: Condvar,
}

#[derive(Default)]
struct Current {
    client: Option<Client>,
    /// Somebody is connecting, without the lock.
    is_connecting: bool,
    /// Since a call was answered last.
    attempts: u32,
    next_attempt: Option<Instant>,
    last_error: Option<Error>,
}

impl Reconnecting {
    /// Makes one that gets its connections from `connect`; nothing is connected yet.
    ///
    /// Timeouts and metadata that all calls should have are given to the client in there. It should have a timeout of its
    /// own for connecting: one attempt is not given up when the patience of a call is over.
    pub fn new(connect: impl Fn() -> Result<Client, Error> + Send + Sync + 'static) -> Self {
        let shared = Shared {
            connect: Box::new(connect),
            current: Mutex::default(),
            changed: Condvar::new(),
        };
        Self {
            shared: Arc::new(shared),
            patience: PATIENCE,
        }
    }

    /// Sets how long a call waits for a connection; without this 30 s.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Calls a function, as [`Client::call`] does, on the connection that there is or on a new one.
    ///
    /// # Errors
    /// Those of [`Client::call`]; of the last attempt to connect when the patience is over; and at once those of ends that
    /// don't suit each other.
    pub fn call<R: DeserializeOwned>(
        &self,
        function: &str,
        arguments: impl ToArguments,
    ) -> Result<R, Error> {
        let deadline = Instant::now().checked_add(self.patience);
        loop {
            let client = self.client_until(deadline)?;
            let answer = client
                .start_with::<R>(function, &arguments)
                .and_then(|mut call| call.answer());
            match answer {
                Err(error) if error.is_safe_to_repeat() && !client.is_open() => {
                    self.shared.current().forget(&client);
                }
                answer => {
                    if answer.is_ok() {
                        self.shared.current().attempts = 0;
                    }
                    return answer?.decode();
                }
            }
        }
    }

    /// Returns a client of the connection there is, or of a new one.
    ///
    /// # Errors
    /// Those of connecting, as with [`call`](Self::call).
    pub fn client(&self) -> Result<Client, Error> {
        self.client_until(Instant::now().checked_add(self.patience))
    }

    fn client_until(&self, deadline: Option<Instant>) -> Result<Client, Error> {
        let shared = &*self.shared;
        let mut current = shared.current();
        loop {
            if let Some(client) = &current.client {
                let client = client.clone();
                // Looking may take a system call.
                drop(current);
                if client.is_open() {
                    return Ok(client);
                }
                current = shared.current();
                current.forget(&client);
                continue;
            }
            let now = Instant::now();
            let is_late = deadline.is_some_and(|deadline| deadline <= now);
            let due = current.next_attempt.filter(|due| now < *due);
            if is_late {
                let late = Error::Timeout {
                    after: self.patience,
                };
                return Err(current.last_error.clone().unwrap_or(late));
            }
            if current.is_connecting || due.is_some() {
                let until = if current.is_connecting { None } else { due };
                current = shared.wait(current, until.into_iter().chain(deadline).min());
                continue;
            }
            current.is_connecting = true;
            drop(current);
            let attempt = Attempt(shared);
            let connected = (shared.connect)();
            current = shared.current();
            current.next_attempt = Instant::now().checked_add(pause(current.attempts));
            current.attempts = current.attempts.saturating_add(1);
            match connected {
                Ok(client) => current.client = Some(client),
                Err(error) if is_passing(&error) => current.last_error = Some(error),
                Err(error) => {
                    drop(current);
                    return Err(error);
                }
            }
            drop(current);
            // Others look only now.
            drop(attempt);
            current = shared.current();
        }
    }
}

impl Shared {
    fn wait<'a>(
        &self,
        current: MutexGuard<'a, Current>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, Current> {
        match until {
            None => (self.changed.wait(current)).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                let waited = self.changed.wait_timeout(current, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        lock(&self.current)
    }
}

impl Current {
    fn forget(&mut self, client: &Client) {
        self.client.take_if(|known| known.is_same(client));
    }
}

/// One attempt to connect; others may try when it is over, even if it panics.
struct Attempt<'a>(&'a Shared);

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.current().is_connecting = false;
        self.0.changed.notify_all();
    }
}

impl fmt::Debug for Reconnecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.shared.current();
        f.debug_struct("Reconnecting")
            .field("patience", &self.patience)
            .field("attempts", &current.attempts)
            .finish_non_exhaustive()
    }
}
