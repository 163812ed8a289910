use std::fmt;
use std::io;
use std::time::Instant;

use rpc_core::Error;

use crate::{Auth, Generation, Handshake, fresh_nonce};

/// The login of a connection, before its first request.
pub(super) struct Login {
    /// Or why there can't be one.
    handshake: Result<Handshake, Error>,
    on_success: Option<Box<dyn FnOnce(Generation) + Send>>,
}

impl Login {
    /// Begins one.
    pub(super) fn new(auth: &Auth) -> Self {
        let nonce = fresh_nonce().map_err(Error::from);
        Self {
            handshake: nonce.map(|nonce| Handshake::listener(auth, nonce)),
            on_success: None,
        }
    }

    pub(super) fn on_success(&mut self, tell: impl FnOnce(Generation) + Send + 'static) {
        self.on_success = Some(Box::new(tell));
    }

    /// Takes from the front of `bytes` what belongs to the login, and appends to `out` what is to be said. Returns
    /// whether the other end is in.
    pub(super) fn receive(&mut self, bytes: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, Error> {
        let handshake = self.handshake.as_mut().map_err(|error| error.clone())?;
        loop {
            let taken = handshake.receive(bytes);
            *bytes = &bytes[taken..];
            let event = handshake.poll_event();
            while handshake.poll_transmit(out) {}
            match event {
                Ok(None) if taken == 0 => return Ok(false),
                Ok(None) => {}
                Ok(Some(generation)) => {
                    if let Some(tell) = self.on_success.take() {
                        tell(generation);
                    }
                    return Ok(true);
                }
                Err(error) => {
                    return Err(io::Error::new(io::ErrorKind::PermissionDenied, error).into());
                }
            }
        }
    }

    pub(super) fn receive_eof(&mut self) {
        if let Ok(handshake) = &mut self.handshake {
            handshake.receive_eof();
        }
    }

    pub(super) fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        self.handshake.as_mut().ok()?.poll_timeout(now)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Ok(handshake) = &mut self.handshake {
            handshake.handle_timeout(now);
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}
