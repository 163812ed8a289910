//! Sends back whatever arrives, until the peer has said all it has to say.
//!
//! ```sh
//! cargo run --example echo_server
//! printf 'hello' | nc -N 127.0.0.1 16000
//! ```

use std::error::Error;
use std::process::ExitCode;

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use event_loop::{Context, EventLoop, Options, Outgoing, StreamHandler};
use examples::{Address, Logging};

/// Sends back whatever arrives
#[derive(Parser)]
struct Args {
    /// Where to listen: ADDRESS:PORT (port 0: any free one) or unix:PATH
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:16000")]
    listen: Address,
    /// How connections are served
    #[arg(long, value_enum, default_value_t = Strategy::Loop)]
    strategy: Strategy,
    /// How many connections may be open; more are turned away
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_connections: usize,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Clone, Copy, ValueEnum)]
enum Strategy {
    /// One thread, one event loop
    Loop,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(match args.strategy {
        Strategy::Loop => serve_on_a_loop(&args),
    })
}

fn serve_on_a_loop(args: &Args) -> Result<(), Box<dyn Error>> {
    examples::raise_file_limit()?;
    let options = Options {
        max_connections: args.max_connections,
        refusal: Bytes::from_static(b"too many connections\n"),
        ..Options::default()
    };
    let mut event_loop = EventLoop::<()>::new()?;
    examples::stop_on_signals(&mut event_loop)?;
    let _listening = args.listen.listen(&mut event_loop, options, |_peer| Echo)?;
    let stats = event_loop.run()?;
    tracing::info!("{}", examples::summary(&stats));
    Ok(())
}

struct Echo;

impl StreamHandler for Echo {
    fn received(&mut self, bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>) {
        out.write(bytes);
    }
}
