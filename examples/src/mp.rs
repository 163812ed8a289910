use std::error::Error;
use std::fmt::Display;
use std::io;
use std::sync::Once;

use mp_connection::{AuthError, Generation, pickle};

/// Logs the first peer that proved itself by HMAC-MD5, in this process, and no other.
pub fn log_generation(peer: impl Display, generation: Generation) {
    static TOLD: Once = Once::new();
    if generation == Generation::Legacy {
        TOLD.call_once(|| {
            tracing::info!(
                "{peer} has logged in by HMAC-MD5, as Python up to 3.11 does; --modern-only would refuse it. Others \
                 that do so are not mentioned"
            );
        });
    }
}

/// What to tell the operator of an error: of a peer that is refused for its age, that it was the operator's wish.
#[must_use]
pub fn explain(error: &(dyn Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(AuthError::LegacyPeer { .. }) = error.downcast_ref() {
            return "the peer knows nothing better than HMAC-MD5, as Python up to 3.11; --modern-only refuses it"
                .to_owned();
        }
        cause = match error.downcast_ref().and_then(io::Error::get_ref) {
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    error.to_string()
}

/// What pickles may look like that are as long as this: one text or byte string fits.
#[must_use]
pub fn pickle_options(max_message_len: usize) -> pickle::Options {
    let options = pickle::Options::default();
    pickle::Options {
        max_bytes: options.max_bytes.max(max_message_len),
        max_memory: options.max_memory.max(max_message_len),
        ..options
    }
}
