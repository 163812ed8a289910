//! A chat room for ten thousand people on one thread.
//!
//! ```sh
//! cargo run --release --example chat_server
//! cargo run --release --example chat_client -- --name alice     # in another terminal
//! cargo run --release --example chat_client -- --name bob       # and another
//! python3 examples/python/chat_client.py carol                  # in any language
//! ```
//!
//! With `--tls-cert` and `--tls-key` it speaks TLS, and all clients have `--tls-ca`:
//!
//! ```sh
//! cargo run --example make_certs
//! cargo run --example chat_server -- --tls-cert certs/server_cert.pem --tls-key certs/server_key.pem
//! cargo run --example chat_client -- --tls-ca certs/ca_cert.pem --name alice
//! python3 examples/python/chat_client.py --tls-ca certs/ca_cert.pem carol
//! ```
//!
//! Every message is one frame: its length as four bytes, big-endian, then UTF-8 text. Whoever comes
//! sends `NAME: alice` first and gets `CLIENT: 127.0.0.1`, its own address. Each frame after that is
//! a text of at most 64 KiB for all others, who see
//!
//! ```text
//! \n(Connected: New client (2) from alice@127.0.0.1)
//! \n#[alice@127.0.0.1]>>hello
//! \n>>the second line of the same text
//! \n(Now hung up: Client from alice@127.0.0.1)
//! ```
//!
//! Nobody can forge a line of another. A name has 1 to 32 characters, none of them `@`, `[`, `]`,
//! `<` or `>`, a control character, invisible, or white space other than single spaces inside. In a
//! text, every line after the first is marked by `>>`, and control characters become `�`.
//!
//! A login must be there after ten seconds, and a message that has begun must come at a kilobyte a
//! second. Who breaks a rule gets `\n(Refused: …)` with the reason and is disconnected. Who reads too slowly
//! has at most a queue's length waiting; what does not fit is left out and replaced by
//! `\n(Missed: 17 messages)`, or ends the connection (`--slow-peer disconnect`). Nothing more is read
//! from somebody who has a quarter of the queue waiting.

use std::cell::RefCell;
use std::collections::HashSet;
use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use event_loop::{Closed, Context, EventLoop, Options, Outgoing, Peer, StreamHandler};
use examples::{AccessOptions, Address, Logging, Strategy, TlsServerOptions};
use framing::{Decoder, Encoder, Limits, Pattern, Prefix};
use tls_mixin::Session;

