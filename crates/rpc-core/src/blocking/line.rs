use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::mem;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, Weak};
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{Shutdown, shutdown};

use super::outgoing::Outgoing;
use super::parker::Parker;
use super::serve::READ_LEN;
use super::stream::{Stream, hurry};
use super::task::Task;
use super::wait::{Bell, wait};
use super::workers::Workers;
use crate::lock::lock;
use crate::native::Peer;
use crate::{Dialect, Driver, Error, Job, JobId};

mod jobs;
mod writing;

/// A connection that is carried by the threads that use it.
///
/// # Who reads
///
/// One of those who wait, the *reader*: it reads for all, and gives the role back when its own answer is there. The
/// others are parked. No answer is left lying, because at any time when nobody holds the lock of [`Turn`]
///
/// > somebody reads, or nobody waits, or one of those who wait was unparked and has not had the lock since.
///
/// A thread that wants to wait either takes the role or, seeing it taken, joins the list: both under the lock. Who gives
/// the role back, or leaves for any other reason while nobody has it, unparks one of the list under the same lock
/// ([`Line::pass_on`]). That one takes the role when it gets the lock, or leaves, because it was woken or its time is
/// over, and unparks the next. A wake-up by the peer's machine can't be missed either: the thread resets its flag,
/// then looks for its answer under the peer's lock, and then looks at the flag before it parks; parking returns at once
/// if it was unparked since.
///
/// # Who writes
///
/// Who has queued something becomes the *writer*, unless there is one: that one then takes it along, because it looks
/// under the lock whether there is more before it gives up the role.
///
/// A write that blocks must not keep anybody from reading, or two ends that both write would wait for each other. Another
/// thread reads if one waits. A writer alone would not: so a socket is set to give up writing after a moment, and then,
/// as with pipes and whatever is large, the writer polls for both directions, reads what comes, and writes in pieces
/// that a stream which polls as writable has room for. If a reader leaves meanwhile and nobody else waits, it rings
/// the bell that the writer polls too, and the writer reads.
///
/// What remains: a stream that is no socket and no pipe may block in spite of what poll says.
pub(super) struct Line {
    stream: Box<dyn Stream + Send + Sync>,
    is_socket: bool,
    pub(super) peer: Arc<Mutex<Peer>>,
    turn: Mutex<Turn>,
    /// The writer has given up the role.
    written: Condvar,
    /// Of the reader.
    buffer: Mutex<Vec<u8>>,
    /// Wakes who polls.
    bell: OnceLock<Bell>,
    /// What the peer wants run, and nobody has begun.
    jobs: Mutex<VecDeque<Job>>,
    tasks: Mutex<HashMap<JobId, Arc<Task>>>,
    workers: Workers,
    began: Instant,
    /// When something came, in milliseconds since it began.
    heard: AtomicU64,
    /// How much was read since the peer's machine has stopped looking at it, because very much was queued.
    unseen: AtomicUsize,
    max_queued: usize,
    pub(super) call_timeout: Option<Duration>,
}

#[derive(Default)]
struct Turn {
    is_reading: bool,
    is_writing: bool,
    /// How many threads wait until the writer is through.
    awaiting_writer: usize,
    /// Something may have been queued since the writer looked.
    has_output: bool,
    /// The writer polls, and reads too if nobody else does.
    is_polling: bool,
    waiters: Vec<Arc<Parker>>,
    /// Of them, who reads for good.
    runner: Option<Arc<Parker>>,
    /// What the writer could not write in time.
    unsent: Outgoing,
    /// The peer has finished sending.
    has_ended: bool,
    /// How it ended.
    end: Option<Result<(), Error>>,
}

/// What the peer's machine has of it: no reference that would keep it alive.
pub(super) struct Handle(pub(super) Weak<Line>);

impl Driver for Handle {
    fn wake(&self) {
        if let Some(line) = self.0.upgrade() {
            line.flush(line.queued(), None);
        }
    }
}

impl Line {
    pub(super) fn new(
        stream: Box<dyn Stream + Send + Sync>,
        peer: Peer,
        workers: Workers,
    ) -> Arc<Self> {
        hurry(&*stream);
        let set = |which, timeout| set_socket_timeout(stream.reading(), which, Some(timeout));
        // A socket that does not block would be asked again and again.
        let is_socket = set(Timeout::Recv, TICK)
            .and_then(|()| set(Timeout::Send, PATIENCE_TO_WRITE))
            .and_then(|()| rustix::io::ioctl_fionbio(stream.reading(), false))
            .is_ok();
        let max_queued = peer.max_queued();
        let call_timeout = peer.options().call_timeout;
        let peer = Arc::new(Mutex::new(peer));
        let line = Arc::new(Self {
            stream,
            is_socket,
            peer: Arc::clone(&peer),
            turn: Mutex::default(),
            written: Condvar::new(),
            buffer: Mutex::new(vec![0; READ_LEN]),
            bell: OnceLock::new(),
            jobs: Mutex::default(),
            tasks: Mutex::default(),
            workers,
            began: Instant::now(),
            heard: AtomicU64::new(0),
            unseen: AtomicUsize::new(0),
            max_queued,
            call_timeout,
        });
        Peer::attach(&peer, Arc::new(Handle(Arc::downgrade(&line))));
        line.timeout(Instant::now());
        line
    }

