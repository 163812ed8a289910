use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{Shutdown, SocketFlags};

use crate::Credentials;
use crate::deadline::Deadline;
use crate::handover::channel::Channel;
use crate::handover::message::Message;
use crate::handover::{DecodeError, Error, Options, Refusal, VERSION, address, packet_socket};

/// The old process' side: sockets that the next process may have.
///
/// Dropping it removes the socket at the path, unless the sockets were handed over: then the next process replaces
/// it. To end [`wait`](Self::wait) from another thread, share the offer, in an [`Arc`](std::sync::Arc) or a scope,
/// and call [`close`](Self::close).
#[derive(Debug)]
pub struct Offer {
    listener: OwnedFd,
    path: PathBuf,
    /// Device and inode of the socket at the path.
    file: (u64, u64),
    options: Options,
    is_closed: AtomicBool,
    is_handed: AtomicBool,
    turn: Mutex<()>,
}

/// To whom the sockets were handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Handed {
    /// The new process.
    pub peer: Credentials,
}

impl Offer {
    /// Makes the socket at `path`, for nobody but this user and root, and listens on it.
    ///
    /// A socket there that nobody listens on any more is replaced; there is no moment without one.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] if another process listens there, or it is no socket; [`Error::PathTooLong`]; [`Error::Io`].
    pub fn bind(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::bind_with(path, Options::default())
    }

    /// The same with other time-outs.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub fn bind_with(path: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let path = path.as_ref();
        check_free(path)?;
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let beside = Path::new(&beside);
        let address = address(beside)?;
        match fs::remove_file(beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let listener = packet_socket()?;
        rustix::net::bind(&listener, &address)?;
        // Nobody can connect before this is done, nor find it incomplete.
        let made = fs::set_permissions(beside, Permissions::from_mode(0o600))
            .and_then(|()| Ok(rustix::net::listen(&listener, BACKLOG)?))
            .and_then(|()| fs::symlink_metadata(beside))
            .and_then(|file| fs::rename(beside, path).map(|()| (file.dev(), file.ino())));
        match made {
            Ok(file) => Ok(Self {
                listener,
                path: path.to_owned(),
                file,
                options,
                is_closed: AtomicBool::new(false),
                is_handed: AtomicBool::new(false),
                turn: Mutex::new(()),
            }),
            Err(error) => {
                let _ = fs::remove_file(beside);
                Err(error.into())
            }
        }
    }

