use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use framing::{Decoder, FrameError, Limits, Pattern, Prefix};
use rpc_core::{Answer, Dialect, Error, Job, JobId, Registry};

use super::calls::Calls;
use super::login::Login;
use super::{Options, answer, exception};
use crate::pickle::Protocol;
use crate::{Auth, Generation};

/// The answering end of one connection: what the recipe calls its handler, over the functions of a registry.
///
/// The drivers of [`rpc_core`] carry it; see the [module](super) for what it says.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Instant;
/// use mp_connection::rpc::{Options, Peer};
/// use rpc_core::{Dialect, Registry};
///
/// let mut registry = Registry::new();
/// registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
/// let mut peer = Peer::new(Arc::new(registry), Options::default());
/// // A pickled byte string of 15 bytes, which are a pickle of ('add', (2, 3), {}).
/// let request = b"\0\0\0\x14\x80\x04C\x0f\x80\x04\x8c\x03addK\x02K\x03\x86}\x87..";
/// peer.receive(request, Instant::now())?;
/// assert_eq!(peer.output(), b"\0\0\0\x0d\x80\x04B\x05\0\0\0\x80\x04K\x05..");
/// # Ok::<(), rpc_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Peer {
    /// Until the other end has proved who it is.
    login: Option<Box<Login>>,
    decoder: Decoder,
    calls: Calls,
    output: Vec<u8>,
    /// When the login or the frame under way must be complete.
    due: Option<Instant>,
    /// Why what came can't be cut into frames, and when that was found out. The other end was told.
    failure: Option<(Instant, FrameError)>,
    /// The other end has ended.
    has_ended: bool,
    /// The last of its requests was taken.
    is_exhausted: bool,
}

impl Peer {
    /// Makes the answering end of a connection whose other end is served whoever it is.
    ///
    /// That is for connections that are private in another way: a Unix socket in a folder of one user, a TLS session
    /// with certificates at both ends. Anybody else needs [`authenticated`](Self::authenticated).
    #[must_use]
    pub fn new(registry: Arc<Registry>, options: Options) -> Self {
        let pattern = Pattern::Prefix(Prefix::Multiprocessing);
        let limits = Limits {
            max_frame_len: options.max_request_len,
            ..Limits::for_pattern(&pattern)
        };
        Self {
            login: None,
            decoder: Decoder::with_limits(pattern, limits),
            calls: Calls::new(registry, options),
            output: Vec::new(),
            due: None,
            failure: None,
            has_ended: false,
            is_exhausted: false,
        }
    }

    /// Begins with the login of a listener: the other end proves that it has the key, and this one does. Until then
    /// nothing else is read, and the time for it is [`Auth::timeout`].
    ///
    /// A login that fails ends the connection with [`Error::Io`], of the kind `PermissionDenied` and with the
    /// [`AuthError`](crate::AuthError) inside.
    #[must_use]
    pub fn authenticated(mut self, auth: &Auth) -> Self {
        self.login = Some(Box::new(Login::new(auth)));
        self
    }

    /// Has `tell` called when the other end has logged in, with how it proved itself: for a log, or a count of those
    /// that are still old. Has no effect without [`authenticated`](Self::authenticated), which comes before.
    #[must_use]
    pub fn on_login(mut self, tell: impl FnOnce(Generation) + Send + 'static) -> Self {
        if let Some(login) = &mut self.login {
            login.on_success(tell);
        }
        self
    }

    /// Tells functions about the connection; they ask with [`Context::state`](rpc_core::Context::state).
    #[must_use]
    pub fn with_state(mut self, state: Arc<dyn Any + Send + Sync>) -> Self {
        self.calls.set_state(state);
        self
    }

    /// Has the login take what it wants of `bytes`; returns whether it is over.
    fn log_in(&mut self, bytes: &mut &[u8]) -> Result<bool, Error> {
        let Some(login) = &mut self.login else {
            return Ok(true);
        };
        let is_over = login.receive(bytes, &mut self.output)?;
        if is_over {
            self.login = None;
        }
        Ok(is_over)
    }

    /// Takes the requests in `bytes`, and those kept from before, until one runs or enough waits to be sent.
    fn take(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Error> {
        while !self.calls.is_running() && self.has_room() {
            match self.decoder.decode(&mut bytes) {
                Ok(Some(message)) => self.calls.receive(message, now, &mut self.output),
                Ok(None) => {
                    self.is_exhausted = self.has_ended;
                    return Ok(());
                }
                Err(error) => return Err(self.farewell(error, now)),
            }
        }
        self.decoder.receive(bytes);
        Ok(())
    }

    /// Answers what can't be cut into frames, once.
    fn farewell(&mut self, error: FrameError, now: Instant) -> Error {
        if self.failure.is_none() {
            self.failure = Some((now, error.clone()));
            let Options {
                pickle,
                max_answer_len,
                ..
            } = self.calls.options();
            let exception = exception::malformed(&error);
            // Which protocol the other end speaks is in the frame that can't be read.
            let protocol = pickle.protocol.min(Protocol::V3);
            answer::write_exception(exception, protocol, *max_answer_len, &mut self.output);
        }
        error.into()
    }

    fn has_room(&self) -> bool {
        self.output.len() < self.calls.options().max_queued.max(1)
    }

    fn look_at_clock(&mut self, now: Instant) {
        self.due = match &mut self.login {
            Some(login) => login.poll_timeout(now),
            None => self.decoder.poll_timeout(now),
        };
    }
}

impl Dialect for Peer {
    fn receive(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Error> {
        let taken = match self.log_in(&mut bytes) {
            Ok(true) => self.take(bytes, now),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        self.look_at_clock(now);
        taken
    }

    fn receive_eof(&mut self, now: Instant) -> Result<(), Error> {
        self.has_ended = true;
        match &mut self.login {
            Some(login) => login.receive_eof(),
            None => self.decoder.receive_eof(),
        }
        self.receive(&[], now)
    }

    fn next_job(&mut self) -> Option<Job> {
        // As with requests: what would only wait to be sent is not begun.
        if !self.has_room() {
            return None;
        }
        self.calls.next_job()
    }

    fn next_cancelled(&mut self) -> Option<JobId> {
        self.calls.next_cancelled()
    }

    fn complete(&mut self, job: JobId, answer: Answer, now: Instant) {
        self.calls.complete(job, answer, &mut self.output);
        // Now it is the turn of those that waited. An error among them is given out when time is looked at.
        let _ = self.take(&[], now);
        self.look_at_clock(now);
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let call_due = self.calls.poll_timeout();
        let failed_at = self.failure.as_ref().map(|(at, _)| *at);
        [failed_at, self.due, call_due].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if let Some(login) = &mut self.login {
            login.handle_timeout(now);
            return self.receive(&[], now);
        }
        if let Some((_, error)) = &self.failure {
            return Err(error.clone().into());
        }
        if let Some((job, answer)) = self.calls.next_overdue(now) {
            self.complete(job, answer, now);
        }
        let paced = self.decoder.handle_timeout(now);
        self.look_at_clock(now);
        paced.map_err(|error| self.farewell(error, now))
    }

    fn drain(&mut self, _: Instant) {
        self.calls.drain();
    }

    fn is_finished(&self) -> bool {
        (self.is_exhausted || self.calls.is_draining()) && !self.calls.is_running()
    }

    fn in_flight(&self) -> usize {
        usize::from(self.calls.is_running())
    }

    fn max_queued(&self) -> usize {
        self.calls.options().max_queued
    }

    fn wants_bytes(&self) -> bool {
        !self.calls.is_running() || self.decoder.buffered() < self.calls.options().max_waiting
    }
}
