use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ::event_loop::{Closed, Context, Outgoing, StreamHandler, TimerKey};
use bytes::Bytes;

use super::bell::Bell;
use super::jobs::Jobs;
use crate::lock::lock;
use crate::{Answer, Client, Dialect, Driver, Error, Fault, Job, JobId, Kind, Work, native};

/// Carries one connection of a dialect on an event loop; see the [module](crate::event_loop) for what runs where.
pub struct Handler<D: Dialect> {
    dialect: Arc<Mutex<D>>,
    bell: Arc<Bell>,
    jobs: Jobs,
    /// Handed out by the dialect, not yet begun.
    waiting: VecDeque<Job>,
    /// Cancelled by the dialect, not yet dropped.
    cancelled: Vec<JobId>,
    /// Answers that the dialect has not yet got.
    answers: Vec<(JobId, Answer)>,
    /// What the loop's queue had no room for.
    unsent: Bytes,
    max_queued: usize,
    /// The dialect may have stopped in the middle of what arrived, until its answers are on their way.
    is_full: bool,
    /// It has enough of what the peer sent: nothing is read.
    is_sated: bool,
    timer: Option<(TimerKey, Instant)>,
    /// Somebody has asked for a close.
    is_closing: bool,
    cause: Option<Error>,
    on_failure: Option<OnFailure>,
}

type OnFailure = Box<dyn FnOnce(&Error)>;

/// What this module sends to its handlers: that a future is to be polled, or what a blocking function gave.
///
/// The loop's type of messages is this, or a program's own that can be made of it and be turned back into it:
///
/// ```
/// use rpc_core::event_loop::Message;
///
/// enum Mine {
///     Rpc(Message),
///     Tick,
/// }
///
/// impl From<Message> for Mine {
///     fn from(message: Message) -> Self {
///         Self::Rpc(message)
///     }
/// }
///
/// impl TryFrom<Mine> for Message {
///     type Error = Mine;
///
///     fn try_from(message: Mine) -> Result<Self, Mine> {
///         match message {
///             Mine::Rpc(message) => Ok(message),
///             Mine::Tick => Err(message),
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Message(News);

#[derive(Debug)]
enum News {
    Woken,
    Done(JobId, Answer),
}

impl<D: Dialect> Handler<D> {
    /// Makes the handler of one connection.
    #[must_use]
    pub fn new(dialect: D) -> Self {
        let dialect = Arc::new(Mutex::new(dialect));
        let bell = Arc::new(Bell::default());
        D::attach(&dialect, Arc::clone(&bell) as Arc<dyn Driver>);
        Self {
            dialect,
            bell,
            jobs: Jobs::default(),
            waiting: VecDeque::new(),
            cancelled: Vec::new(),
            answers: Vec::new(),
            unsent: Bytes::new(),
            max_queued: 0,
            is_full: false,
            is_sated: false,
            timer: None,
            is_closing: false,
            cause: None,
            on_failure: None,
        }
    }

    /// Has `tell` called with the reason if the conversation doesn't end well, for a log: what the peer did wrong, or
    /// what became of the stream.
    #[must_use]
    pub fn on_failure(mut self, tell: impl FnOnce(&Error) + 'static) -> Self {
        self.on_failure = Some(Box::new(tell));
        self
    }

