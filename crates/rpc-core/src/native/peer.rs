use std::any::Any;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use framing::{Decoder, Limits, Pattern, Prefix};

use super::envelope::{
    CALL, Envelope, ONE_WAY, begin_call, finish, payload_len, set_counts, set_metadata_len,
};
use super::fields::MAX_METADATA_LEN;
use super::pending::{CallId, earlier};
use super::request::{Body, Request};
use super::session::{CLOSED, Session, State, max_frame_len};
use crate::error::Error;
use crate::{
    Answer, ArgumentWriter, Context, Dialect, Driver, Job, JobId, Options, Registry, ToArguments,
};

/// One end of a native conversation; both ends are the same.
///
/// It takes bytes and gives bytes, see [`Dialect`], runs the peer's calls on its registry, and makes calls of its own.
///
/// ```
/// # #[cfg(feature = "postcard")] {
/// use std::sync::Arc;
/// use std::task::{Poll, Waker};
/// use std::time::Instant;
///
/// use rpc_core::native::{Peer, Request};
/// use rpc_core::{Codec, Dialect, Options, Registry};
///
/// let mut registry = Registry::new();
/// registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
/// let mut server = Peer::new(Arc::new(registry), Options::new(Codec::Postcard));
/// let mut client = Peer::new(Arc::new(Registry::new()), Options::new(Codec::Postcard));
/// let now = Instant::now();
///
/// client.receive(&std::mem::take(server.output()), now)?; // the server's hello
/// let id = client.call(&Request::new("add"), &(2, 3), now)?;
/// server.receive(&std::mem::take(client.output()), now)?; // the client's hello and call
/// client.receive(&std::mem::take(server.output()), now)?; // the answer
///
/// let Poll::Ready(answer) = client.poll_answer(id, Waker::noop()) else { panic!("it is there") };
/// assert_eq!(answer?.decode::<i64>()?, 5);
/// # }
/// # Ok::<(), rpc_core::Error>(())
/// ```
///
/// # Memory
///
/// An idle peer has no buffers but those of its longest burst; keep-alive lets go of them. What arrives is held while a
/// frame is incomplete, and, when [`Options::max_queued`] bytes wait to be sent, until they are. Answers that are not
/// fetched count as calls in flight.
#[derive(Debug)]
pub struct Peer {
    decoder: Decoder,
    /// Until when the frame under way must be complete.
    frame_deadline: Option<Instant>,
    /// Whether the decoder may hold whole frames, which wait for output to be sent.
    has_backlog: bool,
    session: Session,
}

/// How a program's functions find the other end of their connection.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) peer: Weak<Mutex<Peer>>,
    pub(crate) driver: Arc<dyn Driver>,
}

impl Peer {
    /// Begins a conversation: the hello is the first [`output`](Dialect::output).
    #[must_use]
    pub fn new(registry: Arc<Registry>, options: Options) -> Self {
        let limits = Limits {
            max_frame_len: max_frame_len(&options) as usize,
            ..Limits::default()
        };
        Self {
            decoder: Decoder::with_limits(Pattern::Prefix(Prefix::U32Be), limits),
            frame_deadline: None,
            has_backlog: false,
            session: Session::new(registry, options),
        }
    }

    /// Gives functions something to know about the connection: [`Context::state`].
    #[must_use]
    pub fn with_state(mut self, state: Arc<dyn Any + Send + Sync>) -> Self {
        let registry = self.session.context.registry().clone();
        self.session.context = Context::new(registry, "native", Some(state));
        self
    }

    /// Says whether this end reads all the time, which is so by default. A client that only reads while it waits for an
    /// answer says `false`: it is not asked for signs of life.
    ///
    /// Call it before anything is sent; later, use [`set_attended`](Self::set_attended).
    #[must_use]
    pub fn attended(mut self, attended: bool) -> Self {
        self.session.attended = attended;
        self.session.say_hello();
        self
    }

