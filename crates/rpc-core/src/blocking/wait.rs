use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

/// Wakes a thread that polls.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self(eventfd(0, flags)?))
    }

    pub(super) fn ring(&self) {
        // It fails only when the counter is full, and then the bell is ringing.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    pub(super) fn silence(&self) {
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

/// What was waited for and has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ready {
    /// A read does not wait: there are bytes, the end, or an error.
    pub(super) reading: bool,
    /// A small write does not wait.
    pub(super) writing: bool,
    pub(super) bell: bool,
}

/// Waits for some of what is given. Nothing is ready when `until` has passed first.
pub(super) fn wait(
    reading: Option<BorrowedFd<'_>>,
    writing: Option<BorrowedFd<'_>>,
    bell: Option<&Bell>,
    until: Option<Instant>,
) -> io::Result<Ready> {
    let mut polled = Vec::with_capacity(3);
    for (place, flags) in [(reading, PollFlags::IN), (writing, PollFlags::OUT)] {
        polled.extend(place.map(|stream| PollFd::from_borrowed_fd(stream, flags)));
    }
    polled.extend(bell.map(|bell| PollFd::new(&bell.0, PollFlags::IN)));
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        // One that is too long to be expressed may as well be none.
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut answers = polled.iter().map(|polled| !polled.revents().is_empty());
    let mut ready = |was_asked: bool| was_asked && answers.next() == Some(true);
    Ok(Ready {
        reading: ready(reading.is_some()),
        writing: ready(writing.is_some()),
        bell: ready(bell.is_some()),
    })
}
