use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use super::message::{MAX_MESSAGE_LEN, Message};

/// One end of the channel between the parent and a child: whole messages, some with a descriptor.
#[derive(Debug)]
pub(super) struct Control(OwnedFd);

impl Control {
    /// Returns the parent's end and the child's.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (parent, child) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self(parent), child))
    }

    pub(super) fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Sends a message, with descriptors if there are any. Does not wait: a channel that nobody
    /// reads fills up after a few hundred messages, and then this is an error of kind `WouldBlock`.
    pub(super) fn send(&self, message: &Message, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(sockets)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let bytes = message.encode();
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        rustix::io::retry_on_intr(|| {
            rustix::net::sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut ancillary, flags)
        })?;
        Ok(())
    }

    /// Waits for the next message; `None` when the other side is gone.
    pub(super) fn receive(&self) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
        self.receive_with(RecvFlags::empty())
    }

    /// Like [`receive`](Self::receive), but an error of kind `WouldBlock` when there is no message.
    pub(super) fn try_receive(&self) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
        self.receive_with(RecvFlags::DONTWAIT)
    }

    fn receive_with(&self, flags: RecvFlags) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = vec![0; MAX_MESSAGE_LEN];
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let mut attempt = || {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            rustix::net::recvmsg(&self.0, &mut parts, &mut ancillary, flags)
        };
        let received = match rustix::io::retry_on_intr(&mut attempt) {
            // The other side has ended without reading all of ours. That is said once, and before
            // what it has sent.
            Err(rustix::io::Errno::CONNRESET) => rustix::io::retry_on_intr(attempt)?,
            other => other?,
        };
        if received.bytes == 0 {
            return Ok(None);
        }
        let cut = ReturnFlags::TRUNC | ReturnFlags::CTRUNC;
        let message = Message::decode(&bytes[..received.bytes])
            .filter(|_| !received.flags.intersects(cut))
            .ok_or_else(|| {
                let text = format!(
                    "a control message of {} bytes is cut or unknown",
                    received.bytes
                );
                io::Error::new(io::ErrorKind::InvalidData, text)
            })?;
        let sockets = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
            _ => None,
        });
        Ok(Some((message, sockets.flatten().collect())))
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The most descriptors one message carries: a socket and the file of counts.
const MAX_SOCKETS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Control, Control) {
        let (parent, child) = Control::pair().expect("there are descriptors left");
        (parent, Control::new(child))
    }

    #[test]
    fn who_ends_without_having_read_all_has_still_said_what_it_said() {
        for unread in [0, 1, 3] {
            let (parent, child) = pair();
            for _ in 0..unread {
                parent.send(&Message::Suspend, &[]).unwrap();
            }
            child.send(&Message::Serving, &[]).unwrap();
            child.send(&Message::Done, &[parent.as_fd()]).unwrap();
            drop(child);
            let (first, sockets) = parent.receive().unwrap().unwrap();
            assert_eq!((first, sockets.len()), (Message::Serving, 0), "{unread}");
            let (second, sockets) = parent.try_receive().unwrap().unwrap();
            assert_eq!((second, sockets.len()), (Message::Done, 1), "{unread}");
            drop(sockets);
            assert!(parent.receive().unwrap().is_none(), "{unread}");
            assert!(parent.try_receive().unwrap().is_none(), "{unread}");
        }
    }

    #[test]
    fn who_ends_with_nothing_said_is_gone() {
        for unread in [0, 1] {
            let (parent, child) = pair();
            let nothing = parent.try_receive().unwrap_err();
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
            for _ in 0..unread {
                parent.send(&Message::Stop, &[]).unwrap();
            }
            drop(child);
            assert!(parent.receive().unwrap().is_none(), "{unread}");
        }
    }
}
