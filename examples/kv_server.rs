//! Keeps values under keys, for programs in any language; what it has acknowledged is on disk.
//!
//! ```sh
//! cargo run --release --example kv_server -- --jsonrpc
//! cargo run --example kv_client -- set left '{"a": [1, 2.5, null]}'
//! cargo run --example kv_client -- get left
//! echo '{"jsonrpc": "2.0", "method": "get", "params": ["left"], "id": 1}' | nc -N 127.0.0.1 17002
//! python3 examples/python/kv_json.py
//! ```
//!
//! With `--python` it also speaks what Python's `multiprocessing.connection` does:
//!
//! ```sh
//! cargo run --release --example kv_server -- --python
//! python3 examples/python/kv_mp.py
//! ```
//!
//! One registry has the functions (`examples/src/kv_functions.rs`), and each dialect serves it at an address of
//! its own: the native protocol at `--listen`, JSON-RPC 2.0 at `--jsonrpc`, one message a line, and calls as pickles at
//! `--python`. What is set by one is read by the others: a tuple of Python is `{"$tuple": […]}` in JSON. Everything runs
//! on one event loop; writes are futures that the store's own thread wakes when it has synced them, many at a time.
//!
//! The lines `listening on …` come in this order: native, JSON-RPC, Python. A key (`--authkey`) and TLS (`--tls-cert`)
//! are the same for all dialects: whoever connects first shows that it knows the key. Python does that in its own way.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use bytes::Bytes;
use clap::{ArgGroup, Parser, ValueEnum};
use event_loop::{EventLoop, Options, Peer};
use examples::kv::{self, Durable, DurableOptions, Limits, Memory, Store};
use examples::{
    Access, AccessOptions, Address, CodecName, Guarded, HANDSHAKE_TIMEOUT, KeyOptions, Listening,
    Logging, Proof, Strategy, TlsServer, TlsServerOptions,
};
use mp_connection::rpc;
use rpc_core::event_loop::{Handler, Message};
use rpc_core::{Dialect, json_rpc, native};
use tls_mixin::Session;

/// Keeps values under keys, for programs in any language
#[derive(Parser)]
#[command(group = ArgGroup::new("others").multiple(true))]
struct Args {
    /// Where to speak the native protocol: ADDRESS:PORT (port 0: any free one), unix:PATH or unix:@NAME
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:17001")]
    listen: Address,
    /// What values are encoded in there; clients must say the same
    #[arg(long, value_enum, default_value_t = CodecName::Postcard)]
    codec: CodecName,
    /// Do not speak the native protocol
    #[arg(long, requires = "others")]
    no_native: bool,
    /// Speak JSON-RPC 2.0 too, one message a line [here, if it is not said where: 127.0.0.1:17002]
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:17002", group = "others")]
    jsonrpc: Option<Address>,
    /// Speak Python's multiprocessing.connection too [here, if it is not said where: 127.0.0.1:17000]
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = "127.0.0.1:17000", group = "others")]
    python: Option<Address>,
    /// In there, refuse those that know nothing better than HMAC-MD5: Python up to 3.11
    #[arg(long, requires_all = ["python", "key"])]
    modern_only: bool,
    /// Keep everything in memory; nothing is left when the server ends
    #[arg(long, conflicts_with_all = ["data", "durability"])]
    memory: bool,
    /// The folder with the data; it is made if there is none. One server at a time
    #[arg(long, value_name = "DIR", default_value = "./kv-data")]
    data: PathBuf,
    /// What an acknowledged write survives
    #[arg(long, value_enum, default_value_t = Durability::Disk)]
    durability: Durability,
    /// Let clients have copies made in this folder, which they can name but not choose; it is made if there is none
    #[arg(long, value_name = "DIR")]
    backup_dir: Option<PathBuf>,
    /// How many connections may be open at each address; more are turned away
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_connections: usize,
    /// How long a connection may go without a byte either way
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = examples::seconds)]
    idle_timeout: Duration,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    tls: TlsServerOptions,
    #[command(flatten)]
    key: KeyOptions,
    #[command(flatten)]
    logging: Logging,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Durability {
    /// Everything that the disk survives: the end of the server, of the system, of the power
    Disk,
    /// The end of the server, but not of the system: what was written last may then be gone
    System,
}