/// A chat room: whatever one client says, all others hear
#[derive(Parser)]
struct Args {
    /// Where to listen: ADDRESS:PORT (port 0: any free one) or unix:PATH
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8800")]
    listen: Address,
    /// What happens to a client that reads too slowly
    #[arg(long, value_enum, default_value_t = SlowPeer::Drop)]
    slow_peer: SlowPeer,
    /// How many bytes may wait to be sent to one client
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20,
          value_parser = clap::value_parser!(u32).range(SHORTEST_QUEUE..))]
    queue: u32,
    /// How many connections may be open; more are turned away
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_connections: usize,
    /// How long a client may take to log in, and let a message stand still that it has begun
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    login_timeout: Duration,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    tls: TlsServerOptions,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SlowPeer {
    /// It misses messages, and is told how many
    Drop,
    /// It is disconnected
    Disconnect,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(&args))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let queue_len = args.queue as usize;
    let places = args.max_connections;
    let files = examples::raise_file_limit()?;
    if files.is_some_and(|files| files < places as u64) {
        tracing::warn!(
            places,
            files,
            "fewer open files are allowed than places offered"
        );
    }
    let tls = args.tls.load(Strategy::Loop)?;
    let access = args.access.load()?;
    let refusal = notice(&format!("Refused: {places} of {places} places are taken"));
    let options = Options {
        max_connections: places,
        // A client that waits for TLS does not understand it.
        refusal: if tls.is_none() { refusal } else { Bytes::new() },
        handshake_timeout: args.login_timeout,
        idle_timeout: None,
        max_queue_len: queue_len,
        high_water: queue_len / 4,
        low_water: queue_len / 16,
        read_budget: READ_A_TURN,
        ..Options::default()
    };
    let room = Rc::new(RefCell::new(Room::default()));
    let mut event_loop = EventLoop::new()?;
    examples::stop_on_signals(&mut event_loop)?;
    let limits = Limits {
        max_frame_len: MAX_TEXT_LEN,
        grace: args.login_timeout,
        ..Limits::default()
    };
    let (shared, slow_peer) = (Rc::clone(&room), args.slow_peer);
    let welcome = move |peer| Client {
        decoder: Decoder::with_limits(Pattern::Prefix(Prefix::U32Be), limits),
        is_timed: false,
        conversation: Conversation::new(peer, slow_peer, Rc::clone(&shared)),
    };
    let listen = args.listen.clone();
    let _listening = if let Some(tls) = tls {
        let (acceptor, welcome) = (tls.acceptor()?, Rc::new(welcome));
        let accept = move |peer| {
            let welcome = Rc::clone(&welcome);
            let shaken = move |session: &Session| {
                examples::log_session(peer, session);
                welcome(peer)
            };
            tls_mixin::event_loop::server(&acceptor, shaken)
                .on_failure(move |why, _| tracing::warn!("{peer}: {why}"))
        };
        let accept = access.guard_accept(accept);
        listen.with_tls().listen(&mut event_loop, options, accept)?
    } else {
        let accept = access.guard_accept(welcome);
        listen.listen(&mut event_loop, options, accept)?
    };
    let stats = event_loop.run()?;
    let Room { said, missed, .. } = *room.borrow();
    let summary = examples::summary(&stats);
    tracing::info!("{summary}; {said} messages, {missed} deliveries missed");
    Ok(())
}

/// What all clients share. No handler is called while another runs, so nobody waits for it.
#[derive(Default)]
struct Room {
    names: HashSet<String>,
    said: u64,
    missed: u64,
}

/// The group of all who have logged in.
const ROOM: u64 = 0;
const MAX_TEXT_LEN: usize = 64 << 10;
/// Half of it has room for any text, marked.
const SHORTEST_QUEUE: i64 = 512 << 10;
const MAX_NAME_CHARS: usize = 32;
/// More frames than this from one client wait until others had their turn: each goes to everybody.
const FRAMES_A_TURN: usize = 32;
const READ_A_TURN: usize = MAX_TEXT_LEN;

// The timers of a client.
const GO_ON: u64 = 0;
const FRAME_DUE: u64 = 1;

/// One connection.
struct Client {
    decoder: Decoder,
    /// A timer will look whether a frame that has begun makes progress.
    is_timed: bool,
    conversation: Conversation,
}

/// What is known about a client, and what it is told.
struct Conversation {
    room: Rc<RefCell<Room>>,
    slow_peer: SlowPeer,
    ip: String,
    /// Once it has logged in.
    name: Option<String>,
    /// Messages left out since the last one that fitted.
    missed: u64,
    is_stopping: bool,
}

impl Client {
    // ANCHOR: take_frames
    fn take_frames(&mut self, mut input: &[u8], out: &mut Outgoing, cx: &mut Context<'_, Bytes>) {
        for _ in 0..FRAMES_A_TURN {
            let outcome = match self.decoder.decode(&mut input) {
                Ok(Some(frame)) => self.conversation.frame(frame, out, cx),
                Ok(None) => return self.time_frame(cx),
                Err(error) => Err(error.to_string()),
            };
            if let Err(why) = outcome {
                return self.conversation.refuse(&why, out, cx);
            }
        }
        self.decoder.receive(input);
        cx.pause_reading();
        cx.set_timer(Duration::ZERO, GO_ON);
    }
    // ANCHOR_END: take_frames

