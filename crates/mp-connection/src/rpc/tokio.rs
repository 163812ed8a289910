//! Remote calls as tasks of a tokio runtime (features `rpc-core` and `tokio`). Serving is
//! [`rpc_core::tokio::serve`] with a [`Peer`](super::Peer).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::tokio::time::timeout;
use framing::FrameError;
use rpc_core::ToArguments;
use serde::de::DeserializeOwned;

use super::call::{read_answer, write_request};
use super::message::{HEAD, LONGEST};
use super::{Error, Options};
use crate::tokio::Connection;
use crate::{Address, Auth};

/// Calls the functions of the other end, as the [blocking one](super::Client) does.
///
/// ```no_run
/// use mp_connection::rpc::tokio::Client;
/// use mp_connection::{Address, Auth};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let auth = Auth::with_legacy_md5("peekaboo")?;
/// let address = Address::from(([127, 0, 0, 1], 17000));
/// let mut client = Client::connect(&address, &auth).await?;
/// let sum: i64 = client.call("add", (2, 3)).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    options: Options,
    /// A call is under way, or was when something went wrong.
    is_broken: bool,
}

impl Client {
    /// Connects and logs in, with the default options.
    ///
    /// # Errors
    ///
    /// As [`Connection::connect`].
    ///
    /// # Cancel safety
    ///
    /// Nothing but the connection is lost.
    pub async fn connect(address: &Address, auth: &Auth) -> Result<Self, crate::Error> {
        Ok(Self::new(Connection::connect(address, auth).await?))
    }

    /// Makes a client of a connection on which nothing is under way, with the default options.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self::with_options(connection, Options::default())
    }

    /// The same with other options: the longest request and answer, the time for a call, what pickles may look like.
    #[must_use]
    pub fn with_options(connection: Connection, options: Options) -> Self {
        Self {
            connection: connection.with_max_message_len(options.max_answer_len.min(LONGEST)),
            options,
            is_broken: false,
        }
    }

    /// Sets how long a call may take, from its request to its answer; `None` is for ever.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.options.call_timeout = timeout;
    }

    /// Calls a function and waits for its result.
    ///
    /// # Errors
    ///
    /// As [`rpc::Client::call`](super::Client::call), and as there all but those that concern the call alone break the
    /// client. That a request did not get out is never certain here.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the client is [broken](Error::Broken), and the function may have been run.
    pub async fn call<R: DeserializeOwned>(
        &mut self,
        function: &str,
        arguments: impl ToArguments,
    ) -> Result<R, Error> {
        if self.is_broken {
            return Err(Error::Broken);
        }
        let mut request = Vec::new();
        write_request(function, &arguments, &self.options, &mut request)?;
        self.is_broken = true;
        let answer = self.exchange(&request[HEAD..]).await?;
        let result = read_answer(&answer, &self.options.pickle);
        self.is_broken = matches!(&result, Err(error) if error.breaks());
        result
    }

    /// Returns whether calls can be made: none has broken the client. That the other end is still there is not tried.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.is_broken
    }

    async fn exchange(&self, request: &[u8]) -> Result<Vec<u8>, Error> {
        let exchange = async {
            self.connection.send_bytes(request).await?;
            self.connection.recv_bytes().await
        };
        let after = self.options.call_timeout.unwrap_or(Duration::MAX);
        match timeout(after, exchange).await {
            Ok(Ok(answer)) => answer.ok_or(Error::Closed),
            Ok(Err(error)) => Err(lost(error)),
            Err(_) => Err(Error::Timeout {
                after,
                not_run: false,
            }),
        }
    }
}

/// What it means for a call that there was this on its connection.
fn lost(error: crate::Error) -> Error {
    let error = match error {
        crate::Error::Frame(FrameError::Truncated { .. }) => return Error::Closed,
        crate::Error::Frame(error) => return Error::Frame(error),
        crate::Error::LoginWanted => return Error::LoginWanted,
        crate::Error::Io(error) => error,
        other => io::Error::other(other),
    };
    Error::Io {
        error: Arc::new(error),
        not_run: false,
    }
}
