use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use ::tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use ::tokio::time::timeout;

use super::bell::Bell;
use super::jobs::Jobs;
use super::outgoing::Outgoing;
use super::timer::Timer;
use crate::lock::lock;
use crate::{Dialect, Driver, Error};

/// What the task of a connection knows.
pub(super) struct Connection<'a, S, D: Dialect, F> {
    stream: S,
    dialect: Arc<Mutex<D>>,
    bell: Arc<Bell>,
    stopping: Option<Pin<&'a mut F>>,
    jobs: Jobs,
    outgoing: Outgoing,
    timer: Timer,
    now: Instant,
    is_late: bool,
    gave_way: bool,
    has_ended: bool,
    is_finished: bool,
    /// Bytes that wait in the dialect, until the stream has taken those in `outgoing`.
    behind: usize,
    max_queued: usize,
    is_throttled: bool,
    /// The dialect has enough of what the peer sent.
    is_sated: bool,
    cause: Option<Error>,
}

/// What comes after a turn.
enum Next {
    Turn,
    Wait,
    Close,
}

impl<'a, S, D, F> Connection<'a, S, D, F>
where
    S: AsyncRead + AsyncWrite + Unpin,
    D: Dialect,
    F: Future<Output = ()>,
{
    pub(super) fn new(
        stream: S,
        dialect: Arc<Mutex<D>>,
        bell: Arc<Bell>,
        stopping: Pin<&'a mut F>,
    ) -> Self {
        Self {
            stream,
            dialect,
            now: bell.now(),
            bell,
            stopping: Some(stopping),
            jobs: Jobs::default(),
            outgoing: Outgoing::default(),
            timer: Timer::default(),
            // A dialect's first timeout counts from its first look at the clock.
            is_late: true,
            gave_way: false,
            has_ended: false,
            is_finished: false,
            behind: 0,
            max_queued: 0,
            is_throttled: false,
            is_sated: false,
            cause: None,
        }
    }

    /// Carries the connection to its end.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        let outcome = poll_fn(|cx| self.poll(cx)).await;
        self.cause = outcome.clone().err();
        // Nobody gets their answers any more.
        self.jobs = Jobs::default();
        let _ = timeout(LINGER, self.take_leave()).await;
        outcome
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.gives_way(cx) {
            return Poll::Pending;
        }
        self.bell.listen(cx.waker());
        for _ in 0..MAX_TURNS {
            match self.turn(cx)? {
                Next::Turn => {}
                Next::Wait => return Poll::Pending,
                Next::Close => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Lets the other tasks that are ready run once before what the first of them had to say is sent: theirs
    /// goes with it.
    fn gives_way(&mut self, cx: &Context<'_>) -> bool {
        self.gave_way = !self.gave_way && self.bell.is_ringing();
        if self.gave_way {
            cx.waker().wake_by_ref();
        }
        self.gave_way
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Result<Next, Error> {
        let stops = (self.stopping.as_mut()).is_some_and(|stop| stop.as_mut().poll(cx).is_ready());
        self.jobs.poll(cx);
        self.look(stops)?;
        let mut is_again = self.jobs.start(cx);
        match self.outgoing.poll_send(cx, &mut self.stream) {
            Poll::Ready(Ok(())) if self.is_finished && !is_again => return Ok(Next::Close),
            Poll::Ready(Ok(())) => is_again |= self.behind > 0,
            Poll::Ready(Err(error)) => return Err(self.why_lost(cx, error)),
            Poll::Pending => {}
        }
        is_again |= self.resume()?;
        if !self.is_throttled && !self.is_sated && !self.has_ended {
            is_again |= self.poll_receive(cx)?.is_ready();
        }
        self.is_late = self.timer.poll(cx);
        let is_again = is_again || self.is_late;
        Ok(if is_again { Next::Turn } else { Next::Wait })
    }

    /// Tells the dialect what has happened, and learns what is to be done.
    fn look(&mut self, stops: bool) -> Result<(), Error> {
        self.bell.silence();
        self.now = self.bell.now();
        let mut dialect = lock(&self.dialect);
        if stops {
            self.stopping = None;
            dialect.drain(self.now);
        }
        if self.is_late {
            dialect.handle_timeout(self.now)?;
        }
        self.jobs.exchange(&mut *dialect, self.now);
        self.outgoing.take(dialect.output());
        self.behind = dialect.output().len();
        self.is_finished = dialect.is_finished() && self.behind == 0;
        self.max_queued = dialect.max_queued();
        self.is_sated = !dialect.wants_bytes();
        self.timer.set(dialect.poll_timeout());
        drop(dialect);
        self.is_throttled |= self.queued() >= self.max_queued.max(1);
        Ok(())
    }

    /// Ends a pause in reading when little enough waits to be sent.
    fn resume(&mut self) -> Result<bool, Error> {
        let resumes = self.is_throttled && self.queued() <= self.max_queued / 2;
        if resumes {
            self.is_throttled = false;
            // It may hold calls that it has not begun.
            lock(&self.dialect).receive(&[], self.now)?;
        }
        Ok(resumes)
    }

    fn queued(&self) -> usize {
        self.outgoing.len() + self.behind
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let received = self.poll_read(cx, |this, bytes| {
            let mut dialect = lock(&this.dialect);
            match this.has_ended {
                true => dialect.receive_eof(this.now),
                false => dialect.receive(bytes, this.now),
            }
        });
        received.map(|outcome| outcome?)
    }

    /// Reads once. The buffer is on the stack: a connection that waits has none.
    fn poll_read<T>(
        &mut self,
        cx: &mut Context<'_>,
        then: impl FnOnce(&Self, &[u8]) -> T,
    ) -> Poll<io::Result<T>> {
        let mut space = [MaybeUninit::uninit(); READ];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.has_ended = buffer.filled().is_empty();
        Poll::Ready(Ok(then(self, buffer.filled())))
    }

    /// A peer that refuses us says why and closes; then writing fails before that is read.
    fn why_lost(&mut self, cx: &mut Context<'_>, error: io::Error) -> Error {
        while !self.has_ended {
            match self.poll_receive(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(Error::Io(_))) | Poll::Pending => break,
                Poll::Ready(Err(reason)) => return reason,
            }
        }
        error.into()
    }

    /// Sends the last, says that it was the last, and takes what is on its way here: closing a socket with
    /// something unread would make the peer lose what it has not read.
    async fn take_leave(&mut self) -> io::Result<()> {
        while {
            self.outgoing.take(lock(&self.dialect).output());
            self.outgoing.len() > 0
        } {
            poll_fn(|cx| self.outgoing.poll_send(cx, &mut self.stream)).await?;
        }
        self.stream.shutdown().await?;
        while !self.has_ended {
            poll_fn(|cx| self.poll_read(cx, |_, _| ())).await?;
        }
        Ok(())
    }
}

impl<S, D: Dialect, F> Drop for Connection<'_, S, D, F> {
    fn drop(&mut self) {
        lock(&self.dialect).connection_lost(self.cause.take());
        // Clients may outlive the task.
        self.bell.listen(Waker::noop());
    }
}

/// How much is read at once.
const READ: usize = 32 << 10;

/// How often one poll of the task goes round before others have their turn.
const MAX_TURNS: usize = 32;

/// How long the last words may take, and the peer to end its side after them.
const LINGER: Duration = Duration::from_secs(1);
