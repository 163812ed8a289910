use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use framing::FrameError;

use super::envelope::{
    ANSWER, Call, Envelope, FaultMessage, Hello, MIN_FRAME_LEN, begin, cut, finish, payload_len,
};
use super::pending::Pending;
use super::running::{Entry, MAX_RUNNING, Running};
use crate::{
    Answer, Context, DecodeLimits, Fault, Invoked, Job, JobId, Kind, Options, Registry, Value,
};
use crate::{Error, Reason, Violation};

/// What one end knows of a conversation, and what a message does to it.
///
/// ```text
///              the peer's hello               a protocol error, a timeout, the stream's end
///   Opening ─────────────────────► Open ───┬──────────────────────────────────────────────► Failed
///      └──────────────────────────────────┘
/// ```
///
/// An open one is also *draining* once it has said goodbye, and *refused* once the peer has; each then has an end
/// when nothing is in flight.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) options: Options,
    pub(super) limits: DecodeLimits,
    pub(super) context: Context,
    registry: Arc<Registry>,
    pub(super) state: State,
    /// Whether this end reads all the time.
    pub(super) attended: bool,
    /// What is to be sent.
    pub(super) out: Vec<u8>,
    pub(super) pending: Pending,
    pub(super) running: Running,
    pub(super) jobs: VecDeque<Job>,
    pub(super) cancelled: VecDeque<JobId>,
    /// The id of the last call of the peer that was taken.
    last_taken: u32,
    /// This end has said goodbye.
    pub(super) draining: bool,
    /// The peer has said goodbye.
    pub(super) refused: bool,
    /// The peer has closed its side of the stream.
    pub(super) ended: bool,
    /// When a byte came, or the conversation began.
    heard: Option<Instant>,
    /// When a sign of life was asked for, since then.
    pinged: Option<Instant>,
    pub(super) opening: Vec<Waker>,
}

#[derive(Debug)]
pub(super) enum State {
    Opening,
    Open(Hello),
    Failed(Error),
}

impl Session {
    pub(super) fn new(registry: Arc<Registry>, options: Options) -> Self {
        let mut session = Self {
            limits: options.decode_limits(),
            context: Context::new(registry.clone(), "native", None),
            registry,
            state: State::Opening,
            attended: true,
            out: Vec::new(),
            pending: Pending::new(),
            running: Running::default(),
            jobs: VecDeque::new(),
            cancelled: VecDeque::new(),
            last_taken: 0,
            draining: false,
            refused: false,
            ended: false,
            heard: None,
            pinged: None,
            opening: Vec::new(),
            options,
        };
        session.say_hello();
        session
    }

    /// Writes the hello, in the place of one that was not yet sent.
    pub(super) fn say_hello(&mut self) {
        self.out.clear();
        let hello = Hello {
            codec: self.options.codec.id(),
            attended: self.attended,
            max_frame_len: max_frame_len(&self.options),
            max_in_flight: self.max_in_flight() as u32,
            fingerprint: self.registry.fingerprint(),
        };
        Envelope::Hello(hello).write(&mut self.out);
    }

    /// Takes one message.
    #[inline]
    pub(super) fn message(&mut self, frame: &[u8], now: Instant) -> Result<(), Error> {
        let envelope = Envelope::parse(frame)?;
        if !matches!(self.state, State::Open(_)) {
            return match envelope {
                Envelope::Hello(hello) => self.hello(hello),
                _ => Err(Violation::HelloExpected.into()),
            };
        }
        match envelope {
            Envelope::Call(call) => self.call(call, now)?,
            Envelope::Answer { id, body } => self.pending.answer(id, || Ok(body.to_vec()))?,
            Envelope::Fault(fault) => {
                let (codec, limits) = (self.options.codec, self.limits);
                self.pending.answer(fault.id, || {
                    let data = match fault.data {
                        [] => None,
                        data => Some(codec.decode::<Value>(data, &limits)?),
                    };
                    Err(Error::Fault(Fault {
                        kind: fault.kind(),
                        message: fault.message.to_owned(),
                        data,
                    }))
                })?;
            }
            Envelope::OneWay(call) => self.one_way(call, now),
            Envelope::Cancel { id } => {
                if let Some(entry) = self.running.remove_id(id) {
                    self.abandon(entry, Kind::Cancelled, || {
                        "the caller cancelled the call".to_owned()
                    });
                }
            }
            Envelope::Ping { id } => Envelope::Pong { id }.write(&mut self.out),
            // Any byte is the sign of life that was asked for.
            Envelope::Pong { .. } => {}
            Envelope::Goodbye {
                last,
                reason: Reason::Shutdown,
            } => {
                self.refused = true;
                self.pending.not_taken(last, &Error::Closing);
            }
            Envelope::Goodbye { last, reason } => {
                let error = reason.into_error();
                self.pending.not_taken(last, &error.lost(true));
                return Err(error);
            }
            Envelope::Attended(attended) => {
                if let State::Open(theirs) = &mut self.state {
                    theirs.attended = attended;
                }
            }
            Envelope::Hello(_) => return Err(Violation::SecondHello.into()),
        }
        Ok(())
    }

