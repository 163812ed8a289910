use std::io;
use std::os::fd::OwnedFd;
use std::process::exit;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::board::Board;
use super::control::Control;
use super::message::Message;
use super::report::Report;
use crate::acceptor::{Acceptor, Listener};
use crate::gate::Outcome;
use crate::service::{Handler, Hooks, Service};
use crate::{Address, Limits, Peer, Running, Stats};

/// What a child was given by its parent.
#[derive(Debug)]
pub(crate) struct Inherited {
    control: Control,
    task: Task,
}

#[derive(Debug)]
enum Task {
    /// Serve this one connection.
    Serve {
        limits: Limits,
        peer: Option<std::net::SocketAddr>,
    },
    /// Accept from this listener.
    Accept {
        limits: Limits,
        is_suspended: bool,
        worker: usize,
        workers: usize,
        board: Board,
    },
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
                (Task::Serve { limits, peer }, socket)
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
                let board = Board::from_fd(board);
                let task = Task::Accept {
                    limits,
                    is_suspended,
                    worker,
                    workers,
                    board,
                };
                (task, socket)
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        Ok((Self { control, task }, socket))
    }

    /// Does what this process is for, and ends it: it returns only if it can't begin.
    pub(crate) fn serve(
        self,
        address: Address,
        socket: OwnedFd,
        mut hooks: Hooks,
        handler: &Handler,
    ) -> io::Result<Running> {
        let control = Arc::new(self.control);
        match self.task {
            Task::Serve { limits, peer } => {
                let peer = Peer::from_socket_addr(peer);
                if !hooks.is_proxied(&peer) {
                    // The parent has asked.
                    hooks.verify = None;
                }
                let service = Service::start(address, limits, hooks)?;
                let report = Report::to_parent(Arc::clone(&control));
                service.gate.report_to(report);
                let Some(connection) = service.admit(socket, peer) else {
                    exit(code_of(Outcome::Refused));
                };
                begin(control, &service)?;
                service.serve(connection, handler);
                exit(code_of(outcome(&service.gate.stats())));
            }
            Task::Accept {
                limits,
                is_suspended,
                worker,
                workers,
                board,
            } => {
                let service = Service::start(address, limits, hooks)?;
                let report = Report::to_board(board, worker, workers);
                service.gate.report_to(report);
                if is_suspended {
                    service.gate.suspend();
                }
                let listener = Listener::inherited(socket);
                let mut acceptor = Acceptor::new(Arc::new(listener), &service)?;
                begin(control, &service)?;
                while let Some(connection) = acceptor.next(&service, None) {
                    service.serve(connection, handler);
                }
                exit(0);
            }
        }
    }
}

/// Tells the parent that all is ready, and starts to listen to it.
fn begin(control: Arc<Control>, service: &Arc<Service>) -> io::Result<()> {
    control.send(&Message::Serving, &[])?;
    // What the parent said before it heard this, it takes for done.
    if !obey(&control, service, Control::try_receive) {
        exit(code_of(Outcome::CutOff));
    }
    let service = Arc::clone(service);
    // Never given back: as long as this process runs, it is at work.
    let working = service.gate.begin_work();
    thread::Builder::new()
        .name("socket-server parent".into())
        .spawn(move || {
            while obey(&control, &service, Control::receive) {}
            service.gate.stop();
            service.registry.cut_all();
            // Once the handler has returned, the main thread ends the process.
            service.gate.wait_idle(Some(Instant::now() + AFTER_CUT));
            drop(working);
            exit(code_of(Outcome::CutOff));
        })?;
    Ok(())
}

type Receive = fn(&Control) -> io::Result<Option<(Message, Vec<OwnedFd>)>>;

/// Does what the parent says, as long as there is something to receive. Returns whether to go on: not
/// when told to end, or when the parent is gone.
fn obey(control: &Control, service: &Service, receive: Receive) -> bool {
    loop {
        let message = match receive(control) {
            Ok(Some((message, _))) => message,
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            Ok(None) => return false,
        };
        match message {
            Message::Limits(limits) => {
                service.gate.set_limits(limits);
                service.registry.hurry();
                done(control);
            }
            Message::Suspend => {
                service.gate.suspend();
                done(control);
            }
            Message::Resume => {
                service.gate.resume();
                done(control);
            }
            Message::Stop => service.gate.stop(),
            Message::Refuse(refused) => service.registry.refuse_all(refused, service),
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
