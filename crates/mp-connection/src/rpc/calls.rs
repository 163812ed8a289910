use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use rpc_core::{Answer, Call, Context, Fault, Invoked, Job, JobId, Kind, Registry, Work};

use super::request::Request;
use super::{Options, answer, exception};
use crate::pickle::{Exception, Protocol};

/// The calls of one connection, one after the other.
pub(super) struct Calls {
    registry: Arc<Registry>,
    connection: Context,
    options: Options,
    running: Option<Running>,
    /// What runs, until a driver fetches it.
    ready: Option<Job>,
    cancelled: VecDeque<JobId>,
    last: u64,
    is_draining: bool,
}

/// The call that a driver has to run.
struct Running {
    id: JobId,
    context: Context,
    protocol: Protocol,
}

impl Calls {
    pub(super) fn new(registry: Arc<Registry>, options: Options) -> Self {
        Self {
            connection: Context::new(Arc::clone(&registry), DIALECT, None),
            registry,
            options,
            running: None,
            ready: None,
            cancelled: VecDeque::new(),
            last: 0,
            is_draining: false,
        }
    }

    pub(super) fn set_state(&mut self, state: Arc<dyn Any + Send + Sync>) {
        self.connection = Context::new(Arc::clone(&self.registry), DIALECT, Some(state));
    }

    /// Takes a message while no call runs: its answer is appended to `out`, or its call runs from now on.
    pub(super) fn receive(&mut self, message: &[u8], now: Instant, out: &mut Vec<u8>) {
        let protocol = Protocol::of(message).min(self.options.pickle.protocol);
        let start = out.len();
        let called = Request::read(message, &self.options.pickle, |request| {
            self.call(request, protocol, now, out)
        });
        let done = match called {
            Ok(Ok(Some((work, context)))) => return self.begin(work, context, protocol),
            Ok(done) => done.map(|_| ()),
            Err(malformed) => Err(exception::malformed(malformed)),
        };
        self.answer(done, start, protocol, out);
    }

    pub(super) fn next_job(&mut self) -> Option<Job> {
        self.ready.take()
    }

    pub(super) fn next_cancelled(&mut self) -> Option<JobId> {
        self.cancelled.pop_front()
    }

    /// Appends the answer of what runs; one that comes too late is ignored.
    pub(super) fn complete(&mut self, job: JobId, answer: Answer, out: &mut Vec<u8>) {
        let Some(running) = self.running.take_if(|running| running.id == job) else {
            return;
        };
        let start = out.len();
        let done = answer.map_err(|fault| exception::of_fault(&fault));
        let done = done.map(|frame| match out.is_empty() {
            true if frame.len() > out.capacity() => *out = frame,
            _ => out.extend_from_slice(&frame),
        });
        self.answer(done, start, running.protocol, out);
    }

    /// Gives up what runs if its time is over at `now`; what is returned goes into [`complete`](Self::complete).
    pub(super) fn next_overdue(&mut self, now: Instant) -> Option<(JobId, Answer)> {
        let running = self.running.as_ref()?;
        if now < running.context.deadline()? {
            return None;
        }
        running.context.cancel();
        // A driver that has not fetched it has nothing to drop.
        if self.ready.take().is_none() {
            self.cancelled.push_back(running.id);
        }
        let limit = self.options.call_timeout.unwrap_or_default();
        let text = format!("no result within {limit:?}");
        Some((running.id, Err(Fault::of(Kind::DeadlineExceeded, text))))
    }

    /// Takes no new calls from now on: they get an exception.
    pub(super) fn drain(&mut self) {
        self.is_draining = true;
    }

    /// When [`next_overdue`](Self::next_overdue) will have something.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.running.as_ref()?.context.deadline()
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// Calls the function. `None` if that is done, and its result appended to `out`.
    fn call(
        &self,
        request: &mut Request<'_>,
        protocol: Protocol,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Option<(Work, Context)>, Exception> {
        if self.is_draining {
            let text = "no new calls are taken on this connection";
            return Err(exception::of_fault(&Fault::of(Kind::ShuttingDown, text)));
        }
        let name = request.name;
        let timeout = self.options.call_timeout;
        let call = Call {
            name,
            deadline: timeout.and_then(|timeout| now.checked_add(timeout)),
            ..Call::default()
        };
        let encode = answer::encoder(protocol);
        match self
            .registry
            .invoke(call, request, encode, &self.connection, out)
        {
            Invoked::Done(Ok(())) => Ok(None),
            Invoked::Done(Err(_)) if self.registry.help(name).is_none() => {
                Err(exception::unknown_function(name))
            }
            Invoked::Done(Err(fault)) => Err(exception::of_fault(&fault)),
            Invoked::Later(work, context) => Ok(Some((work, context))),
        }
    }

    /// Keeps a call for the driver.
    fn begin(&mut self, work: Work, context: Context, protocol: Protocol) {
        self.last += 1;
        let id = JobId(self.last);
        self.ready = Some(Job { id, work });
        self.running = Some(Running {
            id,
            context,
            protocol,
        });
    }

    /// Ends the answer that begins at `start`: the result is there, or an exception takes its place.
    fn answer(
        &self,
        done: Result<(), Exception>,
        start: usize,
        protocol: Protocol,
        out: &mut Vec<u8>,
    ) {
        let longest = self.options.max_answer_len;
        let done = done.and_then(|()| answer::fits(out.len() - start, longest));
        if let Err(exception) = done {
            out.truncate(start);
            answer::write_exception(exception, protocol, longest, out);
        }
    }
}

impl Drop for Calls {
    /// Nobody waits any more for what runs.
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.context.cancel();
        }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls")
            .field("options", &self.options)
            .field("is_running", &self.is_running())
            .field("is_draining", &self.is_draining)
            .finish_non_exhaustive()
    }
}

/// What functions are told that this is.
const DIALECT: &str = "multiprocessing";
