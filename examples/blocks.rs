//! A message in blocks, each after its length in four bytes, big-endian; an empty block ends it. So the
//! sender need not know beforehand how long the message gets.
//!
//! ```sh
//! cargo run --example blocks server
//! cargo run --example blocks client
//! cargo run --example blocks client "one block" "and another"
//! ```

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, builder::NonEmptyStringValueParser};
use examples::{AccessOptions, Address, Logging};
use framing::blocking::FrameStream;
use framing::{Pattern, Prefix};
use socket_server::{Connection, HandlerResult, Limits, Strategy};

/// Sends a message in blocks, and receives it
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Role,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Subcommand)]
enum Role {
    /// Print each block that clients send
    Server {
        /// Where to listen: ADDRESS:PORT (port 0: any free one), unix:PATH or unix:@NAME
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1060")]
        listen: Address,
        #[command(flatten)]
        access: AccessOptions,
    },
    /// Send blocks to a server
    Client {
        /// Where the server is: HOST:PORT, unix:PATH or unix:@NAME
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1060")]
        connect: Address,
        /// The blocks
        #[arg(value_name = "BLOCK", default_values = ZEN, value_parser = NonEmptyStringValueParser::new())]
        blocks: Vec<String>,
    },
}

const ZEN: [&str; 3] = [
    "Beautiful is better than ugly.",
    "Explicit is better than implicit.",
    "Simple is better than complex.",
];

const PATTERN: Pattern = Pattern::Prefix(Prefix::U32Be);

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(match args.role {
        Role::Server { listen, access } => serve(&listen, &access),
        Role::Client { connect, blocks } => send(&connect, &blocks),
    })
}

fn serve(listen: &Address, access: &AccessOptions) -> Result<(), Box<dyn Error>> {
    let limits = Limits {
        // One client after the other is served: none may hold up the others for long.
        total_timeout: Some(Duration::from_secs(60)),
        ..Limits::default()
    };
    let server = listen.server().strategy(Strategy::Serial).limits(limits);
    let server = access.load()?.guard(server);
    examples::serve(listen, server, |connection| receive(connection))
}

/// Takes each block as it comes. (`Pattern::Blocks` would join them.)
fn receive(connection: &Connection) -> HandlerResult {
    let peer = connection.peer();
    let limits = framing::Limits {
        max_frame_len: MAX_BLOCK_LEN,
        ..framing::Limits::default()
    };
    let mut blocks = FrameStream::with_limits(connection, PATTERN, limits);
    for count in 0..=MAX_BLOCKS {
        match blocks.read_frame()? {
            Some([]) => {
                tracing::info!("{peer} sent {count} blocks");
                return Ok(());
            }
            Some(block) => writeln!(io::stdout(), "{peer} says \"{}\"", block.escape_ascii())?,
            None => {
                let problem = format!("closed without an empty block, after {count} others");
                return Err(problem.into());
            }
        }
    }
    Err(format!("sent more than {MAX_BLOCKS} blocks").into())
}

/// The longest block, in bytes.
const MAX_BLOCK_LEN: usize = 64 * 1024;
/// How many blocks a message may have, besides the empty one.
const MAX_BLOCKS: usize = 1000;

fn send(server: &Address, blocks: &[String]) -> Result<(), Box<dyn Error>> {
    let mut stream = FrameStream::new(server.connect()?, PATTERN);
    let end = "";
    for block in blocks.iter().map(String::as_str).chain([end]) {
        let sent = stream.write_frame(block.as_bytes());
        sent.map_err(|error| format!("{server}: {error}"))?;
    }
    Ok(())
}
