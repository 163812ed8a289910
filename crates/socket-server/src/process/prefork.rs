use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::board::{Board, Entry};
use super::message::Message;
use super::spawn::Worker;
use super::watch::{Notice, Watch};
use crate::acceptor::{Listener, Pauses};
use crate::gate::{self, Gate};
use crate::running::Engine;
use crate::service::SIGABRT;
use crate::{DatagramStats, Stats};

/// The parent's side of `Strategy::Prefork`: starts the workers, and again those that end.
pub(crate) struct Prefork {
    gate: Arc<Gate>,
    /// Whether it is connections that are served, or datagrams.
    has_connections: bool,
    /// The number of the server within the program.
    server: usize,
    watch: Watch,
    board: Board,
    state: Mutex<State>,
    /// A worker has done something, or has ended.
    changed: Condvar,
}

struct State {
    /// Until the server stops.
    listener: Option<Arc<Listener>>,
    places: Vec<Place>,
    /// The counts of workers that have ended.
    past: Stats,
    past_datagrams: DatagramStats,
}

/// One of the workers, and what comes after it.
struct Place {
    worker: Option<Hired>,
    /// When the worker was started, or when to start one.
    time: Instant,
    pauses: Pauses,
}

struct Hired {
    worker: Worker,
    is_serving: bool,
    /// How much it was told to do and has not said to be done.
    undone: usize,
    _counted: gate::Worker,
}

impl Hired {
    /// Takes what the worker says, without waiting for more.
    fn listen(&mut self, watch: &Watch) {
        loop {
            match self.worker.control.try_receive() {
                Ok(Some((Message::Serving, _))) => self.is_serving = true,
                Ok(Some((Message::Done, _))) => self.undone = self.undone.saturating_sub(1),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // It has ended, or somebody else has its standard input.
                Ok(_) | Err(_) => return watch.mute(&self.worker),
            }
        }
    }
}

impl Prefork {
    pub(crate) fn start(
        listener: Arc<Listener>,
        gate: Arc<Gate>,
        has_connections: bool,
        server: usize,
        workers: usize,
    ) -> io::Result<Arc<Self>> {
        let place = |_| Place {
            worker: None,
            time: Instant::now(),
            pauses: Pauses::default(),
        };
        let prefork = Arc::new(Self {
            gate,
            has_connections,
            server,
            watch: Watch::new()?,
            board: Board::new()?,
            state: Mutex::new(State {
                listener: Some(listener),
                places: (0..workers.max(1)).map(place).collect(),
                past: Stats::default(),
                past_datagrams: DatagramStats::default(),
            }),
            changed: Condvar::new(),
        });
        let mut state = prefork.state();
        let hired = (0..state.places.len()).try_for_each(|place| prefork.hire(&mut state, place));
        drop(state);
        let watching = (Arc::clone(&prefork), prefork.gate.begin_work());
        let started = hired.and_then(|()| {
            thread::Builder::new()
                .name("socket-server workers".into())
                .spawn(move || {
                    watching.0.supervise();
                    drop(watching.1);
                })
        });
        if let Err(error) = started {
            prefork.dismiss();
            return Err(error);
        }
        Ok(prefork)
    }

