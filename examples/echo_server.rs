//! Sends back whatever arrives, until the peer has said all it has to say.
//!
//! ```sh
//! cargo run --example echo_server
//! printf 'hello' | nc -N 127.0.0.1 20000
//! ```
//!
//! It does the same in every structure that a server can have: `--strategy` chooses. With a key it serves
//! those who know it:
//!
//! ```sh
//! cargo run --example echo_server -- --authkey peekaboo
//! echo hello | python3 examples/python/hmac_client.py peekaboo 127.0.0.1:18000
//! ```
//!
//! and with a certificate those who speak TLS; `make_certs` makes one to try it out:
//!
//! ```sh
//! cargo run --example make_certs
//! cargo run --example echo_server -- --tls-cert certs/server_cert.pem --tls-key certs/server_key.pem
//! cargo run --example echo_client -- --tls-ca certs/ca_cert.pem hello
//! echo hello | python3 examples/python/tls_client.py certs/ca_cert.pem localhost:17899
//! ```

use std::error::Error;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Poll, ready};

use auth_hmac::blocking::{Untimed, challenge, respond};
use bytes::Bytes;
use clap::Parser;
use event_loop::{Closed, Context, Options, Outgoing, Peer, StreamHandler};
use examples::{
    Address, HANDSHAKE_TIMEOUT, KeyOptions, Logging, Login, Place, Proof, Serving, Strategy,
    TlsServer, TlsServerOptions,
};
use framing::blocking::FrameStream;
use framing::{Decoder, Delimiter, FrameError, Pattern};
use socket_server::{Connection, HandlerResult};
use tls_mixin::Session;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

/// Sends back whatever arrives
#[derive(Parser)]
struct Args {
    /// Where to listen: ADDRESS:PORT (port 0: any free one), unix:PATH or unix:@NAME
    /// [default: 127.0.0.1:20000; with a key 127.0.0.1:18000; with TLS 127.0.0.1:17899]
    #[arg(long, value_name = "ADDR")]
    listen: Option<Address>,
    /// Send back line by line: nothing of a line before all of it is there
    #[arg(long)]
    lines: bool,
    #[command(flatten)]
    tls: TlsServerOptions,
    #[command(flatten)]
    key: KeyOptions,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    logging: Logging,
}

/// How those are served who are let in.
struct Service {
    tls: Option<TlsServer>,
    /// What they have to show first.
    proof: Option<Arc<Proof>>,
    lines: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(args))
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let serving = args.serving;
    let strategy = serving.strategy();
    let service = Arc::new(Service {
        tls: args.tls.load(strategy)?,
        proof: args.key.load("echo")?.map(Arc::new),
        lines: args.lines,
    });
    let default = args.key.default_address(args.tls.is_on());
    let mut listen = args.listen.unwrap_or(default);
    if args.tls.is_on() {
        listen = listen.with_tls();
    }
    let place = serving.place(&listen)?;
    if strategy == Strategy::Loop {
        return serve_on_a_loop(place, serving.options(), service);
    }
    let server = serving.server(&place)?;
    let (tls, access) = (Arc::clone(&service), place.access().clone());
    let server = server.verify(move |peer| {
        if let Some(tls) = &tls.tls {
            tls.look_at_files();
        }
        access.lets_in(peer.ip())
    });
    if strategy == Strategy::Tokio {
        let handler = move |connection| serve_on_tokio(connection, Arc::clone(&service));
        return examples::serve_on_tokio(place, server, handler);
    }
    examples::serve(place, server, move |connection| serve(connection, &service))
}

impl Service {
    /// What a client has to show on this TLS connection.
    fn proof_within(&self, session: &Session) -> Option<Arc<Proof>> {
        let proof = self.proof.as_ref()?;
        Some(Arc::new(proof.within(session)))
    }
}

/// The handler of all strategies that block.
fn serve(mut connection: &Connection, service: &Service) -> HandlerResult {
    let Some(tls) = &service.tls else {
        let proof = service.proof.as_deref();
        return converse(connection, &mut connection, proof, service.lines);
    };
    let acceptor = tls.acceptor()?;
    let mut stream = connection.handshake(|connection| acceptor.accept(connection))?;
    examples::log_session(connection.peer(), stream.session());
    let proof = service.proof_within(stream.session());
    converse(connection, &mut stream, proof.as_deref(), service.lines)?;
    // Who has gone already need not be told.
    let _ = stream.finish();
    Ok(())
}

