//! Asks a kv_server, once or line by line.
//!
//! ```sh
//! cargo run --example kv_server -- --memory
//! cargo run --example kv_client -- set left '{"a": [1, 2.5, null]}' --ttl 60
//! cargo run --example kv_client -- get left
//! cargo run --example kv_client -- keys --prefix l
//! cargo run --example kv_client
//! ```
//!
//! A value is JSON, or a plain word that is meant as text: `12` is a number, `'"12"'` and `twelve` are texts.
//! What JSON lacks is written as `{"$bytes": "aGVsbG8="}`. Values are printed in the same way, keys as they are.
//!
//! Without a command it asks for commands: at a terminal with a line editor, which completes the names of
//! commands and keys by Tab, and `help` from the server. Words are as in a shell; one that begins with `{` or
//! `[` is JSON up to its end.

use std::error::Error;
use std::io::{self, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use examples::{
    Address, CodecName, Given, KeyOptions, KvStatistics, Logging, Proof, Remote, TlsClient,
    TlsClientOptions,
};
use rpc_core::blocking::{Client, Reconnecting};
use rpc_core::{Arguments, Codec, Encode, Options, Value};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Editor, Helper};
use serde::de::{DeserializeOwned, IgnoredAny};
use socket2::SockRef;

/// Asks a kv_server, once or line by line
#[derive(Parser)]
#[command(name = "kv_client", disable_help_subcommand = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where the server speaks the native protocol: HOST:PORT, unix:PATH or unix:@NAME
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:17001")]
    connect: Remote,
    /// What values are encoded in there; the server must say the same
    #[arg(long, value_enum, default_value_t = CodecName::Postcard)]
    codec: CodecName,
    /// How long an answer may take
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = examples::seconds)]
    timeout: Duration,
    #[command(flatten)]
    tls: TlsClientOptions,
    #[command(flatten)]
    key: KeyOptions,
    #[command(flatten)]
    logging: Logging,
}

/// What is typed at the prompt.
#[derive(Parser)]
#[command(multicall = true, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
#[command(rename_all = "snake_case")]
enum Command {
    /// Print the value of a key
    Get { key: String },
    /// Set the value of a key
    Set {
        key: String,
        /// JSON, or a plain word that is meant as text
        #[arg(allow_negative_numbers = true)]
        value: Given,
        /// For how long; otherwise until it is deleted
        #[arg(long, value_name = "SECONDS")]
        ttl: Option<f64>,
    },
    /// Remove a key
    Delete { key: String },
    /// Print whether there is such a key
    Exists { key: String },
    /// Print keys, one a line, in the order of their bytes
    Keys(Range),
    /// Print keys and their values
    Items(Range),
    /// Print how many keys there are
    Count {
        /// Only those that begin so
        #[arg(long, value_name = "TEXT")]
        prefix: Option<String>,
    },
    /// Print how many seconds a key has left; null if it lives until it is deleted
    Ttl { key: String },
    /// Give a key so many seconds from now on
    Expire { key: String, seconds: f64 },
    /// Let a key live until it is deleted
    Persist { key: String },
    /// Set the value of a key if it has the expected one, and print whether it had. null is no key
    CompareAndSet {
        key: String,
        #[arg(allow_negative_numbers = true)]
        expected: Given,
        #[arg(allow_negative_numbers = true)]
        new: Given,
        /// For how long; otherwise until it is deleted
        #[arg(long, value_name = "SECONDS")]
        ttl: Option<f64>,
    },
    /// Print what the store holds and has done
    Statistics,
    /// Have a copy of everything made in the server's backup folder
    Backup { name: String },
    /// Call any function of the server, by --codec json
    Call {
        name: String,
        /// Each is JSON, or a plain word that is meant as text
        #[arg(allow_negative_numbers = true)]
        arguments: Vec<Given>,
    },
    /// Print what the server's functions do
    Help { name: Option<String> },
}

#[derive(clap::Args)]
struct Range {
    /// Only those that begin so
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
    /// Only those behind this key
    #[arg(long, value_name = "KEY")]
    after: Option<String>,
    /// So many at most
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    if matches!(args.command, Some(Command::Call { .. })) && args.codec != CodecName::Json {
        Args::command()
            .error(ErrorKind::ArgumentConflict, NO_CALL)
            .exit();
    }
    examples::exit_code(run(args))
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let tls = args.tls.load(&args.connect)?;
    let address = args.connect.address;
    let server = Server {
        address: if tls.is_some() {
            address.with_tls()
        } else {
            address
        },
        tls,
        proof: args.key.load("kv")?,
        options: Options {
            call_timeout: Some(args.timeout),
            hello_timeout: args.timeout,
            ..Options::new(args.codec.into())
        },
    };
    match args.command {
        Some(command) => {
            let client = server.connect().map_err(|error| server.at(&error))?;
            run_command(&client, command)
        }
        // A server may hang up on who is silent, or be started anew.
        None => {
            let server = Reconnecting::new(move || server.connect()).patience(PATIENCE);
            converse(&server, args.codec)
        }
    }
}

