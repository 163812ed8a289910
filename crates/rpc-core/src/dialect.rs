use std::time::Instant;

use crate::{Answer, Error, Job, JobId};

/// One connection's protocol over a registry: bytes and time go in, bytes and jobs come out.
///
/// The drivers ([`blocking`](crate::blocking), `tokio`, `event_loop`) carry anything that implements this. Each
/// looks, after every call that takes `&mut self`, for jobs to start, jobs to drop, bytes to send and the next
/// timeout.
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
}
