use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::sys::socket::sockopt::SetBool;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SetSockOpt, recvmsg};
use nix::{cmsg_space, libc, setsockopt_impl};
use rustix::event::PollFlags;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{SendFlags, send, sockopt};

use super::SendError;
use super::patience::Patience;
use crate::Element;

/// How [`send_slice_zerocopy`] sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The network card has read the values where they are.
    InPlace,
    /// They were copied, all or most of them: on this way it is not worth the trouble.
    Copied,
}

/// Sends the values as they are in memory, as [`raw`](crate::blocking::raw) does in the machine's own byte
/// order, without copying them into the socket's buffer (`MSG_ZEROCOPY`).
///
/// Returns when the kernel needs the values no more, which is when the peer has acknowledged the last of them:
/// a way around later than an ordinary send. That pays for large arrays through a fast network card. Where
/// the kernel says that it had to copy all the same (on loopback it always does), or has no room to keep
/// account (`RLIMIT_MEMLOCK`, `net.core.optmem_max`), or the socket is none of TCP, the rest is sent the
/// ordinary way.
///
/// It leaves `SO_ZEROCOPY` set, and reads the socket's error queue: no time stamps at the same time.
///
/// Blocks until then, see [the module](crate::linux).
///
/// # Errors
///
/// [`SendError`]: the peer has gone, or the write timeout of the socket has passed without progress. The
/// kernel may then still be sending, and values that are changed now arrive changed: close the connection.
pub fn send_slice_zerocopy<T: Element>(
    socket: &impl AsFd,
    values: &[T],
) -> Result<Delivery, SendError> {
    let bytes = bytemuck::cast_slice(values);
    let mut sent = 0;
    send_bytes(socket.as_fd(), bytes, &mut sent)
        .map_err(|error| SendError::new(sent, bytes.len() as u64, error))
}

fn send_bytes(socket: BorrowedFd<'_>, bytes: &[u8], sent: &mut u64) -> io::Result<Delivery> {
    let mut patience = Patience::of(socket)?;
    let mut lent = Lent::to(socket);
    while lent.is_in_use && (*sent as usize) < bytes.len() {
        let rest = &bytes[*sent as usize..];
        let most = if *sent == 0 { PROBE } else { PIECE };
        let piece = &rest[..rest.len().min(most)];
        let taken = retry_on_intr(|| send(socket, piece, IN_PLACE));
        match taken {
            Ok(taken) => {
                *sent += taken as u64;
                lent.pending += 1;
                patience.renew();
                lent.take_back()?;
            }
            Err(Errno::AGAIN) => lent.wait(&mut patience, PollFlags::OUT)?,
            // There is no room to note what is lent: not until something is given back, or never.
            Err(Errno::NOBUFS) if lent.pending > 0 => {
                lent.wait(&mut patience, PollFlags::empty())?;
            }
            Err(Errno::NOBUFS | Errno::INVAL | Errno::OPNOTSUPP) => lent.is_in_use = false,
            Err(error) => return Err(error.into()),
        }
    }
    patience.send(&bytes[*sent as usize..], sent)?;
    while lent.pending > 0 {
        lent.wait(&mut patience, PollFlags::empty())?;
    }
    Ok(if lent.is_in_use {
        Delivery::InPlace
    } else {
        Delivery::Copied
    })
}

/// What the kernel has of the caller's memory.
struct Lent<'a> {
    socket: BorrowedFd<'a>,
    /// How many sends it has not given back.
    pending: u64,
    /// Whether more is to be lent: it is of use.
    is_in_use: bool,
    control: Vec<u8>,
}

impl<'a> Lent<'a> {
    fn to(socket: BorrowedFd<'a>) -> Self {
        Self {
            socket,
            pending: 0,
            is_in_use: ZeroCopy.set(&socket, &true).is_ok(),
            control: cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6),
        }
    }

    /// Takes back what the kernel is done with.
    fn take_back(&mut self) -> io::Result<()> {
        while self.pending > 0 {
            let Some(report) = self.next_report()? else {
                break;
            };
            self.pending = self.pending.saturating_sub(report.sends);
            self.is_in_use &= !report.was_copied;
        }
        Ok(())
    }

    /// Waits until the kernel is done with something, or for `wanted`.
    fn wait(&mut self, patience: &mut Patience<'_>, wanted: PollFlags) -> io::Result<()> {
        let found = patience.wait(wanted)?;
        let before = self.pending;
        self.take_back()?;
        if self.pending < before {
            patience.renew();
        } else if found.intersects(PollFlags::ERR | PollFlags::HUP) {
            // Nothing came with the error queue, so it is the connection itself.
            sockopt::socket_error(self.socket)??;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// Takes a report off the error queue; `None` when there is none.
    fn next_report(&mut self) -> io::Result<Option<Report>> {
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let socket = self.socket.as_raw_fd();
        loop {
            let message = match recvmsg::<()>(socket, &mut [], Some(&mut self.control), flags) {
                Ok(message) => message,
                Err(nix::Error::EAGAIN) => return Ok(None),
                Err(nix::Error::EINTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let report = message.cmsgs()?.find_map(|control| match control {
                ControlMessageOwned::Ipv4RecvErr(report, _)
                | ControlMessageOwned::Ipv6RecvErr(report, _) => Report::of(report),
                _ => None,
            });
            if report.is_some() {
                return Ok(report);
            }
        }
    }
}

/// What the kernel says about some sends.
#[derive(Debug, PartialEq, Eq)]
struct Report {
    sends: u64,
    was_copied: bool,
}

impl Report {
    fn of(report: libc::sock_extended_err) -> Option<Self> {
        // The first and the last of the sends, which are numbered.
        let (first, last) = (report.ee_info, report.ee_data);
        (report.ee_origin == SO_EE_ORIGIN_ZEROCOPY).then(|| Self {
            sends: u64::from(last.wrapping_sub(first)) + 1,
            was_copied: report.ee_code & SO_EE_CODE_ZEROCOPY_COPIED != 0,
        })
    }
}

/// The option of a socket that allows it.
#[derive(Clone, Copy)]
struct ZeroCopy;

setsockopt_impl!(ZeroCopy, libc::SOL_SOCKET, libc::SO_ZEROCOPY, bool, SetBool);

const SO_EE_ORIGIN_ZEROCOPY: u8 = 5;
const SO_EE_CODE_ZEROCOPY_COPIED: u8 = 1;
const IN_PLACE: SendFlags = SendFlags::NOSIGNAL
    .union(SendFlags::DONTWAIT)
    .union(SendFlags::from_bits_retain(libc::MSG_ZEROCOPY as u32));
/// The most that is lent by the first send: what the kernel says about it comes before much else is lent.
const PROBE: usize = 64 << 10;
/// The most that is lent by one of the others.
const PIECE: usize = 1 << 20;
