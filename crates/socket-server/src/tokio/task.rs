use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use ::tokio::io::{AsyncRead as _, ReadBuf};

use super::Connection;
use crate::gate::Permit;
use crate::proxy::{HeaderReader, Route};
use crate::service::message;
use crate::{Failure, HandlerResult, Refused};

/// Runs the handler on a connection and sees it to its end. A panic does not leave here.
///
/// What is handed over by value would have its place in the task twice: here and in what is called.
pub(super) async fn serve<F: Future<Output = HandlerResult>>(
    mut connection: Connection,
    mut permit: Permit,
    handler: Arc<impl Fn(Connection) -> F>,
) {
    let result = {
        let mut conversation = pin!(async {
            welcome(&mut connection, &mut permit).await?;
            let result = handler(connection.share()).await;
            result.map_err(Failure::Handler)
        });
        poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| conversation.as_mut().poll(cx)));
            polled.unwrap_or_else(|panic| Poll::Ready(Err(Failure::Panicked(message(&*panic)))))
        })
        .await
    };
    let failure = match connection.why_cut() {
        Some(cut) => Some(cut.into()),
        None => result.err(),
    };
    connection.close().await;
    let (service, peer) = (Arc::clone(connection.service()), connection.peer().clone());
    drop(connection);
    permit.end(service.report(&peer, failure.as_ref()));
}

/// What comes before the handler: the header of a proxy, and whether the peer is wanted.
async fn welcome(connection: &mut Connection, permit: &mut Permit) -> Result<(), Failure> {
    let service = Arc::clone(connection.service());
    if service.hooks.is_proxied(connection.peer()) {
        let header = connection.handshake(read_header(connection)).await;
        let peer = match header.map_err(Failure::Proxy)? {
            Some(client) => connection.peer().behind_proxy(client),
            None => connection.peer().clone(),
        };
        if let Err(refused) = permit.move_to(peer.network()) {
            connection.refuse();
            return Err(Failure::Refused(refused));
        }
        connection.set_peer(peer);
    }
    if service.hooks.is_wanted(connection.peer()) {
        Ok(())
    } else {
        Err(Failure::Refused(Refused::NotVerified))
    }
}

async fn read_header(mut connection: &Connection) -> io::Result<Route> {
    let mut reader = HeaderReader::default();
    loop {
        let mut buffer = vec![0; reader.missing()];
        let mut space = ReadBuf::new(&mut buffer);
        poll_fn(|cx| Pin::new(&mut connection).poll_read(cx, &mut space)).await?;
        if let Some(route) = reader.receive(space.filled())? {
            return Ok(route);
        }
    }
}
