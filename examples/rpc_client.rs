//! Calls a function of an rpc_server, or of one in Python.
//!
//! ```sh
//! cargo run --example rpc_server -- --authkey peekaboo      # or
//! python3 examples/python/rpc_server.py peekaboo
//! cargo run --example rpc_client -- --authkey peekaboo add 2 3
//! cargo run --example rpc_client -- --authkey peekaboo sub 2 y=0.5
//! ```
//!
//! An argument is JSON, or a plain word that is meant as text; what JSON lacks is written as `{"$tuple": […]}`,
//! `{"$set": […]}` or `{"$bytes": "aGVsbG8="}`. One of the form NAME=VALUE is given by its name. The result is printed
//! as Python would print it.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use examples::{Address, AuthOptions, Given, Logging};
use mp_connection::pickle::Value;
use mp_connection::rpc::{Client, Options};
use rpc_core::Arguments;

/// Calls a function by multiprocessing.connection, and prints its result
#[derive(Parser)]
struct Args {
    /// Which function
    name: String,
    /// Its arguments, each as JSON or a plain word; NAME=VALUE for one that has a name
    #[arg(value_name = "ARGUMENT", allow_negative_numbers = true)]
    arguments: Vec<Argument>,
    /// Where the server is: HOST:PORT, unix:PATH or unix:@NAME
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:17000")]
    connect: Address,
    /// How long the answer may take
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = examples::seconds)]
    timeout: Duration,
    #[command(flatten)]
    key: AuthOptions,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Clone)]
struct Argument {
    name: Option<String>,
    value: Given,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let options = Options {
        call_timeout: Some(args.timeout),
        ..Options::default()
    };
    let connection = args.key.connect(&args.connect)?;
    let mut client = Client::with_options(connection, options);
    let result: Value = client.call(&args.name, arguments(&args.arguments))?;
    Ok(writeln!(io::stdout(), "{result}")?)
}

fn arguments(given: &[Argument]) -> Arguments<'_> {
    given.iter().fold(Arguments::new(), |all, one| {
        let Given(value) = &one.value;
        match &one.name {
            None => all.positional(value),
            Some(name) => all.keyword(name, value),
        }
    })
}

impl FromStr for Argument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_name = |name: &str| {
            let begins = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
            begins && name.chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        match text.split_once('=').filter(|(name, _)| is_name(name)) {
            Some((name, value)) => Ok(Self {
                name: Some(name.to_owned()),
                value: value.parse()?,
            }),
            None => Ok(Self {
                name: None,
                value: text.parse()?,
            }),
        }
    }
}
