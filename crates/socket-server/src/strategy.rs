/// In which structure the handlers run.
///
/// The handler is the same in all of them. [The front page](crate#strategies) says when to take which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strategy {
    /// One connection after the other, on one thread.
    Serial,
    /// Each connection on a thread of its own, up to
    /// [`Limits::max_connections`](crate::Limits::max_connections). A few threads that have finished
    /// are kept for the next connections.
    #[default]
    Threads,
    /// This many threads, started at once, each with one connection at a time. Others wait in the
    /// backlog.
    Pool {
        /// How many threads; at least 1.
        workers: usize,
    },
    /// Each connection in a process of its own.
    Processes {
        /// The most processes at a time; at least 1.
        max: usize,
    },
    /// This many processes, started at once, which share the listener, each with one connection at a
    /// time.
    Prefork {
        /// How many processes; at least 1.
        workers: usize,
    },
}
