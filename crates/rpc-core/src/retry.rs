//! What the reconnecting clients have in common: when to try again, and whether to.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::Error;

/// How long a call is tried unless told otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long after this attempt the next one may be.
pub(crate) fn pause(attempts: u32) -> Duration {
    let pause = FIRST_PAUSE
        .saturating_mul(1 << attempts.min(16))
        .min(LONGEST_PAUSE);
    // Many clients of one server should not come back in step.
    let chance = RandomState::new().build_hasher().finish() as u32;
    pause / 2 + (pause / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

/// Whether another attempt may go better.
pub(crate) fn is_passing(error: &Error) -> bool {
    matches!(
        error,
        Error::Io(_)
            | Error::Lost { .. }
            | Error::Closing
            | Error::NoHello { .. }
            | Error::Silent { .. }
    )
}

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
