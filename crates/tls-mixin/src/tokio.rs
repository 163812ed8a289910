//! TLS over tokio's streams (feature `tokio`), by `tokio-rustls`.
//!
//! The same options, limits and errors as with threads; the runtime must have its timers enabled.
//!
//! ```
//! use tls_mixin::{Acceptor, Error};
//! use tokio::io::{AsyncWriteExt, copy, split};
//! use tokio::net::TcpStream;
//! # fn main() {}
//!
//! async fn echo(acceptor: Acceptor, tcp: TcpStream) -> Result<(), Error> {
//!     let stream = tls_mixin::tokio::accept(&acceptor, tcp).await?;
//!     println!("{}", stream.session().version());
//!     let (mut reader, mut writer) = split(stream);
//!     copy(&mut reader, &mut writer).await?;
//!     writer.shutdown().await?; // close_notify: the clean end of this side
//!     Ok(())
//! }
//! ```

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::acceptor::Acceptor;
use crate::connector::Connector;
use crate::error::Error;
use crate::handshake::{Lifetime, MAX_TAKEN, Permit};
use crate::plaintext::FirstBytes;
use crate::session::Session;

/// Does the server's side of a handshake; returns when the client is known.
///
/// A stream that is of use only by reference, such as `&socket_server::tokio::Connection`, is lent for as
/// long as TLS is spoken.
///
/// Not cancel safe: if the future is dropped, so is the stream; the handshake no longer counts.
///
/// # Errors
///
/// Those of [`Acceptor::accept`].
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    acceptor: &Acceptor,
    stream: S,
) -> Result<TlsStream<S>, Error> {
    let (config, permit) = acceptor.begin()?;
    let accepting = TlsAcceptor::from(config).accept(Sniffer::new(stream));
    let stream = shake_hands(&permit, accepting.into_fallible()).await?;
    let (session, lifetime) = permit.accepted(stream.get_ref().1)?;
    Ok(TlsStream::new(stream.into(), session, lifetime))
}

/// Does the client's side of a handshake, with a server that must prove to be `name`: a DNS name or an IP
/// address.
///
/// Not cancel safe: if the future is dropped, so is the stream.
///
/// # Errors
///
/// Those of [`Connector::connect`].
///
/// # Panics
///
/// If the runtime has no timers.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    connector: &Connector,
    name: &str,
    stream: S,
) -> Result<TlsStream<S>, Error> {
    let (config, name, permit) = connector.begin(name)?;
    let connecting = TlsConnector::from(config).connect(name, Sniffer::new(stream));
    let stream = shake_hands(&permit, connecting.into_fallible()).await?;
    let (session, lifetime) = permit.connected(stream.get_ref().1)?;
    Ok(TlsStream::new(stream.into(), session, lifetime))
}

/// A stream inside TLS, on either side.
///
/// A read ends when the peer has said that it will send no more (close_notify), and then only. When the
/// stream below ends without that, the read fails with [`io::ErrorKind::UnexpectedEof`] and
/// [`Error::CutOff`] inside. `shutdown` says so for this side, and shuts the stream below down for writing;
/// reading goes on. A stream that is dropped without it sends nothing, so the peer gets the error.
///
/// Reads and writes are cancel safe: a future of `read` or `write` that is dropped before it is ready has
/// taken nothing. Of what `write` has taken, up to 64 KiB wait here until more is written or `flush` is called.
///
/// # Errors
///
/// Errors of the stream below come as they are. Those of TLS are of kind `InvalidData` or
/// `ConnectionAborted` with an [`Error`] inside; the peer has been sent an alert, and all that comes later
/// fails the same way.
///
/// `tokio::io::split` gives the two directions to two tasks.
#[derive(Debug)]
pub struct TlsStream<S> {
    stream: tokio_rustls::TlsStream<Sniffer<S>>,
    session: Session,
    lifetime: Lifetime,
    /// What ended it; all that comes later is answered with the same.
    failed: Option<rustls::Error>,
    is_finished: bool,
}

impl<S> TlsStream<S> {
    fn new(
        stream: tokio_rustls::TlsStream<Sniffer<S>>,
        session: Session,
        lifetime: Lifetime,
    ) -> Self {
        Self {
            stream,
            session,
            lifetime,
            failed: None,
            is_finished: false,
        }
    }

    /// Returns what was negotiated, and who the peer is.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the stream below. What is read from it or written to it breaks the connection.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.stream.get_ref().0.stream
    }

    fn check(&self) -> Result<(), Error> {
        self.lifetime.check()?;
        self.failed
            .clone()
            .map_or(Ok(()), |error| Err(Error::of_rustls(error)))
    }

    /// Finds the [`Error`] for what `tokio-rustls` says.
    fn explain<T>(&mut self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        outcome.map_err(|error| match error.downcast::<rustls::Error>() {
            Ok(error) => Error::of_rustls(self.failed.insert(error).clone()).into(),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Error::CutOff.into(),
            Err(error) => error,
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check()?;
        let outcome = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.explain(outcome)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check()?;
        if this.is_finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.explain(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check()?;
        let outcome = Pin::new(&mut this.stream).poll_flush(cx);
        this.explain(outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.is_finished = true;
        let outcome = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.explain(outcome)
    }
}

async fn shake_hands<T, S: AsyncRead + Unpin>(
    permit: &Permit,
    work: impl Future<Output = Result<T, (io::Error, Sniffer<S>)>>,
) -> Result<T, Error> {
    match timeout(permit.timeout(), work).await {
        Err(_elapsed) => Err(permit.timed_out()),
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err((error, mut stream))) => {
            stream.drain().await;
            Err(match error.downcast::<rustls::Error>() {
                Ok(error) => Error::of_handshake(error, stream.first.get()),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Error::CutOff,
                Err(error) => Error::Io(error),
            })
        }
    }
}

/// Remembers the first bytes of the peer, which tell what it speaks if that is not TLS.
#[derive(Debug)]
struct Sniffer<S> {
    stream: S,
    first: FirstBytes,
}

impl<S> Sniffer<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            first: FirstBytes::default(),
        }
    }
}

impl<S: AsyncRead + Unpin> Sniffer<S> {
    /// Takes what has come already. Closing a socket with something unread resets it, and the peer may lose
    /// the alert.
    async fn drain(&mut self) {
        let mut taken = 0;
        poll_fn(|cx| {
            loop {
                let mut buffer = [0; 1024];
                let mut buffer = ReadBuf::new(&mut buffer);
                let read = Pin::new(&mut self.stream).poll_read(cx, &mut buffer);
                taken += buffer.filled().len();
                if !matches!(read, Poll::Ready(Ok(())))
                    || buffer.filled().is_empty()
                    || taken >= MAX_TAKEN
                {
                    return Poll::Ready(());
                }
            }
        })
        .await;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sniffer<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let start = buf.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(cx, buf);
        this.first.add(&buf.filled()[start..]);
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sniffer<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
