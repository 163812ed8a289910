//! Makes sockets and binds them.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, getsockname,
    socket_with, sockopt,
};

use crate::Address;
use crate::acceptor::Listener;
use crate::server::{Settings, Source};

type Made = (Listener, SocketType, Address);

/// Makes the socket of a server.
pub(crate) fn bound(source: Source, settings: &Settings) -> io::Result<Made> {
    let (stream, datagram) = (SocketType::STREAM, SocketType::DGRAM);
    match source {
        Source::Tcp(addresses) => bind_ip(addresses?, stream, settings),
        Source::Udp(addresses) => bind_ip(addresses?, datagram, settings),
        Source::Unix(path) => bind_unix(&path),
        Source::UnixAbstract(name) => bind_unix_abstract(&name),
        Source::Adopted(socket) => adopt(socket),
    }
}

/// Makes a socket of the same kind that is bound to nothing: in a process that does not serve it.
pub(crate) fn unbound(source: Source) -> io::Result<Made> {
    let first = |addresses: Vec<SocketAddr>| addresses.first().copied().ok_or_else(no_address);
    let (kind, address) = match source {
        Source::Tcp(addresses) => (SocketType::STREAM, Address::Tcp(first(addresses?)?)),
        Source::Udp(addresses) => (SocketType::DGRAM, Address::Udp(first(addresses?)?)),
        Source::Unix(path) => (SocketType::STREAM, Address::Unix(path)),
        Source::UnixAbstract(name) => (SocketType::STREAM, Address::UnixAbstract(name)),
        Source::Adopted(socket) => return adopt(socket),
    };
    let family = match address.socket_addr() {
        Some(address) => family(address),
        None => AddressFamily::UNIX,
    };
    let socket = socket_with(family, kind, FLAGS, None)?;
    Ok((Listener::inherited(socket), kind, address))
}

/// Takes a listener or a connection that another process has made.
pub(crate) fn inherited(socket: OwnedFd) -> io::Result<Made> {
    let kind = sockopt::socket_type(&socket)?;
    let address = match Address::of_stream(getsockname(&socket)?)? {
        Address::Tcp(address) if kind == SocketType::DGRAM => Address::Udp(address),
        address => address,
    };
    Ok((Listener::inherited(socket), kind, address))
}

/// Binds the first of the addresses that can be bound.
fn bind_ip(addresses: Vec<SocketAddr>, kind: SocketType, settings: &Settings) -> io::Result<Made> {
    let mut refusal = no_address();
    for address in addresses {
        match bind_one(address, kind, settings) {
            Ok(made) => return Ok(made),
            Err(error) => refusal = error,
        }
    }
    Err(refusal)
}

fn bind_one(address: SocketAddr, kind: SocketType, settings: &Settings) -> io::Result<Made> {
    let socket = socket_with(family(address), kind, FLAGS, None)?;
    if settings.reuse_address && kind == SocketType::STREAM {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    if settings.reuse_port {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    bind(&socket, &address)?;
    made(socket, kind, None)
}

/// Binds a path, in place of a file that a dead server has left.
fn bind_unix(path: &Path) -> io::Result<Made> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
    match bind(&socket, &address) {
        Err(Errno::ADDRINUSE) if is_stale(path, &address) => {
            fs::remove_file(path)?;
            bind(&socket, &address)?;
        }
        bound => bound?,
    }
    let file = SocketFile::new(path)?;
    made(socket, SocketType::STREAM, Some(file))
}

/// Binds a name that has no file.
fn bind_unix_abstract(name: &[u8]) -> io::Result<Made> {
    let address = SocketAddrUnix::new_abstract_name(name)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
    bind(&socket, &address)?;
    made(socket, SocketType::STREAM, None)
}

/// Takes a socket that is bound already.
fn adopt(socket: OwnedFd) -> io::Result<Made> {
    let kind = sockopt::socket_type(&socket)?;
    ioctl_fionbio(&socket, true)?;
    made(socket, kind, None)
}

fn family(address: SocketAddr) -> AddressFamily {
    match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    }
}

fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the name has no address")
}

fn made(socket: OwnedFd, kind: SocketType, file: Option<SocketFile>) -> io::Result<Made> {
    let address = Address::of_stream(getsockname(&socket)?)?;
    let address = match address {
        Address::Tcp(address) if kind == SocketType::DGRAM => Address::Udp(address),
        address if kind == SocketType::STREAM => address,
        _ => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "neither a stream socket nor a UDP socket",
            ));
        }
    };
    if let Address::Tcp(_) = address {
        // Connections inherit these.
        sockopt::set_tcp_nodelay(&socket, true)?;
        sockopt::set_socket_keepalive(&socket, true)?;
        sockopt::set_tcp_keepidle(&socket, KEEP_ALIVE)?;
    }
    let listener = Listener {
        socket,
        _file: file,
    };
    Ok((listener, kind, address))
}

/// Whether the path is a socket on which nobody listens.
fn is_stale(path: &Path, address: &SocketAddrUnix) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
        && socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)
            .is_ok_and(|probe| connect(&probe, address) == Err(Errno::CONNREFUSED))
}

/// The file of a Unix socket, removed when dropped, unless another has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        let file = fs::symlink_metadata(path)?;
        Ok(Self {
            path: std::path::absolute(path)?,
            identity: (file.dev(), file.ino()),
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|file| (file.dev(), file.ino()) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);
/// After how long a silence the system asks a peer for a sign of life.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
