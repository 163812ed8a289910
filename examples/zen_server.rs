//! Answers questions about the Zen of Python. A question ends with `?`, an answer with `.`:
//!
//! ```sh
//! cargo run --example zen_server
//! printf 'Beautiful is better than?Simple is better than?' | nc -N 127.0.0.1 1060
//! ```
//!
//! Questions may come several at a time and in pieces. Who hangs up in the middle of one is reported.

use std::error::Error;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use event_loop::{Context, Outgoing, Peer, StreamHandler};
use examples::{Address, Logging, Serving, Strategy};
use framing::blocking::FrameStream;
use framing::{Decoder, Delimiter, FrameError, Limits, Pattern};
use socket_server::{Connection, HandlerResult};
use tokio::io::AsyncWriteExt;

/// Answers questions about the Zen of Python
#[derive(Parser)]
struct Args {
    /// Where to listen: ADDRESS:PORT (port 0: any free one), unix:PATH or unix:@NAME
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1060")]
    listen: Address,
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
    let Args {
        listen, serving, ..
    } = args;
    let place = serving.place(listen)?;
    match serving.strategy() {
        Strategy::Loop => {
            let accept = |peer| Conversation {
                peer,
                has_begun: false,
                questions: Decoder::with_limits(pattern(), limits()),
            };
            examples::serve_on_a_loop(place, serving.options(), accept)
        }
        Strategy::Tokio => {
            let server = serving.server(&place)?;
            examples::serve_on_tokio(place, server, converse_on_tokio)
        }
        _ => {
            let server = serving.server(&place)?;
            examples::serve(place, server, converse)
        }
    }
}

fn answer(question: &[u8]) -> &'static str {
    // Who types a question ends the line too.
    match question.trim_ascii_start() {
        b"Beautiful is better than" => "Ugly.",
        b"Explicit is better than" => "Implicit.",
        b"Simple is better than" => "Complex.",
        _ => "Error: unknown aphorism.",
    }
}

/// A longer question ends the connection.
const MAX_QUESTION_LEN: usize = 1024;

fn pattern() -> Pattern {
    Pattern::Delimiter(Delimiter::new(b"?").expect("one byte is a delimiter"))
}

fn limits() -> Limits {
    Limits {
        max_frame_len: MAX_QUESTION_LEN,
        ..Limits::default()
    }
}

/// Tells of a peer who hung up, and had sent this since its last question.
fn report_half_sent(peer: impl Display, sent: &[u8]) {
    let start = sent.trim_ascii();
    let (start, rest) = start.split_at(start.len().min(60));
    match (start.is_empty(), rest.len()) {
        (true, _) => {}
        (_, 0) => tracing::warn!("{peer} sent \"{}\" but then closed", start.escape_ascii()),
        (_, more) => tracing::warn!(
            "{peer} sent \"{}\" and {more} bytes more but then closed",
            start.escape_ascii()
        ),
    }
}

/// The handler of all strategies that block.
fn converse(connection: &mut Connection) -> HandlerResult {
    let mut frames = FrameStream::with_limits(&*connection, pattern(), limits());
    loop {
        match frames.read_frame() {
            Ok(Some(question)) => {
                let answer = answer(question);
                frames.stream_mut().write_all(answer.as_bytes())?;
            }
            Ok(None) => return Ok(()),
            Err(framing::Error::Frame(FrameError::Unterminated { .. })) => {
                let (connection, unread) = frames.into_parts();
                report_half_sent(connection.peer(), &unread);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The handler on tokio.
async fn converse_on_tokio(connection: socket_server::tokio::Connection) -> HandlerResult {
    let mut frames = framing::tokio::FrameStream::with_limits(&connection, pattern(), limits());
    loop {
        match frames.read_frame().await {
            Ok(Some(question)) => {
                let answer = answer(question);
                frames.stream_mut().write_all(answer.as_bytes()).await?;
            }
            Ok(None) => return Ok(()),
            Err(framing::Error::Frame(FrameError::Unterminated { .. })) => {
                let (connection, unread) = frames.into_parts();
                report_half_sent(connection.peer(), &unread);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The handler on the event loop.
struct Conversation {
    peer: Peer,
    has_begun: bool,
    questions: Decoder,
}

impl StreamHandler for Conversation {
    fn received(&mut self, mut bytes: &[u8], out: &mut Outgoing, _: &mut Context<'_>) {
        self.has_begun = true;
        loop {
            match self.questions.decode(&mut bytes) {
                Ok(Some(question)) => out.write(answer(question).as_bytes()),
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!("{}: {error}", self.peer);
                    return out.close();
                }
            }
        }
    }

    fn peer_finished(&mut self, out: &mut Outgoing, _: &mut Context<'_>) {
        let questions = std::mem::replace(&mut self.questions, Decoder::new(Pattern::ToEnd));
        report_half_sent(self.peer, &questions.into_unread());
        out.end();
    }

    fn handshaking(&self) -> bool {
        !self.has_begun
    }

    /// Who is in a conversation may finish it.
    fn stopping(&mut self, _: &mut Outgoing, _: &mut Context<'_>) {}
}
