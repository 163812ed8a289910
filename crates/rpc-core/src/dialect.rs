use std::any::Any;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::{Answer, Error, Job, JobId};

/// One connection's protocol over a registry: bytes and time go in, bytes and jobs come out.
///
/// The drivers ([`blocking`](crate::blocking), `tokio`, `event_loop`) carry anything that implements this. Each
/// looks, after every call that takes `&mut self`, for jobs to start, jobs to drop, bytes to send and the next
/// timeout.
///
/// It begins with [`handle_timeout`](Self::handle_timeout), so that the time a peer has for its first message
/// counts from there. And each time what waits to be sent falls below half of [`max_queued`](Self::max_queued) it
/// calls [`receive`](Self::receive) with no bytes: a dialect stops in the middle of what arrived when its answers
/// have become that many, and goes on then.
pub trait Dialect: Send + 'static {
    /// Takes what arrived. Functions that are quick run inside; answers and jobs are queued.
    ///
    /// # Errors
    /// The conversation can't go on. What [`output`](Self::output) still holds, a farewell perhaps, should be sent
    /// before the connection is closed.
    fn receive(&mut self, bytes: &[u8], now: Instant) -> Result<(), Error>;

    /// The peer will send no more.
    ///
    /// # Errors
    /// It stopped inside a message.
    fn receive_eof(&mut self, now: Instant) -> Result<(), Error>;

    /// A call to run.
    fn next_job(&mut self) -> Option<Job>;

    /// A job whose answer nobody wants any more: its future may be dropped, a worker's answer will be ignored.
    fn next_cancelled(&mut self) -> Option<JobId>;

    /// The answer of a job. That of a cancelled one is ignored.
    fn complete(&mut self, job: JobId, answer: Answer, now: Instant);

    /// What is to be sent. The driver takes bytes from the front.
    fn output(&mut self) -> &mut Vec<u8>;

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Time has passed.
    ///
    /// # Errors
    /// The conversation took too long somewhere and can't go on; as [`receive`](Self::receive).
    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error>;

    /// Take no new calls; answer those that run.
    fn drain(&mut self, now: Instant);

    /// Nothing runs and no more will come: close when the output is sent.
    fn is_finished(&self) -> bool;

    /// How many jobs are running.
    fn in_flight(&self) -> usize;

    /// How many bytes may wait to be sent before the driver stops reading; it goes on below half of that.
    fn max_queued(&self) -> usize;

    /// Whether more bytes are wanted now. A dialect whose calls wait for one another says no while enough of them do,
    /// and the driver reads nothing; it asks again whenever it looks for bytes to send. Only while a job runs may the
    /// answer be no, since nothing else would change it.
    fn wants_bytes(&self) -> bool {
        true
    }

    /// A driver that can be woken gives itself to the dialect, before anything else. The native one needs it for calls
    /// in the other direction; others ignore it.
    fn attach(this: &Arc<Mutex<Self>>, driver: Arc<dyn Driver>)
    where
        Self: Sized,
    {
        let _ = (this, driver);
    }

    /// The driver is through with the connection; called last, with what went wrong, if anything did: the stream's error
    /// or one that the dialect gave. Whoever waits for something that only the peer could send is told so.
    fn connection_lost(&mut self, cause: Option<Error>) {
        let _ = cause;
    }
}

/// What carries the bytes of a connection, as its dialect and its clients see it; for authors of drivers.
pub trait Driver: Any + Send + Sync {
    /// There is something new in the dialect: bytes to send, or an earlier timeout. Called from any thread, often, and
    /// never under the dialect's lock; a driver that is awake already returns at once.
    fn wake(&self);

    /// The time by the driver's clock.
    fn now(&self) -> Instant {
        Instant::now()
    }
}
