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

use std::error::Error;
use std::io::{self, Write};
use std::net::IpAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use auth_hmac::blocking::{Untimed, challenge, respond};
use auth_hmac::{AuthError, Challenge, Handshake, fresh_nonce};
use cidr::{AccessList, Cidr};
use clap::Parser;
use event_loop::{Context, Options, Outgoing, Peer, StreamHandler};
use examples::{Address, HANDSHAKE_TIMEOUT, KeyOptions, Logging, Proof, Serving, Strategy};
use framing::tokio::FrameStream;
use framing::{Decoder, Delimiter, FrameError, Pattern};
use socket_server::{Connection, HandlerResult};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Sends back whatever arrives
#[derive(Parser)]
struct Args {
    /// Where to listen: ADDRESS:PORT (port 0: any free one), unix:PATH or unix:@NAME
    /// [default: 127.0.0.1:20000; with a key 127.0.0.1:18000]
    #[arg(long, value_name = "ADDR")]
    listen: Option<Address>,
    /// Send back line by line: nothing of a line before all of it is there
    #[arg(long)]
    lines: bool,
    /// Serve this network, and no other that is not allowed too (may be repeated)
    #[arg(long, value_name = "CIDR")]
    allow: Vec<Cidr>,
    /// Do not serve this network, even if it is in an allowed one (may be repeated)
    #[arg(long, value_name = "CIDR")]
    deny: Vec<Cidr>,
    #[command(flatten)]
    key: KeyOptions,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    logging: Logging,
}

/// Who is served, and how.
struct Service {
    access: AccessList,
    proof: Option<Proof>,
    lines: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(args))
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let listen = args.listen.unwrap_or_else(|| args.key.default_address());
    let serving = args.serving;
    let service = Service {
        access: AccessList::default().allow(args.allow).deny(args.deny),
        proof: args.key.load()?,
        lines: args.lines,
    };
    let strategy = serving.strategy();
    if strategy == Strategy::Loop {
        return serve_on_a_loop(&listen, serving.options(), service);
    }
    let access = service.access.clone();
    let server = serving.server(&listen);
    let server = server.verify(move |peer| is_let_in(&access, peer.ip()));
    if strategy == Strategy::Tokio {
        let service = Arc::new(service);
        let handler = move |connection| echo_on_tokio(connection, Arc::clone(&service));
        return examples::serve_on_tokio(&listen, server, handler);
    }
    examples::serve(&listen, server, move |connection| {
        echo(connection, &service)
    })
}

/// Whether the access list lets this peer in. It has no say about the clients of a Unix socket.
fn is_let_in(access: &AccessList, address: Option<IpAddr>) -> bool {
    let verdict = address.map(|address| access.check(address));
    let denied = verdict.filter(|verdict| !verdict.is_allowed());
    denied
        .inspect(|denied| tracing::warn!("{denied}"))
        .is_none()
}

/// The handler of all strategies that block.
fn echo(connection: &Connection, service: &Service) -> HandlerResult {
    if let Some(proof) = &service.proof {
        connection.handshake(|connection| authenticate(connection, proof))?;
    }
    if service.lines {
        let (mut lines, mut out) = connection.lines();
        while let Some(line) = lines.next_line()? {
            out.write_all(line)?;
        }
    } else {
        let (mut input, mut out) = connection.split();
        io::copy(&mut input, &mut out)?;
    }
    Ok(())
}

fn authenticate(connection: &Connection, proof: &Proof) -> Result<(), auth_hmac::Error> {
    // The server cuts a handshake that takes too long.
    let mut stream = Untimed(connection);
    match proof {
        Proof::Challenge(key, options) => challenge(&mut stream, key, options),
        Proof::Mutual(key, options) => respond(&mut stream, &key.clone().into(), options).map(drop),
    }
}

/// The handler on tokio.
async fn echo_on_tokio(
    connection: socket_server::tokio::Connection,
    service: Arc<Service>,
) -> HandlerResult {
    let mut connection = &connection;
    if let Some(proof) = &service.proof {
        // In a box, which is gone afterwards: it is larger than all that a silent client needs.
        let login = Box::pin(authenticate_on_tokio(connection, proof));
        connection.handshake(login).await?;
    }
    if service.lines {
        return echo_lines_on_tokio(connection).await;
    }
    loop {
        // Thousands may be silent: a buffer is only there while there is something to put in.
        connection.readable().await?;
        let mut buffer = vec![0; 16 << 10];
        match connection.read(&mut buffer).await? {
            0 => return Ok(()),
            count => connection.write_all(&buffer[..count]).await?,
        }
    }
}

