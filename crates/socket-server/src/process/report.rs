use std::sync::Arc;

use super::board::{Board, Entry};
use super::control::Control;
use super::message::Message;
use crate::peer::Network;
use crate::{DatagramStats, Refused, Stats};

/// How the gate of a worker tells others what happens in it.
#[derive(Debug)]
pub(crate) struct Report {
    last: Entry,
    to: To,
}

#[derive(Debug)]
enum To {
    /// From the child of one connection to its parent: a message when its handshake or its origin
    /// changes. The rest the parent knows, or learns from the exit status.
    Parent(Arc<Control>),
    /// From one worker of several to all: its entry on the board.
    Board {
        board: Board,
        worker: usize,
        workers: usize,
        is_locked: bool,
    },
}

impl Report {
    pub(super) fn to_parent(control: Arc<Control>) -> Self {
        Self {
            last: Entry::default(),
            to: To::Parent(control),
        }
    }

    pub(super) fn to_board(board: Board, worker: usize, workers: usize) -> Self {
        let to = To::Board {
            board,
            worker,
            workers,
            is_locked: false,
        };
        Self {
            last: Entry::default(),
            to,
        }
    }

    /// Says whether the other workers leave room under a limit that holds for all of them together.
    /// If so, none of them decides anything until the next [`update`](Self::update).
    pub(crate) fn check(
        &mut self,
        refused: Refused,
        network: Option<Network>,
    ) -> Result<(), Refused> {
        let To::Board {
            board,
            worker,
            workers,
            is_locked,
        } = &mut self.to
        else {
            return Ok(());
        };
        let (Refused::TooManyFromAddress { limit } | Refused::TooManyHandshakes { limit }) =
            refused
        else {
            return Ok(());
        };
        // A worker has one connection at a time: only a limit below their number can be reached.
        if limit >= *workers {
            return Ok(());
        }
        *is_locked = board.lock().is_ok();
        let others = (0..*workers)
            .filter(|other| other != worker)
            .filter_map(|other| board.read(other).ok())
            .filter(|entry| match refused {
                Refused::TooManyFromAddress { .. } => entry.network == network,
                _ => entry.stats.pending > 0,
            });
        if others.count() < limit {
            return Ok(());
        }
        board.unlock();
        *is_locked = false;
        Err(refused)
    }

    /// Tells what has changed.
    pub(crate) fn update(&mut self, stats: &Stats, network: Option<Network>) {
        let entry = Entry {
            stats: *stats,
            network,
            ..self.last
        };
        let before = std::mem::replace(&mut self.last, entry);
        match &mut self.to {
            To::Parent(control) => {
                if let Some(message) = difference(&before, &entry)
                    && let Err(error) = control.send(&message, &[])
                {
                    tracing::debug!(?message, %error, "can't tell the parent");
                }
            }
            To::Board { .. } => self.write(),
        }
    }

    /// Tells what has happened to datagrams.
    pub(crate) fn update_datagrams(&mut self, datagrams: DatagramStats) {
        self.last.datagrams = datagrams;
        self.write();
    }

    fn write(&mut self) {
        let To::Board {
            board,
            worker,
            is_locked,
            ..
        } = &mut self.to
        else {
            return;
        };
        if let Err(error) = board.write(*worker, &self.last) {
            tracing::warn!(%error, "can't write the counts down");
        }
        if std::mem::take(is_locked) {
            board.unlock();
        }
    }
}

/// What the parent of one connection should know.
fn difference(before: &Entry, after: &Entry) -> Option<Message> {
    if after.stats.pending > before.stats.pending {
        Some(Message::HandshakeBegins)
    } else if after.stats.pending < before.stats.pending {
        Some(Message::HandshakeEnds)
    } else if after.stats.open == before.stats.open && after.network != before.network {
        Some(Message::From(after.network))
    } else {
        None
    }
}
