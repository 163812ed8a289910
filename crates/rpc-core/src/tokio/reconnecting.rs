use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ::tokio::sync::Mutex;
use ::tokio::time::{Instant, sleep_until, timeout_at};
use serde::de::DeserializeOwned;

use crate::retry::{PATIENCE, is_passing, pause};
use crate::{Client, Error, ToArguments};

/// A client that connects when it must, and again when the connection is lost.
///
/// A call is repeated only if it certainly was not run ([`Error::is_safe_to_repeat`]) and the connection is of no
/// more use; whoever gets an error of a call that may have been run decides alone. Callers share one connection,
/// and one attempt to get one. Between two attempts it waits, twice as long after each that came to nothing, and
/// each time between half of that and all of it.
///
/// Clones share it all.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use rpc_core::tokio::{Reconnecting, connect};
/// use rpc_core::{Codec, Options};
/// use tokio::net::TcpStream;
///
/// let calculator = Reconnecting::new(async || {
///     let stream = TcpStream::connect("127.0.0.1:17001").await?;
///     stream.set_nodelay(true)?;
///     connect(stream, Options::new(Codec::Postcard)).await
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
    connect: Box<dyn Fn() -> Connecting + Send + Sync>,
    /// Attempts since a call was answered last.
    attempts: AtomicU32,
    /// Held during an attempt: those who wait for it wait for the lock.
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    client: Option<Client>,
    next_attempt: Option<Instant>,
    last_error: Option<Error>,
}

type Connecting = Pin<Box<dyn Future<Output = Result<Client, Error>> + Send>>;

impl Reconnecting {
    /// Makes one that gets its connections from `connect`; nothing is connected yet.
    ///
    /// Timeouts and metadata that all calls should have are given to the client in there.
    pub fn new<C, F>(connect: C) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Client, Error>> + Send + 'static,
    {
        let shared = Shared {
            connect: Box::new(move || Box::pin(connect())),
            attempts: AtomicU32::new(0),
            current: Mutex::default(),
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

    /// Calls a function, as [`Client::call`] does but for this: nothing happens before the future is polled, and
    /// the arguments are encoded for each connection anew.
    ///
    /// # Errors
    ///
    /// Those of [`Client::call`], of the last attempt to connect when the patience is over, and at once those of
    /// ends that don't suit each other.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call, and the attempt to connect, which the next caller begins anew.
    pub async fn call<R: DeserializeOwned>(
        &self,
        function: &str,
        arguments: impl ToArguments,
    ) -> Result<R, Error> {
        let deadline = Instant::now() + self.patience;
        loop {
            let client = self.client_until(deadline).await?;
            let answer = client.start(function, &arguments).await;
            match answer {
                Err(error) if error.is_safe_to_repeat() && !client.is_open() => {}
                _ => {
                    self.shared.attempts.store(0, Ordering::Relaxed);
                    return answer;
                }
            }
        }
    }

    /// Returns a client of the connection there is, or of a new one.
    ///
    /// # Errors
    ///
    /// Those of connecting, as with [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels an attempt to connect, which the next caller begins anew.
    pub async fn client(&self) -> Result<Client, Error> {
        self.client_until(Instant::now() + self.patience).await
    }

    async fn client_until(&self, deadline: Instant) -> Result<Client, Error> {
        let late = || Error::Timeout {
            after: self.patience,
        };
        let mut current = timeout_at(deadline, self.shared.current.lock())
            .await
            .map_err(|_elapsed| late())?;
        loop {
            if let Some(client) = current.client.take_if(|client| client.is_open()) {
                current.client = Some(client.clone());
                return Ok(client);
            }
            let next_attempt = current.next_attempt.unwrap_or_else(Instant::now);
            sleep_until(next_attempt.min(deadline)).await;
            if next_attempt >= deadline {
                return Err(current.last_error.clone().unwrap_or_else(late));
            }
            current.next_attempt = Some(Instant::now() + self.shared.pause());
            match timeout_at(deadline, (self.shared.connect)()).await {
                Ok(Ok(client)) => {
                    current.client = Some(client);
                    current.last_error = None;
                }
                Ok(Err(error)) if is_passing(&error) => current.last_error = Some(error),
                Ok(Err(error)) => return Err(error),
                Err(_elapsed) => return Err(current.last_error.clone().unwrap_or_else(late)),
            }
        }
    }
}

impl Shared {
    /// How long after this attempt the next one may be.
    fn pause(&self) -> Duration {
        pause(self.attempts.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Debug for Reconnecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnecting")
            .field("patience", &self.patience)
            .field("attempts", &self.shared.attempts)
            .finish_non_exhaustive()
    }
}