    /// Tells the peer that this end from now on reads all the time, or no longer does.
    pub fn set_attended(&mut self, attended: bool) {
        if self.session.attended != attended && !self.has_failed() {
            self.session.attended = attended;
            Envelope::Attended(attended).write(&mut self.session.out);
        }
    }

    /// Calls a function of the peer.
    ///
    /// # Errors
    ///
    /// The call is not sent: [`Error::NotOpen`], [`Error::Closing`], [`Error::Lost`], [`Error::TooManyCalls`],
    /// [`Error::TooLarge`], [`Error::TooLong`], [`Error::Encode`], or [`Error::Timeout`] if its deadline has passed.
    pub fn call(
        &mut self,
        request: &Request<'_>,
        arguments: &(impl ToArguments + ?Sized),
        now: Instant,
    ) -> Result<CallId, Error> {
        let max_frame_len = self.check_callable()?;
        let session = &mut self.session;
        let (deadline, timeout) = request.deadline(now, session.options.call_timeout);
        let id = session.pending.next_id();
        let call = Outgoing {
            kind: CALL,
            id: id.wire(),
            timeout,
            max_frame_len,
        };
        call.write(session, request, arguments)?;
        if session.pending.waiting() == 0 && !session.attended {
            // Nobody has listened; the peer's silence begins to count.
            session.heard(now);
        }
        session.pending.insert(id, deadline, timeout);
        Ok(id)
    }

    /// Calls a function of the peer and asks for no answer. Whether it was run is never known.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call), and [`Error::QueueFull`] if the peer doesn't keep up.
    pub fn notify(
        &mut self,
        request: &Request<'_>,
        arguments: &(impl ToArguments + ?Sized),
        now: Instant,
    ) -> Result<(), Error> {
        let max_frame_len = self.check_callable()?;
        let (queued, limit) = (self.session.out.len(), self.session.options.max_queued);
        if queued > 0 && queued >= limit {
            return Err(Error::QueueFull { queued, limit });
        }
        // It is not the caller who waits, so only what the request says limits it.
        let (_, timeout) = request.deadline(now, None);
        let call = Outgoing {
            kind: ONE_WAY,
            id: 0,
            timeout,
            max_frame_len,
        };
        call.write(&mut self.session, request, arguments)
    }

    /// Takes the answer of a call, or leaves word whom to wake when it is there. The last waker counts.
    ///
    /// The error of a call is a value that it came to: [`Error::Fault`], [`Error::Timeout`], [`Error::Lost`],
    /// [`Error::Closing`] if the peer stopped before it took the call.
    ///
    /// # Panics
    ///
    /// If the answer was taken before, or the call [forgotten](Self::forget).
    #[inline]
    pub fn poll_answer(&mut self, id: CallId, waker: &Waker) -> Poll<Result<Body, Error>> {
        let Session {
            options, limits, ..
        } = &self.session;
        let (codec, limits) = (options.codec, *limits);
        let answer = self.session.pending.poll(id, waker);
        answer.map_ok(|bytes| Body {
            bytes,
            codec,
            limits,
        })
    }

    /// The caller has gone: the peer is told, and a late answer is dropped. Does nothing if the answer was taken.
    pub fn forget(&mut self, id: CallId) {
        if self.session.pending.forget(id) {
            Envelope::Cancel { id: id.wire() }.write(&mut self.session.out);
        }
    }

    /// Waits for the peer's hello. Calls can be made once it is there.
    ///
    /// The error is why it will not come, as every later call is told.
    pub fn poll_open(&mut self, waker: &Waker) -> Poll<Result<(), Error>> {
        match &self.session.state {
            State::Open(_) => Poll::Ready(Ok(())),
            // Nothing was called yet, so nothing was run.
            State::Failed(error @ Error::Lost { .. }) => Poll::Ready(Err(error.lost(true))),
            State::Failed(error) => Poll::Ready(Err(error.clone())),
            State::Opening if self.session.ended => Poll::Ready(Err(CLOSED.lost(true))),
            State::Opening => {
                let wakers = &mut self.session.opening;
                if !wakers.iter().any(|known| known.will_wake(waker)) {
                    wakers.push(waker.clone());
                }
                Poll::Pending
            }
        }
    }

