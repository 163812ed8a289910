//! A scripted poller and a clock moved by hand: handlers tested without sockets and without sleeping.
//!
//! The loop's end of a simulated stream goes to the loop like any other; the test holds the other end,
//! a [`Peer`]. Nothing happens until the test calls [`EventLoop::turn`](crate::EventLoop::turn), and
//! time stands still until it calls [`Sim::advance`].
//!
//! ```
//! use event_loop::{Context, EventLoop, LoopOptions, Options, Outgoing, sim::Sim};
//! # fn main() -> std::io::Result<()> {
//! let sim = Sim::new();
//! let mut event_loop: EventLoop = EventLoop::simulated(&sim, LoopOptions::default())?;
//! let (socket, mut peer) = sim.stream();
//! event_loop.add_stream(
//!     socket,
//!     Options::default(),
//!     |bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| out.write(bytes),
//! )?;
//! peer.send(b"hello");
//! event_loop.turn(None)?;
//! assert_eq!(peer.received(), b"hello");
//! # Ok(())
//! # }
//! ```

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::Key;
use crate::poller::Ready;

/// The script: a clock, and the readiness that the loop is told of, in the order of the test's calls.
#[derive(Clone, Debug)]
pub struct Sim {
    now: Rc<Cell<Instant>>,
    ready: ReadyList,
}

type ReadyList = Rc<RefCell<Vec<Ready>>>;

impl Sim {
    /// Begins a script; its clock starts at the real present and then stands still.
    #[must_use]
    pub fn new() -> Self {
        Self {
            now: Rc::new(Cell::new(Instant::now())),
            ready: ReadyList::default(),
        }
    }

    /// Moves the clock.
    pub fn advance(&self, by: Duration) {
        self.now.set(self.now.get() + by);
    }

    /// The time on the clock.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now.get()
    }

    /// Makes a connected stream: the loop's end and the test's.
    #[must_use]
    pub fn stream(&self) -> (Socket, Peer) {
        let pipe = Rc::new(RefCell::new(Pipe::new(Rc::clone(&self.ready))));
        (
            Socket {
                pipe: Rc::clone(&pipe),
            },
            Peer { pipe },
        )
    }

    /// Makes a listener: the loop's end and the test's.
    #[must_use]
    pub fn listener(&self) -> (Listener, Dialer) {
        let backlog = Rc::new(RefCell::new(Backlog {
            waiting: VecDeque::new(),
            key: None,
        }));
        let dialer = Dialer {
            sim: self.clone(),
            backlog: Rc::clone(&backlog),
        };
        (Listener { backlog }, dialer)
    }

    /// Tells the loop that `key` is readable and writable, whoever has it now: what a poller does that
    /// reports late.
    pub fn tell_ready(&self, key: Key) {
        let ready = Ready {
            key,
            readable: true,
            writable: true,
            read_closed: false,
        };
        self.ready.borrow_mut().push(ready);
    }

    pub(crate) fn take_ready(&self, into: &mut Vec<Ready>) {
        into.append(&mut self.ready.borrow_mut());
    }
}

impl Default for Sim {
    fn default() -> Self {
        Self::new()
    }
}

/// The loop's end of a simulated stream.
#[derive(Debug)]
pub struct Socket {
    pipe: Rc<RefCell<Pipe>>,
}

/// The test's end of a simulated stream.
#[derive(Debug)]
pub struct Peer {
    pipe: Rc<RefCell<Pipe>>,
}

#[derive(Debug)]
struct Pipe {
    ready: ReadyList,
    key: Option<Key>,
    to_loop: VecDeque<u8>,
    to_peer: Vec<u8>,
    /// How many bytes the loop may still write.
    room: usize,
    peer_has_finished: bool,
    loop_has_finished: bool,
    loop_has_closed: bool,
    broken: Option<ErrorKind>,
    /// How many reads and writes the loop has tried.
    calls: usize,
}

impl Pipe {
    fn new(ready: ReadyList) -> Self {
        Self {
            ready,
            key: None,
            to_loop: VecDeque::new(),
            to_peer: Vec::new(),
            room: usize::MAX,
            peer_has_finished: false,
            loop_has_finished: false,
            loop_has_closed: false,
            broken: None,
            calls: 0,
        }
    }

    fn tell(&self, readable: bool, writable: bool) {
        if let Some(key) = self.key {
            let read_closed = self.peer_has_finished || self.broken.is_some();
            self.ready.borrow_mut().push(Ready {
                key,
                readable,
                writable,
                read_closed,
            });
        }
    }
}

