//! What the gate hands out, and takes note of when it is dropped.

use std::sync::Arc;

use super::Gate;
use crate::Refused;
use crate::peer::Network;

/// A place for one connection, given back when dropped; counted then as failed, unless told otherwise.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(super) gate: Arc<Gate>,
    pub(super) network: Option<Network>,
    pub(super) outcome: Outcome,
}

impl Permit {
    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Counts the connection for another address from now on: that of a proxy's client.
    pub(crate) fn move_to(&mut self, network: Option<Network>) -> Result<(), Refused> {
        let mut state = self.gate.state();
        state.take_place(network)?;
        state.leave_place(self.network);
        state.report();
        self.network = network;
        Ok(())
    }

    /// Gives the place back.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.leave_place(self.network);
        let stats = &mut state.stats;
        stats.open -= 1;
        *match self.outcome {
            Outcome::Finished => &mut stats.finished,
            Outcome::Failed => &mut stats.failed,
            Outcome::TimedOut => &mut stats.timed_out,
            Outcome::Refused => &mut stats.refused,
            Outcome::Panicked => &mut stats.panicked,
            Outcome::CutOff => &mut stats.cut_off,
        } += 1;
        state.report();
        self.gate.notify(state);
    }
}

/// How a connection ended, for the counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Finished,
    Failed,
    TimedOut,
    Refused,
    Panicked,
    CutOff,
}

/// A handshake that is counted.
#[derive(Debug)]
pub(crate) struct Handshake(pub(super) Arc<Gate>);

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.stats.pending -= 1;
        state.report();
    }
}

/// A worker that is counted.
#[derive(Debug)]
pub(crate) struct Worker(pub(super) Arc<Gate>);

impl Drop for Worker {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.workers -= 1;
        self.0.notify(state);
    }
}