    /// Puts the answer of a job into a message.
    pub(super) fn complete(&mut self, job: JobId, answer: Answer) {
        let Some(Entry { id, .. }) = self.running.remove(job) else {
            return;
        };
        match answer {
            _ if id == 0 => {}
            Ok(body) => {
                let start = begin(&mut self.out, ANSWER, id);
                self.out.extend_from_slice(&body);
                self.finish_answer(start, id);
            }
            Err(fault) => self.fault(id, &fault),
        }
    }

    pub(super) fn drain(&mut self) {
        if !self.draining && !matches!(self.state, State::Failed(_)) {
            self.draining = true;
            self.say_goodbye(Reason::Shutdown);
        }
    }

    /// Ends the conversation. `error` is what waiting calls are told, and the peer if it can be.
    pub(super) fn fail(&mut self, error: Error) {
        if matches!(self.state, State::Failed(_)) {
            return;
        }
        // The others came from the peer, or there is nobody to tell.
        let is_news = !matches!(
            error,
            Error::Refused(_)
                | Error::Io(_)
                | Error::Lost { .. }
                | Error::Frame(FrameError::Truncated { .. })
        );
        if is_news {
            self.say_goodbye(Reason::of(&error));
        }
        self.stop(&error);
        self.state = State::Failed(error);
        self.wake_opening();
    }

    /// The peer's side of the stream is closed, and all that came is read.
    pub(super) fn no_more_answers(&mut self) {
        self.pending.lost(&CLOSED);
    }

    fn stop(&mut self, error: &Error) {
        self.pending.lost(&error.lost(false));
        for entry in self.running.take() {
            entry.context.cancel();
            if entry.is_started {
                self.cancelled.push_back(entry.job);
            }
        }
        self.jobs.clear();
    }

    pub(super) fn wake_opening(&mut self) {
        for waker in self.opening.drain(..) {
            waker.wake();
        }
    }

