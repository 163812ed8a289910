//! A handler that panics costs its own connection and nobody else's, under every strategy.
//!
//! The servers are this very program, started with `--serve`: so it has no test harness.

mod support;

use std::error::Error;
use std::io::{Read, Write};
use std::process::{Command, ExitCode};

use clap::Parser;
use event_loop::{Context, Outgoing};
use examples::{Address, Logging, Serving, Strategy};
use rustix::process::Signal;
use socket_server::{Connection, HandlerResult};
use support::Program;
use support::strategies::{at_once, connect, echo, exchange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// An echo server that panics when it is told to.
#[derive(Parser)]
struct Args {
    #[arg(long)]
    serve: Address,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    logging: Logging,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().is_some_and(|first| first == "--serve") {
        let args = Args::parse();
        args.logging.start();
        return examples::exit_code(serve(&args));
    }
    a_panic_costs_one_connection();
    println!("a panic costs one connection: ok");
    ExitCode::SUCCESS
}

fn serve(args: &Args) -> Result<(), Box<dyn Error>> {
    let Args { serve, serving, .. } = args;
    let place = serving.place(serve)?;
    match serving.strategy() {
        Strategy::Loop => examples::serve_on_a_loop(place, serving.options(), |_| {
            |bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>| out.write(obey(bytes))
        }),
        Strategy::Tokio => {
            let server = serving.server(&place)?;
            examples::serve_on_tokio(place, server, on_tokio)
        }
        _ => {
            let server = serving.server(&place)?;
            examples::serve(place, server, blocking)
        }
    }
}

fn obey(said: &[u8]) -> &[u8] {
    assert_ne!(said, b"panic", "told to");
    said
}

fn blocking(connection: &mut Connection) -> HandlerResult {
    let mut buffer = [0; 64];
    loop {
        match connection.read(&mut buffer)? {
            0 => return Ok(()),
            count => connection.write_all(obey(&buffer[..count]))?,
        }
    }
}

async fn on_tokio(mut connection: socket_server::tokio::Connection) -> HandlerResult {
    let mut buffer = [0; 64];
    loop {
        match connection.read(&mut buffer).await? {
            0 => return Ok(()),
            count => connection.write_all(obey(&buffer[..count])).await?,
        }
    }
}

fn a_panic_costs_one_connection() {
    at_once(|strategy| {
        let program = std::env::current_exe().expect("a test knows its path");
        let mut command = Command::new(program);
        command.args(["--serve", "127.0.0.1:0", "--strategy", strategy]);
        let server = Program::start_command(&mut command);
        // One that is served meanwhile; a serial server would not accept anybody beside it.
        let held = (strategy != "serial").then(|| connect(&server));
        for _ in 0..10 {
            held.iter().for_each(|held| echo(held, b"hello"));
            let mut stream = connect(&server);
            stream.write_all(b"panic").expect("the server takes it");
            // The end, or a reset.
            assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
        }
        assert_eq!(exchange(&connect(&server), b"hello"), b"hello");
        if let Some(held) = held {
            assert_eq!(exchange(&held, b"bye"), b"bye");
        }
        server.signal(Signal::TERM);
        let ended = server.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert!(
            ended.stderr.ends_with(" finished, 10 panicked\n"),
            "{ended:?}"
        );
        assert!(ended.stderr.contains("told to"), "{ended:?}");
    });
}