impl Socket {
    pub(crate) fn watch(&self, key: Key) {
        let mut pipe = self.pipe.borrow_mut();
        pipe.key = Some(key);
        if !pipe.to_loop.is_empty() || pipe.peer_has_finished {
            pipe.tell(true, false);
        }
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.pipe.borrow_mut();
        pipe.calls += 1;
        if let Some(kind) = pipe.broken {
            return Err(kind.into());
        }
        let count = buffer.len().min(pipe.to_loop.len());
        if count == 0 && !pipe.peer_has_finished {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (place, byte) in buffer.iter_mut().zip(pipe.to_loop.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut pipe = self.pipe.borrow_mut();
        pipe.calls += 1;
        if let Some(kind) = pipe.broken {
            return Err(kind.into());
        }
        if pipe.room == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let before = pipe.to_peer.len();
        for slice in slices {
            let count = slice.len().min(pipe.room);
            pipe.to_peer.extend_from_slice(&slice[..count]);
            pipe.room -= count;
        }
        Ok(pipe.to_peer.len() - before)
    }

    pub(crate) fn shutdown_write(&self) {
        self.pipe.borrow_mut().loop_has_finished = true;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut pipe = self.pipe.borrow_mut();
        pipe.loop_has_finished = true;
        pipe.loop_has_closed = true;
        pipe.key = None;
    }
}

impl Peer {
    /// Sends bytes to the loop.
    pub fn send(&mut self, bytes: &[u8]) {
        let mut pipe = self.pipe.borrow_mut();
        pipe.to_loop.extend(bytes);
        pipe.tell(true, false);
    }

    /// Sends bytes of which the poller does not tell yet: what a loop finds that is late.
    pub fn send_untold(&mut self, bytes: &[u8]) {
        self.pipe.borrow_mut().to_loop.extend(bytes);
    }

    /// Ends the peer's side: the loop reads what was sent, then the end.
    pub fn finish(&mut self) {
        let mut pipe = self.pipe.borrow_mut();
        pipe.peer_has_finished = true;
        pipe.tell(true, false);
    }

    /// Breaks the stream: the loop's next read or write fails with `kind`.
    pub fn fail(&mut self, kind: ErrorKind) {
        let mut pipe = self.pipe.borrow_mut();
        pipe.broken = Some(kind);
        pipe.tell(true, true);
    }

    /// Lets the loop write only `room` more bytes, as a peer does that does not read.
    pub fn set_room(&mut self, room: usize) {
        let mut pipe = self.pipe.borrow_mut();
        let was_full = pipe.room == 0;
        pipe.room = room;
        if was_full && room > 0 {
            pipe.tell(false, true);
        }
    }

    /// Takes what the loop has written.
    pub fn received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pipe.borrow_mut().to_peer)
    }

    /// How many bytes sent by the test the loop has not read yet.
    #[must_use]
    pub fn unread(&self) -> usize {
        self.pipe.borrow().to_loop.len()
    }

    /// Whether the loop has ended its side.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.pipe.borrow().loop_has_finished
    }

    /// Whether the loop has closed the stream.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.pipe.borrow().loop_has_closed
    }

    /// How often the loop has tried to read or write.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.pipe.borrow().calls
    }
}

/// The loop's end of a simulated listener.
#[derive(Debug)]
pub struct Listener {
    backlog: Rc<RefCell<Backlog>>,
}

/// The test's end of a simulated listener: it makes connections.
#[derive(Debug)]
pub struct Dialer {
    sim: Sim,
    backlog: Rc<RefCell<Backlog>>,
}

#[derive(Debug)]
struct Backlog {
    waiting: VecDeque<io::Result<Socket>>,
    key: Option<Key>,
}

impl Listener {
    pub(crate) fn watch(&self, key: Key) {
        self.backlog.borrow_mut().key = Some(key);
    }

    pub(crate) fn accept(&self) -> io::Result<Socket> {
        let next = self.backlog.borrow_mut().waiting.pop_front();
        next.unwrap_or_else(|| Err(ErrorKind::WouldBlock.into()))
    }
}

impl Dialer {
    /// Makes a connection and gives its far end.
    #[must_use]
    pub fn dial(&self) -> Peer {
        let (socket, peer) = self.sim.stream();
        self.arrive(Ok(socket));
        peer
    }

    /// Makes one accept fail with an error of the system, such as 24 (`EMFILE`).
    pub fn fail(&self, raw_os_error: i32) {
        self.arrive(Err(io::Error::from_raw_os_error(raw_os_error)));
    }

    /// How many connections (and failures) wait to be accepted.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.backlog.borrow().waiting.len()
    }

    fn arrive(&self, newcomer: io::Result<Socket>) {
        let mut backlog = self.backlog.borrow_mut();
        backlog.waiting.push_back(newcomer);
        if let Some(key) = backlog.key {
            self.sim.tell_ready(key);
        }
    }
}
