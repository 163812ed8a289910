//! A conversation of two messages, each of sixteen bytes: the receiver knows the length, and reads until
//! it has them all.
//!
//! ```sh
//! cargo run --example sixteen server
//! cargo run --example sixteen client
//! ```

use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use examples::{AccessOptions, Address, Logging};
use framing::blocking::receive_exactly;
use socket_server::{Connection, HandlerResult, Limits, Strategy};

/// A conversation of two messages of sixteen bytes
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Role,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Subcommand)]
enum Role {
    /// Print what clients say, and answer
    Server {
        /// Where to listen: ADDRESS:PORT (port 0: any free one), unix:PATH or unix:@NAME
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1060")]
        listen: Address,
        #[command(flatten)]
        access: AccessOptions,
    },
    /// Greet a server, and print its answer
    Client {
        /// Where the server is: HOST:PORT, unix:PATH or unix:@NAME
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1060")]
        connect: Address,
    },
}

const GREETING: &[u8; LEN] = b"Hi there, server";
const ANSWER: &[u8; LEN] = b"Farewell, client";
const LEN: usize = 16;

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(match args.role {
        Role::Server { listen, access } => serve(&listen, &access),
        Role::Client { connect } => greet(&connect),
    })
}

fn serve(listen: &Address, access: &AccessOptions) -> Result<(), Box<dyn Error>> {
    let limits = Limits {
        // One client after the other is served: none may hold up the others for long.
        total_timeout: Some(Duration::from_secs(10)),
        ..Limits::default()
    };
    let server = listen.server().strategy(Strategy::Serial).limits(limits);
    let server = access.load()?.guard(server);
    examples::serve(listen, server, answer)
}

fn answer(connection: &mut Connection) -> HandlerResult {
    let message = receive_exactly(connection, LEN)?;
    let peer = connection.peer();
    writeln!(io::stdout(), "{peer} says \"{}\"", message.escape_ascii())?;
    connection.write_all(ANSWER)?;
    Ok(())
}

fn greet(server: &Address) -> Result<(), Box<dyn Error>> {
    let mut stream = server.connect()?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(GREETING)?;
    let message = receive_exactly(&mut stream, LEN).map_err(|error| match error {
        framing::Error::Io(error) if error.kind() == ErrorKind::WouldBlock => {
            format!("{server}: no answer within {} s", PATIENCE.as_secs())
        }
        error => format!("{server}: {error}"),
    })?;
    writeln!(io::stdout(), "{server} says \"{}\"", message.escape_ascii())?;
    Ok(())
}

/// How long the client waits for the answer.
const PATIENCE: Duration = Duration::from_secs(10);
