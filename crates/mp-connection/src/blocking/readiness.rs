use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, Timespec};
use rustix::io::Errno;

/// When something must be done; `None` is never.
pub(crate) type Deadline = Option<Instant>;

/// What lies beyond the clock is never.
pub(crate) fn after(timeout: Option<Duration>) -> Deadline {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

/// Waits until one of the descriptors is ready, and says how many are: none when it is too late.
pub(crate) fn poll(descriptors: &mut [PollFd<'_>], deadline: Deadline) -> io::Result<usize> {
    loop {
        let timeout = deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            Timespec::try_from(left).unwrap_or(FOR_EVER)
        });
        match rustix::event::poll(descriptors, timeout.as_ref()) {
            Err(Errno::INTR) => {}
            ready => return Ok(ready?),
        }
    }
}

const FOR_EVER: Timespec = Timespec {
    tv_sec: i64::MAX,
    tv_nsec: 0,
};
