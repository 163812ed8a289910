/// In which structure the handlers run.
///
/// The handler is the same in all of them. [The front page](crate#strategies) says when to take which.
///
/// # Processes
///
/// With [`Processes`](Self::Processes) and [`Prefork`](Self::Prefork) the program is started again for
/// each process, with the same arguments, environment and directory, and gets its socket from the
/// parent:
///
/// ```text
///  parent                                    child
///  main ─► bind ─► serve ─► Running          main ─► bind ─► serve: handler ─► exit
///                    │                                 ▲          │  ▲             │
///                    ├── starts, standard input = channel         │  │             │
///                    ├── connection or listener, limits ┘         │  │             │
///                    │ ◄──────────────────── handshakes, counts ──┘  │             │
///                    ├── limits, suspend, stop, cut ─────────────────┘             │
///                    └ ◄──────────── exit status: finished, failed, panicked, … ───┘
/// ```
///
/// - The child runs `main` from its beginning, up to `bind` (or `serve`) of the same server; there it
///   takes its socket, runs the handler, and ends: **`serve` does not return in a child**. What must
///   happen only once (a line printed, a file locked, a thread started) is skipped there with
///   [`is_worker`](crate::is_worker).
/// - So **make a server with processes before anything else in `main`**. Other servers of the crate that
///   the child comes by on its way are not bound in it, and serve nobody (on tokio they fail); but a
///   port that the program binds otherwise is taken, by the parent. Servers with processes are told apart by the order in
///   which they are made.
/// - **Nothing is shared**: what a handler changes, other processes and the parent don't see. Nothing
///   but the standard output and error and the server's own sockets is inherited, as long as all
///   descriptors are close-on-exec, which those of Rust's standard library are.
/// - A child's standard input is the channel, until the socket is taken; then it reads as empty. `main`
///   must not read it before. If `main` ends, or takes long, before it serves, so does the connection.
/// - A child has a process group of its own: Ctrl-C at the terminal reaches the parent alone, which can
///   then shut down in order. When the parent is gone, however it ended, its children cut their
///   connections and end, within a second even if a handler does not notice.
/// - A child that is killed counts as cut off, one that aborts as panicked; nobody else is harmed.
/// - Deadlines hold in the child as elsewhere, and [`set_limits`](crate::Running::set_limits) reaches
///   it. The numbers of connections, and of those from one address and in handshake, hold for all
///   processes together.
/// - While no process can be started, for want of descriptors, memory or processes, the connection that
///   was accepted waits for one, and accepting pauses.
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
    /// Each connection in a process of its own; see [above](#processes).
    ///
    /// When nobody has come for a moment, a process is made ready for the next connection, which then
    /// need not wait for the program's start. The start is most of the price: a millisecond or two of
    /// processor time, and more if `main` does much before it serves.
    ///
    /// [`verify`](crate::Server::verify) is asked in the parent, so that an unwanted peer costs no
    /// process; only behind a proxy it is asked in the child.
    Processes {
        /// The most processes at a time, the one that is ready included; at least 1. At the limit
        /// newcomers wait or are refused as at
        /// [`Limits::max_connections`](crate::Limits::max_connections).
        max: usize,
    },
    /// This many processes, started at once, which share the listener, each with one connection at a
    /// time; see [above](#processes).
    ///
    /// A handler that panics costs its connection, not the worker. A worker that ends is started again:
    /// at once, or after a pause that doubles from 10 ms to a second if it ended within its first
    /// second. Of the connections in the backlog none is lost with it.
    Prefork {
        /// How many processes; at least 1.
        workers: usize,
    },
}