fn main() -> ExitCode {
    let args = Args::parse();
    args.logging.start();
    examples::exit_code(run(args))
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let auth = args.key.auth(args.modern_only)?;
    let door = Door {
        access: args.access.load()?,
        tls: args.tls.load(Strategy::Loop)?,
        proof: args.key.load("kv")?,
        options: options(args.max_connections, args.idle_timeout),
    };
    let store = Arc::new(if args.memory {
        Store::new(Memory::new(), Limits::default())
    } else {
        let options = DurableOptions {
            durability: args.durability.into(),
            ..DurableOptions::default()
        };
        Store::new(Durable::open(&args.data, &options)?, Limits::default())
    });
    if let Some(directory) = &args.backup_dir {
        fs::create_dir_all(directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    let registry = Arc::new(examples::kv_registry(&store, args.backup_dir));
    examples::raise_file_limit()?;
    let mut event_loop = EventLoop::new()?;
    examples::stop_on_signals(&mut event_loop)?;

    // ANCHOR: dialects
    let mut listening = Vec::new();
    if !args.no_native {
        let (registry, options) = (
            Arc::clone(&registry),
            rpc_core::Options::new(args.codec.into()),
        );
        let peer = move |_| native::Peer::new(Arc::clone(&registry), options.clone());
        let proof = door.proof.clone();
        listening.push(door.listen(&args.listen, &mut event_loop, proof, peer)?);
    }
    if let Some(address) = args.jsonrpc {
        let (registry, options) = (Arc::clone(&registry), json_rpc::Options::default());
        let peer = move |_| json_rpc::Peer::new(Arc::clone(&registry), options.clone());
        let proof = door.proof.clone();
        listening.push(door.listen(&address, &mut event_loop, proof, peer)?);
    }
    if let Some(address) = args.python {
        let options = rpc::Options::default();
        let peer = move |peer| {
            let calls = rpc::Peer::new(Arc::clone(&registry), options.clone());
            match &auth {
                Some(auth) => calls.authenticated(auth).on_login(move |generation| {
                    examples::log_generation(peer, generation);
                }),
                None => calls,
            }
        };
        // It is a part of this dialect how clients prove that they know the key.
        listening.push(door.listen(&address, &mut event_loop, None, peer)?);
    }
    // ANCHOR_END: dialects

    let stats = event_loop.run()?;
    let now = store.statistics()?;
    tracing::info!(
        "{}; {} keys, {} writes in {} commits",
        examples::summary(&stats),
        now.size.keys,
        now.writes,
        now.commits
    );
    Ok(())
}

fn options(max_connections: usize, idle_timeout: Duration) -> Options {
    Options {
        max_connections,
        // It would be no message of any dialect.
        refusal: Bytes::new(),
        handshake_timeout: HANDSHAKE_TIMEOUT,
        idle_timeout: Some(idle_timeout),
        // The largest answer of a dialect fits, with what waits before it.
        max_queue_len: 16 << 20,
        ..Options::default()
    }
}

/// One client's conversation. Anybody can have it fail, so why is for those who ask for it: `-v`. But who was not let
/// in is for all.
fn conversation<D: Dialect>(peer: Peer, dialect: D) -> Handler<D> {
    Handler::new(dialect).on_failure(move |why| match why {
        rpc_core::Error::Io(why) if why.kind() == io::ErrorKind::PermissionDenied => {
            tracing::warn!("{peer}: {}", examples::explain(&**why));
        }
        why => tracing::debug!("{peer}: {why}"),
    })
}

/// Who is let in, to whichever dialect.
struct Door {
    access: Access,
    tls: Option<TlsServer>,
    proof: Option<Proof>,
    options: Options,
}

impl Door {
    /// Listens and announces it; each client gets a conversation of its own, when it has shown this proof, if any.
    fn listen<D: Dialect>(
        &self,
        address: &Address,
        event_loop: &mut EventLoop<Message>,
        proof: Option<Proof>,
        dialect: impl Fn(Peer) -> D + Clone + 'static,
    ) -> Result<Listening, Box<dyn Error>> {
        let options = self.options.clone();
        let Some(tls) = &self.tls else {
            let accept = move |peer| Guarded::new(proof.clone(), conversation(peer, dialect(peer)));
            let accept = self.access.guard_accept(accept);
            return Ok(address.listen(event_loop, options, accept)?);
        };
        let acceptor = tls.acceptor()?;
        let accept = move |peer| {
            let (proof, dialect) = (proof.clone(), dialect.clone());
            let begin = move |session: &Session| {
                examples::log_session(peer, session);
                let proof = proof.map(|proof| proof.within(session));
                Guarded::new(proof, conversation(peer, dialect(peer)))
            };
            tls_mixin::event_loop::server(&acceptor, begin)
                .on_failure(move |why, _| tracing::warn!("{peer}: {why}"))
        };
        let accept = self.access.guard_accept(accept);
        let address = address.clone().with_tls();
        Ok(address.listen(event_loop, options, accept)?)
    }
}

impl From<Durability> for kv::Durability {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Disk => Self::Disk,
            Durability::System => Self::System,
        }
    }
}
