use std::os::fd::AsFd;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::error::Error;
use crate::socket::check_connection;

/// Who is at the other end of a Unix connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The process id; `None` if that process is not visible from here, as in another container. The process
    /// may have ended since, and another one have the number.
    pub pid: Option<u32>,
    /// The effective user id.
    pub uid: u32,
    /// The effective group id.
    pub gid: u32,
}

/// Returns who has made the other end of a Unix stream or seqpacket connection: the process that has connected, that
/// has called `listen`, or that has made the socket pair. The kernel has noted it down then, and nobody can
/// pretend to be somebody else; but the socket may have been passed on since.
///
/// # Errors
///
/// [`MessageError::NotUnix`](crate::MessageError::NotUnix), [`WrongSocket`](crate::MessageError::WrongSocket) for a
/// datagram socket, which has no such note; [`Error::Io`].
///
/// # Examples
///
/// ```
/// let (left, _right) = std::os::unix::net::UnixStream::pair()?;
/// let peer = fd_passing::peer_credentials(&left)?;
/// assert_eq!(peer.pid, Some(std::process::id()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn peer_credentials(socket: impl AsFd) -> Result<Credentials, Error> {
    let socket = socket.as_fd();
    check_connection(socket)?;
    // Not rustix: its process ids can't be 0, and the kernel's are in another namespace.
    let peer = getsockopt(&socket, PeerCredentials).map_err(std::io::Error::from)?;
    Ok(Credentials {
        pid: u32::try_from(peer.pid()).ok().filter(|&pid| pid != 0),
        uid: peer.uid(),
        gid: peer.gid(),
    })
}
