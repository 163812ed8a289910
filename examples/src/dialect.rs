use std::borrow::Cow;
use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use rpc_core::Dialect;
use rpc_core::blocking::Workers;
use rpc_core::event_loop::{Handler, Message};
use socket_server::{Limits, Server};
use tokio::sync::watch;

use crate::serving::{serve_and_drain, serve_on_a_loop_with, serve_on_tokio_and_drain};
use crate::{Address, Serving, Strategy, explain};

/// Serves one protocol in whatever structure was asked for, until a signal comes; then each conversation ends when
/// it has answered what it was asked. `dialect` makes the conversation with a peer.
///
/// Who is one too many is told nothing: it would be no message of any dialect.
///
/// # Errors
///
/// Whatever keeps it from listening or serving.
pub fn serve_dialect<D: Dialect>(
    listen: &Address,
    serving: &Serving,
    dialect: impl Fn(String) -> D + Send + Sync + 'static,
) -> Result<(), Box<dyn Error>> {
    let place = serving.place(listen)?;
    let server = || -> std::io::Result<Server> {
        let limits = Limits {
            refusal: Cow::Borrowed(b""),
            ..serving.limits(listen)
        };
        Ok(serving.server(&place)?.limits(limits))
    };
    match serving.strategy() {
        Strategy::Loop => {
            let options = event_loop::Options {
                refusal: Bytes::new(),
                ..serving.options()
            };
            serve_on_a_loop_with::<Message, _>(place, options, move |peer| {
                Handler::new(dialect(peer.to_string()))
                    .on_failure(move |why| tracing::warn!("{peer}: {}", explain(why)))
            })
        }
        Strategy::Tokio => {
            let (stop, stopping) = watch::channel(false);
            let dialect = Arc::new(dialect);
            let server = server()?;
            let serve = move |connection: socket_server::tokio::Connection| {
                let dialect = dialect(connection.peer().to_string());
                let mut stopping = stopping.clone();
                async move {
                    let stopping = async move {
                        // Who stops the server does not go away before it.
                        let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
                    };
                    let served = rpc_core::tokio::serve_until(&connection, dialect, stopping).await;
                    Ok(served.map_err(|error| explain(&error))?)
                }
            };
            serve_on_tokio_and_drain(place, server, serve, || {
                stop.send_replace(true);
            })
        }
        _ => {
            let workers = Workers::default();
            let serving = workers.clone();
            let server = server()?;
            let serve = move |connection: &mut socket_server::Connection| {
                let dialect = dialect(connection.peer().to_string());
                let served = serving.serve(&*connection, dialect);
                Ok(served.map_err(|error| explain(&error))?)
            };
            serve_and_drain(place, server, serve, || workers.drain())
        }
    }
}
