//! A server that echoes, under each driver of the crate.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use socket_server::{Connection, Server};
use tls_mixin::{Acceptor, Error, ServerOptions, Session, TlsStream};

use super::DEADLINE;

/// What serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// A thread for each connection, which calls `accept`.
    Threads,
    /// A handler of `socket-server`, in a `mixin`.
    Mixin,
    /// The event loop.
    #[cfg(feature = "event-loop")]
    Loop,
    /// Tasks on tokio.
    #[cfg(feature = "tokio")]
    Tokio,
}

/// Runs a test under every driver, each on a thread named after it.
pub(crate) fn at_once(test: impl Fn(Driver) + Sync) {
    let drivers = [
        Driver::Threads,
        Driver::Mixin,
        #[cfg(feature = "event-loop")]
        Driver::Loop,
        #[cfg(feature = "tokio")]
        Driver::Tokio,
    ];
    thread::scope(|scope| {
        for driver in drivers {
            let test = &test;
            thread::Builder::new()
                .name(format!("{driver:?}"))
                .spawn_scoped(scope, move || test(driver))
                .expect("room for a few threads");
        }
    });
}

/// A server that echoes what each client says, up to its end.
pub(crate) struct Echo {
    pub(crate) port: u16,
    outcomes: Receiver<Result<Served, Error>>,
}

/// What came of a client with whom the handshake was done.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) session: Session,
    /// How many bytes of its came.
    pub(crate) heard: usize,
    pub(crate) end: io::Result<()>,
}

type Tell = Sender<Result<Served, Error>>;

impl Echo {
    pub(crate) fn start(options: ServerOptions) -> Self {
        Self::under(Driver::Threads, options)
    }

    pub(crate) fn under(driver: Driver, options: ServerOptions) -> Self {
        #[cfg(feature = "event-loop")]
        let timeout = options.handshake_timeout;
        let acceptor = Acceptor::new(options).expect("the options are right");
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let (tell, outcomes) = mpsc::channel();
        match driver {
            Driver::Threads => on_threads(listener, acceptor, tell, usize::MAX),
            Driver::Mixin => in_a_mixin(listener, &acceptor, tell),
            #[cfg(feature = "event-loop")]
            Driver::Loop => on_a_loop::serve(listener, acceptor, tell, timeout),
            #[cfg(feature = "tokio")]
            Driver::Tokio => on_tokio::serve(listener, acceptor, tell),
        }
        Self { port, outcomes }
    }

    /// A server that hangs up after so many bytes, without saying that this is the end.
    pub(crate) fn that_hangs_up_after(bytes: usize, options: ServerOptions) -> Self {
        let acceptor = Acceptor::new(options).expect("the options are right");
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let (tell, outcomes) = mpsc::channel();
        on_threads(listener, acceptor, tell, bytes);
        Self { port, outcomes }
    }

    /// Connects without TLS.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
        stream
    }

    /// What came of the next client that it was done with.
    pub(crate) fn outcome(&self) -> Result<Served, Error> {
        self.outcomes
            .recv_timeout(DEADLINE)
            .expect("the server is done with a client")
    }

    /// The next client got a session, and ended it in order.
    pub(crate) fn served(&self) -> Served {
        let served = self.outcome().expect("the handshake is done");
        match &served.end {
            Ok(()) => served,
            Err(error) => panic!("it did not end well: {error}"),
        }
    }

    /// The next client was not let in: its handler was never called.
    pub(crate) fn refusal(&self) -> Error {
        match self.outcome() {
            Err(error) => error,
            Ok(served) => panic!("it was let in: {served:?}"),
        }
    }
}

fn on_threads(listener: TcpListener, acceptor: Acceptor, tell: Tell, limit: usize) {
    let serve = move |stream: TcpStream, tell: Tell| {
        stream.set_nodelay(true).expect("a TCP socket");
        let outcome = acceptor
            .accept(stream)
            .map(|mut stream| echo(&mut stream, limit));
        // The test may be over.
        let _ = tell.send(outcome);
    };
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("it came from the queue");
            let (serve, tell) = (serve.clone(), tell.clone());
            thread::spawn(move || serve(stream, tell));
        }
    });
}

/// Echoes until the end or until so many bytes have come; then says goodbye if it was the end.
fn echo<S: Read + Write>(stream: &mut TlsStream<S>, limit: usize) -> Served {
    let mut heard = 0;
    let mut buffer = vec![0; 65536];
    let end = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break stream.finish(),
            Ok(count) => {
                heard += count;
                let echoed = stream.write_all(&buffer[..count]);
                if echoed.is_err() || heard >= limit {
                    break echoed;
                }
            }
            Err(error) => break Err(error),
        }
    };
    let session = stream.session().clone();
    Served {
        session,
        heard,
        end,
    }
}

