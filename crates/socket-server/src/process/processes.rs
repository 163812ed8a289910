use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::child::outcome_of;
use super::message::Message;
use super::spawn::Worker;
use super::watch::{Notice, Watch};
use crate::acceptor::{Acceptor, Listener, Pauses};
use crate::gate::{Handshake, Outcome, Permit};
use crate::running::Engine;
use crate::service::Service;
use crate::{Connection, Failure, Limits, Peer};

/// The parent's side of `Strategy::Processes`: one thread accepts and starts a child for each
/// connection, another listens to the children and reaps them.
pub(crate) struct Processes {
    service: Arc<Service>,
    /// The number of the server within the program.
    server: usize,
    watch: Watch,
    state: Mutex<State>,
}

struct State {
    children: HashMap<u64, Served>,
    next_key: u64,
    is_accepting: bool,
}

/// A connection in the hands of a child.
struct Served {
    worker: Worker,
    peer: Peer,
    permit: Permit,
    handshake: Option<Handshake>,
    /// The child has come as far as to serve it.
    is_serving: bool,
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
        service.gate.set_capacity(max.max(1));
        let accepting = service.gate.begin_work();
        let watching = service.gate.begin_work();
        let processes = Arc::new(Self {
            service,
            server,
            watch: Watch::new()?,
            state: Mutex::new(State {
                children: HashMap::new(),
                next_key: 0,
                is_accepting: true,
            }),
        });
        let accepting = (Arc::clone(&processes), accepting);
        let watching = (Arc::clone(&processes), watching);
        thread::Builder::new()
            .name("socket-server children".into())
            .spawn(move || {
                watching.0.supervise();
                drop(watching.1);
            })?;
        let accepting = thread::Builder::new()
            .name("socket-server".into())
            .spawn(move || {
                accepting.0.accept(acceptor);
                drop(accepting.1);
            });
        if let Err(error) = accepting {
            processes.accepting_is_over();
            return Err(error);
        }
        Ok(processes)
    }

    fn accept(&self, mut acceptor: Acceptor) {
        while let Some(connection) = acceptor.next(&self.service, None) {
            match self.service.screen(connection.peer()) {
                Ok(()) => self.hand_over(connection),
                Err(failure) => self.end(connection, &failure),
            }
        }
        self.accepting_is_over();
    }

    fn accepting_is_over(&self) {
        self.state().is_accepting = false;
        self.watch.wake();
    }

    /// Gives a connection to a child, however long it takes until one can be started.
    fn hand_over(&self, connection: Connection) {
        let mut pauses = Pauses::default();
        let mut connection = connection;
        loop {
            let error = match self.try_hand_over(connection) {
                Ok(()) => return,
                Err((back, error)) => {
                    connection = *back;
                    error
                }
            };
            if self.service.gate.is_stopping() {
                return self.end(connection, &Failure::CutOff);
            }
            self.service.gate.pause(pauses.next(), &error);
        }
    }

    fn try_hand_over(&self, connection: Connection) -> Result<(), (Box<Connection>, io::Error)> {
        let worker = match Worker::start(self.server) {
            Ok(worker) => worker,
            Err(error) => return Err((Box::new(connection), error)),
        };
        let message = Message::Serve {
            limits: limits_for_child(&self.service),
            peer: connection.peer().socket_addr(),
        };
        let mut state = self.state();
        let key = state.next_key;
        let watched = self.watch.add(key, &worker);
        let given = watched.and_then(|()| worker.control.send(&message, &[connection.as_fd()]));
        if let Err(error) = given {
            worker.discard();
            return Err((Box::new(connection), error));
        }
        if self.service.gate.is_stopping() {
            worker.tell(&Message::Stop);
        }
        let (peer, permit) = connection.hand_over();
        state.next_key += 1;
        state.children.insert(
            key,
            Served {
                worker,
                peer,
                permit,
                handshake: None,
                is_serving: false,
                is_killed: false,
            },
        );
        Ok(())
    }

    /// Ends a connection that no child has had.
    fn end(&self, connection: Connection, failure: &Failure) {
        let (peer, permit) = connection.hand_over();
        permit.end(self.service.report(&peer, Some(failure)));
    }

    /// Tells all children something.
    fn tell(&self, message: &Message) {
        for served in self.state().children.values() {
            served.worker.tell(message);
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
        if let Some(served) = self.state().children.get_mut(&key) {
            served.listen(&self.watch, &self.service);
        }
    }

    /// Takes leave of a child that has ended.
    fn reap(&self, key: u64) {
        let Some(mut served) = self.state().children.remove(&key) else {
            return;
        };
        served.listen(&self.watch, &self.service);
        let outcome = match served.worker.reap() {
            Ok(status) => served.judge(status, &self.service),
            Err(error) => {
                tracing::error!(%error, "can't learn how a child ended");
                Outcome::Failed
            }
        };
        served.permit.end(outcome);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Served {
    /// Takes what the child says, without waiting for more.
    fn listen(&mut self, watch: &Watch, service: &Service) {
        loop {
            let refused = match self.worker.control.try_receive() {
                Ok(Some((Message::Serving, _))) => {
                    self.is_serving = true;
                    continue;
                }
                Ok(Some((Message::HandshakeBegins, _))) => {
                    service.gate.begin_handshake().map(|handshake| {
                        self.handshake = Some(handshake);
                    })
                }
                Ok(Some((Message::HandshakeEnds, _))) => {
                    self.handshake = None;
                    continue;
                }
                Ok(Some((Message::From(network), _))) => self.permit.move_to(network),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // It has ended, or somebody else has its standard input.
                Ok(None | Some(_)) | Err(_) => return watch.mute(&self.worker),
            };
            if let Err(refused) = refused {
                self.worker.tell(&Message::Refuse(refused));
            }
        }
    }

    /// How the connection went, by the way in which its child ended. What the child knows it has
    /// reported itself.
    fn judge(&self, status: ExitStatus, service: &Service) -> Outcome {
        if self.is_killed {
            return service.report(&self.peer, Some(&Failure::CutOff));
        }
        match status.code().and_then(outcome_of) {
            Some(outcome) if self.is_serving => outcome,
            _ => service.report(&self.peer, Some(&Failure::Process(status))),
        }
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
        for served in self.state().children.values_mut() {
            served.is_killed = true;
            served.worker.kill();
        }
        true
    }

    fn limits_changed(&self) {
        self.tell(&Message::Limits(limits_for_child(&self.service)));
    }
}

/// The limits of a child: what is counted, the parent counts.
fn limits_for_child(service: &Service) -> Limits {
    Limits {
        max_connections: usize::MAX,
        max_per_address: usize::MAX,
        max_handshakes: usize::MAX,
        ..service.gate.limits()
    }
}
