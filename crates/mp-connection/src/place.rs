//! Sockets at an [`Address`].

use std::fs::{self, File, Metadata, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{error, fmt, io};

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind as bind_socket,
    connect as connect_socket, listen, socket_with,
};

use crate::address::Address;

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) socket: OwnedFd,
    /// With the port that the system chose.
    pub(crate) address: Address,
    pub(crate) file: Option<SocketFile>,
}

pub(crate) fn bind(address: &Address) -> io::Result<Bound> {
    try_bind(address).map_err(|error| {
        let hint = match address {
            Address::Unix(path) if error.kind() == io::ErrorKind::AddrInUse => in_use(path),
            _ => "",
        };
        let action = "listen at";
        at(address, action, error, hint)
    })
}

/// Connects to a listener, which must have room for the connection in that time.
pub(crate) fn connect(address: &Address, timeout: Option<Duration>) -> io::Result<OwnedFd> {
    let connected = match (address, timeout) {
        (Address::Tcp(address), None) => TcpStream::connect(address).map(OwnedFd::from),
        (Address::Tcp(address), Some(timeout)) => {
            TcpStream::connect_timeout(address, timeout.max(SHORTEST)).map(OwnedFd::from)
        }
        (Address::Unix(_) | Address::Abstract(_), timeout) => connect_unix_within(address, timeout),
    };
    connected.map_err(|error| not_connected(address, error))
}

/// Says where nobody listens.
pub(crate) fn not_connected(address: &Address, error: io::Error) -> io::Error {
    let hint = match (address, error.kind()) {
        (Address::Unix(_), io::ErrorKind::ConnectionRefused) => STALE,
        _ => "",
    };
    at(address, "connect to", error, hint)
}

/// The file of a Unix socket, removed when this is dropped, unless another has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and number.
    identity: (u64, u64),
}

impl SocketFile {
    pub(crate) fn set_mode(&self, mode: u32) -> io::Result<()> {
        fs::set_permissions(&self.path, Permissions::from_mode(mode))
    }

    fn new(path: &Path) -> io::Result<Self> {
        // The program may change its folder later.
        let path = std::path::absolute(path)?;
        let identity = identity(&fs::symlink_metadata(&path)?);
        Ok(Self { path, identity })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| identity(&found) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Whether nothing can be accepted for want of descriptors or memory, for now.
pub(crate) fn is_exhausted(error: Errno) -> bool {
    matches!(
        error,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM
    )
}

/// Whether nothing will ever be accepted. Other errors are of the connection that was to be taken, or of none.
pub(crate) fn is_fatal(error: Errno) -> bool {
    matches!(error, Errno::BADF | Errno::INVAL | Errno::NOTSOCK)
}

fn try_bind(address: &Address) -> io::Result<Bound> {
    if let Address::Tcp(address) = address {
        let listener = TcpListener::bind(address)?;
        let address = Address::Tcp(listener.local_addr()?);
        return Ok(Bound {
            socket: listener.into(),
            address,
            file: None,
        });
    }
    let socket = unix_socket(SocketFlags::CLOEXEC)?;
    // For a socket without a name yet, this is what its file will have.
    let socket = File::from(socket);
    socket.set_permissions(Permissions::from_mode(PRIVATE))?;
    let socket = OwnedFd::from(socket);
    bind_socket(&socket, &unix_address(address)?)?;
    let file = match address {
        Address::Unix(path) => Some(SocketFile::new(path)?),
        _ => None,
    };
    listen(&socket, BACKLOG)?;
    Ok(Bound {
        socket,
        address: address.clone(),
        file,
    })
}

/// Connects to a listener at a Unix socket: without waiting for room in its queue, if the flags are for that.
pub(crate) fn connect_unix(address: &Address, flags: SocketFlags) -> io::Result<OwnedFd> {
    let socket = unix_socket(flags)?;
    connect_to(&socket, address)?;
    Ok(socket)
}

/// Waits no longer than that for room in the listener's queue.
fn connect_unix_within(address: &Address, timeout: Option<Duration>) -> io::Result<OwnedFd> {
    let socket = unix_socket(SocketFlags::CLOEXEC)?;
    let timeout = timeout.map(|timeout| timeout.max(SHORTEST));
    set_socket_timeout(&socket, Timeout::Send, timeout)?;
    connect_to(&socket, address).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
        _ => error,
    })?;
    set_socket_timeout(&socket, Timeout::Send, None)?;
    Ok(socket)
}

fn connect_to(socket: &OwnedFd, address: &Address) -> io::Result<()> {
    let address = unix_address(address)?;
    loop {
        match connect_socket(socket, &address) {
            Err(Errno::INTR) => {}
            connected => return Ok(connected?),
        }
    }
}

fn unix_socket(flags: SocketFlags) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    Ok(socket?)
}

fn unix_address(address: &Address) -> io::Result<SocketAddrUnix> {
    Ok(match address {
        Address::Unix(path) => SocketAddrUnix::new(path.as_path())?,
        #[cfg(any(target_os = "linux", target_os = "android"))]
        Address::Abstract(name) => SocketAddrUnix::new_abstract_name(name)?,
        _ => return Err(io::ErrorKind::Unsupported.into()),
    })
}

fn in_use(path: &Path) -> &'static str {
    match connect_unix(
        &Address::Unix(path.into()),
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
    ) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => STALE,
        _ => "",
    }
}

fn at(address: &Address, action: &'static str, error: io::Error, hint: &'static str) -> io::Error {
    let kind = error.kind();
    let address = address.clone();
    let failed = Failed {
        action,
        address,
        error,
        hint,
    };
    io::Error::new(kind, failed)
}

/// What could not be done where.
#[derive(Debug)]
struct Failed {
    action: &'static str,
    address: Address,
    error: io::Error,
    hint: &'static str,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            action,
            address,
            error,
            hint,
        } = self;
        write!(f, "can't {action} {address}: {error}{hint}")
    }
}

impl error::Error for Failed {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.error)
    }
}

/// How many peers may be logging in at a time.
pub(crate) const MAX_PENDING: usize = 128;
/// How long nothing is taken when there are no descriptors, or no memory.
pub(crate) const REST: Duration = Duration::from_millis(100);

const STALE: &str = "; the file was left behind by a listener that is gone, and can be removed";
/// Who may connect to a Unix socket: its owner.
const PRIVATE: u32 = 0o600;
/// How many connections wait for `accept` at a Unix socket.
const BACKLOG: i32 = 1024;
/// Zero is no timeout, but an error.
const SHORTEST: Duration = Duration::from_millis(1);
