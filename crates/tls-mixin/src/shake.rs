//! The handshake on a blocking stream.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustls::Connection;

use crate::error::Error;
use crate::handshake::{MAX_TAKEN, Permit};
use crate::machine::{Incoming, Machine};
use crate::plaintext::FirstBytes;
use crate::stream::TlsStream;

/// Waits until a stream can be read or written; `false` if the deadline comes first.
pub(crate) type Wait<S> = fn(&S, PollFlags, Option<Instant>) -> io::Result<bool>;

/// Does the handshake that `permit` is for. Without a way to wait, the stream's reads and writes take as
/// long as they like.
pub(crate) fn shake_hands<S: Read + Write>(
    stream: S,
    wait: Option<Wait<S>>,
    connection: Connection,
    permit: Permit,
) -> Result<TlsStream<S>, Error> {
    let mut handshake = Handshake {
        stream,
        wait,
        machine: Machine::new(connection),
        incoming: Incoming::default(),
        first: FirstBytes::default(),
        sent: 0,
        permit,
    };
    let done = handshake
        .run()
        .and_then(|()| match handshake.machine.connection() {
            Connection::Server(connection) => handshake.permit.accepted(connection),
            Connection::Client(connection) => handshake.permit.connected(connection),
        });
    match done {
        Ok((session, lifetime)) => {
            let Handshake {
                stream,
                machine,
                incoming,
                ..
            } = handshake;
            Ok(TlsStream::new(stream, machine, incoming, session, lifetime))
        }
        Err(error) => {
            handshake.part();
            Err(error)
        }
    }
}

/// Waits with `poll`, which leaves the stream's own timeouts alone.
pub(crate) fn wait<S: AsFd>(
    stream: &S,
    want: PollFlags,
    deadline: Option<Instant>,
) -> io::Result<bool> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // What is too long for it is for ever.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut [PollFd::new(stream, want)], timeout.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The peer does not read any more.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
    )
}

struct Handshake<S> {
    stream: S,
    wait: Option<Wait<S>>,
    machine: Machine,
    incoming: Incoming,
    first: FirstBytes,
    /// How many bytes were written; from one piece on, the stream is waited for.
    sent: usize,
    permit: Permit,
}

impl<S: Read + Write> Handshake<S> {
    fn run(&mut self) -> Result<(), Error> {
        while self.machine.is_handshaking() {
            self.send()?;
            self.fill()?;
            while self.machine.is_handshaking() && !self.incoming.is_empty() {
                let received = self.machine.receive(&mut self.incoming);
                received.map_err(|error| Error::of_handshake(error, self.first.get()))?;
            }
        }
        // What comes last, a client's proof or a server's tickets, may find the peer gone. What that means
        // is seen when the stream is used: there may be last words to read.
        match self.send() {
            Err(Error::Io(error)) if is_gone(&error) => Ok(()),
            result => result,
        }
    }

    fn fill(&mut self) -> Result<(), Error> {
        loop {
            self.ready(PollFlags::IN)?;
            match self.incoming.fill(&mut self.stream) {
                Ok(true) => break,
                Ok(false) => return Err(Error::CutOff),
                Err(error) if self.is_not_ready(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.first.add(self.incoming.arrived());
        Ok(())
    }

    fn send(&mut self) -> Result<(), Error> {
        let mut out = Vec::new();
        self.machine.send(&mut out)?;
        let mut left = &out[..];
        while !left.is_empty() {
            // A new socket has room for the first piece, and most handshakes need no more.
            if self.sent >= PIECE {
                self.ready(PollFlags::OUT)?;
            }
            match self.stream.write(&left[..left.len().min(PIECE)]) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(len) => {
                    left = &left[len..];
                    self.sent += len;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if self.is_not_ready(&error) => self.sent = PIECE,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.stream.flush()?)
    }

    fn ready(&self, want: PollFlags) -> Result<(), Error> {
        let deadline = self.permit.deadline();
        let is_ready = match self.wait {
            Some(wait) => wait(&self.stream, want, deadline)?,
            None => deadline.is_none_or(|deadline| Instant::now() < deadline),
        };
        is_ready
            .then_some(())
            .ok_or_else(|| self.permit.timed_out())
    }

    /// A stream that does not block says so, and is waited for again.
    fn is_not_ready(&self, error: &io::Error) -> bool {
        self.wait.is_some() && error.kind() == io::ErrorKind::WouldBlock
    }

    /// Sends the alert that says why, as far as that goes without waiting.
    fn part(&mut self) {
        let now = Some(Instant::now());
        if self.machine.wants_write()
            && self
                .wait
                .is_none_or(|wait| matches!(wait(&self.stream, PollFlags::OUT, now), Ok(true)))
        {
            let _ = self.machine.send(&mut self.stream);
            let _ = self.stream.flush();
        }
        // Closing a socket with something unread resets it, and the peer may lose the alert.
        if let Some(wait) = self.wait {
            let mut taken = 0;
            while taken < MAX_TAKEN
                && matches!(wait(&self.stream, PollFlags::IN, now), Ok(true))
                && matches!(self.incoming.fill(&mut self.stream), Ok(true))
            {
                taken += self.incoming.arrived().len();
            }
        }
    }
}

/// A stream that `poll` calls writable takes so much without blocking.
const PIECE: usize = 4 << 10;
