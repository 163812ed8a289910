use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::process::exit;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::board::Board;
use super::control::Control;
use super::message::Message;
use super::report::Report;
use crate::acceptor::{Acceptor, Listener};
use crate::datagram::Desk;
use crate::gate::{Gate, Outcome};
use crate::service::{Handler, Hooks, Service};
use crate::{Address, Connection, Limits, Peer, Running, Stats, datagram_server};

/// What a child was given by its parent.
#[derive(Debug)]
pub(crate) struct Inherited {
    control: Arc<Control>,
    task: Task,
}

#[derive(Debug)]
enum Task {
    /// Serve this one connection.
    Serve(Limits, Option<SocketAddr>),
    /// Be one of several workers.
    Accept(Place),
}

/// One worker among several.
#[derive(Debug)]
struct Place {
    limits: Limits,
    is_suspended: bool,
    worker: usize,
    workers: usize,
    board: Board,
}

impl Inherited {
    /// Waits for what the parent gives; if it has gone, this process ends too.
    pub(super) fn receive(control: Control) -> io::Result<(Self, OwnedFd)> {
        let Some((message, sockets)) = control.receive()? else {
            exit(code_of(Outcome::CutOff));
        };
        let mut sockets = sockets.into_iter();
        let (task, socket) = match (message, sockets.next(), sockets.next()) {
            (Message::Serve { limits, peer }, Some(socket), None) => {
                (Task::Serve(limits, peer), socket)
            }
            (
                Message::Accept {
                    limits,
                    is_suspended,
                    worker,
                    workers,
                },
                Some(socket),
                Some(board),
            ) => {
                let place = Place {
                    limits,
                    is_suspended,
                    worker,
                    workers,
                    board: Board::from_fd(board),
                };
                (Task::Accept(place), socket)
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        let control = Arc::new(control);
        Ok((Self { control, task }, socket))
    }

    /// Serves connections, and ends the process: it returns only if it can't begin.
    pub(crate) fn serve(
        self,
        address: Address,
        socket: OwnedFd,
        hooks: Hooks,
        handler: &Handler,
    ) -> io::Result<Running> {
        match self.task {
            Task::Serve(limits, peer) => {
                let peer = Peer::from_socket_addr(peer);
                let hooks = Hooks {
                    // The parent has asked, unless a proxy has yet to say who it is.
                    verify: hooks.verify.clone().filter(|_| hooks.is_proxied(&peer)),
                    ..hooks
                };
                let service = Service::start(address, limits, hooks)?;
                let report = Report::to_parent(Arc::clone(&self.control));
                service.gate.report_to(report);
                let Some(connection) = service.admit(socket, peer) else {
                    exit(code_of(Outcome::Refused));
                };
                begin(
                    self.control,
                    &service.gate,
                    Some(&service),
                    Baton::default(),
                )?;
                service.serve(connection, handler);
                exit(code_of(outcome(&service.gate.stats())));
            }
            Task::Accept(place) => {
                let service = Service::start(address, place.limits.clone(), hooks)?;
                place.take(&service.gate);
                let listener = Arc::new(Listener::inherited(socket));
                let acceptor = Acceptor::one_of_many(listener, &service)?;
                let baton = Arc::new(Mutex::new(Some(acceptor)));
                begin(
                    self.control,
                    &service.gate,
                    Some(&service),
                    Arc::clone(&baton),
                )?;
                while let Some(connection) = next(&baton, &service) {
                    service.serve(connection, handler);
                }
                exit(code_of(Outcome::Finished));
            }
        }
    }

    /// The same for datagrams.
    pub(crate) fn serve_datagrams(
        self,
        mut desk: Desk,
        hooks: Hooks,
        handler: datagram_server::Handler,
    ) -> io::Result<Running> {
        let Task::Accept(place) = self.task else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        desk.share(place.board.sources()?)?;
        let gate = Gate::new(place.limits.clone())?;
        place.take(&gate);
        begin(self.control, &gate, None, Baton::default())?;
        datagram_server::Service::new(gate, desk, hooks, handler).run()?;
        exit(code_of(Outcome::Finished));
    }
}

impl Place {
    fn take(self, gate: &Gate) {
        gate.report_to(Report::to_board(self.board, self.worker, self.workers));
        if self.is_suspended {
            gate.suspend();
        }
    }
}

/// What accepts, if there is to be more than one connection. Taken away when the server stops, so that the
/// listener closes even while a connection is served.
type Baton = Arc<Mutex<Option<Acceptor>>>;

fn next(baton: &Baton, service: &Arc<Service>) -> Option<Connection> {
    let mut acceptor = baton.lock().unwrap_or_else(PoisonError::into_inner);
    acceptor.as_mut()?.next(service, None)
}

/// Tells the parent that all is ready, and starts to listen to it.
fn begin(
    control: Arc<Control>,
    gate: &Arc<Gate>,
    service: Option<&Arc<Service>>,
    baton: Baton,
) -> io::Result<()> {
    control.send(&Message::Serving, &[])?;
    // What the parent said before it heard this, it takes for done.
    if !obey(&control, gate, service, &baton, Control::try_receive) {
        exit(code_of(Outcome::CutOff));
    }
    let (gate, service) = (Arc::clone(gate), service.map(Arc::clone));
    // Never given back: as long as this process runs, it is at work.
    let working = gate.begin_work();
    thread::Builder::new()
        .name("socket-server parent".into())
        .spawn(move || {
            while obey(&control, &gate, service.as_ref(), &baton, Control::receive) {}
            gate.stop();
            if let Some(service) = &service {
                service.registry.cut_all();
            }
            // Once the handler has returned, the main thread ends the process.
            gate.wait_idle(Some(Instant::now() + AFTER_CUT));
            drop(working);
            exit(code_of(Outcome::CutOff));
        })?;
    Ok(())
}

type Receive = fn(&Control) -> io::Result<Option<(Message, Vec<OwnedFd>)>>;

/// Does what the parent says, as long as there is something to receive. Returns whether to go on: not
/// when told to end, or when the parent is gone.
fn obey(
    control: &Control,
    gate: &Gate,
    service: Option<&Arc<Service>>,
    baton: &Baton,
    receive: Receive,
) -> bool {
    loop {
        let message = match receive(control) {
            Ok(Some((message, _))) => message,
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            Ok(None) => return false,
        };
        match message {
            Message::Limits(limits) => {
                gate.set_limits(limits);
                if let Some(service) = service {
                    service.registry.hurry();
                }
                done(control);
            }
            Message::Suspend => {
                gate.suspend();
                done(control);
            }
            Message::Resume => {
                gate.resume();
                done(control);
            }
            Message::Stop => {
                gate.stop();
                *baton.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
            Message::Refuse(refused) => {
                if let Some(service) = service {
                    service.registry.refuse_all(refused, service);
                }
            }
            _ => return false,
        }
    }
}

fn done(control: &Control) {
    // If the parent is gone, the next message says so.
    let _ = control.send(&Message::Done, &[]);
}

/// How the one connection went.
fn outcome(stats: &Stats) -> Outcome {
    let counts = [
        (stats.finished, Outcome::Finished),
        (stats.timed_out, Outcome::TimedOut),
        (stats.refused, Outcome::Refused),
        (stats.panicked, Outcome::Panicked),
        (stats.cut_off, Outcome::CutOff),
    ];
    let happened = counts.into_iter().find(|(count, _)| *count > 0);
    happened.map_or(Outcome::Failed, |(_, outcome)| outcome)
}

/// The exit status by which a child says how its connection went.
fn code_of(outcome: Outcome) -> i32 {
    match outcome {
        Outcome::Finished => 0,
        Outcome::Failed => 1,
        // What the standard library gives to a program that panics.
        Outcome::Panicked => 101,
        Outcome::TimedOut => 102,
        Outcome::Refused => 103,
        Outcome::CutOff => 104,
    }
}

/// The same, read by the parent.
pub(super) fn outcome_of(code: i32) -> Option<Outcome> {
    let outcomes = [
        Outcome::Finished,
        Outcome::Failed,
        Outcome::Panicked,
        Outcome::TimedOut,
        Outcome::Refused,
        Outcome::CutOff,
    ];
    outcomes
        .into_iter()
        .find(|outcome| code_of(*outcome) == code)
}

/// How long a handler may take to notice that its connection was cut.
const AFTER_CUT: Duration = Duration::from_secs(1);
