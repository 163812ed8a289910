use std::os::fd::{AsFd, OwnedFd};
use std::sync::MutexGuard;

use fd_passing::python::{Acknowledge, TIMEOUT, receive_handle, send_handle};

use super::connection::Connection;
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
    /// waits for that, 5 s at most, once no other thread is receiving; see [`Acknowledge`] for how to tell.
    ///
    /// # Errors
    ///
    /// [`Error::Descriptor`], such as [`MessageError::NotUnix`](fd_passing::MessageError::NotUnix) over TCP, where nothing
    /// is sent; [`Error::Cut`], [`Error::MessageUnderWay`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    /// use std::os::unix::net::UnixStream;
    /// use fd_passing::python::Acknowledge;
    /// use mp_connection::blocking::Connection;
    ///
    /// let (server, worker) = UnixStream::pair()?;
    /// let (server, worker) = (Connection::from(server), Connection::from(worker));
    /// server.send_bytes(b"a file follows")?;
    /// server.send_handle(File::open("/dev/null")?, Acknowledge::Never)?;
    /// server.send_bytes(b"that was it")?;
    ///
    /// assert_eq!(worker.recv_bytes()?.as_deref(), Some(&b"a file follows"[..]));
    /// let _file = File::from(worker.recv_handle(Acknowledge::Never)?.expect("one was sent"));
    /// assert_eq!(worker.recv_bytes()?.as_deref(), Some(&b"that was it"[..]));
    /// # Ok::<(), mp_connection::Error>(())
    /// ```
    pub fn send_handle(
        &self,
        descriptor: impl AsFd,
        acknowledge: Acknowledge,
    ) -> Result<(), Error> {
        let incoming = match acknowledge {
            Acknowledge::Always => Some(self.between()?),
            Acknowledge::Never => None,
        };
        let outgoing = self.outgoing()?;
        send_handle(self, descriptor, acknowledge, TIMEOUT)?;
        drop((incoming, outgoing));
        Ok(())
    }

    /// Receives a descriptor between two messages: Python's `recv_handle`. `None` at the end, where Python raises
    /// `EOFError`.
    ///
    /// # Errors
    ///
    /// [`Error::Descriptor`], such as [`MessageError::WrongCount`](fd_passing::MessageError::WrongCount) if no descriptor
    /// came but a message; [`Error::MessageUnderWay`].
    pub fn recv_handle(&self, acknowledge: Acknowledge) -> Result<Option<OwnedFd>, Error> {
        let incoming = self.between()?;
        self.wait_readable()?;
        // An acknowledgement must not get into a message.
        let outgoing = match acknowledge {
            Acknowledge::Always => Some(self.outgoing()?),
            Acknowledge::Never => None,
        };
        let descriptor = receive_handle(self, acknowledge)?;
        drop((incoming, outgoing));
        Ok(descriptor)
    }

    /// The state of receiving, where a message may begin. Locked before that of sending, always.
    fn between(&self) -> Result<MutexGuard<'_, Incoming>, Error> {
        let incoming = self.incoming();
        match incoming.is_between() {
            true => Ok(incoming),
            false => Err(Error::MessageUnderWay),
        }
    }
}
