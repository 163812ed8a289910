//! Sends back every object that a program sends with Python's `multiprocessing.connection`.
//!
//! ```sh
//! cargo run --example mp_echo -- --authkey peekaboo
//! cargo run --example mp_client -- --authkey peekaboo '{"a": [1, 2.5, null]}'
//! python3 examples/python/mp_echo_client.py peekaboo 127.0.0.1:25000 "{'a': (1, {2}, b'x')}"
//! ```
//!
//! An object is read as the data that it is and written anew: what a pickle would have Python import and call is
//! refused, and its connection closed. The server can also be Python's:
//!
//! ```sh
//! python3 examples/python/mp_echo_server.py peekaboo
//! ```

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use examples::{Address, AuthOptions, Logging, Serving};
use framing::{Decoder, Encoder, Limits, Pattern, Prefix};
use mp_connection::pickle::{self, Protocol, Value};
use mp_connection::{Auth, Handshake, fresh_nonce};
use rpc_core::{Answer, Dialect, Job, JobId};

/// Sends back every object that comes by multiprocessing.connection
#[derive(Parser)]
struct Args {
    /// Where to listen: ADDRESS:PORT (port 0: any free one), unix:PATH or unix:@NAME
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:25000")]
    listen: Address,
    /// Send messages back as they are, without looking for objects in them
    #[arg(long)]
    bytes: bool,
    /// How long a message may be
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    max_message_len: usize,
    #[command(flatten)]
    key: AuthOptions,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    logging: Logging,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let auth = args.key.load()?;
    let limits = Limits {
        max_frame_len: args.max_message_len,
        ..Limits::default()
    };
    let pickles = (!args.bytes).then(|| examples::pickle_options(args.max_message_len));
    examples::serve_dialect(&args.listen, &args.serving, move |peer| {
        Echo::new(peer, auth.as_ref(), limits, pickles.clone())
    })
}

/// One client's conversation: the login, then each message as it comes.
struct Echo {
    peer: String,
    stage: Stage,
    frames: Decoder,
    /// When the login, or the message under way, must be complete.
    due: Option<Instant>,
    encoder: Encoder,
    /// What objects may look like, if there are any in the messages.
    pickles: Option<pickle::Options>,
    output: Vec<u8>,
    has_ended: bool,
    /// The last message of a peer that has ended was sent back, or no more are to be.
    is_through: bool,
}

enum Stage {
    Accepted(Auth),
    LoggingIn(Box<Handshake>),
    Echoing,
}

impl Echo {
    fn new(
        peer: String,
        auth: Option<&Auth>,
        limits: Limits,
        pickles: Option<pickle::Options>,
    ) -> Self {
        let pattern = Pattern::Prefix(Prefix::Multiprocessing);
        Self {
            peer,
            stage: auth.map_or(Stage::Echoing, |auth| Stage::Accepted(auth.clone())),
            frames: Decoder::with_limits(pattern.clone(), limits),
            due: None,
            encoder: Encoder::with_max_frame_len(pattern, usize::MAX),
            pickles,
            output: Vec::new(),
            has_ended: false,
            is_through: false,
        }
    }

    /// Takes what belongs to the login; `true` when that is over.
    fn log_in(&mut self, bytes: &mut &[u8]) -> Result<bool, rpc_core::Error> {
        let login = match &mut self.stage {
            Stage::Accepted(_) => return Ok(false),
            Stage::LoggingIn(login) => login,
            Stage::Echoing => return Ok(true),
        };
        let taken = login.receive(bytes);
        *bytes = &bytes[taken..];
        let event = login.poll_event();
        login.poll_transmit(&mut self.output);
        let Some(generation) = event.map_err(io::Error::other)? else {
            return Ok(false);
        };
        examples::log_generation(&self.peer, generation);
        self.stage = Stage::Echoing;
        Ok(true)
    }

    /// Sends back the messages in `bytes`, and those kept from before, as long as they find room.
    fn echo(&mut self, mut bytes: &[u8]) -> Result<(), rpc_core::Error> {
        while self.output.len() < MAX_QUEUED {
            let Some(message) = self.frames.decode(&mut bytes)? else {
                self.is_through |= self.has_ended;
                return Ok(());
            };
            match &self.pickles {
                Some(options) => {
                    let object = written_anew(message, options).map_err(io::Error::other)?;
                    self.encoder.encode(&object, &mut self.output)?;
                }
                None => self.encoder.encode(message, &mut self.output)?,
            }
        }
        self.frames.receive(bytes);
        Ok(())
    }
}

/// Reads an object and writes it, in the protocol in which it came: who writes an old one may not read a new one.
fn written_anew(object: &[u8], options: &pickle::Options) -> Result<Vec<u8>, pickle::Error> {
    let written = pickle::Options {
        protocol: Protocol::of(object),
        ..options.clone()
    };
    Value::from_pickle(object, options)?.to_pickle(&written)
}

impl Dialect for Echo {
    fn receive(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), rpc_core::Error> {
        let echoed = match self.log_in(&mut bytes) {
            Ok(true) => self.echo(bytes),
            other => other.map(drop),
        };
        self.due = match &mut self.stage {
            Stage::LoggingIn(login) => login.poll_timeout(now),
            _ => self.frames.poll_timeout(now),
        };
        echoed
    }

    fn receive_eof(&mut self, now: Instant) -> Result<(), rpc_core::Error> {
        self.has_ended = true;
        if let Stage::LoggingIn(login) = &mut self.stage {
            login.receive_eof();
        }
        self.frames.receive_eof();
        self.receive(&[], now)
    }

    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn max_queued(&self) -> usize {
        MAX_QUEUED
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Called first of all, to begin.
    fn handle_timeout(&mut self, now: Instant) -> Result<(), rpc_core::Error> {
        match &mut self.stage {
            Stage::Accepted(auth) => {
                let login = Handshake::listener(auth, fresh_nonce()?);
                self.stage = Stage::LoggingIn(Box::new(login));
            }
            Stage::LoggingIn(login) => login.handle_timeout(now),
            Stage::Echoing => self.frames.handle_timeout(now)?,
        }
        self.receive(&[], now)
    }

    fn drain(&mut self, _: Instant) {
        self.is_through = true;
    }

    fn is_finished(&self) -> bool {
        self.is_through
    }

    // No message is a call.

    fn next_job(&mut self) -> Option<Job> {
        None
    }

    fn next_cancelled(&mut self) -> Option<JobId> {
        None
    }

    fn complete(&mut self, _: JobId, _: Answer, _: Instant) {}

    fn in_flight(&self) -> usize {
        0
    }
}

/// How much may wait to be sent before nothing more is read.
const MAX_QUEUED: usize = 1 << 20;