    /// Sees to it that a frame that has begun is looked at when its time is over.
    fn time_frame(&mut self, cx: &mut Context<'_, Bytes>) {
        let deadline = self.decoder.poll_timeout(cx.now());
        if let (Some(deadline), false) = (deadline, self.is_timed) {
            self.is_timed = true;
            cx.set_timer(deadline.saturating_duration_since(cx.now()), FRAME_DUE);
        }
    }
}

impl StreamHandler<Bytes> for Client {
    fn received(&mut self, bytes: &[u8], out: &mut Outgoing, cx: &mut Context<'_, Bytes>) {
        self.take_frames(bytes, out, cx);
    }

    fn timer(&mut self, token: u64, out: &mut Outgoing, cx: &mut Context<'_, Bytes>) {
        if token == GO_ON {
            cx.resume_reading();
            return self.take_frames(&[], out, cx);
        }
        self.is_timed = false;
        match self.decoder.handle_timeout(cx.now()) {
            Ok(()) => self.time_frame(cx),
            Err(error) => self.conversation.refuse(&error.to_string(), out, cx),
        }
    }

    fn peer_finished(&mut self, out: &mut Outgoing, cx: &mut Context<'_, Bytes>) {
        self.conversation.hang_up(&"finished", cx);
        out.close();
    }

    fn message(&mut self, frame: Bytes, out: &mut Outgoing, _: &mut Context<'_, Bytes>) {
        self.conversation.hear(frame, out);
    }

    fn writable(&mut self, out: &mut Outgoing, _: &mut Context<'_, Bytes>) {
        self.conversation.tell_missed(out);
    }

    fn stopping(&mut self, out: &mut Outgoing, _: &mut Context<'_, Bytes>) {
        self.conversation.is_stopping = true;
        // Who has no room left for this learns it from the end of the stream.
        let _ = out.try_push(notice("Server is closing"));
        out.close();
    }

    fn handshaking(&self) -> bool {
        self.conversation.name.is_none()
    }

    fn closed(&mut self, why: &Closed, cx: &mut Context<'_, Bytes>) {
        self.conversation.hang_up(why, cx);
    }
}

impl Conversation {
    fn new(peer: Peer, slow_peer: SlowPeer, room: Rc<RefCell<Room>>) -> Self {
        let ip = match peer {
            Peer::Tcp(address) => address.ip().to_canonical().to_string(),
            other => other.to_string(),
        };
        Self {
            room,
            slow_peer,
            ip,
            name: None,
            missed: 0,
            is_stopping: false,
        }
    }

    /// Acts on a frame; the error is why the client must go.
    fn frame(
        &mut self,
        frame: &[u8],
        out: &mut Outgoing,
        cx: &mut Context<'_, Bytes>,
    ) -> Result<(), String> {
        let text = std::str::from_utf8(frame).map_err(|error| format!("not UTF-8: {error}"))?;
        match self.who() {
            None => self.log_in(text, out, cx),
            Some(_) if text.is_empty() => Ok(()),
            Some(who) => {
                self.room.borrow_mut().said += 1;
                publish(&format!("\n#[{who}]>>{}", marked(text)), cx)
            }
        }
    }

    fn log_in(
        &mut self,
        text: &str,
        out: &mut Outgoing,
        cx: &mut Context<'_, Bytes>,
    ) -> Result<(), String> {
        let name = text
            .strip_prefix("NAME: ")
            .ok_or("say who you are first, as in NAME: alice")?;
        check_name(name)?;
        let mut room = self.room.borrow_mut();
        if !room.names.insert(name.to_owned()) {
            return Err(format!("the name {name} is taken"));
        }
        let count = room.names.len();
        drop(room);
        self.name = Some(name.to_owned());
        out.push(framed(&format!("CLIENT: {}", self.ip)));
        let who = format!("{name}@{}", self.ip);
        tracing::debug!("{who} came");
        cx.join(ROOM);
        publish(
            &format!("\n(Connected: New client ({count}) from {who})"),
            cx,
        )
    }

