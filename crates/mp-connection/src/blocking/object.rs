use serde::Serialize;
use serde::de::DeserializeOwned;

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
    /// let (name, numbers): (String, Vec<i64>) = right.recv()?.expect("one was sent");
    /// assert_eq!((&name[..], &numbers[..]), ("add", &[2, 3][..]));
    /// # Ok::<(), mp_connection::Error>(())
    /// ```
    pub fn send<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), Error> {
        self.send_bytes(&self.pickle_options().to_pickle(value)?)
    }

    /// Receives a value of that type: Python's `recv`. `None` at the end, where Python raises `EOFError`.
    ///
    /// # Errors
    ///
    /// - [`Error::Pickle`]: the message is no such value, or not within the [options](Self::with_pickle_options). The next
    ///   one can be received.
    /// - [`Error::LoginWanted`]: the peer expected a client with a key.
    /// - Otherwise as [`recv_bytes`](Self::recv_bytes).
    pub fn recv<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        self.recv_object(|pickle| self.pickle_options().from_pickle(pickle))
    }

    /// Sends a value of any type: Python's `send`. What it shares is sent once, and shared on the other side.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use mp_connection::blocking::Connection;
    /// use mp_connection::pickle::Value;
    ///
    /// let (left, right) = UnixStream::pair()?;
    /// let (left, right) = (Connection::from(left), Connection::from(right));
    /// let names = Value::list(["eggs", "spam"]);
    /// left.send_value(&Value::list([names.clone(), names]))?;
    /// let received = right.recv_value()?.expect("one was sent");
    /// assert_eq!(received, Value::list([Value::list(["eggs", "spam"]), Value::list(["eggs", "spam"])]));
    /// # Ok::<(), mp_connection::Error>(())
    /// ```
    pub fn send_value(&self, value: &Value) -> Result<(), Error> {
        self.send_bytes(&value.to_pickle(self.pickle_options())?)
    }

    /// Receives a value of whatever type: Python's `recv`. `None` at the end, where Python raises `EOFError`.
    ///
    /// What was one object in the pickle is one in the value, in several places.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
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
