//! Two ends of a native connection under tokio.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::sync::Arc;
use std::time::Duration;

use rpc_core::tokio::{connect_with, serve};
use rpc_core::{Client, Codec, Error, Options, Registry, native};
use tokio::io::{AsyncRead, AsyncWrite, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// For what must happen, and would hang a test if it did not. With the clock paused it takes no time.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) fn options() -> Options {
    Options::new(Codec::Postcard)
}

pub(crate) fn peer(registry: Registry) -> native::Peer {
    native::Peer::new(Arc::new(registry), options())
}

/// A client of a server that has these functions, over a pipe of 64 KiB.
pub(crate) async fn client_of(registry: Registry) -> (Client, JoinHandle<Result<(), Error>>) {
    let (near, far) = duplex(64 << 10);
    let serving = tokio::spawn(serve(far, peer(registry)));
    (client_over(near).await, serving)
}

pub(crate) async fn client_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Client {
    connect_with(stream, peer(Registry::new()))
        .await
        .expect("the ends suit each other")
}

pub(crate) fn adder() -> Registry {
    let mut registry = Registry::new();
    registry.register("add", ["x", "y"], |x: i64, y: i64| x + y);
    registry
}

/// Tells when it is dropped.
pub(crate) struct Alarm(mpsc::UnboundedSender<&'static str>, &'static str);

impl Alarm {
    pub(crate) fn new(to: &mpsc::UnboundedSender<&'static str>, name: &'static str) -> Self {
        Self(to.clone(), name)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}
