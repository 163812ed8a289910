//! The header by which a proxy says for whom it speaks.

use std::io;
use std::net::SocketAddr;

use crate::Connection;

/// Reads the header and nothing after it. Gives the client; `None` when the proxy speaks for itself.
pub(crate) fn read_header(_connection: &Connection) -> io::Result<Option<SocketAddr>> {
    Err(io::ErrorKind::Unsupported.into())
}
