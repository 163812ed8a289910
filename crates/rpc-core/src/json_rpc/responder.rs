use std::any::Any;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::Options;
use super::answer::{
    BEFORE_RESULT, INVALID_REQUEST, PARSE_ERROR, finish, write_fault, write_refusal, write_result,
};
use super::message::{Batch, NULL, Refusal, Request, is_batch};
use super::params::Params;
use crate::{Answer, Call, Codec, Context, Fault, Invoked, Job, JobId, Kind, Registry, Work};

/// Answers messages, one by one, wherever they come from: [`Peer`](super::Peer) gives it lines, an HTTP server would
/// give it the bodies of requests.
///
/// It does no I/O. Functions that are quick run inside [`receive`](Self::receive); the others come out of
/// [`next_job`](Self::next_job) and their answers go into [`complete`](Self::complete).
///
/// ```
/// use std::sync::Arc;
/// use std::time::Instant;
/// use rpc_core::Registry;
/// use rpc_core::json_rpc::{Options, Reply, Responder};
///
/// let mut registry = Registry::new();
/// registry.register("subtract", ["x", "y"], |x: i64, y: i64| x - y);
/// let mut responder = Responder::new(Arc::new(registry), Options::default());
///
/// let mut answer = Vec::new();
/// let message = br#"{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}"#;
/// let reply = responder.receive(message, Instant::now(), &mut answer);
/// assert_eq!(reply, Reply::Answered);
/// assert_eq!(answer, br#"{"jsonrpc":"2.0","result":19,"id":1}"#);
/// ```
pub struct Responder {
    registry: Arc<Registry>,
    connection: Context,
    options: Options,
    /// In the order in which they began, which is that of their deadlines too.
    running: BTreeMap<JobId, Running>,
    batches: HashMap<ExchangeId, Pending>,
    ready: VecDeque<Job>,
    cancelled: VecDeque<JobId>,
    last: u64,
    /// How many of those that run are not quick.
    slow: usize,
    /// The bytes of the requests that run.
    backlog: usize,
    is_draining: bool,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It has no answer: it held notifications only.
    Nothing,
    /// The answer was appended to the output.
    Answered,
    /// The answer will come when its last call is [completed](Responder::complete).
    Pending(ExchangeId),
}

/// Names a message that waits for its answer; never used twice by one [`Responder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExchangeId(u64);

/// A call that a driver has to run.
struct Running {
    context: Context,
    deadline: Option<Instant>,
    /// Where its answer belongs; a notification's belongs nowhere.
    place: Option<Place>,
    is_slow: bool,
    /// How many bytes of the backlog it is.
    len: usize,
}

struct Place {
    id: Box<str>,
    exchange: ExchangeId,
    is_in_batch: bool,
}

/// A batch, some of whose calls still run.
#[derive(Debug)]
struct Pending {
    /// The bracket and the answers so far.
    text: Vec<u8>,
    running: usize,
}

/// Where a request came from.
#[derive(Clone, Copy)]
struct Origin {
    now: Instant,
    /// The batch it belongs to.
    batch: Option<ExchangeId>,
    /// How long its answer may be.
    room: usize,
}

impl Responder {
    /// Makes one for the callers at the other end of one connection.
    #[must_use]
    pub fn new(registry: Arc<Registry>, options: Options) -> Self {
        Self {
            connection: Context::new(registry.clone(), "json-rpc", None),
            registry,
            options,
            running: BTreeMap::new(),
            batches: HashMap::new(),
            ready: VecDeque::new(),
            cancelled: VecDeque::new(),
            last: 0,
            slow: 0,
            backlog: 0,
            is_draining: false,
        }
    }

    /// Tells functions about the connection; they ask with [`Context::state`].
    #[must_use]
    pub fn with_state(mut self, state: Arc<dyn Any + Send + Sync>) -> Self {
        self.connection = Context::new(self.registry.clone(), "json-rpc", Some(state));
        self
    }

    /// Takes one message, whole, and appends its answer to `out`, if there is one already.
    pub fn receive(&mut self, message: &[u8], now: Instant, out: &mut Vec<u8>) -> Reply {
        let Ok(text) = std::str::from_utf8(message) else {
            write_refusal(PARSE_ERROR, NULL, Some("the message is not UTF-8"), out);
            return Reply::Answered;
        };
        if is_batch(text) {
            return self.receive_batch(text, now, out);
        }
        let origin = Origin {
            now,
            batch: None,
            room: self.options.max_answer_len,
        };
        self.receive_request(text, origin, out)
    }

    /// A call to run. `None` when there is none that has not been given out.
    pub fn next_job(&mut self) -> Option<Job> {
        self.ready.pop_front()
    }

