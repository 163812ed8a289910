use std::io;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};
use rustix::io::Errno;

/// Runs `send` so that writing to a socket whose peer has gone is an error and nothing more: `sendfile` has
/// no flag against the signal that comes with it.
///
/// The signal comes to the thread that writes. It is blocked there meanwhile, and taken off.
pub(crate) fn without_pipe_signal<T>(
    send: impl FnOnce() -> Result<T, Errno>,
) -> io::Result<Result<T, Errno>> {
    let mut pipe = SigSet::empty();
    pipe.add(Signal::SIGPIPE);
    let before = pipe.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let sent = send();
    // Where it was blocked before, one that comes stays for whoever wants it.
    if matches!(sent, Err(Errno::PIPE)) && !before.contains(Signal::SIGPIPE) {
        // Signals of one kind do not queue up: this one makes sure that there is one to be waited for.
        raise(Signal::SIGPIPE)?;
        pipe.wait()?;
    }
    before.thread_set_mask()?;
    Ok(sent)
}