    /// Whether the peer's hello has come, and the conversation goes on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.session.state, State::Open(_))
    }

    /// Whether calls can be made, as far as is known here: the conversation goes on, and neither end is closing.
    pub(crate) fn is_callable(&self) -> bool {
        !matches!(
            self.check_callable(),
            Err(Error::NotOpen | Error::Closing | Error::Lost { .. })
        )
    }

    /// The fingerprint of the peer's registry, once it is known.
    #[must_use]
    pub fn peer_fingerprint(&self) -> Option<u64> {
        match &self.session.state {
            State::Open(theirs) => Some(theirs.fingerprint),
            _ => None,
        }
    }

    /// What it was made with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.session.options
    }

    /// Checks whether a call can be made. Returns the longest frame that the peer takes.
    #[inline]
    fn check_callable(&self) -> Result<usize, Error> {
        let session = &self.session;
        let theirs = match &session.state {
            State::Open(theirs) => theirs,
            State::Opening => return Err(Error::NotOpen),
            State::Failed(error) => return Err(error.lost(true)),
        };
        // What runs here may need the peer to come to its end.
        let is_over = session.draining && session.running.len() == 0;
        if session.refused || session.ended || is_over {
            return Err(Error::Closing);
        }
        let limit = theirs.max_in_flight as usize;
        if session.pending.len() >= limit {
            return Err(Error::TooManyCalls { limit });
        }
        Ok(theirs.max_frame_len as usize)
    }

    fn has_failed(&self) -> bool {
        matches!(self.session.state, State::Failed(_))
    }

    fn check(&self) -> Result<(), Error> {
        match &self.session.state {
            State::Failed(error) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Takes frames while there is room for answers.
    fn take(&mut self, mut input: &[u8], now: Instant) -> Result<(), Error> {
        let max_queued = self.session.options.max_queued.max(1);
        loop {
            if self.session.out.len() >= max_queued {
                self.decoder.receive(input);
                self.has_backlog = self.decoder.buffered() > 0;
                self.frame_deadline = None;
                return Ok(());
            }
            match self.decoder.decode(&mut input)? {
                Some(frame) => self.session.message(frame, now)?,
                None => break,
            }
        }
        self.has_backlog = false;
        self.frame_deadline = self.decoder.poll_timeout(now);
        if self.session.ended {
            self.session.no_more_answers();
        }
        Ok(())
    }
}

impl Dialect for Peer {
    fn receive(&mut self, bytes: &[u8], now: Instant) -> Result<(), Error> {
        self.check()?;
        self.session.heard(now);
        self.take(bytes, now)
            .inspect_err(|error| self.session.fail(error.clone()))
    }

    fn receive_eof(&mut self, now: Instant) -> Result<(), Error> {
        self.check()?;
        self.decoder.receive_eof();
        self.session.ended = true;
        self.session.wake_opening();
        self.receive(&[], now)
    }

    fn next_job(&mut self) -> Option<Job> {
        let Session { jobs, running, .. } = &mut self.session;
        std::iter::from_fn(|| jobs.pop_front()).find(|job| running.start(job.id))
    }

    fn next_cancelled(&mut self) -> Option<JobId> {
        self.session.cancelled.pop_front()
    }

    fn complete(&mut self, job: JobId, answer: Answer, _: Instant) {
        self.session.complete(job, answer);
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.session.out
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.has_failed() {
            return None;
        }
        let frame = self.frame_deadline.filter(|_| self.session.attended);
        let calls = earlier(
            self.session.running.soonest(),
            self.session.pending.soonest(),
        );
        earlier(earlier(frame, calls), self.session.quiet_until())
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        self.check()?;
        let frame = match self.frame_deadline {
            Some(deadline) if deadline <= now && self.session.attended => {
                self.decoder.handle_timeout(now).map_err(Error::Frame)
            }
            _ => Ok(()),
        };
        frame
            .and_then(|()| self.session.handle_timeout(now))
            .inspect_err(|error| self.session.fail(error.clone()))
    }

    fn drain(&mut self, _: Instant) {
        self.session.drain();
    }

    fn is_finished(&self) -> bool {
        let session = &self.session;
        let no_more = session.draining || session.refused || session.ended;
        let quiet = session.running.len() == 0 && session.pending.waiting() == 0;
        self.has_failed() || no_more && quiet && !self.has_backlog
    }

    fn in_flight(&self) -> usize {
        self.session.running.len()
    }

    fn max_queued(&self) -> usize {
        self.session.options.max_queued
    }

    fn attach(this: &Arc<Mutex<Self>>, driver: Arc<dyn Driver>) {
        let link = Link {
            peer: Arc::downgrade(this),
            driver,
        };
        let mut peer = this.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        peer.session.context = peer.session.context.with_caller(Arc::new(link));
    }

    fn connection_lost(&mut self, cause: Option<Error>) {
        self.session.fail(cause.unwrap_or(CLOSED));
    }
}

/// A call that is being written.
struct Outgoing {
    kind: u8,
    id: u32,
    timeout: Duration,
    max_frame_len: usize,
}

impl Outgoing {
    #[inline]
    fn write(
        &self,
        session: &mut Session,
        request: &Request<'_>,
        arguments: &(impl ToArguments + ?Sized),
    ) -> Result<(), Error> {
        let start = session.out.len();
        let written = self.write_unchecked(session, request, arguments);
        if written.is_err() {
            session.out.truncate(start);
        }
        written
    }

    #[inline]
    fn write_unchecked(
        &self,
        session: &mut Session,
        request: &Request<'_>,
        arguments: &(impl ToArguments + ?Sized),
    ) -> Result<(), Error> {
        if self.timeout.is_zero() {
            return Err(Error::Timeout {
                after: Duration::ZERO,
            });
        }
        check_len("bytes in the name", request.method.len(), 255)?;
        let codec = session.options.codec;
        let out = &mut session.out;
        let start = begin_call(
            out,
            self.kind,
            self.id,
            to_millis(self.timeout),
            request.method,
        );
        let before_metadata = out.len();
        if !request.metadata.is_empty() {
            write_metadata(request.metadata, out)?;
            let len = out.len() - before_metadata;
            set_metadata_len(out, start, len);
        }
        let mut writer = ArgumentWriter::new(codec, out);
        arguments.write(&mut writer)?;
        let (positional, names) = writer.finish();
        set_counts(out, start, positional as u8, names.len() as u8);
        if !names.is_empty() {
            // They are known last and stand before the metadata.
            let names = names.iter().flat_map(|name| {
                let len = name.len() as u8;
                std::iter::once(len).chain(name.bytes())
            });
            out.splice(before_metadata..before_metadata, names);
        }
        let (len, limit) = (payload_len(out, start), self.max_frame_len);
        if len > limit {
            return Err(Error::TooLarge { len, limit });
        }
        finish(out, start);
        Ok(())
    }
}

fn write_metadata(metadata: &[(String, Vec<u8>)], out: &mut Vec<u8>) -> Result<(), Error> {
    let total = metadata
        .iter()
        .map(|(name, value)| name.len() + value.len() + 3)
        .sum();
    check_len("bytes of metadata", total, MAX_METADATA_LEN)?;
    for (name, value) in metadata {
        check_len("bytes in a name of the metadata", name.len(), 255)?;
        out.push(name.len() as u8);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        out.extend_from_slice(value);
    }
    Ok(())
}

fn check_len(what: &'static str, len: usize, limit: usize) -> Result<(), Error> {
    if len > limit {
        return Err(Error::TooLong { what, len, limit });
    }
    Ok(())
}

/// A timeout as calls carry it: rounded up, and zero for more than 49 days.
fn to_millis(timeout: Duration) -> u32 {
    let part = u64::from(timeout.subsec_nanos().div_ceil(1_000_000));
    let millis = timeout.as_secs().saturating_mul(1000).saturating_add(part);
    u32::try_from(millis).unwrap_or(0)
}
