use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use crate::Credentials;
use crate::deadline::Deadline;
use crate::handover::channel::Channel;
use crate::handover::message::Message;
use crate::handover::{Error, Options, Refusal, address, packet_socket};

/// Takes the sockets of the process that offers them at `path`; `None` if there is no such process, as when
/// this is the first one.
///
/// The old process goes on serving until [`Taken::ready`].
///
/// # Errors
///
/// - [`Error::Refused`] if it is handing over to another process, about to end, or of another version.
/// - [`Error::Stranger`] if it belongs to another user than this process or root.
/// - [`Error::TimedOut`], [`Error::Gone`], [`Error::Decode`], [`Error::Unexpected`], [`Error::WrongCount`],
///   [`Error::DescriptorsLost`], [`Error::Io`].
///
/// Nothing has happened to the old process then, which goes on.
pub fn take(path: impl AsRef<Path>) -> Result<Option<Taken>, Error> {
    take_with(path, Options::default())
}

/// The same with other time-outs.
///
/// # Errors
///
/// As [`take`].
pub fn take_with(path: impl AsRef<Path>, options: Options) -> Result<Option<Taken>, Error> {
    let socket = packet_socket()?;
    match rustix::net::connect(&socket, &address(path.as_ref())?) {
        Ok(()) => {}
        Err(Errno::NOENT | Errno::CONNREFUSED) => return Ok(None),
        // Too many wait already.
        Err(Errno::AGAIN) => return Err(Error::Refused(Refusal::Busy)),
        Err(error) => return Err(error.into()),
    }
    let channel = Channel::new(socket)?;
    let deadline = Deadline::after(options.offer_timeout);
    // The answer says why it is gone.
    let asked = channel.send(&Message::Hello, &[], &deadline);
    match (message(&channel, &deadline), asked) {
        (Ok((Message::Offer(names), descriptors)), _) if names.len() == descriptors.len() => {
            let sockets = names.into_iter().zip(descriptors).map(Some).collect();
            Ok(Some(Taken {
                sockets,
                channel,
                options,
            }))
        }
        (Ok((Message::Offer(names), descriptors)), _) => Err(Error::WrongCount {
            names: names.len(),
            descriptors: descriptors.len(),
        }),
        (Ok((Message::Refused(refusal), _)), _) => Err(Error::Refused(refusal)),
        (Ok((other, _)), _) => Err(Error::Unexpected(other)),
        (Err(error), Ok(())) | (Err(_), Err(error)) => Err(error),
    }
}

/// The new process' side: sockets that were another process', and still are.
///
/// Dropping it without [`ready`](Self::ready) gives up: the old process goes on as if nothing had happened.
#[derive(Debug)]
pub struct Taken {
    sockets: Vec<Option<(String, OwnedFd)>>,
    channel: Channel,
    options: Options,
}

impl Taken {
    /// Takes the socket with this name; `None` if there is none, or it was taken before.
    pub fn take(&mut self, name: &str) -> Option<OwnedFd> {
        let is_it = |entry: &&mut Option<(String, OwnedFd)>| {
            entry.as_ref().is_some_and(|(found, _)| found == name)
        };
        let (_, socket) = self.sockets.iter_mut().find(is_it)?.take()?;
        Some(socket)
    }

    /// Returns the names of the sockets that were not taken yet.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sockets.iter().flatten().map(|(name, _)| name.as_str())
    }

    /// Returns who the old process is.
    #[must_use]
    pub fn peer(&self) -> Credentials {
        self.channel.peer()
    }

    /// Tells the old process that this one serves, and waits until it has stopped listening at the path: then this
    /// one can [offer](crate::handover::Offer::bind) the sockets to its own successor. The old one finishes what is under way and
    /// ends.
    ///
    /// Sockets that were not taken are closed. If the old process dies before it has answered, all went well
    /// too: nobody else has the sockets.
    ///
    /// # Errors
    ///
    /// The old process goes on serving, and this one should stop.
    ///
    /// - [`Error::Refused`]: this took too long, or the old process is told to end.
    /// - [`Error::TimedOut`], [`Error::Decode`], [`Error::Unexpected`], [`Error::Io`].
    pub fn ready(self) -> Result<(), Error> {
        let deadline = Deadline::after(self.options.offer_timeout);
        // The answer says more than that it can't be sent.
        let _ = self.channel.send(&Message::Ready, &[], &deadline);
        match message(&self.channel, &deadline) {
            Ok((Message::Done, _)) => {
                // The end of the connection says that the path is free. It is no longer of importance whether.
                let _ = message(&self.channel, &deadline);
                Ok(())
            }
            Err(Error::Gone) => Ok(()),
            Ok((Message::Refused(refusal), _)) => Err(Error::Refused(refusal)),
            Ok((other, _)) => Err(Error::Unexpected(other)),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // After `ready` nobody hears it. That the connection ends says the same.
        let _ = self.channel.send(&Message::Abort, &[], &Deadline::now());
    }
}

/// Waits for a message of the old process.
fn message(channel: &Channel, deadline: &Deadline) -> Result<(Message, Vec<OwnedFd>), Error> {
    loop {
        if let Some(received) = channel.receive()? {
            return Ok(received);
        }
        deadline.wait(&mut [PollFd::new(channel, PollFlags::IN)])?;
    }
}
