use std::os::fd::{AsFd, OwnedFd};

use ::tokio::net::UnixStream;
use ::tokio::sync::MutexGuard;
use fd_passing::MessageError;
use fd_passing::tokio::python::{Acknowledge, TIMEOUT, receive_handle, send_handle};

use super::connection::Connection;
use super::socket::Socket;
use crate::error::Error;
use crate::incoming::Incoming;

/// With the feature `fd-passing`: descriptors between the messages, as Python's `multiprocessing.reduction` sends them.
///
/// Both sides must know when one is due: it is no message, and who receives a message when a descriptor comes loses it.
/// After an error the connection should be closed.
impl Connection {
    /// Sends a descriptor between two messages: Python's `send_handle`.
    ///
    /// The descriptor must stay open until this returns. If it is to be acknowledged (by Python 3.14 and later) this
    /// waits for that, 5 s at most, once no other task is receiving; see [`Acknowledge`] for how to tell.
    ///
    /// Not cancel safe: if the future is dropped, close the connection.
    ///
    /// # Errors
    ///
    /// [`Error::Descriptor`], such as [`MessageError::NotUnix`] over TCP, where nothing is sent; [`Error::Cut`],
    /// [`Error::MessageUnderWay`].
    ///
    /// # Panics
    ///
    /// If the runtime has no timers.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    /// use fd_passing::python::Acknowledge;
    /// use mp_connection::tokio::Connection;
    /// use tokio::net::UnixStream;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (server, worker) = UnixStream::pair()?;
    /// let (server, worker) = (Connection::from(server), Connection::from(worker));
    /// server.send_bytes(b"a file follows").await?;
    /// server.send_handle(File::open("/dev/null")?, Acknowledge::Never).await?;
    ///
    /// assert_eq!(worker.recv_bytes().await?.as_deref(), Some(&b"a file follows"[..]));
    /// let file = worker.recv_handle(Acknowledge::Never).await?;
    /// let _file = File::from(file.expect("one was sent"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_handle(
        &self,
        descriptor: impl AsFd,
        acknowledge: Acknowledge,
    ) -> Result<(), Error> {
        let socket = self.unix()?;
        let incoming = match acknowledge {
            Acknowledge::Always => Some(self.between().await?),
            Acknowledge::Never => None,
        };
        let outgoing = self.outgoing().await?;
        send_handle(socket, descriptor, acknowledge, TIMEOUT).await?;
        drop((incoming, outgoing));
        Ok(())
    }

    /// Receives a descriptor between two messages: Python's `recv_handle`. `None` at the end, where Python raises
    /// `EOFError`. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`Error::Descriptor`], such as [`MessageError::WrongCount`] if no descriptor came but a message;
    /// [`Error::MessageUnderWay`].
    pub async fn recv_handle(&self, acknowledge: Acknowledge) -> Result<Option<OwnedFd>, Error> {
        let socket = self.unix()?;
        let incoming = self.between().await?;
        self.socket().readable().await?;
        // An acknowledgement must not get into a message.
        let outgoing = match acknowledge {
            Acknowledge::Always => Some(self.outgoing().await?),
            Acknowledge::Never => None,
        };
        let descriptor = receive_handle(socket, acknowledge).await?;
        drop((incoming, outgoing));
        Ok(descriptor)
    }

    /// The state of receiving, where a message may begin. Locked before that of sending, always.
    async fn between(&self) -> Result<MutexGuard<'_, Incoming>, Error> {
        let incoming = self.incoming().await;
        match incoming.is_between() {
            true => Ok(incoming),
            false => Err(Error::MessageUnderWay),
        }
    }

    fn unix(&self) -> Result<&UnixStream, Error> {
        match self.socket() {
            Socket::Unix(stream) => Ok(stream),
            Socket::Tcp(_) => Err(Error::Descriptor(MessageError::NotUnix.into())),
        }
    }
}
