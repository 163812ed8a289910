use std::time::Instant;

use crate::error::AuthError;

/// What the drivers need of both state machines.
pub(crate) trait Machine {
    type Event;

    fn receive(&mut self, bytes: &[u8]) -> usize;
    fn receive_eof(&mut self);
    fn poll_event(&mut self) -> Result<Option<Self::Event>, AuthError>;
    fn poll_transmit(&mut self, out: &mut Vec<u8>) -> bool;
    fn poll_timeout(&mut self, now: Instant) -> Option<Instant>;
    fn handle_timeout(&mut self, now: Instant);
    fn wanted(&self) -> usize;
}