    /// Tells the dialect something, and then does what follows from that.
    fn tell<M: From<Message> + Send + 'static>(
        &mut self,
        out: &mut Outgoing,
        cx: &mut Context<'_, M>,
        act: impl FnOnce(&mut D, Instant) -> Result<(), Error>,
    ) {
        self.bell.pick_up();
        if self.cause.is_none() {
            self.cause = act(&mut lock(&self.dialect), cx.now()).err();
            self.is_full &= self.cause.is_none();
        }
        for _ in 0..MAX_ROUNDS {
            if self.go_round(out, cx) {
                continue;
            }
            self.bell.hang_up();
            if !self.bell.has_woken() && !self.go_round(out, cx) {
                return;
            }
            self.bell.pick_up();
        }
        // The others on this loop have their turn first.
        self.bell.hang_up();
        self.bell.wake();
    }

    /// Polls what was woken, brings the dialect its answers, begins what it has to do, sends. Returns whether
    /// there is more to do at once.
    fn go_round<M: From<Message> + Send + 'static>(
        &mut self,
        out: &mut Outgoing,
        cx: &mut Context<'_, M>,
    ) -> bool {
        self.jobs.poll(&self.bell, &mut self.answers);
        let is_over = self.exchange(out, cx);
        // Without the dialect's lock: what is dropped, begun or polled here may use a client of this connection.
        for job in self.cancelled.drain(..) {
            self.waiting.retain(|waiting| waiting.id != job);
            self.jobs.cancel(job);
        }
        let has_room = self.has_room(out);
        if has_room {
            self.begin(cx);
        }
        if is_over && self.unsent.is_empty() {
            match &self.cause {
                Some(cause) => out.close_because(Closed::Failed(cause.clone().into())),
                None => out.close(),
            }
        }
        !self.answers.is_empty() || has_room && (self.is_full || !self.waiting.is_empty())
    }

    /// What needs the dialect's lock. Returns whether the connection is over when all is sent.
    fn exchange<M: 'static>(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) -> bool {
        let now = cx.now();
        let dialect = Arc::clone(&self.dialect);
        let dialect = &mut *lock(&dialect);
        for (job, answer) in self.answers.drain(..) {
            dialect.complete(job, answer, now);
        }
        if self.is_full && self.has_room(out) {
            self.is_full = false;
            self.cause = dialect.receive(&[], now).err();
        }
        self.max_queued = dialect.max_queued().max(1);
        self.is_full |= dialect.output().len() >= self.max_queued;
        // One that has failed goes on with nothing.
        self.is_full &= self.cause.is_none();
        if self.unsent.is_empty() {
            self.unsent = std::mem::take(dialect.output()).into();
        }
        send(&mut self.unsent, out);
        if self.has_room(out) {
            let jobs = std::iter::from_fn(|| dialect.next_job());
            self.waiting.extend(jobs.take(MAX_WAITING));
        }
        self.cancelled
            .extend(std::iter::from_fn(|| dialect.next_cancelled()));
        let is_sated = !dialect.wants_bytes();
        if std::mem::replace(&mut self.is_sated, is_sated) != is_sated {
            match is_sated {
                true => cx.pause_reading(),
                false => cx.resume_reading(),
            }
        }
        if let Some(due) = dialect.poll_timeout() {
            set_timer(&mut self.timer, due, cx);
        }
        let is_over = self.is_closing || self.cause.is_some() || dialect.is_finished();
        is_over && dialect.output().is_empty()
    }

    /// Begins what waits, until the answers to it are enough to be sent first.
    fn begin<M: From<Message> + Send + 'static>(&mut self, cx: &mut Context<'_, M>) {
        let mut queued = 0;
        while queued < self.max_queued
            && let Some(Job { id, work }) = self.waiting.pop_front()
        {
            let answer = match work {
                Work::Quick(work) => Some(work()),
                Work::Future(future) => self.jobs.start(id, future, &self.bell),
                Work::Blocking(work) => {
                    let done = move |outcome: Result<Answer, _>| {
                        let answer = outcome.unwrap_or_else(|_| Err(Fault::panicked()));
                        Message(News::Done(id, answer)).into()
                    };
                    let refused = cx.offload(work, done).err();
                    refused.map(|error| Err(Fault::of(Kind::Overloaded, error.to_string())))
                }
            };
            if let Some(answer) = answer {
                queued += answer.as_ref().map_or(0, Vec::len);
                self.answers.push((id, answer));
            }
        }
    }

    /// Whether what the dialect says next would go out.
    fn has_room(&self, out: &Outgoing) -> bool {
        self.unsent.is_empty() && !out.is_above_high_water()
    }
}