    // ANCHOR: hear
    /// Queues what somebody else said, as far as there is room.
    fn hear(&mut self, frame: Bytes, out: &mut Outgoing) {
        if out.is_ended() {
            return;
        }
        if self.slow_peer == SlowPeer::Disconnect {
            return out.push(frame);
        }
        if out.len() <= out.limit() / 2 {
            self.tell_missed(out);
        }
        // Once something is left out, so is all until half of the queue is free again: a client that
        // is always behind gets stretches of the talk rather than single lines.
        if self.missed > 0 || out.try_push(frame).is_err() {
            self.missed += 1;
            self.room.borrow_mut().missed += 1;
        }
    }

    /// Says how many messages were left out, if there is room for that.
    fn tell_missed(&mut self, out: &mut Outgoing) {
        if self.missed > 0 {
            let told = notice(&format!("Missed: {} messages", self.missed));
            if out.try_push(told).is_ok() {
                self.missed = 0;
            }
        }
    }
    // ANCHOR_END: hear

    /// Tells a client that it must go, and why.
    fn refuse(&mut self, why: &str, out: &mut Outgoing, cx: &mut Context<'_, Bytes>) {
        out.push(notice(&format!("Refused: {why}")));
        out.close();
        self.hang_up(&why, cx);
    }

    /// Gives the name back and tells the others, once; the connection may linger for a while.
    fn hang_up(&mut self, why: &dyn Display, cx: &mut Context<'_, Bytes>) {
        let Some(who) = self.who() else {
            return;
        };
        tracing::debug!("{who} left: {why}");
        if let Some(name) = self.name.take() {
            self.room.borrow_mut().names.remove(&name);
        }
        if !self.is_stopping {
            // Only a loop that is overwhelmed refuses a message, and this one is no loss.
            let _ = publish(&format!("\n(Now hung up: Client from {who})"), cx);
        }
    }

    /// The name and address of a client that has logged in.
    fn who(&self) -> Option<String> {
        let name = self.name.as_ref()?;
        Some(format!("{name}@{}", self.ip))
    }
}

/// Sends one shared frame to all but the one who speaks.
fn publish(text: &str, cx: &mut Context<'_, Bytes>) -> Result<(), String> {
    cx.publish(ROOM, framed(text))
        .map_err(|error| format!("too busy: {error}"))
}

fn notice(text: &str) -> Bytes {
    framed(&format!("\n({text})"))
}

fn framed(text: &str) -> Bytes {
    Encoder::new(Pattern::Prefix(Prefix::U32Be))
        .frame(text.as_bytes())
        .expect("marks and heads make a text a few times longer at most")
}

/// The text with all lines but the first marked, so that none can look like one of the server's.
fn marked(text: &str) -> String {
    let mut marked = String::with_capacity(text.len());
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            marked.push_str("\n>>");
        }
        marked.extend(line.chars().map(|c| match c {
            '\t' => c,
            c if c.is_control() || breaks_order(c) => char::REPLACEMENT_CHARACTER,
            c => c,
        }));
    }
    marked
}

fn check_name(name: &str) -> Result<(), String> {
    let length = name.chars().count();
    if !(1..=MAX_NAME_CHARS).contains(&length) {
        return Err(format!(
            "a name has 1 to {MAX_NAME_CHARS} characters, not {length}"
        ));
    }
    let is_forbidden = |c: char| {
        matches!(c, '@' | '[' | ']' | '<' | '>')
            || c.is_control()
            || (c.is_whitespace() && c != ' ')
            || is_invisible(c)
            || breaks_order(c)
    };
    if let Some(c) = name.chars().find(|&c| is_forbidden(c)) {
        return Err(format!(
            "a name can't have the character {}",
            c.escape_default()
        ));
    }
    if name.split(' ').any(str::is_empty) {
        return Err("in a name, spaces stand alone and between other characters".to_owned());
    }
    Ok(())
}

/// Line separators, and characters that change the direction of those around them.
fn breaks_order(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that are not shown (Unicode: default ignorable), or look like a space.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{2800}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}
