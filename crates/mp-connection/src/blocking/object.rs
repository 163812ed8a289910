use serde::Serialize;

use super::connection::Connection;
use crate::error::Error;
use crate::pickle::{self, Value};

/// Objects, which are messages that hold a pickle.
impl Connection {
    /// Sends a value that serde knows: Python's `send`.
    ///
    /// # Errors
    ///
    /// [`Error::Pickle`] if it can't be pickled, or not within the [options](Self::with_pickle_options): nothing was
    /// sent. Otherwise as [`send_bytes`](Self::send_bytes).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use mp_connection::blocking::Connection;
    ///
    /// let (left, right) = UnixStream::pair()?;
    /// let (left, right) = (Connection::from(left), Connection::from(right));
    /// left.send(&("add", (2, 3)))?;
    /// assert_eq!(right.recv_bytes()?.as_deref(), Some(&b"\x80\x04\x8c\x03addK\x02K\x03\x86\x86."[..]));
    /// # Ok::<(), mp_connection::Error>(())
    /// ```
    pub fn send<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Error> {
        self.send_bytes(&self.pickle_options().to_pickle(value)?)
    }

    /// Receives a value of whatever type: Python's `recv`. `None` at the end, where Python raises `EOFError`.
    ///
    /// What was one object in the pickle is one in the value, in several places.
    ///
    /// # Errors
    ///
    /// - [`Error::Pickle`]: the message is no value, or not within the [options](Self::with_pickle_options). The next
    ///   one can be received.
    /// - [`Error::LoginWanted`]: the peer expected a client with a key.
    /// - Otherwise as [`recv_bytes`](Self::recv_bytes).
    pub fn recv_value(&self) -> Result<Option<Value>, Error> {
        self.recv_object(|pickle| Value::from_pickle(pickle, self.pickle_options()))
    }

    fn recv_object<T>(
        &self,
        read: impl FnOnce(&[u8]) -> Result<T, pickle::Error>,
    ) -> Result<Option<T>, Error> {
        let Some(message) = self.recv_bytes()? else {
            return Ok(None);
        };
        let is_challenge = self.generation().is_none() && message.starts_with(b"#CHALLENGE#");
        match read(&message) {
            Err(_) if is_challenge => Err(Error::LoginWanted),
            read => Ok(Some(read?)),
        }
    }
}