fn in_a_mixin(listener: TcpListener, acceptor: &Acceptor, tell: Tell) {
    let told = tell.clone();
    let handler = acceptor.mixin(move |stream: &mut TlsStream<&Connection>| {
        let _ = told.send(Ok(echo(stream, usize::MAX)));
        Ok::<_, Error>(())
    });
    let running = Server::adopt(listener).serve(move |connection| {
        if let Err(error) = handler(connection) {
            let _ = tell.send(Err(error));
        }
        Ok(())
    });
    let running = running.expect("the listener is good");
    // As long as the test.
    thread::spawn(move || running.wait());
}

#[cfg(feature = "event-loop")]
mod on_a_loop {
    use std::time::Duration;

    use event_loop::{Closed, Context, EventLoop, Options, Outgoing, StreamHandler};

    use super::*;

    struct Handler {
        session: Session,
        heard: usize,
        tell: Tell,
    }

    impl StreamHandler<()> for Handler {
        fn received(&mut self, bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_, ()>) {
            self.heard += bytes.len();
            out.write(bytes);
        }

        fn closed(&mut self, why: &Closed, _: &mut Context<'_, ()>) {
            let served = Served {
                session: self.session.clone(),
                heard: self.heard,
                end: match why {
                    Closed::Finished => Ok(()),
                    why => Err(error_of(why).into()),
                },
            };
            let _ = self.tell.send(Ok(served));
        }
    }

    pub(super) fn serve(listener: TcpListener, acceptor: Acceptor, tell: Tell, after: Duration) {
        thread::spawn(move || {
            let mut event_loop = EventLoop::<()>::new().expect("a loop");
            let accept = move |_| {
                let (tell, refused) = (tell.clone(), tell.clone());
                let make = move |session: &Session| Handler {
                    session: session.clone(),
                    heard: 0,
                    tell,
                };
                tls_mixin::event_loop::server(&acceptor, make).on_failure(move |why, _| {
                    let error = match why {
                        // The loop's own word for it.
                        Closed::Handshake => Error::TimedOut { after },
                        why => error_of(why),
                    };
                    let _ = refused.send(Err(error));
                })
            };
            event_loop
                .listen(listener, Options::default(), accept)
                .expect("the listener is good");
            event_loop.run().expect("it runs as long as the test");
        });
    }

    /// The error inside, which is only lent.
    fn error_of(why: &Closed) -> Error {
        let Closed::Failed(outer) = why else {
            return Error::Io(io::Error::other(why.to_string()));
        };
        let inner = outer.get_ref().and_then(|inner| inner.downcast_ref());
        match inner {
            Some(Error::Refused { alert }) => Error::Refused { alert: *alert },
            Some(Error::Handshake { error, plaintext }) => Error::Handshake {
                error: error.clone(),
                plaintext: *plaintext,
            },
            Some(Error::TimedOut { after }) => Error::TimedOut { after: *after },
            Some(Error::TooManyHandshakes { pending, limit }) => Error::TooManyHandshakes {
                pending: *pending,
                limit: *limit,
            },
            Some(Error::CutOff) => Error::CutOff,
            _ => Error::Io(io::Error::new(outer.kind(), outer.to_string())),
        }
    }
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::runtime::Builder;

    use super::*;

    pub(super) fn serve(listener: TcpListener, acceptor: Acceptor, tell: Tell) {
        listener.set_nonblocking(true).expect("a socket");
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        thread::spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                loop {
                    let (stream, _) = listener.accept().await.expect("it came from the queue");
                    let (acceptor, tell) = (acceptor.clone(), tell.clone());
                    tokio::spawn(async move {
                        let accepted = tls_mixin::tokio::accept(&acceptor, stream).await;
                        let outcome = match accepted {
                            Ok(stream) => Ok(echo(stream).await),
                            Err(error) => Err(error),
                        };
                        let _ = tell.send(outcome);
                    });
                }
            });
        });
    }

    async fn echo(mut stream: tls_mixin::tokio::TlsStream<tokio::net::TcpStream>) -> Served {
        let mut heard = 0;
        let mut buffer = vec![0; 65536];
        let end = loop {
            match stream.read(&mut buffer).await {
                Ok(0) => break stream.shutdown().await,
                Ok(count) => {
                    heard += count;
                    let echoed = async {
                        stream.write_all(&buffer[..count]).await?;
                        stream.flush().await
                    };
                    if let Err(error) = echoed.await {
                        break Err(error);
                    }
                }
                Err(error) => break Err(error),
            }
        };
        let session = stream.session().clone();
        Served {
            session,
            heard,
            end,
        }
    }
}
