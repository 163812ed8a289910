mod permit;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
#[cfg(feature = "tokio")]
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};

pub(crate) use self::permit::{Handshake, Outcome, Permit, Worker};
use crate::datagram_server::Counts;
use crate::peer::Network;
use crate::process::Report;
use crate::{Limits, Refused, Stats};

/// What all parts of a server agree on: whether it runs, its limits, its counts.
///
/// Accepting asks it for a [turn](Self::wait_turn) and for a [`Permit`] for each newcomer; the permit
/// says at its end how the connection went. Threads wait on a condition variable, tasks by their waker;
/// what waits in a system call watches the [bell](Self::bell).
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    /// A connection may be accepted now, or none any more.
    turn: Condvar,
    /// The server comes to an end, or has.
    end: Condvar,
    bell: OwnedFd,
    is_stopping: AtomicBool,
    /// The timeouts of the limits, in microseconds, to be had without the lock.
    timeouts: [AtomicU64; 4],
    epoch: Instant,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    limits: Limits,
    /// The most connections, whatever the limits say.
    capacity: usize,
    stats: Stats,
    per_address: HashMap<Network, usize>,
    workers: usize,
    failure: Option<io::Error>,
    /// Threads that wait for a turn, and for the end: nobody is woken in vain.
    waiting: [usize; 2],
    /// Tasks that do.
    wakers: [Vec<Waker>; 2],
    /// In a worker process: whom to tell what happens here.
    report: Option<Report>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Suspended,
    Stopping,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug)]
enum For {
    Turn,
    End,
}

/// Whether to accept a connection now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Accept one.
    Go,
    /// Accept no more.
    Stop,
    /// The time given was over first.
    Late,
}

/// A timeout that reads, writes and the watchdog ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    FirstByte,
    Idle,
    Handshake,
    Total,
}

/// "Never", where a time is meant, in microseconds since the server began.
pub(crate) const NEVER: u64 = u64::MAX;

impl Gate {
    pub(crate) fn new(limits: Limits) -> io::Result<Arc<Self>> {
        let gate = Self {
            timeouts: Default::default(),
            state: Mutex::new(State {
                phase: Phase::Running,
                limits,
                capacity: usize::MAX,
                stats: Stats::default(),
                per_address: HashMap::new(),
                workers: 0,
                failure: None,
                waiting: [0; 2],
                wakers: Default::default(),
                report: None,
            }),
            turn: Condvar::new(),
            end: Condvar::new(),
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            is_stopping: AtomicBool::new(false),
            epoch: Instant::now(),
        };
        gate.publish(&gate.state().limits);
        Ok(Arc::new(gate))
    }

    /// Waits until a connection may be accepted: not while suspended, and not while all places are
    /// taken, unless those over the limit are to be told so.
    pub(crate) fn wait_turn(&self, until: Option<Instant>) -> Turn {
        self.wait(For::Turn, until, State::turn)
            .unwrap_or(Turn::Late)
    }

    /// Counts a newcomer and gives it a place, or says why there is none.
    pub(crate) fn admit(self: &Arc<Self>, network: Option<Network>) -> Result<Permit, Refused> {
        let mut state = self.state();
        state.stats.accepted += 1;
        let limit = state.max_connections();
        let place = if state.stats.open >= limit {
            Err(Refused::TooManyConnections { limit })
        } else {
            state.take_place(network)
        };
        match place {
            Ok(()) => state.stats.open += 1,
            Err(_) => state.stats.refused += 1,
        }
        state.report();
        place.map(|()| Permit {
            gate: Arc::clone(self),
            network,
            outcome: Outcome::Failed,
        })
    }

    /// Counts a handshake until what it returns is dropped.
    pub(crate) fn begin_handshake(self: &Arc<Self>) -> Result<Handshake, Refused> {
        let mut state = self.state();
        let limit = state.limits.max_handshakes;
        let refused = Refused::TooManyHandshakes { limit };
        if state.stats.pending >= limit {
            return Err(refused);
        }
        state.check(refused, None)?;
        state.stats.pending += 1;
        state.report();
        Ok(Handshake(Arc::clone(self)))
    }

    /// Counts a thread or process of the server until what it returns is dropped. Shutting down waits
    /// for them.
    pub(crate) fn begin_work(self: &Arc<Self>) -> Worker {
        self.state().workers += 1;
        Worker(Arc::clone(self))
    }

