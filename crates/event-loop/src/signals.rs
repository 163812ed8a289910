//! Signals as events: the signal's handler writes a byte to a socket that the loop watches.

use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use signal_hook::SigId;

use crate::turn::{Core, Source};
use crate::{Context, Key};

type Handler<M> = Box<dyn FnMut(&mut Context<'_, M>)>;

pub(crate) struct SignalSource<M> {
    arrivals: UnixStream,
    registration: SigId,
    handler: Option<Handler<M>>,
    pub(crate) is_ready: bool,
}

impl<M> SignalSource<M> {
    pub(crate) fn new(signal: i32, handler: Handler<M>) -> io::Result<Self> {
        if signal_hook::consts::FORBIDDEN.contains(&signal) {
            let text = format!("signal {signal} can't be handled");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let (arrivals, bell) = UnixStream::pair()?;
        arrivals.set_nonblocking(true)?;
        let registration = signal_hook::low_level::pipe::register(signal, bell)?;
        Ok(Self {
            arrivals,
            registration,
            handler: Some(handler),
            is_ready: false,
        })
    }

    pub(crate) fn raw_fd(&self) -> RawFd {
        self.arrivals.as_raw_fd()
    }
}

impl<M> Drop for SignalSource<M> {
    fn drop(&mut self) {
        signal_hook::low_level::unregister(self.registration);
    }
}

impl<M: 'static> Core<M> {
    /// Calls the handler once for each signal that arrived; the system itself merges signals that
    /// come faster than they are taken.
    pub(crate) fn service_signal(&mut self, key: Key) {
        let mut bells = [0; 16];
        while let Some(source) = self.signal_mut(key) {
            let count = match source.arrivals.read(&mut bells) {
                Ok(0) => return,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            };
            let Some(mut handler) = source.handler.take() else {
                return;
            };
            for _ in 0..count {
                self.guard(key, |cx| handler(cx));
            }
            if let Some(source) = self.signal_mut(key) {
                source.handler = Some(handler);
            }
        }
    }

    fn signal_mut(&mut self, key: Key) -> Option<&mut SignalSource<M>> {
        match self.sources.get_mut(key) {
            Some(Source::Signal(source)) => Some(source),
            _ => None,
        }
    }
}