impl Handler<native::Peer> {
    /// Calls the functions of the other end: give the handler to
    /// [`connect`](event_loop::EventLoop::connect), and call from other threads or from async functions on the loop.
    /// Calls fail with [`Error::NotOpen`] until the ends have met.
    ///
    /// Clients don't keep the connection. It lasts until the peer or the loop ends it, or somebody does by
    /// [`Context::close`](event_loop::Context::close) with the key that the loop gave.
    #[must_use]
    pub fn client(&self) -> Client {
        let driver = Arc::clone(&self.bell) as Arc<dyn Driver>;
        Client::new(Arc::clone(&self.dialect), driver)
    }
}

impl<D, M> StreamHandler<M> for Handler<D>
where
    D: Dialect,
    M: From<Message> + TryInto<Message> + Send + 'static,
{
    fn opened(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        let (handle, key) = (cx.handle(), cx.key());
        self.bell.connect(move || {
            // A loop that is gone needs no wake-up.
            let _ = handle.post_beyond_limit(key, Message(News::Woken).into());
        });
        self.tell(out, cx, D::handle_timeout);
    }

    fn received(&mut self, bytes: &[u8], out: &mut Outgoing, cx: &mut Context<'_, M>) {
        self.tell(out, cx, |dialect, now| dialect.receive(bytes, now));
    }

    fn peer_finished(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        self.tell(out, cx, D::receive_eof);
    }

    fn writable(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        self.tell(out, cx, |_, _| Ok(()));
    }

    fn timer(&mut self, _: u64, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        self.timer = None;
        self.tell(out, cx, D::handle_timeout);
    }

    fn message(&mut self, message: M, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        match message.try_into() {
            Ok(Message(News::Woken)) => {}
            Ok(Message(News::Done(job, answer))) => self.answers.push((job, answer)),
            // Not ours.
            Err(_) => return,
        }
        self.tell(out, cx, |_, _| Ok(()));
    }

    fn stopping(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        self.tell(out, cx, |dialect, now| {
            dialect.drain(now);
            Ok(())
        });
    }

    fn closing(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        self.is_closing = true;
        self.tell(out, cx, |_, _| Ok(()));
    }

    fn closed(&mut self, why: &Closed, _: &mut Context<'_, M>) {
        let error = match why {
            Closed::Finished => return,
            Closed::Failed(error) => io::Error::new(error.kind(), error.to_string()),
            why => io::Error::other(why.to_string()),
        };
        let cause = self.cause.get_or_insert_with(|| error.into());
        if let Some(tell) = self.on_failure.take() {
            tell(cause);
        }
    }
}

impl<D: Dialect> Drop for Handler<D> {
    fn drop(&mut self) {
        lock(&self.dialect).connection_lost(self.cause.take());
    }
}

impl<D: Dialect> fmt::Debug for Handler<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("jobs", &self.jobs)
            .field("unsent", &self.unsent.len())
            .field("is_full", &self.is_full)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

/// Hands as much to the loop's queue as it has room for.
fn send(unsent: &mut Bytes, out: &mut Outgoing) {
    if unsent.is_empty() || out.is_ended() {
        return unsent.clear();
    }
    let Err(full) = out.try_push(unsent.clone()) else {
        return unsent.clear();
    };
    out.push(unsent.split_to(full.limit.saturating_sub(full.queued)));
    if !out.is_above_high_water() {
        // With a high-water mark at the limit or beyond it, nobody would tell of room.
        out.close_because(Closed::Overflowed {
            queued: full.queued + full.refused,
            limit: full.limit,
        });
    }
}

/// Has the one timer come at `due` or earlier: most calls are over long before their time, and moving it for each
/// would cost more than to find now and then that nothing is due.
fn set_timer<M: 'static>(
    timer: &mut Option<(TimerKey, Instant)>,
    due: Instant,
    cx: &mut Context<'_, M>,
) {
    if timer.is_some_and(|(_, at)| at <= due) {
        return;
    }
    if let Some((later, _)) = timer.take() {
        cx.cancel_timer(later);
    }
    let after = due.saturating_duration_since(cx.now());
    *timer = Some((cx.set_timer(after, 0), due));
}

/// How often one call of the handler goes round before others on the loop have their turn.
const MAX_ROUNDS: usize = 64;
/// How many jobs are fetched in one round.
const MAX_WAITING: usize = 64;