async fn echo_lines_on_tokio(connection: &socket_server::tokio::Connection) -> HandlerResult {
    let mut lines = FrameStream::new(connection, end_of_line());
    loop {
        match lines.read_bytes().await {
            Ok(Some(line)) => {
                lines.send(line)?;
                lines.flush().await?;
            }
            Ok(None) => return Ok(()),
            Err(framing::Error::Frame(FrameError::Unterminated { .. })) => {
                let (mut connection, last) = lines.into_parts();
                return Ok(connection.write_all(&last).await?);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn authenticate_on_tokio(
    mut connection: &socket_server::tokio::Connection,
    proof: &Proof,
) -> Result<(), auth_hmac::Error> {
    match proof {
        Proof::Challenge(key, options) => {
            auth_hmac::tokio::challenge(&mut connection, key, options).await
        }
        Proof::Mutual(key, options) => {
            let keys = key.clone().into();
            let session = auth_hmac::tokio::respond(&mut connection, &keys, options).await;
            session.map(drop)
        }
    }
}

fn serve_on_a_loop(
    listen: &Address,
    mut options: Options,
    service: Service,
) -> Result<(), Box<dyn Error>> {
    if service.proof.is_some() {
        options.handshake_timeout = HANDSHAKE_TIMEOUT;
    }
    let service = Rc::new(service);
    examples::serve_on_a_loop(listen, options, move |peer| Conversation {
        peer,
        stage: Stage::Accepted,
        lines: service.lines.then(|| Decoder::new(end_of_line())),
        service: Rc::clone(&service),
    })
}

// ANCHOR: loop
/// The handler on the event loop.
struct Conversation {
    peer: Peer,
    stage: Stage,
    lines: Option<Decoder>,
    service: Rc<Service>,
}

enum Stage {
    /// Not a byte has come.
    Accepted,
    Authenticating(Login),
    Echoing,
    /// Not let in, or no more. Whatever still comes is not for us.
    Ended,
}

impl StreamHandler for Conversation {
    fn opened(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
        if !is_let_in(&self.service.access, ip(self.peer)) {
            return self.end(out);
        }
        if let Some(proof) = &self.service.proof {
            match Login::begin(proof) {
                Ok(mut login) => {
                    login.transmit(out);
                    self.stage = Stage::Authenticating(login);
                }
                Err(error) => self.fail(&error, out),
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
                    Err(error) => return self.fail(&error, out),
                }
            }
            Stage::Echoing => {}
            Stage::Ended => return,
        }
        self.echo(bytes, out);
    }

    fn peer_finished(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
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
}

impl Conversation {
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
                Err(error) => return self.fail(&error, out),
            }
        }
    }

    fn fail(&mut self, error: &dyn Error, out: &mut Outgoing) {
        tracing::warn!("{}: {error}", self.peer);
        self.end(out);
    }

    fn end(&mut self, out: &mut Outgoing) {
        self.stage = Stage::Ended;
        out.close();
    }
}
// ANCHOR_END: loop

/// A client that proves itself to the event loop, in either way.
enum Login {
    Challenge(Challenge),
    Handshake(Box<Handshake>),
}

impl Login {
    fn begin(proof: &Proof) -> io::Result<Self> {
        let nonce = fresh_nonce()?;
        Ok(match proof {
            Proof::Challenge(key, options) => {
                Self::Challenge(Challenge::asker(key, options, nonce))
            }
            Proof::Mutual(key, options) => {
                let handshake = Handshake::responder(&key.clone().into(), options, nonce);
                Self::Handshake(Box::new(handshake))
            }
        })
    }

    /// Takes what belongs to the login; returns how much that is.
    fn receive(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Challenge(challenge) => challenge.receive(bytes),
            Self::Handshake(handshake) => handshake.receive(bytes),
        }
    }

    fn transmit(&mut self, out: &mut Outgoing) {
        let mut message = Vec::new();
        match self {
            Self::Challenge(challenge) => challenge.poll_transmit(&mut message),
            Self::Handshake(handshake) => handshake.poll_transmit(&mut message),
        };
        out.write(&message);
    }

    fn is_proven(&mut self) -> Result<bool, AuthError> {
        match self {
            Self::Challenge(challenge) => challenge.poll_event().map(|event| event.is_some()),
            Self::Handshake(handshake) => handshake.poll_event().map(|event| event.is_some()),
        }
    }
}

/// Not `Pattern::Lines`, which takes off a carriage return too.
fn end_of_line() -> Pattern {
    Pattern::Delimiter(Delimiter::new(END).expect("one byte is a delimiter"))
}

const END: &[u8] = b"\n";

fn ip(peer: Peer) -> Option<IpAddr> {
    match peer {
        Peer::Tcp(address) => Some(address.ip()),
        _ => None,
    }
}
