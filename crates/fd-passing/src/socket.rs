//! The three system calls.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::{socket_domain, socket_type};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketType,
};

use crate::error::{Error, MessageError};
use crate::{MAX_DESCRIPTORS, Received};

/// Sends bytes, or some of them on a stream, and all descriptors with the first of them.
pub(crate) fn send_some(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::INVAL);
    }
    let flags = flags | SendFlags::NOSIGNAL;
    retry_on_intr(|| rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags))
}

/// Looks at what is to be sent, before anything is.
pub(crate) fn check(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: usize) -> Result<(), Error> {
    if bytes.is_empty() {
        return Err(MessageError::NoBytes.into());
    }
    if descriptors > MAX_DESCRIPTORS {
        return Err(MessageError::too_many(descriptors).into());
    }
    if descriptors > 0 {
        check_unix(socket)?;
    }
    Ok(())
}

/// Other sockets send the bytes and drop the descriptors.
pub(crate) fn check_unix(socket: BorrowedFd<'_>) -> Result<(), Error> {
    match socket_domain(socket)? {
        AddressFamily::UNIX => Ok(()),
        _ => Err(MessageError::NotUnix.into()),
    }
}

/// On datagrams nobody can tell what belongs together, nor when it is over.
pub(crate) fn check_connection(socket: BorrowedFd<'_>) -> Result<(), Error> {
    check_unix(socket)?;
    match socket_type(socket)? {
        SocketType::STREAM | SocketType::SEQPACKET => Ok(()),
        _ => Err(MessageError::WrongSocket.into()),
    }
}

/// Receives what there is; `None` at the end of the stream.
pub(crate) fn receive_some(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> Result<Option<Received>, Error> {
    if buffer.is_empty() {
        return Err(MessageError::NoBytes.into());
    }
    // Credentials come too if somebody has asked for them on this socket, and need room.
    const SPACE: usize = rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS), ScmCredentials(1));
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let mut attempt = || {
        let mut parts = [IoSliceMut::new(buffer)];
        rustix::net::recvmsg(socket, &mut parts, &mut ancillary, flags)
    };
    let received = match retry_on_intr(&mut attempt) {
        // The peer has closed without reading all of ours. That is said once, and before what it has sent.
        Err(Errno::CONNRESET) => retry_on_intr(attempt)?,
        other => other?,
    };
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = message {
            descriptors.extend(more);
        }
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        let received = descriptors.len();
        return Err(MessageError::DescriptorsLost { received }.into());
    }
    if received.flags.contains(ReturnFlags::TRUNC) {
        let buffer = buffer.len();
        return Err(MessageError::BytesLost { buffer }.into());
    }
    let is_over =
        received.bytes == 0 && descriptors.is_empty() && socket_type(socket)? != SocketType::DGRAM;
    Ok((!is_over).then_some(Received {
        len: received.bytes,
        descriptors,
    }))
}
