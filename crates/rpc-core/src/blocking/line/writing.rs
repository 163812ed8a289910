//! How a line is written: by whoever has queued something, without keeping anybody from reading.

use std::io::{self, ErrorKind};
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::{Shutdown, shutdown};

use super::{Line, TICK, Turn};
use crate::Dialect;
use crate::blocking::outgoing::Outgoing;
use crate::blocking::parker::Parker;
use crate::blocking::wait::wait;

impl Line {
    /// Sends what is queued, `queued` bytes at least; what is not sent at `until` stays queued. Does not wait if
    /// somebody is writing, unless very much is queued.
    pub(in crate::blocking) fn flush(&self, queued: usize, until: Option<Instant>) {
        let mut turn = self.turn();
        turn.has_output = true;
        while turn.is_writing {
            let is_late = until.is_some_and(|until| until <= Instant::now());
            if queued < self.max_queued || is_late {
                return;
            }
            turn = self.await_writer(turn, until);
        }
        if !turn.has_output || turn.end.is_some() {
            return;
        }
        turn.is_writing = true;
        let mut outgoing = mem::take(&mut turn.unsent);
        let mut result = Ok(());
        while result.is_ok() && turn.has_output {
            turn.has_output = false;
            drop(turn);
            result = self.write_out(&mut outgoing, until);
            turn = self.turn();
            if !outgoing.is_empty() {
                // Its time is over. Who waits, or writes next, goes on with it.
                turn.has_output = true;
                break;
            }
        }
        turn.unsent = outgoing;
        turn.is_writing = false;
        if turn.awaiting_writer > 0 {
            // A system call, whether anybody waits or not.
            self.written.notify_all();
        }
        if let Err(error) = result {
            self.end_after_rest(turn, error);
        }
    }

    /// Nothing can be written any more. The peer may have said why, and which calls it has not taken.
    fn end_after_rest<'a>(&'a self, mut turn: MutexGuard<'a, Turn>, error: io::Error) {
        if self.is_socket {
            let _ = shutdown(self.stream.reading(), Shutdown::Both);
            if turn.is_reading {
                // That one gets what there is, and then the end.
                return;
            }
        }
        turn = self.read_arrived(turn);
        drop(turn);
        self.end(Err(error.into()));
    }

    /// Waits until the writer is through, or `until`.
    pub(super) fn await_writer<'a>(
        &'a self,
        mut turn: MutexGuard<'a, Turn>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, Turn> {
        turn.awaiting_writer += 1;
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let waited = self.written.wait_timeout(turn, left.unwrap_or(TICK));
        turn = waited.unwrap_or_else(PoisonError::into_inner).0;
        turn.awaiting_writer -= 1;
        turn
    }

    /// Whether nothing may be read before something was written.
    pub(super) fn is_stuffed(&self) -> bool {
        self.unseen.load(Ordering::Relaxed) > self.max_queued
    }

    /// Takes what is queued and writes it, and what was left before. Empty afterwards unless the time was over.
    fn write_out(&self, outgoing: &mut Outgoing, until: Option<Instant>) -> io::Result<()> {
        if outgoing.is_empty() {
            outgoing.take(self.peer().output());
            if outgoing.is_empty() {
                return Ok(());
            }
        }
        let is_small = outgoing.left() <= SMALL;
        if !(self.is_socket && is_small && outgoing.write(&*self.stream, usize::MAX)?) {
            self.write_slowly(outgoing, until)?;
        }
        if outgoing.is_empty() && outgoing.len() >= self.max_queued / 2 {
            self.resume();
        }
        Ok(())
    }

    /// Writes what a plain write might block for, and reads meanwhile if nobody else does.
    fn write_slowly(&self, outgoing: &mut Outgoing, until: Option<Instant>) -> io::Result<()> {
        let piece = if self.is_socket { 16 << 10 } else { 4 << 10 };
        let bell = self.bell()?;
        let mut is_reader = self.begin_polling();
        let mut no_later = Instant::now() + LONGEST_WRITE;
        let result = loop {
            let deadline = until.map_or(no_later, |until| until.min(no_later));
            let reading = (is_reader && !self.is_stuffed()).then(|| self.stream.reading());
            let writing = Some(self.stream.writing());
            let ready = match wait(reading, writing, Some(bell), Some(deadline)) {
                Ok(ready) => ready,
                Err(error) => break Err(error),
            };
            if ready.bell {
                self.silence(bell);
                is_reader |= self.begin_polling();
            }
            if ready.reading {
                self.receive();
            }
            let now = Instant::now();
            if ready.writing {
                match outgoing.write(&*self.stream, piece) {
                    Ok(_) if outgoing.is_empty() => break Ok(()),
                    Ok(_) => no_later = now + LONGEST_WRITE,
                    Err(error) => break Err(error),
                }
            }
            let turn = self.turn();
            if turn.end.is_some() || until.is_some_and(|until| until <= now) {
                break Ok(());
            }
            if turn.has_ended {
                is_reader = false;
            }
            if no_later <= now {
                let message = format!("the peer has taken nothing for {LONGEST_WRITE:?}");
                break Err(io::Error::new(ErrorKind::TimedOut, message));
            }
        };
        let mut turn = self.turn();
        turn.is_polling = false;
        if is_reader {
            turn.is_reading = false;
        }
        self.pass_on(&turn);
        result
    }

    /// The writer polls; whether it is to read too.
    fn begin_polling(&self) -> bool {
        let mut turn = self.turn();
        turn.is_polling = true;
        !turn.has_ended && !mem::replace(&mut turn.is_reading, true)
    }

    /// The peer's machine may have stopped because very much was queued.
    fn resume(&self) {
        let result = Parker::hold_back(|| self.peer().receive(&[], Instant::now()));
        self.turn().has_output = true;
        if let Err(error) = result {
            self.end(Err(error));
        }
    }
}

/// A peer that takes nothing for so long, of what has no deadline, is lost.
const LONGEST_WRITE: Duration = Duration::from_secs(30);
/// What is larger is written by pieces from the start: the peer may want to be read meanwhile.
const SMALL: usize = 64 << 10;
