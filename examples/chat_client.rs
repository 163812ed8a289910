//! A chat client for the terminal, and for scripts.
//!
//! ```sh
//! cargo run --example chat_client -- --name alice
//! ls | cargo run --example chat_client -- --name lister
//! cargo run --example chat_client -- --name alice --connect localhost:8800 --tls-ca certs/ca_cert.pem
//! ```
//!
//! One event loop watches the server and what is typed. At a terminal a line editor runs on a thread
//! of its own and keeps the prompt whole while messages arrive. Where the input is a pipe or a file,
//! the loop reads it line by line, and after its end waits for the server to hang up.

use std::cell::RefCell;
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use event_loop::{
    Closed, Context, EventLoop, Handle, Key, Options, Outgoing, Socket, StreamHandler,
};
use examples::{Address, Logging, Remote, TlsClientOptions};
use framing::{Decoder, Encoder, FrameError, Pattern, Prefix};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use rustyline::{DefaultEditor, ExternalPrinter};
use tls_mixin::Session;

/// Talks with everybody on a chat_server
#[derive(Parser)]
struct Args {
    /// The name that the others will see
    #[arg(long)]
    name: String,
    /// Where the server listens: HOST:PORT or unix:PATH
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8800")]
    connect: Remote,
    #[command(flatten)]
    tls: TlsClientOptions,
    #[command(flatten)]
    logging: Logging,
}

/// What travels on the loop between what is typed and the server's connection.
enum Message {
    /// To the server: frames to be sent.
    Send(Bytes),
    /// To the server: nothing more will be typed.
    End,
    /// To the input: what it gave is on its way, the next may come.
    More,
}

type Outcome = Rc<RefCell<Result<(), String>>>;

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let mut event_loop = EventLoop::new()?;
    examples::stop_on_signals(&mut event_loop)?;
    let outcome = Outcome::new(RefCell::new(Ok(())));
    let tls = args.tls.load(&args.connect)?;
    let mut address = args.connect.address.clone();
    if tls.is_some() {
        address = address.with_tls();
    }
    let server = Server {
        address: address.to_string(),
        name: args.name.clone(),
        decoder: Decoder::new(Pattern::Prefix(Prefix::U32Be)),
        stage: Stage::Connecting,
        screen: Screen::Plain,
        input: None,
        outcome: Rc::clone(&outcome),
    };
    let added = if let Some(tls) = tls {
        let (at, outcome) = (address.clone(), Rc::clone(&outcome));
        let shaken = move |session: &Session| {
            examples::log_session(&server.address, session);
            server
        };
        let server = tls_mixin::event_loop::client(&tls.connector, &tls.name, shaken)?;
        let server = server.on_failure(move |why, cx| {
            *outcome.borrow_mut() = Err(format!("can't reach {at}: {why}"));
            cx.stop(Duration::ZERO);
        });
        add(&mut event_loop, &address, server)
    } else {
        add(&mut event_loop, &address, server)
    };
    added.map_err(|error| format!("can't reach {address}: {error}"))?;
    event_loop.run()?;
    outcome.replace(Ok(())).map_err(Into::into)
}

fn add(
    event_loop: &mut EventLoop<Message>,
    address: &Address,
    server: impl StreamHandler<Message> + 'static,
) -> io::Result<Key> {
    match address {
        Address::Tcp(address) | Address::Tls(address) => {
            event_loop.connect(*address, patient(), server)
        }
        Address::Unix(path) => {
            event_loop.add_stream(examples::connect_unix(path)?, patient(), server)
        }
    }
}

/// Nobody has to talk all the time. What the server says is read even while much waits to be sent:
/// if both ends waited for the other to read first, they would wait for ever.
fn patient() -> Options {
    Options {
        idle_timeout: None,
        reads_when_full: true,
        ..Options::default()
    }
}

/// The connection to the server.
struct Server {
    address: String,
    name: String,
    decoder: Decoder,
    stage: Stage,
    screen: Screen,
    /// Where the input is read on the loop.
    input: Option<Key>,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    LoggingIn,
    Talking,
    /// All is said; the server may still send.
    Leaving,
}

