//! Processes as workers: children that are this program, started again.
//!
//! In the parent, [`Processes`] and [`Prefork`] are the engines behind `Running`. They start children
//! (`spawn`), hear of what they say and of their ends (`watch`), and count. In a child, `bind` finds out
//! by [`role`] what it is to the server, and `serve` ends up in [`Inherited::serve`] (`child`), from where
//! there is no way back.
//!
//! ```text
//!            parent                         │            child
//!   Processes        Prefork                │         Inherited::serve
//!  accepts, gives   keeps n workers         │        ┌────────┴─────────┐
//!        └───────┬──────┘                   │    main thread        a thread
//!      Worker::start, Watch                 │  Service::serve,   obeys: limits, suspend,
//!                │                          │  reports           resume, stop, cut, refuse
//!             Control ◄─── seqpacket: Message, SCM_RIGHTS ────────────► Control
//!              Board  ◄─── memory file: counts (Prefork) ◄──── Report from the gate
//! ```
//!
//! The gate of a child has a `Report`. For one connection it sends the parent a message when a handshake
//! begins or ends, and when a proxy has named the client, since the parent counts those; how the
//! connection ended is the exit status. A prefork worker writes its counts on the board at every change:
//! that costs no wake-up of the parent, and what a worker wrote outlives it.

mod board;
mod child;
mod control;
mod message;
mod prefork;
mod processes;
mod report;
mod spawn;
mod watch;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub(crate) use child::Inherited;
pub(crate) use prefork::Prefork;
pub(crate) use processes::Processes;
pub(crate) use report::Report;
pub use spawn::is_worker;

use crate::gate::Gate;
use crate::running::Engine;
use crate::{Address, Limits, Running, Strategy};

/// What this process is to a server.
#[derive(Debug)]
pub(crate) enum Role {
    /// It makes the socket and serves; as a parent of workers, under this number.
    Server(usize),
    /// It is a worker of the server.
    Worker(Inherited),
    /// It is a worker of another server, and has not come to it yet.
    Bystander,
}

/// Finds out what this process is to the server that is being made, and takes the socket if its parent
/// has one for it.
///
/// Servers with processes are told apart by the order in which they are made: that is the same in the
/// parent and in the child, even where an address is not (port 0, a descriptor that was adopted).
pub(crate) fn role(strategy: Strategy) -> io::Result<(Role, Option<OwnedFd>)> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    static IS_AT_WORK: AtomicBool = AtomicBool::new(false);
    let has_workers = matches!(
        strategy,
        Strategy::Processes { .. } | Strategy::Prefork { .. }
    );
    let number = if has_workers {
        NEXT.fetch_add(1, Ordering::Relaxed)
    } else {
        0
    };
    match spawn::assignment() {
        Some(server) if !IS_AT_WORK.load(Ordering::Relaxed) => {
            if !has_workers || server != number {
                return Ok((Role::Bystander, None));
            }
            IS_AT_WORK.store(true, Ordering::Relaxed);
            let (inherited, socket) = Inherited::receive(spawn::take_control()?)?;
            Ok((Role::Worker(inherited), Some(socket)))
        }
        _ => Ok((Role::Server(number), None)),
    }
}

/// "Runs" a server in a worker of another: nobody is served here.
pub(crate) fn stand_by(address: Address) -> io::Result<Running> {
    let gate = Gate::new(Limits::default())?;
    Ok(Running::new(address, gate, Arc::new(Nothing)))
}

struct Nothing;

impl Engine for Nothing {
    fn close(&self) {}

    fn cut_off(&self) {}
}