/// Where the server is, and how it is talked to.
struct Server {
    address: Address,
    tls: Option<TlsClient>,
    proof: Option<Proof>,
    options: Options,
}

impl Server {
    fn connect(&self) -> Result<Client, rpc_core::Error> {
        self.try_connect().map_err(|error| match error.downcast() {
            // That the two ends don't suit each other, for example.
            Ok(error) => *error,
            Err(error) => io::Error::other(self.at(&*error)).into(),
        })
    }

    /// Says where it happened, unless that is said.
    fn at(&self, error: &dyn Error) -> String {
        let (address, error) = (self.address.to_string(), error.to_string());
        if error.contains(&address) {
            return error;
        }
        format!("{address}: {error}")
    }

    fn try_connect(&self) -> Result<Client, Box<dyn Error>> {
        let socket = self.address.connect()?;
        let options = self.options.clone();
        let Some(tls) = &self.tls else {
            if let Some(proof) = &self.proof {
                proof.show(&socket, &socket)?;
            }
            return Ok(Client::new(socket, options)?);
        };
        // A socket of the other kind is read and written in the same way.
        let stream = tls.connector.connect(&tls.name, TcpStream::from(socket))?;
        examples::log_session(&self.address, stream.session());
        if let Some(proof) = &self.proof {
            let proof = proof.within(stream.session());
            proof.show(&stream, &SockRef::from(stream.get_ref()))?;
        }
        Ok(Client::new(stream, options)?)
    }
}

fn run_command(client: &Client, command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Get { key } => print(&client.call::<Value>("get", (key,))?),
        Command::Set {
            key,
            value: Given(value),
            ttl,
        } => Ok(client.call("set", (key, value, ttl))?),
        Command::Delete { key } => Ok(client.call("delete", (key,))?),
        Command::Exists { key } => print(&client.call::<bool>("exists", (key,))?),
        Command::Keys(range) => list(
            client,
            "keys",
            range,
            |key: &String| key,
            |key| Ok(harmless(key)),
        ),
        Command::Items(range) => list(
            client,
            "items",
            range,
            |(key, _): &(String, Value)| key,
            |(key, value)| Ok(format!("{}\t{}", harmless(key), json(value)?)),
        ),
        Command::Count { prefix } => print(&client.call::<u64>("count", (prefix,))?),
        Command::Ttl { key } => print(&client.call::<Option<f64>>("ttl", (key,))?),
        Command::Expire { key, seconds } => Ok(client.call("expire", (key, seconds))?),
        Command::Persist { key } => Ok(client.call("persist", (key,))?),
        Command::CompareAndSet {
            key,
            expected: Given(expected),
            new: Given(new),
            ttl,
        } => {
            let (expected, new) = (some(expected), some(new));
            print(&client.call::<bool>("compare_and_set", (key, expected, new, ttl))?)
        }
        Command::Statistics => print(&client.call::<KvStatistics>("statistics", ())?),
        Command::Backup { name } => Ok(client.call("backup", (name,))?),
        Command::Call { name, arguments } => {
            let all = arguments.iter().map(|Given(value)| value);
            let arguments = all.fold(Arguments::new(), Arguments::positional);
            print(&client.call::<Value>(&name, arguments)?)
        }
        Command::Help { name: Some(name) } => explain(client, &name),
        Command::Help { name: None } => {
            let names: Vec<String> = client.call("system.listMethods", ())?;
            names.iter().try_for_each(|name| explain(client, name))
        }
    }
}

/// Prints all there is in the range, page by page: no answer is larger than a page.
fn list<T: DeserializeOwned>(
    client: &Client,
    function: &str,
    range: Range,
    key: impl Fn(&T) -> &String,
    line: impl Fn(&T) -> Result<String, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let (mut after, mut left) = (range.after, range.limit.unwrap_or(u64::MAX));
    let mut stdout = io::stdout().lock();
    while left > 0 {
        let page = (Some(&range.prefix), &after, Some(left.min(PAGE)));
        let page: Vec<T> = client.call(function, page)?;
        let Some(last) = page.last() else {
            break;
        };
        after = Some(key(last).clone());
        left -= page.len() as u64;
        for entry in &page {
            writeln!(stdout, "{}", line(entry)?)?;
        }
    }
    Ok(stdout.flush()?)
}