    /// Counts and logs a pause in accepting, and waits it out; the end of the server ends it early.
    pub(crate) fn pause(&self, pause: Duration, error: &io::Error) {
        self.note_pause(pause, error);
        let until = Instant::now() + pause;
        self.wait(For::End, Some(until), |state| {
            (state.phase == Phase::Stopping).then_some(())
        });
    }

    /// Counts and logs a pause that the caller waits out.
    pub(crate) fn note_pause(&self, pause: Duration, error: &io::Error) {
        let mut state = self.state();
        state.stats.accept_pauses += 1;
        state.report();
        drop(state);
        tracing::warn!(?pause, %error, "can't accept, pausing");
    }

    pub(crate) fn suspend(&self) {
        self.enter(Phase::Suspended);
    }

    pub(crate) fn resume(&self) {
        self.enter(Phase::Running);
    }

    pub(crate) fn is_suspended(&self) -> bool {
        self.state().phase == Phase::Suspended
    }

    /// Ends accepting for good.
    pub(crate) fn stop(&self) {
        self.enter(Phase::Stopping);
    }

    /// Ends accepting because the listener is of no more use.
    pub(crate) fn fail(&self, error: io::Error) {
        tracing::error!(%error, "the listener failed, no more connections are accepted");
        self.state().failure = Some(error);
        self.stop();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// Readable while connections must not be accepted (suspended or stopping). Nobody reads it.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Waits until no connection is open and no worker is left; says whether that is so.
    pub(crate) fn wait_idle(&self, until: Option<Instant>) -> bool {
        self.wait(For::End, until, State::is_idle).is_some()
    }

    /// Waits until the listener has failed.
    pub(crate) fn wait_failure(&self) -> io::Error {
        self.wait(For::End, None, |state| state.failure.take())
            .unwrap_or_else(|| io::ErrorKind::Interrupted.into())
    }

    /// Why the listener has failed, if it has.
    pub(crate) fn take_failure(&self) -> Option<io::Error> {
        self.state().failure.take()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.state().stats
    }

    pub(crate) fn limits(&self) -> Limits {
        self.state().limits.clone()
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        let mut state = self.state();
        self.publish(&limits);
        state.limits = limits;
        self.notify(state);
    }

    /// Keeps more connections than this away, even when the limits let more in.
    pub(crate) fn set_capacity(&self, capacity: usize) {
        self.state().capacity = capacity;
    }

    /// Tells somebody what happens here, from now on.
    pub(crate) fn report_to(&self, report: Report) {
        self.state().report = Some(report);
    }

    /// The same for what happens to datagrams.
    pub(crate) fn report_datagrams(&self, counts: &Counts) {
        if let Some(report) = &mut self.state().report {
            report.update_datagrams(counts.stats());
        }
    }

    /// A timeout as it is now, in microseconds; [`NEVER`] if there is none.
    pub(crate) fn timeout(&self, wait: Wait) -> u64 {
        self.timeouts[wait as usize].load(Ordering::Relaxed)
    }

    /// Microseconds since the server began.
    pub(crate) fn now(&self) -> u64 {
        micros(self.epoch.elapsed())
    }

    fn publish(&self, limits: &Limits) {
        let timeouts = [
            (Wait::FirstByte, limits.first_byte_timeout),
            (Wait::Idle, limits.idle_timeout),
            (Wait::Handshake, Some(limits.handshake_timeout)),
            (Wait::Total, limits.total_timeout),
        ];
        for (wait, timeout) in timeouts {
            self.timeouts[wait as usize].store(timeout.map_or(NEVER, micros), Ordering::Relaxed);
        }
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.state();
        if state.phase == phase || state.phase == Phase::Stopping {
            return;
        }
        state.phase = phase;
        if phase == Phase::Stopping {
            self.is_stopping.store(true, Ordering::Relaxed);
        }
        // Neither can fail but for a count that is as wanted already.
        let _ = match phase {
            Phase::Running => rustix::io::read(&self.bell, &mut [0; 8]),
            Phase::Suspended | Phase::Stopping => {
                rustix::io::write(&self.bell, &1_u64.to_ne_bytes())
            }
        };
        self.notify(state);
    }

    fn wait<T>(
        &self,
        what: For,
        until: Option<Instant>,
        mut is_time: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let condvar = match what {
            For::Turn => &self.turn,
            For::End => &self.end,
        };
        let mut state = self.state();
        loop {
            if let Some(value) = is_time(&mut state) {
                return Some(value);
            }
            state.waiting[what as usize] += 1;
            state = match until {
                None => condvar.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        state.waiting[what as usize] -= 1;
                        return None;
                    }
                    let woken = condvar.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.waiting[what as usize] -= 1;
        }
    }

    fn notify(&self, mut state: MutexGuard<'_, State>) {
        let is_time = [
            state.turn().is_some(),
            state.phase == Phase::Stopping || state.is_idle().is_some(),
        ];
        let mut tasks = Vec::new();
        for (wakers, _) in state.wakers.iter_mut().zip(is_time).filter(|of| of.1) {
            tasks.append(wakers);
        }
        let [turn, end] = state.waiting.map(|threads| threads > 0);
        drop(state);
        if turn && is_time[For::Turn as usize] {
            self.turn.notify_all();
        }
        if end && is_time[For::End as usize] {
            self.end.notify_all();
        }
        tasks.into_iter().for_each(Waker::wake);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The same for tasks: they are woken when they should ask again.
#[cfg(feature = "tokio")]
impl Gate {
    /// As [`wait_turn`](Self::wait_turn).
    pub(crate) fn poll_turn(&self, cx: &Context<'_>) -> Poll<Turn> {
        self.poll(For::Turn, cx, State::turn)
    }

    /// As [`wait_idle`](Self::wait_idle).
    pub(crate) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        self.poll(For::End, cx, State::is_idle)
    }

    /// As [`wait_failure`](Self::wait_failure).
    pub(crate) fn poll_failure(&self, cx: &Context<'_>) -> Poll<io::Error> {
        self.poll(For::End, cx, |state| state.failure.take())
    }

    fn poll<T>(
        &self,
        what: For,
        cx: &Context<'_>,
        is_time: impl FnOnce(&mut State) -> Option<T>,
    ) -> Poll<T> {
        let mut state = self.state();
        if let Some(value) = is_time(&mut state) {
            return Poll::Ready(value);
        }
        let wakers = &mut state.wakers[what as usize];
        if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
            wakers.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl State {
    fn turn(&mut self) -> Option<Turn> {
        let is_full = self.stats.open >= self.max_connections();
        match self.phase {
            Phase::Stopping => Some(Turn::Stop),
            Phase::Suspended => None,
            Phase::Running if is_full && self.limits.refusal.is_empty() => None,
            Phase::Running => Some(Turn::Go),
        }
    }

    fn is_idle(&mut self) -> Option<()> {
        (self.stats.open == 0 && self.workers == 0).then_some(())
    }

    fn max_connections(&self) -> usize {
        self.limits.max_connections.min(self.capacity)
    }

    /// Asks whether other workers leave room under a limit; if so, [`report`](Self::report) must follow.
    fn check(&mut self, refused: Refused, network: Option<Network>) -> Result<(), Refused> {
        match &mut self.report {
            Some(report) => report.check(refused, network),
            None => Ok(()),
        }
    }

    fn report(&mut self) {
        if let Some(report) = &mut self.report {
            // Only a worker reports, and it has one connection at a time.
            let network = self.per_address.keys().next().copied();
            report.update(&self.stats, network);
        }
    }

    fn take_place(&mut self, network: Option<Network>) -> Result<(), Refused> {
        let Some(network) = network else {
            return Ok(());
        };
        let limit = self.limits.max_per_address;
        let here = self.per_address.get(&network).copied().unwrap_or(0);
        let refused = Refused::TooManyFromAddress { limit };
        if here >= limit {
            return Err(refused);
        }
        self.check(refused, Some(network))?;
        self.per_address.insert(network, here + 1);
        Ok(())
    }

    fn leave_place(&mut self, network: Option<Network>) {
        if let Some(network) = network
            && let Entry::Occupied(mut here) = self.per_address.entry(network)
        {
            *here.get_mut() -= 1;
            if *here.get() == 0 {
                here.remove();
            }
        }
    }
}

/// A duration in whole microseconds, at most just under [`NEVER`].
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).map_or(NEVER - 1, |micros| micros.min(NEVER - 1))
}