    /// A job whose answer nobody wants any more: its future may be dropped, a worker's answer will be ignored.
    pub fn next_cancelled(&mut self) -> Option<JobId> {
        self.cancelled.pop_front()
    }

    /// Takes the answer of a job. When it is the last one that its message waited for, the message's answer is
    /// appended to `out`, and which message that was is returned. An answer that comes too late is ignored.
    pub fn complete(
        &mut self,
        job: JobId,
        answer: Answer,
        out: &mut Vec<u8>,
    ) -> Option<ExchangeId> {
        let running = self.running.remove(&job)?;
        self.slow -= usize::from(running.is_slow);
        self.backlog -= running.len;
        let Place {
            id,
            exchange,
            is_in_batch,
        } = running.place?;
        let longest = self.options.max_answer_len;
        if !is_in_batch {
            write_answer(&id, answer, longest, out);
            return Some(exchange);
        }
        let batch = self.batches.get_mut(&exchange)?;
        let room = longest.saturating_sub(batch.text.len());
        batch.separate();
        write_answer(&id, answer, room, &mut batch.text);
        batch.running -= 1;
        if batch.running > 0 {
            return None;
        }
        let batch = self.batches.remove(&exchange)?;
        out.extend_from_slice(&batch.text);
        out.push(b']');
        Some(exchange)
    }

    /// Gives up the next call whose time is over at `now`: its function learns that it is cancelled. What is returned
    /// goes into [`complete`](Self::complete) before the next is asked for.
    pub fn next_overdue(&mut self, now: Instant) -> Option<(JobId, Answer)> {
        let (&job, running) = self.running.first_key_value()?;
        if now < running.deadline? {
            return None;
        }
        running.context.cancel();
        self.cancelled.push_back(job);
        let limit = self.options.call_timeout.unwrap_or_default();
        let text = format!("no result within {limit:?}");
        Some((job, Err(Fault::of(Kind::DeadlineExceeded, text))))
    }

    /// Takes no new calls from now on: they get an error. Those that run are answered.
    pub fn drain(&mut self) {
        self.is_draining = true;
    }

