use std::collections::HashMap;
use std::os::fd::AsFd;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{fmt, io};

use super::child::outcome_of;
use super::message::Message;
use super::spawn::Worker;
use super::watch::{Notice, Watch};
use crate::acceptor::{Acceptor, Listener, Pauses};
use crate::gate::{Handshake, Outcome, Permit};
use crate::running::Engine;
use crate::service::Service;
use crate::{Connection, Failure, Limits, Peer, Refused};

/// The parent's side of `Strategy::Processes`: one thread accepts and gives each connection to a
/// child, another listens to the children and reaps them.
pub(crate) struct Processes {
    service: Arc<Service>,
    /// The number of the server within the program.
    server: usize,
    /// The most children.
    max: usize,
    watch: Watch,
    state: Mutex<State>,
}

struct State {
    children: HashMap<u64, Child>,
    next_key: u64,
    /// The child that waits for the next connection, so that the connection need not wait for a child.
    spare: Option<u64>,
    /// After trouble with spare children, none is started before this.
    spare_after: Instant,
    pauses: Pauses,
    is_accepting: bool,
}

struct Child {
    worker: Worker,
    /// Its connection; none while it is the spare one.
    served: Option<Served>,
}

/// A connection in the hands of a child.
struct Served {
    peer: Peer,
    permit: Permit,
    handshake: Option<Handshake>,
    /// The child has come as far as to serve it.
    is_begun: bool,
    /// The child was killed at the end of the grace.
    is_killed: bool,
}

impl Processes {
    pub(crate) fn start(
        listener: Arc<Listener>,
        service: Arc<Service>,
        server: usize,
        max: usize,
    ) -> io::Result<Arc<Self>> {
        let acceptor = Acceptor::new(listener, &service)?;
        let max = max.max(1);
        service.gate.set_capacity(max);
        let counted = [service.gate.begin_work(), service.gate.begin_work()];
        let processes = Arc::new(Self {
            service,
            server,
            max,
            watch: Watch::new()?,
            state: Mutex::new(State {
                children: HashMap::new(),
                next_key: 0,
                spare: None,
                spare_after: Instant::now(),
                pauses: Pauses::default(),
                is_accepting: true,
            }),
        });
        let [accepting, watching] = counted.map(|counted| (Arc::clone(&processes), counted));
        thread::Builder::new()
            .name("socket-server children".into())
            .spawn(move || {
                watching.0.supervise();
                drop(watching);
            })?;
        let started = processes.prepare().and_then(|()| {
            thread::Builder::new()
                .name("socket-server".into())
                .spawn(move || {
                    accepting.0.accept(acceptor);
                    drop(accepting);
                })
        });
        if let Err(error) = started {
            processes.accepting_is_over();
            return Err(error);
        }
        Ok(processes)
    }

    fn accept(&self, mut acceptor: Acceptor) {
        loop {
            let Some(connection) = acceptor.next(&self.service, self.time_for_spare()) else {
                if self.service.gate.is_stopping() {
                    break;
                }
                if let Err(error) = self.prepare() {
                    self.state().postpone_spare(&error);
                }
                continue;
            };
            match self.service.screen(connection.peer()) {
                Ok(()) => self.hand_over(connection),
                Err(failure) => self.end(connection, &failure),
            }
        }
        self.accepting_is_over();
    }

    fn accepting_is_over(&self) {
        let mut state = self.state();
        state.is_accepting = false;
        state.dismiss_spare();
        drop(state);
        self.watch.wake();
    }

    /// When to start a spare child, if nobody comes before.
    fn time_for_spare(&self) -> Option<Instant> {
        let state = self.state();
        let needs_spare = state.spare.is_none() && state.children.len() < self.max;
        needs_spare.then(|| state.spare_after.max(Instant::now() + QUIET))
    }

    /// Gives a connection to a child, however long it takes until there is one.
    fn hand_over(&self, connection: Connection) {
        let mut pauses = Pauses::default();
        loop {
            let error = match self.give(&connection) {
                Ok((mut state, key)) => return state.keep(key, connection),
                Err(error) => error,
            };
            if self.service.gate.is_stopping() {
                return self.end(connection, &Failure::CutOff);
            }
            self.service.gate.pause(pauses.next(), &error);
        }
    }

    /// Sends a connection to the spare child, which is started now if there is none. Returns its key,
    /// and the state, so that nobody finds the child without its connection.
    fn give(&self, connection: &Connection) -> io::Result<(MutexGuard<'_, State>, u64)> {
        if self.state().spare.is_none() {
            self.prepare()?;
        }
        let message = Message::Serve {
            limits: limits_for_child(&self.service),
            peer: connection.peer().socket_addr(),
        };
        let mut state = self.state();
        let spare = state.spare.take();
        let spare = spare.and_then(|key| Some((key, state.children.get_mut(&key)?)));
        let Some((key, child)) = spare else {
            return Err(io::Error::other(
                "the child ended before it had a connection",
            ));
        };
        let given = child.worker.control.send(&message, &[connection.as_fd()]);
        if let Err(error) = given {
            child.worker.kill();
            return Err(error);
        }
        if self.service.gate.is_stopping() {
            child.worker.tell(&Message::Stop);
        }
        Ok((state, key))
    }

