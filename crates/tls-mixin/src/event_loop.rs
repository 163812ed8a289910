//! TLS on an event loop (feature `event-loop`): a handler inside a handler.
//!
//! [`server`] and [`client`] make a [`TlsHandler`], which does the handshake on the loop, in the
//! connection's own turns, and only then makes the handler inside. That one is like any other on the loop:
//! it receives what was deciphered, and what it puts into its [`Outgoing`] is encrypted.
//!
//! ```
//! use event_loop::{Context, EventLoop, Options, Outgoing};
//! use tls_mixin::{Acceptor, Session};
//! # fn main() {}
//!
//! fn serve(acceptor: Acceptor, listener: std::net::TcpListener) -> std::io::Result<()> {
//!     let mut event_loop: EventLoop = EventLoop::new()?;
//!     event_loop.listen(listener, Options::default(), move |peer| {
//!         tls_mixin::event_loop::server(&acceptor, move |session: &Session| {
//!             println!("{peer} speaks {}", session.version());
//!             |bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| out.write(bytes)
//!         })
//!         .on_failure(move |why, _| println!("{peer}: {why}"))
//!     })?;
//!     event_loop.run()?;
//!     Ok(())
//! }
//! ```
//!
//! # What the handler inside sees
//!
//! | on the wire | the handler inside |
//! |---|---|
//! | handshake done | made; `opened`; the messages that came meanwhile; `stopping` if the loop stops by then |
//! | records | `received`, once for each (16 KiB at most) |
//! | the peer's close_notify | `peer_finished` |
//! | the end of the connection without it | `closed` with [`Closed::Failed`], [`Error::CutOff`] inside |
//! | a broken record, the peer's alert | `closed` with [`Closed::Failed`], the [`Error`] inside; the peer gets an alert first |
//! | close_notify, then a half-close | [`Outgoing::end`] |
//! | close_notify, then a close | [`Outgoing::close`], or `end` when the peer has ended too |
//!
//! Timers, messages, [`stopping`](StreamHandler::stopping) and everything that a [`Context`] can do are as
//! without TLS, but that bytes of the read during which a handler asks to
//! [pause](Context::pause_reading) still come: 64 KiB at most.
//!
//! # The handshake
//!
//! While it goes on, the connection is [`handshaking`](StreamHandler::handshaking) for the loop. It ends
//! with [`Closed::Handshake`] when the loop's own
//! [`handshake_timeout`](event_loop::Options::handshake_timeout) is over or that of the
//! [`ServerOptions`](crate::ServerOptions), whichever is first. When it fails there is no handler inside
//! yet: [`on_failure`](TlsHandler::on_failure) is told, and the loop's
//! [`Stats`](event_loop::Stats) count it. A loop that stops lets it go on, as long as the grace lasts. At
//! most 256 messages wait for the end of a handshake; one more ends it.
//!
//! The handshake's arithmetic takes most of a millisecond of the loop's time, so many newcomers at a time
//! delay the others. [`max_handshakes`](crate::ServerOptions::max_handshakes) bounds how many are under way.
//!
//! # Back-pressure
//!
//! The queue of the handler inside has the bounds of the connection's own, and both together hold what one
//! may. Bytes stay in the queue inside, not encrypted, while the other is above its high-water mark.
//! [`writable`](StreamHandler::writable) is called when all of them have found room below it.
//!
//! # Cost
//!
//! Bytes that arrive are copied once and deciphered in place; those that go out are copied while they are
//! encrypted, and once more into the connection's queue.
//!
//! A connection that waits holds 8 KiB, half of it a buffer that rustls keeps for the next record; without
//! TLS it is 0.4 KiB.

mod open;

use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;

use event_loop::{Closed, Context, Outgoing, StreamHandler, TimerKey};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConnection};
use rustls_pki_types::ServerName;

use crate::acceptor::Acceptor;
use crate::connector::Connector;
use crate::error::Error;
use crate::handshake::Permit;
use crate::plaintext::FirstBytes;
use crate::session::Session;

use self::open::{Open, send, take};

/// Makes the handler of a connection whose peer is a client: after the handshake, `make` makes the handler
/// inside.
#[must_use]
pub fn server<M, H, F>(acceptor: &Acceptor, make: F) -> TlsHandler<M, H, F>
where
    H: StreamHandler<M>,
    F: FnOnce(&Session) -> H,
{
    TlsHandler::new(Side::Server(acceptor.clone()), make)
}

/// Makes the handler of a connection whose peer is a server that must prove to be `name`, a DNS name or an
/// IP address: after the handshake, `make` makes the handler inside.
///
/// # Errors
///
/// [`Error::InvalidName`].
pub fn client<M, H, F>(
    connector: &Connector,
    name: &str,
    make: F,
) -> Result<TlsHandler<M, H, F>, Error>
where
    H: StreamHandler<M>,
    F: FnOnce(&Session) -> H,
{
    let (config, name, permit) = connector.begin(name)?;
    let beginning = Box::new((config, name, permit));
    Ok(TlsHandler::new(Side::Client(beginning), make))
}

