use std::io::{self, BufRead, BufReader, IoSlice, Read, Write};
use std::mem::MaybeUninit;

use crate::memory;

/// A reader that fills memory which nobody has written to before.
///
/// New vectors are received from one, so that they need not be zeroed first. Sockets, files and pipes of the standard
/// library are sources, byte slices and [`BufReader`]s of sources too. Any other reader becomes one as [`Reader`].
///
/// For a type of your own that has a source inside, pass the call on:
///
/// ```
/// use std::io;
/// use std::mem::MaybeUninit;
/// use std::net::TcpStream;
///
/// use bulk_array::Source;
///
/// struct Counted {
///     stream: TcpStream,
///     bytes: usize,
/// }
///
/// impl Source for Counted {
///     fn read_spare<'a>(&mut self, spare: &'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]> {
///         let read = self.stream.read_spare(spare)?;
///         self.bytes += read.len();
///         Ok(read)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't read into memory that has not been written to",
    note = "wrap it: `&mut bulk_array::Reader(stream)`; or receive into a slice, which any reader can"
)]
pub trait Source {
    /// Reads some bytes to the beginning of `spare`, and returns that beginning. It is empty at the end of the stream.
    ///
    /// # Errors
    ///
    /// As [`Read::read`].
    fn read_spare<'a>(&mut self, spare: &'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]>;
}

/// Makes any reader a [`Source`]: of a TLS stream, say.
///
/// Memory is zeroed right before it is read into, in steps that stay in the cache.
#[derive(Clone, Debug)]
pub struct Reader<R>(pub R);

impl<R: Read> Source for Reader<R> {
    fn read_spare<'a>(&mut self, spare: &'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]> {
        let len = spare.len().min(ZEROED);
        let step = memory::zeroed(&mut spare[..len]);
        let read = self.0.read(step)?;
        Ok(&mut step[..read])
    }
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<W: Write> Write for Reader<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Source for &[u8] {
    fn read_spare<'a>(&mut self, spare: &'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]> {
        let read = memory::copied(spare, self);
        *self = &self[read.len()..];
        Ok(read)
    }
}

impl<S: Source + Read> Source for BufReader<S> {
    fn read_spare<'a>(&mut self, spare: &'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]> {
        if self.buffer().is_empty() {
            return self.get_mut().read_spare(spare);
        }
        let read = memory::copied(spare, self.buffer());
        self.consume(read.len());
        Ok(read)
    }
}

impl<S: Source + ?Sized> Source for &mut S {
    fn read_spare<'a>(&mut self, spare: &'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]> {
        (**self).read_spare(spare)
    }
}

impl<S: Source + ?Sized> Source for Box<S> {
    fn read_spare<'a>(&mut self, spare: &'a mut [MaybeUninit<u8>]) -> io::Result<&'a mut [u8]> {
        (**self).read_spare(spare)
    }
}

macro_rules! sources {
    ($($type:ty,)*) => {
        $(impl Source for $type {
            #[cfg(unix)]
            fn read_spare<'a>(
                &mut self,
                spare: &'a mut [MaybeUninit<u8>],
            ) -> io::Result<&'a mut [u8]> {
                let (read, _) = rustix::io::read(self, spare)?;
                Ok(read)
            }

            #[cfg(not(unix))]
            fn read_spare<'a>(
                &mut self,
                spare: &'a mut [MaybeUninit<u8>],
            ) -> io::Result<&'a mut [u8]> {
                Reader(self).read_spare(spare)
            }
        })*
    };
}

sources! {
    std::net::TcpStream,
    &std::net::TcpStream,
    std::fs::File,
    &std::fs::File,
    std::process::ChildStdout,
    io::PipeReader,
    &io::PipeReader,
}

#[cfg(unix)]
sources! {
    std::os::unix::net::UnixStream,
    &std::os::unix::net::UnixStream,
}

/// Bytes: few enough to be in the cache still when they are read into.
const ZEROED: usize = 64 * 1024;
