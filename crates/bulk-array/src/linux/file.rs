use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::PollFlags;
use rustix::fs::sendfile;
use rustix::io::{Errno, pread, retry_on_intr};

use super::SendError;
use super::patience::Patience;
use super::pipe_signal::without_pipe_signal;

/// Sends `len` bytes of a file, from `offset` on, through a socket, without taking them into the program's
/// memory (`sendfile`). The file's own position neither matters nor moves.
///
/// What can't be sent so is read and written in steps of 64 KiB: files that the kernel makes up as they are
/// read. A socket inside TLS is another matter: what is written past TLS is not encrypted, so send an array
/// through the TLS stream instead.
///
/// Blocks until the socket has taken all, see [the module](crate::linux).
///
/// # Errors
///
/// [`SendError`], with what was sent by then: the peer has gone, the write timeout of the socket has passed
/// without a byte, or the file ends too soon.
pub fn send_file(
    socket: &impl AsFd,
    file: &impl AsFd,
    offset: u64,
    len: u64,
) -> Result<(), SendError> {
    let mut sent = 0;
    send_range(socket.as_fd(), file.as_fd(), offset, len, &mut sent)
        .map_err(|error| SendError::new(sent, len, error))
}

fn send_range(
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    len: u64,
    sent: &mut u64,
) -> io::Result<()> {
    let mut patience = Patience::of(socket)?;
    while *sent < len {
        let mut position = offset.saturating_add(*sent);
        let piece = (len - *sent).min(PIECE) as usize;
        let taken = without_pipe_signal(|| {
            retry_on_intr(|| sendfile(socket, file, Some(&mut position), piece))
        })?;
        match taken {
            Ok(0) => return Err(ends_at(position)),
            Ok(taken) => {
                *sent += taken as u64;
                patience.renew();
            }
            Err(Errno::AGAIN) => drop(patience.wait(PollFlags::OUT)?),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                copy(&mut patience, file, offset, len, sent)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The same through the program's memory.
fn copy(
    patience: &mut Patience<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    len: u64,
    sent: &mut u64,
) -> io::Result<()> {
    let mut step = vec![0; STEP];
    while *sent < len {
        let position = offset.saturating_add(*sent);
        let wanted = (len - *sent).min(STEP as u64) as usize;
        match retry_on_intr(|| pread(file, &mut step[..wanted], position))? {
            0 => return Err(ends_at(position)),
            read => patience.send(&step[..read], sent)?,
        }
    }
    Ok(())
}

fn ends_at(position: u64) -> io::Error {
    let why = format!("the file ends at {position}");
    io::Error::new(io::ErrorKind::UnexpectedEof, why)
}

/// The most that is asked of one call: it does not return before it is done.
const PIECE: u64 = 8 << 20;
const STEP: usize = 64 << 10;
