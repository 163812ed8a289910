//! Processes as workers: `Strategy::Processes` and `Strategy::Prefork`.

use std::io;
use std::sync::Arc;

use crate::Strategy;
use crate::acceptor::Listener;
use crate::running::Engine;
use crate::service::{Handler, Service};

/// Starts serving in processes; `strategy` is one of the two.
pub(crate) fn serve(
    _strategy: Strategy,
    _listener: Arc<Listener>,
    _service: Arc<Service>,
    _handler: &Handler,
) -> io::Result<Arc<dyn Engine>> {
    Err(io::ErrorKind::Unsupported.into())
}
