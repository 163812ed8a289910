use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_loop::EventLoop;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, iterator, low_level};

use crate::GRACE;

/// Stops the loop on SIGINT and SIGTERM, giving conversations [`GRACE`] to finish. A second signal
/// ends the process at once, with the exit code that shells give to that signal.
///
/// # Errors
///
/// What the system says to watching for the signals.
pub fn stop_on_signals<M: 'static>(event_loop: &mut EventLoop<M>) -> io::Result<()> {
    stop_once_on_signals(event_loop, Arc::default(), || {})
}

/// The same for a loop that something else may stop as well, which sets the flag; `stopping` is called at
/// the first signal.
pub(crate) fn stop_once_on_signals<M: 'static>(
    event_loop: &mut EventLoop<M>,
    is_stopping: Arc<AtomicBool>,
    stopping: impl Fn() + Clone + 'static,
) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        let (is_stopping, stopping) = (Arc::clone(&is_stopping), stopping.clone());
        event_loop.on_signal(signal, move |cx| {
            if is_stopping.swap(true, Ordering::Relaxed) {
                std::process::exit(128 + signal);
            }
            log(signal);
            stopping();
            cx.stop(GRACE);
        })?;
    }
    Ok(())
}

/// SIGINT and SIGTERM, for a program without an event loop.
#[derive(Debug)]
pub struct Signals {
    signals: iterator::Signals,
    is_stopping: Arc<AtomicBool>,
}

/// Ends [`Signals::wait`] from another thread.
#[derive(Clone, Debug)]
pub struct Stop {
    waiting: iterator::Handle,
    is_stopping: Arc<AtomicBool>,
}

impl Signals {
    /// Watches for the signals from now on.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn watch() -> io::Result<Self> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal finds the flag unset, and sets it for the next.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&is_stopping))?;
            flag::register(signal, Arc::clone(&is_stopping))?;
        }
        Ok(Self {
            signals: iterator::Signals::new([SIGINT, SIGTERM])?,
            is_stopping,
        })
    }

    /// Waits for the first signal, or for [`Stop::stop`]. The next signal ends the process at once, with
    /// the exit code that shells give to that signal. Returns whether there was a signal.
    pub fn wait(&mut self) -> bool {
        let signal = self.signals.forever().next();
        signal.inspect(|&signal| log(signal)).is_some()
    }

    /// What ends [`wait`](Self::wait) without a signal.
    #[must_use]
    pub fn stop(&self) -> Stop {
        Stop {
            waiting: self.signals.handle(),
            is_stopping: Arc::clone(&self.is_stopping),
        }
    }
}

impl Stop {
    /// Ends the wait as the first signal would: the next one ends the process at once.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.end_wait();
    }

    /// Ends the wait, and only that: the next signal is still the first.
    pub fn end_wait(&self) {
        self.waiting.close();
    }
}

fn log(signal: i32) {
    let name = low_level::signal_name(signal).unwrap_or("a signal");
    tracing::info!("{name}: stopping within {} s", GRACE.as_secs());
}
