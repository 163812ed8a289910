//! Sends back whatever arrives, until the peer has said all it has to say.
//!
//! ```sh
//! cargo run --example echo_server
//! printf 'hello' | nc -N 127.0.0.1 20000
//! ```
//!
//! It does the same in every structure that a server can have: `--strategy` chooses.

use std::error::Error;
use std::io::{self, Write};
use std::net::IpAddr;
use std::process::ExitCode;

use cidr::{AccessList, Cidr};
use clap::Parser;
use event_loop::{Context, Outgoing, Peer, StreamHandler};
use examples::{Address, Logging, Serving, Strategy};
use framing::{Decoder, Delimiter, Pattern};
use socket_server::{Connection, HandlerResult};

/// Sends back whatever arrives
#[derive(Parser)]
struct Args {
    /// Where to listen: ADDRESS:PORT (port 0: any free one), unix:PATH or unix:@NAME
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:20000")]
    listen: Address,
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
    serving: Serving,
    #[command(flatten)]
    logging: Logging,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(args))
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let Args {
        listen,
        lines,
        serving,
        ..
    } = args;
    let access = AccessList::default().allow(args.allow).deny(args.deny);
    match serving.strategy() {
        Strategy::Loop => {
            let accept = move |peer| Conversation::new(peer, is_let_in(&access, ip(peer)), lines);
            examples::serve_on_a_loop(&listen, serving.options(), accept)
        }
        _ => {
            let server = serving.server(&listen);
            let server = server.verify(move |peer| is_let_in(&access, peer.ip()));
            examples::serve(&listen, server, move |connection| echo(connection, lines))
        }
    }
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
fn echo(connection: &Connection, lines: bool) -> HandlerResult {
    if lines {
        let (mut lines, mut out) = connection.lines();
        while let Some(line) = lines.next_line()? {
            out.write_all(line)?;
        }
    } else {
        io::copy(&mut &*connection, &mut &*connection)?;
    }
    Ok(())
}

// ANCHOR: loop
/// The handler on the event loop.
struct Conversation {
    peer: Peer,
    is_let_in: bool,
    has_begun: bool,
    lines: Option<Decoder>,
}

impl Conversation {
    fn new(peer: Peer, is_let_in: bool, lines: bool) -> Self {
        Self {
            peer,
            is_let_in,
            has_begun: false,
            lines: lines.then(decoder),
        }
    }
}

impl StreamHandler for Conversation {
    fn opened(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
        if !self.is_let_in {
            out.close();
        }
    }

    fn received(&mut self, mut bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>) {
        self.has_begun = true;
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
                Err(error) => {
                    tracing::warn!("{}: {error}", self.peer);
                    return out.close();
                }
            }
        }
    }

    fn peer_finished(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
        // A last line without its end.
        if let Some(lines) = self.lines.take() {
            out.write(&lines.into_unread());
        }
        out.end();
    }

    fn handshaking(&self) -> bool {
        self.is_let_in && !self.has_begun
    }

    /// Who is in a conversation may finish it.
    fn stopping(&mut self, _: &mut Outgoing, _: &mut Context<'_>) {}
}

// ANCHOR_END: loop

const END: &[u8] = b"\n";

fn decoder() -> Decoder {
    // Not `Pattern::Lines`, which takes off a carriage return too.
    Decoder::new(Pattern::Delimiter(
        Delimiter::new(END).expect("one byte is a delimiter"),
    ))
}

fn ip(peer: Peer) -> Option<IpAddr> {
    match peer {
        Peer::Tcp(address) => Some(address.ip()),
        _ => None,
    }
}