fn explain(client: &Client, name: &str) -> Result<(), Box<dyn Error>> {
    let signature: String = client.call("system.methodSignature", (name,))?;
    let help: String = client.call("system.methodHelp", (name,))?;
    let mut stdout = io::stdout().lock();
    Ok(writeln!(
        stdout,
        "{}\n    {}",
        harmless(&signature),
        harmless(&help)
    )?)
}

/// Takes commands until there are no more. Says what fails, and goes on.
fn converse(server: &Reconnecting, codec: CodecName) -> Result<(), Box<dyn Error>> {
    // Who calls nobody learns that at once.
    server.client()?;
    let mut editor = Editor::with_history(Config::default(), MemHistory::new())?;
    editor.set_helper(Some(Completion(server.clone())));
    let mut failed = 0;
    loop {
        match editor.readline("kv> ") {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => {
                // It serves comfort only.
                let _ = editor.add_history_entry(&line);
                if let Err(error) = obey(server, codec, &line) {
                    failed += 1;
                    writeln!(io::stderr(), "error: {error}")?;
                }
            }
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => break,
            Err(error) => return Err(error.into()),
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(format!("{failed} commands failed").into()),
    }
}

fn obey(server: &Reconnecting, codec: CodecName, line: &str) -> Result<(), Box<dyn Error>> {
    match Line::try_parse_from(words(line)?) {
        Ok(Line {
            command: Command::Call { .. },
        }) if codec != CodecName::Json => Err(NO_CALL.into()),
        Ok(Line { command }) => run_command(&server.client()?, command),
        // What was asked for, such as `set --help`, goes to standard output.
        Err(text) if !text.use_stderr() => Ok(text.print()?),
        Err(error) => {
            let text = error.to_string();
            Err(text.trim_end().trim_start_matches("error: ").into())
        }
    }
}

const NO_CALL: &str =
    "`call` needs --codec json, here and at the server: the other codecs don't say what a value is";
/// So many keys or items are asked for at a time.
const PAGE: u64 = 1000;
/// How long a command waits for a server that is not there.
const PATIENCE: Duration = Duration::from_secs(2);

/// The words of a line: as in a shell, but that JSON needs no quotes.
fn words(line: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        let (word, behind) = match first {
            '{' | '[' => {
                let mut values = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
                if let Some(Err(error)) = values.next() {
                    return Err(format!("not JSON: {error}").into());
                }
                rest.split_at(values.byte_offset())
            }
            '"' | '\'' => rest[1..]
                .split_once(first)
                .ok_or_else(|| format!("no {first} at the end of {rest}"))?,
            _ => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        words.push(word.to_owned());
        rest = behind.trim_start();
    }
    Ok(words)
}

/// Null is no value to compare with or to set, but the lack of one.
fn some(value: Value) -> Option<Value> {
    Some(value).filter(|value| *value != Value::Null)
}

fn print(value: &impl serde::Serialize) -> Result<(), Box<dyn Error>> {
    Ok(writeln!(io::stdout(), "{}", json(value)?)?)
}

fn json(value: &impl serde::Serialize) -> Result<String, Box<dyn Error>> {
    let mut text = Vec::new();
    Codec::Json.encode(value, &mut text)?;
    Ok(harmless(&String::from_utf8(text)?))
}

/// The text with what could control the terminal written as in JSON. Whoever set a value is a stranger.
fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            harmless.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            harmless.push(c);
        }
    }
    harmless
}

/// Completes the names of commands, and the keys behind those that take one.
struct Completion(Reconnecting);

impl Completer for Completion {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let line = &line[..position];
        let start = line.rfind(' ').map_or(0, |space| space + 1);
        let begun = &line[start..];
        let Some((command, _)) = line.split_once(' ').filter(|(_, rest)| !rest.contains(' '))
        else {
            let names = Line::command();
            let names = names.get_subcommands().map(clap::Command::get_name);
            let names = names.filter(|name| start == 0 && name.starts_with(begun));
            return Ok((start, names.map(|name| format!("{name} ")).collect()));
        };
        let takes_key = Line::command()
            .find_subcommand(command)
            .and_then(|command| command.get_positionals().next())
            .is_some_and(|first| first.get_id() == "key");
        if !takes_key {
            return Ok((start, Vec::new()));
        }
        let page = (Some(begun), None::<&str>, Some(PAGE));
        let client = self.0.client();
        let keys = client.and_then(|client| client.timeout(PATIENCE).call("keys", page));
        let keys: Vec<String> = keys.unwrap_or_default();
        let is_plain = |key: &String| !key.contains(|c: char| c.is_whitespace() || c.is_control());
        Ok((start, keys.into_iter().filter(is_plain).collect()))
    }
}

impl Hinter for Completion {
    type Hint = String;
}

impl Highlighter for Completion {}
impl Validator for Completion {}
impl Helper for Completion {}