enum Screen {
    Plain,
    /// Prints above the line that is being typed.
    Editor {
        printer: Box<dyn ExternalPrinter>,
        /// How the terminal was before.
        modes: Termios,
    },
}

impl StreamHandler<Message> for Server {
    fn opened(&mut self, out: &mut Outgoing, _: &mut Context<'_, Message>) {
        self.stage = Stage::LoggingIn;
        match framed(format!("NAME: {}", self.name).as_bytes()) {
            Ok(login) => out.push(login),
            Err(error) => self.fail(format!("the name: {error}"), out),
        }
    }

    fn received(&mut self, mut bytes: &[u8], out: &mut Outgoing, cx: &mut Context<'_, Message>) {
        while !out.is_closing() {
            let text = match self.decoder.decode(&mut bytes) {
                Ok(Some(frame)) => harmless(&String::from_utf8_lossy(frame)),
                Ok(None) => return,
                Err(error) => {
                    let why = format!("{} does not talk like a chat server: {error}", self.address);
                    return self.fail(why, out);
                }
            };
            let done = match (self.stage, text.strip_prefix("CLIENT: ")) {
                (Stage::LoggingIn, Some(ip)) => self.begin_input(ip, cx),
                (Stage::LoggingIn, None) => Err(text.trim().into()),
                _ => self.screen.show(text.trim_start_matches('\n')),
            };
            if let Err(error) = done {
                return self.fail(error.to_string(), out);
            }
        }
    }

    fn message(&mut self, message: Message, out: &mut Outgoing, cx: &mut Context<'_, Message>) {
        match message {
            Message::Send(frames) => {
                out.push(frames);
                // Otherwise when the socket is writable again.
                if !out.is_above_high_water() {
                    self.ask_for_more(cx);
                }
            }
            Message::End => {
                self.stage = Stage::Leaving;
                out.end();
            }
            Message::More => {}
        }
    }

    fn writable(&mut self, _: &mut Outgoing, cx: &mut Context<'_, Message>) {
        self.ask_for_more(cx);
    }

    fn stopping(&mut self, out: &mut Outgoing, _: &mut Context<'_, Message>) {
        self.stage = Stage::Leaving;
        out.close();
    }

    fn handshaking(&self) -> bool {
        matches!(self.stage, Stage::Connecting | Stage::LoggingIn)
    }

    fn closed(&mut self, why: &Closed, cx: &mut Context<'_, Message>) {
        let address = &self.address;
        let reason = match why {
            Closed::Finished => "it hung up".to_owned(),
            why => why.to_string(),
        };
        let lost = match self.stage {
            Stage::Leaving if matches!(why, Closed::Finished) => Ok(()),
            Stage::Connecting => Err(format!("can't reach {address}: {reason}")),
            Stage::LoggingIn => Err(format!("{address} does not answer: {reason}")),
            Stage::Talking | Stage::Leaving => Err(format!("lost the server {address}: {reason}")),
        };
        let mut outcome = self.outcome.borrow_mut();
        if outcome.is_ok() {
            *outcome = lost;
        }
        cx.stop(Duration::ZERO);
    }
}

impl Server {
    /// Logged in: from now on what is typed goes to the server.
    fn begin_input(
        &mut self,
        ip: &str,
        cx: &mut Context<'_, Message>,
    ) -> Result<(), Box<dyn Error>> {
        self.stage = Stage::Talking;
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            let mut editor = DefaultEditor::new()?;
            self.screen = Screen::Editor {
                printer: Box::new(editor.create_external_printer()?),
                modes: tcgetattr(io::stdin())?,
            };
            let prompt = format!("[{}@{ip}]> ", self.name);
            let (handle, server) = (cx.handle(), cx.key());
            thread::spawn(move || type_lines(editor, &prompt, &handle, server));
        } else {
            let input = Input {
                decoder: Decoder::new(Pattern::Lines),
                server: cx.key(),
                outcome: Rc::clone(&self.outcome),
            };
            self.input = Some(cx.add_stream(Socket::stdin(), patient(), input)?);
        }
        Ok(())
    }

    fn ask_for_more(&self, cx: &mut Context<'_, Message>) {
        if let Some(input) = self.input {
            // Where the input has ended, nobody is there to go on.
            let _ = cx.post(input, Message::More);
        }
    }

    fn fail(&self, why: String, out: &mut Outgoing) {
        *self.outcome.borrow_mut() = Err(why);
        out.close();
    }
}

