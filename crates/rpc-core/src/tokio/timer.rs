use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use ::tokio::time::{Sleep, sleep_until};

/// One timer for all that a dialect waits for.
///
/// It is moved when something is due earlier, never later: most calls are answered long before their time, and
/// moving it for each would cost more than the call. So it may go off with nothing due.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<Instant>,
}

impl Timer {
    pub(super) fn set(&mut self, due: Option<Instant>) {
        let Some(due) = due else { return };
        if self.armed.is_some_and(|armed| armed <= due) {
            return;
        }
        self.armed = Some(due);
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(due.into()),
            None => self.sleep = Some(Box::pin(sleep_until(due.into()))),
        }
    }

    /// Returns whether it went off.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let (Some(sleep), Some(_)) = (&mut self.sleep, self.armed) else {
            return false;
        };
        let went_off = sleep.as_mut().poll(cx) == Poll::Ready(());
        if went_off {
            self.armed = None;
        }
        went_off
    }
}
