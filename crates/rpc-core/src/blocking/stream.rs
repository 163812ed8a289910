use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// What bytes come and go by: read and written through a shared reference, with descriptors to wait for.
///
/// Everything is one that has [`AsFd`] and whose shared reference is `Read + Write`: `TcpStream`, `UnixStream`,
/// `TlsStream` of `tls-mixin`, `Connection` of `socket-server`; and a [`Pair`]. Implement it for what reads and writes
/// in two places.
///
/// A stream that reads ahead, as TLS does, must give all it has in one [`read`](Self::read) into 64 KiB: then the
/// descriptor tells whether there is more.
pub trait Stream {
    /// Reads what is there, waiting for it if need be; 0 at the end.
    ///
    /// # Errors
    /// As [`Read::read`].
    fn read(&self, buf: &mut [u8]) -> io::Result<usize>;

    /// Writes some of it.
    ///
    /// # Errors
    /// As [`Write::write`].
    fn write(&self, buf: &[u8]) -> io::Result<usize>;

    /// Sees to it that what was written is on its way.
    ///
    /// # Errors
    /// As [`Write::flush`].
    fn flush(&self) -> io::Result<()>;

    /// Is readable when [`read`](Self::read) has something.
    fn reading(&self) -> BorrowedFd<'_>;

    /// Is writable when [`write`](Self::write) takes something.
    fn writing(&self) -> BorrowedFd<'_>;
}

impl<S> Stream for S
where
    S: AsFd,
    for<'a> &'a S: Read + Write,
{
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        Read::read(&mut &*self, buf)
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        Write::write(&mut &*self, buf)
    }

    fn flush(&self) -> io::Result<()> {
        Write::flush(&mut &*self)
    }

    fn reading(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn writing(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }
}

/// Two descriptors as one stream: one to read from, one to write to.
///
/// For pipes, to a child process or as standard input and output:
///
/// ```no_run
/// use std::os::fd::AsFd;
/// use std::{fs::File, io};
///
/// use rpc_core::blocking::Pair;
///
/// let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
/// let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
/// let stdio = Pair::new(input, output);
/// # let _ = stdio;
/// # Ok::<(), io::Error>(())
/// ```
///
/// What reads must not read ahead: `io::Stdin` does, and so can't be used as it is.
#[derive(Debug, Clone, Copy)]
pub struct Pair<R, W> {
    reader: R,
    writer: W,
}

impl<R, W> Pair<R, W> {
    /// Reads from the one, writes to the other.
    #[must_use]
    pub fn new(reader: R, writer: W) -> Self {
        Self { reader, writer }
    }
}

impl<R, W> Stream for Pair<R, W>
where
    R: AsFd,
    W: AsFd,
    for<'a> &'a R: Read,
    for<'a> &'a W: Write,
{
    fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        (&self.reader).read(buf)
    }

    fn write(&self, buf: &[u8]) -> io::Result<usize> {
        (&self.writer).write(buf)
    }

    fn flush(&self) -> io::Result<()> {
        (&self.writer).flush()
    }

    fn reading(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    fn writing(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }
}

/// Small messages leave at once. On what is no TCP socket that has no meaning, and no effect.
pub(super) fn hurry(stream: &(impl Stream + ?Sized)) {
    let _ = rustix::net::sockopt::set_tcp_nodelay(stream.writing(), true);
}