    /// Waits until another process has taken the sockets and says that it serves; `None` after
    /// [`close`](Self::close).
    ///
    /// `sockets` are up to 253 with different names of 1 to 64 bytes, and should all listen already. After `Some` stop
    /// accepting, finish what is under way, and end: the other process accepts. After an error go on, and call this
    /// again: that other process does not have them. A process that connects and leaves without a word is no
    /// error. Blocks the thread; a second one that calls this waits for the first.
    ///
    /// # Errors
    ///
    /// - What one attempt came to, for the log: [`Error::Stranger`], [`Error::Decode`], [`Error::Unexpected`],
    ///   [`Error::TimedOut`], [`Error::Aborted`], [`Error::Gone`].
    /// - [`Error::Decode`] at once if the names are wrong or there are too many.
    /// - [`Error::Io`]. If it is a shortage of descriptors or memory, this has waited for 100 ms already.
    pub fn wait(&self, sockets: &[(&str, impl AsFd)]) -> Result<Option<Handed>, Error> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let names = sockets.iter().map(|(name, _)| (*name).to_owned());
        let offer = Message::Offer(names.collect());
        offer.encode()?;
        let sockets: Vec<_> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
        loop {
            let mut listener = [PollFd::new(&self.listener, PollFlags::IN)];
            Deadline::never().wait(&mut listener)?;
            if self.is_closed() {
                return Ok(None);
            }
            let Some(channel) = self.accept()? else {
                continue;
            };
            match self.hello(&channel) {
                // Nobody wanted anything.
                Err(Error::Gone) => {}
                Err(error) => return Err(error),
                Ok(false) => return Ok(None),
                Ok(true) => return self.hand(&channel, &offer, &sockets),
            }
        }
    }

    /// Ends [`wait`](Self::wait), now and for ever. A new process that is not ready yet is told that it gets
    /// nothing, and so is every later one.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        // Wakes whoever polls the listener. An error would mean that this was done before.
        let _ = rustix::net::shutdown(&self.listener, Shutdown::Both);
        while let Ok(Some(channel)) = self.accept_now() {
            channel.refuse(Refusal::Closed);
        }
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Takes the next connection; a shortage has been waited out a little.
    fn accept(&self) -> Result<Option<Channel>, Error> {
        let accepted = self.accept_now();
        if let Err(Error::Io(_)) = &accepted {
            // `close` ends this too.
            let mut listener = [PollFd::new(&self.listener, PollFlags::empty())];
            let _ = Deadline::after(REST).wait(&mut listener);
        }
        accepted
    }

    fn accept_now(&self) -> Result<Option<Channel>, Error> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match rustix::net::accept_with(&self.listener, flags) {
            Ok(socket) => Channel::new(socket).map(Some),
            // It left again, or there is to be no more.
            Err(Errno::AGAIN | Errno::CONNABORTED | Errno::INTR | Errno::INVAL) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the first message. Others have to wait meanwhile. `false` if the offer was closed.
    fn hello(&self, channel: &Channel) -> Result<bool, Error> {
        let deadline = Deadline::after(self.options.hello_timeout);
        match self.message(channel, &deadline, PollFlags::empty())? {
            None => Ok(false),
            Some(Message::Hello) => Ok(true),
            Some(other) => Err(unexpected(channel, other)),
        }
    }

    /// Offers the sockets, and waits until the other process is ready. Others are turned away meanwhile.
    fn hand(
        &self,
        channel: &Channel,
        offer: &Message,
        sockets: &[BorrowedFd<'_>],
    ) -> Result<Option<Handed>, Error> {
        let deadline = Deadline::after(self.options.ready_timeout);
        channel.send(offer, sockets, &deadline)?;
        match self.message(channel, &deadline, PollFlags::IN)? {
            None => return Ok(None),
            Some(Message::Ready) => {}
            Some(Message::Abort) => return Err(Error::Aborted),
            Some(other) => return Err(unexpected(channel, other)),
        }
        // One that is still there waits for the answer. One that has given up waiting must not be relied on.
        match channel.receive()? {
            None => {}
            Some((Message::Abort, _)) => return Err(Error::Aborted),
            Some((other, _)) => return Err(unexpected(channel, other)),
        }
        channel.send(&Message::Done, &[], &deadline)?;
        self.is_handed.store(true, Ordering::Release);
        // Before the connection: when that ends, the path is free for the other process.
        self.close();
        Ok(Some(Handed {
            peer: channel.peer(),
        }))
    }

    /// Waits for a message; `None` if the offer is closed first. With [`PollFlags::IN`], tells all others who
    /// come that it is busy.
    fn message(
        &self,
        channel: &Channel,
        deadline: &Deadline,
        others: PollFlags,
    ) -> Result<Option<Message>, Error> {
        loop {
            match channel.receive() {
                Ok(None) => {}
                Ok(Some((message, _unwanted))) => return Ok(Some(message)),
                Err(error) => {
                    channel.refuse(match &error {
                        Error::Decode(DecodeError::OtherVersion { .. }) => {
                            Refusal::Version { theirs: VERSION }
                        }
                        _ => Refusal::Unexpected,
                    });
                    return Err(error);
                }
            }
            let mut both = [
                PollFd::new(channel, PollFlags::IN),
                PollFd::new(&self.listener, others),
            ];
            if let Err(error) = deadline.wait(&mut both) {
                channel.refuse(Refusal::Late);
                return Err(error.into());
            }
            // It may have given up before the other came.
            let is_busy = both[0].revents().is_empty() && both[1].revents().contains(PollFlags::IN);
            if self.is_closed() {
                channel.refuse(Refusal::Closed);
                return Ok(None);
            }
            if is_busy && let Ok(Some(newcomer)) = self.accept() {
                newcomer.refuse(Refusal::Busy);
            }
        }
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        if self.is_handed.load(Ordering::Acquire) {
            return;
        }
        self.close();
        if let Ok(file) = fs::symlink_metadata(&self.path)
            && (file.dev(), file.ino()) == self.file
        {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Looks whether a socket can be put at the path.
fn check_free(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(file) if !file.file_type().is_socket() => return Err(Error::InUse(path.to_owned())),
        Ok(_) => {}
    }
    match rustix::net::connect(packet_socket()?, &address(path)?) {
        Err(Errno::CONNREFUSED | Errno::NOENT) => Ok(()),
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(Error::InUse(path.to_owned())),
        Err(error) => Err(error.into()),
    }
}

fn unexpected(channel: &Channel, message: Message) -> Error {
    channel.refuse(Refusal::Unexpected);
    Error::Unexpected(message)
}

/// How many processes may wait for their turn.
const BACKLOG: i32 = 16;
const REST: Duration = Duration::from_millis(100);