    /// Starts the worker of a place.
    fn hire(&self, state: &mut State, place: usize) -> io::Result<()> {
        let Some(listener) = &state.listener else {
            return Ok(());
        };
        let worker = Worker::start(self.server)?;
        let message = Message::Accept {
            limits: self.gate.limits(),
            is_suspended: self.is_off(place),
            worker: place,
            workers: state.places.len(),
        };
        let sockets = [listener.socket.as_fd(), self.board.as_fd()];
        let watched = self.watch.add(place as u64, &worker);
        match watched.and_then(|()| worker.control.send(&message, &sockets)) {
            // It has ended already: that is noticed like every other end.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => {
                worker.discard();
                return Err(error);
            }
            Ok(()) => {}
        }
        let place = &mut state.places[place];
        place.worker = Some(Hired {
            worker,
            is_serving: false,
            undone: 0,
            _counted: self.gate.begin_work(),
        });
        place.time = Instant::now();
        Ok(())
    }

    /// Ends the workers before they have done anything.
    fn dismiss(&self) {
        for place in &mut self.state().places {
            if let Some(hired) = place.worker.take() {
                hired.worker.discard();
            }
        }
    }

    fn supervise(&self) {
        loop {
            let Some(next) = self.fill_places() else {
                return;
            };
            for notice in self.watch.wait(next) {
                match notice {
                    Notice::Message(place) => self.listen(place as usize),
                    Notice::Exit(place) => self.reap(place as usize),
                }
            }
        }
    }

    /// Starts the workers that are due, and says when to come again; `None` when all is over.
    fn fill_places(&self) -> Option<Option<Instant>> {
        let mut state = self.state();
        if state.listener.is_none() {
            let is_over = state.places.iter().all(|place| place.worker.is_none());
            return (!is_over).then_some(None);
        }
        let mut next = None;
        for index in 0..state.places.len() {
            let place = &state.places[index];
            if place.worker.is_some() {
                continue;
            }
            if place.time <= Instant::now()
                && let Err(error) = self.hire(&mut state, index)
            {
                let pause = state.places[index].pauses.next();
                state.places[index].time = Instant::now() + pause;
                self.gate.note_pause(pause, &error);
            }
            let place = &state.places[index];
            if place.worker.is_none() {
                next = Some(next.map_or(place.time, |next: Instant| next.min(place.time)));
            }
        }
        Some(next)
    }

    /// Takes what a worker says.
    fn listen(&self, place: usize) {
        if let Some(hired) = &mut self.state().places[place].worker {
            hired.listen(&self.watch);
        }
        self.changed.notify_all();
    }

    /// Takes leave of a worker that has ended.
    fn reap(&self, place: usize) {
        let mut state = self.state();
        let Some(mut hired) = state.places[place].worker.take() else {
            return;
        };
        let (id, status) = (hired.worker.id(), hired.worker.reap());
        let has_aborted = status
            .as_ref()
            .is_ok_and(|status| status.signal() == Some(SIGABRT));
        self.close_book(&mut state, place, has_aborted);
        let place = &mut state.places[place];
        let is_early = place.time.elapsed() < SETTLED;
        if !is_early {
            place.pauses.over();
        }
        let pause = if is_early {
            place.pauses.next()
        } else {
            Duration::ZERO
        };
        place.time = Instant::now() + pause;
        if state.listener.is_some() {
            tracing::warn!(
                worker = id,
                ?status,
                ?pause,
                "a worker ended, another one follows"
            );
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Adds what an ended worker wrote last to the counts of the past. Its connection, if it had one,
    /// was cut off with it, unless it was the handler that brought it down.
    fn close_book(&self, state: &mut State, place: usize, has_aborted: bool) {
        match self.board.read(place) {
            Ok(entry) => {
                let mut stats = entry.stats;
                let lost = std::mem::take(&mut stats.open) as u64;
                if has_aborted {
                    stats.panicked += lost;
                } else {
                    stats.cut_off += lost;
                }
                stats.pending = 0;
                state.past.add(&stats);
                state.past_datagrams.add(&entry.datagrams);
            }
            Err(error) => tracing::error!(%error, "the counts of a worker are lost"),
        }
        if let Err(error) = self.board.write(place, &Entry::default()) {
            tracing::error!(%error, "the counts of a worker can't be cleared");
        }
    }

    /// Whether the worker of a place is not to accept. It has one connection at a time, so the number
    /// of workers that accept is the number of connections.
    fn is_off(&self, place: usize) -> bool {
        let is_over = place >= self.gate.limits().max_connections;
        self.gate.is_suspended() || self.has_connections && is_over
    }

    fn tell(&self, message: &Message) {
        for hired in self.state().places.iter().flat_map(|place| &place.worker) {
            hired.worker.tell(message);
        }
    }

    /// Tells each worker something, and waits until it has been done, so that it holds for whoever comes
    /// after this.
    fn tell_and_wait(&self, message: impl Fn(usize) -> Message) {
        let mut state = self.state();
        for (index, place) in state.places.iter_mut().enumerate() {
            if let Some(hired) = &mut place.worker {
                hired.listen(&self.watch);
                hired.worker.tell(&message(index));
                // One that does not serve yet reads what it was told before it does.
                hired.undone += usize::from(hired.is_serving);
            }
        }
        let is_undone = |state: &mut State| {
            let mut workers = state.places.iter().flat_map(|place| &place.worker);
            workers.any(|hired| hired.undone > 0)
        };
        drop(self.changed.wait_timeout_while(state, TO_DO, is_undone));
    }

    /// What the workers have written down.
    fn entries(&self, state: &State) -> impl Iterator<Item = Entry> {
        (0..state.places.len()).filter_map(|place| self.board.read(place).ok())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Prefork {
    fn close(&self) {
        self.state().listener = None;
        self.tell(&Message::Stop);
        self.watch.wake();
    }

    fn cut_off(&self) {
        self.tell(&Message::Cut);
    }

    fn give_up(&self) -> bool {
        for place in &mut self.state().places {
            if let Some(hired) = &mut place.worker {
                hired.worker.kill();
            }
        }
        true
    }

    fn phase_changed(&self) {
        self.tell_and_wait(|place| {
            if self.is_off(place) {
                Message::Suspend
            } else {
                Message::Resume
            }
        });
    }

    fn limits_changed(&self) {
        self.tell_and_wait(|_| Message::Limits(self.gate.limits()));
        self.phase_changed();
    }

    fn stats(&self) -> Stats {
        let state = self.state();
        let mut stats = state.past;
        self.entries(&state)
            .for_each(|entry| stats.add(&entry.stats));
        stats
    }

    fn datagram_stats(&self) -> DatagramStats {
        let state = self.state();
        let mut stats = state.past_datagrams;
        self.entries(&state)
            .for_each(|entry| stats.add(&entry.datagrams));
        stats
    }
}

/// How long workers may take to do what they are told.
const TO_DO: Duration = Duration::from_secs(1);
/// A worker that ends before this is not started again at once, or a program that can't serve would
/// be started without end.
const SETTLED: Duration = Duration::from_secs(1);