    /// Time has passed for calls and for the peer.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        for entry in self.running.expired(now) {
            let timeout = entry.timeout;
            self.abandon(entry, Kind::DeadlineExceeded, || {
                format!("the call took longer than the {timeout:?} that its caller waits")
            });
        }
        let Self { pending, out, .. } = self;
        pending.expire(now, |id| Envelope::Cancel { id }.write(out));

        let began = *self.heard.get_or_insert(now);
        let Some(due) = self.quiet_until() else {
            return Ok(());
        };
        if now < due {
            return Ok(());
        }
        match self.state {
            State::Opening => Err(Error::NoHello {
                after: self.options.hello_timeout,
            }),
            _ if self.pinged.is_some() => Err(Error::Silent {
                after: now.saturating_duration_since(began),
            }),
            _ => {
                Envelope::Ping { id: 0 }.write(&mut self.out);
                self.pinged = Some(now);
                self.pending.shrink();
                self.running.shrink();
                Ok(())
            }
        }
    }

    /// Until when the peer may be quiet.
    pub(super) fn quiet_until(&self) -> Option<Instant> {
        let allowed = match &self.state {
            State::Opening => self.options.hello_timeout,
            // Who doesn't read can't be asked, and who doesn't read can't hear the answer.
            State::Open(theirs)
                if theirs.attended
                    && !self.ended
                    && (self.attended || self.pending.waiting() > 0) =>
            {
                self.options.keep_alive?
            }
            State::Open(_) | State::Failed(_) => return None,
        };
        self.pinged.or(self.heard)?.checked_add(allowed)
    }

    /// Something came, or somebody begins to listen.
    #[inline]
    pub(super) fn heard(&mut self, now: Instant) {
        if !matches!(self.state, State::Opening) || self.heard.is_none() {
            self.heard = Some(now);
        }
        self.pinged = None;
    }

    pub(super) fn max_in_flight(&self) -> usize {
        self.options.max_in_flight.min(MAX_RUNNING)
    }

    fn hello(&mut self, theirs: Hello) -> Result<(), Error> {
        let ours = self.options.codec.id();
        if theirs.codec != ours {
            return Err(Error::CodecMismatch {
                ours,
                theirs: theirs.codec,
            });
        }
        if let Some(expected) = self.options.expect
            && theirs.fingerprint != expected
        {
            return Err(Error::Mismatch {
                expected,
                found: theirs.fingerprint,
            });
        }
        self.state = State::Open(theirs);
        self.wake_opening();
        Ok(())
    }

    #[inline]
    fn call(&mut self, call: Call<'_>, now: Instant) -> Result<(), Violation> {
        let id = call.id;
        // It crossed with the goodbye, from which the caller sees that it is not run.
        if self.draining {
            return Ok(());
        }
        if self.running.has(id) {
            return Err(Violation::DuplicateId { id });
        }
        self.last_taken = id;
        if self.running.len() >= self.max_in_flight() {
            let limit = self.max_in_flight();
            self.fault(
                id,
                &Fault::of(
                    Kind::Overloaded,
                    format!("{limit} calls are running, no more are taken"),
                ),
            );
            return Ok(());
        }
        let start = begin(&mut self.out, ANSWER, id);
        match self.invoke(&call, now) {
            Some(Ok(())) => self.finish_answer(start, id),
            Some(Err(fault)) => {
                self.out.truncate(start);
                self.fault(id, &fault);
            }
            None => self.out.truncate(start),
        }
        Ok(())
    }

    fn one_way(&mut self, call: Call<'_>, now: Instant) {
        if !self.draining && self.running.len() < self.max_in_flight() {
            let start = self.out.len();
            self.invoke(&call, now);
            self.out.truncate(start);
        }
    }

    /// Runs a function at once, its result appended to the output, or makes a job of it.
    #[inline]
    fn invoke(&mut self, call: &Call<'_>, now: Instant) -> Option<Result<(), Fault>> {
        let timeout = Duration::from_millis(call.timeout.into());
        let deadline = match call.timeout {
            0 => None,
            _ => now.checked_add(timeout),
        };
        let codec = self.options.codec;
        let mut arguments = codec.arguments(
            call.body,
            call.positional.into(),
            call.keywords,
            &self.limits,
        );
        let request = crate::Call {
            name: call.method,
            deadline,
            metadata: match call.metadata.is_empty() {
                true => Vec::new(),
                false => call.metadata.to_owned(),
            },
        };
        match self.registry.invoke(
            request,
            &mut arguments,
            codec.encoder(),
            &self.context,
            &mut self.out,
        ) {
            Invoked::Done(done) => Some(done),
            Invoked::Later(work, context) => {
                let id = self.running.insert(call.id, deadline, timeout, context);
                self.jobs.push_back(Job { id, work });
                None
            }
        }
    }

    /// Gives up a call of the peer that is running.
    fn abandon(&mut self, entry: Entry, kind: Kind, message: impl FnOnce() -> String) {
        entry.context.cancel();
        if entry.is_started {
            self.cancelled.push_back(entry.job);
        }
        if entry.id != 0 {
            self.fault(entry.id, &Fault::of(kind, message()));
        }
    }

    /// Ends the answer that begins at `start`, if it is not too long for the peer.
    #[inline]
    fn finish_answer(&mut self, start: usize, id: u32) {
        let len = payload_len(&self.out, start);
        let limit = self.their_max_frame_len();
        if len <= limit {
            finish(&mut self.out, start);
            return;
        }
        self.out.truncate(start);
        self.fault(
            id,
            &Fault::of(
                Kind::TooLarge,
                format!("the answer has {len} bytes, the caller takes {limit}"),
            ),
        );
    }

    /// Answers a call with a fault. What doesn't fit is left out: data that can't be encoded or is too long, the end of a
    /// long message.
    #[cold]
    fn fault(&mut self, id: u32, fault: &Fault) {
        let limit = self.their_max_frame_len();
        let mut message = FaultMessage::new(id, fault);
        let start = message.write(&mut self.out);
        let end = self.out.len();
        if payload_len(&self.out, start) > limit {
            self.out.truncate(start);
            message.message = cut(message.message, CUT_MESSAGE_LEN);
            message.write(&mut self.out);
        } else if let Some(data) = &fault.data
            && (self.options.codec.write(data, &mut self.out).is_err()
                || payload_len(&self.out, start) > limit)
        {
            self.out.truncate(end);
        }
        finish(&mut self.out, start);
    }

    fn say_goodbye(&mut self, reason: Reason) {
        let last = self.last_taken;
        Envelope::Goodbye { last, reason }.write(&mut self.out);
    }

    fn their_max_frame_len(&self) -> usize {
        match &self.state {
            State::Open(theirs) => theirs.max_frame_len as usize,
            _ => MIN_FRAME_LEN as usize,
        }
    }
}

/// The longest frame that an end with these options takes.
pub(super) fn max_frame_len(options: &Options) -> u32 {
    u32::try_from(options.max_frame_len)
        .unwrap_or(u32::MAX)
        .max(MIN_FRAME_LEN)
}

/// The peer closed the stream and said nothing.
pub(super) const CLOSED: Error = Error::Lost {
    cause: None,
    not_run: false,
};

/// Of the message of a fault that is longer than a frame, with its name, fits into every frame.
const CUT_MESSAGE_LEN: usize = 512;