    /// Starts the spare child.
    fn prepare(&self) -> io::Result<()> {
        let worker = Worker::start(self.server)?;
        let mut state = self.state();
        let key = state.next_key;
        if let Err(error) = self.watch.add(key, &worker) {
            worker.discard();
            return Err(error);
        }
        state.next_key += 1;
        state.spare = Some(key);
        let served = None;
        state.children.insert(key, Child { worker, served });
        Ok(())
    }

    /// Ends a connection that no child has had.
    fn end(&self, connection: Connection, failure: &Failure) {
        let (peer, permit) = connection.hand_over();
        permit.end(self.service.report(&peer, Some(failure)));
    }

    /// Tells all children that have a connection something.
    fn tell(&self, message: &Message) {
        for child in self.state().children.values() {
            if child.served.is_some() {
                child.worker.tell(message);
            }
        }
    }

    fn supervise(&self) {
        while self.is_needed() {
            for notice in self.watch.wait(None) {
                match notice {
                    Notice::Message(key) => self.listen(key),
                    Notice::Exit(key) => self.reap(key),
                }
            }
        }
    }

    fn is_needed(&self) -> bool {
        let state = self.state();
        state.is_accepting || !state.children.is_empty()
    }

    /// Takes what a child says.
    fn listen(&self, key: u64) {
        if let Some(child) = self.state().children.get_mut(&key) {
            child.listen(&self.watch, &self.service);
        }
    }

    /// Takes leave of a child that has ended.
    fn reap(&self, key: u64) {
        let mut state = self.state();
        let Some(mut child) = state.children.remove(&key) else {
            return;
        };
        let status = child.worker.reap();
        if state.spare.take_if(|spare| *spare == key).is_some() {
            state.postpone_spare(&status);
        }
        child.listen(&self.watch, &self.service);
        if child.served.as_ref().is_some_and(|served| served.is_begun) {
            state.pauses.over();
        }
        drop(state);
        if let Some(served) = child.served {
            served.end(status, &self.service);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Remembers that the child of this key has the connection.
    fn keep(&mut self, key: u64, connection: Connection) {
        if let Some(child) = self.children.get_mut(&key) {
            let (peer, permit) = connection.hand_over();
            child.served = Some(Served {
                peer,
                permit,
                handshake: None,
                is_begun: false,
                is_killed: false,
            });
        }
    }

    /// Has no spare child started for a while, or a program that can't serve would be started without
    /// end.
    fn postpone_spare(&mut self, why: &dyn fmt::Debug) {
        let pause = self.pauses.next();
        tracing::warn!(?why, ?pause, "no process can be kept ready, pausing");
        self.spare_after = Instant::now() + pause;
    }

    fn dismiss_spare(&mut self) {
        let spare = self.spare.take();
        if let Some(child) = spare.and_then(|key| self.children.get_mut(&key)) {
            child.worker.kill();
        }
    }
}

impl Child {
    /// Takes what the child says, without waiting for more.
    fn listen(&mut self, watch: &Watch, service: &Service) {
        loop {
            let message = match self.worker.control.try_receive() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(Some((message, _))) => message,
                // It has ended, or somebody else has its standard input.
                Ok(None) | Err(_) => return watch.mute(&self.worker),
            };
            if let Some(served) = &mut self.served
                && let Err(refused) = served.hear(&message, service)
            {
                self.worker.tell(&Message::Refuse(refused));
            }
        }
    }
}

impl Served {
    /// Counts what the child says of its connection.
    fn hear(&mut self, message: &Message, service: &Service) -> Result<(), Refused> {
        match message {
            Message::Serving => self.is_begun = true,
            Message::HandshakeBegins => self.handshake = Some(service.gate.begin_handshake()?),
            Message::HandshakeEnds => self.handshake = None,
            Message::From(network) => self.permit.move_to(*network)?,
            _ => {}
        }
        Ok(())
    }

    /// Counts how the connection went, by the way in which its child ended. What the child knows it has
    /// reported itself.
    fn end(self, status: io::Result<ExitStatus>, service: &Service) {
        let known = status.as_ref().ok().and_then(ExitStatus::code);
        let outcome = match (known.and_then(outcome_of), status) {
            (Some(outcome), _) if self.is_begun => outcome,
            (_, Ok(_)) if self.is_killed => service.report(&self.peer, Some(&Failure::CutOff)),
            (_, Ok(status)) => service.report(&self.peer, Some(&Failure::Process(status))),
            (_, Err(error)) => {
                tracing::error!(%error, "can't learn how a child ended");
                Outcome::Failed
            }
        };
        drop(self.handshake);
        self.permit.end(outcome);
    }
}

impl Engine for Processes {
    fn close(&self) {
        self.tell(&Message::Stop);
    }

    fn cut_off(&self) {
        self.tell(&Message::Cut);
    }

    fn give_up(&self) -> bool {
        for child in self.state().children.values_mut() {
            if let Some(served) = &mut child.served {
                served.is_killed = true;
            }
            child.worker.kill();
        }
        true
    }

    fn limits_changed(&self) {
        self.tell(&Message::Limits(limits_for_child(&self.service)));
    }
}

/// A child is made ready when nobody has come for so long: before, it would take the time that the
/// latest connection needs.
const QUIET: Duration = Duration::from_millis(10);

/// The limits of a child: what is counted, the parent counts.
fn limits_for_child(service: &Service) -> Limits {
    Limits {
        max_connections: usize::MAX,
        max_per_address: usize::MAX,
        max_handshakes: usize::MAX,
        ..service.gate.limits()
    }
}
