use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use framing::{Decoder, FrameError, Limits, Pattern};

use super::message::NULL;
use super::{Options, Reply, Responder, answer};
use crate::{Answer, Dialect, Error, Fault, Job, JobId, Kind, Registry};

/// The answering end of one connection whose messages are lines.
///
/// A line ends with `\n` or `\r\n`; empty ones are ignored. Answers are lines too, that of a batch is one. They come
/// in the order in which they are ready, which need not be that of the requests.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Instant;
/// use rpc_core::{Dialect, Registry};
/// use rpc_core::json_rpc::{Options, Peer};
///
/// let mut registry = Registry::new();
/// registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
/// let mut peer = Peer::new(Arc::new(registry), Options::default());
/// let line = b"{\"jsonrpc\": \"2.0\", \"method\": \"add\", \"params\": {\"y\": 3, \"x\": 2}, \"id\": \"a\"}\n";
/// peer.receive(line, Instant::now())?;
/// assert_eq!(peer.output(), b"{\"jsonrpc\":\"2.0\",\"result\":5,\"id\":\"a\"}\n");
/// # Ok::<(), rpc_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Peer {
    responder: Responder,
    decoder: Decoder,
    output: Vec<u8>,
    max_queued: usize,
    max_backlog: usize,
    /// When the line under way must be complete.
    line_due: Option<Instant>,
    /// The peer was told that its bytes are no lines.
    has_failed: bool,
    /// The peer has ended.
    has_ended: bool,
    /// The last of its lines was taken.
    is_exhausted: bool,
}

impl Peer {
    /// Makes the answering end of a connection.
    #[must_use]
    pub fn new(registry: Arc<Registry>, options: Options) -> Self {
        let limits = Limits {
            max_frame_len: options.max_line_len,
            ..Limits::for_pattern(&Pattern::Lines)
        };
        Self {
            decoder: Decoder::with_limits(Pattern::Lines, limits),
            output: Vec::new(),
            max_queued: options.max_queued,
            max_backlog: options.max_backlog,
            responder: Responder::new(registry, options),
            line_due: None,
            has_failed: false,
            has_ended: false,
            is_exhausted: false,
        }
    }

    /// Tells functions about the connection; they ask with [`Context::state`](crate::Context::state).
    #[must_use]
    pub fn with_state(mut self, state: Arc<dyn Any + Send + Sync>) -> Self {
        self.responder = self.responder.with_state(state);
        self
    }

    /// Takes the lines in `bytes`, and those kept from before, as long as their answers find room.
    fn take_lines(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), FrameError> {
        while self.output.len() < self.max_queued.max(1) {
            let Some(line) = self.decoder.decode(&mut bytes)? else {
                self.is_exhausted = self.has_ended;
                return Ok(());
            };
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let start = self.output.len();
            if self.responder.receive(line, now, &mut self.output) == Reply::Answered {
                end_line(&mut self.output, start);
            }
        }
        self.decoder.receive(bytes);
        Ok(())
    }

    /// Answers bytes that are no lines, once.
    fn farewell(&mut self, error: FrameError) -> Error {
        if !std::mem::replace(&mut self.has_failed, true) {
            let detail = error.to_string();
            answer::write_refusal(answer::PARSE_ERROR, NULL, Some(&detail), &mut self.output);
            self.output.push(b'\n');
        }
        error.into()
    }
}

impl Dialect for Peer {
    fn receive(&mut self, bytes: &[u8], now: Instant) -> Result<(), Error> {
        let taken = self.take_lines(bytes, now);
        self.line_due = self.decoder.poll_timeout(now);
        taken.map_err(|error| self.farewell(error))
    }

    fn receive_eof(&mut self, now: Instant) -> Result<(), Error> {
        self.has_ended = true;
        self.decoder.receive_eof();
        self.receive(&[], now)
    }

    fn next_job(&mut self) -> Option<Job> {
        // As with lines: what would only wait to be sent is not begun.
        if self.output.len() >= self.max_queued.max(1) {
            return None;
        }
        self.responder.next_job()
    }

    fn next_cancelled(&mut self) -> Option<JobId> {
        self.responder.next_cancelled()
    }

    fn complete(&mut self, job: JobId, answer: Answer, _: Instant) {
        let start = self.output.len();
        let answer = answer.and_then(|result| match start + result.len() {
            // The first in the queue may be as long as an answer may be.
            total if start > 0 && total > self.max_backlog => Err(Fault::of(
                Kind::TooLarge,
                format!(
                    "a result of {} bytes while {start} bytes wait to be sent, the limit is {}",
                    result.len(),
                    self.max_backlog
                ),
            )),
            _ => Ok(result),
        });
        if self
            .responder
            .complete(job, answer, &mut self.output)
            .is_some()
        {
            end_line(&mut self.output, start);
        }
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let call_due = self.responder.poll_timeout();
        self.line_due.into_iter().chain(call_due).min()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        while let Some((job, answer)) = self.responder.next_overdue(now) {
            self.complete(job, answer, now);
        }
        let paced = self.decoder.handle_timeout(now);
        self.line_due = self.decoder.poll_timeout(now);
        paced.map_err(|error| self.farewell(error))
    }

    fn drain(&mut self, _: Instant) {
        self.responder.drain();
    }

    fn is_finished(&self) -> bool {
        (self.is_exhausted || self.responder.is_draining()) && self.responder.in_flight() == 0
    }

    fn in_flight(&self) -> usize {
        self.responder.in_flight()
    }

    fn max_queued(&self) -> usize {
        self.max_queued
    }
}

/// Ends the line that begins at `start`. A result may have line ends of its own, as blanks between its parts, if a
/// function passes on JSON that it got as text.
fn end_line(output: &mut Vec<u8>, start: usize) {
    let line = &mut output[start..];
    for end in [b'\n', b'\r'] {
        if line.contains(&end) {
            for byte in line.iter_mut().filter(|byte| **byte == end) {
                *byte = b' ';
            }
        }
    }
    output.push(b'\n');
}
