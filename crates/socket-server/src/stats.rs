/// What has happened on a server since it began.
///
/// Every accepted connection is counted in one of `open`, `finished`, `failed`, `timed_out`, `refused`,
/// `panicked` and `cut_off`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections that are open now.
    pub open: usize,
    /// Those of them that are in [`handshake`](crate::Connection::handshake).
    pub pending: usize,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections whose handler returned `Ok`.
    pub finished: u64,
    /// Connections whose handler returned an error.
    pub failed: u64,
    /// Connections ended by a deadline: first byte, idle, handshake, total.
    pub timed_out: u64,
    /// Connections turned away: over a limit, or not wanted by [`verify`](crate::Server::verify).
    pub refused: u64,
    /// Connections ended by a panic in their handler.
    pub panicked: u64,
    /// Connections cut at the end of the grace period.
    pub cut_off: u64,
    /// Pauses in accepting because the process or the system was out of descriptors, memory or
    /// threads.
    pub accept_pauses: u64,
}

impl Stats {
    /// Adds the counts of a part of the server to those of another part.
    pub(crate) fn add(&mut self, part: &Self) {
        self.open += part.open;
        self.pending += part.pending;
        self.accepted += part.accepted;
        self.finished += part.finished;
        self.failed += part.failed;
        self.timed_out += part.timed_out;
        self.refused += part.refused;
        self.panicked += part.panicked;
        self.cut_off += part.cut_off;
        self.accept_pauses += part.accept_pauses;
    }
}
