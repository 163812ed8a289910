use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
    let is_stopping = std::rc::Rc::new(std::cell::Cell::new(false));
    for signal in [SIGINT, SIGTERM] {
        let is_stopping = std::rc::Rc::clone(&is_stopping);
        event_loop.on_signal(signal, move |cx| {
            if is_stopping.replace(true) {
                std::process::exit(128 + signal);
            }
            log(signal);
            cx.stop(GRACE);
        })?;
    }
    Ok(())
}

/// SIGINT and SIGTERM, for a program without an event loop.
#[derive(Debug)]
pub struct Signals(iterator::Signals);

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
        Ok(Self(iterator::Signals::new([SIGINT, SIGTERM])?))
    }

    /// Waits for the first signal. The next one ends the process at once, with the exit code that
    /// shells give to that signal.
    pub fn wait(&mut self) {
        if let Some(signal) = self.0.forever().next() {
            log(signal);
        }
    }
}

fn log(signal: i32) {
    let name = low_level::signal_name(signal).unwrap_or("a signal");
    tracing::info!("{name}: stopping within {} s", GRACE.as_secs());
}
