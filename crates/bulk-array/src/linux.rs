//! What Linux has for bulk data beyond reading and writing (Linux only).
//!
//! | you send | take | what it saves |
//! |---|---|---|
//! | a file, or a part of one | [`send_file`] | the way through the program's memory: the pages go from the cache of the file to the socket |
//! | a slice, to another machine, again and again | [`send_slice_zerocopy`] | the copy into the socket's buffer, if the network card can send from anywhere |
//!
//! Both block until the socket has taken all, also where the socket is non-blocking: they wait for it
//! themselves. The socket's own write timeout (`set_write_timeout`) is how long the peer may take no byte.
//! Neither raises SIGPIPE when the peer has gone, whatever the program does with that signal.
//!
//! ```
//! use std::fs::File;
//! use std::io::{Read, Write};
//! use std::net::{TcpListener, TcpStream};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = std::env::temp_dir().join(format!("bulk-array-send-file-{}", std::process::id()));
//! File::create(&path)?.write_all(b"header, then what is wanted")?;
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let server = TcpStream::connect(listener.local_addr()?)?;
//! let (mut client, _) = listener.accept()?;
//! bulk_array::linux::send_file(&server, &File::open(&path)?, 8, 19)?;
//! drop(server);
//!
//! let mut arrived = String::new();
//! client.read_to_string(&mut arrived)?;
//! assert_eq!(arrived, "then what is wanted");
//! # std::fs::remove_file(&path)?;
//! # Ok(())
//! # }
//! ```

mod file;
mod patience;
mod pipe_signal;
mod zerocopy;

use std::error::Error;
use std::{fmt, io};

pub use file::send_file;
pub use zerocopy::{Delivery, send_slice_zerocopy};

/// Why not everything was sent, and how much was.
///
/// [`kind`](io::Error::kind) of the [source](Self::io_error) tells what happened: `TimedOut` is the write
/// timeout of the socket, `UnexpectedEof` a file that is shorter than it was said to be, `BrokenPipe` and
/// `ConnectionReset` a peer that has gone.
#[derive(Debug)]
pub struct SendError {
    sent: u64,
    len: u64,
    source: io::Error,
}

impl SendError {
    fn new(sent: u64, len: u64, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        Self { sent, len, source }
    }

    /// Returns how many bytes the socket took. Some of them may never have reached the peer.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns what happened.
    #[must_use]
    pub fn io_error(&self) -> &io::Error {
        &self.source
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, len, source } = self;
        write!(f, "sent {sent} of {len} bytes: {source}")
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Keeps the kind.
impl From<SendError> for io::Error {
    fn from(error: SendError) -> Self {
        Self::new(error.source.kind(), error)
    }
}
