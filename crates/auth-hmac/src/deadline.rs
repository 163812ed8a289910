use std::time::{Duration, Instant};

/// The end of the time that a peer has. The clock starts when somebody first says what time it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    timeout: Duration,
    began: Option<Instant>,
}

impl Deadline {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            began: None,
        }
    }

    /// `None` if it lies beyond what a clock can show.
    pub(crate) fn at(&mut self, now: Instant) -> Option<Instant> {
        self.began.get_or_insert(now).checked_add(self.timeout)
    }

    pub(crate) fn has_passed(&mut self, now: Instant) -> bool {
        self.at(now).is_some_and(|deadline| now >= deadline)
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }
}

/// How long a peer has by default.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
