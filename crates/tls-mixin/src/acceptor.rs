use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use rustls::{ServerConfig, ServerConnection};

use crate::error::Error;
use crate::handshake::Permit;
use crate::options::ServerOptions;
use crate::reload::{Current, Generation};
use crate::shake::{Wait, is_gone, shake_hands, wait};
use crate::stream::TlsStream;

/// The server's side: makes TLS streams of what clients have connected.
///
/// Cloning it costs nothing. The clones are one: they count handshakes together, and are reloaded together.
#[derive(Clone, Debug)]
pub struct Acceptor {
    current: Arc<Current>,
    pending: Arc<AtomicUsize>,
}

impl Acceptor {
    /// Looks at all that is in the options, so that mistakes show here.
    ///
    /// Checked are, for each identity, that it is X.509, that all its certificates are valid now, that each
    /// was issued by the next, and that the key belongs to the first.
    ///
    /// # Errors
    ///
    /// [`Error::Unusable`] for a certificate or key, [`Error::InvalidName`], [`Error::DuplicateName`],
    /// [`Error::InvalidProtocol`]; [`Error::Options`] for what the provider does not have.
    pub fn new(options: ServerOptions) -> Result<Self, Error> {
        Ok(Self {
            current: Arc::new(Current::new(Generation::new(options)?)),
            pending: Arc::default(),
        })
    }

    /// Does the server's side of a handshake, in the thread that calls.
    ///
    /// It belongs into the thread of the connection, not into the accept loop. It waits for the
    /// descriptor with `poll`, so the stream may block or not, and its timeouts stay what they are. The
    /// descriptor must tell when there is something to read: where a stream reads ahead (TLS inside TLS),
    /// take [`accept_any`](Self::accept_any). The first 4 KiB are written without waiting, since a new socket
    /// has room for them: one that is full of what was said before TLS can hold up a blocking stream.
    ///
    /// The client has been told an alert, and no more, when this returns an error.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyHandshakes`] before anything is read; [`Error::TimedOut`]; [`Error::Handshake`] for
    /// a client that is wrong or not to be trusted, [`Error::Refused`] for one that does not trust this
    /// side, [`Error::CutOff`] for one that goes away; [`Error::Io`].
    pub fn accept<S: Read + Write + AsFd>(&self, stream: S) -> Result<TlsStream<S>, Error> {
        self.shake_hands(stream, Some(wait))
    }

    /// The same for a stream without descriptor, or one that reads ahead.
    ///
    /// The deadline is looked at before each read and write; how long one of those may take is up to the
    /// stream, which must block.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub fn accept_any<S: Read + Write>(&self, stream: S) -> Result<TlsStream<S>, Error> {
        self.shake_hands(stream, None)
    }

    /// Makes a handler for connections out of one for TLS streams: it [accepts](Self::accept), calls
    /// `handler`, and [finishes](TlsStream::finish) when that was without error.
    ///
    /// It fits any server whose handlers are functions of a connection that is `Read + Write` by reference:
    ///
    /// ```no_run
    /// use std::io::Write;
    ///
    /// use socket_server::{Connection, Server};
    /// use tls_mixin::{Acceptor, Identity, ServerOptions, TlsStream};
    ///
    /// # #[cfg(not(feature = "ring"))]
    /// # fn main() {}
    /// # #[cfg(feature = "ring")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let identity = Identity::from_pem_files("server_cert.pem", "server_key.pem")?;
    /// let acceptor = Acceptor::new(ServerOptions::new(identity))?;
    /// let greet = acceptor.mixin(|stream: &mut TlsStream<&Connection>| {
    ///     stream.write_all(b"hello")?;
    ///     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    /// });
    /// let running = Server::tcp("127.0.0.1:17899").serve(greet)?;
    /// # running.shutdown(std::time::Duration::ZERO);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// That the peer is gone when it is told the end is no error. To have the handshake counted and timed by
    /// the server as well, do it in the handler instead:
    /// `connection.handshake(|connection| acceptor.accept(connection))`.
    pub fn mixin<C, E, H>(&self, handler: H) -> impl Fn(&mut C) -> Result<(), E> + use<C, E, H>
    where
        H: Fn(&mut TlsStream<&C>) -> Result<(), E>,
        for<'a> &'a C: Read + Write + AsFd,
        E: From<Error>,
    {
        let acceptor = self.clone();
        move |connection| {
            let mut stream = acceptor.accept(&*connection)?;
            handler(&mut stream)?;
            match stream.finish() {
                Err(error) if !is_gone(&error) => Err(Error::Io(error).into()),
                Ok(()) | Err(_) => Ok(()),
            }
        }
    }

    /// Takes other options, for the handshakes that begin from now on.
    ///
    /// They are checked as in [`new`](Self::new) before anything changes, and then hold all at once.
    /// Tickets that were given before are void. Connections go on, until
    /// [`retire_after`](ServerOptions::retire_after) of the new options.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new). Then everything is as it was.
    pub fn replace(&self, options: ServerOptions) -> Result<(), Error> {
        self.current.replace(options)
    }

    /// Reads all files of the options again, and takes what is in them as [`replace`](Self::replace) does.
    /// What came from memory stays.
    ///
    /// # Errors
    ///
    /// [`Error::File`], and as [`new`](Self::new). Then everything is as it was.
    pub fn reload(&self) -> Result<(), Error> {
        self.current.reload()
    }

    /// What a driver needs for a handshake.
    pub(crate) fn begin(&self) -> Result<(Arc<ServerConfig>, Permit), Error> {
        self.current.keep_fresh();
        let generation = self.current.get();
        let config = Arc::clone(&generation.config);
        Ok((config, Permit::of_server(generation, &self.pending)?))
    }

    fn shake_hands<S: Read + Write>(
        &self,
        stream: S,
        wait: Option<Wait<S>>,
    ) -> Result<TlsStream<S>, Error> {
        let (config, permit) = self.begin()?;
        let connection = ServerConnection::new(config).map_err(Error::Options)?;
        shake_hands(stream, wait, connection.into(), permit)
    }
}