/// Speaks TLS for the handler inside; see the [module](self).
pub struct TlsHandler<M, H, F> {
    stage: Stage<M, H, F>,
    on_failure: Option<OnFailure<M>>,
}

type OnFailure<M> = Box<dyn FnOnce(&Closed, &mut Context<'_, M>)>;

/// ```text
/// Waiting ─► Handshaking ─► Open
///    └────────────┴──────────┴──► Over
/// ```
enum Stage<M, H, F> {
    /// The connection is not there yet.
    Waiting(Side, F),
    Handshaking(Handshake<M, F>),
    Open(Open<H>),
    /// Nobody is to be told anything.
    Over,
}

enum Side {
    Server(Acceptor),
    Client(Box<(Arc<ClientConfig>, ServerName<'static>, Permit)>),
}

struct Handshake<M, F> {
    connection: Connection,
    permit: Permit,
    timer: TimerKey,
    make: F,
    /// Messages for the handler that is not there yet.
    held: Vec<M>,
    /// So is the news that the loop stops.
    is_stopping: bool,
    first: FirstBytes,
}

impl<M, H, F> TlsHandler<M, H, F> {
    fn new(side: Side, make: F) -> Self {
        Self {
            stage: Stage::Waiting(side, make),
            on_failure: None,
        }
    }

    /// Has `tell` called when the connection ends before the handshake is done, in place of the `closed` of
    /// a handler that was never made. In [`Closed::Failed`], an [`Error`] is inside.
    #[must_use]
    pub fn on_failure(mut self, tell: impl FnOnce(&Closed, &mut Context<'_, M>) + 'static) -> Self {
        self.on_failure = Some(Box::new(tell));
        self
    }
}

impl<M, H, F> StreamHandler<M> for TlsHandler<M, H, F>
where
    M: 'static,
    H: StreamHandler<M>,
    F: FnOnce(&Session) -> H,
{
    fn opened(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        let Stage::Waiting(side, make) = mem::replace(&mut self.stage, Stage::Over) else {
            return;
        };
        match side.begin() {
            Ok((mut connection, permit)) => {
                send(&mut connection, out);
                self.stage = Stage::Handshaking(Handshake {
                    connection,
                    // Until the handshake is done, no other timer runs.
                    timer: cx.set_timer(permit.timeout(), 0),
                    permit,
                    make,
                    held: Vec::new(),
                    is_stopping: false,
                    first: FirstBytes::default(),
                });
            }
            Err(error) => out.close_because(Closed::Failed(error.into())),
        }
    }

    fn received(&mut self, mut bytes: &[u8], out: &mut Outgoing, cx: &mut Context<'_, M>) {
        while let Stage::Handshaking(handshake) = &mut self.stage {
            if bytes.is_empty() || out.is_closing() {
                return;
            }
            if handshake.receive(&mut bytes, out) {
                self.finish_handshake(out, cx);
            }
        }
        self.with_open(out, cx, |open, out, cx| open.receive(bytes, out, cx));
    }

    fn peer_finished(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        match &mut self.stage {
            Stage::Open(open) if open.peer_has_finished || open.inner.is_closing() => {}
            Stage::Open(open) => open.fail(Error::CutOff, out),
            _ => out.close_because(Closed::Failed(Error::CutOff.into())),
        }
        let _ = cx;
    }

    fn writable(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        // It is the handler's turn once what it has sent is on its way.
        self.with_open(out, cx, |_, _, _| {});
        self.with_open(out, cx, |open, out, cx| {
            if open.is_choked && open.inner.is_empty() && !out.is_above_high_water() {
                open.is_choked = false;
                open.call(out, cx, |handler, inner, cx| handler.writable(inner, cx));
            }
        });
    }

    fn timer(&mut self, token: u64, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if let Stage::Handshaking(_) = self.stage {
            return out.close_because(Closed::Handshake);
        }
        self.with_open(out, cx, |open, out, cx| {
            open.call(out, cx, |handler, inner, cx| {
                handler.timer(token, inner, cx);
            });
        });
    }

    fn message(&mut self, message: M, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if let Stage::Handshaking(handshake) = &mut self.stage {
            return handshake.hold(message, out);
        }
        self.with_open(out, cx, |open, out, cx| {
            open.call(out, cx, |handler, inner, cx| {
                handler.message(message, inner, cx);
            });
        });
    }

    fn stopping(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if let Stage::Handshaking(handshake) = &mut self.stage {
            // The peer may have said something already that the handler would answer.
            handshake.is_stopping = true;
            return;
        }
        self.with_open(out, cx, |open, out, cx| {
            open.call(out, cx, |handler, inner, cx| handler.stopping(inner, cx));
        });
    }

    fn closing(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        if let Stage::Handshaking(handshake) = &mut self.stage {
            return handshake.close(out);
        }
        self.with_open(out, cx, |open, out, cx| {
            open.call(out, cx, |handler, inner, cx| handler.closing(inner, cx));
        });
    }

    fn handshaking(&self) -> bool {
        match &self.stage {
            Stage::Waiting(..) | Stage::Handshaking(_) => true,
            Stage::Open(open) => open.handler.handshaking(),
            Stage::Over => false,
        }
    }

    fn closed(&mut self, why: &Closed, cx: &mut Context<'_, M>) {
        match mem::replace(&mut self.stage, Stage::Over) {
            Stage::Open(mut open) => open.handler.closed(why, cx),
            _ => {
                if let Some(tell) = self.on_failure.take() {
                    tell(why, cx);
                }
            }
        }
    }
}

impl<M, H, F> TlsHandler<M, H, F>
where
    M: 'static,
    H: StreamHandler<M>,
    F: FnOnce(&Session) -> H,
{
    /// The handler inside is made, and gets what waits for it.
    fn finish_handshake(&mut self, out: &mut Outgoing, cx: &mut Context<'_, M>) {
        let Stage::Handshaking(handshake) = mem::replace(&mut self.stage, Stage::Over) else {
            return;
        };
        let Handshake {
            connection,
            permit,
            timer,
            make,
            held,
            is_stopping,
            ..
        } = handshake;
        cx.cancel_timer(timer);
        let done = match &connection {
            Connection::Server(connection) => permit.accepted(connection),
            Connection::Client(connection) => permit.connected(connection),
        };
        let (session, lifetime) = match done {
            Ok(done) => done,
            Err(error) => return out.close_because(Closed::Failed(error.into())),
        };
        self.on_failure = None;
        self.stage = Stage::Open(Open::new(connection, lifetime, make(&session)));
        self.with_open(out, cx, |open, out, cx| {
            open.call(out, cx, |handler, inner, cx| handler.opened(inner, cx));
            for message in held {
                open.call(out, cx, |handler, inner, cx| {
                    handler.message(message, inner, cx);
                });
            }
            if is_stopping {
                open.call(out, cx, |handler, inner, cx| handler.stopping(inner, cx));
            }
            open.deliver(out, cx);
        });
    }

    /// Does something with the handler inside, and sends what it says.
    fn with_open(
        &mut self,
        out: &mut Outgoing,
        cx: &mut Context<'_, M>,
        act: impl FnOnce(&mut Open<H>, &mut Outgoing, &mut Context<'_, M>),
    ) {
        let Stage::Open(open) = &mut self.stage else {
            return;
        };
        if let Err(error) = open.lifetime.check()
            && !out.is_closing()
        {
            open.connection.send_close_notify();
            return open.fail(error, out);
        }
        open.prepare();
        act(open, out, cx);
        open.carry(out);
    }
}

impl Side {
    fn begin(self) -> Result<(Connection, Permit), Error> {
        match self {
            Self::Server(acceptor) => {
                let (config, permit) = acceptor.begin()?;
                let connection = ServerConnection::new(config).map_err(Error::Options)?;
                Ok((connection.into(), permit))
            }
            Self::Client(beginning) => {
                let (config, name, permit) = *beginning;
                let connection = ClientConnection::new(config, name).map_err(Error::Options)?;
                Ok((connection.into(), permit))
            }
        }
    }
}

impl<M, F> Handshake<M, F> {
    /// Takes some of the bytes; says whether the handshake is done.
    fn receive(&mut self, bytes: &mut &[u8], out: &mut Outgoing) -> bool {
        self.first.add(bytes);
        let taken = take(&mut self.connection, bytes);
        send(&mut self.connection, out);
        match taken {
            Ok(_) => !self.connection.is_handshaking(),
            Err(error) => {
                let error = Error::of_handshake(error, self.first.get());
                out.close_because(Closed::Failed(error.into()));
                false
            }
        }
    }

    fn hold(&mut self, message: M, out: &mut Outgoing) {
        if self.held.len() < MAX_HELD {
            return self.held.push(message);
        }
        let why = format!("{MAX_HELD} messages came before the TLS handshake was done");
        out.close_because(Closed::Failed(io::Error::other(why)));
    }

    fn close(&mut self, out: &mut Outgoing) {
        self.connection.send_close_notify();
        send(&mut self.connection, out);
        out.close();
    }
}

impl<M, H, F> fmt::Debug for TlsHandler<M, H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Waiting(..) => "Waiting",
            Stage::Handshaking(_) => "Handshaking",
            Stage::Open(_) => "Open",
            Stage::Over => "Over",
        };
        f.debug_struct("TlsHandler")
            .field("stage", &stage)
            .finish_non_exhaustive()
    }
}

const MAX_HELD: usize = 256;
