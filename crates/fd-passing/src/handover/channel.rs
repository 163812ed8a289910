use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::RecvFlags;
use rustix::process::geteuid;

use crate::Credentials;
use crate::deadline::Deadline;
use crate::handover::message::{MAX_MESSAGE_LEN, Message};
use crate::handover::{Error, Refusal};
use crate::socket::receive_some;

/// A connection between the two processes.
#[derive(Debug)]
pub(super) struct Channel {
    socket: OwnedFd,
    peer: Credentials,
}

impl Channel {
    /// Looks who is at the other end. It must be the same user, or root.
    pub(super) fn new(socket: OwnedFd) -> Result<Self, Error> {
        let peer = crate::peer_credentials(&socket)?;
        let channel = Self { socket, peer };
        match peer.uid == 0 || peer.uid == geteuid().as_raw() {
            true => Ok(channel),
            false => {
                channel.refuse(Refusal::Stranger);
                Err(Error::Stranger(peer))
            }
        }
    }

    pub(super) fn send(
        &self,
        message: &Message,
        descriptors: &[BorrowedFd<'_>],
        deadline: &Deadline,
    ) -> Result<(), Error> {
        let packet = message.encode()?;
        match deadline.send(self.socket.as_fd(), &packet, descriptors) {
            Err(crate::Error::Io(error)) if is_gone(error.kind()) => Err(Error::Gone),
            other => Ok(other?),
        }
    }

    /// Says why there is nothing to get. Whether that is heard does not matter.
    pub(super) fn refuse(&self, refusal: Refusal) {
        let _ = self.send(&Message::Refused(refusal), &[], &Deadline::now());
    }

    /// Receives a message without waiting for one: `None` if there is none.
    pub(super) fn receive(&self) -> Result<Option<(Message, Vec<OwnedFd>)>, Error> {
        let mut packet = vec![0; MAX_MESSAGE_LEN];
        match receive_some(self.socket.as_fd(), &mut packet, RecvFlags::DONTWAIT) {
            Ok(None) => Err(Error::Gone),
            Ok(Some(received)) => {
                let message = Message::decode(&packet[..received.len])?;
                Ok(Some((message, received.descriptors)))
            }
            Err(crate::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn peer(&self) -> Credentials {
        self.peer
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn is_gone(error: ErrorKind) -> bool {
    matches!(error, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}
