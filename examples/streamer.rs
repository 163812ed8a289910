//! Everything in one direction, and then the end: the end of the stream is the end of the message.
//!
//! ```sh
//! cargo run --example streamer server
//! cargo run --example streamer client
//! cargo run --example streamer client "one line" "and another"
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::net::Shutdown;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use examples::{AccessOptions, Address, Logging};
use framing::Pattern;
use framing::blocking::FrameStream;
use socket_server::{Connection, HandlerResult, Limits, Strategy};

/// Sends text to the end of a stream, and receives it
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Role,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Subcommand)]
enum Role {
    /// Print what clients send
    Server {
        /// Where to listen: ADDRESS:PORT (port 0: any free one), unix:PATH or unix:@NAME
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1060")]
        listen: Address,
        /// The most that one client may send
        #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
        max_len: usize,
        #[command(flatten)]
        access: AccessOptions,
    },
    /// Send some lines to a server
    Client {
        /// Where the server is: HOST:PORT, unix:PATH or unix:@NAME
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1060")]
        connect: Address,
        /// The lines, without their ends
        #[arg(value_name = "LINE", default_values = ZEN)]
        lines: Vec<String>,
    },
}

const ZEN: [&str; 3] = [
    "Beautiful is better than ugly.",
    "Explicit is better than implicit.",
    "Simple is better than complex.",
];

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(match args.role {
        Role::Server {
            listen,
            max_len,
            access,
        } => serve(&listen, max_len, &access),
        Role::Client { connect, lines } => send(&connect, &lines),
    })
}

fn serve(listen: &Address, max_len: usize, access: &AccessOptions) -> Result<(), Box<dyn Error>> {
    let limits = Limits {
        // One client after the other is served: none may hold up the others for long.
        total_timeout: Some(Duration::from_secs(60)),
        ..Limits::default()
    };
    let server = listen.server().strategy(Strategy::Serial).limits(limits);
    let server = access.load()?.guard(server);
    examples::serve(listen, server, move |connection| {
        receive(connection, max_len)
    })
}

fn receive(connection: &Connection, max_len: usize) -> HandlerResult {
    let limits = framing::Limits {
        max_frame_len: max_len,
        ..framing::Limits::default()
    };
    let mut stream = FrameStream::with_limits(connection, Pattern::ToEnd, limits);
    // A stream that ends at once has no frame.
    let text = stream.read_frame()?.unwrap_or_default();
    writeln!(
        io::stdout(),
        "{} sent {} bytes: \"{}\"",
        connection.peer(),
        text.len(),
        text.escape_ascii()
    )?;
    Ok(())
}

fn send(server: &Address, lines: &[String]) -> Result<(), Box<dyn Error>> {
    let mut stream = server.connect()?;
    for line in lines {
        writeln!(stream, "{line}").map_err(|error| format!("{server}: {error}"))?;
    }
    stream.shutdown(Shutdown::Write)?;
    Ok(())
}