/// Talks on `stream`: the connection, or TLS on it.
fn converse(
    connection: &Connection,
    stream: &mut (impl Read + Write),
    proof: Option<&Proof>,
    lines: bool,
) -> HandlerResult {
    if let Some(proof) = proof {
        connection.handshake(|_| authenticate(&mut *stream, proof))?;
    }
    if lines {
        return echo_lines(stream);
    }
    let mut buffer = [0; 16 << 10];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count])?,
        }
    }
}

fn authenticate(stream: impl Read + Write, proof: &Proof) -> Result<(), auth_hmac::Error> {
    // The server cuts a handshake that takes too long.
    let mut stream = Untimed(stream);
    match proof {
        Proof::Challenge(key, options) => challenge(&mut stream, key, options),
        Proof::Mutual(key, options) => respond(&mut stream, &key.clone().into(), options).map(drop),
    }
}

fn echo_lines(stream: impl Read + Write) -> HandlerResult {
    let mut lines = FrameStream::new(stream, end_of_line());
    loop {
        match lines.read_bytes() {
            Ok(Some(line)) => {
                lines.send(line)?;
                lines.flush()?;
            }
            Ok(None) => return Ok(()),
            Err(framing::Error::Frame(FrameError::Unterminated { .. })) => {
                let (mut stream, last) = lines.into_parts();
                return Ok(stream.write_all(&last)?);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The handler on tokio.
async fn serve_on_tokio(
    connection: socket_server::tokio::Connection,
    service: Arc<Service>,
) -> HandlerResult {
    if let Some(tls) = &service.tls {
        // In a box: it is larger than all that a client without TLS needs.
        return Box::pin(serve_tls_on_tokio(&connection, tls, &service)).await;
    }
    let proof = service.proof.as_deref();
    converse_on_tokio(&connection, &mut &connection, proof, service.lines).await
}

async fn serve_tls_on_tokio(
    connection: &socket_server::tokio::Connection,
    tls: &TlsServer,
    service: &Service,
) -> HandlerResult {
    let acceptor = tls.acceptor()?;
    let handshake = Box::pin(tls_mixin::tokio::accept(&acceptor, connection));
    let mut stream = connection.handshake(handshake).await?;
    examples::log_session(connection.peer(), stream.session());
    let proof = service.proof_within(stream.session());
    converse_on_tokio(connection, &mut stream, proof.as_deref(), service.lines).await?;
    // Who has gone already need not be told.
    let _ = stream.shutdown().await;
    Ok(())
}

/// Talks on `stream`: the connection, or TLS on it.
async fn converse_on_tokio(
    connection: &socket_server::tokio::Connection,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    proof: Option<&Proof>,
    lines: bool,
) -> HandlerResult {
    if let Some(proof) = proof {
        // In a box, which is gone afterwards: it is larger than all that a silent client needs.
        let login = Box::pin(authenticate_on_tokio(&mut *stream, proof));
        connection.handshake(login).await?;
    }
    if lines {
        return echo_lines_on_tokio(stream).await;
    }
    loop {
        let bytes = read_some(stream).await?;
        if bytes.is_empty() {
            return Ok(());
        }
        stream.write_all(&bytes).await?;
    }
}

async fn authenticate_on_tokio(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    proof: &Proof,
) -> Result<(), auth_hmac::Error> {
    match proof {
        Proof::Challenge(key, options) => {
            auth_hmac::tokio::challenge(&mut stream, key, options).await
        }
        Proof::Mutual(key, options) => {
            let keys = key.clone().into();
            let session = auth_hmac::tokio::respond(&mut stream, &keys, options).await;
            session.map(drop)
        }
    }
}

/// Reads what is there. Thousands may be silent: there is no buffer while nothing is.
async fn read_some(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    poll_fn(|cx| {
        let mut space = [MaybeUninit::uninit(); 16 << 10];
        let mut space = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *stream).poll_read(cx, &mut space))?;
        Poll::Ready(Ok(space.filled().to_vec()))
    })
    .await
}

async fn echo_lines_on_tokio(stream: impl AsyncRead + AsyncWrite + Unpin) -> HandlerResult {
    let mut lines = framing::tokio::FrameStream::new(stream, end_of_line());
    loop {
        match lines.read_bytes().await {
            Ok(Some(line)) => {
                lines.send(line)?;
                lines.flush().await?;
            }
            Ok(None) => return Ok(()),
            Err(framing::Error::Frame(FrameError::Unterminated { .. })) => {
                let (mut stream, last) = lines.into_parts();
                return Ok(stream.write_all(&last).await?);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn serve_on_a_loop(
    place: Place,
    mut options: Options,
    service: Arc<Service>,
) -> Result<(), Box<dyn Error>> {
    if service.proof.is_some() || service.tls.is_some() {
        options.handshake_timeout = HANDSHAKE_TIMEOUT;
    }
    if service.tls.is_some() {
        // A client that waits for TLS does not understand it.
        options.refusal = Bytes::new();
    }
    let lines = service.lines;
    let Some(tls) = &service.tls else {
        return examples::serve_on_a_loop(place, options, move |peer| {
            Conversation::new(peer, Stage::Accepted, service.proof.clone(), lines)
        });
    };
    let acceptor = tls.acceptor()?;
    examples::serve_on_a_loop(place, options, move |peer| {
        let service = Arc::clone(&service);
        let begin = move |session: &Session| {
            examples::log_session(peer, session);
            Conversation::new(peer, Stage::Echoing, service.proof_within(session), lines)
        };
        tls_mixin::event_loop::server(&acceptor, begin)
            .on_failure(move |why, _| tracing::warn!("{peer}: {why}"))
    })
}

// ANCHOR: loop
/// The handler on the event loop.
struct Conversation {
    peer: Peer,
    stage: Stage,
    /// What the peer has to show first.
    proof: Option<Arc<Proof>>,
    lines: Option<Decoder>,
}

enum Stage {
    /// Not a byte has come.
    Accepted,
    Authenticating(Login),
    Echoing,
    /// Not served any more. Whatever still comes is not for us.
    Ended,
}

impl StreamHandler for Conversation {
    fn opened(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
        if let Some(proof) = &self.proof {
            match Login::begin(proof) {
                Ok(mut login) => {
                    login.transmit(out);
                    self.stage = Stage::Authenticating(login);
                }
                Err(error) => self.fail(error, out),
            }
        }
    }

    fn received(&mut self, mut bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>) {
        match &mut self.stage {
            Stage::Accepted => self.stage = Stage::Echoing,
            Stage::Authenticating(login) => {
                let taken = login.receive(bytes);
                bytes = &bytes[taken..];
                login.transmit(out);
                match login.is_proven() {
                    Ok(true) => self.stage = Stage::Echoing,
                    Ok(false) => return,
                    Err(error) => return self.fail(error, out),
                }
            }
            Stage::Echoing => {}
            Stage::Ended => return,
        }
        self.echo(bytes, out);
    }

    fn peer_finished(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
        if let Stage::Authenticating(_) = self.stage {
            return self.fail(io::Error::from(io::ErrorKind::UnexpectedEof), out);
        }
        // A last line without its end.
        if let (Stage::Echoing, Some(lines)) = (&self.stage, self.lines.take()) {
            out.write(&lines.into_unread());
        }
        out.end();
    }

    fn handshaking(&self) -> bool {
        matches!(self.stage, Stage::Accepted | Stage::Authenticating(_))
    }

    /// Who is in a conversation may finish it.
    fn stopping(&mut self, _: &mut Outgoing, _: &mut Context<'_>) {}

    fn closed(&mut self, why: &Closed, _: &mut Context<'_>) {
        if let Closed::Failed(error) = why {
            tracing::warn!("{}: {error}", self.peer);
        }
    }
}

impl Conversation {
    fn new(peer: Peer, stage: Stage, proof: Option<Arc<Proof>>, lines: bool) -> Self {
        Self {
            peer,
            stage,
            proof,
            lines: lines.then(|| Decoder::new(end_of_line())),
        }
    }

    fn echo(&mut self, mut bytes: &[u8], out: &mut Outgoing) {
        let Some(lines) = &mut self.lines else {
            return out.write(bytes);
        };
        loop {
            match lines.decode(&mut bytes) {
                Ok(Some(line)) => {
                    out.write(line);
                    out.write(END);
                }
                Ok(None) => return,
                Err(error) => return self.fail(error, out),
            }
        }
    }

    /// Ends the conversation; `closed` is told why.
    fn fail(&mut self, error: impl Error + Send + Sync + 'static, out: &mut Outgoing) {
        self.stage = Stage::Ended;
        out.close_because(Closed::Failed(io::Error::other(error)));
    }
}
// ANCHOR_END: loop

/// Not `Pattern::Lines`, which takes off a carriage return too.
fn end_of_line() -> Pattern {
    Pattern::Delimiter(Delimiter::new(END).expect("one byte is a delimiter"))
}

const END: &[u8] = b"\n";
