use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};

use crate::failure::Cut;
use crate::gate::{Gate, NEVER, Wait, micros};
use crate::service::Service;
use crate::{Refused, Timeout, connection};

/// The open connections of a server, for whoever has to cut them: the watchdog at their deadlines, a
/// shutdown at the end of its grace.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) state: Mutex<State>,
    pub(crate) changed: Condvar,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) slots: Vec<Option<Arc<Open>>>,
    free: Vec<usize>,
    /// Connections that have come since the watchdog looked last.
    pub(crate) newcomers: usize,
    /// The watchdog waits for the first newcomer.
    pub(crate) is_asleep: bool,
    /// A deadline may be nearer than the watchdog believes.
    pub(crate) is_hurried: bool,
    /// The server is gone.
    pub(crate) is_closed: bool,
}

/// One open connection: its socket, its deadlines, and why it was cut.
///
/// Times are microseconds since the server began. A read or write that is going to wait says since when
/// ([`begin_read`](Self::begin_read)); nothing is set in the socket, and no timer is armed: the watchdog
/// looks at all of them now and then, and at the timeouts as they are then.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) socket: Socket,
    gate: Arc<Gate>,
    began: u64,
    /// Since when a read waits; [`NEVER`] while none does.
    reading_since: AtomicU64,
    writing_since: AtomicU64,
    shaking_since: AtomicU64,
    /// The idle timeout of this connection, where it differs from the server's; 0 if not.
    own_idle: AtomicU64,
    has_read: AtomicBool,
    /// The peer has finished sending.
    has_ended: AtomicBool,
    cut: OnceLock<Cut>,
    /// Not even writing is possible any more.
    is_severed: AtomicBool,
}

/// The socket of a connection.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Of a thread.
    Thread(OwnedFd),
    /// Of a task.
    #[cfg(feature = "tokio")]
    Task(crate::tokio::Stream),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Thread(socket) => socket.as_fd(),
            #[cfg(feature = "tokio")]
            Self::Task(stream) => stream.as_fd(),
        }
    }
}

impl Registry {
    /// Adds a connection until what it returns is dropped.
    pub(crate) fn add(self: &Arc<Self>, socket: Socket, gate: &Arc<Gate>) -> Registered {
        let open = Arc::new(Open {
            socket,
            gate: Arc::clone(gate),
            began: gate.now(),
            reading_since: AtomicU64::new(NEVER),
            writing_since: AtomicU64::new(NEVER),
            shaking_since: AtomicU64::new(NEVER),
            own_idle: AtomicU64::new(0),
            has_read: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            cut: OnceLock::new(),
            is_severed: AtomicBool::new(false),
        });
        let mut state = self.state();
        let slot = state.free.pop().unwrap_or_else(|| {
            state.slots.push(None);
            state.slots.len() - 1
        });
        state.slots[slot] = Some(Arc::clone(&open));
        state.newcomers += 1;
        if state.is_asleep {
            self.changed.notify_all();
        }
        Registered {
            registry: Arc::clone(self),
            slot,
            open,
        }
    }

    /// Cuts every connection: what waits for one of them gets an error.
    pub(crate) fn cut_all(&self) {
        let open: Vec<_> = self.state().slots.iter().flatten().cloned().collect();
        for open in open {
            open.cut(Cut::Stopped);
        }
    }

    /// Refuses every connection after all.
    pub(crate) fn refuse_all(&self, refused: Refused, service: &Service) {
        let open: Vec<_> = self.state().slots.iter().flatten().cloned().collect();
        for open in open {
            connection::refuse(&open.socket, service);
            open.cut(Cut::Refused(refused));
        }
    }

    /// Has the watchdog look again: a timeout has become shorter.
    pub(crate) fn hurry(&self) {
        self.state().is_hurried = true;
        self.changed.notify_all();
    }

    /// Ends the watchdog.
    pub(crate) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in the registry; dropping it takes it out and closes the socket.
#[derive(Debug)]
pub(crate) struct Registered {
    registry: Arc<Registry>,
    slot: usize,
    open: Arc<Open>,
}

impl Registered {
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Its number among the open connections; another's when it is gone.
    #[cfg(feature = "tokio")]
    pub(crate) fn slot(&self) -> usize {
        self.slot
    }
}

impl std::ops::Deref for Registered {
    type Target = Open;

    fn deref(&self) -> &Open {
        &self.open
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut state = self.registry.state();
        state.slots[self.slot] = None;
        state.free.push(self.slot);
    }
}

impl Open {
    /// Before a read that may wait: its deadline counts from now.
    ///
    /// # Errors
    ///
    /// The connection was cut.
    pub(crate) fn begin_read(&self) -> io::Result<()> {
        self.check()?;
        self.reading_since.store(self.gate.now(), Ordering::Relaxed);
        Ok(())
    }

    /// After a read: the deadline is off. Gives what the handler is to see.
    pub(crate) fn end_read<E: Into<io::Error>>(
        &self,
        result: Result<usize, E>,
    ) -> io::Result<usize> {
        self.reading_since.store(NEVER, Ordering::Relaxed);
        match result {
            // Cutting makes a read end as if the peer had finished.
            Ok(0) => {
                self.check()?;
                self.has_ended.store(true, Ordering::Relaxed);
                Ok(0)
            }
            Ok(len) => {
                self.has_read.store(true, Ordering::Relaxed);
                Ok(len)
            }
            Err(error) => Err(self.error(error.into())),
        }
    }

