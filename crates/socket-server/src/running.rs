use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::gate::Gate;
use crate::{Address, DatagramStats, Limits, Stats};

/// A server that runs, on threads or processes of its own.
///
/// Dropping it shuts the server down without any grace; keep it, and end with
/// [`shutdown`](Self::shutdown), [`detach`](Self::detach) or [`wait`](Self::wait).
#[must_use = "dropping it shuts the server down"]
pub struct Running {
    address: Address,
    gate: Arc<Gate>,
    engine: Arc<dyn Engine>,
    is_over: bool,
}

/// What a strategy does when the server is told something. The gate knows it already.
pub(crate) trait Engine: Send + Sync {
    /// Accepting is over: closes the listener. The gate's bell has been rung.
    fn close(&self);

    /// The grace is over: whatever still runs must come to an end.
    fn cut_off(&self);

    /// What runs even after that can't be waited for any longer; says whether it was put to an end.
    fn give_up(&self) -> bool {
        false
    }

    /// The server is suspended or resumed.
    fn phase_changed(&self) {}

    /// There are new limits.
    fn limits_changed(&self) {}

    /// What is counted elsewhere than in the gate.
    fn stats(&self) -> Stats {
        Stats::default()
    }

    /// What has happened, if it is datagrams that are served.
    fn datagram_stats(&self) -> DatagramStats {
        DatagramStats::default()
    }
}

impl Running {
    pub(crate) fn new(address: Address, gate: Arc<Gate>, engine: Arc<dyn Engine>) -> Self {
        Self {
            address,
            gate,
            engine,
            is_over: false,
        }
    }

    /// Returns where the server listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns what has happened so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.gate.stats();
        stats.add(&self.engine.stats());
        stats
    }

    /// Returns what has happened so far on a server of datagrams; on others, nothing has.
    #[must_use]
    pub fn datagram_stats(&self) -> DatagramStats {
        self.engine.datagram_stats()
    }

    /// Returns the limits that hold now.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.gate.limits()
    }

    /// Changes the limits. All hold at once, for those who wait already too; but nobody who is in is put
    /// out because there are now too many.
    pub fn set_limits(&self, limits: Limits) {
        self.gate.set_limits(limits);
        self.engine.limits_changed();
    }

    /// Accepts no more connections until [`resume`](Self::resume): they wait in the backlog.
    pub fn suspend(&self) {
        self.gate.suspend();
        self.engine.phase_changed();
    }

    /// Accepts connections again.
    pub fn resume(&self) {
        self.gate.resume();
        self.engine.phase_changed();
    }

    /// Shuts down and returns how all went.
    ///
    /// The listener is closed at once, and handlers see
    /// [`is_stopping`](crate::Connection::is_stopping). They have until the end of `grace`: then every
    /// open connection is cut, which frees handlers that wait for one. `Duration::MAX` waits for as long
    /// as it takes. Handlers that go on even so, because they wait for something else or compute, are
    /// given another second, and are then left alone and counted as cut off.
    pub fn shutdown(mut self, grace: Duration) -> Stats {
        self.is_over = true;
        self.end(grace)
    }

    /// Shuts a server of datagrams down and returns how all went: the same as
    /// [`shutdown`](Self::shutdown), with the figures of [`datagram_stats`](Self::datagram_stats).
    pub fn shutdown_datagrams(mut self, grace: Duration) -> DatagramStats {
        self.is_over = true;
        self.end(grace);
        self.engine.datagram_stats()
    }

    /// Stops accepting and leaves the handlers that run to themselves, within the limits.
    pub fn detach(mut self) {
        self.is_over = true;
        self.stop();
    }

    /// Waits until the listener is of no more use, which is most often for ever, and returns the error.
    pub fn wait(&self) -> io::Error {
        self.gate.wait_failure()
    }

    fn stop(&self) {
        self.gate.stop();
        self.engine.close();
    }

    fn end(&self, grace: Duration) -> Stats {
        self.stop();
        let in_time = Instant::now().checked_add(grace);
        if !self.gate.wait_idle(in_time) {
            self.engine.cut_off();
            let after_cut = || Some(Instant::now() + AFTER_CUT);
            if !self.gate.wait_idle(after_cut()) && self.engine.give_up() {
                self.gate.wait_idle(after_cut());
            }
        }
        let mut stats = self.stats();
        stats.cut_off += stats.open as u64;
        stats.open = 0;
        stats
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(Duration::ZERO);
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("address", &self.address)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// How long handlers may take to notice that their connection was cut.
pub(crate) const AFTER_CUT: Duration = Duration::from_secs(1);