impl Screen {
    fn show(&mut self, text: &str) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Editor { printer, .. } => Ok(printer.print(format!("{text}\n"))?),
            Self::Plain => {
                let mut stdout = io::stdout().lock();
                writeln!(stdout, "{text}")?;
                Ok(stdout.flush()?)
            }
        }
    }
}

impl Drop for Screen {
    /// Gives the terminal back. The editor's thread may be in the middle of a line, with its own way of
    /// pasting, and can't be stopped there.
    fn drop(&mut self) {
        if let Self::Editor { modes, .. } = self {
            // A terminal that is gone needs neither.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, modes);
            let _ = writeln!(io::stdout(), "\x1b[?2004l");
        }
    }
}

/// Reads lines at the terminal until they end, on a thread of its own.
fn type_lines(mut editor: DefaultEditor, prompt: &str, handle: &Handle<Message>, server: Key) {
    while let Ok(line) = editor.readline(prompt) {
        if line.is_empty() {
            continue;
        }
        // The history of a conversation serves comfort only.
        let _ = editor.add_history_entry(&line);
        let is_sent = framed(line.as_bytes())
            .is_ok_and(|frame| handle.post(server, Message::Send(frame)).is_ok());
        if !is_sent {
            break;
        }
    }
    // When the loop has ended, so has the program.
    let _ = handle.post(server, Message::End);
}

/// Standard input where it is no terminal.
struct Input {
    decoder: Decoder,
    server: Key,
    outcome: Outcome,
}

impl StreamHandler<Message> for Input {
    fn received(&mut self, bytes: &[u8], out: &mut Outgoing, cx: &mut Context<'_, Message>) {
        self.decoder.receive(bytes);
        self.send_lines(out, cx);
    }

    fn peer_finished(&mut self, out: &mut Outgoing, cx: &mut Context<'_, Message>) {
        self.decoder.receive_eof();
        self.send_lines(out, cx);
        let _ = cx.post(self.server, Message::End);
        out.close();
    }

    fn message(&mut self, _: Message, _: &mut Outgoing, cx: &mut Context<'_, Message>) {
        cx.resume_reading();
    }
}

impl Input {
    fn send_lines(&mut self, out: &mut Outgoing, cx: &mut Context<'_, Message>) {
        let encoder = Encoder::new(Pattern::Prefix(Prefix::U32Be));
        let mut frames = Vec::new();
        let cut = loop {
            match self.decoder.next_frame() {
                Ok(Some([])) => {}
                Ok(Some(line)) => {
                    if let Err(error) = encoder.encode(line, &mut frames) {
                        break Err(error);
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if !frames.is_empty() {
            // A server that is gone has ended the program.
            let _ = cx.post(self.server, Message::Send(frames.into()));
            cx.pause_reading();
        }
        if let Err(error) = cut {
            *self.outcome.borrow_mut() = Err(format!("the input: {error}"));
            let _ = cx.post(self.server, Message::End);
            out.close();
        }
    }
}

fn framed(text: &[u8]) -> Result<Bytes, FrameError> {
    Encoder::new(Pattern::Prefix(Prefix::U32Be)).frame(text)
}

/// The text without what could control the terminal. Whoever runs the server is a stranger too.
fn harmless(text: &str) -> String {
    text.chars()
        .filter(|&c| matches!(c, '\n' | '\t') || !c.is_control())
        .collect()
}
