use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::Connection;
use crate::error::Error;
use crate::pickle::{self, Value};

/// Objects, which are messages that hold a pickle.
impl Connection {
    /// Sends a value that serde knows: Python's `send`.
    ///
    /// Not cancel safe, see [above](Self#cancel-safety).
    ///
    /// # Errors
    ///
    /// [`Error::Pickle`] if it can't be pickled, or not within the [options](Self::with_pickle_options): nothing was
    /// sent. Otherwise as [`send_bytes`](Self::send_bytes).
    pub async fn send<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Error> {
        let pickle = self.pickle_options().to_pickle(value)?;
        self.send_bytes(&pickle).await
    }

    /// Sends a value of whatever type. What is shared in it is one object for the peer, in several places.
    ///
    /// Not cancel safe, see [above](Self#cancel-safety).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_value(&self, value: &Value) -> Result<(), Error> {
        let pickle = value.to_pickle(self.pickle_options())?;
        self.send_bytes(&pickle).await
    }

    /// Receives a value that serde knows: Python's `recv`. `None` at the end, where Python raises `EOFError`.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// - [`Error::Pickle`]: the message is no such value, or not within the [options](Self::with_pickle_options). An
    ///   exception that came instead is in it. The next message can be received.
    /// - [`Error::LoginWanted`]: the peer expected a client with a key.
    /// - Otherwise as [`recv_bytes`](Self::recv_bytes).
    pub async fn recv<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        let message = self.recv_bytes().await?;
        self.read(message, |pickle| self.pickle_options().from_pickle(pickle))
    }

    /// Receives a value of whatever type. `None` at the end, where Python raises `EOFError`.
    ///
    /// What was one object in the pickle is one in the value, in several places. An exception is a value, too. Cancel
    /// safe.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub async fn recv_value(&self) -> Result<Option<Value>, Error> {
        let message = self.recv_bytes().await?;
        self.read(message, |pickle| {
            Value::from_pickle(pickle, self.pickle_options())
        })
    }

    fn read<T>(
        &self,
        message: Option<Vec<u8>>,
        read: impl FnOnce(&[u8]) -> Result<T, pickle::Error>,
    ) -> Result<Option<T>, Error> {
        let Some(message) = message else {
            return Ok(None);
        };
        let is_challenge = self.generation().is_none() && message.starts_with(b"#CHALLENGE#");
        match read(&message) {
            Err(_) if is_challenge => Err(Error::LoginWanted),
            read => Ok(Some(read?)),
        }
    }
}