    pub(super) fn peer(&self) -> MutexGuard<'_, Peer> {
        lock(&self.peer)
    }

    /// Waits until this thread was woken or its time is over, or for less. Meanwhile it may read for all, and run
    /// the peer's calls.
    pub(super) fn wait(self: &Arc<Self>, parker: &Arc<Parker>, until: Option<Instant>) {
        let mut turn = self.turn();
        while turn.end.is_none()
            && !parker.is_woken()
            && until.is_none_or(|until| Instant::now() < until)
        {
            if turn.is_reading {
                turn.join(parker);
                drop(turn);
                Parker::park(until);
                turn = self.turn();
                continue;
            }
            turn.leave(parker);
            turn = self.read_once(turn, until);
            if self.has_jobs() {
                // They may make calls and wait for them, so without any role.
                self.pass_on(&turn);
                drop(turn);
                self.work();
                // The flag may have been reset by one of them, so the caller looks.
                return;
            }
        }
        turn.leave(parker);
        self.pass_on(&turn);
    }

    /// Reads, and runs the peer's calls, until the connection is over.
    pub(super) fn run(self: &Arc<Self>, parker: &Arc<Parker>) -> Result<(), Error> {
        let mut turn = self.turn();
        loop {
            if let Some(end) = turn.end.clone() {
                turn.leave(parker);
                self.pass_on(&turn);
                return end;
            }
            if turn.is_reading {
                turn.runner = Some(Arc::clone(parker));
                drop(turn);
                Parker::park(None);
                turn = self.turn();
                continue;
            }
            turn.leave(parker);
            turn = self.read_once(turn, None);
            if self.has_jobs() {
                self.pass_on(&turn);
                drop(turn);
                self.work();
                turn = self.turn();
            }
        }
    }

    /// Looks whether something came while nobody waited: that the peer has gone, most likely.
    pub(super) fn look(&self, now: Instant) {
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
        if now.saturating_duration_since(self.began) < heard + STALE {
            return;
        }
        let turn = self.read_arrived(self.turn());
        self.pass_on(&turn);
        self.heard(now);
    }

    /// Reads what is there, unless somebody reads.
    fn read_arrived<'a>(&'a self, mut turn: MutexGuard<'a, Turn>) -> MutexGuard<'a, Turn> {
        while !turn.is_reading && turn.end.is_none() && !turn.has_ended {
            let now = Some(Instant::now());
            let ready = wait(Some(self.stream.reading()), None, None, now);
            if !ready.is_ok_and(|ready| ready.reading) {
                break;
            }
            turn.is_reading = true;
            drop(turn);
            self.receive();
            turn = self.turn();
            turn.is_reading = false;
        }
        turn
    }

    /// Time has passed: for the calls, and for the peer.
    pub(super) fn timeout(&self, now: Instant) {
        let mut peer = self.peer();
        let result = Parker::hold_back(|| peer.handle_timeout(now));
        drop(peer);
        if let Err(error) = result {
            self.end(Err(error));
        }
    }

    /// Ends the connection if nothing is in flight and nothing more will be.
    pub(super) fn end_if_finished(&self) {
        if self.peer().is_finished() {
            self.end(Ok(()));
        }
    }

    pub(super) fn queued(&self) -> usize {
        self.peer().output().len()
    }

    /// Reads once, or waits until `until`. The caller has the lock and gets it back; meanwhile it has the role.
    fn read_once<'a>(
        &'a self,
        mut turn: MutexGuard<'a, Turn>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, Turn> {
        if turn.has_output && !turn.is_writing {
            drop(turn);
            self.flush(0, until);
            return self.turn();
        }
        if turn.is_writing && self.is_stuffed() {
            return self.await_writer(turn, until);
        }
        let has_ended = turn.has_ended;
        turn.is_reading = true;
        drop(turn);
        let timeout = self.peer().poll_timeout();
        let deadline = until.into_iter().chain(timeout).min();
        match self.wait_to_read(deadline, has_ended) {
            Ok(true) => self.receive(),
            Ok(false) => {}
            Err(error) => self.end(Err(error.into())),
        }
        if timeout.is_some_and(|timeout| timeout <= Instant::now()) {
            self.timeout(Instant::now());
        }
        let mut turn = self.turn();
        turn.is_reading = false;
        turn
    }

    /// Waits until a read does not wait, or not past the deadline. `false`: until the deadline, or the bell.
    fn wait_to_read(&self, deadline: Option<Instant>, has_ended: bool) -> io::Result<bool> {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if self.is_socket && !has_ended && left.is_none_or(|left| left >= TICK) {
            return Ok(true);
        }
        let bell = self.bell()?;
        let reading = (!has_ended).then(|| self.stream.reading());
        let ready = wait(reading, None, Some(bell), deadline)?;
        if ready.bell {
            self.silence(bell);
        }
        Ok(ready.reading)
    }

    /// Reads what is there and gives it to the peer's machine. To be called with the role.
    fn receive(&self) {
        let mut buffer = lock(&self.buffer);
        let result = self.stream.read(&mut buffer);
        let now = Instant::now();
        let len = match result {
            Ok(len) => len,
            Err(error) if is_passing(&error) => return,
            Err(error) => return self.end(Err(error.into())),
        };
        self.heard(now);
        let mut cancelled = Vec::new();
        let mut has_output = false;
        let mut is_finished = false;
        let result = Parker::hold_back(|| {
            let mut peer = self.peer();
            let result = match len {
                0 => peer.receive_eof(now),
                _ => peer.receive(&buffer[..len], now),
            };
            while let Some(id) = peer.next_cancelled() {
                cancelled.push(id);
            }
            if let Some(job) = peer.next_job() {
                let mut jobs = lock(&self.jobs);
                jobs.push_back(job);
                jobs.extend(std::iter::from_fn(|| peer.next_job()));
            }
            let queued = peer.output().len();
            has_output = queued > 0;
            match queued < self.max_queued {
                true => self.unseen.store(0, Ordering::Relaxed),
                false => drop(self.unseen.fetch_add(len, Ordering::Relaxed)),
            }
            is_finished = peer.is_finished();
            result
        });
        drop(buffer);
        for id in cancelled {
            self.cancel(id);
        }
        if has_output || len == 0 {
            let mut turn = self.turn();
            turn.has_output |= has_output;
            turn.has_ended |= len == 0;
        }
        match result {
            Err(error) => self.end(Err(error)),
            Ok(()) if is_finished => self.end(Ok(())),
            Ok(()) => {}
        }
    }

    /// If nobody reads, somebody who waits is to.
    fn pass_on(&self, turn: &Turn) {
        if turn.is_reading {
            return;
        }
        match turn.runner.as_ref().or_else(|| turn.waiters.last()) {
            Some(parker) => parker.unpark(),
            None if turn.is_polling => self.ring(),
            None => {}
        }
    }

    /// The connection is over: tells everybody. The first reason counts.
    pub(super) fn end(&self, result: Result<(), Error>) {
        let mut turn = self.turn();
        if turn.end.is_some() {
            return;
        }
        turn.end = Some(result.clone());
        let mut waiters = mem::take(&mut turn.waiters);
        waiters.extend(turn.runner.take());
        drop(turn);
        Parker::hold_back(|| self.peer().connection_lost(result.err()));
        let tasks = mem::take(&mut *lock(&self.tasks));
        lock(&self.jobs).clear();
        for task in tasks.values() {
            task.cancel();
        }
        self.say_farewell();
        for parker in waiters {
            parker.unpark();
        }
        self.ring();
    }

    /// The last words, as far as they can be sent without waiting; then the stream is closed for both.
    fn say_farewell(&self) {
        let mut turn = self.turn();
        if !turn.is_writing {
            let mut outgoing = mem::take(&mut turn.unsent);
            if outgoing.is_empty() {
                outgoing.take(self.peer().output());
            }
            let now = Some(Instant::now());
            let ready = wait(None, Some(self.stream.writing()), None, now);
            if ready.is_ok_and(|ready| ready.writing) {
                // Why it can't be sent is no news.
                let _ = outgoing.write(&*self.stream, 4 << 10);
            }
        }
        if self.is_socket {
            let _ = shutdown(self.stream.reading(), Shutdown::Both);
        }
    }

    fn bell(&self) -> io::Result<&Bell> {
        if let Some(bell) = self.bell.get() {
            return Ok(bell);
        }
        let bell = Bell::new()?;
        Ok(self.bell.get_or_init(|| bell))
    }

    fn ring(&self) {
        if let Some(bell) = self.bell.get() {
            bell.ring();
        }
    }

    fn silence(&self, bell: &Bell) {
        bell.silence();
        // At the end it rings for everybody.
        if self.turn().end.is_some() {
            bell.ring();
        }
    }

    fn heard(&self, now: Instant) {
        let since = now.saturating_duration_since(self.began).as_millis();
        self.heard.store(since as u64, Ordering::Relaxed);
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        lock(&self.turn)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.peer().drain(Instant::now());
        self.end(Ok(()));
    }
}

impl Turn {
    fn join(&mut self, parker: &Arc<Parker>) {
        if !self
            .waiters
            .iter()
            .any(|waiter| Arc::ptr_eq(waiter, parker))
        {
            self.waiters.push(Arc::clone(parker));
        }
    }

    fn leave(&mut self, parker: &Arc<Parker>) {
        self.waiters.retain(|waiter| !Arc::ptr_eq(waiter, parker));
        self.runner.take_if(|runner| Arc::ptr_eq(runner, parker));
    }
}

pub(super) fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
}

/// How long a read of a socket waits at most; what is due sooner is polled for.
const TICK: Duration = Duration::from_secs(1);
/// How long a write to a socket waits before the writer begins to read too.
const PATIENCE_TO_WRITE: Duration = Duration::from_millis(50);
/// A connection from which nothing came for so long may be over without anybody having noticed.
const STALE: Duration = Duration::from_millis(10);
