use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::line::Line;
use super::parker::Parker;
use crate::native::{Body, CallId};
use crate::{Error, Kind};

/// A call on its way. See [`Client::start`](super::Client::start); dropping it cancels the call.
#[must_use = "dropping it cancels the call"]
pub struct Pending<R> {
    pub(super) line: Arc<Line>,
    pub(super) id: CallId,
    /// The answer was taken.
    pub(super) is_over: bool,
    /// When it is given up, and how long after its beginning that is.
    pub(super) until: Option<Instant>,
    pub(super) timeout: Duration,
    /// How many bytes wait to be sent, this call's among them; 0 if it was sent.
    pub(super) queued: usize,
    pub(super) result: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> Pending<R> {
    /// Waits for the result.
    ///
    /// # Errors
    /// As [`Client::call`](super::Client::call).
    pub fn wait(mut self) -> Result<R, Error> {
        // It may be there already: then nobody need be woken.
        let polled = self.line.peer().poll_answer(self.id, Waker::noop());
        match polled {
            Poll::Ready(answer) => {
                self.is_over = true;
                answer
                    .map_err(|error| self.of_own_deadline(error))?
                    .decode()
            }
            Poll::Pending => self.answer()?.decode(),
        }
    }
}

impl<R> Pending<R> {
    pub(super) fn send(&mut self) {
        let queued = std::mem::take(&mut self.queued);
        self.line.flush(queued, self.until);
    }

    pub(super) fn answer(&mut self) -> Result<Body, Error> {
        Parker::with(|parker, waker| {
            loop {
                parker.reset();
                let polled = self.line.peer().poll_answer(self.id, waker);
                if let Poll::Ready(answer) = polled {
                    self.is_over = true;
                    return answer.map_err(|error| self.of_own_deadline(error));
                }
                if self.queued > 0 {
                    self.send();
                }
                self.line.wait(parker, self.until);
                let now = Instant::now();
                if self.until.is_some_and(|until| until <= now) {
                    self.line.timeout(now);
                    // The other end hears that nobody waits any more, if it listens.
                    self.line.flush(0, Some(now));
                }
            }
        })
    }

    /// The other end has the same deadline, and may say so first.
    fn of_own_deadline(&self, error: Error) -> Error {
        let is_deadline =
            matches!(&error, Error::Fault(fault) if fault.kind == Kind::DeadlineExceeded);
        match self.until {
            Some(until) if is_deadline && until <= Instant::now() => Error::Timeout {
                after: self.timeout,
            },
            _ => error,
        }
    }
}

impl<R> Drop for Pending<R> {
    fn drop(&mut self) {
        if !self.is_over {
            self.line.peer().forget(self.id);
            self.line.flush(0, Some(Instant::now()));
            self.line.end_if_finished();
        }
    }
}

impl<R> fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pending").field(&self.id).finish()
    }
}
