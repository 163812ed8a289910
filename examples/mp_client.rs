//! Sends objects to a program that listens with Python's `multiprocessing.connection`, and prints what it answers.
//!
//! ```sh
//! cargo run --example mp_echo -- --authkey peekaboo
//! cargo run --example mp_client -- --authkey peekaboo '{"a": [1, 2.5, null]}'
//! printf '1\n{"$tuple": [1, 2]}\n' | cargo run --example mp_client -- --authkey peekaboo
//! ```
//!
//! An object is given as JSON, or a plain word that is meant as text; what JSON lacks is written as `{"$tuple": […]}`,
//! `{"$set": […]}` or `{"$bytes": "aGVsbG8="}`. Answers are printed as Python would print them.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use examples::{Address, AuthOptions, Given, Logging};
use mp_connection::blocking::Connection;

/// Sends objects by multiprocessing.connection, and prints what is answered
#[derive(Parser)]
struct Args {
    /// What to send, each as JSON or a plain word [default: the lines of standard input]
    #[arg(value_name = "OBJECT", allow_negative_numbers = true)]
    objects: Vec<Given>,
    /// Where the server is: HOST:PORT, unix:PATH or unix:@NAME
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:25000")]
    connect: Address,
    /// How long an answer may be
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    max_message_len: usize,
    /// How long an answer may take
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = examples::seconds)]
    timeout: Duration,
    #[command(flatten)]
    key: AuthOptions,
    #[command(flatten)]
    logging: Logging,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let connection = args
        .key
        .connect(&args.connect)?
        .with_max_message_len(args.max_message_len)
        .with_pickle_options(examples::pickle_options(args.max_message_len))
        .with_read_timeout(Some(args.timeout))
        .with_write_timeout(Some(args.timeout));
    for object in &args.objects {
        exchange(&connection, object)?;
    }
    if !args.objects.is_empty() {
        return Ok(());
    }
    for line in io::stdin().lock().lines() {
        let line = line?;
        if !line.trim().is_empty() {
            exchange(&connection, &line.parse()?)?;
        }
    }
    Ok(())
}

// ANCHOR: exchange
fn exchange(connection: &Connection, Given(object): &Given) -> Result<(), Box<dyn Error>> {
    connection.send(object)?;
    let answer = connection.recv_value()?.ok_or("the server hung up")?;
    Ok(writeln!(io::stdout(), "{answer}")?)
}
// ANCHOR_END: exchange