    /// Before a task waits to read, which it may do again and again: the deadline stays.
    ///
    /// # Errors
    ///
    /// The connection was cut.
    #[cfg(feature = "tokio")]
    pub(crate) fn await_read(&self) -> io::Result<()> {
        match self.reading_since.load(Ordering::Relaxed) {
            NEVER => self.begin_read(),
            _ => self.check(),
        }
    }

    /// Before a task waits to write.
    ///
    /// # Errors
    ///
    /// The connection was cut.
    #[cfg(feature = "tokio")]
    pub(crate) fn await_write(&self) -> io::Result<()> {
        match self.writing_since.load(Ordering::Relaxed) {
            NEVER => self.begin_write(),
            _ => Ok(()),
        }
    }

    /// Has the next read wait for a first byte again: what was read so far came from a proxy.
    pub(crate) fn expect_first_byte(&self) {
        self.has_read.store(false, Ordering::Relaxed);
    }

    /// Before a write that may wait: its deadline counts from now.
    ///
    /// # Errors
    ///
    /// The connection was cut.
    pub(crate) fn begin_write(&self) -> io::Result<()> {
        if self.is_severed.load(Ordering::Relaxed) {
            self.check()?;
        }
        self.writing_since.store(self.gate.now(), Ordering::Relaxed);
        Ok(())
    }

    /// After a write: the deadline is off. Gives what the handler is to see.
    pub(crate) fn end_write<E: Into<io::Error>>(
        &self,
        result: Result<usize, E>,
    ) -> io::Result<usize> {
        self.writing_since.store(NEVER, Ordering::Relaxed);
        let len = result.map_err(|error| self.error(error.into()))?;
        // A peer that takes something is not idle, whoever waits for it to speak meanwhile.
        let waits_since = self.reading_since.load(Ordering::Relaxed);
        if waits_since != NEVER && self.has_read.load(Ordering::Relaxed) {
            let (relaxed, now) = (Ordering::Relaxed, self.gate.now());
            // It fails when that wait is over.
            let _ = (self.reading_since).compare_exchange(waits_since, now, relaxed, relaxed);
        }
        Ok(len)
    }

    /// Sets or takes off the deadline of a handshake.
    pub(crate) fn set_handshake(&self, is_on: bool) {
        let since = if is_on { self.gate.now() } else { NEVER };
        self.shaking_since.store(since, Ordering::Relaxed);
    }

    pub(crate) fn set_idle_timeout(&self, timeout: Option<Duration>) {
        let timeout = timeout.map_or(NEVER, |timeout| micros(timeout).max(1));
        self.own_idle.store(timeout, Ordering::Relaxed);
    }

    /// Takes the connection away from its handler. The first reason is the one that is told.
    pub(crate) fn cut(&self, cut: Cut) {
        let _ = self.cut.set(cut);
        // Shutting down fails when the peer is gone, and then nothing waits.
        if cut.leaves_writing() {
            let _ = shutdown(&self.socket, Shutdown::Read);
        } else if !self.is_severed.swap(true, Ordering::Relaxed) {
            let _ = shutdown(&self.socket, Shutdown::Both);
        }
    }

    pub(crate) fn why_cut(&self) -> Option<Cut> {
        self.cut.get().copied()
    }

    /// The peer has finished sending: nothing can be unread.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }

    /// For the watchdog: which deadline has passed; or, by `next`, when one will.
    pub(crate) fn overdue(&self, now: u64, next: &mut u64) -> Option<Timeout> {
        if self.is_severed.load(Ordering::Relaxed) {
            return None;
        }
        if self.own_idle.load(Ordering::Relaxed) != 0 {
            *next = (*next).min(now.saturating_add(self.idle_timeout()));
        }
        let limit = |wait| Duration::from_micros(self.gate.timeout(wait));
        let idle = Duration::from_micros(self.idle_timeout());
        let reading = match self.has_read.load(Ordering::Relaxed) {
            true => Timeout::Idle(idle),
            false => Timeout::FirstByte(limit(Wait::FirstByte)),
        };
        let since = |since: &AtomicU64| since.load(Ordering::Relaxed);
        let waits = [
            (self.began, Timeout::Total(limit(Wait::Total))),
            (
                since(&self.shaking_since),
                Timeout::Handshake(limit(Wait::Handshake)),
            ),
            (since(&self.reading_since), reading),
            (since(&self.writing_since), Timeout::Write(idle)),
        ];
        for (since, timeout) in waits {
            let by = since.saturating_add(micros(timeout.limit()));
            if by <= now {
                return Some(timeout);
            }
            *next = (*next).min(by);
        }
        None
    }

    /// What a read gives after a cut.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.cut.get().map_or(Ok(()), |cut| Err(cut.to_error()))
    }

    fn error(&self, error: io::Error) -> io::Error {
        self.cut.get().map_or(error, |cut| cut.to_error())
    }

    fn idle_timeout(&self) -> u64 {
        match self.own_idle.load(Ordering::Relaxed) {
            0 => self.gate.timeout(Wait::Idle),
            own => own,
        }
    }
}