    /// When [`next_overdue`](Self::next_overdue) will have something.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.running.first_key_value()?.1.deadline
    }

    /// How many calls run.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.running.len()
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining
    }

    fn receive_batch(&mut self, text: &str, now: Instant, out: &mut Vec<u8>) -> Reply {
        let max_batch = self.options.max_batch;
        let Some(batch) = Batch::parse(text, max_batch) else {
            write_refusal(PARSE_ERROR, NULL, None, out);
            return Reply::Answered;
        };
        if batch.count == 0 {
            write_refusal(INVALID_REQUEST, NULL, None, out);
            return Reply::Answered;
        }
        if batch.count > max_batch {
            let detail = format!(
                "a batch of {} entries, the limit is {max_batch}",
                batch.count
            );
            write_refusal(INVALID_REQUEST, NULL, Some(&detail), out);
            return Reply::Answered;
        }
        let exchange = ExchangeId(self.next());
        let start = out.len();
        let mut running = 0;
        out.push(b'[');
        for entry in batch.entries {
            let before = out.len();
            if before > start + 1 {
                out.push(b',');
            }
            let origin = Origin {
                now,
                batch: Some(exchange),
                room: self
                    .options
                    .max_answer_len
                    .saturating_sub(out.len() - start),
            };
            let reply = self.receive_request(entry, origin, out);
            running += usize::from(matches!(reply, Reply::Pending(_)));
            if reply != Reply::Answered {
                out.truncate(before);
            }
        }
        if running > 0 {
            let text = out.split_off(start);
            self.batches.insert(exchange, Pending { text, running });
            return Reply::Pending(exchange);
        }
        if out.len() == start + 1 {
            out.truncate(start);
            return Reply::Nothing;
        }
        out.push(b']');
        Reply::Answered
    }

    fn receive_request(&mut self, text: &str, origin: Origin, out: &mut Vec<u8>) -> Reply {
        match Request::parse(text) {
            Ok(request) => self.call(&request, text.len(), origin, out),
            Err(Refusal::Parse) => {
                write_refusal(PARSE_ERROR, NULL, None, out);
                Reply::Answered
            }
            Err(Refusal::Invalid { id, detail }) => {
                write_refusal(INVALID_REQUEST, id, detail, out);
                Reply::Answered
            }
        }
    }

    fn call(
        &mut self,
        request: &Request<'_>,
        len: usize,
        origin: Origin,
        out: &mut Vec<u8>,
    ) -> Reply {
        let start = out.len();
        if request.id.is_some() {
            out.extend_from_slice(BEFORE_RESULT);
        }
        let before_result = out.len();
        let done = match self.invoke(request, origin.now, out) {
            Invoked::Done(done) => done,
            Invoked::Later(work, context) => match self.admit(&work, len) {
                Ok(()) => {
                    out.truncate(start);
                    return self.begin(request, work, context, len, origin);
                }
                Err(fault) => Err(fault),
            },
        };
        let Some(id) = request.id else {
            out.truncate(start);
            return Reply::Nothing;
        };
        let done = done.and_then(|()| fits(out.len() - before_result, origin.room));
        match done {
            Ok(()) => finish(id, out),
            Err(fault) => {
                out.truncate(start);
                write_answer(id, Err(fault), origin.room, out);
            }
        }
        Reply::Answered
    }

    fn invoke(&self, request: &Request<'_>, now: Instant, out: &mut Vec<u8>) -> Invoked {
        let name = &*request.method;
        if self.is_draining {
            return Invoked::Done(Err(Fault::of(
                Kind::ShuttingDown,
                "no new calls are taken on this connection",
            )));
        }
        if name.starts_with("rpc.") {
            return Invoked::Done(Err(Fault::unknown_function(name)));
        }
        let call = Call {
            name,
            deadline: self.deadline(now),
            ..Call::default()
        };
        let mut params = Params::new(request.params, &self.options.decode_limits());
        let encode = Codec::Json.encoder();
        self.registry
            .invoke(call, &mut params, encode, &self.connection, out)
    }

    /// Keeps a call for the driver.
    fn begin(
        &mut self,
        request: &Request<'_>,
        work: Work,
        context: Context,
        len: usize,
        origin: Origin,
    ) -> Reply {
        let job = JobId(self.next());
        let exchange = origin.batch.unwrap_or(ExchangeId(job.0));
        let place = request.id.map(|id| Place {
            id: id.into(),
            exchange,
            is_in_batch: origin.batch.is_some(),
        });
        let reply = match place {
            Some(_) => Reply::Pending(exchange),
            None => Reply::Nothing,
        };
        let is_slow = !matches!(work, Work::Quick(_));
        let running = Running {
            deadline: context.deadline(),
            context,
            place,
            is_slow,
            len,
        };
        self.slow += usize::from(is_slow);
        self.backlog += len;
        self.running.insert(job, running);
        self.ready.push_back(Job { id: job, work });
        reply
    }

    /// Whether one more call, of a request of `len` bytes, may run.
    fn admit(&self, work: &Work, len: usize) -> Result<(), Fault> {
        let Options {
            max_in_flight,
            max_backlog,
            ..
        } = self.options;
        // Those that are quick run before anything else arrives.
        if self.slow >= max_in_flight && !matches!(work, Work::Quick(_)) {
            let text = format!("{max_in_flight} calls run already, which is the limit");
            return Err(Fault::of(Kind::Overloaded, text));
        }
        if len > max_backlog - self.backlog.min(max_backlog) {
            let text = format!(
                "a request of {len} bytes while requests of {} bytes run, the limit is {max_backlog}",
                self.backlog
            );
            return Err(Fault::of(Kind::Overloaded, text));
        }
        Ok(())
    }

    fn deadline(&self, now: Instant) -> Option<Instant> {
        now.checked_add(self.options.call_timeout?)
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }
}

impl Pending {
    /// Ends the answer before.
    fn separate(&mut self) {
        if self.text.len() > 1 {
            self.text.push(b',');
        }
    }
}

impl Drop for Responder {
    /// Nobody waits any more for what runs.
    fn drop(&mut self) {
        for running in self.running.values() {
            running.context.cancel();
        }
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("options", &self.options)
            .field("in_flight", &self.running.len())
            .field("backlog", &self.backlog)
            .field("is_draining", &self.is_draining)
            .finish_non_exhaustive()
    }
}

/// Writes an answer for which there are `room` bytes.
fn write_answer(id: &str, answer: Answer, room: usize, out: &mut Vec<u8>) {
    let answer = answer.and_then(|result| fits(result.len(), room).map(|()| result));
    match answer {
        Ok(result) => write_result(id, &result, out),
        Err(fault) => {
            let start = out.len();
            write_fault(id, &fault, out);
            // The fault of an application may say more than there is room for.
            if matches!(fault.kind, Kind::Application(_))
                && let Err(fault) = fits(out.len() - start, room)
            {
                out.truncate(start);
                write_fault(id, &fault, out);
            }
        }
    }
}

fn fits(len: usize, room: usize) -> Result<(), Fault> {
    if len <= room {
        return Ok(());
    }
    let text = format!("a result of {len} bytes where an answer has room for {room}");
    Err(Fault::of(Kind::TooLarge, text))
}
